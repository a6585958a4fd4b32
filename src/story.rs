//! A command as a list of steps: walks them, says what happens, takes times, and saves how far it came.

use std::time::Instant;

use jiff::Timestamp;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::state::{self, Attempt, Stage};
use crate::store::{Environment, Host, Lock, Origin, StepTime, Store};
use crate::tools::ssh::Ssh;

/// A host that we made can be brought back when it does not answer.
#[must_use]
pub fn or_bring_back(error: Error, name: &EnvironmentName) -> Error {
    if error.code() != Code::SshUnreachable {
        return error;
    }
    let command = format!("torrust-tracker-deployer provision {name}");
    error.help(format!("if the host is stopped or gone, this brings it back: {command}"))
}

/// One step. `run` returns what was observed, for the line that says that the step is done.
pub struct Step {
    /// What the user reads, in the imperative.
    pub title: &'static str,
    /// Does it.
    pub run: fn(&mut Work) -> Result<String>,
}

/// A command's steps and the stage that they bring.
pub struct Phase {
    /// The command's name.
    pub command: &'static str,
    /// The stage after the last step.
    pub reaches: Stage,
    /// The steps, in order.
    pub steps: &'static [Step],
}

/// An environment being worked on: locked, with its connection once one is needed.
pub struct Work<'a> {
    /// The program's surroundings.
    pub app: &'a App,
    /// The environment; [`Work::save`] writes it.
    pub env: Environment,
    /// What the command line asked for.
    pub options: crate::commands::Options,
    /// What the steps of a release hand on to each other.
    pub bundle: Option<crate::bundle::Bundle>,
    /// The images of the release, once the host has them.
    pub images: Option<Vec<crate::commands::release::images::Image>>,
    /// What this command made at the provider, such as `network NAME`.
    pub made: Vec<String>,
    /// Whether this command changed anything on the host.
    pub changed: bool,
    /// A host that is being looked at and is not the environment's yet.
    pub candidate: Option<Host>,
    /// What `OpenTofu` is at.
    pub making: crate::providers::Making,
    revealed: Option<Environment>,
    ssh: Option<Ssh<'a>>,
    command: &'static str,
    began: Timestamp,
    clock: Instant,
    steps: Vec<StepTime>,
    _lock: Lock,
}

impl<'a> Work<'a> {
    /// Locks the environment and reads it. `needs` is the stage that it must have reached.
    ///
    /// # Errors
    /// It does not exist, is damaged, has not come so far, or another command works on it.
    pub fn begin(app: &'a App, name: &EnvironmentName, command: &'static str, needs: Stage) -> Result<Self> {
        let began = Timestamp::now();
        let lock = app.store.lock(name, command)?;
        let env = app.store.load(name)?;
        if let Err(refused) = state::require(name.as_str(), env.stage, command, needs) {
            app.store.remember(name, command, began, Some(refused.code()), &[])?;
            return Err(refused);
        }
        app.log_for(&env.name)?;
        let work = Self {
            app,
            env,
            options: crate::commands::Options::default(),
            bundle: None,
            images: None,
            made: vec![],
            changed: false,
            candidate: None,
            making: crate::providers::Making::default(),
            revealed: None,
            ssh: None,
            command,
            began,
            clock: Instant::now(),
            steps: vec![],
            _lock: lock,
        };
        work.mask_literals();
        Ok(work)
    }

    /// At a terminal the user is asked before something is made or changed at the provider.
    ///
    /// # Errors
    /// `declined`, which leaves everything as it was.
    pub fn approve(&self, question: &str) -> Result<()> {
        let out = &self.app.out;
        if self.options.provision.auto_approve || !out.can_ask() || out.ask(question, &self.app.interrupt)? {
            return Ok(());
        }
        Err(Error::new(Code::Declined, "not approved; nothing was changed").help(format!(
            "when you want it: torrust-tracker-deployer {} {} --auto-approve",
            self.command, self.env.name
        )))
    }

