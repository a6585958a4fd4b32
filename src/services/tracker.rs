//! The tracker itself: UDP and HTTP trackers, API and health check in one container.

pub mod health;
mod listener;
pub mod load;
pub mod meeting;
pub mod published;
pub mod schema;
mod settings;
pub mod silence;
pub mod stored;

pub use settings::fits;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use listener::{Listener, Role, listeners, reachable};

use super::{
    Container, Endpoint, Folder, HostCheck, HostFile, Kind, Mount, Port, Service, mysql, postgresql,
};
use crate::checks::{Answer, Check};
use crate::config::{Config, Revealed};
use crate::error::Result;
use crate::probe::http::{self, HttpTracker, Relay, Url};
use crate::probe::swarm::{Announce, InfoHash, Tracker, Visit};
use crate::probe::udp::Client;
use crate::probe::{self, Deadline, Fault};
use crate::store::{Environment, Host};

/// The tracker, which every environment has.
pub const KIND: Kind = Kind {
    name: NAME,
    image: Some(Environment::tracker_reference),
    wanted: |_| true,
    service,
    ports,
    endpoints,
    checks,
    host_checks,
    full_checks: meeting::checks,
    full_host_checks: |_| vec![],
};

const NAME: &str = "tracker";
/// The user that the image runs the tracker as, unless told otherwise.
pub const USER_ID: u32 = 1000;
/// Where the image keeps its data.
const DATABASE_FOLDER: &str = "/var/lib/torrust/tracker/database";
/// Folders on the host, and where the image has them.
const FOLDERS: [(&str, &str); 2] = [
    ("storage/tracker/lib", "/var/lib/torrust/tracker"),
    ("storage/tracker/log", "/var/log/torrust/tracker"),
];
/// Its configuration, which it only reads.
const ETC: &str = "storage/tracker/etc";
const ETC_INSIDE: &str = "/etc/torrust-tracker";
/// Where the image expects it: its entry point, which is root, gives all of it to the tracker's user.
const IMAGE_ETC: &str = "/etc/torrust/tracker";
/// The port that a probe's peer claims to listen on (the "discard" port: nobody can be found there).
const PEER_PORT: u16 = 9;

/// What the tracker reports of itself, and whether its database can be read.
fn host_checks(config: &Config) -> Vec<HostCheck> {
    std::iter::once(health::check(config)).chain(stored::checks(config)).collect()
}

/// The service, with its rendered tracker.toml.
///
/// # Errors
/// The admin token has no value, or the template does not fit.
fn service(env: &Environment) -> Result<Service> {
    // Newer images do not make the folder of an SQLite database.
    let database = env.config.tracker.core.sqlite().map(|_| "storage/tracker/lib/database");
    let folders = FOLDERS.iter().map(|(path, _)| *path).chain(database);
    let folders = folders.map(|path| Folder { path, owner: USER_ID, mode: "0750" });
    Ok(Service {
        container: Some(container(env)),
        folders: folders.chain([Folder::of_files(ETC)]).collect(),
        env: settings::variables(env)?,
        files: vec![HostFile {
            path: "storage/tracker/etc/tracker.toml".into(),
            mode: "0640",
            owner: USER_ID,
            bytes: settings::tracker_toml(env)?,
        }],
        ..Service::default()
    })
}

fn container(env: &Environment) -> Container {
    let config = &env.config;
    let own = FOLDERS.iter().map(|(host, container)| Mount { host, container, read_only: false });
    Container {
        name: NAME,
        image: env.tracker_reference(),
        networks: networks(config),
        depends_on: database(config).into_iter().collect(),
        ports: ports(config),
        mounts: own.chain([Mount { host: ETC, container: ETC_INSIDE, read_only: true }]).collect(),
        in_memory: vec![IMAGE_ETC],
        health: vec![
            "/usr/bin/http_health_check".into(),
            format!("http://{}/health_check", from_inside(config.tracker.health_check_api.bind_address)),
        ],
        stop_signal: Some("SIGINT"),
        memory: "1536m",
        open_files: Some(super::MANY_OPEN_FILES),
        // What the image's entry point needs to prepare its folders and to become the tracker's user.
        capabilities: vec!["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"],
        // An address of one family leaves the other to a second listener: IPv4 peers would get addresses of IPv6 form.
        sysctls: if env.has_ipv6() { vec!["net.ipv6.bindv6only=1"] } else { vec![] },
        ..Container::default()
    }
}

/// Where something that listens is asked in its own container: at its loopback address, or at that of its family.
fn from_inside(address: SocketAddr) -> SocketAddr {
    if address.ip().is_loopback() {
        return address;
    }
    let loopback: IpAddr =
        if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(loopback, address.port())
}

