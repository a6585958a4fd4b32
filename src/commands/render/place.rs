//! The folder of a rendering: filled beside its place, then put there in one move, so that a failure leaves what was there.

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

/// A folder that may be written to.
pub struct Place {
    folder: PathBuf,
    /// Where it is prepared: beside it, on the same file system.
    new: PathBuf,
}

impl Place {
    /// Looks at the folder, and refuses one that holds anything, unless `force` is given.
    ///
    /// # Errors
    /// It is not empty, is no folder, cannot be read, or holds what cannot be made again.
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
        if folder.join("tofu/terraform.tfstate").exists() {
            return Err(Error::new(
                Code::StorageFailed,
                format!("{} holds OpenTofu's state", given.join("tofu").display()),
            )
            .why("what was made from there could not be found again without it")
            .help("choose another --output-dir, or move terraform.tfstate away first"));
        }
        let mut name = folder.file_name().ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?.to_owned();
        name.push(".new");
        Ok(Self { new: folder.with_file_name(name), folder })
    }

    /// Fills the folder with these files and nothing else of a rendering.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is there still.
    pub fn put(&self, files: &[File]) -> Result<()> {
        let prepared = self.prepare(files);
        let moved = prepared.and_then(|()| self.exchange().map_err(|error| unusable(&self.folder, &error)));
        // Now what an earlier rendering was; or, after a failure, what was prepared in vain.
        let cleared = clear(&self.new).map_err(|error| unusable(&self.new, &error));
        moved.and(cleared)
    }

    fn prepare(&self, files: &[File]) -> Result<()> {
        let make = || {
            // Of a call that was killed.
            clear(&self.new)?;
            for group in GROUPS {
                DirBuilder::new().recursive(true).mode(0o700).create(self.new.join(group))?;
            }
            Ok(())
        };
        make().map_err(|error| unusable(&self.new, &error))?;
        render::write(&self.new, files)
    }

    fn exchange(&self) -> io::Result<()> {
        if entries(&self.folder)?.is_empty() {
            return fs::rename(&self.new, &self.folder);
        }
        renameat_with(CWD, &self.new, CWD, &self.folder, RenameFlags::EXCHANGE)?;
        let others = entries(&self.new)?.into_iter().filter(|name| !GROUPS.iter().any(|group| name == group));
        for name in others.collect::<Vec<_>>() {
            fs::rename(self.new.join(&name), self.folder.join(&name))?;
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

/// Removes a rendering, and nothing else: a folder that holds more stays with that.
fn clear(folder: &Path) -> io::Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    for group in GROUPS {
        gone(fs::remove_dir_all(folder.join(group)))?;
    }
    gone(fs::remove_dir(folder))
}

fn unusable(folder: &Path, error: &io::Error) -> Error {
    Error::new(Code::StorageFailed, format!("cannot render into {}", folder.display()))
        .why(error)
        .help(format!("look at it: ls -lad {0} {0}/*", shown_path(folder)))
        .help("or choose another --output-dir")
}
