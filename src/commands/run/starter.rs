//! The conversation with `run.sh`: it tells how the containers fare, and is told what to do.

use std::time::Instant;

use super::Options;
use super::listener::Listener;
use crate::commands::backup::id::typed;
use crate::compose::{self, Container, Verdict, Watch};
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::output::Out;
use crate::process::{Input, Ran, Stream};
use crate::services::{self, Port, Reach};
use crate::stack::{self, InTheWay};
use crate::store::Environment;

/// How far `docker compose up` came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Up {
    Working,
    Done,
    Failed,
}

/// The conversation with `run.sh`, from our side.
pub struct Starter<'w> {
    name: EnvironmentName,
    own_tracker_toml: bool,
    services: Vec<&'static str>,
    ports: Vec<Port>,
    options: Options,
    /// When it was told to start the containers: another one's work on the host may have come first.
    since: Instant,
    watch: Watch,
    /// The containers that were there before.
    before: Vec<Container>,
    /// The ids of those that are stopped to be started again.
    restarted: Vec<String>,
    /// Whether others run now.
    changed: bool,
    listeners: Vec<Listener>,
    in_the_way: Vec<InTheWay>,
    containers: Vec<Container>,
    up: Up,
    last: String,
    log: Vec<String>,
    failure: Option<Error>,
    out: &'w Out,
}

impl<'w> Starter<'w> {
    /// Before its first line.
    pub fn new(env: &Environment, options: Options, out: &'w Out) -> Self {
        Self {
            name: env.name.clone(),
            own_tracker_toml: env.choices.tracker_toml.is_some(),
            services: services::containers(&env.config),
            ports: services::ports(&env.config),
            options,
            since: Instant::now(),
            watch: Watch::default(),
            before: vec![],
            restarted: vec![],
            changed: false,
            listeners: vec![],
            in_the_way: vec![],
            containers: vec![],
            up: Up::Working,
            last: String::new(),
            log: vec![],
            failure: None,
            out,
        }
    }

    /// After the script's end: whether other containers run now, and what was seen last.
    ///
    /// # Errors
    /// Why the stack is not healthy.
    pub fn end(self, ran: &Ran, shown: &str) -> Result<(bool, String)> {
        let log = self.log.join("\n");
        match self.failure {
            Some(failure) => Err(failure.why(log)),
            None if ran.ok() && self.up == Up::Done => Ok((self.changed, self.last)),
            None => Err(not_started(&words_of_compose(&ran.complaint()))
                .why(log)
                .help(format!("look on the host: {shown}"))),
        }
    }

