//! How an environment is forgotten: at once for its name, then file by file.

use std::fs;
use std::path::Path;

use super::{Store, unwritable};
use crate::config::EnvironmentName;
use crate::error::{Error, Result};

impl Store {
    /// Removes all that is stored about an environment: set aside at once, so that a removal that is cut off leaves
    /// nothing to the next environment of that name, then deleted.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &EnvironmentName) -> Result<()> {
        self.sweep(name)?;
        let folder = self.folder(name);
        let aside = self.root.join(format!("{}{}", removed_prefix(name), std::process::id()));
        fs::rename(&folder, &aside).map_err(|error| {
            unwritable(&folder, &error)
                .help("the environment is still there; repeat the command once this is mended")
        })?;
        self.sweep(name).map(|_| ())
    }

    /// Deletes what was set aside to be removed; says whether there was anything.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn sweep(&self, name: &EnvironmentName) -> Result<bool> {
        let prefix = removed_prefix(name);
        let mut found = false;
        for entry in self.entries()? {
            let rest = entry.to_str().and_then(|entry| entry.strip_prefix(&prefix));
            if rest.is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit())) {
                let folder = self.root.join(&entry);
                match fs::remove_dir_all(&folder) {
                    // Another purge is at it too.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    removed => removed.map_err(|error| left_over(name, &folder, &error))?,
                }
                found = true;
            }
        }
        Ok(found)
    }
}

/// The folder that an environment's becomes while it is deleted; no environment can be called that.
fn removed_prefix(name: &EnvironmentName) -> String {
    format!(".removed-{name}-")
}

fn left_over(name: &EnvironmentName, folder: &Path, error: &std::io::Error) -> Error {
    unwritable(folder, error).help(format!(
        "not all files of the {name} that was removed are gone; once this is mended, repeat the command"
    ))
}