    /// Writes the environment's present state.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&mut self) -> Result<()> {
        self.app.store.save(&mut self.env)
    }

    /// The host that the steps work on.
    ///
    /// # Errors
    /// `state_refused` when there is none.
    pub fn host(&self) -> Result<&Host> {
        self.candidate.as_ref().map_or_else(|| self.env.host(), Ok)
    }

    /// The same host, to note what was learned about it.
    pub fn host_mut(&mut self) -> Option<&mut Host> {
        self.candidate.as_mut().or(self.env.host.as_mut())
    }

    /// The environment with the stack's secrets in place of their references. Each is asked for once in a command:
    /// a password store may ask in turn.
    ///
    /// # Errors
    /// `secret_unavailable`.
    pub fn revealed(&mut self) -> Result<&Environment> {
        let revealed = match self.revealed.take() {
            Some(revealed) => revealed,
            None => self.app.reveal(&self.env)?,
        };
        Ok(self.revealed.insert(revealed))
    }

    /// Takes what the environment becomes with another configuration, to be saved.
    pub fn turn_into(&mut self, env: Environment) {
        self.env = env;
        (self.revealed, self.bundle, self.images) = (None, None, None);
        self.mask_literals();
    }

    fn mask_literals(&self) {
        for (_, secret) in self.env.config.secrets() {
            secret.literal().inspect(|text| self.app.out.mask_secret(text));
        }
    }

    /// The command as it was typed, without its options.
    #[must_use]
    pub fn typed(&self) -> String {
        format!("torrust-tracker-deployer {} {}", self.command, self.env.name)
    }

    /// Goes on as another command, which has a line of its own in the history.
    pub fn turn_to(&mut self, command: &'static str) {
        (self.command, self.began) = (command, Timestamp::now());
        self.steps.clear();
    }

    /// The connection to the host, opened at the first call.
    ///
    /// # Errors
    /// There is no host, or it cannot be reached.
    pub fn ssh(&mut self) -> Result<&Ssh<'a>> {
        if self.ssh.is_none() {
            self.connect()?;
        }
        self.ssh.as_ref().ok_or_else(|| Error::new(Code::Internal, "no connection is open"))
    }

    fn connect(&mut self) -> Result<()> {
        let host = self.host()?;
        let (target, made_by_us) = (self.app.target_at(&self.env, host), host.origin == Origin::Created);
        let opened = Ssh::connect(self.app.runner(), target);
        let ssh =
            opened.map_err(|error| if made_by_us { or_bring_back(error, &self.env.name) } else { error })?;
        // An earlier version stored the fingerprint alone.
        if let Some(host) = self.host_mut().filter(|host| !host.host_key.is_empty()) {
            host.public_key.clone_from(&ssh.target.pin.key);
        }
        self.ssh = Some(ssh);
        Ok(())
    }

    /// The open connection beside the environment and its store, for a step that saves while it talks to the host.
    ///
    /// # Errors
    /// When no connection is open.
    pub fn parts(&mut self) -> Result<(&Ssh<'a>, &mut Environment, &Store)> {
        let ssh = self.ssh.as_ref().ok_or_else(|| Error::new(Code::Internal, "no connection is open"))?;
        Ok((ssh, &mut self.env, &self.app.store))
    }

    /// Forgets the connection, because the host or its address changed.
    pub fn hang_up(&mut self) {
        self.ssh = None;
    }

    /// Walks the phases, and records in the environment's history how it went.
    ///
    /// # Errors
    /// The first step that fails ends the walk; the attempt stays in the state.
    pub fn walk(&mut self, phases: &[&Phase]) -> Result<()> {
        let walked = self.walk_phases(phases);
        self.told(walked)
    }

    /// Walks steps of a command that leads nowhere: the environment's stage and its attempt stay as they are.
    ///
    /// # Errors
    /// The first step that fails ends the walk.
    pub fn walk_aside(&mut self, steps: &[Step]) -> Result<()> {
        let mut numbered = steps.iter().zip(1..);
        let walked = numbered.try_for_each(|(step, number)| self.take_step(step, number, steps.len()));
        self.told(walked)
    }

    /// How it went, once that is in the history, too.
    fn told(&self, walked: Result<()>) -> Result<()> {
        let remembered = self.remember(walked.as_ref().err().map(Error::code));
        // Why the command failed matters more than why that could not be written down.
        walked.and(remembered)
    }

    /// Adds this command to the environment's history: `failure` says why, when it did not end well.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(&self, failure: Option<Code>) -> Result<()> {
        self.app.store.remember(&self.env.name, self.command, self.began, failure, &self.steps)
    }

    fn walk_phases(&mut self, phases: &[&Phase]) -> Result<()> {
        let total = phases.iter().map(|phase| phase.steps.len()).sum();
        let mut number = 0;
        for phase in phases {
            for step in phase.steps {
                number += 1;
                self.walk_step(phase, step, number, total)?;
            }
            self.env.stage = self.env.stage.max(phase.reaches);
            self.env.attempt = None;
            self.env.again.retain(|command| command != phase.command);
            self.save()?;
        }
        Ok(())
    }

    fn walk_step(&mut self, phase: &Phase, step: &Step, number: usize, total: usize) -> Result<()> {
        let attempt = Attempt {
            command: phase.command.into(),
            step: step.title.into(),
            since: self.began,
            to: self.options.rollback.to,
            error: None,
        };
        self.env.attempt = Some(attempt);
        self.save()?;
        let taken = self.take_step(step, number, total);
        if let (Err(error), Some(attempt)) = (&taken, &mut self.env.attempt) {
            attempt.error = Some(self.app.out.masked(error.message()));
            // The step's own error matters more than a second one from saving it.
            let _ = self.save();
        }
        taken
    }

    fn take_step(&mut self, step: &Step, number: usize, total: usize) -> Result<()> {
        self.app.interrupt.check()?;
        let clock = Instant::now();
        self.app.out.step_started(number, total, step.title);
        let done = (step.run)(self);
        let took = clock.elapsed();
        self.steps.push(StepTime { title: step.title.into(), seconds: took.as_secs_f64() });
        match done {
            Ok(note) => self.app.out.step_done(took, &note),
            Err(error) => {
                self.app.out.step_failed(took);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The steps' times so far.
    #[must_use]
    pub fn step_times(&self) -> &[StepTime] {
        &self.steps
    }

    /// Seconds since the command began.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }
}
