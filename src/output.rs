//! The only mouth: whatever the program says passes through here.
//!
//! Standard output carries the result alone; talk and progress go to standard error. Secrets that were
//! made known by [`Out::mask_secret`] are replaced in everything that is said or logged.

pub mod clean;
mod live;
pub mod log;
mod secrets;
pub mod tabular;
pub mod words;

use std::cell::RefCell;
use std::fmt::{Display, Write as _};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::interrupt::Interrupt;
use crate::tools::ssh::sh_quote;
use clean::{clean, clean_but_colors, cut};
use live::Live;
use secrets::Secrets;

/// How the result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// What a command found or did: data for scripts, text for people.
pub trait Outcome {
    /// The result as one JSON document.
    fn json(&self) -> serde_json::Value;
    /// The result for people; no line break at the end.
    fn text(&self) -> String;
    /// The failure that this result is: a report of failed checks is both.
    fn failure(&self) -> Option<Error> {
        None
    }
}

impl<T: Serialize + Display> Outcome for T {
    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_else(|error| error.to_string().into())
    }
    fn text(&self) -> String {
        self.to_string()
    }
}

/// How much is said, and how.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The result's format.
    pub format: Format,
    /// Say nothing but the result, warnings and errors.
    pub quiet: bool,
    /// 0 to 3: steps; what each step is doing; the programs started; every line they write.
    pub verbose: u8,
    /// Colours are allowed.
    pub color: bool,
}

/// The mouth.
pub struct Out {
    style: Style,
    secrets: Secrets,
    live: RefCell<Live>,
}

