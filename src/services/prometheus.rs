//! Prometheus: reads the tracker's figures, and the host's where its agent is installed. Nobody reaches it from outside.

use serde_json::json;

use super::tracker::schema::Schema;
use super::{Container, Folder, HostCheck, HostFile, Kind, Mount, Port, Protocol, Reach, Service, tracker};
use crate::config::{self, Config};
use crate::error::{Code, Error, Result};
use crate::render::Templates;
use crate::store::Environment;
use crate::tools::ssh::sh_quote;

/// Prometheus, where the configuration has its section.
pub const KIND: Kind = Kind {
    name: "prometheus",
    image: Some(|env| env.config.images.prometheus.to_string()),
    wanted: |config| config.prometheus.is_some(),
    service,
    ports: |_| vec![Port { number: PORT, protocol: Protocol::Tcp, reach: Reach::Loopback }],
    endpoints: |_| vec![],
    checks: |_, _, _| Ok(vec![]),
    host_checks: |config| vec![targets(config)],
    full_checks: |_, _, _, _| Ok(vec![]),
    full_host_checks: |_| vec![],
};

/// Where it listens.
pub const PORT: u16 = 9090;
/// The image's user `nobody`.
const USER_ID: u32 = 65534;
const ETC: &str = "storage/prometheus/etc";
const DATA: &str = "storage/prometheus/data";
/// What comes first ends the life of old figures: a small disk must not be filled by them.
const RETENTION: [&str; 2] = ["--storage.tsdb.retention.time=90d", "--storage.tsdb.retention.size=4GB"];
/// The longest that a check waits for the first figures.
const PATIENCE: u32 = 15;

fn service(env: &Environment) -> Result<Service> {
    let file =
        |name: &str, mode, bytes| HostFile { path: format!("{ETC}/{name}"), mode, owner: USER_ID, bytes };
    let rendered = Templates::of(env)?.folder("prometheus", &values(env))?;
    let mut files: Vec<_> = rendered.into_iter().map(|made| file(&made.path, "0640", made.bytes)).collect();
    files.push(file("token", "0600", token(&env.config)?.into_bytes()));
    Ok(Service {
        container: Some(container(env)),
        folders: vec![Folder::of_files(ETC), Folder { path: DATA, mode: "0750", owner: USER_ID }],
        files,
        ..Service::default()
    })
}

fn container(env: &Environment) -> Container {
    let base = ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"];
    let mut networks = vec!["metrics"];
    networks.extend(env.config.grafana.as_ref().map(|_| "visualization"));
    Container {
        name: KIND.name,
        image: env.config.images.prometheus.to_string(),
        user: Some(format!("{USER_ID}:{USER_ID}")),
        command: base.into_iter().chain(RETENTION).map(Into::into).collect(),
        networks,
        ports: (KIND.ports)(&env.config),
        mounts: vec![
            Mount { host: ETC, container: "/etc/prometheus", read_only: true },
            Mount { host: DATA, container: "/prometheus", read_only: false },
        ],
        // All variants of the image have promtool, not all have a shell.
        health: ["promtool", "check", "ready", "--url=http://127.0.0.1:9090"].map(Into::into).to_vec(),
        memory: "512m",
        stop_grace: Some("30s"),
        read_only: true,
        sees_host: env.choices.monitoring,
        ..Container::default()
    }
}

fn interval(config: &Config) -> u32 {
    config.prometheus.as_ref().map_or(0, |prometheus| prometheus.scrape_interval_in_secs)
}

fn values(env: &Environment) -> serde_json::Value {
    let interval = interval(&env.config);
    json!({
        "interval": interval,
        // A rate over fewer than four samples jumps, or is none at all.
        "window": interval.saturating_mul(4).max(300),
        "tracker": format!("{}:{}", tracker::KIND.name, env.config.tracker.http_api.as_ref().map_or(0, |api| api.bind_address.port())),
        "host_metrics": env.choices.monitoring,
    })
}

/// The API's token, which travels in a header: Prometheus shows query parameters to whoever reaches it.
fn token(config: &Config) -> Result<String> {
    let api = config.tracker.http_api.as_ref().ok_or_else(|| {
        Error::new(
            Code::ConfigInvalid,
            "Prometheus reads the tracker's figures from its API, and there is none",
        )
        .help("give tracker.http_api, or remove `prometheus`")
    })?;
    let token = api.admin_token.resolve()?;
    let token = token.expose();
    if config::fits_header(token) {
        return Ok(token.to_owned());
    }
    Err(Error::new(Code::ConfigInvalid, "Prometheus cannot send the tracker's admin token")
        .why("it goes in an HTTP header, which takes ASCII characters, without a space at either end")
        .help("choose another tracker.http_api.admin_token, or remove `prometheus`"))
}

/// What an operator has to know when Prometheus is deployed with an image that has no figures for it.
#[must_use]
pub fn warning(env: &Environment) -> Option<String> {
    env.config.prometheus.as_ref()?;
    let image = env.tracker_reference();
    let lacks = match (Schema::of_reference(&image), env.schema()) {
        (Schema::V2, Schema::V2) => "has no Prometheus output",
        // Some builds of that schema have it.
        (Schema::V3, Schema::V2) => "is of the schema of release 3.0.0, which has no Prometheus output",
        (_, Schema::V3) => return None,
    };
    Some(format!(
        "{image} {lacks}: Prometheus and Grafana may get no figures of the tracker, which `test` reports; use a newer \
         image, or remove `prometheus`"
    ))
}

/// Asked of Prometheus itself on its loopback port, so that it also shows that the port is there.
fn targets(config: &Config) -> HostCheck {
    // A target's first scrape may come a whole interval late, and take a while.
    let interval = interval(config);
    let patience = interval.min(PATIENCE) + 5;
    let script = include_str!("prometheus/targets.py");
    HostCheck {
        name: "Prometheus: targets up".into(),
        command: format!("python3 -c {} {patience} {interval}", sh_quote(script)),
        // The tracker is of use without its figures, and some of its versions never give them.
        awaited: false,
        quick: false,
    }
}

#[cfg(test)]
mod tests;
