//! `data/<env>/`: the environment's file, its lock and its history.

mod environment;
mod format;
mod history;
mod lock;
mod releases;
mod removal;

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::output::shown_path;

pub use environment::{Choices, Environment, Host, Origin};
pub use format::{FORMAT, Unknown, newer as of_newer_version};
pub use history::{Past, StepTime};
pub use lock::Lock;
pub use releases::Release;

const FILE: &str = "environment.json";
/// The state before the last change, for the day when the file is damaged from outside.
const PREVIOUS: &str = "environment.previous.json";

/// How old a file is that nobody is writing any more.
const LEFT: Duration = Duration::from_mins(1);

/// The folder with one folder per environment.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store in this folder; nothing is touched yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The environment's folder.
    #[must_use]
    pub fn folder(&self, name: &EnvironmentName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// Whether an environment of this name is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn exists(&self, name: &EnvironmentName) -> Result<bool> {
        let file = self.folder(name).join(FILE);
        file.try_exists().map_err(|error| unreadable(&file, &error))
    }

    /// Reads an environment.
    ///
    /// # Errors
    /// There is none of this name, or its file cannot be read as one.
    pub fn load(&self, name: &EnvironmentName) -> Result<Environment> {
        let file = self.folder(name).join(FILE);
        match fs::read(&file) {
            Ok(bytes) => {
                let env = read(&bytes, &file)?;
                if env.name == *name { Ok(env) } else { Err(of_another(name, &file, &env.name)) }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(self.not_found(name)),
            Err(error) => Err(unreadable(&file, &error)),
        }
    }

    /// Writes an environment so that a crash leaves either the old file or the new one.
    ///
    /// # Errors
    /// When the folder cannot be written: read-only, full, not ours.
    pub fn save(&self, environment: &mut Environment) -> Result<()> {
        environment.modified = Timestamp::now();
        environment.format = format::FORMAT;
        let folder = self.folder(&environment.name);
        let text = serde_json::to_value(&*environment).and_then(|mut whole| {
            whole.as_object_mut().into_iter().for_each(|whole| environment.unknown.add_to(whole));
            serde_json::to_vec_pretty(&whole)
        });
        let text = text
            .map_err(|error| Error::new(Code::Internal, "cannot write the environment as JSON").why(error))?;
        replace(&folder, &text).map_err(|error| {
            unwritable(&folder, &error)
                .help("the last change of state is not stored; the same command works once this is mended")
        })
    }

    /// Makes the environment's folder, for its owner only, and takes its lock.
    ///
    /// # Errors
    /// The folder cannot be made, or another command is at work.
    pub fn lock_new(&self, name: &EnvironmentName, command: &str) -> Result<Lock> {
        let folder = self.folder(name);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| untouched(&folder, &error))?;
        Lock::take(&folder, name, command)
    }

    /// Takes the lock of an environment that exists.
    ///
    /// # Errors
    /// There is none of this name, or another command is at work on it.
    pub fn lock(&self, name: &EnvironmentName, command: &str) -> Result<Lock> {
        if !self.exists(name)? {
            return Err(self.not_found(name));
        }
        Lock::take(&self.folder(name), name, command)
    }

    /// Whether a command is at work on the environment right now.
    #[must_use]
    pub fn at_work(&self, name: &EnvironmentName) -> bool {
        lock::is_held(&self.folder(name))
    }

    /// The names of all folders with an environment, sorted.
    ///
    /// # Errors
    /// When the store's folder is there but cannot be read.
    pub fn names(&self) -> Result<Vec<EnvironmentName>> {
        let entries = self.entries()?;
        let mut names: Vec<EnvironmentName> =
            entries.iter().filter_map(|entry| entry.to_str()?.parse().ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// What lies in the store's folder.
    fn entries(&self) -> Result<Vec<OsString>> {
        let read = fs::read_dir(&self.root)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect());
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            read => read.map_err(|error| unreadable(&self.root, &error)),
        }
    }

    /// The bytes of an environment's file, for a reader that wants only a part of them; `buffer` serves many calls.
    /// None when there is no file.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub fn read_raw<'b>(&self, name: &EnvironmentName, buffer: &'b mut Vec<u8>) -> Result<Option<&'b [u8]>> {
        let file = self.folder(name).join(FILE);
        match read_whole(&file, buffer) {
            Ok(length) => Ok(Some(&buffer[..length])),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&file, &error)),
        }
    }

    fn not_found(&self, name: &EnvironmentName) -> Error {
        let error = Error::new(Code::EnvironmentNotFound, format!("there is no environment {name}"))
            .why(format!("looked in {}", self.root.display()));
        let names = self.names().unwrap_or_default();
        let near = names.iter().max_by(|a, b| {
            let likeness = |other: &EnvironmentName| strsim::jaro_winkler(name.as_str(), other.as_str());
            likeness(a).total_cmp(&likeness(b))
        });
        match near {
            Some(near) if strsim::jaro_winkler(name.as_str(), near.as_str()) > 0.8 => {
                error.help(format!("did you mean {near}?"))
            }
            _ => error
                .help("see what there is: torrust-tracker-deployer list")
                .help(format!("or create it: torrust-tracker-deployer create {name}")),
        }
    }
}

