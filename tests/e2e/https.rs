//! HTTPS through the real proxy: with its own authority, and with certificates of a real ACME server.

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::desk::{Desk, assert_checks};
use crate::host::Host;
use crate::lab;

const DOMAINS: [&str; 2] = ["tracker.lab.test", "api.lab.test"];

/// The HTTP tracker and the API are behind the proxy, the UDP tracker is not.
fn config(desk: &Desk, https: Value) -> Value {
    let mut config = desk.config();
    config["images"]["caddy"] = lab::CADDY.into();
    config["https"] = https;
    config["https"]["admin_email"] = json!("admin@lab.test");
    let tracker = &mut config["tracker"];
    for (pointer, domain) in ["/http_trackers/0", "/http_api"].into_iter().zip(DOMAINS) {
        let service = tracker.pointer_mut(pointer).unwrap();
        // A domain is the same in capitals.
        service["domain"] = json!(domain.replace("lab", "LAB"));
        service["use_tls_proxy"] = json!(true);
    }
    config
}

/// Changes the environment's configuration.
fn edit(desk: &Desk, change: impl FnOnce(&mut Value)) {
    let mut config = desk.stored()["config"].clone();
    change(&mut config);
    let file = desk.write("environment.json", &config.to_string());
    desk.run(&["update", &desk.name, "-f", &file]).ok();
}

/// Asks the host for a domain's page, with a client that is not the program's own.
fn curl(address: &str, root: &str, domain: &str, path: &str) -> String {
    let at = format!("{domain}:443:{address}");
    let url = format!("https://{domain}{path}");
    let claim = "X-Forwarded-For: 192.0.2.99";
    lab::run(
        "curl",
        &["-sS", "--max-time", "10", "--cacert", root, "--resolve", &at, "--header", claim, &url],
    )
}

/// One more peer announces, and is told of the others.
fn announce(address: &str, root: &str, peer: u8) -> String {
    let torrent = "%3B%24U%04%CF%5F%11%BB%DB%E1%20%1C%EAjk%F4Z%EE%1B%C0";
    let path = format!(
        "/announce?info_hash={torrent}&peer_id=-qB000000000000000{peer:02}&port={peer}&uploaded=0&downloaded=0&left=1&compact=0"
    );
    curl(address, root, DOMAINS[0], &path)
}

#[test]
fn with_its_own_authority_and_the_clients_real_addresses() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.create(&config(&desk, json!({ "ca": "internal" })));
    desk.register(&host);
    desk.deploy();
    let report = desk.test();
    for domain in DOMAINS {
        assert_checks(&report, &format!("{domain}: certificate"), "passed", 2);
        assert_checks(&report, &format!("{domain}: http leads to https"), "passed", 1);
        assert_checks(&report, &format!("{domain}: DNS"), "warning", 1);
    }
    assert_checks(&report, "tracker.lab.test: port 7070 is closed", "passed", 1);
    assert_checks(&report, "HTTP tracker tracker.lab.test: announce", "passed", 1);
    assert_checks(&report, "API api.lab.test", "passed", 3);

    let limit = |service: &str| {
        host.exec(&format!("grep 'open files' /proc/$(docker inspect --format '{{{{.State.Pid}}}}' torrust-deployer-stack-{service}-1)/limits"))
    };
    for service in ["tracker", "caddy"] {
        assert!(limit(service).contains(" 16384 "), "{service}: {}", limit(service));
    }

    // The tracker sees the clients' real addresses, whatever they claim.
    let root = desk.write(
        "root.pem",
        &host.exec("cat /opt/torrust/storage/caddy/data/caddy/pki/authorities/local/root.crt"),
    );
    let v6 = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}";
    let v6 = lab::docker(&["inspect", "--format", v6, &host.name]);
    // The same over HTTP/3.
    let answer = lab::run("lab/http3.sh", &[&host.address, DOMAINS[0], "/health_check", &root]);
    assert!(answer.starts_with("200\n") && answer.contains("Ok"), "{answer}");
    announce(&host.address, &root, 1);
    announce(&format!("[{v6}]"), &root, 2);
    let peers = announce(&host.address, &root, 3);
    for address in [&host.address, &v6] {
        let own = TcpStream::connect((address.as_str(), 22)).unwrap().local_addr().unwrap().ip();
        assert!(peers.contains(&format!("{}:{own}", own.to_string().len())), "{own} is not in {peers}");
    }
    assert!(!peers.contains("192.0.2.99"), "{peers}");
}

