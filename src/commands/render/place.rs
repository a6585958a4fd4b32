//! The folder of a rendering: filled beside its place, then put there in one move, so that a failure leaves what was there.
//! A rendering has a list of its files; what is on no such list is somebody else's, and stays.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::GROUPS;
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::render::{self, File};

/// The list: a path a line.
const LIST: &str = ".rendered";

/// A folder that may be written to.
pub struct Place {
    folder: PathBuf,
    /// Where it is prepared, and where the earlier one goes: beside it, on the same file system.
    beside: PathBuf,
}

impl Place {
    /// Looks at the folder, and refuses one that holds anything, unless `force` is given.
    ///
    /// # Errors
    /// It is not empty, is no folder, or cannot be read.
    pub fn at(given: &Path, force: bool) -> Result<Self> {
        let failed = |error| unusable(given, &error);
        let folder = match given.canonicalize() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::path::absolute(given).map_err(failed)?
            }
            folder => folder.map_err(failed)?,
        };
        let holds = entries(&folder).map_err(failed)?;
        if !holds.is_empty() && !force {
            let shown = given.display();
            return Err(Error::new(Code::StorageFailed, format!("the folder {shown} is not empty"))
                .help("choose another --output-dir")
                .help("or replace the rendering in it: --force (what is no part of one stays)"));
        }
        let mut name = folder.file_name().ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?.to_owned();
        name.push(".new");
        Ok(Self { beside: folder.with_file_name(name), folder })
    }

    /// Fills the folder with these files in place of an earlier rendering's.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is there still.
    pub fn put(&self, files: &[File]) -> Result<()> {
        // Of a call that was killed: it may hold what the folder held.
        self.take_back().map_err(|error| unusable(&self.beside, &error))?;
        let prepared = self.prepare(files);
        let moved = prepared.and_then(|()| self.exchange().map_err(|error| unusable(&self.folder, &error)));
        // Now what was in the folder; or, after a failure, what was prepared in vain.
        let cleared = self.take_back().map_err(|error| unusable(&self.beside, &error));
        moved.and(cleared)
    }

    fn prepare(&self, files: &[File]) -> Result<()> {
        let make = |folder: &Path| DirBuilder::new().recursive(true).mode(0o700).create(folder);
        make(&self.beside).map_err(|error| unusable(&self.beside, &error))?;
        let list: String = files.iter().map(|file| file.path.clone() + "\n").collect();
        // Before them, so that what is here is known for what it is at any time.
        render::write(&self.beside, &[File { path: LIST.into(), bytes: list.into_bytes() }])?;
        for group in GROUPS {
            make(&self.beside.join(group)).map_err(|error| unusable(&self.beside, &error))?;
        }
        render::write(&self.beside, files)
    }

    fn exchange(&self) -> io::Result<()> {
        if entries(&self.folder)?.is_empty() {
            return fs::rename(&self.beside, &self.folder);
        }
        // Should we be killed now, the next call knows what it finds beside the folder.
        fs::OpenOptions::new().append(true).create(true).open(self.folder.join(LIST))?;
        Ok(renameat_with(CWD, &self.beside, CWD, &self.folder, RenameFlags::EXCHANGE)?)
    }

    /// Takes what is no part of a rendering back into the folder, and removes the rest.
    fn take_back(&self) -> io::Result<()> {
        if !self.beside.try_exists()? {
            return Ok(());
        }
        let list = fs::read_to_string(self.beside.join(LIST)).map_err(|error| {
            io::Error::new(error.kind(), format!("it is in the way, and no rendering: {error}"))
        })?;
        let listed: BTreeSet<&Path> = list.lines().chain(GROUPS).chain([LIST]).map(Path::new).collect();
        self.carry(Path::new(""), &listed)?;
        fs::remove_dir_all(&self.beside)
    }

    /// Moves what is below `below` and not listed; what the folder has by the same name stays there.
    fn carry(&self, below: &Path, listed: &BTreeSet<&Path>) -> io::Result<()> {
        for name in entries(&self.beside.join(below))? {
            let path = below.join(name);
            let (from, to) = (self.beside.join(&path), self.folder.join(&path));
            let held = listed.iter().any(|listed| listed.starts_with(&path));
            if from.symlink_metadata()?.is_dir() && (held || to.is_dir()) {
                self.carry(&path, listed)?;
            } else if !held && to.symlink_metadata().is_err() {
                to.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::rename(from, to)?;
            }
        }
        Ok(())
    }
}

/// The names in a folder; none in one that is not there.
fn entries(folder: &Path) -> io::Result<Vec<OsString>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(vec![]),
        entries => entries?.map(|entry| Ok(entry?.file_name())).collect(),
    }
}

fn unusable(folder: &Path, error: &io::Error) -> Error {
    Error::new(Code::StorageFailed, format!("cannot render into {}", folder.display()))
        .why(error)
        .help(format!("look at it: ls -lad {0} {0}/*", shown_path(folder)))
        .help("or choose another --output-dir")
}
