//! What a look found, and the report of all of them.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use super::machine::{Command, Fix, Lack};
use crate::error::{Code, Error};
use crate::output::Outcome;

/// How a thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Not as it should be, but there is a way round it.
    Warning,
    /// Required, and missing, too old or of no use.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it was found.
    pub status: Status,
    /// What was seen.
    pub seen: String,
    /// What would be right, and what for.
    pub needed: String,
    /// What to type, where it is not as it should be.
    pub fix: Fix,
    /// What it lacks, from which the fix is made.
    #[serde(skip)]
    pub lack: Option<Lack>,
}

impl Finding {
    /// All is as it should be.
    pub fn ok(name: impl Into<String>, needed: impl Into<String>, seen: impl Into<String>) -> Self {
        let (name, needed, seen) = (name.into(), needed.into(), seen.into());
        Self { name, status: Status::Ok, seen, needed, fix: Fix::default(), lack: None }
    }

    /// Something required is not there.
    pub fn missing(
        name: impl Into<String>,
        needed: impl Into<String>,
        seen: impl Into<String>,
        lack: Lack,
    ) -> Self {
        Self { status: Status::Missing, lack: Some(lack), ..Self::ok(name, needed, seen) }
    }

    /// As [`Finding::missing`], of something that one can do without.
    #[must_use]
    pub fn into_warning(self) -> Self {
        Self { status: Status::Warning, ..self }
    }
}

/// A command of `--fix`, and how it ended.
#[derive(Debug, Serialize)]
pub struct Done {
    /// What was run.
    pub command: Command,
    /// What the program said when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Everything that was looked at.
#[derive(Serialize)]
pub struct Report {
    ok: usize,
    warnings: usize,
    missing: usize,
    /// In the order in which a newcomer needs them.
    pub items: Vec<Finding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    done: Vec<Done>,
}

impl Report {
    /// Counts what was found after these commands.
    #[must_use]
    pub fn new(items: Vec<Finding>, done: Vec<Done>) -> Self {
        let count = |status| items.iter().filter(|item| item.status == status).count();
        let [ok, warnings, missing] = [Status::Ok, Status::Warning, Status::Missing].map(count);
        Self { ok, warnings, missing, items, done }
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for Finding { name, status, seen, needed, fix, .. } in &self.items {
            let word = match status {
                Status::Ok => "ok     ",
                Status::Warning => "warning",
                Status::Missing => "MISSING",
            };
            let _ = writeln!(text, "  {word} {name}: {seen}");
            if *status != Status::Ok {
                let _ = writeln!(text, "          needed: {needed}");
            }
            for (place, line) in fix.lines().iter().enumerate() {
                let _ = writeln!(text, "          {:7} {line}", if place == 0 { "fix:" } else { "" });
            }
        }
        let s = if self.warnings == 1 { "" } else { "s" };
        text + &format!("{} ok, {} warning{s}, {} missing", self.ok, self.warnings, self.missing)
    }

    fn lacking(&self) -> impl Iterator<Item = &Finding> {
        self.items.iter().filter(|item| item.status == Status::Missing)
    }

    /// What to type next: the fixes themselves, once `--fix` has done what it can.
    fn helps(&self) -> Vec<String> {
        if self.done.is_empty() && self.lacking().any(|item| !item.fix.run.is_empty()) {
            return vec!["do what can be done by itself: torrust-tracker-deployer check --fix".into()];
        }
        let mut fixes: Vec<&Fix> = self.lacking().map(|item| &item.fix).collect();
        fixes.dedup();
        fixes.into_iter().flat_map(Fix::lines).collect()
    }
}

impl Outcome for Report {
    fn json(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn text(&self) -> String {
        self.lines()
    }

    fn failure(&self) -> Option<Error> {
        if self.missing == 0 {
            return None;
        }
        let be = if self.missing == 1 { "is" } else { "are" };
        let what = format!("{} of {} things {be} missing", self.missing, self.items.len());
        let error = Error::new(Code::ToolMissing, what);
        let error =
            self.lacking().fold(error, |error, item| error.why(format!("{}: {}", item.name, item.seen)));
        let failed = self
            .done
            .iter()
            .filter_map(|done| Some(format!("{}: {}", done.command.shown(), done.failure.as_ref()?)));
        let error = failed.fold(error, Error::why);
        let error = self.helps().into_iter().fold(error, Error::help);
        let items = self.items.iter().map(|item| serde_json::json!(item)).collect();
        Some(error.problems(items, String::new()))
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shown().serialize(serializer)
    }
}

impl Serialize for Fix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lines().serialize(serializer)
    }
}
