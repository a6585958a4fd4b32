//! `run`: starts the stack, waits until it is healthy, then looks at it from outside.

mod listener;
mod starter;

use std::time::{Duration, Instant};

use clap::ArgAction;

use super::rollback;
use super::test::host;
use crate::app::App;
use crate::checks::{self, Checked};
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::probe::Fault;
use crate::render::Templates;
use crate::services::{self, Endpoint};
use crate::state::Stage;
use crate::story::{Phase, Step, Work};
use crate::tools::relay;
use starter::Starter;

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// Wait until every container is healthy, then look from outside
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_value = "true", default_missing_value = "true", require_equals = true)]
    wait: bool,
    /// Show the containers' logs meanwhile
    #[arg(long)]
    logs: bool,
    /// When a new release does not get healthy, keep it for a look and do not put the one before back
    #[arg(long)]
    no_rollback: bool,
    /// How long the containers may take to get healthy
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

/// What holds for one call.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    wait: bool,
    logs: bool,
    timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait: true, logs: false, timeout: Duration::from_mins(2) }
    }
}

/// The steps of `run`.
pub const RUN: Phase = Phase {
    command: "run",
    reaches: Stage::Running,
    steps: &[
        Step { title: "Start the containers and wait until they are healthy", run: start },
        Step { title: "Look from outside", run: look_from_outside },
    ],
};

/// `run --wait=false`: nobody looked, so the environment is not called running.
const START: Phase = Phase {
    command: "run",
    reaches: Stage::Released,
    steps: &[Step { title: "Start the containers", run: start }],
};

/// How long the host may wait for another one's work, and Compose take to start the containers: ten minutes each, beside the
/// time that they get to become healthy.
const START_DEADLINE: Duration = Duration::from_mins(20);

/// How long one look from outside may take.
const LOOK: Duration = Duration::from_secs(10);

/// Starts the stack.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "run", Stage::Released)?;
    let Args { wait, logs, timeout, .. } = *args;
    work.options.run = Options { wait, logs, timeout: Duration::from_secs(timeout) };
    work.options.rollback.keep_broken = args.no_rollback;
    let walked = work.walk(&[if wait { &RUN } else { &START }]);
    rollback::or_go_back(&mut work, walked)?;
    let text = if wait {
        urls(&work)?
    } else {
        format!("{} is started; nobody waited for it to get healthy", args.name)
    };
    super::done(super::Moved::new(&work, text))
}

/// The URLs of a running stack, and what to do next.
pub fn urls(work: &Work) -> Result<String> {
    let (name, host) = (&work.env.name, work.env.host()?);
    let line = |endpoint: &Endpoint| {
        let url = endpoint.url(endpoint.address(host));
        let only =
            if endpoint.is_public() { "" } else { " (on the host only; show prints how to forward it)" };
        format!("\n  {:<13} {url}{only}", format!("{}:", endpoint.kind))
    };
    let urls: String = services::endpoints(&work.env.config).iter().map(line).collect();
    Ok(format!("{name} is running:{urls}\nnext: torrust-tracker-deployer test {name}"))
}

fn start(work: &mut Work) -> Result<String> {
    let began = Instant::now();
    let healthy = match start_containers(work) {
        Err(error) if error.code() == Code::ServiceUnhealthy => return Err(explained(work, error)),
        started => started?,
    };
    if work.options.run.wait {
        await_services(work, began)?;
    }
    Ok(healthy)
}

/// Adds what is wrong with what the stack depends on elsewhere. Where that cannot be asked, the error stays as it is.
fn explained(work: &mut Work, error: Error) -> Error {
    let checks = services::checks_of_others(&work.env.config);
    if checks.is_empty() {
        return error;
    }
    let asked = Templates::of(&work.env)
        .and_then(|templates| templates.text("host/test.sh"))
        .and_then(|script| host::ask(work.ssh()?, &script, &checks, Duration::ZERO, LOOK * 3));
    let faults = |one: &Checked| one.fault().map(|fault| format!("{}: {}", one.name, fault.seen));
    asked.unwrap_or_default().iter().filter_map(faults).fold(error, Error::why)
}

