//! The deployed services, each a value. Whoever needs to know something about a service iterates over [`all`].

pub mod tracker;

use serde::Serialize;

use crate::checks::Check;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::probe;
use crate::store::{Environment, Host};

/// Everything that the deployment needs to know about a service.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name in the Compose file.
    pub name: &'static str,
    /// A full image reference.
    pub image: String,
    /// The signal that ends it; Docker's default is SIGTERM.
    pub stop_signal: Option<&'static str>,
    /// Ports published on the host.
    pub ports: Vec<Port>,
    /// Folders on the host, below `/opt/torrust`, and where the container sees them.
    pub volumes: Vec<Volume>,
    /// Environment variables; they travel in `.env`, which only root may read.
    pub env: Vec<(String, String)>,
    /// Files on the host, below `/opt/torrust`.
    pub files: Vec<HostFile>,
    /// The command that tells whether it is healthy.
    pub health: Vec<String>,
    /// What people connect to.
    pub endpoints: Vec<Endpoint>,
}

/// The two protocols of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A port published on the host, with the same number as in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A folder of the host in the container.
#[derive(Clone, Debug, Serialize)]
pub struct Volume {
    /// Below `/opt/torrust`.
    pub host: &'static str,
    /// In the container.
    pub container: &'static str,
    /// Numeric owner; the container's user.
    pub owner: u32,
    /// Octal permissions.
    pub mode: &'static str,
}

/// A rendered file on the host.
#[derive(Clone, Debug, Serialize)]
pub struct HostFile {
    /// Below `/opt/torrust`.
    pub path: String,
    /// Octal permissions.
    pub mode: &'static str,
    /// Numeric owner.
    pub owner: u32,
    /// Contents.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// Something that people connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// What it is: `UDP tracker`, `HTTP tracker`, `API`, `Health check`.
    pub kind: &'static str,
    /// Scheme before the address: `udp`, `http`.
    pub scheme: &'static str,
    /// The domain, when one is configured; otherwise the host's address is used.
    pub domain: Option<String>,
    /// Port.
    pub port: u16,
    /// Path after the address, with `/`.
    pub path: &'static str,
}

impl Endpoint {
    /// The URL on a host of this address.
    #[must_use]
    pub fn url(&self, address: &str) -> String {
        let host = self.domain.as_deref().unwrap_or(address);
        probe::url(self.scheme, host, self.port, self.path)
    }
}

/// What a service's file gives: the answers that its part of the configuration has.
pub struct Kind {
    /// Its name in the Compose file.
    pub name: &'static str,
    /// Whether the configuration asks for it.
    pub wanted: fn(&Config) -> bool,
    /// The service, rendered.
    pub service: fn(&Environment) -> Result<Service>,
    /// The ports that it publishes on the host.
    pub ports: fn(&Config) -> Vec<Port>,
    /// What people connect to.
    pub endpoints: fn(&Config) -> Vec<Endpoint>,
    /// What a client would see of it on this host.
    pub checks: fn(&Config, &Host) -> Result<Vec<Check>>,
}

/// All there are, in the order of the Compose file.
const KINDS: &[Kind] = &[tracker::KIND];

fn wanted(config: &Config) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| (kind.wanted)(config))
}

/// All services of this environment.
///
/// # Errors
/// A secret has no value, or a template does not fit.
pub fn all(env: &Environment) -> Result<Vec<Service>> {
    wanted(&env.config).map(|kind| (kind.service)(env)).collect()
}

/// The services' names in the Compose file.
#[must_use]
pub fn names(config: &Config) -> Vec<&'static str> {
    wanted(config).map(|kind| kind.name).collect()
}

/// The ports that the stack publishes on the host.
#[must_use]
pub fn published(config: &Config) -> Vec<Port> {
    wanted(config).flat_map(|kind| (kind.ports)(config)).collect()
}

/// What people connect to.
#[must_use]
pub fn endpoints(config: &Config) -> Vec<Endpoint> {
    wanted(config).flat_map(|kind| (kind.endpoints)(config)).collect()
}

/// What a client would see of each service on this host.
///
/// # Errors
/// A secret has no value.
pub fn checks(config: &Config, host: &Host) -> Result<Vec<Check>> {
    let checks: Result<Vec<_>> = wanted(config).map(|kind| (kind.checks)(config, host)).collect();
    Ok(checks?.into_iter().flatten().collect())
}

/// Refuses a configuration with a section that this version cannot deploy: nothing is ever ignored.
///
/// # Errors
/// `not_supported`, naming all such sections.
pub fn refuse_unsupported(config: &Config) -> Result<()> {
    let sections = [
        ("tracker.core.database (mysql)", config.tracker.core.database.mysql().is_some()),
        ("prometheus", config.prometheus.is_some()),
        ("grafana", config.grafana.is_some()),
        ("https", config.https.is_some()),
        ("backup", config.backup.is_some()),
    ];
    let present: Vec<&str> = sections.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
    if present.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, format!("this version does not deploy {} yet", present.join(", ")))
        .why("the configuration is valid, but a part of it would have no effect")
        .help("take it out of the configuration, or wait for a version that deploys it"))
}
