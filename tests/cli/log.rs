//! The history and the log file.

use serde_json::Value;

use crate::world::World;

#[test]
fn the_history_has_a_line_for_every_command_that_works_on_an_environment() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(&["provision", "demo"]);
    world.fake("ansible-playbook", "exit 4");
    world.refusal(&["configure", "demo"]);
    world.ok(&["destroy", "demo"]);
    let history = world.history("demo");
    let told: Vec<_> = history
        .iter()
        .map(|line| (line["command"].as_str().unwrap(), line["result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [("create", "done"), ("provision", "done"), ("configure", "ansible_failed"), ("destroy", "done")]
    );
    for line in &history {
        assert!(line["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert_eq!((&line["user"], &line["version"]), (&"tester".into(), &env!("CARGO_PKG_VERSION").into()));
        assert!(line["seconds"].is_f64(), "{line}");
    }
    let steps: Vec<_> =
        history[2]["steps"].as_array().unwrap().iter().map(|step| step["title"].as_str().unwrap()).collect();
    assert_eq!(steps, ["Render the playbook", "Connect to the host", "Configure the operating system"]);
    assert!(history[1]["steps"].as_array().unwrap().iter().all(|step| step["seconds"].is_f64()));
}

#[test]
fn the_history_names_the_user_even_without_the_variables() {
    let mut world = World::new();
    world.unset("USER");
    world.ok(&["create", "demo"]);
    world.ok(&["destroy", "demo"]);
    let user = world.history("demo")[0]["user"].as_str().unwrap().to_owned();
    assert_eq!(user, format!("uid {}", rustix::process::getuid().as_raw()));
}

#[test]
fn the_log_lies_in_the_environments_folder_or_where_it_was_wanted() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    world.ok(&["destroy", "demo", "--log-dir", "logs/deep"]);
    let log = world.read("logs/deep/deployer.log");
    assert!(log.contains("step 1/3 started") && log.contains("INFO"), "{log}");
    assert!(!world.path("data/demo/deployer.log").exists());
    world.ok(&["create", "other"]);
    world.ok(&["destroy", "other"]);
    assert!(world.read("data/other/deployer.log").contains("step done"));
}

#[test]
fn the_log_can_be_json_and_go_to_standard_error_too_without_colours() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    let output =
        world.ok(&["destroy", "demo", "--log-output", "file-and-stderr", "--log-file-format", "json"]);
    let log = world.read("data/demo/deployer.log");
    assert!(log.lines().count() >= 4);
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
    }
    assert!(output.stderr.contains("step 1/3 started"), "{}", output.stderr);
    assert!(!output.stderr.contains('\x1b') && !log.contains('\x1b'), "{:?}", output.stderr);
    assert!(!output.stdout.contains("step"));
}

#[test]
fn rust_log_filters_the_log() {
    let mut world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(&["provision", "demo"]);
    assert!(!world.read("data/demo/deployer.log").contains("DEBUG"));
    world.set("RUST_LOG", "debug");
    world.ok(&["provision", "demo"]);
    assert!(world.read("data/demo/deployer.log").contains("DEBUG"));
}

#[test]
fn a_log_that_cannot_be_written_is_an_error_with_a_way_out() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    world.write("logs", "in the way");
    let refusal = world.refusal(&["destroy", "demo", "--log-dir", "logs"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "storage_failed"));
    assert!(refusal.help.contains("--log-dir"), "{}", refusal.help);
    assert_eq!(world.state("demo")["stage"], "created");
}

#[test]
fn every_command_keeps_the_log_that_was_asked_for() {
    let world = World::new();
    world.config("env.json", |_| {});
    let commands: [&[&str]; 7] = [
        &["create", "demo"],
        &["validate", "-f", "env.json"],
        &["list"],
        &["show", "demo"],
        &["exists", "demo"],
        &["create", "schema"],
        &["purge", "demo", "--force"],
    ];
    for args in commands {
        let silent = world.command(args).args(["--log-dir", "logs"]).output().unwrap();
        assert!(silent.status.success() && silent.stderr.is_empty(), "{args:?}: {silent:?}");
        let done = format!("done: {}", args.join(" "));
        assert!(world.read("logs/deployer.log").contains(&done), "{args:?}");
    }
    let output = world.ok(&["list", "--log-output", "file-and-stderr", "--log-stderr-format", "json"]);
    let event: Value = serde_json::from_str(output.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(event["level"], "INFO");
    assert!(!world.path("deployer.log").exists());
    world.write("in-the-way", "");
    assert_eq!(world.refusal(&["list", "--log-dir", "in-the-way"]).code, "storage_failed");
}

#[test]
fn a_filter_that_is_none_is_warned_about() {
    let mut world = World::new();
    world.set("RUST_LOG", "info=loud=3");
    let output = world.ok(&["list", "--log-dir", "logs"]);
    assert!(output.stderr.contains("warning: RUST_LOG=info=loud=3 is no log filter"), "{}", output.stderr);
    assert!(world.read("logs/deployer.log").contains("done: list"));
    world.set("RUST_LOG", "");
    assert_eq!(world.ok(&["list"]).stderr, "");
}
