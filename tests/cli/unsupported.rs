//! What this version cannot deploy is refused before anything is touched.

use serde_json::{Value, json};

use crate::world::{World, snapshot};

fn mysql(config: &mut Value) {
    config["tracker"]["core"]["database"] = json!({
        "driver": "mysql", "host": "mysql", "port": 3306, "database_name": "tracker",
        "username": "tracker_user", "password": "Zk9sLw7RbNcYdvE4ixM2uTq0",
    });
}

fn https(config: &mut Value) {
    config["tracker"]["http_api"]["domain"] = "api.example.org".into();
    config["tracker"]["http_api"]["use_tls_proxy"] = true.into();
    config["https"] = json!({ "admin_email": "admin@example.org", "ca": "internal" });
}

/// A section, and what puts it into a configuration.
type Section = (&'static str, fn(&mut Value));

const SECTIONS: &[Section] = &[
    ("tracker.core.database (mysql)", mysql),
    ("prometheus", |config| config["prometheus"] = json!({})),
    ("prometheus, grafana", |config| {
        config["prometheus"] = json!({});
        config["grafana"] = json!({ "admin_user": "admin", "admin_password": "Zk9sLw7RbNcYdvE4ixM2uTq0" });
    }),
    ("https", https),
    ("backup", |config| config["backup"] = json!({})),
];

#[test]
fn a_section_without_a_service_is_refused_in_one_sentence() {
    for &(named, edit) in SECTIONS {
        let world = World::with_tools();
        world.config("env.json", edit);
        world.ok(&["create", "environment", "-f", "env.json"]);
        for command in ["deploy", "release"] {
            if command == "release" {
                world.edit_state("minimal", |state| {
                    state["stage"] = "configured".into();
                    state["host"] = json!({ "origin": "registered", "address": "192.0.2.7", "port": 22 });
                });
            }
            let refusal = world.refusal(&[command, "minimal"]);
            assert_eq!(
                (refusal.exit, refusal.code.as_str()),
                (Some(1), "not_supported"),
                "{command} {named}"
            );
            assert_eq!(refusal.message, format!("this version does not deploy {named} yet"));
        }
        assert_eq!(world.transcript(), "", "{named}: no tool was called");
    }
}

#[test]
fn a_provider_that_comes_later_is_refused_and_register_is_offered() {
    for provider in ["lxd", "hetzner"] {
        let world = World::with_tools();
        world.ok(&["create", "demo", "--provider", provider]);
        for command in ["provision", "deploy"] {
            let refusal = world.refusal(&[command, "demo"]);
            assert_eq!(
                (refusal.exit, refusal.code.as_str()),
                (Some(1), "not_supported"),
                "{command} {provider}"
            );
            assert!(
                refusal.help.contains("torrust-tracker-deployer register demo --instance-ip"),
                "{}",
                refusal.help
            );
        }
        assert_eq!(world.transcript(), "");
        assert_eq!(world.state("demo")["stage"], "created");
        world.ok(&["register", "demo", "--instance-ip", "192.0.2.7"]);
    }
}

#[test]
fn a_user_reads_what_is_not_supported() {
    let world = World::with_tools();
    world.ok(&["create", "demo", "--provider", "lxd"]);
    snapshot!(world, &["provision", "demo"]);
    world.config("env.json", mysql);
    world.ok(&["create", "environment", "-f", "env.json"]);
    snapshot!(world, &["deploy", "minimal"]);
}
