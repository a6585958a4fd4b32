//! Another configuration for a stored environment: what differs, what has to run, what cannot be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::api;
use crate::deploy::{TOKEN, api_only};
use crate::world::{World, snapshot};

/// A running environment `minimal` on fakes; its configuration is `env.json`.
fn running() -> (World, u16) {
    let world = World::with_tools();
    let port = api::start(TOKEN);
    api_only(&world, port);
    world.ok(&["deploy", "-f", "env.json"]);
    (world, port)
}

/// Writes a changed copy of `env.json`.
fn changed(world: &World, change: impl FnOnce(&mut Value)) {
    let mut config: Value = serde_json::from_str(&world.read("env.json")).unwrap();
    change(&mut config);
    world.write("new.json", &format!("{config:#}\n"));
}

const UPDATE: [&str; 4] = ["update", "minimal", "-f", "new.json"];

#[test]
fn the_difference_is_told_field_by_field_and_no_secret() {
    let (mut world, _) = running();
    changed(&world, |config| {
        config["tracker"]["http_api"]["admin_token"] = "${TOKEN}".into();
        config["tracker"]["udp_trackers"][0]["bind_address"] = "0.0.0.0:6868".into();
        config["grafana"] = json!({ "admin_user": "me", "admin_password": "not-to-be-seen" });
        config["prometheus"] = json!({});
    });
    world.set("TOKEN", "not-to-be-seen-either");
    let before = world.state("minimal");
    snapshot!(world, &["update", "minimal", "-f", "new.json", "--dry-run"]);
    assert_eq!(world.state("minimal"), before);
    let told = snapshot!(world, &UPDATE);
    assert!(!(told.stdout + &told.stderr).contains("not-to-be"));
    assert_eq!(world.state("minimal")["stage"], "provisioned");
    assert_eq!(world.history("minimal").last().unwrap()["command"], "update");
    snapshot!(world, &UPDATE);
}

#[test]
fn the_stage_goes_back_only_as_far_as_needed() {
    for (pointer, value, stage, to_run) in [
        ("/environment/description", json!("mine"), "running", json!([])),
        ("/ssh_credentials/port", json!(2222), "running", json!([])),
        ("/tracker/core/listed", json!(true), "configured", json!(["release", "run"])),
        ("/backup", json!({}), "configured", json!(["release", "run"])),
        ("/grafana", json!(null), "running", json!([])),
        (
            "/tracker/udp_trackers/0/bind_address",
            json!("0.0.0.0:6868"),
            "provisioned",
            json!(["configure", "release", "run"]),
        ),
    ] {
        let (world, _) = running();
        changed(&world, |config| {
            let (section, field) = pointer.rsplit_once('/').unwrap();
            if value.is_null() {
                config.as_object_mut().unwrap().remove(field);
            } else {
                config.pointer_mut(section).unwrap()[field.parse::<usize>().map_or(field, |_| field)] = value;
            }
        });
        let outcome = world.json(&UPDATE);
        assert_eq!((&outcome["state"], &outcome["to_run"]), (&stage.into(), &to_run), "{pointer}: {outcome}");
        assert_eq!(outcome["changed"], outcome["changes"] != json!([]), "{pointer}");
        assert_eq!(world.state("minimal")["stage"], stage);
        let port = if pointer.ends_with("/port") { 2222 } else { 22 };
        assert_eq!(world.state("minimal")["host"]["port"], port);
    }
}