/// An environment from its file.
fn read(bytes: &[u8], file: &Path) -> Result<Environment> {
    if let Some(newer) = format::newer(bytes, file) {
        return Err(newer);
    }
    let damaged = |error| damaged(file, &error);
    let mut env: Environment = serde_json::from_slice(bytes).map_err(damaged)?;
    let raw: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    let known = serde_json::to_value(&env).map_err(damaged)?;
    if let (Value::Object(raw), Value::Object(known)) = (raw, known) {
        env.unknown = Unknown::of(&raw, &known);
    }
    Ok(env)
}

/// `fs::read` with half the system calls, which count when thousands of files are listed: its question for the size
/// and its last read are left out, as a read that leaves room in the buffer has met the end of the file.
fn read_whole(path: &Path, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut file = fs::File::open(path)?;
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize((length * 2).max(16 * 1024), 0);
        }
        let asked = buffer.len() - length;
        let read = file.read(&mut buffer[length..])?;
        length += read;
        if read < asked {
            return Ok(length);
        }
    }
}

fn replace(folder: &Path, text: &[u8]) -> std::io::Result<()> {
    let (target, previous) = (folder.join(FILE), folder.join(PREVIOUS));
    if target.exists() {
        let _ = fs::remove_file(&previous);
        // Some file systems have no hard links.
        fs::hard_link(&target, &previous).or_else(|_| fs::copy(&target, &previous).map(drop))?;
    }
    write_whole(folder, FILE, text)
}

/// Writes a file, for its owner only, so that a crash leaves either what was there or the new one.
fn write_whole(folder: &Path, name: &str, text: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

/// What a kill left of [`write_whole`]: it has a copy of the configuration. A reader without the lock may be writing one now.
fn remove_leftovers(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".tmp")) {
        let age = entry.metadata().and_then(|data| data.modified()).map(|modified| modified.elapsed());
        if age.is_ok_and(|age| age.is_ok_and(|age| age > LEFT)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn damaged(file: &Path, error: &serde_json::Error) -> Error {
    let previous = file.with_file_name(PREVIOUS);
    let damaged = Error::new(Code::StateDamaged, format!("{} is damaged", file.display())).why(error);
    if previous.exists() {
        damaged
            .help(format!(
                "put the state before the last change back: cp {} {}",
                shown_path(&previous),
                shown_path(file)
            ))
            .help("then repeat the command; every step may be run twice")
    } else {
        damaged.help("restore the file from a backup, or remove its folder and create the environment again")
    }
}

/// A folder that was copied: what is saved from here would go to the original.
fn of_another(name: &EnvironmentName, file: &Path, inside: &EnvironmentName) -> Error {
    Error::new(
        Code::StateDamaged,
        format!("{} is the file of {inside}, in the folder of {name}", file.display()),
    )
    .help(format!("work on {inside} under its own name"))
    .help(format!("and forget this copy of it: torrust-tracker-deployer purge {name} --force"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::StorageFailed, format!("cannot read {}", path.display()))
        .why(error)
        .help(format!("see who may read it: ls -ld {}", shown_path(path)))
        .help("or choose another folder with --working-dir DIR")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    let help = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            format!("make room; how full it is: df -h {}", shown_path(path))
        }
        _ => format!("see who may write there: ls -ld {}", shown_path(path)),
    };
    Error::new(Code::StorageFailed, format!("cannot write to {}", path.display())).why(error).help(help)
}

/// As [`unwritable`], at the beginning of a command.
fn untouched(path: &Path, error: &std::io::Error) -> Error {
    unwritable(path, error).help("nothing was changed; the same command works once this is mended")
}

#[cfg(test)]
mod tests;
