//! What the host tells about itself: the answer of `templates/host/status/`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::stack::PROJECT;

/// One look.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Facts {
    /// The host's clock when the look began, in seconds since 1970.
    pub began: f64,
    /// And when it ended.
    pub ended: f64,
    /// Docker's part.
    pub docker: Docker,
    /// The machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// What was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Disks and folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Security updates that wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// The packages for which the host wants to be started anew; nothing when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot: Option<Vec<String>>,
    /// What services ask on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<Told>>,
    /// What registries have under the references of the images.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, Registry>,
    /// The tracker's counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<BTreeMap<String, serde_json::Value>>,
    /// The last lines of a container's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
}

/// What Docker tells.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Docker {
    /// The engine's version.
    pub version: Option<String>,
    /// Why it told nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The Compose project that they are in, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The stack's containers.
    pub containers: Vec<Container>,
    /// All others on the host.
    pub others: Vec<Other>,
    /// What each image reference means on the host now.
    pub images: BTreeMap<String, Option<String>>,
}

impl Docker {
    /// The Compose project of the stack.
    #[must_use]
    pub fn project(&self) -> &str {
        self.project.as_deref().unwrap_or(PROJECT)
    }

    /// Whether this is a network of the stack.
    #[must_use]
    pub fn has_network(&self, name: &str) -> bool {
        name.strip_prefix(self.project()).is_some_and(|rest| rest.starts_with('_'))
    }
}

/// A container of the stack.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Container {
    /// Its id: another one after it was made anew.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The service that it belongs to.
    pub service: String,
    /// `running`, `exited`, `restarting`, `created`, `dead`, `paused`.
    pub state: String,
    /// `healthy`, `unhealthy`, `starting`; empty without a health check.
    pub health: String,
    /// Of its last end.
    pub exit_code: i64,
    /// Whether the kernel ended it for want of memory.
    pub out_of_memory: bool,
    /// How often Docker started it again.
    pub restarts: u64,
    /// When it started last.
    pub started: Option<Timestamp>,
    /// When it ended last.
    pub finished: Option<Timestamp>,
    /// The image reference that it was made from.
    pub image: String,
    /// The image itself.
    pub image_id: String,
    /// Its digest, when it came from a registry.
    pub digest: Option<String>,
    /// All digests that registries gave its image: `name@sha256:…`.
    pub digests: Vec<String>,
    /// When the image was made.
    pub image_created: Option<Timestamp>,
    /// When the host got the image: when it was pulled, or sent.
    pub image_arrived: Option<Timestamp>,
    /// The networks that it is on.
    pub networks: Vec<String>,
    /// Of one processor.
    pub cpu_percent: Option<f64>,
    /// Bytes in use.
    pub memory: Option<u64>,
    /// Bytes that it may use.
    pub memory_limit: Option<u64>,
}

/// What a registry says of a reference.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Registry {
    /// The registry's name.
    pub name: String,
    /// The digest that the tag has there.
    pub digest: Option<String>,
    /// Why it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A container that is not the stack's.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// The networks that it is on.
    pub networks: Vec<String>,
}

/// The machine.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct System {
    /// Seconds since its start.
    pub uptime: f64,
    /// Of the last minute.
    pub load: f64,
    /// Processors that it may use.
    pub processors: u64,
    /// Bytes in all.
    pub memory: u64,
    /// Bytes that programs could have.
    pub memory_free: u64,
    /// The kind of container that it is.
    pub container: Option<String>,
    /// Whether the kernel's clock follows others.
    pub synchronised: bool,
}

/// The way out of the host.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Network {
    /// The address that packets to the world would leave with over IPv4; nothing where there is no route.
    pub route_v4: Option<IpAddr>,
    /// And over IPv6.
    pub route_v6: Option<IpAddr>,
    /// Whether ufw is active; nothing where it cannot be asked.
    #[serde(default)]
    pub firewall: Option<bool>,
    /// The machines that apt fetches from, each with the address that its name leads to.
    pub names: BTreeMap<String, Option<IpAddr>>,
}

