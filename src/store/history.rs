//! `history.jsonl`: one line per command, for people who ask what happened and how long it took.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Store, unreadable, unwritable};
use crate::config::EnvironmentName;
use crate::error::{Code, Result};

const FILE: &str = "history.jsonl";
/// The last commands are looked for in the last part of the file: it grows for years.
const TAIL: u64 = 64 * 1024;

impl Store {
    /// Adds a command that ends now to the environment's history: `failure` says why, when it did not end well.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(
        &self,
        name: &EnvironmentName,
        command: &str,
        began: Timestamp,
        failure: Option<Code>,
        steps: &[StepTime],
    ) -> Result<()> {
        let folder = self.folder(name);
        let record = Record::new(command, began, failure, steps);
        record.append(&folder).map_err(|error| {
            let truth = match failure {
                None => format!("{command} itself is done, and its state is saved"),
                Some(code) => format!("{command} had failed before with {}", code.word()),
            };
            unwritable(&folder, &error).help(format!("{truth}; only its line in history.jsonl is missing"))
        })
    }

    /// The commands that ended last, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn recent(&self, name: &EnvironmentName) -> Result<Vec<Past>> {
        let folder = self.folder(name);
        recent(&folder).map_err(|error| unreadable(&folder, &error))
    }
}

/// How long a step took.
#[derive(Clone, Debug, Serialize)]
pub struct StepTime {
    /// The step's title.
    pub title: String,
    /// Seconds.
    pub seconds: f64,
}

/// A command that ended.
#[derive(Serialize)]
struct Record<'r> {
    /// When it began.
    time: Timestamp,
    user: String,
    version: &'static str,
    command: &'r str,
    /// `done`, or the error's word.
    result: String,
    /// Seconds in all.
    seconds: f64,
    /// The steps that were begun, in order.
    steps: &'r [StepTime],
}

impl<'r> Record<'r> {
    /// A command of this user and this version that ends now.
    fn new(command: &'r str, began: Timestamp, failure: Option<Code>, steps: &'r [StepTime]) -> Self {
        Self {
            time: began,
            user: user(),
            version: env!("CARGO_PKG_VERSION"),
            command,
            result: failure.map_or_else(|| "done".to_owned(), Code::word),
            seconds: Timestamp::now().duration_since(began).as_secs_f64(),
            steps,
        }
    }

    fn append(&self, folder: &Path) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let path = folder.join(FILE);
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        if is_torn(&mut file)? {
            line.insert(0, b'\n');
        }
        file.write_all(&line)
    }
}

/// Whether the last line was cut off, as on a full disk: the next one must not become a part of it.
fn is_torn(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// A command that ended, as its line tells.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Past {
    /// When it began.
    pub time: Timestamp,
    /// Who ran it.
    pub user: String,
    /// The program's version.
    pub version: String,
    /// The command.
    pub command: String,
    /// `done`, or the error's word.
    pub result: String,
    /// Seconds in all.
    pub seconds: f64,
}

/// All commands of the file's last part, the newest first. A line that is no record was cut off, and is passed over.
fn recent(folder: &Path) -> std::io::Result<Vec<Past>> {
    let mut file = match File::open(folder.join(FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = vec![];
    file.read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n').rev();
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Who runs this: the login name, or where nothing says it, as in a container, the user's number.
fn user() -> String {
    let names = ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok());
    let mut names = names.filter(|name| !name.is_empty());
    names.next().unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
