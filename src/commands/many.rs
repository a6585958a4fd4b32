//! Several environments at once: this very program, started once for each of them, a few at a time.
//!
//! A command that takes [`Names`] asks [`Names::one`] for the environment that it is to work on. Where the user named
//! several there is no such one, and [`run`] starts the same command line again with `--only ENV`, for each.

use std::ffi::OsString;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::interrupt;
use crate::output::{Format, Outcome};
use crate::process::{Cmd, Event, Ran, Stream};
use crate::state::Stage;

/// The environments that a command is asked to work on.
#[derive(Debug, clap::Args)]
pub struct Names {
    /// The environment's name; several are worked on side by side
    #[arg(value_name = "ENV", value_parser = super::name)]
    environments: Vec<EnvironmentName>,
    /// All environments but the destroyed ones
    #[arg(long, conflicts_with = "environments")]
    all: bool,
    /// How many of several environments are worked on at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
}

impl Names {
    /// The one environment to work on; nothing when there are several, which are for [`run`].
    ///
    /// # Errors
    /// `usage`, when none is named.
    pub fn one<'n>(&'n self, app: &'n App, command: &str) -> Result<Option<&'n EnvironmentName>> {
        if let Some(only) = app.only() {
            return Ok(Some(only));
        }
        match &self.environments[..] {
            [] if self.all => Ok(None),
            [] => Err(Error::new(Code::Usage, format!("{command} needs the name of an environment")).help(
                format!(
                    "see which there are: torrust-tracker-deployer list; for all of them: {command} --all"
                ),
            )),
            [first, others @ ..] => Ok(others.iter().all(|other| other == first).then_some(first)),
        }
    }

    /// Those that are meant, each once. Of a file that cannot be read the command itself will tell.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn all_of(&self, app: &App) -> Result<Vec<EnvironmentName>> {
        if !self.all {
            let mut names: Vec<EnvironmentName> = vec![];
            for name in &self.environments {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            return Ok(names);
        }
        let mut names = app.store.names()?;
        let destroyed =
            |name: &EnvironmentName| app.store.load(name).is_ok_and(|env| env.stage == Stage::Destroyed);
        names.retain(|name| app.store.exists(name).unwrap_or(true) && !destroyed(name));
        Ok(names)
    }
}

/// How it went with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Done,
    Failed,
    /// Ctrl-C came first.
    Unbegun,
}

/// One of them, and what came of it.
#[derive(Debug, Serialize)]
struct One {
    name: EnvironmentName,
    result: Fate,
    seconds: f64,
    /// Its own document, as it would be without the others.
    #[serde(skip_serializing_if = "Value::is_null")]
    document: Value,
    #[serde(skip)]
    began: Option<Instant>,
    #[serde(skip)]
    at: String,
}

#[derive(Serialize)]
struct All {
    environments: Vec<One>,
    done: usize,
    failed: usize,
    #[serde(skip)]
    command: &'static str,
    #[serde(skip)]
    options: String,
    #[serde(skip)]
    interrupted: bool,
}

/// Runs `command` for each of them. `options` are those without which it would not do the same for one of them; `tell` says in
/// a few words what the document of one says.
///
/// # Errors
/// Some of them failed, or nothing could be started. In JSON `error.problems` has what came of each.
pub fn run(
    app: &App,
    names: &Names,
    command: &'static str,
    options: &[&str],
    tell: fn(&Value) -> String,
) -> super::Done {
    let mut all: Vec<One> = names.all_of(app)?.into_iter().map(One::new).collect();
    let cmds = all.iter().map(|one| again_for(&one.name)).collect::<Result<Vec<_>>>()?;
    if !all.is_empty() {
        app.out.work_started(&format!("{command} of {}", counted(all.len())));
    }
    app.runner().side_by_side(&cmds, names.jobs.into(), |place, event| {
        all[place].hear(app, event, tell);
        app.out.work_goes_on(&at_work(&all));
    });
    app.out.work_ended();
    let count = |fate: Fate| all.iter().filter(|one| one.result == fate).count();
    let (done, failed) = (count(Fate::Done), count(Fate::Failed));
    let interrupted = app.interrupt.wanted();
    let outcome = All { done, failed, command, options: options.join(" "), interrupted, environments: all };
    match outcome.failure() {
        // In JSON a failure is one document, which holds the rest.
        Some(failure) if app.out.format() == Format::Json => Err(failure),
        _ => super::done(outcome),
    }
}

/// Refuses an option that only one environment's result can have.
///
/// # Errors
/// `usage`, always.
pub fn refuse(option: &str) -> super::Done {
    Err(Error::new(Code::Usage, format!("{option} is for one environment, and several are named"))
        .help("leave it out; --output-format json has the whole result of each"))
}