/// The database server in the stack.
fn database(config: &Config) -> Option<&'static str> {
    let core = &config.tracker.core;
    core.mysql().map(|_| mysql::NAME).or_else(|| core.postgresql().map(|_| postgresql::NAME))
}

/// Its own, where its ports are published, and those of the services that need it.
fn networks(config: &Config) -> Vec<&'static str> {
    let needed = [
        ("tracker", true),
        ("database", database(config).is_some()),
        ("metrics", config.prometheus.is_some()),
        ("proxy-tracker", reachable(config).any(|listener| listener.tls)),
    ];
    needed.into_iter().filter(|(_, needed)| *needed).map(|(network, _)| network).collect()
}

/// The ports that are published.
fn ports(config: &Config) -> Vec<Port> {
    let port = |listener: Listener| Port {
        number: listener.address.port(),
        protocol: listener.role.protocol(),
        reach: listener.reach(),
    };
    reachable(config).filter(|listener| !listener.tls).map(port).collect()
}

/// What people connect to.
fn endpoints(config: &Config) -> Vec<Endpoint> {
    reachable(config).map(endpoint).collect()
}

fn endpoint(listener: Listener) -> Endpoint {
    Endpoint {
        kind: listener.role.called(),
        scheme: listener.role.scheme(),
        reach: listener.reach(),
        domain: listener.domain,
        port: listener.address.port(),
        path: listener.role.path(),
        behind_proxy: listener.tls.then_some(NAME),
    }
}

/// Where the host finds the tracker's counters.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    container: &'static str,
    port: u16,
    path: &'static str,
    /// It goes to the host in a session's input.
    token: String,
}

/// Where the host finds the tracker's counters; nowhere without an API.
///
/// # Errors
/// The admin token has no value.
pub fn figures(config: &Config) -> Result<Option<Figures>> {
    let Some(api) = &config.tracker.http_api else { return Ok(None) };
    let token = api.admin_token.resolve()?;
    Ok(Some(Figures {
        container: NAME,
        port: api.bind_address.port(),
        path: http::STATS,
        token: token.expose().to_owned(),
    }))
}

/// What a client sees: each tracker announces, the API opens with its token and only with it, health is reported.
///
/// # Errors
/// The admin token has no value.
fn checks(config: &Config, host: &Host, relay: &Relay) -> Result<Vec<Check>> {
    let api = config.tracker.http_api.as_ref();
    let token = api.map(|api| api.admin_token.resolve()).transpose()?;
    let token = token.as_ref().map(Revealed::expose).unwrap_or_default();
    let mut checks = vec![];
    for listener in listeners(config) {
        let (role, port) = (listener.role, listener.address.port());
        if listener.is_in_container_only() {
            let name = format!("{} {port}", role.called());
            checks.push(Check::skipped(name, "it listens inside its container only"));
            continue;
        }
        if role == Role::Udp {
            checks.extend(udp_checks(config, host, port));
            continue;
        }
        let client = listener.client();
        let endpoint = endpoint(listener);
        let called = endpoint.called();
        if let Some(why) = endpoint.out_of_reach(host) {
            checks.push(Check::skipped(called, &why));
            continue;
        }
        let base = endpoint.asked_at(config, host, relay)?;
        match role {
            Role::Api => checks.extend(api_checks(&called, &base, token)),
            Role::Health => checks
                .push(Check::new("health-check API: health of each listener", move |deadline| {
                    http::health_report(&base.join("/health_check"), deadline)
                })),
            _ => {
                let tracker = HttpTracker::new(base.join("/announce")).for_client(client);
                checks.extend([
                    http_peer(config, &called, tracker),
                    health(&called, base.join("/health_check")),
                ]);
            }
        }
    }
    Ok(checks)
}

fn udp_checks(config: &Config, host: &Host, port: u16) -> Vec<Check> {
    if config.tracker.core.private {
        let why = "a private tracker starts no UDP tracker: UDP announces cannot carry a key";
        return vec![Check::skipped(format!("UDP tracker {port}"), why)];
    }
    let (cookies, listed) = (listener::cookies(config, port), config.tracker.core.listed);
    let udp = |host, family| udp(port, cookies, listed, host, family);
    let over_v6 = host.address_v6.clone().map(|address| udp(address, "IPv6"));
    std::iter::once(udp(host.address.clone(), "IPv4")).chain(over_v6).collect()
}

