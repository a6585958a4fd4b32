//! `run`: starts the stack, waits until it is healthy, then looks at it from outside.

use std::time::{Duration, Instant};

use clap::ArgAction;

use super::rollback;
use super::test::host;
use crate::app::App;
use crate::checks::{self, Checked};
use crate::compose::{self, Container, Verdict, Watch};
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::process::{Input, Stream};
use crate::render::Templates;
use crate::services::{self, Endpoint, Port};
use crate::state::Stage;
use crate::story::{Phase, Step, Work};

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

/// How long Compose may take to start the containers, beside the time that they get to become healthy.
const COMPOSE_DEADLINE: Duration = Duration::from_mins(10);

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
        format!("\n  {:<13} {}", format!("{}:", endpoint.kind), endpoint.url(endpoint.address(host)))
    };
    let urls: String = services::endpoints(&work.env.config).iter().map(line).collect();
    Ok(format!("{name} is running:{urls}\nnext: torrust-tracker-deployer test {name}"))
}

/// How far `docker compose up` came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Up {
    Working,
    Done,
    Failed,
}

/// The conversation with `run.sh`, from our side.
struct Starter<'w> {
    name: EnvironmentName,
    own_tracker_toml: bool,
    services: Vec<&'static str>,
    ports: Vec<Port>,
    options: Options,
    since: Instant,
    watch: Watch,
    /// The containers that were there before.
    before: Vec<Container>,
    /// Whether others run now.
    changed: bool,
    listeners: Vec<(String, u16, String)>,
    containers: Vec<Container>,
    up: Up,
    last: String,
    log: Vec<String>,
    failure: Option<Error>,
    out: &'w crate::output::Out,
}

fn start(work: &mut Work) -> Result<String> {
    let began = Instant::now();
    let healthy = start_containers(work)?;
    if work.options.run.wait {
        await_services(work, began)?;
    }
    Ok(healthy)
}

fn start_containers(work: &mut Work) -> Result<String> {
    // The logs may hold them.
    work.revealed()?;
    let script = Templates::of(&work.env)?.text("host/run.sh")?;
    let options = work.options.run;
    let mut starter = Starter {
        name: work.env.name.clone(),
        own_tracker_toml: work.env.choices.tracker_toml.is_some(),
        services: services::containers(&work.env.config),
        ports: services::published(&work.env.config),
        options,
        since: Instant::now(),
        watch: Watch::default(),
        before: vec![],
        changed: false,
        listeners: vec![],
        containers: vec![],
        up: Up::Working,
        last: String::new(),
        log: vec![],
        failure: None,
        out: &work.app.out,
    };
    let ssh = work.ssh()?;
    let cmd = ssh
        .root(&script, if options.logs { &["logs"] } else { &[] })
        .deadline(options.timeout + COMPOSE_DEADLINE);
    let ran = ssh.runner().talk(&cmd, |stream, line, input| starter.hear(stream, line, input))?;
    let ran = ssh.judge(ran)?;
    if let Some(failure) = starter.failure {
        return Err(failure.why(starter.log.join("\n")));
    }
    if ran.ok() && starter.up == Up::Done {
        let (changed, last) = (starter.changed, starter.last);
        work.changed |= changed;
        return Ok(last);
    }
    Err(Error::new(Code::ServiceUnhealthy, "Docker Compose could not start the stack")
        .why(words_of_compose(&ran.complaint()))
        .why(starter.log.join("\n"))
        .help(format!("look on the host: {}", ssh.target.shown())))
}

