//! Runs a program: lines as they come, a deadline, Ctrl-C forwarded to its whole process group.
//!
//! A [`Cmd`] is data, so that a test can compare what would be run. Nothing secret belongs into its
//! arguments: every user of the machine can read them.

mod attached;
mod cmd;
mod side_by_side;
mod transcript;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Code, Error, Result};
use crate::interrupt::{self, Interrupt};
use crate::output::Out;
pub use cmd::{Cmd, Ran};
pub use side_by_side::Event;

/// How often a waiting program looks at the clock and at Ctrl-C.
const TICK: Duration = Duration::from_millis(50);
/// How long an interrupted program may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long output is awaited after a program's end: a child it left behind may hold the pipe open.
const DRAIN: Duration = Duration::from_millis(300);
/// No program that we run says more in one line, or all in all; a host that does would fill this machine's memory.
const LINE_MAX: u64 = 16 << 20;
const TOTAL_MAX: u64 = 64 << 20;
/// How many lines may wait for us: a program that says more than we can pass on is made to wait, too.
const LINES: usize = 1000;

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Whether something may be said to a program after its first input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Talk {
    Yes,
    No,
}

/// The way to a running program's standard input. Dropping all copies ends the input.
#[derive(Clone)]
pub struct Input(Option<Sender<Vec<u8>>>);

impl Input {
    /// Sends bytes; a program that has stopped reading is no failure here, its exit code will tell.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(bytes.into());
        }
    }

    /// Ends the input.
    pub fn close(&mut self) {
        self.0 = None;
    }
}

/// Runs programs and says what they do.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// Where it is said.
    pub out: &'a Out,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
}

