//! `backup fetch`: a backup from the host to this machine, where it survives the host.

use std::fmt::{self, Display};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::host::{self, OnHost};
use crate::commands::{Done, done};
use crate::digest::sha256_of_file;
use crate::error::{Code, Error, Result};
use crate::output::{shown_path, words};
use crate::story::{Step, Work};

/// Options of `backup fetch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup, or "latest"
    #[arg(value_name = "ID")]
    id: String,
    /// The folder that it goes to; backups/ENV/ when nothing is said
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// A backup that is here now.
#[derive(Clone, Debug, Serialize)]
pub struct Fetched {
    /// Its ID.
    pub id: String,
    /// The archive.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, which is the one taken when it was made.
    pub sha256: String,
    /// How much of it an earlier call had brought.
    pub resumed_from: u64,
}

const FETCH: [Step; 1] = [Step { title: "Fetch the backup", run: fetch }];

/// Fetches it and says where it is.
pub fn run(mut work: Work, args: Args) -> Done {
    work.options.backup.id = args.id;
    work.options.backup.folder = args.folder;
    work.walk_aside(&FETCH)?;
    match work.options.backup.fetched.take() {
        Some(fetched) => done(fetched),
        None => Err(Error::new(Code::Internal, "nothing was fetched")),
    }
}

impl Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, sha256, .. } = self;
        write!(f, "{}\n  {}, SHA-256 {sha256}", shown_path(path), words::bytes(*bytes))
    }
}

fn fetch(work: &mut Work) -> Result<String> {
    let wanted = work.options.backup.id.clone();
    let found = host::find(work, &wanted)?;
    let folder = work.options.backup.folder.clone().unwrap_or_else(|| work.app.backup_folder(&work.env.name));
    let fetched = bring(work, &found, &folder)?;
    let note = match fetched.resumed_from {
        0 => words::bytes(fetched.bytes),
        there if there == fetched.bytes => "it is here already, whole".to_owned(),
        there => format!("{}, of which {} were here", words::bytes(fetched.bytes), words::bytes(there)),
    };
    work.options.backup.fetched = Some(fetched);
    Ok(format!("{}: {note}", found.id))
}

/// Brings a backup into a folder here, readable by its owner alone; what an earlier call brought is not sent again. It
/// gets its name once it has the checksum that was taken when it was made.
///
/// # Errors
/// The folder cannot be written to, the connection broke, or the archive is damaged.
pub fn bring(work: &mut Work, backup: &OnHost, folder: &Path) -> Result<Fetched> {
    let name = format!("{}.tar.gz", backup.id);
    let (path, partial) = (folder.join(&name), folder.join(format!("{name}.partial")));
    let failed = |error: std::io::Error| unwritable(&path, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let Some(sum) = backup.sha256.clone() else {
        return Err(damaged(work, &backup.id, "the checksum that was taken when it was made is gone"));
    };
    let fetched = |resumed_from| Fetched {
        id: backup.id.to_string(),
        path: path.clone(),
        bytes: backup.bytes,
        sha256: sum.clone(),
        resumed_from,
    };
    if path.exists() && sha256_of_file(&path).map_err(failed)? == sum {
        return Ok(fetched(backup.bytes));
    }
    let mut there = fs::metadata(&partial).map_or(0, |file| file.len());
    receive(work, backup, &partial, there)?;
    if there > 0 && sha256_of_file(&partial).map_err(failed)? != sum {
        // What was here was not its beginning.
        fs::remove_file(&partial).map_err(failed)?;
        there = 0;
        receive(work, backup, &partial, there)?;
    }
    if sha256_of_file(&partial).map_err(failed)? != sum {
        fs::remove_file(&partial).map_err(failed)?;
        return Err(damaged(work, &backup.id, "what arrived has another checksum than when it was made"));
    }
    let write = || {
        fs::write(folder.join(format!("{name}.sha256")), format!("{sum}  {name}\n"))?;
        File::open(&partial)?.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(failed)?;
    Ok(fetched(there))
}

/// Adds what is not `there` yet.
fn receive(work: &mut Work, backup: &OnHost, partial: &Path, there: u64) -> Result<()> {
    let failed = |error: std::io::Error| unwritable(partial, &error);
    let missing = backup.bytes.saturating_sub(there);
    check_room(partial, missing)?;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(partial).map_err(failed)?;
    let out = &work.app.out;
    out.doing(&format!("{} of {} to come", words::bytes(missing), words::bytes(backup.bytes)));
    let script = "tail -c +\"$2\" \"/opt/torrust/storage/backup/$1.tar.gz\"";
    let ssh = work.ssh()?;
    // What it announced is all that the host may send.
    let send = ssh.root(script, &[&backup.id, &(there + 1).to_string()]).at_most(partial, backup.bytes);
    let ran = ssh.judge(ssh.runner().run_into(&send, file)?)?;
    if ran.ok() {
        return Ok(());
    }
    Err(Error::new(Code::BackupFailed, format!("the host does not send the backup {}", backup.id))
        .why(ran.complaint())
        .help("repeat the command: it goes on from here"))
}

/// A disk that gets full here would look like a connection that broke.
fn check_room(partial: &Path, needed: u64) -> Result<()> {
    let folder = partial.parent().unwrap_or(Path::new("."));
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail * disk.f_frsize;
    if free > needed {
        return Ok(());
    }
    let (shown, needed, free) = (shown_path(folder), words::bytes(needed), words::bytes(free));
    Err(Error::new(Code::StorageFailed, format!("the backup needs {needed}, and {free} are free in {shown}"))
        .help(format!("make room; how full it is: df -h {shown}"))
        .help("or name another folder: backup ENV fetch ID DIR"))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::StorageFailed, format!("cannot write {}", path.display()))
        .why(error)
        .help("is there room (df -h), and may you write there? then repeat the command")
}

fn damaged(work: &Work, id: &str, why: &str) -> Error {
    let name = &work.env.name;
    Error::new(Code::BackupInvalid, format!("the backup {id} is damaged on the host"))
        .why(why)
        .help(format!("see which are whole: torrust-tracker-deployer backup {name} list --check"))
        .help(format!("make a new one: torrust-tracker-deployer backup {name} create"))
}
