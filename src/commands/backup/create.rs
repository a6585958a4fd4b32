//! `backup create`: a consistent backup now, by the host's own script.

use std::fmt::{self, Display};

use serde::Serialize;

use super::host;
use crate::commands::{Done, done};
use crate::error::{Code, Error, Result};
use crate::output::words;
use crate::story::{Step, Work};

/// A backup that was made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Made {
    /// Its ID.
    pub id: String,
    /// The archive's size.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

const CREATE: [Step; 1] = [Step { title: "Make a backup on the host", run: create }];

/// Makes one and says which.
pub fn run(mut work: Work) -> Done {
    work.walk_aside(&CREATE)?;
    let created = work.options.backup.made.take().unwrap_or_default();
    done(Created { environment: work.env.name.to_string(), made: created })
}

#[derive(Serialize)]
struct Created {
    environment: String,
    #[serde(flatten)]
    made: Made,
}

impl Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, made } = self;
        write!(f, "backup {made}\nnext: torrust-tracker-deployer backup {environment} fetch {}", made.id)
    }
}

impl Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, bytes, seconds } = self;
        write!(f, "{id}: {} in {seconds:.0} s", words::bytes(*bytes))
    }
}

fn create(work: &mut Work) -> Result<String> {
    let made = make(work, &["create"])?;
    let note = made.to_string();
    work.options.backup.made = Some(made);
    Ok(note)
}

/// Makes a backup on the host; `args` are those of `backup.sh`.
///
/// # Errors
/// Why there is none: the disk is full, another one is being made, the database cannot be read.
pub fn make(work: &mut Work, args: &[&str]) -> Result<Made> {
    let mut made = None;
    host::call(work, "backup.sh", args, |word, rest, _| {
        if word == "made" {
            made = parse(rest);
        }
        Ok(())
    })?;
    made.ok_or_else(|| Error::new(Code::BackupFailed, "the host does not say which backup it made"))
}

/// `ID bytes N seconds S`.
fn parse(text: &str) -> Option<Made> {
    let words: Vec<&str> = text.split(' ').collect();
    let [id, "bytes", bytes, "seconds", seconds] = words[..] else { return None };
    Some(Made { id: id.to_owned(), bytes: bytes.parse().ok()?, seconds: seconds.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_says_is_read() {
        let made = parse("20260131T030000Z-12 bytes 2048 seconds 3").unwrap();
        assert_eq!(made.to_string(), "20260131T030000Z-12: 2.0 KiB in 3 s");
        assert!(parse("20260131T030000Z-12").is_none());
    }
}
