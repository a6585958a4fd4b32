//! What is as it should be, and what is not: facts against what was configured and released.

mod containers;
mod images;
mod machine;
mod network;
mod release;

use std::fmt::{self, Display};
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::facts::{Clock, Facts, Restore};
use crate::checks::{Answer, Checked};
use crate::commands::backup::id::typed;
use crate::error::Result;
use crate::probe::Fault;
use crate::services;
use crate::state::Stage;
use crate::store::{Environment, Host, Origin};

/// What a line is about, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// How far the environment is, and what is going on.
    Environment,
    /// The machine.
    Host,
    /// The stack's containers, and others.
    Services,
    /// What clients see.
    Endpoints,
    /// Files, units and images against what was released.
    Release,
    /// Disks, folders, backups.
    Storage,
}

/// How it stands with the subject of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It could not be told.
    Skipped,
    /// It works, and deserves attention.
    Warning,
    /// Not as it should be.
    Bad,
}

/// One subject.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What it is about.
    pub topic: Topic,
    /// Its subject.
    pub name: String,
    /// How it stands.
    pub level: Level,
    /// What was seen.
    pub seen: String,
    /// What should have been seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

impl Line {
    /// A subject that is as it should be.
    pub fn ok(topic: Topic, name: impl Into<String>, seen: impl Into<String>) -> Self {
        let (name, seen) = (name.into(), seen.into());
        Self { topic, name, level: Level::Ok, seen, expected: None, help: vec![] }
    }

    /// It could not be told, and why.
    #[must_use]
    pub fn skipped(self) -> Self {
        Self { level: Level::Skipped, ..self }
    }

    /// It deserves attention: what would not, and what to type.
    #[must_use]
    pub fn warning(self, expected: impl Into<String>, help: impl Into<String>) -> Self {
        Self { level: Level::Warning, expected: Some(expected.into()), help: vec![help.into()], ..self }
    }

    /// It is not as it should be: how it should be, and what to type.
    #[must_use]
    pub fn bad(self, expected: impl Into<String>, help: impl Into<String>) -> Self {
        Self { level: Level::Bad, ..self.warning(expected, help) }
    }

    /// The line as a check of `test`.
    #[must_use]
    pub fn into_checked(self) -> Checked {
        let name = format!("{}: {}", self.topic.to_string().to_lowercase(), self.name);
        let answer = match self.level {
            Level::Ok => Answer::Passed { seen: self.seen },
            Level::Skipped => Answer::Skipped { reason: self.seen },
            Level::Warning => Answer::Warning { seen: self.told() },
            Level::Bad => Answer::Failed(Fault::new(self.expected.unwrap_or_default(), self.seen)),
        };
        Checked::at_once(name, answer)
    }

    /// Both halves in one: what was expected, where that is not what was seen.
    #[must_use]
    pub fn told(&self) -> String {
        match &self.expected {
            Some(expected) => format!("expected {expected}, seen: {}", self.seen),
            None => self.seen.clone(),
        }
    }
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Bad => "BAD",
        })
    }
}

impl Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Host => "Host",
            Self::Services => "Services",
            Self::Endpoints => "Endpoints",
            Self::Release => "Release",
            Self::Storage => "Storage",
        })
    }
}

/// What there should be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The environment's name.
    pub name: String,
    /// How far it has come.
    pub stage: Stage,
    /// The containers of the stack.
    pub containers: Vec<services::Container>,
    /// The images that the configuration does not name.
    pub default_images: Vec<String>,
    /// Where clients find it, as far as it is not known by a name alone.
    pub addresses: Vec<IpAddr>,
    /// Whether the host is nobody else's.
    pub made_by_us: bool,
    /// Whether `configure` has made a firewall there.
    pub firewall: bool,
}

impl Wanted {
    /// What this environment wants on its host.
    ///
    /// # Errors
    /// A secret has no value, or a template does not fit.
    pub fn of(env: &Environment) -> Result<Self> {
        let containers = services::all(env)?.into_iter().filter_map(|service| service.container).collect();
        let defaults = env.config.images.all().into_iter().filter(|(_, image)| image.is_default());
        Ok(Self {
            name: env.name.to_string(),
            stage: env.stage,
            containers,
            default_images: defaults.map(|(_, image)| image.to_string()).collect(),
            addresses: env.host.iter().flat_map(Host::addresses).filter_map(|one| one.parse().ok()).collect(),
            made_by_us: env.host.as_ref().is_some_and(|host| host.origin == Origin::Created),
            firewall: env.stage >= Stage::Configured && env.choices.firewall.unwrap_or(true),
        })
    }

    /// This program's command for the environment.
    fn typed(&self, command: &str) -> String {
        format!("torrust-tracker-deployer {command} {}", self.name)
    }

    /// What tells of a restore, and ends it.
    fn typed_restore(&self, restore: &Restore) -> String {
        format!("{} restore {}", self.typed("backup"), typed(&restore.id))
    }

    /// A command for the host.
    fn on_host(&self, command: &str) -> String {
        format!("{} -- {command}", self.typed("ssh"))
    }
}

/// Judges a look at the host: the containers, and the rest where it was looked at.
#[must_use]
pub fn judge(facts: &Facts, wanted: &Wanted, clock: Option<Clock>) -> Vec<Line> {
    if !facts.are_told() {
        let line = Line::ok(Topic::Host, "Python 3", "the host has none, so that nothing more can be told");
        let configured = wanted.stage >= Stage::Configured;
        return vec![if configured {
            line.bad("Python 3", wanted.typed("configure"))
        } else {
            line.skipped()
        }];
    }
    let mut lines = machine::judge(facts, wanted, clock);
    lines.extend(facts.network.iter().flat_map(|network| network::judge(network, wanted)));
    if wanted.stage >= Stage::Configured {
        lines.extend(containers::judge(&facts.docker, facts.release.as_ref(), wanted));
        lines.extend(images::judge(facts, wanted, Timestamp::now()));
    }
    lines.extend(facts.release.iter().flat_map(|release| release::judge(release, wanted)));
    let restore = facts.release.as_ref().and_then(|release| release.restore.as_ref());
    lines.extend(restore.map(|restore| release::restore(restore, wanted)));
    lines
}

/// What clients see, as lines.
#[must_use]
pub fn endpoint(checked: &Checked, wanted: &Wanted) -> Line {
    let line = |seen: &str| Line::ok(Topic::Endpoints, &checked.name, seen);
    let look = wanted.typed("test");
    match &checked.answer {
        Answer::Passed { seen } => line(seen),
        Answer::Warning { seen } => Line { level: Level::Warning, ..line(seen) },
        Answer::Skipped { reason } => line(reason).skipped(),
        Answer::Failed(fault) => line(&fault.seen).bad(&fault.expected, look),
    }
}

#[cfg(test)]
mod tests;
