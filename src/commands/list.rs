//! `list`: all environments at a glance.

use std::fmt::{self, Display};
use std::num::NonZero;
use std::thread::ScopedJoinHandle;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::output::tabular::TableFormat;
use crate::output::words;
use crate::state::Stage;
use crate::store::{self, Store};

/// Options of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the list is written; by default as --output-format says
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
    /// Only environments in this state
    #[arg(long, value_enum)]
    state: Option<Stage>,
    /// The order
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Sort {
    #[default]
    Name,
    Created,
    Modified,
    State,
}

#[derive(Serialize)]
struct Row {
    name: EnvironmentName,
    state: Stage,
    created: Timestamp,
    modified: Timestamp,
    address: Option<String>,
    provider: String,
}

/// The part of an environment's file that a list needs; the rest is passed over.
#[derive(Deserialize)]
struct Brief {
    #[serde(default)]
    format: u32,
    name: String,
    stage: Stage,
    created: Timestamp,
    modified: Timestamp,
    host: Option<BriefHost>,
    config: BriefConfig,
}

#[derive(Deserialize)]
struct BriefHost {
    address: String,
}

#[derive(Deserialize)]
struct BriefConfig {
    provider: BriefProvider,
}

#[derive(Deserialize)]
struct BriefProvider {
    provider: String,
}

/// An environment whose file cannot be read as one.
#[derive(Serialize)]
struct Damaged {
    name: EnvironmentName,
    error: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Row(Row),
    Damaged(Damaged),
}

/// Lists the environments. One whose file is damaged is warned about, and does not hide the others.
pub fn run(app: &App, args: &Args) -> super::Done {
    let format = TableFormat::chosen(args.format, &app.out)?;
    let mut entries = read_all(&app.store)?;
    for damaged in entries.iter().filter_map(Entry::damaged) {
        app.out.warn(&damaged.error);
    }
    // The state of a damaged one is not known: it is in the full list alone.
    entries.retain(|entry| args.state.is_none_or(|state| entry.row().is_some_and(|row| row.state == state)));
    sort(&mut entries, args.sort);
    super::done(format.outcome(&entries, || table(&entries))?)
}

/// What is not known of a damaged one comes last.
fn sort(entries: &mut [Entry], sort: Sort) {
    fn by<K: Ord>(entries: &mut [Entry], key: impl Fn(&Row) -> K) {
        entries.sort_by_key(|entry| (entry.row().is_none(), entry.row().map(&key)));
    }
    match sort {
        // The store gives them in this order.
        Sort::Name => {}
        Sort::Created => by(entries, |row| row.created),
        Sort::Modified => by(entries, |row| std::cmp::Reverse(row.modified)),
        Sort::State => by(entries, |row| row.state),
    }
}

/// Reads all of them, on all processors: with thousands of environments the reading takes the time.
fn read_all(store: &Store) -> Result<Vec<Entry>> {
    let names = store.names()?;
    let threads =
        if names.len() < 64 { 1 } else { std::thread::available_parallelism().map_or(1, NonZero::get) };
    let share = names.len().div_ceil(threads).max(1);
    let shares = std::thread::scope(|scope| {
        let workers: Vec<_> =
            names.chunks(share).map(|names| scope.spawn(move || read_share(store, names))).collect();
        workers.into_iter().map(joined).collect::<Result<Vec<_>>>()
    })?;
    Ok(shares.into_iter().flatten().collect())
}

/// A share that is missing must not look like a short list.
fn joined<T>(worker: ScopedJoinHandle<T>) -> Result<T> {
    worker.join().map_err(|_| Error::new(Code::Internal, "a part of the environments could not be read"))
}

fn read_share(store: &Store, names: &[EnvironmentName]) -> Vec<Entry> {
    let mut buffer = vec![];
    let read = names.iter().filter_map(|name| match read(store, name, &mut buffer) {
        Ok(row) => row.map(Entry::Row),
        Err(error) => {
            let error = format!("{error}: {}", error.causes().join(": "));
            Some(Entry::Damaged(Damaged { name: name.clone(), error }))
        }
    });
    read.collect()
}

/// A folder without an environment's file is no environment.
fn read(store: &Store, name: &EnvironmentName, buffer: &mut Vec<u8>) -> Result<Option<Row>> {
    let Some(bytes) = store.read_raw(name, buffer)? else { return Ok(None) };
    let damaged = || Error::new(Code::StateDamaged, format!("the file of {name} is damaged"));
    let newer = || store::of_newer_version(bytes, &store.folder(name).join("environment.json"));
    let brief: Brief =
        serde_json::from_slice(bytes).map_err(|error| newer().unwrap_or_else(|| damaged().why(error)))?;
    if brief.format > store::FORMAT {
        return Err(newer().unwrap_or_else(damaged));
    }
    if brief.name != name.as_str() {
        return Err(damaged().why(format!("it is the file of {}", brief.name)));
    }
    Ok(Some(Row {
        name: name.clone(),
        state: brief.stage,
        created: brief.created,
        modified: brief.modified,
        address: brief.host.map(|host| host.address),
        provider: brief.config.provider.provider,
    }))
}

impl Entry {
    fn row(&self) -> Option<&Row> {
        match self {
            Self::Row(row) => Some(row),
            Self::Damaged(_) => None,
        }
    }

    fn damaged(&self) -> Option<&Damaged> {
        match self {
            Self::Row(_) => None,
            Self::Damaged(damaged) => Some(damaged),
        }
    }

    /// What the table shows.
    fn cells(&self, now: Timestamp) -> [String; 6] {
        match self {
            Self::Row(row) => [
                row.name.to_string(),
                row.state.to_string(),
                Ago(now, row.created).to_string(),
                Ago(now, row.modified).to_string(),
                row.address.clone().unwrap_or_else(|| "-".into()),
                row.provider.clone(),
            ],
            Self::Damaged(damaged) => {
                [&*damaged.name.to_string(), "damaged", "-", "-", "-", "-"].map(Into::into)
            }
        }
    }
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no environments; create one: torrust-tracker-deployer create NAME".into();
    }
    let now = Timestamp::now();
    let head = ["NAME", "STATE", "CREATED", "MODIFIED", "ADDRESS", "PROVIDER"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(entries.iter().map(|entry| entry.cells(now))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (name, address) = (width(0), width(4));
    let line = |[a, b, c, d, e, f]: &[String; 6]| {
        format!("{a:<name$}  {b:<11}  {c:<14}  {d:<14}  {e:<address$}  {f}")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A time as people say it.
struct Ago(Timestamp, Timestamp);

impl Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.duration_since(self.1).as_secs();
        if seconds < 60 { f.write_str("just now") } else { write!(f, "{} ago", words::span(seconds)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_could_not_be_read_is_an_error() {
        let shares = std::thread::scope(|scope| {
            let fails = || std::panic::resume_unwind(Box::new("a fault"));
            [joined(scope.spawn(|| 1)), joined(scope.spawn(fails))]
        });
        assert_eq!(shares[0].as_ref().ok(), Some(&1));
        assert_eq!(shares[1].as_ref().unwrap_err().code(), Code::Internal);
    }

    #[test]
    fn times_are_told_in_the_largest_whole_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let ago = |seconds: i64| Ago(now, Timestamp::from_second(1_000_000 - seconds).unwrap()).to_string();
        assert_eq!(ago(3), "just now");
        assert_eq!(ago(60), "1 minute ago");
        assert_eq!(ago(7300), "2 hours ago");
        assert_eq!(ago(500_000), "5 days ago");
    }
}
