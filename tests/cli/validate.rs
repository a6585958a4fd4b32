//! `validate`: all problems of a file at once, and no side effect.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::world::{Output, World, finish, snapshot};

#[test]
fn a_good_file_is_called_valid() {
    let world = World::new();
    world.config("env.json", |_| {});
    snapshot!(world, &["validate", "-f", "env.json"]);
    assert!(!world.path("data").exists());
}

#[test]
fn four_mistakes_are_reported_in_one_run_with_their_places() {
    let world = World::new();
    world.config("unused.json", |_| {});
    world.write("env.json", include_str!("../configs/invalid/four-mistakes.json"));
    let output = snapshot!(world, &["validate", "-f", "env.json"]);
    assert!(!output.stderr.contains("s3cr3t-in-the-file"));
    let output = world.run(&["validate", "-f", "env.json", "--output-format", "json"]);
    let error = &output.json()["error"];
    assert_eq!((output.code, &error["code"]), (Some(1), &"config_invalid".into()));
    let problems = error["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem["line"].is_u64() && problem["help"].is_string()));
    assert!(!output.stdout.contains("s3cr3t-in-the-file"));
}

#[test]
fn a_corrected_file_passes() {
    let world = World::new();
    world.config("env.json", |config| config["tracker"]["core"]["privat"] = true.into());
    let refusal = world.refusal(&["validate", "-f", "env.json"]);
    assert_eq!(refusal.code, "config_invalid");
    world.config("env.json", |_| {});
    world.ok(&["validate", "-f", "env.json"]);
}

/// Runs `validate -f -` with this on its standard input.
fn validate_input(world: &World, text: &[u8]) -> Output {
    let mut child = world.command(&["validate", "-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    // It may stop reading before the end.
    let _ = child.stdin.take().unwrap().write_all(text);
    finish(child)
}

#[test]
fn a_configuration_comes_from_standard_input_too() {
    let world = World::new();
    world.config("env.json", |_| {});
    let good = validate_input(&world, world.read("env.json").as_bytes());
    assert_eq!(
        (good.code, good.stdout.as_str()),
        (Some(0), "standard input is valid: environment minimal\n")
    );
    let wrong = validate_input(&world, b"{");
    assert!(wrong.code == Some(1) && wrong.stderr.contains("standard input"), "{wrong:?}");
    let long = validate_input(&world, &vec![b' '; 2 << 20]);
    assert!(long.stderr.contains("it is larger than 1 MiB"), "{long:?}");
}

#[test]
fn only_a_regular_file_of_a_bounded_size_is_a_configuration() {
    let world = World::new();
    world.config("env.json", |config| {
        let tracker = serde_json::json!({ "bind_address": "0.0.0.0:7070" });
        config["tracker"]["http_trackers"] = vec![tracker; 60_000].into();
    });
    let refusal = world.refusal(&["validate", "-f", "env.json"]);
    assert_eq!(
        (refusal.message.as_str(), refusal.causes.as_str()),
        ("the configuration file `env.json` cannot be read", "it is larger than 1 MiB")
    );
    assert!(Command::new("mkfifo").arg(world.path("pipe")).status().unwrap().success());
    for path in ["pipe", "/dev/zero"] {
        let refusal = world.refusal(&["validate", "-f", path]);
        assert_eq!(
            (refusal.code.as_str(), refusal.causes.as_str()),
            ("config_invalid", "it is no regular file")
        );
        assert!(refusal.help.contains("validate -f -"), "{}", refusal.help);
    }
    // Files that a configuration names, and those of other options.
    world.config("env.json", |config| config["ssh_credentials"]["public_key_path"] = "pipe".into());
    let output = world.run(&["validate", "-f", "env.json"]);
    assert!(output.stderr.contains("`pipe` cannot be read: it is no regular file"), "{}", output.stderr);
    world.environment("demo", "configured");
    let refusal = world.refusal(&["release", "demo", "--config", "pipe"]);
    assert_eq!(refusal.causes, "it is no regular file");
}

#[test]
fn reading_standard_input_can_be_interrupted() {
    let world = World::new();
    let mut child = world.command(&["validate", "-f", "-", "--output-format", "json"]);
    let mut child = child.stdin(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take();
    std::thread::sleep(std::time::Duration::from_millis(500));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .unwrap();
    let output = finish(child);
    assert_eq!(output.json()["error"]["code"], "interrupted");
    drop(input);
}

#[test]
fn a_command_to_type_stays_on_one_line() {
    let world = World::new();
    let long = format!("{}/id", "a-folder-with-a-long-name/".repeat(6));
    world.config("env.json", |config| config["ssh_credentials"]["private_key_path"] = long.clone().into());
    let output = world.run(&["validate", "-f", "env.json"]);
    let command = format!("make a key: ssh-keygen -t ed25519 -f {long}");
    assert!(output.stderr.lines().any(|line| line.contains(&command)), "{}", output.stderr);
}

#[test]
fn references_are_named_as_not_looked_up() {
    let world = World::new();
    world.config("env.json", |config| config["tracker"]["http_api"]["admin_token"] = "${NOT_SET}".into());
    let said = world.ok(&["validate", "-f", "env.json"]).stdout;
    assert!(said.ends_with("\n1 secret is a reference, and is looked up when it is used\n"), "{said}");
    let json = world.json(&["validate", "-f", "env.json"]);
    assert_eq!(json["unchecked_secrets"], serde_json::json!(["/tracker/http_api/admin_token"]));
}

#[test]
fn warnings_are_in_the_json_document() {
    let world = World::new();
    world.config("env.json", |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "127.0.0.1:6969".into();
    });
    let json = world.json(&["validate", "-f", "env.json"]);
    let warning = json["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|warning| warning["path"] == "tracker.udp_trackers[0].bind_address")
        .unwrap();
    assert_eq!(warning["severity"], "warning");
    assert!(warning["line"].as_u64().unwrap() > 1 && warning["help"].is_string(), "{warning}");
}