#[test]
fn what_needs_another_host_or_loses_data_is_refused_with_all_reasons() {
    let (world, _) = running();
    world.write(
        "other.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDJrTWq3nGm0J1n1nYkX7k2Q2b8kqk1C5gYt0Qv1Zk9c x\n",
    );
    // What a key in this form is made of is not looked at.
    world.write("other", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n");
    fs::set_permissions(world.path("other"), fs::Permissions::from_mode(0o600)).unwrap();
    changed(&world, |config| {
        config["environment"]["instance_name"] = "another".into();
        config["provider"]["base_image"] = "debian:bookworm".into();
        config["ssh_credentials"]["username"] = "somebody".into();
        config["ssh_credentials"]["private_key_path"] = "other".into();
        config["ssh_credentials"]["public_key_path"] = "other.pub".into();
        config["tracker"]["core"]["database"]["database_name"] = "other.db".into();
    });
    let before = world.state("minimal");
    snapshot!(world, &UPDATE);
    assert_eq!(world.refusal(&["deploy", "-f", "new.json"]).code, "change_refused");
    assert_eq!(world.state("minimal"), before);
    assert_eq!(world.history("minimal").last().unwrap()["result"], "change_refused");

    changed(&world, |config| {
        config["provider"] = json!({ "provider": "lxd", "profile_name": "mine" });
        config["tracker"]["core"]["database"] = json!({
            "driver": "mysql", "host": "mysql", "port": 3306, "database_name": "tracker",
            "username": "tracker", "password": "a-password-of-16",
        });
    });
    let refusal = world.refusal(&UPDATE);
    assert_eq!(refusal.message, "2 changes cannot be made to minimal; nothing was changed");
    assert!(refusal.causes.contains("provider.provider: \"docker\" -> \"lxd\""), "{}", refusal.causes);

    changed(&world, |config| config["environment"]["name"] = "other".into());
    let refusal = world.refusal(&UPDATE);
    assert!(refusal.help.contains("put the old name back: minimal"), "{}", refusal.help);
}

#[test]
fn the_same_key_may_lie_elsewhere() {
    let (world, _) = running();
    world.write("moved.pub", &world.read("id_ed25519.pub"));
    changed(&world, |config| config["ssh_credentials"]["public_key_path"] = "moved.pub".into());
    assert_eq!(world.json(&UPDATE)["state"], "running");
}

#[test]
fn before_there_is_a_host_everything_but_the_name_may_change() {
    let world = World::new();
    api_only(&world, 1212);
    world.ok(&["create", "environment", "-f", "env.json"]);
    changed(&world, |config| {
        config["provider"] = json!({ "provider": "lxd", "profile_name": "mine" });
        config["ssh_credentials"]["username"] = "somebody".into();
        config["tracker"]["core"]["database"]["database_name"] = "other.db".into();
    });
    let outcome = world.json(&UPDATE);
    assert_eq!(outcome["to_run"], json!(["provision", "configure", "release", "run"]));
    assert_eq!(world.state("minimal")["config"]["provider"]["profile_name"], "mine");
    changed(&world, |config| config["environment"]["name"] = "other".into());
    assert_eq!(world.refusal(&UPDATE).code, "change_refused");
}

#[test]
fn all_problems_of_a_file_are_told_and_a_destroyed_environment_takes_none() {
    let (world, _) = running();
    changed(&world, |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "0.0.0.0:0".into();
        config["caddy"] = json!({});
    });
    assert_eq!(world.refusal(&UPDATE).message, "the configuration `new.json` has 2 problems");
    world.ok(&["destroy", "minimal"]);
    changed(&world, |_| {});
    assert_eq!(world.refusal(&UPDATE).code, "state_refused");
}

#[test]
fn choices_of_the_command_line_are_told_where_they_meet_the_change() {
    let (world, _) = running();
    let toml = world.write("own.toml", "[metadata]\nschema_version = \"3.0.0\"\n").display().to_string();
    world.ok(&["release", "minimal", "--image-tag", "v3", "--config", &toml]);
    changed(&world, |config| {
        config["images"] = json!({ "tracker": "torrust/tracker:v4" });
        config["tracker"]["core"]["listed"] = true.into();
    });
    let notes = world.json(&UPDATE)["notes"].clone();
    assert!(
        notes[0].as_str().unwrap().contains("v3")
            && notes[1].as_str().unwrap().contains("--config generated")
    );
    assert!(world.state("minimal")["choices"].get("image_tag").is_none());
}

