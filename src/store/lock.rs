//! One command at a time per environment. The kernel frees the lock of a holder that dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};

/// The lock; free again when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Who holds it: written into the lock file for others to read.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    since: Timestamp,
}

impl Lock {
    /// Takes the lock in this folder, or says who has it.
    pub(super) fn take(folder: &Path, name: &EnvironmentName, command: &str) -> Result<Self> {
        let path = folder.join("lock");
        let failed = |error: std::io::Error| super::untouched(&path, &error);
        loop {
            let mut options = OpenOptions::new();
            let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
            let mut file = opened.map_err(failed)?;
            match try_lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(&mut file, name)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // A purge may have removed the folder between open and lock: then this lock guards nothing.
            let here = file.metadata().map_err(failed)?.ino();
            if std::fs::metadata(&path).is_ok_and(|there| there.ino() == here) {
                let holder =
                    Holder { pid: std::process::id(), command: command.into(), since: Timestamp::now() };
                file.set_len(0).map_err(failed)?;
                serde_json::to_writer(&file, &holder).map_err(|error| failed(error.into()))?;
                file.flush().map_err(failed)?;
                super::remove_leftovers(folder);
                return Ok(Self { _file: file });
            }
        }
    }
}

/// Who only looks whether it is held has it for a moment, too: see [`is_held`].
const MOMENT: Duration = Duration::from_millis(100);

fn try_lock(file: &File) -> Result<(), TryLockError> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < MOMENT => {
                std::thread::sleep(Duration::from_millis(2));
            }
            tried => return tried,
        }
    }
}

/// Whether a command is at work there; a folder without a lock file has seen none.
pub(super) fn is_held(folder: &Path) -> bool {
    let opened = File::open(folder.join("lock"));
    opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn held(file: &mut File, name: &EnvironmentName) -> Error {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let holder = read.ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    let error = Error::new(Code::EnvironmentLocked, format!("another command is at work on {name}"));
    match holder {
        Some(Holder { pid, command, since }) => {
            let age = Timestamp::now().duration_since(since).as_secs();
            error
                .why(format!("{command} holds it since {since:.0} ({age} s ago), process {pid}"))
                .help("wait until it ends, then repeat the command")
                .help(format!("or end it: kill -INT {pid}"))
        }
        None => error.help("wait until it ends, then repeat the command"),
    }
}
