//! Checks: questions to a deployed stack, asked side by side, with what was seen.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::probe::{Deadline, Fault};
use crate::process::Runner;

/// A question that can be asked from any thread. `ask` gives what it saw.
pub struct Check {
    /// What is checked, such as `UDP tracker 6969 over IPv4: announce`.
    pub name: String,
    /// Whether the answer comes as soon as the network allows. Where nobody must answer, only waiting tells.
    pub quick: bool,
    /// Whether the host has to ask it, over our SSH connection.
    pub over_ssh: bool,
    ask: Box<dyn Fn(Deadline) -> Answer + Send + Sync>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Answer {
    /// All is as it should be.
    Passed {
        /// What was seen.
        seen: String,
    },
    /// It works, and deserves attention.
    Warning {
        /// What was seen.
        seen: String,
    },
    /// Something is not as it should be.
    Failed(Fault),
    /// It could not be asked from here, and says nothing about the service.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl From<Result<String, Fault>> for Answer {
    fn from(result: Result<String, Fault>) -> Self {
        match result {
            Ok(seen) => Self::Passed { seen },
            Err(fault) => Self::Failed(fault),
        }
    }
}

/// A check and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The check's name.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub answer: Answer,
    /// How long it took.
    pub seconds: f64,
}

impl Checked {
    /// An answer that was not waited for.
    #[must_use]
    pub fn at_once(name: impl Into<String>, answer: Answer) -> Self {
        Self { name: name.into(), answer, seconds: 0.0 }
    }

    /// What failed, when it failed.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match &self.answer {
            Answer::Failed(fault) => Some(fault),
            _ => None,
        }
    }
}

impl Check {
    /// A check that cannot be asked, and why.
    pub fn skipped(name: impl Into<String>, reason: &str) -> Self {
        let reason = reason.to_owned();
        Self::answering(name, move |_| Answer::Skipped { reason: reason.clone() })
    }

    /// A check from its name and its question.
    pub fn new(
        name: impl Into<String>,
        ask: impl Fn(Deadline) -> Result<String, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self::answering(name, move |deadline| ask(deadline).into())
    }

    /// A check whose answer may be more than well or not.
    pub fn answering(
        name: impl Into<String>,
        ask: impl Fn(Deadline) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), quick: true, over_ssh: false, ask: Box::new(ask) }
    }

    /// The same check, which tells by waiting.
    #[must_use]
    pub fn by_waiting(self) -> Self {
        Self { quick: false, ..self }
    }

    /// The same check, which may need the SSH connection.
    #[must_use]
    pub fn over_ssh(self, over_ssh: bool) -> Self {
        Self { over_ssh, ..self }
    }
}

/// Asks all at once; each has `timeout`. Ctrl-C leaves those that still wait for an answer to themselves.
///
/// # Errors
/// `interrupted`.
pub fn ask_all(runner: Runner, checks: Vec<Check>, timeout: Duration) -> Result<Vec<Checked>> {
    Asked::begin(checks, timeout).answers(runner)
}

/// Checks that are being asked while something else is done.
pub struct Asked {
    answers: Vec<Checked>,
    coming: Receiver<(usize, Checked)>,
}

impl Asked {
    /// Asks all at once; each has `timeout`.
    #[must_use]
    pub fn begin(checks: Vec<Check>, timeout: Duration) -> Self {
        let answers = checks.iter().map(|check| broken_off(&check.name)).collect();
        let (sender, coming) = channel();
        for (place, check) in checks.into_iter().enumerate() {
            let sender = sender.clone();
            std::thread::spawn(move || sender.send((place, ask(&check, timeout))));
        }
        Self { answers, coming }
    }

    /// Waits for all answers.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn answers(mut self, runner: Runner) -> Result<Vec<Checked>> {
        loop {
            match self.coming.recv_timeout(Duration::from_millis(50)) {
                Ok((place, checked)) => self.answers[place] = checked,
                Err(RecvTimeoutError::Timeout) => runner.out.tick(),
                Err(RecvTimeoutError::Disconnected) => return Ok(self.answers),
            }
            runner.interrupt.check()?;
        }
    }
}

/// What a check is until it has its answer.
fn broken_off(name: &str) -> Checked {
    let answer = Answer::Failed(Fault::new("an answer", "the check itself broke off"));
    Checked::at_once(name, answer)
}

fn ask(check: &Check, timeout: Duration) -> Checked {
    let started = Instant::now();
    let answer = (check.ask)(Deadline::after(timeout));
    Checked { name: check.name.clone(), answer, seconds: started.elapsed().as_secs_f64() }
}

/// What failed, each with the check's name.
pub fn faults(checked: &[Checked]) -> impl Iterator<Item = String> {
    checked.iter().filter_map(|one| Some(format!("{}: {}", one.name, one.fault()?)))
}

/// Adds what failed to an error.
#[must_use]
pub fn blame(error: Error, checked: &[Checked]) -> Error {
    faults(checked).fold(error, Error::why)
}

/// How many passed, failed, could not be asked, and passed with a warning.
#[must_use]
pub fn tally(checked: &[Checked]) -> [usize; 4] {
    let mut tally = [0; 4];
    for checked in checked {
        tally[match checked.answer {
            Answer::Passed { .. } => 0,
            Answer::Failed(_) => 1,
            Answer::Skipped { .. } => 2,
            Answer::Warning { .. } => 3,
        }] += 1;
    }
    tally
}
