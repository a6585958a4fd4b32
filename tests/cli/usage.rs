//! Global options, and a command line that cannot be understood.

use crate::api;
use crate::deploy::{TOKEN, api_only};
use crate::world::{World, snapshot};

#[test]
fn wrong_usage_is_told_in_text() {
    let world = World::new();
    snapshot!(world, &["deplyo", "demo"]);
    snapshot!(world, &["create", "demo", "--providr", "docker"]);
    snapshot!(world, &["show"]);
}

#[test]
fn wrong_usage_is_one_json_document_too() {
    let mut world = World::new();
    let wrong: &[&[&str]] = &[
        &["deplyo"],
        &["show"],
        &["list", "--state", "flying"],
        &["create", "demo", "--provider", "aws"],
        &["run", "demo", "--timeout", "0"],
        &["register", "demo", "--instance-ip", "192.0.2.7", "--ssh-port", "0"],
        &["list", "-v", "--quiet"],
        &["deploy"],
    ];
    for args in wrong {
        let refusal = world.refusal(args);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"), "{args:?}");
        assert!(!refusal.message.is_empty() && !refusal.help.is_empty(), "{args:?}: {refusal:?}");
    }
    world.set("TORRUST_TD_OUTPUT_FORMAT", "json");
    let output = world.run(&["deplyo"]);
    assert_eq!((output.code, &output.json()["error"]["code"]), (Some(2), &"usage".into()));
    assert_eq!(output.stderr, "");
    assert_eq!(world.run(&["show", "--output-format=json"]).json()["error"]["code"], "usage");
}

#[test]
fn the_variable_sets_the_format_and_the_option_wins() {
    let mut world = World::new();
    world.ok(&["create", "demo"]);
    world.set("TORRUST_TD_OUTPUT_FORMAT", "json");
    assert_eq!(world.ok(&["show", "demo"]).json()["name"], "demo");
    assert_eq!(world.run(&["show", "nope"]).json()["error"]["code"], "environment_not_found");
    assert_eq!(world.ok(&["exists", "demo", "--output-format", "text"]).stdout, "true\n");
    assert!(world.ok(&["show", "demo", "--output-format", "text"]).stdout.starts_with("Environment: demo"));
    world.set("TORRUST_TD_OUTPUT_FORMAT", "xml");
    assert_eq!(world.run(&["list"]).code, Some(2));
}

#[test]
fn every_command_writes_exactly_one_json_document() {
    let mut world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    world.set("TORRUST_TD_OUTPUT_FORMAT", "json");
    let calls: &[&[&str]] = &[
        &["create", "template"],
        &["create", "schema"],
        &["create", "template", "new.json"],
        &["validate", "-f", "env.json"],
        &["create", "environment", "-f", "env.json"],
        &["create", "other"],
        &["list"],
        &["exists", "minimal"],
        &["deploy", "minimal", "--dry-run"],
        &["provision", "minimal"],
        &["configure", "minimal"],
        &["release", "minimal"],
        &["run", "minimal"],
        &["deploy", "minimal"],
        &["show", "minimal"],
        &["destroy", "minimal"],
        &["purge", "minimal", "--force"],
        &["docs"],
        &["completions", "bash"],
        &["man"],
    ];
    for call in calls {
        world.ok(call).json();
    }
}

#[test]
fn a_failure_in_the_middle_is_one_json_document_and_its_progress_goes_to_standard_error() {
    let world = World::with_tools();
    world.fake(
        "ansible-playbook",
        "echo 'TASK [Install Docker] ***'; echo 'fatal: [t]: FAILED! => {\"msg\": \"no room\"}'; exit 2",
    );
    world.ok(&["create", "demo"]);
    let output = world.run(&["deploy", "demo", "--output-format", "json"]);
    assert_eq!(output.code, Some(1));
    assert_eq!(output.json()["error"]["code"], "ansible_failed");
    assert!(output.stderr.contains("✓ [1/14]") && output.stderr.contains("✗ [8/14]"), "{}", output.stderr);
}

#[test]
fn quiet_leaves_the_result_warnings_and_errors() {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    world.ok(&["create", "environment", "-f", "env.json", "--quiet"]);
    let deployed = world.ok(&["deploy", "minimal", "--quiet"]);
    assert!(deployed.stdout.starts_with("minimal is running:"));
    assert_eq!(deployed.stderr, "");
    assert!(
        world.run(&["show", "nope", "--quiet"]).stderr.starts_with("error: there is no environment nope")
    );
}

#[test]
fn verbose_shows_what_the_tools_say() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    let output = world.run(&["deploy", "demo", "-v", "--skip-run"]);
    assert!(output.stderr.contains("    Install Docker\n"), "{}", output.stderr);
}

#[test]
fn the_working_directory_can_be_another_one() {
    let world = World::new();
    world.ok(&["create", "demo", "--working-dir", "elsewhere"]);
    assert!(world.path("elsewhere/data/demo/environment.json").exists() && !world.path("data").exists());
    assert_eq!(world.ok(&["--working-dir", "elsewhere", "exists", "demo"]).stdout, "true\n");
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "false\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new();
    let mut child = world.command(&["create", "schema"]).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
