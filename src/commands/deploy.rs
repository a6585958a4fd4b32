//! `deploy`: whatever remains, from the stage that the environment is in to running.

use std::path::PathBuf;

use serde::Serialize;

use super::configure::{CONFIGURE, Others};
use super::many::{self, Names};
use super::release::RELEASE;
use super::run::RUN;
use super::update::{self, Update};
use super::{provision, rollback};
use crate::app::App;
use crate::config::{Config, EnvironmentName};
use crate::error::{Code, Error, Result};
use crate::state::{self, Stage};
use crate::store::{Choices, Environment};
use crate::story::{Phase, Work};

/// Options of `deploy`.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    #[command(flatten)]
    names: Names,
    /// Create the environment from this configuration file first, or update it; `-` is standard input
    #[arg(short, long, alias = "env-file", value_name = "FILE", conflicts_with_all = ["environments", "all"])]
    file: Option<PathBuf>,
    /// Pull images again whose tags may lead to other images by now
    #[arg(long)]
    pull: bool,
    /// Stop before the tracker is started
    #[arg(long)]
    skip_run: bool,
    /// Print the steps that would be done
    #[arg(long)]
    dry_run: bool,
    /// When a new release does not get healthy, keep it for a look and do not put the one before back
    #[arg(long)]
    no_rollback: bool,
    #[command(flatten)]
    others: Others,
    #[command(flatten)]
    provision: provision::Options,
    // `--verbose` is the global option of that name.
}

/// Deploys.
pub fn run(app: &App, args: &Args) -> super::Done {
    let config = args.file.as_deref().map(|file| app.read_config(file)).transpose()?;
    let name = match &config {
        Some(config) => config.name().clone(),
        None => match args.names.one(app, "deploy")? {
            Some(name) => name.clone(),
            None => return several(app, args),
        },
    };
    let new = config.as_ref().filter(|_| !matches!(app.store.exists(&name), Ok(true)));
    if args.dry_run {
        let mut env = planned(app, &name, config, args)?;
        args.others.ask(&mut env);
        return super::done(plan(&env, args.skip_run)?);
    }
    if let Some(config) = new {
        super::create::create(app, config.clone(), Choices::default())?;
    }
    let mut work = Work::begin(app, &name, "deploy", Stage::Created)?;
    work.options.provision = args.provision.clone();
    work.options.rollback.keep_broken = args.no_rollback;
    if let (Some(config), Some(file)) = (config, &args.file) {
        update::take_over(&mut work, config, file)?;
    }
    args.others.take_over(&mut work);
    work.env.pull |= args.pull;
    let provision = needed_provision(&work.env);
    let phases = remaining(&work.env, provision.as_ref(), args.skip_run);
    let was = work.env.stage;
    let walked = provision::walk_or_clean(&mut work, &phases);
    rollback::or_go_back(&mut work, walked)?;
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
    many::run(app, &args.names, "deploy", &[], |document| {
        match (document["state"].as_str(), document["steps"].as_array()) {
            (Some(state), _) if document["changed"] == false => format!("{state}, nothing to do"),
            (Some(state), _) => state.to_owned(),
            (None, steps) => format!("{} steps, not done", steps.map_or(0, Vec::len)),
        }
    })
}

/// The environment that would be deployed; what a file changes of a stored one is said.
fn planned(app: &App, name: &EnvironmentName, config: Option<Config>, args: &Args) -> Result<Environment> {
    let (Some(config), Some(file)) = (config, &args.file) else { return app.store.load(name) };
    if !app.store.exists(name)? {
        return Ok(Environment::new(config, Choices::default()));
    }
    let update = Update::of(&app.store.load(name)?, config)?;
    update.fits()?;
    update.tell(app, file);
    Ok(update.env)
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

/// `provision`, when it has to run: there is no host, it began and did not end, or something else is asked for by now.
pub fn needed_provision(env: &Environment) -> Option<Phase> {
    let needed =
        env.registered_host().is_none() && (env.stage == Stage::Created || env.needs_again("provision"));
    needed.then(|| provision::phase(env))
}

/// The commands that `deploy` would do something in, as far as can be known here.
pub fn to_run(env: &Environment) -> Vec<&'static str> {
    if env.stage == Stage::Running && env.again.is_empty() {
        return vec![];
    }
    remaining(env, needed_provision(env).as_ref(), false).iter().map(|phase| phase.command).collect()
}

/// The phases from here to running. `release` and `run` are walked from `running` too: they look, and change only
/// what is not as it should be.
fn remaining<'p>(env: &Environment, provision: Option<&'p Phase>, skip_run: bool) -> Vec<&'p Phase> {
    let configure = env.stage < Stage::Configured || env.needs_again("configure");
    let phases = [provision, configure.then_some(&CONFIGURE), Some(&RELEASE), (!skip_run).then_some(&RUN)];
    phases.into_iter().flatten().collect()
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
