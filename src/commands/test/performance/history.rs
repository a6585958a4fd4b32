//! `performance.jsonl`: a line for each run of the suite.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Before, Load};

const FILE: &str = "performance.jsonl";

/// A run of the suite.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub time: Timestamp,
    /// A load for each tracker.
    pub loads: Vec<Load>,
}

/// The runs so far, the last one first. A line that cannot be read is passed over: it is only a comparison.
pub fn read(folder: &Path) -> Vec<Run> {
    let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    text.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The last run that had the same load: the figures of another one say nothing.
pub fn last(runs: &[Run], load: &Load) -> Option<Before> {
    let same = |other: &&Load| {
        (&other.endpoint, other.rate, other.seconds) == (&load.endpoint, load.rate, load.seconds)
    };
    runs.iter().find_map(|run| {
        let found = run.loads.iter().find(same)?;
        Some(Before { time: run.time, figures: found.figures.clone() })
    })
}

/// Adds a run.
pub fn append(folder: &Path, time: Timestamp, loads: &[Load]) -> io::Result<()> {
    // What was said of an earlier run is in that run's own line.
    let loads = loads.iter().map(|load| Load { before: None, ..load.clone() }).collect();
    let mut line = serde_json::to_vec(&Run { time, loads })?;
    line.push(b'\n');
    let file = folder.join(FILE);
    OpenOptions::new().append(true).create(true).mode(0o600).open(file)?.write_all(&line)
}