    /// Takes a line; some want an answer.
    ///
    /// # Errors
    /// What Compose says cannot be read.
    pub fn hear(&mut self, stream: Stream, line: &str, input: &mut Input) -> Result<()> {
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
            "listen" => self.listeners.extend(Listener::read(rest)),
            "container" => self.containers.extend(compose::parse(rest).map_err(|error| {
                Error::new(Code::ToolFailed, "what Docker Compose says about its containers cannot be read")
                    .why(error)
            })?),
            "restarting" => self.restarted.push(rest.to_owned()),
            "stranger" | "attached" => {
                self.in_the_way.extend(InTheWay::read(line));
                self.failure = Some(stack::refusal(&self.in_the_way));
            }
            "half-restored" => self.fail(half_restored(&self.name, rest), input),
            "other-image" => self.fail(other_image(&self.name, rest), input),
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
        let held = self.ports.iter().find_map(|&port| {
            let listener = self.listeners.iter().find(|listener| listener.holds(port))?;
            let protocol = protocol_of(port);
            let ours = self.before.iter().any(|container| container.publishes(port.number, &protocol));
            // Between two starts a container is said to publish nothing; should it be another one's, Compose says so.
            let maybe_ours =
                listener.process.starts_with("docker-proxy") && self.before.iter().any(Container::is_ill);
            (!ours && !maybe_ours).then(|| port_in_use(port, &listener.process))
        });
        match held {
            None => {
                self.since = Instant::now();
                input.send("up\n");
            }
            Some(error) => self.fail(error, input),
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
                    !self.restarted.contains(&now.id)
                        && self.before.iter().any(|before| before.id == now.id && before.state == "running")
                };
                self.changed = !containers.iter().all(ran_before);
                self.last = format!("{} healthy", self.services.join(", "));
                input.send("stop\n");
            }
            Verdict::Waiting(states) if self.since.elapsed() < self.options.timeout => {
                self.out.doing(&states);
                self.last = states;
            }
            Verdict::Waiting(states) => self.fail_in_time(&states, &containers, input),
            Verdict::Broken(container, why) => {
                let error = Error::new(
                    Code::ServiceUnhealthy,
                    format!("{} does not get healthy: {why}", container.name),
                );
                self.fail_with_log(error, Some(&container), input);
            }
        }
    }

    fn fail_in_time(&mut self, states: &str, containers: &[Container], input: &mut Input) {
        let (name, seconds) = (&self.name, self.options.timeout.as_secs());
        let error = Error::new(Code::ServiceUnhealthy, format!("not healthy within {seconds} s: {states}"))
            .help(format!("give it more time: torrust-tracker-deployer run {name} --timeout SECONDS"));
        self.fail_with_log(error, containers.iter().find(|container| !container.is_well()), input);
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

fn not_started(words: &str) -> Error {
    let error = Error::new(Code::ServiceUnhealthy, "Docker Compose could not start the stack").why(words);
    if !words.contains("rlimit type 7") {
        return error;
    }
    error.help(format!(
        "the host permits a container fewer than {} open files; let it permit more: systemctl show docker --property LimitNOFILE",
        services::MANY_OPEN_FILES
    ))
}

/// Without the names of all that went well.
fn words_of_compose(complaint: &str) -> String {
    let progress =
        |line: &&str| ["Container ", "Network "].iter().any(|head| line.trim_start().starts_with(head));
    complaint.lines().filter(|line| !progress(line)).collect::<Vec<_>>().join("\n")
}

fn protocol_of(port: Port) -> String {
    format!("{:?}", port.protocol).to_lowercase()
}

fn port_in_use(port: Port, process: &str) -> Error {
    let (number, protocol) = (port.number, protocol_of(port));
    let place = if port.reach == Reach::Loopback { "on the host's loopback" } else { "on the host" };
    let error = Error::new(Code::PortInUse, format!("port {number}/{protocol} {place} is held by {process}"));
    if process.starts_with("docker-proxy") {
        return error.help(format!(
            "it belongs to another container; which one: sudo docker ps --filter publish={number}"
        ));
    }
    let error = if process.starts_with("systemd ") {
        error.help(format!("it listens for a unit; which one: systemctl list-sockets | grep {number}"))
    } else {
        error.help("stop that process")
    };
    if port.reach == Reach::Loopback {
        return error.help(format!("or have it listen elsewhere: the stack's own {number} is fixed"));
    }
    error.help("or choose another port in the configuration: torrust-tracker-deployer deploy -f FILE")
}

/// `rest` is the release's number and the image's name.
fn other_image(name: &EnvironmentName, rest: &str) -> Error {
    let (number, image) = rest.split_once(' ').unwrap_or(("", rest));
    let what = format!("{image} on the host is not the image of release {number}");
    Error::new(Code::StateRefused, what)
        .why("another image has that name now, or the image was removed; the release's files may not fit another one")
        .help(format!("make a release of the images that are there: torrust-tracker-deployer deploy {name}"))
        .help(format!(
            "or put the release's own image back: torrust-tracker-deployer rollback {name} --to {number}"
        ))
}

fn half_restored(name: &EnvironmentName, id: &str) -> Error {
    Error::new(Code::StateRefused, format!("a restore of {id} was cut off on the host"))
        .help(format!("end or undo it: torrust-tracker-deployer backup {name} restore {}", typed(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_limit_of_open_files_says_what_to_raise() {
        let words = "OCI runtime create failed: error setting rlimit type 7: operation not permitted";
        assert!(not_started(words).helps()[0].contains("fewer than 16384 open files"));
        assert!(not_started("no space left on device").helps().is_empty());
    }
}
