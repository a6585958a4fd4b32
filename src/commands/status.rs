//! `status`: how the environment stands right now: host, containers, endpoints, files, and what was done last.

mod facts;
mod judge;
mod question;
mod report;
mod watch;

use std::time::{Duration, Instant};

use super::many::{self, Names};
use crate::app::App;
use crate::checks::{Answer, Asked, Check, Checked};
use crate::commands::test::host;
use crate::config::{Config, EnvironmentName, ImageSource};
use crate::error::{Code, Error, Result};
use crate::output::tabular::TableFormat;
use crate::output::words;
use crate::probe::http::Relay;
use crate::render::Templates;
use crate::services::{self, tracker::silence};
use crate::state::Stage;
use crate::store::{Environment, Origin, Past};
use crate::story;
use crate::tools::relay;
use crate::tools::ssh::{Ssh, Target};

use facts::Facts;
use judge::{Line, Topic, Wanted};
use question::Question;
use report::Report;

/// Options of `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,
    /// How the report is written; by default as --output-format says
    #[arg(long, value_enum, conflicts_with = "watch")]
    format: Option<TableFormat>,
    /// Look again and again: a full screen at a terminal (? for its keys), elsewhere a line for each change
    #[arg(long)]
    watch: bool,
    /// Look at the containers and the endpoints only
    #[arg(long)]
    services_only: bool,
    /// How long --watch waits between two looks
    #[arg(long, value_name = "SECONDS", default_value = "2", requires = "watch", value_parser = clap::value_parser!(u16).range(1..=3600))]
    interval: u16,
}

/// How long one look from outside may take.
const LOOK: Duration = Duration::from_secs(3);
/// Why the host asks nothing for us.
const NO_SSH: &str = "the host has to ask it, and there is no SSH connection";
/// How many of the last commands are told.
const COMMANDS: usize = 5;

/// Looks once and reports, or watches.
pub fn run(app: &App, args: &Args) -> super::Done {
    match args.names.one(app, "status")? {
        Some(name) if args.watch => watch::run(app, args, name),
        Some(name) => look(app, args, name),
        None if args.watch => many::refuse("--watch"),
        None if args.format.is_some() => many::refuse("--format"),
        None => many::run(app, &args.names, "status", &[], tell),
    }
}

/// A report in a few words.
fn tell(report: &serde_json::Value) -> String {
    format!("{}, {} warnings", report["state"].as_str().unwrap_or_default(), report["warnings"])
}

fn look(app: &App, args: &Args, name: &EnvironmentName) -> super::Done {
    let format = TableFormat::chosen(args.format, &app.out)?;
    let clock = Instant::now();
    let env = app.store.load(name)?;
    app.log_for(name)?;
    let past = app.store.recent(name)?;
    let mut lines = vec![standing(app, &env)];
    let facts = look_at_host(app, &env, !args.services_only, &past, &mut lines)?;
    if args.services_only {
        lines.retain(|line| {
            matches!(line.topic, Topic::Services | Topic::Endpoints) || line.level == judge::Level::Bad
        });
    }
    let past = past.into_iter().take(if args.services_only { 0 } else { COMMANDS });
    report::done(Report::new(&env, lines, facts, past.collect(), clock.elapsed()), format, &app.out)
}

/// Adds what host and endpoints show, where there is a host; what it told itself.
fn look_at_host(
    app: &App,
    env: &Environment,
    deep: bool,
    past: &[Past],
    lines: &mut Vec<Line>,
) -> Result<Option<Facts>> {
    let Some(host) = env.host.as_ref().filter(|_| env.stage < Stage::Destroyed) else { return Ok(None) };
    let mut look = Look::new(app, &app.store.as_it_stands(env.clone())?, deep)?;
    let facts = match look.inside() {
        Ok(seen) => {
            let system = if host.system.is_empty() { "a host" } else { &host.system };
            let place = format!("{system} at {} port {}", host.addresses_shown(), host.port);
            lines.push(Line::ok(Topic::Host, "SSH", place));
            lines.extend(seen.lines);
            Some(seen.facts)
        }
        Err(error) if is_host_s_fault(&error) => {
            let made_by_us = host.origin == Origin::Created;
            let error = if made_by_us { story::or_bring_back(error, &env.name) } else { error };
            lines.push(unreachable(&error, past));
            None
        }
        Err(error) => return Err(error),
    };
    lines.extend(look.outside()?);
    Ok(facts)
}

/// How far the environment is. Where a command ended badly or was cut off, it is not what was asked for.
fn standing(app: &App, env: &Environment) -> Line {
    let name = &env.name;
    let line = |seen: String| Line::ok(Topic::Environment, "state", seen);
    let again = |command: &str| format!("torrust-tracker-deployer {command} {name}");
    match (&env.attempt, env.stage) {
        (Some(attempt), stage) if app.store.at_work(name) => {
            let since = format!("{:.0}", attempt.since);
            line(format!("{stage}; {} is at work in \"{}\" since {since}", attempt.command, attempt.step))
                .warning("no command at work", again("status"))
        }
        (Some(attempt), stage) => {
            let why = attempt.error.as_deref().unwrap_or("it was cut off");
            line(format!("{stage}; {} ended in \"{}\": {why}", attempt.command, attempt.step))
                .bad("that the last command came to its end", again(&attempt.command))
        }
        (None, Stage::Running) => line("running".into()),
        (None, Stage::Destroyed) => line("destroyed: there is nothing to look at".into()),
        (None, stage) => line(stage.to_string()).warning("running", again("deploy")),
    }
}

