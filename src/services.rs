//! The deployed services, each a value. Whoever needs to know something about a service iterates over [`all`].

pub mod backup;
mod caddy;
mod dns;
mod endpoint;
mod external;
pub mod grafana;
pub mod mysql;
pub mod postgresql;
pub mod prometheus;
pub mod tracker;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

pub use caddy::OWN_ROOT;
pub use endpoint::{Endpoint, Site, trust};
pub use tracker::{Figures, figures};

use crate::checks::Check;
use crate::config::Config;
use crate::error::Result;
use crate::probe::http::Relay;
use crate::store::{Environment, Host};
use crate::tools::ssh::sh_quote;

/// Everything that the deployment needs to know about a service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Its container, when it runs in one; what does not is run by the host's systemd.
    pub container: Option<Container>,
    /// Folders on the host.
    pub folders: Vec<Folder>,
    /// Files on the host.
    pub files: Vec<HostFile>,
    /// Secrets and settings that travel in `.env`, which only root may read; the container sees them by the same names.
    pub env: Vec<(String, String)>,
    /// systemd units among the files, by their paths: they are linked, enabled and started.
    pub units: Vec<String>,
}

/// A service's container, in the words of the Compose file: <https://docs.docker.com/reference/compose-file/services/>.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Container {
    /// Its name in the Compose file.
    pub name: &'static str,
    /// A full image reference.
    pub image: String,
    /// The numeric user and group that it runs as; the image's own when nothing is said.
    pub user: Option<String>,
    /// The program that it starts with; the image's own when empty.
    pub entrypoint: Vec<&'static str>,
    /// What that is told to run; the image's own when empty.
    pub command: Vec<String>,
    /// The networks that it is on, of those in [`NETWORKS`].
    pub networks: Vec<&'static str>,
    /// Ports published on the host.
    pub ports: Vec<Port>,
    /// Where it sees the host's folders and files.
    pub mounts: Vec<Mount>,
    /// The services that must be healthy before it starts.
    pub depends_on: Vec<&'static str>,
    /// The command that tells whether it is healthy.
    pub health: Vec<String>,
    /// The signal that ends it; Docker's default is SIGTERM.
    pub stop_signal: Option<&'static str>,
    /// How long it may take to end by itself, as `1m`; Docker's default is 10 s.
    pub stop_grace: Option<&'static str>,
    /// The most memory that it may use, as `1g`. All of a full stack's together leave the system of a host with 4 GB its
    /// part, so that whatever grows ends itself and not its neighbours; the tracker, whose swarms are in memory, has most.
    pub memory: &'static str,
    /// How many files and connections it may have open; Docker's default when nothing is said, which may be 1024.
    pub open_files: Option<u32>,
    /// What of root's rights it keeps; all others are taken away.
    pub capabilities: Vec<&'static str>,
    /// Whether its file system is read-only but for its mounts and `/tmp`.
    pub read_only: bool,
    /// Folders in memory, of 1 MiB each.
    pub in_memory: Vec<&'static str>,
    /// Kernel settings of its own network.
    pub sysctls: Vec<&'static str>,
    /// Whether the name `host.docker.internal` leads to the host.
    pub sees_host: bool,
}

/// The networks of the stack. A container is on those that it needs, and sees nobody else. What is behind the TLS proxy
/// shares a network with the proxy alone: a neighbour there could pass for it, and name any client's address.
pub const NETWORKS: &[&str] =
    &["tracker", "database", "metrics", "visualization", "proxy-tracker", "proxy-grafana"];

/// Networks that nothing leads out of. Their containers talk to each other over IPv4 alone: where Docker makes no rules for
/// IPv6, the host's firewall drops it between two containers, and who tries it first loses seconds.
pub const INTERNAL_NETWORKS: &[&str] = &["database"];

/// How many files and connections a service that many clients reach may have open. More idle connections would not fit
/// into Caddy's memory, and a host that is a container itself may not be able to permit more than 20,000.
pub const MANY_OPEN_FILES: u32 = 16_384;

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
    /// From where it can be reached.
    pub reach: Reach,
}

