use std::path::Path;

use super::*;
use crate::bundle::Bundle;
use crate::config::{self, Prometheus, ProviderKind};
use crate::services::{endpoints, published, sites};
use crate::store::Choices;

/// An HTTP tracker and the API behind the proxy, and a UDP tracker beside it.
fn environment(https: serde_json::Value) -> Environment {
    let name = "demo".parse().unwrap();
    let mut config =
        config::template(ProviderKind::Docker, &name, Path::new("/home/me/.ssh/id_ed25519")).unwrap();
    config.https = serde_json::from_value(https).unwrap();
    let tracker = &mut config.tracker;
    tracker.http_trackers[0].domain = Some("tracker.example.org".into());
    tracker.http_trackers[0].use_tls_proxy = Some(true);
    tracker.http_api.as_mut().unwrap().domain = Some("api.example.org".into());
    tracker.http_api.as_mut().unwrap().use_tls_proxy = Some(true);
    Environment::new(config, Choices::default())
}

fn with_letsencrypt() -> Environment {
    environment(json!({ "admin_email": "admin@example.org" }))
}

fn file(env: &Environment, path: &str) -> String {
    let file = Bundle::of(env).unwrap().files.into_iter().find(|file| file.path == path).unwrap();
    String::from_utf8(file.bytes).unwrap()
}

fn caddyfile_with(https: serde_json::Value) -> String {
    file(&environment(https), "storage/caddy/etc/Caddyfile")
}

#[test]
fn the_caddyfile_and_the_compose_file() {
    let env = with_letsencrypt();
    let both = file(&env, "storage/caddy/etc/Caddyfile") + "---\n" + &file(&env, "docker-compose.yml");
    insta::assert_snapshot!(both);
    assert!(file(&env, "storage/tracker/etc/tracker.toml").contains("on_reverse_proxy = true"));
}

#[test]
fn each_authority_is_asked_in_its_way() {
    let email = "admin@example.org";
    let staging = caddyfile_with(json!({ "admin_email": email, "use_staging": true }));
    assert!(staging.contains(STAGING) && !staging.contains("Strict-Transport-Security"));
    let internal = caddyfile_with(json!({ "admin_email": email, "ca": "internal" }));
    assert!(internal.contains("\tlocal_certs\n") && !internal.contains("acme_ca"));
    let directory = caddyfile_with(json!({ "admin_email": email, "ca": "https://ca.example.org/dir" }));
    assert!(
        directory.contains("acme_ca \"https://ca.example.org/dir\"") && !directory.contains("acme_ca_root")
    );
}

#[test]
fn any_address_is_one_word_of_the_caddyfile() {
    let odd = caddyfile_with(
        json!({ "admin_email": "o'brien&{co}@example.org", "ca": "https://ca.example.org/a\"b" }),
    );
    assert!(odd.contains("\temail \"o'brien&{co}@example.org\"\n"), "{odd}");
    assert!(odd.contains("\tacme_ca \"https://ca.example.org/a\\\"b\"\n"), "{odd}");
}

#[test]
fn what_is_behind_the_proxy_is_reached_through_it_alone() {
    let config = with_letsencrypt().config;
    let urls: Vec<String> = endpoints(&config).iter().map(|endpoint| endpoint.url("192.0.2.7")).collect();
    assert_eq!(
        urls,
        [
            "udp://192.0.2.7:6969/announce",
            "https://tracker.example.org/announce",
            "https://api.example.org/api"
        ]
    );
    let ports: Vec<_> = published(&config).iter().map(|port| (port.number, port.protocol)).collect();
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    assert_eq!(ports, [(6969, udp), (80, tcp), (443, tcp), (443, udp)]);
}

#[test]
fn each_service_shares_a_network_with_the_proxy_alone() {
    let mut env = with_letsencrypt();
    assert_eq!(container(&env).networks, ["proxy-tracker"]);
    env.config.prometheus = Some(Prometheus { scrape_interval_in_secs: 30 });
    env.config.grafana = serde_json::from_value(json!({
        "admin_user": "admin", "admin_password": "Zk9sLw7RbNcYdvE4", "domain": "Grafana.Example.org", "use_tls_proxy": true,
    }))
    .unwrap();
    let bundle = Bundle::of(&env).unwrap();
    let on = |network| {
        bundle
            .containers()
            .filter(|one| one.networks.contains(&network))
            .map(|one| one.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(on("proxy-tracker"), ["tracker", "caddy"]);
    assert_eq!(on("proxy-grafana"), ["grafana", "caddy"]);
    // A domain has small letters wherever it was written with capitals.
    assert_eq!(sites(&env.config).last().unwrap().domain, "grafana.example.org");
}

#[test]
fn a_port_is_closed_when_it_is_refused_and_not_when_nobody_could_ask() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    assert!(matches!(closed(&[open]), Answer::Failed(_)));
    drop(listener);
    assert_eq!(closed(&[open]), Answer::Passed { seen: format!("{open} refuses") });
    // Nothing leads to a limited broadcast address over TCP.
    let nowhere: SocketAddr = "255.255.255.255:9".parse().unwrap();
    let Answer::Skipped { reason } = closed(&[nowhere]) else { panic!("it was asked") };
    assert!(reason.contains("could not be asked"), "{reason}");
    let Answer::Passed { seen } = closed(&[nowhere, open]) else { panic!("one of them refuses") };
    assert!(seen.contains("refuses, 255.255.255.255:9 could not be asked"), "{seen}");
}

#[test]
fn without_a_site_there_is_no_proxy() {
    let mut env = with_letsencrypt();
    env.config.tracker.http_trackers[0].use_tls_proxy = None;
    env.config.tracker.http_api.as_mut().unwrap().use_tls_proxy = None;
    assert_eq!(sites(&env.config), []);
    assert!(!file(&env, "docker-compose.yml").contains("caddy"));
}

#[test]
fn the_directorys_root_travels_and_must_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    let https =
        json!({ "admin_email": "admin@example.org", "ca": "https://ca.example.org/dir", "ca_root": root });
    let env = environment(https);
    std::fs::write(&root, "no certificate").unwrap();
    assert_eq!(Bundle::of(&env).unwrap_err().code(), Code::ConfigInvalid);
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&root, pem).unwrap();
    assert_eq!(file(&env, "storage/caddy/etc/ca_root.pem"), pem);
    assert!(file(&env, "storage/caddy/etc/Caddyfile").contains("acme_ca_root \"/etc/caddy/ca_root.pem\""));
    std::fs::remove_file(&root).unwrap();
    assert_eq!(Bundle::of(&env).unwrap_err().code(), Code::ConfigInvalid);
}

#[test]
fn a_certificate_that_should_have_been_renewed_is_a_warning() {
    let day = jiff::SignedDuration::from_hours(24);
    let from = Timestamp::UNIX_EPOCH;
    let shown = Shown {
        names: vec!["tracker.example.org".into()],
        issuer: "CN=E7".into(),
        from,
        until: from + day * 90,
    };
    let fresh = judge(&shown, from + day * 60);
    assert_eq!(fresh, Answer::Passed { seen: "for tracker.example.org, by CN=E7, 30 days left".into() });
    let Answer::Warning { seen } = judge(&shown, from + day * 89) else { panic!("no warning") };
    assert_eq!(seen, "for tracker.example.org, by CN=E7, 24 hours left: it should have been renewed");
}
