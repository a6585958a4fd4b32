//! `history.jsonl`: one line per command, for people who ask what happened and how long it took.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Code;

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
pub(super) struct Record<'r> {
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
    pub(super) fn new(
        command: &'r str,
        began: Timestamp,
        failure: Option<Code>,
        steps: &'r [StepTime],
    ) -> Self {
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

    pub(super) fn append(&self, folder: &Path) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let path = folder.join("history.jsonl");
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(&line)
    }
}

/// Who runs this: the login name, or where nothing says it, as in a container, the user's number.
fn user() -> String {
    let names = ["USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok());
    let mut names = names.filter(|name| !name.is_empty());
    names.next().unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
