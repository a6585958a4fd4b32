//! The tracker itself: UDP and HTTP trackers, API and health check in one container.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};

use serde_json::json;

use super::{Endpoint, HostFile, Kind, Port, Protocol, Service, Volume};
use crate::checks::{Answer, Check};
use crate::config::{Config, Database};
use crate::error::Result;
use crate::probe::http::{self, HttpTracker};
use crate::probe::swarm::{Announce, InfoHash, Tracker, Visit};
use crate::probe::udp::Client;
use crate::probe::{self, Deadline, Fault};
use crate::render::Templates;
use crate::store::{Environment, Host};

/// The tracker, which every environment has.
pub const KIND: Kind = Kind { name: NAME, wanted: |_| true, service, ports, endpoints, checks };

const NAME: &str = "tracker";
/// The user that the image runs the tracker as, unless told otherwise.
const USER_ID: u32 = 1000;
/// Where the image keeps its data.
const DATABASE_FOLDER: &str = "/var/lib/torrust/tracker/database";
/// The port that a probe's peer claims to listen on (the "discard" port: nobody can be found there).
const PEER_PORT: u16 = 9;

/// The service, with its rendered tracker.toml.
///
/// # Errors
/// The admin token has no value, or the template does not fit.
fn service(env: &Environment) -> Result<Service> {
    let config = &env.config;
    let token = config.tracker.http_api.admin_token.resolve()?;
    let health_port = config.tracker.health_check_api.bind_address.port();
    Ok(Service {
        name: NAME,
        image: image(env),
        stop_signal: Some("SIGINT"),
        ports: ports(config),
        volumes: vec![
            volume("storage/tracker/lib", "/var/lib/torrust/tracker"),
            volume("storage/tracker/log", "/var/log/torrust/tracker"),
            volume("storage/tracker/etc", "/etc/torrust/tracker"),
        ],
        env: vec![
            ("USER_ID".into(), USER_ID.to_string()),
            ("TORRUST_TRACKER_CONFIG_TOML_PATH".into(), "/etc/torrust/tracker/tracker.toml".into()),
            ("TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER".into(), "sqlite3".into()),
            ("TORRUST_TRACKER_CONFIG_OVERRIDE_HTTP_API__ACCESS_TOKENS__ADMIN".into(), quoted(token.expose())),
        ],
        files: vec![HostFile {
            path: "storage/tracker/etc/tracker.toml".into(),
            mode: "0640",
            owner: USER_ID,
            bytes: tracker_toml(env)?,
        }],
        health: vec![
            "/usr/bin/http_health_check".into(),
            format!("http://127.0.0.1:{health_port}/health_check"),
        ],
        endpoints: endpoints(config),
    })
}

/// The tracker parses what it finds in a variable: without quotes the token `true` or `0123` would not be text.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn volume(host: &'static str, container: &'static str) -> Volume {
    Volume { host, container, owner: USER_ID, mode: "0750" }
}

/// The image, with the tag that `release --image-tag` chose.
fn image(env: &Environment) -> String {
    let image = &env.config.images.tracker;
    let Some(tag) = &env.choices.image_tag else { return image.clone() };
    let image = image.split('@').next().unwrap_or(image);
    // A colon before the last slash belongs to the registry's port.
    let name_from = image.rfind('/').map_or(0, |slash| slash + 1);
    let end = image[name_from..].find(':').map_or(image.len(), |colon| name_from + colon);
    format!("{}:{tag}", &image[..end])
}

