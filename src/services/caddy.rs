//! Caddy, the TLS proxy: one site for each domain that a service has behind it.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Container, Folder, HostCheck, HostFile, Kind, Mount, Port, Protocol, Reach, Service, Site, dns};
use crate::checks::{Answer, Check};
use crate::config::{Authority, Config, Https};
use crate::error::{Code, Error, Result};
use crate::probe::http::{self, Login, Relay, Url};
use crate::probe::tls::{self, Shown, Trust};
use crate::probe::{self, Fault, quic};
use crate::render::Templates;
use crate::store::{Environment, Host};
use crate::tools::ssh::sh_quote;

/// The proxy, wanted as soon as something is to be behind it.
pub const KIND: Kind = Kind {
    name: NAME,
    image: Some(|env| env.config.images.caddy.to_string()),
    wanted: |config| !super::sites(config).is_empty(),
    service,
    ports: |_| PORTS.to_vec(),
    endpoints: |_| vec![],
    checks,
    host_checks,
    full_checks: |_, host, _, _| Ok(vec![http3(host)]),
    full_host_checks: |_| vec![],
};

const NAME: &str = "caddy";
/// Nobody else's on the host: the keys of the certificates are this user's alone.
const USER_ID: u32 = 1443;
/// Where the health check is answered, inside the container.
const HEALTH_PORT: u16 = 2019;
/// Folders on the host, and where the image has them.
const FOLDERS: [(&str, &str); 3] =
    [("storage/caddy/etc", SETTINGS), ("storage/caddy/data", "/data"), ("storage/caddy/config", "/config")];
const SETTINGS: &str = "/etc/caddy";
/// Where Caddy keeps the root of its own authority, below `/opt/torrust`.
pub const OWN_ROOT: &str = "storage/caddy/data/caddy/pki/authorities/local/root.crt";

const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

const PORTS: [Port; 3] = [
    Port { number: 80, protocol: Protocol::Tcp, reach: Reach::Everywhere },
    Port { number: 443, protocol: Protocol::Tcp, reach: Reach::Everywhere },
    // HTTP/3
    Port { number: 443, protocol: Protocol::Udp, reach: Reach::Everywhere },
];

fn https(config: &Config) -> Result<&Https> {
    let missing = || Error::new(Code::Internal, "something is behind the TLS proxy, and there is no `https`");
    config.https.as_ref().ok_or_else(missing)
}

fn service(env: &Environment) -> Result<Service> {
    let file = |name: &str, bytes| HostFile {
        path: format!("storage/caddy/etc/{name}"),
        mode: "0640",
        owner: USER_ID,
        bytes,
    };
    let mut files = vec![file("Caddyfile", caddyfile(env)?)];
    let https = https(&env.config)?;
    // With a file that holds no certificate Caddy would not start.
    super::trust(&env.config)?;
    if let (Some(_), Some(root)) = (&https.ca_root, https.root()?) {
        files.push(file("ca_root.pem", root.into_bytes()));
    }
    Ok(Service {
        container: Some(container(env)),
        folders: FOLDERS.iter().map(|(path, inside)| folder(path, inside)).collect(),
        files,
        ..Service::default()
    })
}

fn folder(path: &'static str, inside: &str) -> Folder {
    if inside == SETTINGS { Folder::of_files(path) } else { Folder { path, owner: USER_ID, mode: "0750" } }
}

fn container(env: &Environment) -> Container {
    let mount = |&(host, container): &(&'static str, &'static str)| Mount {
        host,
        container,
        read_only: container == SETTINGS,
    };
    Container {
        name: NAME,
        image: env.config.images.caddy.to_string(),
        user: Some(format!("{USER_ID}:{USER_ID}")),
        networks: super::proxy_networks(&env.config),
        ports: PORTS.to_vec(),
        mounts: FOLDERS.iter().map(mount).collect(),
        health: ["wget", "-q", "-O", "/dev/null", &format!("http://127.0.0.1:{HEALTH_PORT}/")]
            .map(Into::into)
            .into(),
        memory: "256m",
        open_files: Some(super::MANY_OPEN_FILES),
        // The image's program carries it as a file capability: where it is out of reach the program may not even start.
        capabilities: vec!["NET_BIND_SERVICE"],
        read_only: true,
        ..Container::default()
    }
}

fn caddyfile(env: &Environment) -> Result<Vec<u8>> {
    let https = https(&env.config)?;
    let authority = https.ca.clone().unwrap_or_default();
    let values = json!({
        "email": quoted(&https.admin_email),
        "directory": directory(https).as_deref().map(quoted),
        "root": https.ca_root.as_ref().map(|_| quoted("/etc/caddy/ca_root.pem")),
        "public": authority == Authority::LetsEncrypt && !https.use_staging,
        "sites": super::sites(&env.config),
        "health_port": HEALTH_PORT,
    });
    Templates::of(env)?.render("caddy/Caddyfile.j2", &values)
}

/// One word of a Caddyfile, which knows no escape but the one for its quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}

/// The ACME directory that is asked for certificates; none is where Caddy signs by itself.
fn directory(https: &Https) -> Option<String> {
    match https.ca.clone().unwrap_or_default() {
        Authority::LetsEncrypt if https.use_staging => Some(STAGING.into()),
        Authority::LetsEncrypt => Some(LETSENCRYPT.into()),
        Authority::Internal => None,
        Authority::Directory(url) => Some(url),
    }
}

