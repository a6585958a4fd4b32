//! `backup list`: the backups on the host, and those that were fetched here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::host::{self, OnHost};
use crate::app::App;
use crate::commands::{Done, done};
use crate::config::EnvironmentName;
use crate::digest::sha256_of_file;
use crate::error::{Code, Error, Result};
use crate::output::tabular::TableFormat;
use crate::output::words;
use crate::state::Stage;
use crate::tools::ssh::Ssh;

/// Options of `backup list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the list is written; by default as --output-format says
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
    /// Read every archive, and compare it with its checksum
    #[arg(long)]
    check: bool,
}

/// A backup, wherever it is.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    id: String,
    made: Timestamp,
    release: u32,
    bytes: u64,
    on_host: bool,
    /// The copy that was fetched.
    here: Option<PathBuf>,
    /// Whether the archives are what they were when they were made; nothing when nobody looked.
    whole: Option<bool>,
}

/// Lists them, the oldest first. An environment without a host has those that are here.
pub fn run(app: &App, name: &EnvironmentName, args: &Args) -> Done {
    let format = TableFormat::chosen(args.format, &app.out)?;
    let began = Timestamp::now();
    let listed = rows(app, name, args.check);
    let failure = listed.as_ref().err().map(Error::code);
    // A list is worth having even where nothing can be written.
    let _ = app.store.remember(name, "backup list", began, failure, &[]);
    let rows = listed?;
    done(format.outcome(&rows, || table(name, &rows))?)
}

fn rows(app: &App, name: &EnvironmentName, check: bool) -> Result<Vec<Row>> {
    let env = app.store.load(name)?;
    app.log_for(name)?;
    let there = match &env.host {
        Some(_) if env.reached() >= Stage::Released => {
            host::backups(&Ssh::connect(app.runner(), app.target(&env)?)?, &env, check)?
        }
        _ => vec![],
    };
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for OnHost { id, bytes, whole, .. } in there {
        let id = id.to_string();
        let Some((made, release)) = read_id(&id) else { continue };
        rows.insert(id.clone(), Row { id, made, release, bytes, on_host: true, here: None, whole });
    }
    for (id, path) in fetched(&app.backup_folder(name))? {
        let Some((made, release)) = read_id(&id) else { continue };
        let bytes = path.metadata().map_or(0, |file| file.len());
        let new = || Row { id: id.clone(), made, release, bytes, on_host: false, here: None, whole: None };
        let row = rows.entry(id.clone()).or_insert_with(new);
        if check {
            row.whole = Some(row.whole.unwrap_or(true) && is_whole(&path));
        }
        row.here = Some(path);
    }
    Ok(rows.into_values().collect())
}

/// The archives in a folder here; no folder has none.
fn fetched(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => {
            let what = format!("cannot read {}", folder.display());
            return Err(Error::new(Code::StorageFailed, what).why(error).help("may you read that folder?"));
        }
    };
    let archive = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.strip_suffix(".tar.gz")?.to_owned();
        Some((id, entry.path()))
    };
    Ok(entries.flatten().filter_map(archive).collect())
}

/// Whether an archive here has the checksum that is beside it.
fn is_whole(path: &Path) -> bool {
    let sum = super::checksum_beside(path);
    sum.is_some_and(|sum| sha256_of_file(path).is_ok_and(|found| found == sum))
}

/// When a backup was made, and of which release: both are in its name.
fn read_id(id: &str) -> Option<(Timestamp, u32)> {
    let (made, release) = id.split_once('-')?;
    let release = release.split_once('-').map_or(release, |(release, _sum)| release);
    let made = DateTime::strptime("%Y%m%dT%H%M%SZ", made).ok()?;
    Some((made.to_zoned(TimeZone::UTC).ok()?.timestamp(), release.parse().ok()?))
}

fn table(name: &EnvironmentName, rows: &[Row]) -> String {
    if rows.is_empty() {
        return format!("no backups; make one: torrust-tracker-deployer backup {name} create");
    }
    let now = Timestamp::now();
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or_default().max(22);
    let yes = |is| if is { "yes" } else { "-" };
    let line = |row: &Row| {
        let ago = match now.duration_since(row.made).as_secs() {
            ..60 => "just now".to_owned(),
            seconds => format!("{} ago", words::span(seconds)),
        };
        let whole = row.whole.map_or("not checked", |whole| if whole { "whole" } else { "damaged" });
        let (there, here) = (yes(row.on_host), yes(row.here.is_some()));
        let size = words::bytes(row.bytes);
        format!(
            "{:<width$}  {ago:<14}  {:>7}  {size:>10}  {there:<4}  {here:<4}  {whole}",
            row.id, row.release
        )
    };
    let head = format!("{:<width$}  {:<14}  RELEASE  {:>10}  HOST  HERE  CHECKSUM", "ID", "MADE", "SIZE");
    std::iter::once(head).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_when_and_of_what() {
        let (made, release) = read_id("20260131T030000Z-12").unwrap();
        assert_eq!((made.to_string().as_str(), release), ("2026-01-31T03:00:00Z", 12));
        assert_eq!(read_id("20260131T030000Z-12-0123456789ab").unwrap().1, 12, "one that was brought");
        assert!(
            ["latest", "20260131T030000Z", "20261331T030000Z-1", "20260131T030000Z-x"]
                .iter()
                .all(|id| read_id(id).is_none())
        );
    }

    #[test]
    fn the_table_says_where_each_is() {
        let made = Timestamp::now();
        let row = |here: Option<&str>, whole| Row {
            id: "20260131T030000Z-12".into(),
            made,
            release: 12,
            bytes: 1536,
            on_host: here.is_none(),
            here: here.map(Into::into),
            whole,
        };
        let name = "demo".parse().unwrap();
        let shown = table(&name, &[row(None, None), row(Some("backups/demo/x"), Some(false))]);
        assert_eq!(
            shown,
            "ID                      MADE            RELEASE        SIZE  HOST  HERE  CHECKSUM\n\
             20260131T030000Z-12     just now             12     1.5 KiB  yes   -     not checked\n\
             20260131T030000Z-12     just now             12     1.5 KiB  -     yes   damaged"
        );
        assert!(table(&name, &[]).contains("backup demo create"));
    }
}
