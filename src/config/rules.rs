//! The rules that look at more than one value.
//!
//! They read the document and not the types, so that a broken field elsewhere hides none of their findings; what is
//! missing or of a wrong type counts as absent here, since the check of the shape has reported it.

pub mod absent;
pub mod database;
pub mod tracker;
pub mod wire;

use std::net::SocketAddr;

use super::problems::Report;
use crate::services::tracker::schema::Schema;

/// The one service that the host publishes on its own loopback.
const API: &str = "tracker.http_api";

/// Every rule; each notes what it finds.
pub const RULES: &[fn(&mut Report)] = &[
    has_a_tracker,
    tls_proxy_has_what_it_needs,
    ports_are_unique,
    domains_are_unique,
    grafana_has_prometheus,
    tracker_has_prometheus_output,
    authority_fits,
    https_is_used,
    domains_can_be_certified,
    lxd_profile_is_its_own,
    lxd_keys_are_free,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
}

/// The address and port in this field.
fn address(report: &Report, field: &str) -> Option<SocketAddr> {
    report.document.string(field)?.parse().ok()
}

/// A service that users reach: what the rules need to know of it.
struct Service {
    path: String,
    /// Where it listens in the tracker's container; Grafana has its own.
    address: Option<SocketAddr>,
    domain: Option<String>,
    tls: bool,
    protocol: Protocol,
}

impl Service {
    fn read(report: &Report, path: String, protocol: Protocol) -> Self {
        let document = report.document;
        let text = |field: &str| document.string(&format!("{path}.{field}"));
        Self {
            address: address(report, &format!("{path}.bind_address")),
            domain: text("domain").map(str::to_ascii_lowercase),
            tls: protocol == Protocol::Tcp && document.is_true(&format!("{path}.use_tls_proxy")),
            protocol,
            path,
        }
    }

    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    fn on_loopback(&self) -> bool {
        self.address.is_some_and(|address| address.ip().is_loopback())
    }
}

fn services(report: &Report) -> Vec<Service> {
    let document = report.document;
    let listed = |list: &'static str, protocol| {
        let paths = (0..document.count(list)).map(move |index| format!("{list}[{index}]"));
        paths.map(move |path| Service::read(report, path, protocol))
    };
    let single = |path: &str| Service::read(report, path.to_owned(), Protocol::Tcp);
    let mut health = single("tracker.health_check_api");
    if !document.has("tracker.health_check_api.bind_address") {
        health.address = Some(super::HealthCheckApi::default().bind_address);
    }
    let mut all: Vec<Service> = listed("tracker.udp_trackers", Protocol::Udp).collect();
    all.extend(listed("tracker.http_trackers", Protocol::Tcp));
    all.extend([single(API), health]);
    if document.has("grafana") {
        all.push(single("grafana"));
    }
    all
}

fn proxied(report: &Report) -> Vec<Service> {
    services(report).into_iter().filter(|service| service.tls).collect()
}

fn has_a_tracker(report: &mut Report) {
    let lists = ["tracker.udp_trackers", "tracker.http_trackers"];
    if lists.iter().all(|list| report.document.has(list) && report.document.count(list) == 0) {
        report.error(
            lists[0],
            "there is no tracker, neither UDP nor HTTP",
            "add one: \"udp_trackers\": [{ \"bind_address\": \"0.0.0.0:6969\" }]",
        );
    } else if report.document.is_true("tracker.core.private")
        && report.document.has(lists[1])
        && report.document.count(lists[1]) == 0
    {
        report.error(
            lists[1],
            "nothing would run: a private tracker starts no UDP tracker, and there is no HTTP tracker",
            "add one: \"http_trackers\": [{ \"bind_address\": \"0.0.0.0:7070\" }]; or set tracker.core.private to false",
        );
    }
}

fn tls_proxy_has_what_it_needs(report: &mut Report) {
    let services = proxied(report);
    for service in &services {
        let flag = service.field("use_tls_proxy");
        if !report.document.has(&service.field("domain")) {
            report.error(
                &flag,
                "the TLS proxy needs a `domain` to serve this under",
                "add \"domain\": \"NAME.example.com\" beside it, a name that points to the host",
            );
        }
        if service.on_loopback() {
            let port = service.address.map_or(0, |address| address.port());
            report.error(
                &flag,
                "the TLS proxy runs in another container and cannot reach a loopback address",
                format!(
                    "set {} to \"0.0.0.0:{port}\"; the port is not published",
                    service.field("bind_address")
                ),
            );
        }
    }
    if let (Some(first), false) = (services.first(), report.document.has("https")) {
        report.error(
            &first.field("use_tls_proxy"),
            "`use_tls_proxy` needs the section `https`",
            "add \"https\": { \"admin_email\": \"admin@example.com\" } at the outermost level, with your address",
        );
    }
}