/// The provider's own firewall has the ports, too.
#[test]
fn a_port_at_hetzner_needs_provision_again() {
    let mut world = World::with_tools();
    world.set("HCLOUD_TOKEN", &"t".repeat(64));
    world.config("env.json", |config| {
        config["provider"] = json!({
            "provider": "hetzner", "api_token": "${HCLOUD_TOKEN}", "server_type": "cx23", "location": "nbg1", "image": "debian-13",
        });
    });
    world.ok(&["deploy", "-f", "env.json", "--skip-run"]);
    changed(&world, |config| config["provider"]["server_type"] = "cx33".into());
    assert_eq!(world.json(&UPDATE)["to_run"], json!(["provision", "release", "run"]));
    changed(&world, |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "0.0.0.0:6868".into();
    });
    assert_eq!(world.json(&UPDATE)["to_run"], json!(["provision", "configure", "release", "run"]));
    assert_eq!(world.json(&["show", "minimal"])["next"], "torrust-tracker-deployer provision minimal");
    world.ok(&["deploy", "minimal", "--skip-run"]);
    let variables = world.read("build/minimal/tofu/terraform.tfvars.json");
    assert!(variables.contains("\"6868\"") && variables.contains("cx23"), "{variables}");
    assert!(world.state("minimal").get("again").is_none());
    changed(&world, |config| config["provider"]["location"] = "fsn1".into());
    let refusal = world.refusal(&UPDATE);
    assert!(refusal.causes.starts_with("provider.location: \"nbg1\" -> \"fsn1\""), "{}", refusal.causes);
}

#[test]
fn what_stands_is_shown_until_the_update_is_deployed() {
    let (world, port) = running();
    changed(&world, |config| config["tracker"]["http_api"]["bind_address"] = "0.0.0.0:6868".into());
    world.ok(&UPDATE);
    assert_eq!(world.state("minimal")["stage"], "provisioned");
    let api = format!("http://127.0.0.1:{port}/api");
    let shown = world.json(&["show", "minimal"]);
    assert_eq!((&shown["services"][0]["kind"], &shown["services"][0]["url"]), (&json!("API"), &json!(api)));
}

#[test]
fn a_tag_that_is_the_default_of_today_is_kept_all_the_same() {
    let world = World::with_tools();
    world.environment("demo", "created");
    let tag = |tag: &str| world.json(&["update", "demo", "--image-tag", tag]);
    assert_eq!(tag("develop")["changed"], true);
    assert_eq!(world.state("demo")["choices"]["image_tag"], "develop");
    assert_eq!(tag("develop")["changed"], false);
    assert_eq!(tag("configured")["changed"], true);
    assert!(world.state("demo")["choices"]["image_tag"].is_null());
}

/// "Take another image" alone would lead in a circle where something else decides.
#[test]
fn what_decides_the_schema_is_named_where_it_cannot_do_a_setting() {
    let world = World::with_tools();
    world.environment("demo", "created");
    let config = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut config = world.state("demo")["config"].clone();
        config["tracker"]["logging"] = serde_json::json!({ "style": "json" });
        edit(&mut config);
        world.write("new.json", &config.to_string());
        world.refusal(&["update", "demo", "-f", "new.json"]).help
    };
    world.ok(&["update", "demo", "--image-tag", "3.0.0"]);
    assert!(config(&|_| {}).contains("--image-tag configured"));
    world.ok(&["update", "demo", "--image-tag", "configured"]);
    world.edit_state("demo", |state| {
        let image = state["config"]["images"]["tracker"].as_str().unwrap_or("torrust/tracker:develop").to_owned();
        state["tracker_image"] = serde_json::json!({ "reference": image, "id": "sha256:1", "schema": "2.0.0", "found": "default_file" });
    });
    assert!(config(&|_| {}).contains("deploy demo --pull"));
}