impl Runner<'_> {
    /// Runs to the end. An exit code other than 0 is for the caller to judge.
    ///
    /// # Errors
    /// The program is missing, its deadline passed, or the user interrupted.
    pub fn run(self, cmd: &Cmd) -> Result<Ran> {
        self.start(cmd, Stdio::piped(), Talk::No, |_, _, _| Ok(()))
    }

    /// Lets time pass before the next look; Ctrl-C ends it.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn pause(self, length: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            self.interrupt.check()?;
            self.out.tick();
            match length.checked_sub(began.elapsed()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(TICK)),
                _ => return Ok(()),
            }
        }
    }

    /// Runs with a conversation: `hear` gets each line and may answer. The input stays open until `hear` closes it
    /// (or at once, when nothing can be said after `input` because the program reads from another).
    ///
    /// # Errors
    /// As [`Runner::run`], and whatever `hear` returns; the program is ended then.
    pub fn talk(self, cmd: &Cmd, hear: impl FnMut(Stream, &str, &mut Input) -> Result<()>) -> Result<Ran> {
        self.start(cmd, Stdio::piped(), Talk::Yes, hear)
    }

    /// Runs to the end with its standard output in a file.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub fn run_into(self, cmd: &Cmd, file: File) -> Result<Ran> {
        self.start(cmd, file.into(), Talk::No, |_, _, _| Ok(()))
    }

    fn start(
        self,
        cmd: &Cmd,
        stdout: Stdio,
        talk: Talk,
        mut hear: impl FnMut(Stream, &str, &mut Input) -> Result<()>,
    ) -> Result<Ran> {
        self.out.program_started(&cmd.shown());
        let mut source = cmd.source.as_ref().map(|source| start_source(source)).transpose()?;
        let (mut child, lines) = spawn(cmd, stdout)?;
        let mut input = feed(&mut child, cmd.input.clone(), source.as_mut());
        if talk == Talk::No {
            input.close();
        }
        let mut waited = self.wait(cmd, &mut child, &lines, &mut input, &mut hear);
        if waited.is_err() {
            end(&mut child, Signal::KILL);
        }
        if let (Some(mut source), Some(cmd)) = (source, &cmd.source) {
            mind_source(&mut source, &cmd.program, &mut waited);
        }
        if let Ok(ran) = &waited {
            self.out.program_ended(&cmd.program, ran.code);
        }
        waited
    }

    fn wait(
        self,
        cmd: &Cmd,
        child: &mut Child,
        lines: &Lines,
        input: &mut Input,
        hear: &mut impl FnMut(Stream, &str, &mut Input) -> Result<()>,
    ) -> Result<Ran> {
        let started = Instant::now();
        let mut ran = Ran::default();
        let mut exited: Option<(ExitStatus, Instant)> = None;
        let mut stopping: Option<Instant> = None;
        loop {
            let overdue = exited.is_some_and(|(_, since)| since.elapsed() > DRAIN);
            let heard = lines.coming.recv_timeout(if overdue { Duration::ZERO } else { TICK });
            let closed = heard == Err(RecvTimeoutError::Disconnected);
            let silent = heard.is_err();
            match heard {
                Ok((stream, line)) => {
                    if stream == Stream::Err || !cmd.endless {
                        ran.keep(stream, &line);
                    }
                    self.out.program_said(&line);
                    hear(stream, &line, input)?;
                }
                Err(_) => self.out.tick(),
            }
            refuse_endless(cmd, lines, &ran)?;
            self.mind_signals(cmd, child, &mut stopping);
            if cmd.deadline.is_some_and(|deadline| started.elapsed() > deadline) {
                return Err(too_slow(cmd));
            }
            if exited.is_none() {
                let status = child.try_wait().map_err(|error| cmd.not_started(&error))?;
                exited = status.map(|status| (status, Instant::now()));
                lines.ended.store(exited.is_some(), Ordering::Release);
            }
            match exited {
                Some((status, _)) if closed || (overdue && silent) => return self.ended(ran, status),
                None if closed => std::thread::sleep(Duration::from_millis(2)),
                _ => {}
            }
        }
    }

    fn ended(self, mut ran: Ran, status: ExitStatus) -> Result<Ran> {
        if self.interrupt.wanted() {
            return Err(interrupt::error());
        }
        (ran.code, ran.by_signal) = (exit_code(status), status.code().is_none());
        Ok(ran)
    }

    /// The first signal is passed on, the next one or too long a wait kills.
    fn mind_signals(self, cmd: &Cmd, child: &mut Child, stopping: &mut Option<Instant>) {
        if self.interrupt.came() {
            let first = stopping.is_none();
            stopping.get_or_insert_with(Instant::now);
            self.out.doing(&format!("stopping {}; once more to kill it", cmd.program));
            signal_group(child, if first { Signal::INT } else { Signal::KILL });
        } else if stopping.is_some_and(|since| since.elapsed() > cmd.grace.unwrap_or(GRACE)) {
            signal_group(child, Signal::KILL);
        }
    }
}

/// As a shell counts: 128 and the signal's number, when a signal ended it.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn too_slow(cmd: &Cmd) -> Error {
    let seconds = cmd.deadline.unwrap_or_default().as_secs();
    Error::new(Code::TimedOut, format!("{} did not end within {seconds} s and was stopped", cmd.program))
        .help("repeat the command; where it hangs again, run it by hand: -vv shows how it is called")
}

/// Stops a program that gives more than it may.
fn refuse_endless(cmd: &Cmd, lines: &Lines, ran: &Ran) -> Result<()> {
    if lines.overlong.load(Ordering::Acquire) {
        return Err(too_much(cmd, LINE_MAX));
    }
    if (ran.stdout.len() + ran.stderr.len()) as u64 > TOTAL_MAX {
        return Err(too_much(cmd, TOTAL_MAX));
    }
    match &cmd.at_most {
        Some((file, most)) if file.metadata().is_ok_and(|file| file.len() > *most) => {
            Err(too_much(cmd, *most))
        }
        _ => Ok(()),
    }
}

fn too_much(cmd: &Cmd, most: u64) -> Error {
    let what = format!("{} gave more than the {most} bytes that it may, and was stopped", cmd.program);
    Error::new(Code::ToolFailed, what)
        .why("an answer without an end would fill this machine")
        .help("see what the other side sends: -vv shows how the program is called")
}

