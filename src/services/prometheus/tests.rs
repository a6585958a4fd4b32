mod targets;

use std::path::Path;

use super::*;
use crate::bundle::Bundle;
use crate::config::{self, Grafana, Prometheus, ProviderKind, Secret};
use crate::store::Choices;

/// A tracker with Prometheus, on a host whose own figures are read.
fn environment() -> Environment {
    let name = "demo".parse().unwrap();
    let key = Path::new("/home/me/.ssh/id_ed25519");
    let mut config = config::template(ProviderKind::Docker, &name, key).unwrap();
    config.tracker.http_api.as_mut().unwrap().admin_token = Secret::Literal("MyAccessToken".into());
    config.prometheus = Some(Prometheus::default());
    Environment::new(config, Choices { monitoring: true, ..Choices::default() })
}

fn file(env: &Environment, name: &str) -> String {
    let files = service(env).unwrap().files;
    let found = files.into_iter().find(|file| file.path.ends_with(name)).unwrap();
    String::from_utf8(found.bytes).unwrap()
}

#[test]
fn the_files_of_prometheus() {
    let show = |file: &HostFile| {
        format!(
            "==> {} {} {} <==\n{}",
            file.path,
            file.mode,
            file.owner,
            String::from_utf8_lossy(&file.bytes)
        )
    };
    let files = service(&environment()).unwrap().files;
    insta::assert_snapshot!(files.iter().map(show).collect::<Vec<_>>().join("\n"));
}

#[test]
fn without_the_hosts_agent_there_is_no_target_and_no_rule_for_it() {
    let mut env = environment();
    env.choices.monitoring = false;
    for name in ["prometheus.yml", "rules.yml"] {
        assert!(!file(&env, name).contains("host"), "{name}");
    }
    assert!(!container(&env).sees_host);
}

#[test]
fn the_token_is_in_no_file_that_others_may_read() {
    let bundle = Bundle::of(&environment()).unwrap();
    let with =
        bundle.files.iter().filter(|file| String::from_utf8_lossy(&file.bytes).contains("MyAccessToken"));
    let held: Vec<_> = with.map(|file| (file.path.as_str(), file.mode)).collect();
    assert_eq!(held, [(".env", "0600"), ("storage/prometheus/etc/token", "0600")]);
}

#[test]
fn a_token_that_no_header_can_carry_is_refused() {
    let mut env = environment();
    for token in ["schlüssel", " token", "token "] {
        env.config.tracker.http_api.as_mut().unwrap().admin_token = Secret::Literal(token.into());
        assert_eq!(service(&env).unwrap_err().code(), Code::ConfigInvalid, "{token:?}");
    }
    env.config.tracker.http_api.as_mut().unwrap().admin_token = Secret::Literal(r#"a"b\c$d'e #f"#.into());
    assert_eq!(file(&env, "token"), r#"a"b\c$d'e #f"#);
}

#[test]
fn it_shares_a_network_with_whom_it_talks_to_alone() {
    let mut env = environment();
    assert_eq!(container(&env).networks, ["metrics"]);
    let (admin_user, admin_password) = ("admin".to_owned(), Secret::Literal("Zk9sLw7RbNcYdvE4".into()));
    env.config.grafana = Some(Grafana { admin_user, admin_password, domain: None, use_tls_proxy: None });
    assert_eq!(container(&env).networks, ["metrics", "visualization"]);
    let bundle = Bundle::of(&env).unwrap();
    let networks: Vec<_> =
        bundle.containers().map(|container| (container.name, container.networks.join(" "))).collect();
    let wanted = [
        ("tracker", "tracker metrics"),
        ("prometheus", "metrics visualization"),
        ("grafana", "visualization"),
    ];
    assert_eq!(networks, wanted.map(|(name, networks)| (name, networks.to_owned())));
}

#[test]
fn an_image_without_prometheus_output_is_a_warning() {
    let mut env = environment();
    env.config.images.tracker = "torrust/tracker:3.0.0".into();
    let said = warning(&env).unwrap();
    assert!(said.starts_with("torrust/tracker:3.0.0 has no Prometheus output: "), "{said}");
    env.config.tracker.schema = config::SchemaChoice::V3;
    assert_eq!(warning(&env), None, "the operator knows better");
    env.config.images.tracker = "torrust/tracker:develop".into();
    env.config.tracker.schema = config::SchemaChoice::Auto;
    assert_eq!(warning(&env), None);
    env.config.tracker.schema = config::SchemaChoice::V2;
    let said = warning(&env).unwrap();
    assert!(said.starts_with("torrust/tracker:develop is of the schema of release 3.0.0"), "{said}");
    env.config.prometheus = None;
    assert_eq!(warning(&env), None);
}

#[test]
fn rates_have_enough_samples_at_any_interval() {
    let mut env = environment();
    for (interval, window) in [(15, "[300s]"), (120, "[480s]")] {
        env.config.prometheus = Some(Prometheus { scrape_interval_in_secs: interval });
        assert!(file(&env, "rules.yml").contains(window), "{interval}");
    }
}
