//! `deploy`: whatever remains, from the stage that the environment is in to running.

use std::path::PathBuf;

use serde::Serialize;

use super::configure::CONFIGURE;
use super::many::{self, Names};
use super::provision;
use super::release::RELEASE;
use super::run::RUN;
use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::state::{self, Stage};
use crate::store::{Choices, Environment};
use crate::story::{Phase, Work};

/// Options of `deploy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,
    /// Create the environment from this configuration file first, if it is not there yet
    #[arg(short, long, alias = "env-file", value_name = "FILE", conflicts_with_all = ["environments", "all"])]
    file: Option<PathBuf>,
    /// Stop before the tracker is started
    #[arg(long)]
    skip_run: bool,
    /// Print the steps that would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    provision: provision::Options,
    // `--verbose` is the global option of that name.
}

/// Deploys.
pub fn run(app: &App, args: &Args) -> super::Done {
    let wanted = match &args.file {
        Some(file) => from_file(app, file)?,
        None => match args.names.one(app, "deploy")? {
            Some(name) => app.store.load(name)?,
            None => return several(app, args),
        },
    };
    let name = wanted.name.clone();
    if args.dry_run {
        return super::done(plan(&wanted, args.skip_run)?);
    }
    if !app.store.exists(&name)? {
        super::create::create(app, wanted.config, wanted.choices)?;
    }
    let mut work = Work::begin(app, &name, "deploy", Stage::Created)?;
    work.options.provision = args.provision.clone();
    let provision = needed_provision(&work.env);
    let phases = remaining(&work.env, provision.as_ref(), args.skip_run);
    let was = work.env.stage;
    provision::walk_or_clean(&mut work, &phases)?;
    let text = told(&work, was, args.skip_run)?;
    super::done(super::Moved::new(&work, text))
}

/// Those that need a host are asked for here: what runs for each of them has nobody to ask.
fn several(app: &App, args: &Args) -> super::Done {
    let without_host = |name: &EnvironmentName| app.store.load(name).is_ok_and(|env| env.host.is_none());
    let mut new = args.names.all_of(app)?;
    new.retain(without_host);
    let asks = !(new.is_empty() || args.dry_run || args.provision.auto_approve) && app.out.can_ask();
    let new: Vec<&str> = new.iter().map(EnvironmentName::as_str).collect();
    if asks && !app.out.ask(&format!("Make the hosts of {}?", new.join(", ")), &app.interrupt)? {
        return Err(Error::new(Code::Declined, "not approved; nothing was changed")
            .help("when you want it, add: --auto-approve"));
    }
    many::run(app, &args.names, "deploy", |document| {
        match (document["state"].as_str(), document["steps"].as_array()) {
            (Some(state), _) if document["changed"] == false => format!("{state}, nothing to do"),
            (Some(state), _) => state.to_owned(),
            (None, steps) => format!("{} steps, not done", steps.map_or(0, Vec::len)),
        }
    })
}

fn told(work: &Work, was: Stage, skip_run: bool) -> Result<String> {
    let name = &work.env.name;
    if skip_run {
        return Ok(format!("{name} is {}\nnext: {}", work.env.stage, next(work)));
    }
    let urls = super::run::urls(work)?;
    if was == Stage::Running && !work.changed {
        return Ok(format!("nothing to do: files, images and containers are as they should be\n{urls}"));
    }
    Ok(urls)
}

/// What to type next.
pub fn next(work: &Work) -> String {
    format!("torrust-tracker-deployer {} {}", work.env.stage.next_command(), work.env.name)
}

/// `provision`, when it has to run: there is no host, or it began and did not end.
fn needed_provision(env: &Environment) -> Option<Phase> {
    let needed = env.registered_host().is_none() && (env.stage == Stage::Created || began(env, "provision"));
    needed.then(|| provision::phase(env))
}

/// Whether this command was begun and did not come to its end.
fn began(env: &Environment, command: &str) -> bool {
    env.attempt.as_ref().is_some_and(|attempt| attempt.command == command)
}

/// The phases from here to running. `release` and `run` are walked from `running` too: they look, and change only
/// what is not as it should be.
fn remaining<'p>(env: &Environment, provision: Option<&'p Phase>, skip_run: bool) -> Vec<&'p Phase> {
    let configure = env.stage < Stage::Configured || began(env, "configure");
    let phases = [provision, configure.then_some(&CONFIGURE), Some(&RELEASE), (!skip_run).then_some(&RUN)];
    phases.into_iter().flatten().collect()
}

/// The environment that a file describes, stored or not yet; a stored one must have this very configuration.
fn from_file(app: &App, file: &std::path::Path) -> Result<Environment> {
    let config = app.read_config(file)?;
    let name = config.environment.name.clone();
    if !app.store.exists(&name)? {
        return Ok(Environment::new(config, Choices::default()));
    }
    let stored = app.store.load(&name)?;
    if stored.config == config {
        return Ok(stored);
    }
    let message = format!("{name} exists with another configuration than {}", file.display());
    Err(Error::new(Code::StateRefused, message)
        .help("this version cannot change a stored configuration yet")
        .help(format!("deploy it as it is: torrust-tracker-deployer deploy {name}"))
        .help(format!(
            "or begin anew: torrust-tracker-deployer destroy {name}, then torrust-tracker-deployer purge {name} --force, then this command again"
        )))
}

/// The steps that `deploy` would walk.
#[derive(Serialize)]
struct Plan {
    name: EnvironmentName,
    steps: Vec<PlannedStep>,
}

#[derive(Serialize)]
struct PlannedStep {
    command: &'static str,
    title: &'static str,
}

fn plan(env: &Environment, skip_run: bool) -> Result<Plan> {
    state::require(env.name.as_str(), env.stage, "deploy", Stage::Created)?;
    let provision = needed_provision(env);
    let phases = remaining(env, provision.as_ref(), skip_run);
    let steps = phases.iter().flat_map(|phase| {
        phase.steps.iter().map(|step| PlannedStep { command: phase.command, title: step.title })
    });
    Ok(Plan { name: env.name.clone(), steps: steps.collect() })
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.steps.len();
        let width = total.to_string().len();
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "[{:>width$}/{total}] {:<9}  {}", index + 1, step.command, step.title)?;
        }
        write!(f, "nothing was done (--dry-run)")
    }
}