/// A port that something takes, in the tracker's container, on the host or in both.
struct Claim {
    path: String,
    owner: String,
    port: u16,
    protocol: Protocol,
    in_tracker: bool,
    on_host: bool,
}

impl Claim {
    fn of_stack(path: &str, owner: &str, port: u16, protocol: Protocol) -> Self {
        Self { path: path.into(), owner: owner.into(), port, protocol, in_tracker: false, on_host: true }
    }

    fn collides_with(&self, other: &Self) -> bool {
        let together = (self.in_tracker && other.in_tracker) || (self.on_host && other.on_host);
        together && self.port == other.port && self.protocol == other.protocol
    }
}

/// The ports of the host that are taken by something else than the tracker.
fn claims_of_the_stack(report: &Report) -> Vec<Claim> {
    let document = report.document;
    let ssh_port =
        document.find("ssh_credentials.port").and_then(|port| port.as_number_lit()?.value.parse().ok());
    let mut claims =
        vec![Claim::of_stack("ssh_credentials.port", "SSH", ssh_port.unwrap_or(22), Protocol::Tcp)];
    if ssh_port.is_some_and(|port| port != 22) {
        // A port mapping may stand in front: then sshd itself still has 22.
        claims.push(Claim::of_stack("ssh_credentials", "SSH on the host itself", 22, Protocol::Tcp));
    }
    if document.has("https") && !proxied(report).is_empty() {
        claims.push(Claim::of_stack("https", "the TLS proxy", 80, Protocol::Tcp));
        claims.push(Claim::of_stack("https", "the TLS proxy", 443, Protocol::Tcp));
        claims.push(Claim::of_stack("https", "the TLS proxy's HTTP/3", 443, Protocol::Udp));
    }
    if document.has("grafana") && !document.is_true("grafana.use_tls_proxy") {
        claims.push(Claim::of_stack("grafana", "Grafana", 3000, Protocol::Tcp));
    }
    if document.has("prometheus") {
        claims.push(Claim::of_stack("prometheus", "Prometheus", 9090, Protocol::Tcp));
    }
    claims
}

fn ports_are_unique(report: &mut Report) {
    let mut taken = claims_of_the_stack(report);
    for service in services(report) {
        let Some(address) = service.address else { continue };
        let claim = Claim {
            path: service.field("bind_address"),
            owner: service.path.clone(),
            port: address.port(),
            protocol: service.protocol,
            in_tracker: true,
            on_host: !service.tls && (!service.on_loopback() || service.path == API),
        };
        if let Some(other) = taken.iter().find(|other| other.collides_with(&claim)) {
            let protocol = if claim.protocol == Protocol::Tcp { "TCP" } else { "UDP" };
            let taken_by = |owner| format!("{protocol} port {} is taken by {owner}", claim.port);
            if report.document.has(&claim.path) {
                report.error(&claim.path, taken_by(&other.owner), "choose a port that nothing else uses");
            } else {
                // The default has no line of its own: the user's is the one to show.
                let what = taken_by(&format!("the default of {}, {address}", claim.path));
                let fix = format!("choose a port that nothing else uses, or give {} another one", claim.path);
                report.error(&other.path, what, fix);
            }
        }
        taken.push(claim);
    }
}

fn domains_are_unique(report: &mut Report) {
    let services = services(report);
    for (index, service) in services.iter().enumerate() {
        let Some(domain) = &service.domain else { continue };
        if let Some(first) = services[..index].iter().find(|earlier| earlier.domain.as_ref() == Some(domain))
        {
            report.error(
                &service.field("domain"),
                format!("{} has the domain `{domain}` already", first.path),
                "give each service a name of its own; several names may point to one host",
            );
        }
    }
}