/// The command line of this process, for one environment.
fn again_for(name: &EnvironmentName) -> Result<Cmd> {
    let program = std::env::current_exe()
        .map_err(|error| Error::new(Code::Internal, "the program cannot find itself").why(error))?;
    let only = ["--only".into(), OsString::from(name.as_str())];
    Ok(Cmd::new(&program.to_string_lossy(), only.into_iter().chain(std::env::args_os().skip(1))))
}

fn counted(environments: usize) -> String {
    format!("{environments} environment{}", if environments == 1 { "" } else { "s" })
}

/// What the live line says.
fn at_work(all: &[One]) -> String {
    let ended = all.iter().filter(|one| one.result != Fate::Unbegun).count();
    let working = all.iter().filter(|one| one.result == Fate::Unbegun && one.began.is_some());
    let working: Vec<_> = working.map(|one| format!("{}{}", one.name, one.at)).collect();
    format!("{ended} ended, at work: {}", working.join(", "))
}

impl One {
    fn new(name: EnvironmentName) -> Self {
        Self {
            name,
            result: Fate::Unbegun,
            seconds: 0.0,
            document: Value::Null,
            began: None,
            at: String::new(),
        }
    }

    fn hear(&mut self, app: &App, event: Event, tell: fn(&Value) -> String) {
        match event {
            Event::Began => self.began = Some(Instant::now()),
            Event::Said(Stream::Out, _) => {}
            Event::Said(Stream::Err, line) => {
                if app.out.verbose() > 0 {
                    app.out.note(&format!("{}: {line}", self.name));
                }
                // Steps are numbered: "[3/13]".
                if let Some(step) = line.split(['[', ']']).nth(1).filter(|step| step.contains('/')) {
                    self.at = format!(" {step}");
                }
            }
            Event::Ended(ran) => self.end(app, ran, tell),
        }
    }

    fn end(&mut self, app: &App, ran: Result<Ran>, tell: fn(&Value) -> String) {
        self.seconds = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        (self.result, self.document) = match ran {
            Ok(ran) => judged(&ran),
            Err(error) => (Fate::Failed, serde_json::json!({ "error": error })),
        };
        let (mark, said) = match self.result {
            Fate::Done => (app.out.colored_word("✓", "32"), tell(&self.document)),
            _ => (app.out.colored_word("✗", "31"), format!("failed: {}", first_line(self.message()))),
        };
        let line = format!("{mark} {} ({:.1} s): {said}", self.name, self.seconds);
        if app.out.format() == Format::Json {
            app.out.note(&line);
        } else {
            // A reader that has gone away does not stop the others.
            let _ = app.out.line(&line);
        }
    }

    /// Why it failed.
    fn message(&self) -> &str {
        self.document["error"]["message"].as_str().unwrap_or_default()
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What a process said in the end. One that was killed says nothing that could be read.
fn judged(ran: &Ran) -> (Fate, Value) {
    match serde_json::from_str::<Value>(&ran.stdout) {
        Ok(document) if ran.ok() => (Fate::Done, document),
        Ok(document) if document["error"].is_object() => (Fate::Failed, document),
        _ => {
            let error =
                Error::new(Code::Internal, format!("its process ended with {} and no result", ran.code))
                    .why(ran.complaint());
            (Fate::Failed, serde_json::json!({ "error": error }))
        }
    }
}

impl Outcome for All {
    fn json(&self) -> Value {
        serde_json::json!(self)
    }

    fn text(&self) -> String {
        if self.environments.is_empty() {
            return "there is no environment to work on; see: torrust-tracker-deployer list".to_owned();
        }
        match self.environments.len() - self.done - self.failed {
            0 => format!("{} done, {} failed", self.done, self.failed),
            unbegun => format!("{} done, {} failed, {unbegun} not begun", self.done, self.failed),
        }
    }

    fn failure(&self) -> Option<Error> {
        let error = if self.interrupted {
            interrupt::error()
        } else if self.failed > 0 {
            let first = self.environments.iter().find(|one| one.result == Fate::Failed)?;
            let message = format!(
                "{} failed for {} of {}",
                self.command,
                self.failed,
                counted(self.environments.len())
            );
            let again = format!("torrust-tracker-deployer {} {} {}", self.command, first.name, self.options);
            Error::new(Code::EnvironmentsFailed, message)
                .help(format!("all about one of them: {}", again.trim_end()))
        } else {
            return None;
        };
        let blame = |error: Error, one: &One| {
            let cause = one.document["error"]["causes"][0].as_str().map(|cause| format!(": {cause}"));
            error.why(format!("{}: {}{}", one.name, one.message(), cause.unwrap_or_default()))
        };
        let failed = self.environments.iter().filter(|one| one.result == Fate::Failed);
        let problems = self.environments.iter().map(|one| serde_json::json!(one)).collect();
        Some(failed.fold(error, blame).problems(problems, String::new()))
    }
}
