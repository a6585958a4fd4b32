//! `backup verify`: a restore drill on the host, in a scratch place.

use std::fmt::{self, Display};

use serde::Serialize;

use super::host;
use crate::commands::{Done, done};
use crate::error::{Code, Error, Result};
use crate::story::{Step, Work};

/// Options of `backup verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup, or "latest"
    #[arg(value_name = "ID")]
    id: String,
}

/// The rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    name: String,
    /// As the archive says.
    archive: u64,
    /// In the database that was built from it.
    restored: u64,
    /// In the tracker's database now, where it can be asked.
    live: Option<u64>,
}

const VERIFY: [Step; 2] = [
    Step { title: "Look for the backup", run: look },
    Step { title: "Restore it in a scratch place and count", run: verify },
];

#[derive(Serialize)]
struct Verified {
    id: String,
    /// What a restore adds for the tracker in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    added_table: Option<String>,
    tables: Vec<Table>,
}

impl Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} can be restored\n{:<24} {:>12} {:>12} {:>12}",
            self.id, "TABLE", "ARCHIVE", "RESTORED", "LIVE NOW"
        )?;
        for Table { name, archive, restored, live } in &self.tables {
            let live = live.map_or("-".to_owned(), |live| live.to_string());
            write!(f, "\n{name:<24} {archive:>12} {restored:>12} {live:>12}")?;
        }
        if let Some(table) = &self.added_table {
            write!(f, "\na restore adds the table {table}: the tracker in place needs it")?;
        }
        Ok(())
    }
}

/// Does the drill and prints the counts.
pub fn run(mut work: Work, args: Args) -> Done {
    work.options.backup.id = args.id;
    work.walk_aside(&VERIFY)?;
    let options = std::mem::take(&mut work.options.backup);
    done(Verified { id: options.id, added_table: options.added, tables: options.counted })
}

fn look(work: &mut Work) -> Result<String> {
    let wanted = work.options.backup.id.clone();
    let found = host::find(work, &wanted)?;
    work.options.backup.id = found.id.to_string();
    Ok(found.id.to_string())
}

fn verify(work: &mut Work) -> Result<String> {
    let id = work.options.backup.id.clone();
    let mut tables: Vec<Table> = vec![];
    let mut added = None;
    host::call(work, "verify.sh", &[&id], |word, rest, _| {
        count(&mut tables, word, rest);
        if word == "added" {
            added = Some(rest.to_owned());
        }
        Ok(())
    })?;
    if tables.is_empty() {
        let create = format!("torrust-tracker-deployer backup {} create", work.env.name);
        return Err(Error::new(Code::BackupInvalid, format!("there is not one table in the backup {id}"))
            .help(format!("make one while the tracker runs: {create}")));
    }
    let note = tables.iter().map(|table| format!("{} {}", table.name, table.restored)).collect::<Vec<_>>();
    work.options.backup.added = added;
    work.options.backup.counted = tables;
    Ok(format!("rows: {}", note.join(", ")))
}

/// `archive|restored|live TABLE COUNT`; the archive's come first.
fn count(tables: &mut Vec<Table>, word: &str, rest: &str) {
    let Some((name, Ok(rows))) = rest.rsplit_once(' ').map(|(name, rows)| (name, rows.parse())) else {
        return;
    };
    let table = tables.iter_mut().find(|table| table.name == name);
    match (word, table) {
        ("archive", None) => tables.push(Table { name: name.to_owned(), archive: rows, ..Table::default() }),
        ("restored", Some(table)) => table.restored = rows,
        ("live", Some(table)) => table.live = Some(rows),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_what_each_says_of_it() {
        let mut tables = vec![];
        for (word, rest) in
            [("archive", "my keys 3"), ("restored", "my keys 3"), ("live", "my keys 5"), ("live", "new 1")]
        {
            count(&mut tables, word, rest);
        }
        assert_eq!(tables, [Table { name: "my keys".into(), archive: 3, restored: 3, live: Some(5) }]);
    }
}
