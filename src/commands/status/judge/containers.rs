//! The stack's containers, and those that should not be there.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Line, Topic, Wanted};
use crate::commands::status::facts::{Container, Docker, Other, Release};
use crate::output::words;
use crate::services;
use crate::state::Stage;

/// A container that Docker started again within this many seconds is one to look after.
const RECENT: i64 = 3600;

/// One line for each container that there should be, and for each that there should not.
pub fn judge(docker: &Docker, release: Option<&Release>, wanted: &Wanted) -> Vec<Line> {
    if let Some(error) = &docker.error {
        let line = Line::ok(Topic::Services, "Docker Engine", error);
        return vec![line.bad("an answer", wanted.typed("configure"))];
    }
    let version = docker.version.clone().unwrap_or_default();
    let mut lines = vec![Line::ok(Topic::Services, "Docker Engine", version)];
    let mut others = docker.containers.iter().collect::<Vec<_>>();
    for pinned in &wanted.containers {
        let place = others.iter().position(|one| one.service == pinned.name);
        let seen = place.map(|place| others.remove(place));
        lines.push(match seen {
            Some(container) => {
                Look { container, pinned, docker, release, wanted, now: Timestamp::now() }.line()
            }
            None => absent(pinned.name, wanted),
        });
    }
    lines.extend(others.iter().map(|container| unwanted(container, wanted)));
    lines.extend(docker.others.iter().filter_map(|other| foreign(other, docker, wanted)));
    lines
}

fn absent(name: &str, wanted: &Wanted) -> Line {
    let line = Line::ok(Topic::Services, name, "no container");
    if wanted.stage == Stage::Running {
        line.bad("a running one", wanted.typed("deploy"))
    } else {
        line.skipped()
    }
}

/// One of the project that no service of the configuration has, or that a service has twice.
fn unwanted(container: &Container, wanted: &Wanted) -> Line {
    let line =
        Line::ok(Topic::Services, &container.name, format!("{}, {}", container.state, container.image));
    let (expected, help) = ("no such container in the stack", wanted.typed("deploy"));
    // Before `run` it may be what the configuration before had.
    if wanted.stage == Stage::Running { line.bad(expected, help) } else { line.warning(expected, help) }
}

/// One that is none of the stack's: on the stack's networks it sees what it must not; on a host of our own nobody else
/// should have one; elsewhere it is the host's owner's.
fn foreign(other: &Other, docker: &Docker, wanted: &Wanted) -> Option<Line> {
    let line = || {
        Line::ok(Topic::Services, &other.name, format!("{}, on {}", other.image, other.networks.join(", ")))
    };
    let remove = || wanted.on_host(&format!("sudo docker rm --force {}", other.name));
    if other.networks.iter().any(|network| docker.has_network(network)) {
        return Some(line().bad("no container of others on the stack's networks", remove()));
    }
    wanted.made_by_us.then(|| line().warning("no container but the stack's on this host", remove()))
}

/// A container beside what it should be.
struct Look<'l> {
    container: &'l Container,
    pinned: &'l services::Container,
    docker: &'l Docker,
    release: Option<&'l Release>,
    wanted: &'l Wanted,
    now: Timestamp,
}

impl Look<'_> {
    fn line(&self) -> Line {
        let line = Line::ok(Topic::Services, self.pinned.name, self.seen());
        let container = self.container;
        let (deploy, logs) =
            (self.wanted.typed("deploy"), format!("{} {}", self.wanted.typed("logs"), self.pinned.name));
        if container.state != "running" || container.health == "unhealthy" {
            let restore = self.release.and_then(|release| release.restore.as_ref());
            let help = match restore {
                Some(restore) => self.wanted.typed_restore(restore),
                None if container.state == "exited" => deploy,
                None => logs,
            };
            // Before `run` nobody promised that it runs; one that ends again and again was started.
            let promised = self.wanted.stage == Stage::Running || container.state == "restarting";
            let expected = "running, healthy";
            return if promised { line.bad(expected, help) } else { line.warning(expected, help) };
        }
        if self.default_moved() {
            let expected = format!("{}, the image of this version of the deployer", self.pinned.image);
            return line.warning(expected, deploy);
        }
        if let Some(expected) = self.other_image() {
            return line.bad(expected, deploy);
        }
        let mut networks =
            self.pinned.networks.iter().map(|name| format!("{}_{name}", self.docker.project()));
        if let Some(network) = networks.find(|network| !container.networks.contains(network)) {
            return line.bad(format!("to be on the network {network}"), deploy);
        }
        if self.tag_moved() {
            let expected = format!("{} to name the image that runs", self.pinned.image);
            return line.warning(expected, deploy);
        }
        if container.restarts > 0 && self.seconds_since(container.started) < RECENT {
            return line.warning("no restart within the last hour", logs);
        }
        if container.health == "healthy" { line } else { line.warning("healthy", logs) }
    }

    /// State, health, restarts, time, use and image.
    fn seen(&self) -> String {
        let container = self.container;
        let mut seen = container.state.clone();
        if container.state == "running" {
            let health = if container.health.is_empty() { "not asked yet" } else { &container.health };
            let up = words::span(self.seconds_since(container.started));
            let _ = write!(seen, ", {health}, up {up}");
        } else if container.state != "paused" {
            let since = words::span(self.seconds_since(container.finished));
            let _ = write!(seen, " with exit code {} {since} ago", container.exit_code);
        }
        if container.out_of_memory {
            seen += ", ended by the kernel for want of memory";
        }
        let _ = write!(seen, ", {}", counted(container.restarts, "restart"));
        if let Some(percent) = container.cpu_percent {
            let _ = write!(seen, ", CPU {percent:.1} %");
        }
        if let (Some(used), Some(limit)) = (container.memory, container.memory_limit) {
            let _ = write!(seen, ", {} of {}", words::bytes(used), words::bytes(limit));
        }
        let digest = container.digest.as_deref().and_then(|digest| digest.split('@').nth(1));
        let id = digest.unwrap_or(&container.image_id);
        let short: String = id.trim_start_matches("sha256:").chars().take(12).collect();
        let _ = write!(seen, ", {} ({short})", container.image);
        seen
    }

    /// Whether it runs what was released, by a version of the deployer that has another image where none is named.
    fn default_moved(&self) -> bool {
        let released = self.release.and_then(|release| release.images.get(&self.container.image));
        let default = self.wanted.default_images.contains(&self.pinned.image);
        default && self.container.image != self.pinned.image && released == Some(&self.container.image_id)
    }

    /// The image that should run, where another one does.
    fn other_image(&self) -> Option<String> {
        let pinned = &self.pinned.image;
        if self.container.image != *pinned {
            return Some(format!("the image {pinned}"));
        }
        let released = self.release?.images.get(pinned)?;
        (*released != self.container.image_id)
            .then(|| format!("the image that was released as {pinned}, {released}"))
    }

    /// Whether its reference names another image on the host by now.
    fn tag_moved(&self) -> bool {
        let now = self.docker.images.get(&self.pinned.image).and_then(Option::as_ref);
        now.is_some_and(|id| *id != self.container.image_id)
    }

    fn seconds_since(&self, time: Option<Timestamp>) -> i64 {
        time.map_or(0, |time| self.now.duration_since(time).as_secs())
    }
}

/// `3 restarts`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
