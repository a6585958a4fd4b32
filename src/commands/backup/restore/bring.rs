//! `backup restore --from FILE`: the archive on its way to the host.

use std::path::Path;

use super::super::{checksum_beside, host};
use super::Options;
use crate::digest::sha256_of_file;
use crate::error::{Code, Error, Result};
use crate::process::Cmd;
use crate::story::Work;

/// Brings an archive to the backups on the host; gives its ID.
///
/// # Errors
/// It is damaged, no backup of ours, or does not fit on the disk there.
pub fn bring(work: &mut Work, file: &Path) -> Result<String> {
    let unreadable = |error: std::io::Error| {
        Error::new(Code::StorageFailed, format!("cannot read {}", file.display()))
            .why(error)
            .help("name an archive that was fetched: backups/ENV/ID.tar.gz")
    };
    let bytes = file.metadata().map_err(unreadable)?.len().to_string();
    let sum = sha256_of_file(file).map_err(unreadable)?;
    match checksum_beside(file) {
        Some(wanted) if wanted != sum => return Err(damaged(file)),
        Some(_) => {}
        None => work.app.out.warn(&format!(
            "there is no {}.sha256: whether it is what it was when it was made cannot be told",
            file.display()
        )),
    }
    let mut received = None;
    let env = work.env.clone();
    let ssh = work.ssh()?;
    let cmd = host::tool(ssh, &env, "restore.sh", &["receive", &bytes, &sum])?;
    let cmd = cmd.reading(Cmd::new("cat", [file]));
    host::listen(ssh, &env, &cmd, &mut |word, rest, _| {
        if word == "received" {
            received = Some(rest.to_owned());
        }
        Ok(())
    })?;
    received.ok_or_else(|| Error::new(Code::BackupFailed, "the host does not say that the archive arrived"))
}

fn damaged(file: &Path) -> Error {
    Error::new(Code::BackupInvalid, format!("{} is damaged", file.display()))
        .why("it has another checksum than the one beside it")
        .help("take another copy; nothing was changed")
}

/// Somebody may well mean to take another environment's data over, but must say so.
pub fn hint_at_foreign(error: Error, options: &Options) -> Error {
    if !error.message().contains("is of the environment") {
        return error;
    }
    match &options.from {
        Some(_) => error.help("if you mean to take its data over: --foreign"),
        None => error.help("if you mean to take its data over: fetch it, then restore --from FILE --foreign"),
    }
}
