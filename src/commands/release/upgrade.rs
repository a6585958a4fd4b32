//! The tracker's database before a newer tracker opens it: `upgrade.sh` adds the table that release 3.0.0 does not make.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Serialize;

use crate::commands::backup::host;
use crate::config::Database;
use crate::error::{Code, Error, Result};
use crate::services::tracker::schema::Schema;
use crate::store::Environment;
use crate::story::Work;

/// What was done to the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Upgraded {
    /// The backup that was made before; retention does not remove it.
    pub backup: String,
    /// The table that was added.
    pub added_table: String,
    /// The rows of each table before.
    pub rows_before: BTreeMap<String, u64>,
    /// And after.
    pub rows_after: BTreeMap<String, u64>,
}

/// What `upgrade.sh` prints.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    upgraded: Upgraded,
    /// Why there was nothing to do.
    unchanged: Option<String>,
    /// Of a look: the table that would be added.
    missing: Option<String>,
    /// Why it is not known whether it would be added.
    unknown: Option<String>,
    /// `keys.valid_until` may not be NULL.
    strict: bool,
}

impl Told {
    fn hear(&mut self, word: &str, rest: &str) {
        let row = || rest.rsplit_once(' ').and_then(|(table, rows)| Some((table.into(), rows.parse().ok()?)));
        match word {
            "backup" => rest.clone_into(&mut self.upgraded.backup),
            "added" => rest.clone_into(&mut self.upgraded.added_table),
            "before" => self.upgraded.rows_before.extend(row()),
            "after" => self.upgraded.rows_after.extend(row()),
            "unchanged" => self.unchanged = Some(rest.to_owned()),
            "missing" => self.missing = Some(rest.to_owned()),
            "unknown" => self.unknown = Some(rest.to_owned()),
            "strict" => self.strict = true,
            _ => {}
        }
    }
}

impl Display for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backup, added_table, rows_before, rows_after } = self;
        let (before, after) = (rows(rows_before), rows(rows_after));
        write!(
            f,
            "added the table {added_table}; rows before: {before}; after: {after}; backup from before: {backup}"
        )
    }
}

/// `keys 3, torrents 120`.
fn rows(tables: &BTreeMap<String, u64>) -> String {
    tables.iter().map(|(table, rows)| format!("{table} {rows}")).collect::<Vec<_>>().join(", ")
}

/// Whether the tracker may be one that refuses a database of release 3.0.0. For 3.0.0 itself a fourth table does no harm.
fn is_newer(env: &Environment) -> bool {
    env.schema() != Schema::V2 || Schema::of_reference(&env.tracker_reference()) != Schema::V2
}

/// Why there is nothing to look at on the host.
fn spared(work: &Work) -> Option<&'static str> {
    match &work.env.config.tracker.core.database {
        _ if !is_newer(&work.env) => Some("nothing to upgrade"),
        None => Some("nothing to upgrade: there is no database"),
        Some(Database::Postgresql(_)) => Some("nothing to upgrade: release 3.0.0 has no PostgreSQL"),
        // The host has the settings of the release in place, and would ask that release's server.
        Some(database) if database.is_external() && !is_that_of_the_release(work, database) => {
            Some("not checked: no release has used this external database yet")
        }
        Some(_) => None,
    }
}

/// Whether the release in place has that database on that server. Its password may be another one by now.
fn is_that_of_the_release(work: &Work, database: &Database) -> bool {
    let releases = work.app.store.releases(&work.env.name).unwrap_or_default();
    let there = releases.into_iter().find(|release| Some(release.number) == work.env.release);
    let there = there.and_then(|release| release.config.tracker.core.database);
    let place = |database: &Database| {
        let server = database.server()?;
        Some((database.driver(), server.host.clone(), server.port, server.database_name.clone()))
    };
    there.is_some_and(|there| place(&there).is_some_and(|found| Some(found) == place(database)))
}

/// The step of `release`; `rollback` does the same for the release that it puts back.
///
/// # Errors
/// The database cannot be read, has only some of the tables, or no backup can be made of it.
pub fn upgrade(work: &mut Work) -> Result<String> {
    if let Some(why) = spared(work) {
        return Ok(why.into());
    }
    let told = ask(work, "add")?;
    if told.strict {
        work.app.out.warn(STRICT);
    }
    if let Some(why) = told.unknown {
        let what = "whether the external database needs another table is not known";
        work.app.out.warn(&format!("{what}: {why}"));
        return Ok("not checked: the external database does not answer".into());
    }
    if told.upgraded.added_table.is_empty() {
        let why = told.unchanged.map(|why| format!(": {why}")).unwrap_or_default();
        return Ok(format!("nothing to upgrade{why}"));
    }
    work.changed = true;
    let note = told.upgraded.to_string();
    work.options.upgraded = Some(told.upgraded);
    Ok(note)
}

const STRICT: &str = "the table keys is from before 2024-07-30: keys that never expire cannot be stored in it; how to change that: \
                      docs/upgrade.md, \"Databases from before 2024-07-30\"";

/// What `upgrade` would do, for `release --dry-run`; nothing where it would do nothing.
///
/// # Errors
/// As [`upgrade`].
pub fn look(work: &mut Work) -> Result<Option<String>> {
    if spared(work).is_some() {
        return Ok(None);
    }
    let told = ask(work, "look")?;
    let missing =
        told.missing.map(|table| format!("would add the table {table} to the database, after a backup"));
    let unknown =
        told.unknown.map(|why| format!("would add a missing table to the database; unknown: {why}"));
    Ok(missing.or(unknown))
}

fn ask(work: &mut Work, action: &str) -> Result<Told> {
    let mut told = Told::default();
    let asked = host::call(work, "upgrade.sh", &[action], |word, rest, _| {
        told.hear(word, rest);
        Ok(())
    });
    match asked {
        Ok(_) => Ok(told),
        Err(error) if error.code() == Code::BackupNotFound => {
            Ok(Told { unchanged: Some("nothing was released on this host before".into()), ..told })
        }
        Err(error) => Err(explained(error)),
    }
}

/// The scripts' own word for a failure is that of a backup.
fn explained(error: Error) -> Error {
    if error.code() != Code::BackupFailed {
        return error;
    }
    let what = "the database could not be upgraded; the release in place stays";
    let upgrade = Error::new(Code::ReleaseFailed, what).why(error.message());
    error.causes().iter().fold(upgrade, Error::why).help("fix the cause, then repeat the command")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_the_host_become_the_result() {
        let mut told = Told::default();
        for (word, rest) in [
            ("backup", "20260131T030000Z-2"),
            ("before", "keys 3"),
            ("after", "keys 3"),
            ("after", "torrent_aggregate_metrics 0"),
            ("added", "torrent_aggregate_metrics"),
        ] {
            told.hear(word, rest);
        }
        assert_eq!(
            told.upgraded.to_string(),
            "added the table torrent_aggregate_metrics; rows before: keys 3; after: keys 3, torrent_aggregate_metrics 0; \
             backup from before: 20260131T030000Z-2"
        );
    }
}