fn start_containers(work: &mut Work) -> Result<String> {
    // The logs may hold them.
    work.revealed()?;
    let script = Templates::of(&work.env)?.owner_script("run.sh")?;
    let options = work.options.run;
    let mut starter = Starter::new(&work.env, options, &work.app.out);
    let ssh = work.ssh()?;
    let cmd = ssh
        .root(&script, if options.logs { &["logs"] } else { &[] })
        .deadline(options.timeout + START_DEADLINE);
    let ran = ssh.runner().talk(&cmd, |stream, line, input| starter.hear(stream, line, input))?;
    let ran = ssh.judge(ran)?;
    let shown = ssh.target.shown();
    let (changed, last) = starter.end(&ran, &shown)?;
    work.changed |= changed;
    Ok(last)
}

/// A service may need longer than its container: what it asks on the host has to hold, too.
fn await_services(work: &mut Work, began: Instant) -> Result<()> {
    let patience = work.options.run.timeout;
    let mut checks = services::host_checks(&work.env.config);
    checks.retain(|check| check.awaited);
    if checks.is_empty() {
        return Ok(());
    }
    // What was seen before this run began is not to be held against it. The host has a clock of its own.
    let run_began = format!("run_began=$((asked_at - {}))\n", began.elapsed().as_secs() + 1);
    for check in &mut checks {
        check.command.insert_str(0, &run_began);
    }
    work.app.out.doing("asking the services on the host");
    let script = Templates::of(&work.env)?.text("host/test.sh")?;
    let facts = host::ask(work.ssh()?, &script, &checks, patience, patience + START_DEADLINE)?;
    let failed: Vec<&Checked> = facts.iter().filter(|checked| checked.fault().is_some()).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let what = format!("the containers are healthy, but this is not: {}", first.name);
    let error = Error::new(Code::ServiceUnhealthy, what);
    let why = |error: Error, checked: &&Checked| match checked.fault() {
        Some(fault) => error.why(&fault.seen),
        None => error,
    };
    let name = &work.env.name;
    Err(failed
        .iter()
        .fold(error, why)
        .help(format!("mend the cause, then: torrust-tracker-deployer deploy {name}")))
}

fn look_from_outside(work: &mut Work) -> Result<String> {
    let host = work.env.host()?.clone();
    let mut config = work.revealed()?.config.clone();
    host::learn_own_root(work.ssh()?, &mut config)?;
    let checks = services::checks(&config, &host, &relay::over(work.ssh()?))?;
    let checked = checks::ask_all(work.app.runner(), checks, LOOK)?;
    let tally @ [_, failed, ..] = checks::tally(&checked);
    if failed == 0 {
        work.env.healthy = work.env.release;
        return Ok(summary(tally));
    }
    let message =
        format!("the containers are healthy, but {failed} of {} checks from outside fail", checked.len());
    let error = checks::blame(Error::new(Code::ServiceUnhealthy, message), &checked);
    // Where there was an answer, no firewall kept it away.
    let answered = |fault: &Fault| fault.seen.starts_with("answered ");
    Err(if checked.iter().filter_map(Checked::fault).all(answered) {
        let name = &work.env.name;
        error.help(format!(
            "if a secret was changed, the tracker gets it with: torrust-tracker-deployer deploy {name}"
        ))
    } else {
        error.help("is there a firewall between here and the host, such as the provider's own?")
    })
}

fn summary([passed, _, skipped, warnings]: [usize; 4]) -> String {
    if passed == 0 {
        return "nothing can be asked from outside".to_owned();
    }
    let more = [(warnings, "passed with a warning: see test"), (skipped, "could not be asked")];
    let more = more.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    format!("{passed} checks passed{}", more.collect::<String>())
}