#[test]
fn one_http_tracker_behind_caddy_and_one_direct_on_one_host() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let mut config = config(&desk, json!({ "ca": "internal" }));
    config["images"]["tracker"] = lab::TRACKER_3.into();
    let direct = json!({ "bind_address": "0.0.0.0:7071" });
    config["tracker"]["http_trackers"].as_array_mut().unwrap().push(direct);
    desk.create(&config);
    desk.register(&host);
    desk.deploy();
    let report = desk.test();
    assert_checks(&report, "HTTP tracker tracker.lab.test: announce", "passed", 1);
    assert_checks(&report, "HTTP tracker 7071: announce", "passed", 1);

    let root = desk.write(
        "root.pem",
        &host.exec("cat /opt/torrust/storage/caddy/data/caddy/pki/authorities/local/root.crt"),
    );
    announce(&host.address, &root, 1);
    let answer = direct_announce(&host.address, 2);
    assert!(answer.contains("8:intervali"), "{answer}");
    // Both see the client's real address, and neither the one that it claims.
    let peers = announce(&host.address, &root, 3);
    let own = TcpStream::connect((host.address.as_str(), 22)).unwrap().local_addr().unwrap().ip();
    assert!(peers.matches(&own.to_string()).count() >= 2 && !peers.contains("192.0.2.99"), "{peers}");

    // Release 3.0.0 has one setting for all.
    let placed = host.release();
    let refused = desk.run(&["release", &desk.name, "--image-tag", "3.0.0"]).fails("config_invalid");
    refused.says(&["tracker.http_trackers[0].use_tls_proxy", "one setting for all"]);
    assert_eq!(host.release(), placed);
}

/// The same peer's announce to the listener that no proxy is in front of.
fn direct_announce(address: &str, peer: u8) -> String {
    let torrent = "%3B%24U%04%CF%5F%11%BB%DB%E1%20%1C%EAjk%F4Z%EE%1B%C0";
    let url = format!(
        "http://{address}:7071/announce?info_hash={torrent}&peer_id=-qB000000000000000{peer:02}&port={peer}&uploaded=0&downloaded=0&left=1&compact=0"
    );
    lab::run("curl", &["-sS", "--max-time", "10", "--header", "X-Forwarded-For: 192.0.2.99", &url])
}

/// A real ACME server in the host's network, for which every name leads to the host.
struct Acme {
    name: String,
    address: String,
}

impl Acme {
    fn start(host: &Host) -> Self {
        // Made first: a start that fails half way is cleaned up too.
        let mut acme = Self { name: lab::unique_name(), address: String::new() };
        let run = ["run", "--detach", "--label", lab::LABEL, "--name", &acme.name, "--network", &host.name];
        lab::docker(&[&run[..], &["lab/acme", &host.address]].concat());
        let own = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        acme.address = lab::docker(&["inspect", "--format", own, &acme.name]);
        acme
    }

    fn directory(&self) -> String {
        format!("https://{}:14000/dir", self.address)
    }

    /// The certificates that its clients have to trust.
    fn roots(&self) -> String {
        lab::docker(&["exec", &self.name, "sh", "/usr/local/bin/roots.sh"])
    }
}

impl Drop for Acme {
    fn drop(&mut self) {
        lab::remove("container", &self.name);
    }
}

fn serials(host: &Host) -> String {
    let shown = DOMAINS.map(|domain| {
        format!("openssl s_client -connect 127.0.0.1:443 -servername {domain} </dev/null 2>/dev/null | openssl x509 -noout -serial")
    });
    let serials = host.exec(&shown.join("; "));
    assert_eq!(serials.lines().count(), 2, "{serials}");
    serials
}

#[test]
fn with_certificates_of_an_acme_server_that_outlive_releases() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let acme = Acme::start(&host);
    let root = desk.write("root.pem", &acme.roots());
    desk.create(&config(&desk, json!({ "ca": acme.directory(), "ca_root": root })));
    desk.register(&host);

    // It cannot reach the host to see that the domains are ours, and answers only when it has waited in vain.
    let wall = format!("-s {} -p tcp -m conntrack --ctorigdstport 80:443 -j DROP", acme.address);
    host.exec(&format!("iptables -I DOCKER-USER {wall}"));
    let failure = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
    failure
        .says(&[
            "tracker.lab.test has no certificate",
            "urn:ietf:params:acme:error",
            "do its ports 80 and 443 answer",
        ])
        .helps("deploy");
    host.exec(&format!("iptables -D DOCKER-USER {wall}"));

    // The cause is gone: the same command works.
    desk.deploy();
    let report = desk.test();
    assert_checks(&report, "tracker.lab.test: certificate", "passed", 2);
    assert_checks(&report, "api.lab.test: certificate", "passed", 2);
    assert!(announce(&host.address, &root, 1).contains("8:intervali"));

    // Another Caddyfile is another container, with the same certificates.
    let (issued, container) = (serials(&host), host.exec("docker ps --quiet --filter name=caddy"));
    edit(&desk, |config| config["https"]["admin_email"] = json!("other@lab.test"));
    desk.deploy();
    assert_ne!(container, host.exec("docker ps --quiet --filter name=caddy"));
    assert_eq!(issued, serials(&host));
    desk.test();

    // A directory that refuses, and one that is not there.
    edit(&desk, |config| config["tracker"]["http_api"]["domain"] = json!("api.refused.test"));
    let refused = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
    refused.says(&["api.refused.test has no certificate", "rejectedIdentifier"]);
    edit(&desk, |config| {
        config["tracker"]["http_api"]["domain"] = json!(DOMAINS[1]);
        config["https"]["ca"] = json!(format!("https://{}:9/dir", acme.address));
    });
    let unreachable = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
    unreachable.says(&[":9/dir", "connection refused", "does the host reach"]);
}
