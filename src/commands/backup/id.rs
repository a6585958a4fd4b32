//! A backup's ID. It becomes a file's name here and a word of commands to type, and the host names it: nothing else is taken.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::str::FromStr;

use serde::Serialize;

use crate::digest::is_hex;
use crate::error::{Code, Error, Result};

/// When it was made, and of which release: `20260131T030000Z-12`. One that was brought to its host has the beginning of its
/// checksum as a third part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BackupId(String);

const MADE: &str = "00000000T000000Z";
const SUM_DIGITS: usize = 12;

impl FromStr for BackupId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if is_id(text) { Ok(Self(text.to_owned())) } else { Err(unknown_form(text)) }
    }
}

fn is_id(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let made = |text: &str| {
        let fits =
            |(found, wanted): (u8, u8)| if wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
        text.len() == MADE.len() && text.bytes().zip(MADE.bytes()).all(fits)
    };
    let parts: Vec<&str> = text.split('-').collect();
    // No host has made more releases than a number of ten digits.
    text.len() < 48
        && match parts[..] {
            [time, release] => made(time) && digits(release),
            [time, release, checksum] => made(time) && digits(release) && is_hex(checksum, SUM_DIGITS),
            _ => false,
        }
}

fn unknown_form(text: &str) -> Error {
    Error::new(Code::BackupFailed, "the host's answer names a backup that cannot have that name")
        .why(format!("{text:?} is no ID of a backup, such as 20260131T030000Z-12"))
        .help("somebody may have changed the host: look there before you trust its backups")
}

/// What stands where an ID belongs, for a command to type.
#[must_use]
pub fn typed(text: &str) -> &str {
    if is_id(text) { text } else { "ID" }
}

/// Whether the IDs in a fact of the scripts are some.
///
/// # Errors
/// One is none.
pub fn judge(word: &str, rest: &str) -> Result<()> {
    let mut words = rest.split(' ');
    let id = match word {
        "made" | "safety" | "received" | "atwork" | "ended" => words.next(),
        "earlier" => words.nth(1),
        // Of an upgrade. A list has more words, and its strange ones are left out.
        "backup" if !rest.contains(' ') => Some(rest),
        _ => return Ok(()),
    };
    id.unwrap_or_default().parse::<BackupId>().map(|_| ())
}

impl Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for BackupId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_is_one() {
        for good in ["20260131T030000Z-1", "20260131T030000Z-4294967296", "20260131T030000Z-12-0123456789ab"]
        {
            assert!(good.parse::<BackupId>().is_ok(), "{good}");
        }
        let bad = [
            "",
            "latest",
            "../../x",
            "/etc/x",
            "20260131T030000Z",
            "20260131T030000Z-",
            "20260131T030000Z-1-../../xyzab",
            "20260131T030000Z-1/../../x",
            "20260131T030000Z-1 x",
            "20260131T030000Z-1;reboot",
            "20260131T030000Z-1-0123456789AB",
            "20260131t030000z-1",
            "2026013\u{661}T03000Z-1",
            "20260131T030000Z-1-0123456789ab-1",
            "20260131T030000Z-1\n",
        ];
        for bad in bad {
            assert!(bad.parse::<BackupId>().is_err(), "{bad}");
            // Another word follows the ID.
            for fact in
                if bad.contains(' ') { vec![] } else { vec!["made", "safety", "received", "atwork", "ended"] }
            {
                assert!(judge(fact, bad).is_err(), "{fact} {bad}");
            }
        }
        assert!(judge("earlier", "2026-01-31T03:00:00Z ../x kept").is_err());
        assert!(judge("backup", "../x").is_err() && judge("doing", "../x").is_ok());
        assert_eq!((typed("$(reboot)"), typed("20260131T030000Z-1")), ("ID", "20260131T030000Z-1"));
    }
}