/// A reader that ended well with what a failed source gave it has not done its work.
fn mind_source(source: &mut Child, program: &str, waited: &mut Result<Ran>) {
    let Ok(ran) = waited else { return end(source, Signal::KILL) };
    if !ran.ok() {
        return end(source, Signal::TERM);
    }
    // Read to its end it is about to exit; one that still goes on had a reader who wanted no more.
    let since = Instant::now();
    let status = loop {
        match source.try_wait() {
            Ok(None) if since.elapsed() > DRAIN * 5 => return end(source, Signal::TERM),
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            Ok(Some(status)) => break status.code().unwrap_or(1),
            Err(_) => break 1,
        }
    };
    if status != 0 {
        ran.code = status;
        ran.keep(Stream::Err, &format!("{program}, which should have given the data, ended with {status}"));
    }
}

fn start_source(cmd: &Cmd) -> Result<Child> {
    cmd.command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| cmd.not_started(&error))
}

/// What a program writes.
struct Lines {
    /// Lines of both streams, in the order of their arrival.
    coming: Receiver<(Stream, String)>,
    /// To be set when the program has ended: a transcript has no end of its own.
    ended: Arc<AtomicBool>,
    /// Whether a line was too long to be read.
    overlong: Arc<AtomicBool>,
}

fn spawn(cmd: &Cmd, stdout: Stdio) -> Result<(Child, Lines)> {
    let ended = Arc::new(AtomicBool::new(false));
    let (stdout, stderr, transcript) = match &cmd.transcript {
        Some(path) => {
            let (stdout, stderr, transcript) = transcript::begin(path, &ended)?;
            (stdout, stderr, Some(transcript))
        }
        None => (stdout, Stdio::piped(), None),
    };
    let spawned = cmd.command().stdin(Stdio::piped()).stdout(stdout).stderr(stderr).spawn();
    let mut child = spawned.map_err(|error| cmd.not_started(&error))?;
    let (sender, coming) = sync_channel(LINES);
    let overlong = Arc::<AtomicBool>::default();
    if let Some(transcript) = transcript {
        read_lines(transcript, Stream::Out, sender.clone(), &overlong);
    }
    if let Some(stdout) = child.stdout.take() {
        read_lines(stdout, Stream::Out, sender.clone(), &overlong);
    }
    if let Some(stderr) = child.stderr.take() {
        read_lines(stderr, Stream::Err, sender, &overlong);
    }
    Ok((child, Lines { coming, ended, overlong }))
}

fn read_lines(
    from: impl Read + Send + 'static,
    stream: Stream,
    to: SyncSender<(Stream, String)>,
    overlong: &Arc<AtomicBool>,
) {
    let overlong = overlong.clone();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = vec![];
        while (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if line.len() as u64 == LINE_MAX {
                overlong.store(true, Ordering::Release);
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            // What a container logs must not paint on the operator's terminal.
            if to.send((stream, anstream::adapter::strip_str(text).to_string())).is_err() {
                break;
            }
            line.clear();
        }
    });
}

/// Writes on a thread of its own: a program that does not read must not keep us from seeing Ctrl-C.
fn feed(child: &mut Child, first: Vec<u8>, source: Option<&mut Child>) -> Input {
    let (sender, chunks) = channel::<Vec<u8>>();
    let Some(mut stdin) = child.stdin.take() else { return Input(None) };
    let piped = source.and_then(|source| source.stdout.take());
    let reads_source = piped.is_some();
    std::thread::spawn(move || {
        let _ = write_all(&mut stdin, &first, piped, &chunks);
    });
    Input((!reads_source).then_some(sender))
}

fn write_all(
    stdin: &mut ChildStdin,
    first: &[u8],
    piped: Option<impl Read>,
    chunks: &Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    stdin.write_all(first)?;
    stdin.flush()?;
    if let Some(mut piped) = piped {
        std::io::copy(&mut piped, stdin)?;
    }
    while let Ok(chunk) = chunks.recv() {
        stdin.write_all(&chunk)?;
        stdin.flush()?;
    }
    Ok(())
}

fn signal_group(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

fn end(child: &mut Child, signal: Signal) {
    if matches!(child.try_wait(), Ok(None)) {
        signal_group(child, signal);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests;