/// From where a published port can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// From everywhere, over IPv4 and IPv6.
    Everywhere,
    /// From everywhere, over IPv4.
    Ipv4,
    /// From everywhere, over IPv6.
    Ipv6,
    /// From the host itself.
    Loopback,
}

/// A folder on the host.
#[derive(Clone, Debug, Serialize)]
pub struct Folder {
    /// Below `/opt/torrust`.
    pub path: &'static str,
    /// Octal permissions.
    pub mode: &'static str,
    /// Numeric owner: the container's user, where it writes.
    pub owner: u32,
}

impl Folder {
    /// One for files of the release, which containers only read: in a folder of its own a container could put anything in the
    /// place of a file that root writes.
    #[must_use]
    pub const fn of_files(path: &'static str) -> Self {
        Self { path, mode: "0755", owner: 0 }
    }
}

/// A folder or file of the host in a container.
#[derive(Clone, Debug, Serialize)]
pub struct Mount {
    /// Below `/opt/torrust`; absolute for what is the host's own.
    pub host: &'static str,
    /// In the container.
    pub container: &'static str,
    /// Whether the container may only read it.
    pub read_only: bool,
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

/// The checks of the full suite; see [`full_checks`].
type FullChecks = fn(&Config, &Host, &Relay, Option<IpAddr>) -> Result<Vec<Check>>;

/// What a service's file gives: the answers that its part of the configuration has.
pub struct Kind {
    /// Its name; that of its container in the Compose file.
    pub name: &'static str,
    /// The image of its container, a full reference; what has none is run by the host's systemd.
    pub image: Option<fn(&Environment) -> String>,
    /// Whether the configuration asks for it.
    pub wanted: fn(&Config) -> bool,
    /// The service, rendered.
    pub service: fn(&Environment) -> Result<Service>,
    /// The ports that it publishes on the host.
    pub ports: fn(&Config) -> Vec<Port>,
    /// What people connect to.
    pub endpoints: fn(&Config) -> Vec<Endpoint>,
    /// What a client would see of it on this host.
    pub checks: fn(&Config, &Host, &Relay) -> Result<Vec<Check>>,
    /// What can be seen on the host alone: a name and a command for its shell, each.
    pub host_checks: fn(&Config) -> Vec<HostCheck>,
    /// What the full suite asks beside, of a running stack; with the address that the host sees us by.
    pub full_checks: FullChecks,
    /// What the full suite asks beside on the host.
    pub full_host_checks: fn(&Config) -> Vec<HostCheck>,
}

/// A question that is asked on the host, as root: well when the command ends with 0; its last line is what was seen.
pub struct HostCheck {
    /// What is checked.
    pub name: String,
    /// A command for `bash`, run in `/opt/torrust`.
    pub command: String,
    /// Whether a start waits until it holds: the stack would be of no use without it.
    pub awaited: bool,
    /// Whether the answer comes at once: no program has to be started in a container, and nothing is waited for.
    pub quick: bool,
}

/// A command for `bash` on the host that runs these words in a container.
#[must_use]
pub fn in_container(name: &str, words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| sh_quote(word)).collect();
    format!("docker compose exec -T {name} {}", words.join(" "))
}

/// All there are, in the order of the Compose file.
const KINDS: &[Kind] = &[
    mysql::KIND,
    postgresql::KIND,
    external::KIND,
    tracker::KIND,
    prometheus::KIND,
    grafana::KIND,
    caddy::KIND,
    backup::KIND,
];

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

/// The containers' names in the Compose file.
#[must_use]
pub fn containers(config: &Config) -> Vec<&'static str> {
    wanted(config).filter(|kind| kind.image.is_some()).map(|kind| kind.name).collect()
}

/// The images of all containers, in the order of the Compose file, and that of an external database's client. Nothing is
/// rendered for it.
#[must_use]
pub fn images(env: &Environment) -> Vec<String> {
    let containers = wanted(&env.config).filter_map(|kind| kind.image).map(|image| image(env));
    containers.chain(external::image(&env.config).map(str::to_owned)).collect()
}