fn tracker_toml(env: &Environment) -> Result<Vec<u8>> {
    if let Some(own) = &env.choices.tracker_toml {
        return Ok(own.clone().into_bytes());
    }
    let tracker = &env.config.tracker;
    let database = match &tracker.core.database {
        Database::Sqlite3(sqlite) => {
            json!({ "driver": "sqlite3", "path": format!("{DATABASE_FOLDER}/{}", sqlite.database_name) })
        }
        // Refused before anything is rendered: `services::refuse_unsupported`.
        Database::Mysql(_) => json!({ "driver": "mysql", "path": "" }),
    };
    let values = json!({
        "private": tracker.core.private,
        "on_reverse_proxy": tracker.on_reverse_proxy(),
        "database": database,
        "udp_trackers": tracker.udp_trackers.iter().map(|udp| udp.bind_address).collect::<Vec<_>>(),
        "http_trackers": tracker.http_trackers.iter().map(|http| http.bind_address).collect::<Vec<_>>(),
        "http_api": tracker.http_api.bind_address,
        "health_check_api": tracker.health_check_api.bind_address,
    });
    Templates::new(env.choices.templates.clone())?.render("tracker/tracker.toml.j2", &values)
}

/// Kind, address, protocol, domain.
type Listener = (&'static str, SocketAddr, Protocol, Option<String>);

/// What the tracker listens on, in the order of the configuration: kind, address, protocol.
fn listeners(config: &Config) -> Vec<Listener> {
    let tracker = &config.tracker;
    let udp = tracker
        .udp_trackers
        .iter()
        .map(|udp| ("UDP tracker", udp.bind_address, Protocol::Udp, udp.domain.clone()));
    let http = tracker
        .http_trackers
        .iter()
        .map(|http| ("HTTP tracker", http.bind_address, Protocol::Tcp, http.domain.clone()));
    let (api, health) = (&tracker.http_api, &tracker.health_check_api);
    udp.chain(http)
        .chain([
            ("API", api.bind_address, Protocol::Tcp, api.domain.clone()),
            ("Health check", health.bind_address, Protocol::Tcp, health.domain.clone()),
        ])
        .collect()
}

/// What can be reached from outside: what listens on loopback stays in the container, and a private tracker starts
/// no UDP tracker.
fn published(config: &Config) -> impl Iterator<Item = Listener> {
    let private = config.tracker.core.private;
    listeners(config)
        .into_iter()
        .filter(|(_, address, ..)| !address.ip().is_loopback())
        .filter(move |(.., protocol, _)| !private || *protocol == Protocol::Tcp)
}

/// The ports that are published.
fn ports(config: &Config) -> Vec<Port> {
    published(config).map(|(_, address, protocol, _)| Port { number: address.port(), protocol }).collect()
}

/// What people connect to.
fn endpoints(config: &Config) -> Vec<Endpoint> {
    let endpoint = |(kind, address, protocol, domain): (&'static str, SocketAddr, _, _)| Endpoint {
        kind,
        scheme: if protocol == Protocol::Udp { "udp" } else { "http" },
        domain,
        port: address.port(),
        path: match kind {
            "API" => "/api",
            "Health check" => "/health_check",
            _ => "/announce",
        },
    };
    published(config).map(endpoint).collect()
}

/// What a client sees: each tracker announces, the API opens with its token and only with it, health is reported.
///
/// # Errors
/// The admin token has no value.
fn checks(config: &Config, host: &Host) -> Result<Vec<Check>> {
    let token = config.tracker.http_api.admin_token.resolve()?;
    let mut checks = vec![];
    for (kind, address, ..) in listeners(config) {
        let (port, outside) = (address.port(), host.address.clone());
        if address.ip().is_loopback() {
            checks.push(Check::skipped(format!("{kind} {port}"), "it listens inside its container only"));
            continue;
        }
        match kind {
            "UDP tracker" if config.tracker.core.private => checks.push(Check::skipped(
                format!("UDP tracker {port}"),
                "a private tracker starts no UDP tracker: UDP announces cannot carry a key",
            )),
            "UDP tracker" => {
                checks.push(udp(port, outside, "IPv4"));
                checks.extend(host.address_v6.clone().map(|address| udp(port, address, "IPv6")));
            }
            "HTTP tracker" => {
                let base = probe::url("http", &outside, port, "");
                checks.push(if config.tracker.core.private {
                    http_refusal(port, base)
                } else {
                    http_announce(port, base)
                });
                checks.push(health(
                    &format!("HTTP tracker {port}"),
                    probe::url("http", &outside, port, "/health_check"),
                ));
            }
            "API" => checks.extend(api(port, &probe::url("http", &outside, port, ""), token.expose())),
            _ => checks.push(health("health-check API", probe::url("http", &outside, port, "/health_check"))),
        }
    }
    Ok(checks)
}

/// BEP 15 from connect to scrape, as one peer that leaves again.
fn udp(port: u16, host: String, family: &'static str) -> Check {
    let name = format!("UDP tracker {port} over {family}: connect, announce, scrape");
    let ask = move |deadline| -> Answer {
        let address = match resolve(&host, port, family == "IPv6") {
            Ok(Some(address)) => address,
            Ok(None) => return Answer::Skipped { reason: format!("{host} has no {family} address") },
            Err(fault) => return Answer::Failed(fault),
        };
        if address.is_ipv6() && !has_route(address) {
            return Answer::Skipped { reason: format!("this machine has no IPv6 route to {host}") };
        }
        let visited = Client::connect(address, deadline).and_then(|client| visit(&client, deadline));
        visited.into()
    };
    Check { name, ask: Box::new(ask) }
}

fn http_announce(port: u16, base: String) -> Check {
    Check::new(format!("HTTP tracker {port}: announce, scrape"), move |deadline| {
        visit(&HttpTracker::new(format!("{base}/announce")), deadline)
    })
}

/// A private tracker works when it refuses a peer without a key, and for that reason.
fn http_refusal(port: u16, base: String) -> Check {
    Check::new(format!("HTTP tracker {port}: refuses an announce without a key"), move |deadline| {
        let tracker = HttpTracker::new(format!("{base}/announce"));
        let expected = "a refusal for want of a key, as the tracker is private";
        match Visit::start(&tracker, Announce::seeder(InfoHash::random(), PEER_PORT), deadline) {
            Ok(_) => Err(Fault::new(expected, "the announce was accepted")),
            Err(fault) if fault.seen.contains("Authentication") => Ok(fault.seen),
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

fn health(what: &str, url: String) -> Check {
    Check::new(format!("{what}: health"), move |deadline| {
        http::health(&url, deadline).map(|()| "Ok".to_owned())
    })
}

fn api(port: u16, base: &str, token: &str) -> [Check; 3] {
    let (with_token, without, token) = (base.to_owned(), base.to_owned(), token.to_owned());
    [
        health(&format!("API {port}"), format!("{base}/api/health_check")),
        Check::new(format!("API {port}: figures with the token"), move |deadline| {
            let figures = http::api_stats(&with_token, &token, deadline)?;
            Ok(format!("{} torrents", figures["torrents"]))
        }),
        Check::new(format!("API {port}: refused without the token and with a wrong one"), move |deadline| {
            let none = http::api_refuses(&without, None, deadline)?;
            let wrong = http::api_refuses(&without, Some("not-the-token"), deadline)?;
            Ok(format!("{none}; {wrong}"))
        }),
    ]
}

/// The first address of that family, where the host has one.
fn resolve(host: &str, port: u16, ipv6: bool) -> Result<Option<SocketAddr>, Fault> {
    let unknown = |error: std::io::Error| Fault::new(format!("an address of {host}"), error.to_string());
    let mut found = (host, port).to_socket_addrs().map_err(unknown)?;
    Ok(found.find(|address| address.is_ipv6() == ipv6))
}

/// Whether this machine would know where to send a packet; nothing is sent.
fn has_route(address: SocketAddr) -> bool {
    UdpSocket::bind("[::]:0").and_then(|socket| socket.connect(address)).is_ok()
}

#[cfg(test)]
mod tests;
