//! A file that a program writes to while we read it, so that the program does not end with us.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::output::shown_path;

/// The reading end. It waits at the end of the file for more, until the writer is known to have ended.
pub struct Transcript {
    file: File,
    ended: Arc<AtomicBool>,
}

/// Begins a new transcript: standard output, standard error, and the end to read from.
///
/// # Errors
/// When the file cannot be written.
pub fn begin(path: &Path, ended: &Arc<AtomicBool>) -> Result<(Stdio, Stdio, Transcript)> {
    // Another run may still write to the old one: it keeps that, and this is a new file.
    let _ = std::fs::remove_file(path);
    let open = || {
        let out = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        let err = out.try_clone()?;
        Ok((out.into(), err.into(), Transcript { file: File::open(path)?, ended: ended.clone() }))
    };
    open().map_err(|error: std::io::Error| {
        Error::new(Code::StorageFailed, format!("cannot write {}", shown_path(path)))
            .why(error)
            .help("is there room (df -h), and may you write there? then repeat the command")
    })
}

impl Read for Transcript {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            // Asked before reading: what was written up to the end is then read for sure.
            let ended = self.ended.load(Ordering::Acquire);
            let read = self.file.read(buffer)?;
            if read > 0 || ended {
                return Ok(read);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