impl Out {
    /// A mouth that speaks in this style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let live = Live::new(terminal && !style.quiet, style.color && terminal);
        Self { style, secrets: Secrets::default(), live: RefCell::new(live) }
    }

    /// A mouth for another thread, which knows the same secrets and says nothing.
    #[must_use]
    pub fn silent(&self) -> Self {
        let style = Style { quiet: true, verbose: 0, ..self.style };
        Self { secrets: self.secrets(), ..Self::new(style) }
    }

    /// From now on this text is shown as `********`, here and in the log.
    pub fn mask_secret(&self, secret: &str) {
        self.secrets.add(secret);
    }

    /// The text without any known secret.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        self.secrets.masked(text)
    }

    /// The text as a terminal may have it: without secrets, and without what could command the terminal.
    fn shown(&self, text: &str) -> String {
        clean(&self.masked(text)).into_owned()
    }

    /// Only what is text in it: a port that looks like a secret must stay a number.
    fn masked_document(&self, document: Value) -> Value {
        match document {
            Value::String(text) => self.masked(&text).into(),
            Value::Array(items) => items.into_iter().map(|item| self.masked_document(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (name, self.masked_document(value))).collect()
            }
            other => other,
        }
    }

    /// What must not be shown, for the log.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        self.secrets.clone()
    }

    /// Whether there is somebody to ask: both ends are a terminal.
    #[must_use]
    #[allow(clippy::unused_self, reason = "the mouth is asked, wherever it looks")]
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Whether standard error is in colour.
    #[must_use]
    pub fn color(&self) -> bool {
        self.style.color
    }

    /// How much is said, 0 to 3.
    #[must_use]
    pub fn verbose(&self) -> u8 {
        self.style.verbose
    }

    /// The result's format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.style.format
    }

    /// Refuses an option that gives the result another format than `--output-format json` does.
    ///
    /// # Errors
    /// `usage`, when the result is wanted as JSON.
    pub fn refuse_beside_json(&self, option: &str) -> Result<()> {
        if self.style.format == Format::Text {
            return Ok(());
        }
        Err(Error::new(Code::Usage, format!("--output-format json and {option} exclude each other"))
            .help("leave one of them out"))
    }

    /// A step begins: a live line at a terminal.
    pub fn step_started(&self, number: usize, total: usize, title: &str) {
        tracing::info!(step = title, "step {number}/{total} started");
        self.live.borrow_mut().start(&format!("[{number}/{total}] {title}"));
    }

    /// Work that has no steps of its own begins: a live line at a terminal.
    pub fn work_started(&self, title: &str) {
        tracing::info!("{title} started");
        self.live.borrow_mut().start(title);
    }

    /// How far that work is: for the live line alone.
    pub fn work_goes_on(&self, text: &str) {
        self.live.borrow_mut().detail(&self.shown(text));
    }

    /// Work that has no steps of its own is done.
    pub fn work_ended(&self) {
        self.live.borrow_mut().finish();
    }

    /// What the present step is doing right now.
    pub fn doing(&self, text: &str) {
        let text = self.shown(text);
        tracing::debug!("{text}");
        self.say_from(1, &format!("    {text}"));
        self.live.borrow_mut().detail(&text);
    }

    /// A program is started: said from `-vv` on.
    pub fn program_started(&self, command: &str) {
        tracing::debug!("$ {}", self.masked(command));
        self.say_from(2, &format!("    $ {command}"));
    }

    /// A running program wrote a line: said from `-vvv` on.
    pub fn program_said(&self, line: &str) {
        tracing::trace!("{}", self.masked(line));
        self.say_from(3, &format!("    | {line}"));
    }

    /// A program ended: said from `-vv` on.
    pub fn program_ended(&self, program: &str, code: i32) {
        tracing::debug!(code, "{program} ended");
        self.say_from(2, &format!("    {program} ended with {code}"));
    }

    /// Time passes: moves the live line, and without a terminal gives a sign of life now and then.
    pub fn tick(&self) {
        let sign = self.live.borrow_mut().tick();
        if let Some(sign) = sign {
            self.say(&sign);
        }
    }

    /// The present step is done; `note` says what was observed.
    pub fn step_done(&self, took: Duration, note: &str) {
        let note = self.masked(note);
        tracing::info!(seconds = took.as_secs_f64(), note, "step done");
        let title = self.live.borrow_mut().finish();
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        self.say_marked(&self.paint("✓", "32"), &format!("{title} ({}){note}", seconds(took)));
    }

    /// The present step failed; the error itself is said at the end.
    pub fn step_failed(&self, took: Duration) {
        let title = self.live.borrow_mut().finish();
        tracing::error!(seconds = took.as_secs_f64(), "{title} failed");
        self.say_marked(&self.paint("✗", "31"), &format!("{title} ({})", seconds(took)));
    }

    /// A fact that the user should see.
    pub fn note(&self, text: &str) {
        tracing::info!("{}", self.masked(text));
        self.say(text);
    }

    /// Something that is not as it should be, but does not stop the work. Said even when quiet.
    pub fn warn(&self, text: &str) {
        let text = self.shown(text);
        tracing::warn!("{text}");
        let line = format!("{} {text}", self.paint("warning:", "33"));
        self.live.borrow().print(&line);
    }

    /// Asks for a yes. Call it only when [`Out::can_ask`].
    ///
    /// # Errors
    /// `interrupted`, on Ctrl-C.
    pub fn ask(&self, question: &str, interrupt: &Interrupt) -> Result<bool> {
        self.live.borrow_mut().pause();
        self.live.borrow().print_inline(&format!("{} [y/N] ", self.shown(question)));
        let stdin = std::io::stdin();
        let tenth = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        // A read that waits would not see Ctrl-C.
        while !matches!(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&tenth)), Ok(1..)) {
            interrupt.check().inspect_err(|_| self.live.borrow().print(""))?;
        }
        let mut answer = String::new();
        let read = stdin.read_line(&mut answer).is_ok();
        Ok(read && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
    }

    /// The command's result, on standard output.
    ///
    /// # Errors
    /// When standard output cannot be written to.
    pub fn result(&self, outcome: &dyn Outcome) -> std::io::Result<()> {
        let text = match self.style.format {
            Format::Json => format!("{:#}", self.masked_document(outcome.json())),
            Format::Text => self.shown(&outcome.text()),
        };
        print_out(&text)
    }

    /// A line of the result that is there before the others.
    ///
    /// # Errors
    /// When standard output cannot be written to, also because its reader has gone away.
    pub fn line(&self, text: &str) -> std::io::Result<()> {
        let text = clean_but_colors(&self.masked(text));
        self.live.borrow().beside_bar(|| {
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "{text}").and_then(|()| stdout.flush())
        })
    }

    /// A word of such a line in colour, where it is read at a terminal.
    #[must_use]
    pub fn colored_word(&self, word: &str, color: &str) -> String {
        if std::io::stdout().is_terminal() { self.paint(word, color) } else { word.to_owned() }
    }

    /// The command's failure: JSON on standard output when asked for, and for people on standard error.
    pub fn error(&self, error: &Error) {
        self.live.borrow_mut().finish();
        tracing::error!(code = ?error.code(), causes = ?error.causes(), "{}", self.masked(error.message()));
        if self.style.format == Format::Json {
            let document = serde_json::json!({ "error": error });
            let _ = print_out(&format!("{:#}", self.masked_document(document)));
            return;
        }
        let shown = |text: &str, indent: &str| self.shown(&cut(text).replace('\n', indent));
        let mut text = format!("{} {}\n", self.paint("error:", "31"), shown(error.message(), "\n"));
        for cause in error.causes() {
            let _ = writeln!(text, "  because: {}", shown(cause, "\n           "));
        }
        // Drawn by ourselves, in colours; what it quotes was cleaned there.
        text += &self.masked(error.drawing());
        for help in error.helps() {
            let _ = writeln!(text, "  {} {}", self.paint("help:", "36"), shown(help, "\n        "));
        }
        self.live.borrow().print(text.trim_end());
    }

    fn say_from(&self, verbosity: u8, text: &str) {
        if self.style.verbose >= verbosity {
            self.say(text);
        }
    }

    fn say(&self, text: &str) {
        if !self.style.quiet {
            self.live.borrow().print(&self.shown(text));
        }
    }

    fn say_marked(&self, mark: &str, text: &str) {
        if !self.style.quiet {
            self.live.borrow().print(&format!("{mark} {}", self.shown(text)));
        }
    }

    fn paint(&self, text: &str, color: &str) -> String {
        if self.style.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Seconds for people: `0.4 s`, `12.3 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A path in a command that a person types: quoted only where the shell would not take it as one word.
#[must_use]
pub fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=@%:,".contains(&byte);
    if text.bytes().all(plain) { text } else { sh_quote(&text) }
}

/// What the user reads when standard output cannot be written to.
#[must_use]
pub fn unwritable(error: std::io::Error) -> Error {
    Error::new(Code::StorageFailed, "standard output cannot be written").why(error)
}

/// Writes to standard output; a reader that has gone away (`| head`) is no failure.
///
/// # Errors
/// When it cannot be written to.
pub fn print_out(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
