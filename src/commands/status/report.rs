//! The report of one look: lines for people, all facts for scripts.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::facts::Facts;
use super::judge::{Level, Line};
use crate::config::EnvironmentName;
use crate::error::{Code, Error};
use crate::output::tabular::TableFormat;
use crate::output::{Format, Out, Outcome, words};
use crate::state::Stage;
use crate::store::{Environment, Past};

/// Everything that was seen.
#[derive(Serialize)]
pub struct Report {
    name: EnvironmentName,
    state: Stage,
    address: Option<String>,
    address_v6: Option<String>,
    time: Timestamp,
    seconds: f64,
    ok: usize,
    skipped: usize,
    warnings: usize,
    bad: usize,
    lines: Vec<Line>,
    /// What the host told, when it could be asked.
    host: Option<Facts>,
    history: Vec<Past>,
}

impl Report {
    /// The report of these lines, in the order of their topics.
    #[must_use]
    pub fn new(
        env: &Environment,
        mut lines: Vec<Line>,
        host: Option<Facts>,
        history: Vec<Past>,
        took: Duration,
    ) -> Self {
        lines.sort_by_key(|line| line.topic);
        let count = |level| lines.iter().filter(|line| line.level == level).count();
        Self {
            name: env.name.clone(),
            state: env.stage,
            address: env.host.as_ref().map(|host| host.address.clone()),
            address_v6: env.host.as_ref().and_then(|host| host.address_v6.clone()),
            time: Timestamp::now(),
            seconds: took.as_secs_f64(),
            ok: count(Level::Ok),
            skipped: count(Level::Skipped),
            warnings: count(Level::Warning),
            bad: count(Level::Bad),
            lines,
            host,
            history,
        }
    }

    fn table(&self) -> String {
        let mut text = self.name.to_string();
        if let Some(address) = &self.address {
            let _ = write!(text, " at {address}");
        }
        let width = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).min(32);
        let mut topic = None;
        for line in &self.lines {
            if topic.replace(line.topic) != Some(line.topic) {
                let _ = write!(text, "\n{}", line.topic);
            }
            let _ = write!(text, "\n  {:<7}  {:<width$}  {}", line.level, line.name, line.told());
            for help in &line.help {
                let _ = write!(text, "\n           help: {}", help.replace('\n', "\n                 "));
            }
        }
        self.add_history(&mut text);
        let Self { ok, warnings, bad, skipped, seconds, .. } = self;
        let _ = write!(
            text,
            "\n{ok} ok, {warnings} with a warning, {bad} bad, {skipped} skipped ({seconds:.1} s)"
        );
        text
    }

    fn add_history(&self, text: &mut String) {
        if !self.history.is_empty() {
            *text += "\nLast commands";
        }
        for Past { time, user, command, result, seconds, .. } in &self.history {
            let ago = words::span(self.time.duration_since(*time).as_secs());
            let _ = write!(text, "\n  {ago:>10} ago  {command:<9}  {result} after {seconds:.1} s, by {user}");
        }
    }

    fn failure(&self) -> Option<Error> {
        let bad: Vec<&Line> = self.lines.iter().filter(|line| line.level == Level::Bad).collect();
        if bad.is_empty() {
            return None;
        }
        let looked_at = self.lines.len() - self.skipped;
        let what = format!("{} of {looked_at} things are not as they should be", bad.len());
        let mut error = Error::new(Code::StatusBad, what);
        let mut helps: Vec<&String> = vec![];
        for line in bad {
            error = error.why(format!("{}: {}", line.name, line.told()));
            helps.extend(line.help.iter().filter(|help| !helps.contains(help)).collect::<Vec<_>>());
        }
        Some(helps.into_iter().fold(error, Error::help))
    }
}

/// The report with its text.
struct Written {
    report: Report,
    text: String,
}

impl Outcome for Written {
    fn json(&self) -> Value {
        serde_json::json!(self.report)
    }

    fn text(&self) -> String {
        self.text.clone()
    }

    fn failure(&self) -> Option<Error> {
        self.report.failure()
    }
}

/// Ends the command with this report.
pub fn done(report: Report, format: TableFormat, out: &Out) -> crate::commands::Done {
    let text = format.write(&report, || report.table())?;
    let written = Written { report, text };
    match written.failure() {
        // In JSON a failure is one document, which holds the report.
        Some(failure) if out.format() == Format::Json => Err(failure.report(written.json())),
        _ => crate::commands::done(written),
    }
}