/// Whether the host is the reason, so that all else can still be told.
fn is_host_s_fault(error: &Error) -> bool {
    use Code::{HostKeyChanged, SshAuth, SshLost, SshUnreachable, SudoRefused, TimedOut, ToolFailed};
    let codes = [HostKeyChanged, SshAuth, SshLost, SshUnreachable, SudoRefused, TimedOut, ToolFailed];
    codes.contains(&error.code())
}

/// The line of a host that tells nothing, with the last time that it did.
fn unreachable(error: &Error, past: &[Past]) -> Line {
    let mut seen = error.message().to_owned();
    for cause in error.causes() {
        seen = format!("{seen}: {cause}");
    }
    if let Some(last) = past.iter().find(|past| past.result == "done") {
        let ago = jiff::Timestamp::now().duration_since(last.time).as_secs();
        seen = format!(
            "{seen}; the last command that ended well was {}, {} ago",
            last.command,
            words::span(ago)
        );
    }
    let line = Line::ok(Topic::Host, "SSH", seen).bad("a host that answers", "");
    Line { help: error.helps().to_vec(), ..line }
}

/// What is looked at, from where.
struct Look<'a> {
    app: &'a App,
    /// With its secrets.
    env: Environment,
    target: Target,
    wanted: Wanted,
    deep: bool,
    /// Open as long as the host asks endpoints for us.
    ssh: Option<Ssh<'a>>,
    /// The endpoints, which are asked while the host is.
    asked: Vec<Asked>,
    /// The names of their checks, in the order of the report.
    names: Vec<String>,
}

/// What the host told.
struct Inside {
    facts: Facts,
    lines: Vec<Line>,
}

impl<'a> Look<'a> {
    fn new(app: &'a App, env: &Environment, deep: bool) -> Result<Self> {
        let env = app.reveal(env)?;
        let target = app.target(&env)?;
        let wanted = Wanted::of(&env)?;
        let mut look = Self { app, env, target, wanted, deep, ssh: None, asked: vec![], names: vec![] };
        if !host::has_own_authority(&look.env.config) {
            look.ask(None)?;
        }
        Ok(look)
    }

    /// Asks the endpoints, but for what only waiting tells: that is for `test`. Without a relay those that the host has to
    /// ask are left out, with one they alone are asked.
    fn ask(&mut self, relay: Option<&Relay>) -> Result<()> {
        if self.env.stage != Stage::Running {
            return Ok(());
        }
        let nowhere = Relay::new(|_, _| Err(NO_SSH.into()));
        let checks = services::checks(&self.env.config, self.env.host()?, relay.unwrap_or(&nowhere))?;
        let mut checks: Vec<Check> = checks.into_iter().filter(|check| check.quick).collect();
        self.names = checks.iter().map(|check| check.name.clone()).collect();
        checks.retain(|check| check.over_ssh == relay.is_some());
        self.asked.push(Asked::begin(checks, LOOK));
        Ok(())
    }

    /// One connection, one session.
    fn inside(&mut self) -> Result<Inside> {
        let ssh = Ssh::connect(self.app.runner(), self.target.clone())?;
        if host::has_own_authority(&self.env.config) {
            host::learn_own_root(&ssh, &mut self.env.config)?;
            self.ask(None)?;
        }
        self.ask(Some(&relay::over(&ssh)))?;
        let question = Question { deep: self.deep, ..question(&self.env.config, &self.wanted) };
        let inside = inside(&ssh, &self.env, &self.wanted, &question);
        self.ssh = Some(ssh);
        inside
    }

    /// What clients see, once all have answered.
    fn outside(&mut self) -> Result<Vec<Line>> {
        let mut checked = vec![];
        for asked in std::mem::take(&mut self.asked) {
            checked.extend(asked.answers(self.app.runner())?);
        }
        let mut unasked = self.names.clone();
        unasked.retain(|name| checked.iter().all(|one| one.name != *name));
        let skipped = || Answer::Skipped { reason: NO_SSH.into() };
        checked.extend(unasked.into_iter().map(|name| Checked::at_once(name, skipped())));
        checked.sort_by_key(|one| self.names.iter().position(|name| *name == one.name));
        silence::explain(&self.env, &mut checked);
        Ok(checked.iter().map(|checked| judge::endpoint(checked, &self.wanted)).collect())
    }
}

/// The host, its containers and files, for `test`: an environment with its secrets. What services ask on the host,
/// `test` asks by itself.
///
/// # Errors
/// The connection broke, or the host did not tell.
pub fn on_host(ssh: &Ssh, env: &Environment) -> Result<Vec<Checked>> {
    let wanted = Wanted::of(env)?;
    let question = Question { checks: vec![], ..question(&env.config, &wanted) };
    Ok(inside(ssh, env, &wanted, &question)?.lines.into_iter().map(Line::into_checked).collect())
}

fn inside(ssh: &Ssh, env: &Environment, wanted: &Wanted, question: &Question) -> Result<Inside> {
    let script = question::script(&Templates::of(env)?)?;
    let (facts, clock) = question.ask(ssh, &script)?;
    let lines = judge::judge(&facts, wanted, Some(clock));
    Ok(Inside { facts, lines })
}

/// What the host is asked about this environment.
fn question(config: &Config, wanted: &Wanted) -> Question {
    let images = wanted.containers.iter().map(|container| container.image.clone()).collect();
    let released = wanted.stage >= Stage::Released;
    // Images that are sent are compared with the operator's own engine at each release.
    let registries = released && config.images.source == ImageSource::Registry;
    let checks = if released { services::host_checks(config) } else { vec![] };
    Question { registries, ..Question::new(images, checks) }
}