/// A service may need longer than its container: what it asks on the host has to hold, too.
fn await_services(work: &mut Work, began: Instant) -> Result<()> {
    let patience = work.options.run.timeout;
    let mut checks = services::host_checks(&work.env.config);
    checks.retain(|check| check.awaited);
    if checks.is_empty() {
        return Ok(());
    }
    // What was seen before this run began is not to be held against it. An age, as the host has a clock of its own.
    let age = format!("run_age={}\n", began.elapsed().as_secs());
    for check in &mut checks {
        check.command.insert_str(0, &age);
    }
    work.app.out.doing("asking the services on the host");
    let script = Templates::of(&work.env)?.text("host/test.sh")?;
    let facts = host::ask(work.ssh()?, &script, &checks, patience, patience + COMPOSE_DEADLINE)?;
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

impl Starter<'_> {
    fn hear(&mut self, stream: Stream, line: &str, input: &mut Input) -> Result<()> {
        if stream == Stream::Err {
            if self.options.logs {
                self.out.note(line);
            } else {
                self.out.doing(line);
            }
            return Ok(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "listen" => self.listeners.extend(listener(rest)),
            "container" => self.containers.extend(compose::parse(rest).map_err(|error| {
                Error::new(Code::ToolFailed, "what Docker Compose says about its containers cannot be read")
                    .why(error)
            })?),
            "half-restored" => self.fail(half_restored(&self.name, rest), input),
            "ready" => self.answer_ready(input),
            "started" => self.answer_started(input),
            "failed" => self.up = Up::Failed,
            "round" => self.answer_round(input),
            "log" => self.log.push(rest.to_owned()),
            "waiting" => self.out.doing("waiting for an earlier release or run on the host"),
            _ => {}
        }
        Ok(())
    }

    /// A port that somebody else holds is told before anything is started.
    fn answer_ready(&mut self, input: &mut Input) {
        self.before = std::mem::take(&mut self.containers);
        let held = self.ports.iter().find_map(|port| {
            let protocol = format!("{:?}", port.protocol).to_lowercase();
            let (.., process) = self
                .listeners
                .iter()
                .find(|(kind, number, _)| *kind == protocol && *number == port.number)?;
            let ours = self.before.iter().any(|container| container.publishes(port.number, &protocol));
            // Between two starts a container is said to publish nothing; should it be another one's, Compose says so.
            let maybe_ours = process.starts_with("docker-proxy") && self.before.iter().any(Container::is_ill);
            (!ours && !maybe_ours).then(|| (port.number, protocol, process.clone()))
        });
        match held {
            None => input.send("up\n"),
            Some((number, protocol, process)) => {
                self.fail(port_in_use(number, &protocol, &process), input);
            }
        }
    }

    fn answer_started(&mut self, input: &mut Input) {
        self.up = Up::Done;
        self.containers.clear();
        if !self.options.wait {
            "started, not waited for".clone_into(&mut self.last);
            input.send("stop\n");
        }
    }

    fn answer_round(&mut self, input: &mut Input) {
        if !self.options.wait {
            return;
        }
        let mut containers = std::mem::take(&mut self.containers);
        if self.up == Up::Failed {
            return answer_failed(&containers, input);
        }
        if self.up == Up::Working {
            // Those may be about to be replaced.
            containers.retain(|now| self.before.iter().all(|before| before.id != now.id));
        }
        match self.watch.judge(&self.services, &containers) {
            Verdict::Healthy if self.up == Up::Working => {}
            Verdict::Healthy => {
                let ran_before = |now: &Container| {
                    self.before.iter().any(|before| before.id == now.id && before.state == "running")
                };
                self.changed = !containers.iter().all(ran_before);
                self.last = format!("{} healthy", self.services.join(", "));
                input.send("stop\n");
            }
            Verdict::Waiting(states) if self.since.elapsed() < self.options.timeout => {
                self.out.doing(&states);
                self.last = states;
            }
            Verdict::Waiting(states) => {
                let seconds = self.options.timeout.as_secs();
                let error =
                    Error::new(Code::ServiceUnhealthy, format!("not healthy within {seconds} s: {states}"))
                        .help("give it more time: --timeout SECONDS");
                let culprit = containers.iter().find(|container| !container.is_well());
                self.fail_with_log(error, culprit, input);
            }
            Verdict::Broken(container, why) => {
                let error = Error::new(
                    Code::ServiceUnhealthy,
                    format!("{} does not get healthy: {why}", container.name),
                );
                self.fail_with_log(error, Some(&container), input);
            }
        }
    }

    fn fail(&mut self, error: Error, input: &mut Input) {
        self.failure = Some(error);
        input.send("stop\n");
    }

    fn fail_with_log(&mut self, error: Error, container: Option<&Container>, input: &mut Input) {
        let container = container.map(|container| container.name.clone()).unwrap_or_default();
        let name = &self.name;
        let mut error = error.help(format!("mend the cause, then: torrust-tracker-deployer deploy {name}"));
        if self.own_tracker_toml {
            error = error.help(format!(
                "its tracker.toml is your own; back to the generated one: torrust-tracker-deployer release {name} --config generated"
            ));
        }
        self.failure = Some(error);
        input.send(format!("logs {container}\n"));
    }
}

/// Compose says what failed; a container that is not well can say why. It may have been started once more since then.
fn answer_failed(containers: &[Container], input: &mut Input) {
    let unwell = |container: &&Container| container.state == "running" && !container.is_well();
    let culprit = containers.iter().find(|container| container.is_ill());
    match culprit.or_else(|| containers.iter().find(unwell)) {
        Some(container) => input.send(format!("logs {}\n", container.name)),
        None => input.send("stop\n"),
    }
}

/// Without the names of all that went well.
fn words_of_compose(complaint: &str) -> String {
    let progress =
        |line: &&str| ["Container ", "Network "].iter().any(|head| line.trim_start().starts_with(head));
    complaint.lines().filter(|line| !progress(line)).collect::<Vec<_>>().join("\n")
}

/// `tcp 7070 python3 (process 123)`.
fn listener(text: &str) -> Option<(String, u16, String)> {
    let mut words = text.splitn(3, ' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.to_owned()))
}

fn port_in_use(number: u16, protocol: &str, process: &str) -> Error {
    let error =
        Error::new(Code::PortInUse, format!("port {number}/{protocol} on the host is held by {process}"));
    if process.starts_with("docker-proxy") {
        return error.help(format!(
            "it belongs to another container; which one: sudo docker ps --filter publish={number}"
        ));
    }
    error
        .help("stop that process")
        .help("or choose another port in the configuration: torrust-tracker-deployer deploy -f FILE")
}

fn half_restored(name: &EnvironmentName, id: &str) -> Error {
    Error::new(Code::StateRefused, format!("a restore of {id} was cut off on the host"))
        .help(format!("end or undo it: torrust-tracker-deployer backup {name} restore {id}"))
}

fn look_from_outside(work: &mut Work) -> Result<String> {
    let host = work.env.host()?.clone();
    let mut config = work.revealed()?.config.clone();
    host::learn_root(work.ssh()?, &mut config)?;
    let checks = services::checks(&config, &host)?;
    let checked = checks::ask_all(work.app.runner(), checks, LOOK)?;
    let tally @ [_, failed, ..] = checks::tally(&checked);
    if failed == 0 {
        work.env.healthy = work.env.release;
        return Ok(summary(tally));
    }
    let message =
        format!("the containers are healthy, but {failed} of {} checks from outside fail", checked.len());
    let error = checks::blame(Error::new(Code::ServiceUnhealthy, message), &checked);
    Err(error.help("is there a firewall between here and the host, such as the provider's own?"))
}

fn summary([passed, _, skipped, warnings]: [usize; 4]) -> String {
    if passed == 0 {
        return "nothing can be asked from outside".to_owned();
    }
    let more = [(warnings, "passed with a warning: see test"), (skipped, "could not be asked")];
    let more = more.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    format!("{passed} checks passed{}", more.collect::<String>())
}
