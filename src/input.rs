//! Files that the user names, and standard input: read without waiting for a writer, and up to a size. A pipe would keep the
//! program, and `/dev/zero` would fill its memory.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::interrupt::Interrupt;

/// The name that stands for standard input.
pub const STANDARD_INPUT: &str = "-";
/// More than any configuration, template or certificate has.
pub const LIMIT: u64 = 1 << 20;
/// How often a signal is looked for.
const ROUND: Duration = Duration::from_millis(50);

/// Opens a regular file; anything else is refused at once.
///
/// # Errors
/// It is not there, may not be read, or is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // Without this flag a pipe is opened only when there is a writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

/// Reads a regular file of at most [`LIMIT`] bytes.
///
/// # Errors
/// As [`open`]; it is larger.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    all_of(open(path)?)
}

/// Reads a text; see [`read`].
///
/// # Errors
/// As [`read`]; it is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    text(read(path)?)
}

/// Standard input, up to its end or a signal.
///
/// # Errors
/// It cannot be read, is larger than [`LIMIT`], or a signal came.
pub fn standard_input() -> io::Result<Vec<u8>> {
    let interrupt = Interrupt::listen().map_err(io::Error::other)?;
    collect(&in_background(io::stdin()), || stop(&interrupt, None).map(|()| true))
}

/// What a program printed, and how it ended.
pub struct Printed {
    /// Its exit code.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its standard error.
    pub err: Vec<u8>,
}

/// Runs a program with the user's standard input, to its end.
///
/// # Errors
/// It cannot be started, prints more than [`LIMIT`], or does not end in that time; a signal came.
pub fn printed_by(command: &mut Command, deadline: Duration) -> io::Result<Printed> {
    let interrupt = Interrupt::listen().map_err(io::Error::other)?;
    let mut child = command.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = end_of(&mut child, &interrupt, Instant::now() + deadline);
    if ended.is_err() {
        // It may have ended by itself, as after Ctrl-C.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}

fn end_of(child: &mut Child, interrupt: &Interrupt, until: Instant) -> io::Result<Printed> {
    let (out, err) = (child.stdout.take().map(in_background), child.stderr.take().map(in_background));
    // What it leaves behind, such as an agent, may hold the streams open.
    let mut goes_on = || {
        stop(interrupt, Some(until))?;
        Ok(child.try_wait()?.is_none())
    };
    let mut read = |stream: Option<_>| stream.map_or(Ok(vec![]), |stream| collect(&stream, &mut goes_on));
    let (out, err) = (read(out)?, read(err)?);
    while goes_on()? {
        std::thread::sleep(ROUND);
    }
    let status = child.wait()?;
    // Ctrl-C reaches the program, too: it may have ended before our own signal is noted.
    if !status.success() {
        std::thread::sleep(ROUND);
        stop(interrupt, None)?;
    }
    Ok(Printed { status, out, err })
}

/// A read from a pipe or a terminal ends when the other side likes: pieces of up to one byte more than [`LIMIT`].
fn in_background(stream: impl Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut stream = stream.take(LIMIT + 1);
        let mut piece = vec![0; 1 << 16];
        loop {
            let read = match stream.read(&mut piece) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
                read => read.map(|length| piece[..length].to_vec()),
            };
            let ends = read.as_ref().map_or(true, Vec::is_empty);
            if sender.send(read).is_err() || ends {
                return;
            }
        }
    });
    receiver
}

/// All pieces, to the stream's end; or to a round without one after which nothing more is expected.
fn collect(
    pieces: &Receiver<io::Result<Vec<u8>>>,
    mut goes_on: impl FnMut() -> io::Result<bool>,
) -> io::Result<Vec<u8>> {
    let mut all = vec![];
    loop {
        match pieces.recv_timeout(ROUND) {
            Ok(piece) => all.extend(piece?),
            Err(RecvTimeoutError::Timeout) if goes_on()? => {}
            Err(_) => return Ok(all),
        }
        check_size(&all)?;
    }
}

fn stop(interrupt: &Interrupt, until: Option<Instant>) -> io::Result<()> {
    if interrupt.wanted() {
        return Err(io::Error::new(ErrorKind::Interrupted, "a signal came"));
    }
    if until.is_some_and(|until| Instant::now() > until) {
        return Err(io::Error::new(ErrorKind::TimedOut, "it did not end in time"));
    }
    Ok(())
}

fn all_of(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    stream.take(LIMIT + 1).read_to_end(&mut bytes)?;
    check_size(&bytes)?;
    Ok(bytes)
}

fn check_size(bytes: &[u8]) -> io::Result<()> {
    if bytes.len() as u64 > LIMIT {
        let mib = LIMIT >> 20;
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {mib} MiB")));
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_up_to_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let pipe = at("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            assert_eq!(read(path).unwrap_err().to_string(), "it is no regular file", "{}", path.display());
        }
        std::fs::write(at("full"), vec![b'x'; usize::try_from(LIMIT).unwrap()]).unwrap();
        assert_eq!(read(&at("full")).unwrap().len() as u64, LIMIT);
        std::fs::write(at("over"), vec![b'x'; usize::try_from(LIMIT).unwrap() + 1]).unwrap();
        assert_eq!(read(&at("over")).unwrap_err().to_string(), "it is larger than 1 MiB");
        std::fs::write(at("bytes"), [0xff]).unwrap();
        assert_eq!(read_text(&at("bytes")).unwrap_err().to_string(), "it is not UTF-8 text");
    }

    #[test]
    fn a_program_that_does_not_end_or_prints_without_end_is_stopped() {
        let run = |script: &str, deadline| {
            printed_by(Command::new("sh").args(["-c", script]), Duration::from_millis(deadline))
        };
        let printed = run("echo out; echo err >&2; exit 3", 20_000).unwrap();
        assert_eq!(
            (printed.out, printed.err, printed.status.code()),
            (b"out\n".into(), b"err\n".into(), Some(3))
        );
        let fault = |script: &str, deadline| run(script, deadline).err().unwrap().kind();
        // What holds the streams open after it, as an agent does, is not waited for.
        let printed = run("sleep 30 & echo out", 20_000).unwrap();
        assert_eq!((printed.out, printed.status.code()), (b"out\n".into(), Some(0)));
        assert_eq!(fault("exec sleep 600", 200), ErrorKind::TimedOut);
        assert_eq!(fault("exec cat /dev/zero", 20_000), ErrorKind::FileTooLarge);
    }
}