fn grafana_has_prometheus(report: &mut Report) {
    if report.document.has("grafana") && !report.document.has("prometheus") {
        report.error(
            "grafana",
            "Grafana draws what Prometheus collects, and there is no `prometheus`",
            "add \"prometheus\": {} at the outermost level, or remove `grafana`",
        );
    }
}

/// Of which release 3.0.0 has none. Other images of its schema may have it.
fn tracker_has_prometheus_output(report: &mut Report) {
    let field = "images.tracker";
    let document = report.document;
    let is_old = document.string(field).is_some_and(|image| Schema::of_reference(image) == Schema::V2);
    if document.has("prometheus") && is_old && document.string("tracker.schema") != Some("3.0.0") {
        report.warning(
            field,
            "this release of the tracker has no Prometheus output: Prometheus and Grafana get no figures from it",
            "use a newer image, or remove `prometheus`",
        );
    }
}

fn authority_fits(report: &mut Report) {
    let document = report.document;
    let authority = document.string("https.ca").unwrap_or("letsencrypt").to_owned();
    if document.has("https.ca_root") && !authority.starts_with("https://") {
        report.error(
            "https.ca_root",
            format!("a root certificate belongs to an ACME directory, and `ca` is \"{authority}\""),
            "set `ca` to the https:// address of the directory, or remove `ca_root`",
        );
    }
    if document.is_true("https.use_staging") && authority != "letsencrypt" {
        report.error(
            "https.use_staging",
            format!("only Let's Encrypt has a staging service, and `ca` is \"{authority}\""),
            "remove one of the two",
        );
    }
}

fn https_is_used(report: &mut Report) {
    if report.document.has("https") && proxied(report).is_empty() {
        report.warning(
            "https",
            "no service is behind the TLS proxy, so this section has no effect",
            "add \"use_tls_proxy\": true and a `domain` to each service that is to have TLS",
        );
    }
}

/// Names that no public authority certifies: reserved ones, and those without a dot.
fn domains_can_be_certified(report: &mut Report) {
    const RESERVED: &[&str] = &[
        "local",
        "lan",
        "internal",
        "home",
        "test",
        "localhost",
        "invalid",
        "example",
        "example.com",
        "example.net",
        "example.org",
    ];
    if report.document.string("https.ca").is_some_and(|authority| authority != "letsencrypt") {
        return;
    }
    let reserved = |domain: &str| {
        !domain.contains('.')
            || RESERVED.iter().any(|name| {
                domain.strip_suffix(name).is_some_and(|head| head.is_empty() || head.ends_with('.'))
            })
    };
    for service in proxied(report) {
        if let Some(domain) = service.domain.as_deref().filter(|domain| reserved(domain)) {
            report.warning(
                &service.field("domain"),
                format!("Let's Encrypt gives no certificate for `{domain}`: it is no public name"),
                "use a name of your own in public DNS, or \"ca\": \"internal\" in `https` for a try-out",
            );
        }
    }
}

/// LXD's own profile is changed and never removed: making a host would change all others, removing it would empty the
/// profile.
fn lxd_profile_is_its_own(report: &mut Report) {
    let path = "provider.profile_name";
    let Some(name) = report.document.string(path).map(str::to_owned) else { return };
    if name == "default" {
        report.error(
            path,
            "the profile `default` is LXD's own, and other instances use it",
            "choose a name that no profile has yet, such as torrust-tracker",
        );
    } else if name.contains('/') || name.starts_with('.') {
        report.error(
            path,
            format!("LXD takes no profile of the name `{name}`"),
            "choose a name without `/` and leading dot",
        );
    }
}

/// Keys that the deployer sets itself: another value would be lost, or lock it out.
fn lxd_keys_are_free(report: &mut Report) {
    const TAKEN: [(&str, &str); 5] = [
        ("cloud-init.user-data", "it makes the SSH user; change the template: create NAME --template DIR"),
        ("cloud-init.vendor-data", "change the template of the user data: create NAME --template DIR"),
        ("user.user-data", "it makes the SSH user; change the template: create NAME --template DIR"),
        ("limits.cpu", "set `cpus` in `provider`"),
        ("limits.memory", "set `memory` in `provider`"),
    ];
    let path = "provider.config";
    for (key, fix) in TAKEN {
        if report.document.has_key(path, key) {
            report.error(path, format!("the deployer sets the key `{key}` itself"), fix);
        }
    }
}