/// Each domain's certificate, and what the authority said where there is none. See the script for what it tells.
fn host_checks(config: &Config) -> Vec<HostCheck> {
    let directory = config.https.as_ref().and_then(directory).unwrap_or_default();
    let script = sh_quote(include_str!("caddy/certificate.py"));
    let check = |site: Site| HostCheck {
        name: format!("{}: certificate on the host", site.domain),
        command: format!(
            "python3 -c {script} {} {} \"${{run_began:-}}\"",
            sh_quote(&site.domain),
            sh_quote(&directory)
        ),
        awaited: true,
        quick: false,
    };
    super::sites(config).into_iter().map(check).collect()
}

fn checks(config: &Config, host: &Host, _: &Relay) -> Result<Vec<Check>> {
    let trust = super::trust(config)?;
    let mut checks = vec![];
    for site in super::sites(config) {
        checks.extend([
            certificate(&site, host, trust.clone()),
            redirect(&site, host),
            dns::check(&site.domain, host),
        ]);
        // Where the port is the proxy's own there is nothing to ask.
        if !PORTS.iter().any(|own| own.number == site.port && own.protocol == Protocol::Tcp) {
            checks.push(plain_port(&site, host));
        }
    }
    Ok(checks)
}

fn certificate(site: &Site, host: &Host, trust: Trust) -> Check {
    let (domain, host) = (site.domain.clone(), host.address.clone());
    let ask = move |deadline| -> Answer {
        let shown = address(&host, 443).and_then(|at| tls::certificate(at, &domain, &trust, deadline));
        match shown {
            Ok(shown) if matches!(trust, Trust::Anyone) => {
                Answer::Warning { seen: format!("by {}, for trying out: no client trusts it", shown.issuer) }
            }
            Ok(shown) => judge(&shown, Timestamp::now()),
            Err(fault) => Answer::Failed(fault),
        }
    };
    Check::answering(format!("{}: certificate", site.domain), ask)
}

/// Caddy renews when a third of the time is left: with less than a quarter something keeps it from doing so.
fn judge(shown: &Shown, now: Timestamp) -> Answer {
    let left = shown.until.duration_since(now);
    let hours = left.as_hours();
    let time = if hours >= 48 { format!("{} days", hours / 24) } else { format!("{hours} hours") };
    let seen = format!("for {}, by {}, {time} left", shown.names.join(", "), shown.issuer);
    if left < shown.until.duration_since(shown.from) / 4 {
        return Answer::Warning { seen: format!("{seen}: it should have been renewed") };
    }
    Answer::Passed { seen }
}

fn redirect(site: &Site, host: &Host) -> Check {
    let url = Url::of_site("http", &site.domain, &host.address, Trust::System).join("/");
    let wanted = format!("https://{}/", site.domain);
    Check::new(format!("{}: http leads to https", site.domain), move |deadline| {
        let answer = http::get(&url, &Login::Nobody, deadline)?;
        match answer.location.as_deref() {
            Some(place) if place == wanted => Ok(format!("HTTP {} to {place}", answer.status)),
            place => {
                let seen = format!("{}, which leads to {}", answer.brief(), place.unwrap_or("nowhere"));
                Err(Fault::new(format!("a redirect to {wanted}"), seen))
            }
        }
    })
}

/// HTTP/3 is the one published port that nothing else asks.
fn http3(host: &Host) -> Check {
    let host = host.address.clone();
    Check::new("TLS proxy: HTTP/3 over UDP 443", move |deadline| {
        let versions = quic::versions(address(&host, 443)?, deadline)?;
        let shown: Vec<_> = versions.iter().map(|version| format!("{version:#x}")).collect();
        Ok(format!("QUIC versions {}", shown.join(", ")))
    })
}

/// What is behind the proxy is to be had through it alone, at each of the host's addresses.
fn plain_port(site: &Site, host: &Host) -> Check {
    let (port, host) = (site.port, host.clone());
    let name = format!("{}: port {port} is closed to the outside", site.domain);
    Check::answering(name, move |_| {
        let found = host.addresses().map(|name| probe::addresses(name, port));
        match found.collect::<Result<Vec<_>, _>>() {
            Ok(found) => closed(&found.concat()),
            Err(fault) => Answer::Failed(fault),
        }
    })
    .by_waiting()
}

/// Only a refusal, or silence where there is a way, shows that nobody listens.
fn closed(addresses: &[SocketAddr]) -> Answer {
    const PATIENCE: Duration = Duration::from_secs(1);
    let (mut shut, mut unasked) = (vec![], vec![]);
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(_) => {
                let expected = format!("no connection to {address}, as the proxy stands in front");
                return Answer::Failed(Fault::new(expected, "it was accepted"));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                shut.push(format!("{address} refuses"));
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                shut.push(format!("{address} does not answer within 1 s"));
            }
            Err(error) => unasked.push(format!("{address} could not be asked: {error}")),
        }
    }
    if shut.is_empty() {
        return Answer::Skipped { reason: unasked.join(", ") };
    }
    shut.append(&mut unasked);
    Answer::Passed { seen: shut.join(", ") }
}

fn address(host: &str, port: u16) -> Result<SocketAddr, Fault> {
    let first = probe::addresses(host, port)?.into_iter().next();
    first.ok_or_else(|| Fault::new(format!("an address of {host}"), "none"))
}

#[cfg(test)]
mod tests;
