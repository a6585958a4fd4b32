//! A program to run, as data, and what came of it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::Stream;
use crate::error::{Code, Error};

/// A program to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cmd {
    /// Found on PATH.
    pub program: String,
    /// Its arguments; never a secret.
    pub args: Vec<OsString>,
    /// Environment variables on top of ours; secrets may go here.
    pub env: Vec<(String, String)>,
    /// Where it runs.
    pub folder: Option<PathBuf>,
    /// What it reads first.
    pub input: Vec<u8>,
    /// A program whose output it reads, after `input`.
    pub source: Option<Box<Cmd>>,
    /// Killed when it takes longer.
    pub deadline: Option<Duration>,
    /// How long it may take to end after Ctrl-C before it is killed; [`super::GRACE`] when nothing is said.
    pub grace: Option<Duration>,
    /// The file that both of its streams go to and are read from. A program that must live on when we are killed needs
    /// one: writing to our broken pipe would end it.
    pub transcript: Option<PathBuf>,
    /// A file that it writes to, and the size at which it is stopped.
    pub at_most: Option<(PathBuf, u64)>,
    /// It may go on for days: what it writes to standard output is heard line by line, and not kept.
    pub endless: bool,
}

impl Cmd {
    /// `program` with `args`.
    pub fn new<A: Into<OsString>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Gives it something to read.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Kills it after this long.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Lets it take this long to end after Ctrl-C.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Stops it when this file has got larger than that.
    #[must_use]
    pub fn at_most(mut self, file: impl Into<PathBuf>, bytes: u64) -> Self {
        self.at_most = Some((file.into(), bytes));
        self
    }

    /// Lets it live on when we are killed, with its output in this file.
    #[must_use]
    pub fn transcript(mut self, file: impl Into<PathBuf>) -> Self {
        self.transcript = Some(file.into());
        self
    }

    /// Lets it read what `source` writes.
    #[must_use]
    pub fn reading(mut self, source: Cmd) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// One line for people; a long script is cut.
    pub(super) fn shown(&self) -> String {
        const LIMIT: usize = 300;
        let args = self.args.iter().map(|arg| arg.to_string_lossy());
        let line = std::iter::once(self.program.as_str().into()).chain(args).collect::<Vec<_>>().join(" ");
        let short: String = line.chars().take(LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if short.len() < line.len() { format!("{short}…") } else { short }
    }

    /// In a group of its own, so that Ctrl-C reaches its children through us, once, and in order.
    pub(super) fn command(&self) -> Command {
        let mut command = self.in_our_group();
        command.process_group(0);
        command
    }

    /// In our own group, which the terminal takes its input from.
    pub(super) fn in_our_group(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    pub(super) fn not_started(&self, error: &std::io::Error) -> Error {
        if error.kind() == std::io::ErrorKind::NotFound {
            crate::tools::missing(&self.program)
        } else {
            Error::new(Code::ToolFailed, format!("cannot start {}", self.program))
                .why(error)
                .help("is it a program that you may run?")
        }
    }
}

/// How a program ended and what it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Whether a signal ended it.
    pub by_signal: bool,
}

impl Ran {
    /// Whether it ended with 0.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.code == 0
    }

    pub(super) fn keep(&mut self, stream: Stream, line: &str) {
        let text = if stream == Stream::Out { &mut self.stdout } else { &mut self.stderr };
        text.push_str(line);
        text.push('\n');
    }

    /// The last lines of what it complained about, for an error's cause.
    #[must_use]
    pub fn complaint(&self) -> String {
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}
