//! What `environment.json` holds.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Config, EnvironmentName};
use crate::digest::sha256;
use crate::error::{Code, Error, Result};
use crate::services::tracker::schema::TrackerImage;
use crate::state::{Attempt, Stage};
use crate::store::Unknown;

/// All that is known about an environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// The version of the file's format; 0 for those from before it had one.
    #[serde(default)]
    pub format: u32,
    /// What else the file has.
    #[serde(skip)]
    pub unknown: Unknown,
    /// The name; also the folder's.
    pub name: EnvironmentName,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// How far it has come.
    pub stage: Stage,
    /// A command that began and did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// The host, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// The number of the release on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// The number of the last release that was seen healthy: what is put back when a newer one does not get so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<u64>,
    /// What was found out on the host about the tracker's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker_image: Option<TrackerImage>,
    /// Commands that the stage has behind it, and that a change of the configuration makes necessary again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<String>,
    /// Whether the next release asks for images again that the host has (`--pull`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pull: bool,
    /// What was chosen on the command line and holds for later commands too.
    #[serde(default)]
    pub choices: Choices,
    /// The configuration; secrets stay references where they were.
    pub config: Config,
}

/// Where the host came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Made by this program: `destroy` removes it.
    Created,
    /// It was there before: never removed.
    Registered,
}

/// A host and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "a host key is called that")]
pub struct Host {
    /// Where the host came from.
    pub origin: Origin,
    /// Address or name that we connect to.
    pub address: String,
    /// Its IPv6 address, where it has one that can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<String>,
    /// The SSH port that we connect to.
    pub port: u16,
    /// Fingerprint of the host key stored at first contact.
    #[serde(default)]
    pub host_key: String,
    /// That key, as `known_hosts` has it: type and key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub public_key: String,
    /// Operating system and architecture, as the host says them.
    #[serde(default)]
    pub system: String,
    /// Whether its kernel knows no IPv6 at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_ipv6: bool,
}

impl Host {
    /// A host that nobody has looked at yet.
    #[must_use]
    pub fn new(origin: Origin, address: String, port: u16) -> Self {
        let (host_key, public_key, system) = (String::new(), String::new(), String::new());
        Self { origin, address, address_v6: None, port, host_key, public_key, system, without_ipv6: false }
    }

    /// With what it told of itself before.
    #[must_use]
    pub fn known(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        let (host_key, public_key) = (before.host_key.clone(), before.public_key.clone());
        let system = before.system.clone();
        Self { host_key, public_key, system, without_ipv6: before.without_ipv6, ..self }
    }
}

/// Choices made by options; an option that is given again replaces the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// `configure --configure-firewall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<bool>,
    /// `configure --install-monitoring`.
    #[serde(default)]
    pub monitoring: bool,
    /// `configure --keep-open`: ports such as `80/tcp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_open: Vec<String>,
    /// `release --image-tag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
    /// `release --config`: the user's own tracker.toml, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker_toml: Option<String>,
    /// `create NAME --template`: the folder with the user's copies of templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<PathBuf>,
}

impl Host {
    /// Its processor's architecture, as `uname -m` prints it; empty while it is not known.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.system.rsplit(' ').next().unwrap_or_default()
    }

    /// Its addresses, the one that we connect to first.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.address.as_str()).chain(self.address_v6.as_deref())
    }

    /// Its addresses for people: `192.0.2.7 and 2001:db8::7`.
    #[must_use]
    pub fn addresses_shown(&self) -> String {
        self.addresses().collect::<Vec<_>>().join(" and ")
    }
}

impl Environment {
    /// A new environment from a checked configuration.
    #[must_use]
    pub fn new(config: Config, choices: Choices) -> Self {
        let now = Timestamp::now();
        let name = config.environment.name.clone();
        Self {
            format: 0,
            unknown: Unknown::default(),
            name,
            created: now,
            modified: now,
            stage: Stage::Created,
            attempt: None,
            host: None,
            release: None,
            healthy: None,
            tracker_image: None,
            again: vec![],
            pull: false,
            choices,
            config,
        }
    }

    /// Whether containers can have IPv6: taken for granted until the host said otherwise.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        !self.host.as_ref().is_some_and(|host| host.without_ipv6)
    }

    /// How far the host has come, whatever has to run again since the configuration changed: a release that is there is
    /// looked at, and backed up, all the same.
    #[must_use]
    pub fn reached(&self) -> Stage {
        let released = self.host.is_some() && self.release.is_some() && self.stage != Stage::Destroyed;
        if released { self.stage.max(Stage::Released) } else { self.stage }
    }

    /// Whether this command has to come to its end once more, whatever the stage says: it began and did not, or a change
    /// of the configuration asks for it.
    #[must_use]
    pub fn needs_again(&self, command: &str) -> bool {
        let began = self.attempt.as_ref().is_some_and(|attempt| attempt.command == command);
        began || self.again.iter().any(|again| again == command)
    }

    /// Asks for a command once more.
    pub fn ask_again(&mut self, command: &str) {
        if !self.again.iter().any(|again| again == command) {
            self.again.push(command.to_owned());
        }
    }

    /// A mark that no other environment has, not even one of the same name: what carries it at a provider was made for
    /// this one. 16 hexadecimal digits.
    #[must_use]
    pub fn mark(&self) -> String {
        sha256(format!("{} {}", self.name, self.created))[..16].to_owned()
    }

    /// The host, when it was there before: such a one is never removed.
    #[must_use]
    pub fn registered_host(&self) -> Option<&Host> {
        self.host.as_ref().filter(|host| host.origin == Origin::Registered)
    }

    /// The host, when there is one.
    ///
    /// # Errors
    /// `state_refused` before `provision` or `register`.
    pub fn host(&self) -> Result<&Host> {
        self.host.as_ref().ok_or_else(|| {
            Error::new(Code::StateRefused, format!("{} has no host yet", self.name))
                .help(format!("make one: torrust-tracker-deployer provision {}", self.name))
        })
    }
}