/// BEP 15 from connect to scrape, as one peer that leaves again.
fn udp(port: u16, cookies: Option<Duration>, listed: bool, host: String, family: &'static str) -> Check {
    let name = format!("UDP tracker {port} over {family}: connect, {}", asked(listed));
    let ask = move |deadline| -> Answer {
        let found = probe::addresses(&host, port)
            .map(|found| found.into_iter().find(|address| address.is_ipv6() == (family == "IPv6")));
        let address = match found {
            Ok(Some(address)) => address,
            Ok(None) => return Answer::Skipped { reason: format!("{host} has no {family} address") },
            Err(fault) => return Answer::Failed(fault),
        };
        if !probe::has_route(address) {
            return Answer::Skipped { reason: format!("this machine has no {family} route to {host}") };
        }
        let visited = Client::connect_for(address, cookies, deadline)
            .and_then(|client| greeted(&client, listed, deadline));
        visited.into()
    };
    Check::answering(name, ask)
}

/// What a peer without a key and of an unknown torrent meets.
fn http_peer(config: &Config, called: &str, tracker: HttpTracker) -> Check {
    let core = &config.tracker.core;
    if core.private { http_refusal(called, tracker) } else { http_announce(called, tracker, core.listed) }
}

fn http_announce(called: &str, tracker: HttpTracker, listed: bool) -> Check {
    Check::new(format!("{called}: {}", asked(listed)), move |deadline| greeted(&tracker, listed, deadline))
}

/// What a peer of an unknown torrent is after.
fn asked(listed: bool) -> &'static str {
    if listed { "refuses a torrent that is not on the whitelist" } else { "announce, scrape" }
}

/// A tracker that keeps a whitelist works when it refuses a torrent that is not on it, and for that reason.
fn greeted(tracker: &dyn Tracker, listed: bool, deadline: Deadline) -> Result<String, Fault> {
    if !listed {
        return visit(tracker, deadline);
    }
    let expected = "a refusal of the torrent, as it is not on the whitelist";
    match Visit::start(tracker, Announce::seeder(InfoHash::random(), PEER_PORT), deadline) {
        Ok(_) => Err(Fault::new(expected, "the announce was accepted")),
        Err(fault) if http::refused_for_whitelist(&fault) => Ok(fault.seen),
        Err(fault) => Err(Fault::new(expected, fault.seen)),
    }
}

/// A private tracker works when it refuses a peer without a key, and for that reason.
fn http_refusal(called: &str, tracker: HttpTracker) -> Check {
    Check::new(format!("{called}: refuses an announce without a key"), move |deadline| {
        let expected = "a refusal for want of a key, as the tracker is private";
        match Visit::start(&tracker, Announce::seeder(InfoHash::random(), PEER_PORT), deadline) {
            Ok(_) => Err(Fault::new(expected, "the announce was accepted")),
            Err(fault) if http::refused_for_key(&fault) => Ok(fault.seen),
            Err(fault) => Err(Fault::new(expected, fault.seen)),
        }
    })
}

/// Enters a swarm that nobody else knows, is counted there, and leaves.
fn visit(tracker: &dyn Tracker, deadline: Deadline) -> Result<String, Fault> {
    let torrent = InfoHash::random();
    let (visit, announced) = Visit::start(tracker, Announce::seeder(torrent, PEER_PORT), deadline)?;
    let scraped = tracker.scrape(&[torrent], deadline)?;
    visit.stop(deadline)?;
    let seeders = scraped.first().map_or(0, |torrent| torrent.seeders);
    if seeders != 1 {
        return Err(Fault::new("1 seeder after the announce", format!("{seeders} seeders in the scrape")));
    }
    let interval = announced.interval.as_secs();
    Ok(format!("interval {interval} s, {} seeder after the announce", announced.seeders))
}

fn health(what: &str, url: Url) -> Check {
    let over_ssh = url.is_only_on_host();
    let ask = move |deadline| http::health(&url, deadline).map(|()| "Ok".to_owned());
    Check::new(format!("{what}: health"), ask).over_ssh(over_ssh)
}

fn api_checks(called: &str, base: &Url, token: &str) -> [Check; 3] {
    let (with_token, without, token) = (base.clone(), base.clone(), token.to_owned());
    let secret_over_ssh = base.takes_secrets_over_ssh();
    [
        health(called, base.join("/api/health_check")),
        Check::new(format!("{called}: figures with the token"), move |deadline| {
            let figures = http::api_stats(&with_token, &token, deadline)?;
            let how = if secret_over_ssh { ", asked over SSH" } else { "" };
            Ok(format!("{} torrents{how}", figures["torrents"]))
        })
        .over_ssh(secret_over_ssh),
        Check::new(format!("{called}: refused without the token and with a wrong one"), move |deadline| {
            let none = http::api_refuses(&without, None, deadline)?;
            let wrong = http::api_refuses(&without, Some("not-the-token"), deadline)?;
            Ok(format!("{none}; {wrong}"))
        })
        .over_ssh(base.is_only_on_host()),
    ]
}

#[cfg(test)]
mod tests;
