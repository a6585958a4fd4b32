//! What `restore.sh` tells of a restore, and what that means.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::config::EnvironmentName;
use crate::error::{Code, Error};

/// What was heard of a restore.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The rows of each table.
    pub rows: Vec<(String, u64)>,
    /// The table that the tracker in place needs, and the archive does not have.
    pub added: Option<String>,
    /// The backup of the database that was there before.
    pub safety: Option<String>,
    /// For how many milliseconds the tracker was stopped.
    pub down: Option<u64>,
    /// How it ended.
    pub end: Option<End>,
    /// How an earlier one ended.
    pub earlier: Option<Earlier>,
}

/// How a restore ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Of which backup.
    pub id: String,
    /// `kept`, `undone`, `failed`, or `unsaved`: that as the database could not be copied.
    pub word: String,
    /// Why, where there is something to say.
    pub why: String,
}

/// A restore that ended when nobody listened.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// When.
    at: String,
    /// And how.
    end: End,
}

impl Told {
    /// Takes a fact of the host.
    pub fn hear(&mut self, word: &str, rest: &str) {
        match word {
            "rows" => {
                let row = rest
                    .rsplit_once(' ')
                    .and_then(|(table, rows)| Some((table.to_owned(), rows.parse().ok()?)));
                self.rows.extend(row);
            }
            "added" => self.added = Some(rest.to_owned()),
            "safety" => self.safety = Some(rest.to_owned()),
            "down" => self.down = rest.parse().ok(),
            "ended" => self.end = Some(End::read(rest)),
            "earlier" => {
                self.earlier =
                    rest.split_once(' ').map(|(at, end)| Earlier { at: at.to_owned(), end: End::read(end) });
            }
            _ => {}
        }
    }

    /// `keys 3, torrents 120`.
    pub fn rows_shown(&self) -> String {
        let shown: Vec<String> = self.rows.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
        shown.join(", ")
    }

    /// One line for people.
    pub fn note(&self) -> String {
        let Some(End { id, word, why }) = &self.end else { return String::new() };
        let seconds = self.down.map(seconds).map(|down| format!(", the tracker was stopped for {down:.1} s"));
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        format!(
            "{id} is {}{}{why}",
            if word == "kept" { "restored" } else { "not restored" },
            seconds.unwrap_or_default()
        )
    }

    /// The command's result.
    pub fn restored(self, environment: &EnvironmentName) -> Restored {
        Restored {
            environment: environment.clone(),
            id: self.end.map(|end| end.id).unwrap_or_default(),
            rows: self.rows.into_iter().collect(),
            added_table: self.added,
            safety_copy: self.safety,
            stopped_seconds: self.down.map(seconds),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of a restore are few")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

impl Display for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let End { id, word, why } = &self.end;
        let how = match word.as_str() {
            "kept" => "its database was kept",
            "undone" => "it was undone",
            _ => "it did not come about",
        };
        write!(f, "an earlier restore of {id} ended at {}: {how}", self.at)?;
        if why.is_empty() { Ok(()) } else { write!(f, " ({why})") }
    }
}

impl End {
    /// `ID WORD [WHY]`.
    fn read(text: &str) -> Self {
        let mut words = text.splitn(3, ' ').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        Self { id: next(), word: next(), why: next() }
    }

    /// The restore did not come about; `again` is the command line that asks for the same.
    pub fn failure(&self, environment: &EnvironmentName, again: &str) -> Error {
        let Self { id, word, why } = self;
        let what = match word.as_str() {
            "undone" => "was undone: the database is the one from before",
            _ => "did not come about: the database was not touched",
        };
        let error = Error::new(Code::BackupFailed, format!("the restore of {id} {what}")).why(why);
        let mend = format!("mend the cause, then: {again}");
        match word.as_str() {
            "undone" => {
                error.help(format!("see how the tracker fares: torrust-tracker-deployer test {environment}"))
            }
            "unsaved" => error
                .help(mend)
                .help(format!("where the present database cannot be copied: {again} --without-safety-copy")),
            _ => error.help(mend),
        }
    }
}

/// The result of a restore.
#[derive(Serialize)]
pub struct Restored {
    environment: EnvironmentName,
    id: String,
    rows: std::collections::BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    added_table: Option<String>,
    safety_copy: Option<String>,
    stopped_seconds: Option<f64>,
}

impl Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, id, rows, added_table, safety_copy, stopped_seconds } = self;
        write!(f, "{environment} has the database of {id} and is running")?;
        for (table, rows) in rows {
            write!(f, "\n  {table}: {rows} rows")?;
        }
        if let Some(table) = added_table {
            write!(f, "\n  {table}: added, because the tracker in place needs it")?;
        }
        if let Some(seconds) = stopped_seconds {
            write!(f, "\n  the tracker was stopped for {seconds:.1} s")?;
        }
        if let Some(copy) = safety_copy {
            write!(
                f,
                "\nback to the database from before: torrust-tracker-deployer backup {environment} restore {copy}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Told {
        let mut told = Told::default();
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap();
            told.hear(word, rest);
        }
        told
    }

    #[test]
    fn what_the_host_tells_becomes_the_result() {
        let told = told(&[
            "rows keys 3",
            "rows torrents 120",
            "added torrent_aggregate_metrics",
            "safety 20260201T000000Z-3",
            "down 1520",
            "ended 20260131T030000Z-2 kept",
        ]);
        assert_eq!(told.rows_shown(), "keys 3, torrents 120");
        assert_eq!(told.note(), "20260131T030000Z-2 is restored, the tracker was stopped for 1.5 s");
        assert_eq!(
            told.restored(&"demo".parse().unwrap()).to_string(),
            "demo has the database of 20260131T030000Z-2 and is running\n  keys: 3 rows\n  torrents: 120 rows\n  \
             torrent_aggregate_metrics: added, because the tracker in place needs it\n  \
             the tracker was stopped for 1.5 s\nback to the database from before: \
             torrust-tracker-deployer backup demo restore 20260201T000000Z-3"
        );
    }

    #[test]
    fn what_did_not_come_about_says_what_the_database_is() {
        let failure = |line| told(&[line]).end.unwrap().failure(&"demo".parse().unwrap(), "again");
        let undone = failure("ended x undone the stack does not get healthy with it: tracker exited");
        assert!(undone.message().contains("the one from before"), "{undone}");
        assert_eq!(undone.causes(), ["the stack does not get healthy with it: tracker exited"]);
        let failed = failure("ended x failed it was cut off");
        assert!(failed.message().contains("not touched"), "{failed}");
        // It would help nobody where something else is amiss.
        let offered = |error: &Error| error.helps().iter().any(|line| line.contains("--without-safety-copy"));
        assert!(!offered(&failed) && offered(&failure("ended x unsaved it is damaged")));
    }

    #[test]
    fn an_earlier_one_is_told_with_its_time() {
        let earlier =
            |end: &str| told(&[&format!("earlier 2026-01-31T04:00:00Z {end}")]).earlier.unwrap().to_string();
        assert_eq!(
            earlier("x kept"),
            "an earlier restore of x ended at 2026-01-31T04:00:00Z: its database was kept"
        );
        assert!(earlier("x undone it was cut off").ends_with("it was undone (it was cut off)"));
    }
}