/// What was released.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Release {
    /// Whose release it is.
    pub environment: Option<String>,
    /// Its number.
    pub number: Option<String>,
    /// How many files it has.
    pub files: u64,
    /// Paths that are not as they were released, each with what they are: `changed`, `missing`, `open`, `unlinked`.
    pub drift: Vec<(String, String)>,
    /// A backup's restore that is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// The images that were released, by their references.
    pub images: BTreeMap<String, String>,
}

/// A restore that is not over.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Restore {
    /// The backup's ID.
    pub id: String,
    /// Or it was cut off.
    pub at_work: bool,
}

/// Disks and folders.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Storage {
    /// File systems.
    pub disks: Vec<Disk>,
    /// The stack's folders.
    pub folders: Vec<Folder>,
}

/// A file system.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Disk {
    /// A path on it.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// What is free.
    pub free: u64,
    /// How many files it can have; 0 where there is no such limit.
    pub files: u64,
    /// How many more.
    pub files_free: u64,
}

/// A folder of the stack's data.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Folder {
    /// Below `/opt/torrust`.
    pub path: String,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Whether all of it was counted in the time there was.
    pub whole: bool,
}

/// Security updates.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Security {
    /// Packages of which a newer version waits; nothing where the host has no list of them.
    pub packages: Option<Vec<String>>,
    /// When the list was fetched, in seconds since 1970.
    #[serde(default)]
    pub fetched: f64,
}

/// What a service asked on the host.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Told {
    /// What was asked.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
}

/// A container's last lines.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Log {
    /// Its name.
    pub container: String,
    /// Its lines.
    pub lines: Vec<String>,
}

/// How far the host's clock is from ours, in seconds, and how much of that may be the way there and back.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Clock {
    /// Positive when the host's is ahead.
    pub offset: f64,
    /// More or less.
    pub uncertainty: f64,
}

impl Facts {
    /// Whether the host has what it takes to tell any.
    #[must_use]
    pub fn are_told(&self) -> bool {
        self.ended > 0.0
    }

    /// Takes over what this look did not look at.
    pub fn remember(&mut self, before: &Self) {
        if self.system.is_none() {
            let Self { system, release, network, storage, security, reboot, checks, registries, .. } =
                before.clone();
            let now = std::mem::take(self);
            *self = Self { system, release, network, storage, security, reboot, checks, registries, ..now };
        }
    }
}

impl Clock {
    /// From the four moments of a question and its answer, as NTP has it (RFC 5905, section 8).
    #[must_use]
    pub fn of(asked: f64, began: f64, ended: f64, heard: f64) -> Self {
        let offset = f64::midpoint(began - asked, ended - heard);
        Self { offset, uncertainty: ((heard - asked) - (ended - began)).max(0.0) / 2.0 }
    }
}

/// One look, from its line.
///
/// # Errors
/// `tool_failed`, when it is none.
pub fn parse(line: &str) -> Result<Facts> {
    serde_json::from_str(line).map_err(|error| {
        Error::new(Code::ToolFailed, "the host did not tell about itself")
            .why(format!("its answer cannot be read: {error}"))
    })
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_there_and_back_is_not_taken_for_a_clock_that_is_off() {
        let clock = Clock::of(100.0, 100.3, 100.8, 100.9);
        assert!((clock.offset - 0.1).abs() < 1e-9 && (clock.uncertainty - 0.2).abs() < 1e-9, "{clock:?}");
        assert!((Clock::of(100.0, 190.3, 190.8, 100.9).offset - 90.1).abs() < 1e-9);
    }

    #[test]
    fn a_look_at_the_containers_alone_is_read() {
        let line = r#"{"began": 1.5, "docker": {"version": "26.1.5", "containers": [{"id": "1", "name": "torrust-deployer-stack-tracker-1",
            "service": "tracker", "state": "running", "health": "", "started": "2026-11-22T12:30:42.012550488Z",
            "finished": "0001-01-01T00:00:00Z", "addresses": []}], "others": [], "images": {"a:b": null}}, "ended": 2}"#;
        let facts = parse(line).unwrap();
        assert_eq!(facts.docker.containers[0].service, "tracker");
        assert!(facts.system.is_none() && facts.docker.images["a:b"].is_none());
        assert_eq!(parse("").unwrap_err().code(), Code::ToolFailed);
    }
}
