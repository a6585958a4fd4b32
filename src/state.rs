//! How far an environment has come, and which command may follow what.

use std::fmt::{self, Display};

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// The stages in their order; each holds what the ones before it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The configuration is stored.
    Created,
    /// A host is there and answers over SSH.
    Provisioned,
    /// The host's operating system is set up.
    Configured,
    /// The application's files are on the host.
    Released,
    /// The tracker answers.
    Running,
    /// The host is gone, or given back.
    Destroyed,
}

impl Stage {
    /// The stage's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Provisioned => "provisioned",
            Self::Configured => "configured",
            Self::Released => "released",
            Self::Running => "running",
            Self::Destroyed => "destroyed",
        }
    }

    /// The command that leads on from here.
    #[must_use]
    pub fn next_command(self) -> &'static str {
        match self {
            Self::Created => "provision",
            Self::Provisioned => "configure",
            Self::Configured => "release",
            Self::Released => "run",
            Self::Running => "test",
            Self::Destroyed => "purge",
        }
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A command that began and has not come to its end: in progress, failed, or cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The command.
    pub command: String,
    /// The title of the step it was in.
    pub step: String,
    /// When the command began.
    pub since: Timestamp,
    /// The release that is being put back: where it began to go, it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Why it ended; nothing while it works, or when it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Refuses a command that does not fit the stage. `needs` is the stage that must have been reached.
///
/// A command may always be repeated, from its own stage or a later one; a destroyed environment takes `destroy` alone.
///
/// # Errors
/// `state_refused`, with the command that leads there.
pub fn require(name: &str, stage: Stage, command: &str, needs: Stage) -> Result<()> {
    if stage == Stage::Destroyed && command != "destroy" {
        return Err(Error::new(
            Code::StateRefused,
            format!("{name} is destroyed: {command} has nothing to work on"),
        )
        .help(format!("free the name with: torrust-tracker-deployer purge {name} --force"))
        .help("then create the environment again"));
    }
    if stage >= needs {
        return Ok(());
    }
    Err(Error::new(Code::StateRefused, format!("{command} needs {name} to be {needs}; it is {stage}"))
        .help(format!("the next step is: torrust-tracker-deployer {} {name}", stage.next_command()))
        .help(format!("or run everything that remains: torrust-tracker-deployer deploy {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_be_repeated_from_its_own_stage_and_from_any_later_one() {
        for stage in [Stage::Configured, Stage::Released, Stage::Running] {
            assert!(require("demo", stage, "release", Stage::Configured).is_ok(), "{stage}");
        }
    }

    #[test]
    fn a_command_that_comes_too_early_is_told_what_comes_first() {
        let error = require("demo", Stage::Provisioned, "release", Stage::Configured).unwrap_err();
        assert_eq!(error.code(), Code::StateRefused);
        assert_eq!(error.message(), "release needs demo to be configured; it is provisioned");
        assert_eq!(error.helps()[0], "the next step is: torrust-tracker-deployer configure demo");
    }

    #[test]
    fn nothing_can_be_done_with_a_destroyed_environment() {
        assert!(require("demo", Stage::Destroyed, "configure", Stage::Created).is_err());
    }
}
