//! Grafana: dashboards over what Prometheus collects.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Container, Endpoint, Folder, HostFile, Kind, Mount, Port, Protocol, Reach, Service, prometheus};
use crate::checks::Check;
use crate::config::{self, Config, Grafana};
use crate::error::{Code, Error, Result};
use crate::probe::http::{self, Answer, Login, Relay, Url};
use crate::probe::{self, Deadline, Fault};
use crate::render::Templates;
use crate::store::{Environment, Host};

/// Grafana, where the configuration has its section.
pub const KIND: Kind = Kind {
    name: "grafana",
    image: Some(|env| env.config.images.grafana.to_string()),
    wanted: |config| config.grafana.is_some(),
    service,
    ports,
    endpoints,
    checks,
    host_checks: |_| vec![],
    full_checks: |_, _, _, _| Ok(vec![]),
    full_host_checks: |_| vec![],
};

const PORT: u16 = 3000;
/// The user that the image runs as.
const USER_ID: u32 = 472;
const DATA: &str = "storage/grafana/data";
const ETC: &str = "storage/grafana/etc";
const ETC_INSIDE: &str = "/etc/torrust/grafana";
const PROVISIONING: &str = "storage/grafana/provisioning";
/// Folders of files that the container reads; named each, so that their permissions are ours.
const PROVISIONING_FOLDERS: [&str; 4] = [
    PROVISIONING,
    "storage/grafana/provisioning/datasources",
    "storage/grafana/provisioning/dashboards",
    "storage/grafana/provisioning/dashboards/torrust",
];
/// The dashboard of the host's own figures.
const HOST_DASHBOARD: &str = "/host.json";
/// Nobody gets in without the administrator's leave, and nothing is fetched from, or told to, anybody else.
const SETTINGS: [(&str, &str); 14] = [
    // Grafana replaces `${...}` in a value, but not in the file that a value names.
    ("GF_SECURITY_ADMIN_PASSWORD", "$__file{/etc/torrust/grafana/admin_password}"),
    ("GF_SECURITY_SECRET_KEY", "$__file{/var/lib/grafana/secret_key}"),
    ("GF_USERS_ALLOW_SIGN_UP", "false"),
    ("GF_AUTH_ANONYMOUS_ENABLED", "false"),
    ("GF_ANALYTICS_REPORTING_ENABLED", "false"),
    ("GF_ANALYTICS_CHECK_FOR_UPDATES", "false"),
    ("GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "false"),
    ("GF_NEWS_NEWS_FEED_ENABLED", "false"),
    ("GF_PLUGINS_PLUGIN_ADMIN_ENABLED", "false"),
    ("GF_PLUGINS_PREINSTALL_DISABLED", "true"),
    ("GF_PLUGINS_PREINSTALL_AUTO_UPDATE", "false"),
    ("GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED", "true"),
    ("GF_SECURITY_DISABLE_GRAVATAR", "true"),
    ("GF_SNAPSHOTS_EXTERNAL_ENABLED", "false"),
];

fn service(env: &Environment) -> Result<Service> {
    let mut folders = vec![Folder { path: DATA, mode: "0750", owner: USER_ID }, Folder::of_files(ETC)];
    folders.extend(PROVISIONING_FOLDERS.map(Folder::of_files));
    let Some(grafana) = &env.config.grafana else { return Ok(Service::default()) };
    let mut files = rendered(env)?;
    files.push(file("etc/admin_password", "0600", password(grafana)?.into_bytes()));
    Ok(Service {
        container: Some(container(env)),
        folders,
        files,
        env: variables(grafana),
        ..Service::default()
    })
}

fn container(env: &Environment) -> Container {
    let mut networks = vec!["visualization"];
    networks.extend(proxied(&env.config).then_some("proxy-grafana"));
    // Of curl and wget each is missing in one variant of the image or another; bash starts Grafana in all of them.
    let health = "exec 3<>/dev/tcp/127.0.0.1/3000 && printf 'GET /api/health HTTP/1.0\\r\\n\\r\\n' >&3 && \
                  grep -q '\"database\": *\"ok\"' <&3";
    Container {
        name: KIND.name,
        image: env.config.images.grafana.to_string(),
        user: Some(format!("{USER_ID}:{USER_ID}")),
        entrypoint: vec!["sh", "/etc/torrust/grafana/start.sh"],
        networks,
        ports: ports(&env.config),
        mounts: vec![
            Mount { host: ETC, container: ETC_INSIDE, read_only: true },
            Mount { host: PROVISIONING, container: "/etc/grafana/provisioning", read_only: true },
            Mount { host: DATA, container: "/var/lib/grafana", read_only: false },
        ],
        health: ["bash", "-c", health].map(Into::into).to_vec(),
        memory: "512m",
        read_only: true,
        ..Container::default()
    }
}

fn variables(grafana: &Grafana) -> Vec<(String, String)> {
    let mut all = vec![("GF_SECURITY_ADMIN_USER".to_owned(), grafana.admin_user.clone())];
    all.extend(SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    if let Some(domain) = &grafana.domain {
        let tls = is_proxied(grafana);
        let root = if tls { format!("https://{domain}/") } else { probe::url("http", domain, PORT, "/") };
        all.push(("GF_SERVER_ROOT_URL".to_owned(), root));
        all.push(("GF_SECURITY_COOKIE_SECURE".to_owned(), tls.to_string()));
    }
    all
}

/// The administrator's password, where Grafana takes it as it is.
fn password(grafana: &Grafana) -> Result<String> {
    let password = grafana.admin_password.resolve()?;
    let password = password.expose();
    if config::fits_grafana(password) {
        return Ok(password.to_owned());
    }
    Err(Error::new(Code::ConfigInvalid, "Grafana does not take the administrator's password")
        .why("it has to have four characters at least, without a space at either end")
        .help("choose another grafana.admin_password"))
}

fn file(name: &str, mode: &'static str, bytes: Vec<u8>) -> HostFile {
    HostFile { path: format!("storage/grafana/{name}"), mode, owner: USER_ID, bytes }
}

/// How it starts, and what is provisioned.
fn rendered(env: &Environment) -> Result<Vec<HostFile>> {
    let values = json!({
        "prometheus": format!("{}:{}", prometheus::KIND.name, prometheus::PORT),
        "interval": env.config.prometheus.as_ref().map(|prometheus| prometheus.scrape_interval_in_secs),
    });
    let rendered = Templates::of(env)?.folder("grafana", &values)?;
    let wanted =
        rendered.into_iter().filter(|file| env.choices.monitoring || !file.path.ends_with(HOST_DASHBOARD));
    let placed = |made: crate::render::File| match made.path.as_str() {
        "start.sh" => file("etc/start.sh", "0640", made.bytes),
        path => file(path, "0640", made.bytes),
    };
    Ok(wanted.map(placed).collect())
}

fn proxied(config: &Config) -> bool {
    config.grafana.as_ref().is_some_and(is_proxied)
}

fn is_proxied(grafana: &Grafana) -> bool {
    grafana.use_tls_proxy == Some(true)
}

/// What is behind the TLS proxy is reached only through it.
fn ports(config: &Config) -> Vec<Port> {
    if proxied(config) {
        return vec![];
    }
    vec![Port { number: PORT, protocol: Protocol::Tcp, reach: Reach::Everywhere }]
}

fn endpoints(config: &Config) -> Vec<Endpoint> {
    let endpoint = |grafana: &Grafana| Endpoint {
        kind: "Grafana",
        scheme: "http",
        reach: Reach::Everywhere,
        domain: grafana.domain.clone(),
        port: PORT,
        path: "/",
        behind_proxy: is_proxied(grafana).then_some(KIND.name),
    };
    config.grafana.iter().map(endpoint).collect()
}

/// What an operator sees: the server is well, the administrator gets in and nobody else, and figures are found.
fn checks(config: &Config, host: &Host, relay: &Relay) -> Result<Vec<Check>> {
    let (Some(grafana), [endpoint]) = (&config.grafana, &endpoints(config)[..]) else { return Ok(vec![]) };
    let base = endpoint.asked_at(config, host, relay)?;
    let called = endpoint.called();
    let password = grafana.admin_password.resolve()?;
    let admin = Login::Right(login(&grafana.admin_user, password.expose()));
    Ok(vec![
        healthy(&called, base.join("/api/health")),
        opens(&called, base.join("/api/search?type=dash-db"), admin.clone()),
        refuses(&called, base.join("/api/search")),
        finds_figures(&called, base.join("/api/datasources/uid/prometheus/health"), admin),
    ])
}

fn login(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn healthy(called: &str, url: Url) -> Check {
    Check::new(format!("{called}: health"), move |deadline| {
        let answer = http::get(&url, &Login::Nobody, deadline)?;
        match answer.json() {
            Some(body) if answer.status == 200 && body["database"] == "ok" => {
                Ok(format!("version {}, its database is ok", body["version"].as_str().unwrap_or("unknown")))
            }
            _ => Err(Fault::new(format!("HTTP 200 with \"database\": \"ok\" from {url}"), answer.brief())),
        }
    })
}

/// Grafana provisions data source and dashboards when its server answers already: it is asked until the answer is well. A
/// wrong login is not asked again: Grafana would lock the administrator out.
fn settled(
    url: &Url,
    admin: &Login,
    deadline: Deadline,
    is_well: impl Fn(&Answer) -> bool,
) -> Result<Answer, Fault> {
    const PAUSE: Duration = Duration::from_millis(500);
    loop {
        let answer = http::get(url, admin, deadline)?;
        // One more answer must have its time, too.
        let more = deadline.left().is_some_and(|left| left > PAUSE * 4);
        if answer.status == 401 || is_well(&answer) || !more {
            return Ok(answer);
        }
        std::thread::sleep(PAUSE);
    }
}

fn titles(answer: &Answer) -> Vec<String> {
    let boards = answer.json().filter(|_| answer.status == 200);
    let boards = boards.iter().filter_map(Value::as_array).flatten();
    boards.filter_map(|board| board["title"].as_str().map(str::to_owned)).collect()
}

fn opens(called: &str, url: Url, admin: Login) -> Check {
    let over_ssh = url.takes_secrets_over_ssh();
    let ask = move |deadline| {
        let answer = settled(&url, &admin, deadline, |answer| !titles(answer).is_empty())?;
        if answer.status == 401 {
            let expected = "the configured administrator to be let in; a changed password takes effect when Grafana starts, \
                            a changed name never does: rename the user in Grafana, or take the old name back";
            return Err(Fault::new(expected, answer.brief()));
        }
        let titles = titles(&answer);
        if titles.is_empty() {
            return Err(Fault::new(format!("HTTP 200 with dashboards from {url}"), answer.brief()));
        }
        let how = if over_ssh { ", asked over SSH" } else { "" };
        Ok(format!("let in, sees {}{how}", titles.join(", ")))
    };
    Check::new(format!("{called}: the administrator's login, dashboards"), ask).over_ssh(over_ssh)
}

/// Asked with a name that nobody has: Grafana locks a user out for minutes after some wrong passwords.
fn refuses(called: &str, url: Url) -> Check {
    let wrong = Login::Wrong(login("nobody-of-this-name", "not-the-password"));
    Check::new(format!("{called}: refused without a login and with a wrong one"), move |deadline| {
        let none = http::get(&url, &Login::Nobody, deadline)?;
        let wrong = http::get(&url, &wrong, deadline)?;
        let seen = format!("{}; {}", none.brief(), wrong.brief());
        if (none.status, wrong.status) == (401, 401) {
            return Ok(seen);
        }
        Err(Fault::new(format!("HTTP 401 from {url}, twice"), seen))
    })
}

fn finds_figures(called: &str, url: Url, admin: Login) -> Check {
    let over_ssh = url.takes_secrets_over_ssh();
    let ask = move |deadline| {
        let is_ok = |answer: &Answer| {
            answer.status == 200 && answer.json().is_some_and(|body| body["status"] == "OK")
        };
        let answer = settled(&url, &admin, deadline, is_ok)?;
        match answer.json() {
            Some(body) if is_ok(&answer) => Ok(body["message"].as_str().unwrap_or("OK").to_owned()),
            _ => Err(Fault::new(format!("HTTP 200 with \"status\": \"OK\" from {url}"), answer.brief())),
        }
    };
    Check::new(format!("{called}: reaches Prometheus"), ask).over_ssh(over_ssh)
}

#[cfg(test)]
mod tests;