/// The ports that the stack publishes on the host.
#[must_use]
pub fn ports(config: &Config) -> Vec<Port> {
    wanted(config).flat_map(|kind| (kind.ports)(config)).collect()
}

/// Those of them that are for whoever can reach the host.
#[must_use]
pub fn published(config: &Config) -> Vec<Port> {
    let mut ports = ports(config);
    ports.retain(|port| port.reach != Reach::Loopback);
    ports
}

/// What people connect to.
#[must_use]
pub fn endpoints(config: &Config) -> Vec<Endpoint> {
    wanted(config).flat_map(|kind| (kind.endpoints)(config)).collect()
}

/// What the TLS proxy serves: everything that says of itself that it is behind it. What is not wanted has no endpoints;
/// to ask who is wanted would lead in a circle, as the proxy is wanted when there is a site.
#[must_use]
pub fn sites(config: &Config) -> Vec<Site> {
    KINDS.iter().flat_map(|kind| (kind.endpoints)(config)).filter_map(|endpoint| endpoint.site()).collect()
}

/// The networks over which the proxy reaches what it serves.
fn proxy_networks(config: &Config) -> Vec<&'static str> {
    let sites = sites(config);
    let served = |network: &&str| {
        let container = network.strip_prefix("proxy-");
        container.is_some_and(|container| sites.iter().any(|site| site.container == container))
    };
    NETWORKS.iter().copied().filter(served).collect()
}

/// What a client would see of each service on this host. What a secret opens is asked over the relay, unless TLS protects it.
///
/// # Errors
/// A secret has no value.
pub fn checks(config: &Config, host: &Host, relay: &Relay) -> Result<Vec<Check>> {
    let checks: Result<Vec<_>> = wanted(config).map(|kind| (kind.checks)(config, host, relay)).collect();
    Ok(checks?.into_iter().flatten().collect())
}

/// What the full suite asks of each service beside that, and where the domains lead that are not the proxy's. `seen_as`
/// is the address that the host sees us by.
///
/// # Errors
/// A secret has no value.
pub fn full_checks(
    config: &Config,
    host: &Host,
    relay: &Relay,
    seen_as: Option<IpAddr>,
) -> Result<Vec<Check>> {
    let checks: Result<Vec<_>> =
        wanted(config).map(|kind| (kind.full_checks)(config, host, relay, seen_as)).collect();
    let others = endpoints(config).into_iter().filter(Endpoint::is_public);
    let others = others.filter(|endpoint| endpoint.behind_proxy.is_none());
    let domains: BTreeSet<String> = others.filter_map(|endpoint| endpoint.domain).collect();
    let dns = domains.iter().map(|domain| dns::check(domain, host));
    Ok(checks?.into_iter().flatten().chain(dns).collect())
}

/// What the full suite asks of each service on the host alone.
#[must_use]
pub fn full_host_checks(config: &Config) -> Vec<HostCheck> {
    wanted(config).flat_map(|kind| (kind.full_host_checks)(config)).collect()
}

/// Every port that any service listens on, published or not.
#[must_use]
pub fn port_numbers(config: &Config) -> BTreeSet<u16> {
    let ports = ports(config).into_iter().map(|port| port.number);
    ports.chain(endpoints(config).iter().map(|endpoint| endpoint.port)).collect()
}

/// What can explain that the stack does not become healthy, although it is no part of it.
#[must_use]
pub fn checks_of_others(config: &Config) -> Vec<HostCheck> {
    external::checks(config)
}

/// Whether a check of that name asks a database on a server of the user's.
#[must_use]
pub fn is_of_external_database(check: &str) -> bool {
    check.starts_with(external::CHECK)
}

/// What can be seen of each service on the host alone.
#[must_use]
pub fn host_checks(config: &Config) -> Vec<HostCheck> {
    wanted(config).flat_map(|kind| (kind.host_checks)(config)).collect()
}
