//! `list`, `show`, `exists`: what is stored, without touching anything.

use crate::world::{World, snapshot};

const STAGES: [&str; 6] = ["created", "provisioned", "configured", "released", "running", "destroyed"];

/// One environment in each stage, the later the younger.
fn one_of_each() -> World {
    let world = World::new();
    for (number, stage) in STAGES.iter().enumerate() {
        let name = format!("{}-{stage}", ["f", "e", "d", "c", "b", "a"][number]);
        world.environment(&name, stage);
        world.edit_state(&name, |state| {
            state["created"] = format!("2026-01-0{}T00:00:00Z", number + 1).into();
            state["modified"] = format!("2026-02-0{}T00:00:00Z", 9 - number).into();
        });
    }
    world
}

fn names(list: &serde_json::Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[test]
fn an_empty_store_says_how_to_begin() {
    let world = World::new();
    snapshot!(world, &["list"]);
    assert_eq!(world.json(&["list"]), serde_json::json!([]));
    assert_eq!(world.ok(&["list", "--format", "yaml"]).stdout, "[]\n");
}

#[test]
fn the_table_shows_all_environments() {
    let world = World::new();
    world.environment("demo", "created");
    world.environment("second", "running");
    snapshot!(world, &["list"]);
}

#[test]
fn the_data_formats_hold_the_same_rows() {
    let world = one_of_each();
    snapshot!(world, &["list", "--format", "yaml", "--state", "running"]);
    let json = world.ok(&["list", "--format", "json"]).json();
    assert_eq!(json, world.json(&["list"]));
    assert_eq!(json[1]["created"], "2026-01-05T00:00:00Z");
}

#[test]
fn rows_are_filtered_and_sorted() {
    let world = one_of_each();
    for stage in STAGES {
        let list = world.json(&["list", "--state", stage]);
        assert_eq!(names(&list).len(), 1);
        assert_eq!(list[0]["state"], stage);
    }
    let sorted = |by: &str| world.json(&["list", "--sort", by])[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(sorted("name"), "a-destroyed");
    assert_eq!(sorted("created"), "f-created");
    assert_eq!(sorted("modified"), "f-created");
    assert_eq!(sorted("state"), "f-created");
}

#[test]
fn a_damaged_environment_is_warned_about_and_does_not_hide_the_others() {
    let world = World::new();
    world.environment("good", "created");
    world.write("data/bad/environment.json", "{ \"name\": \"bad\", ");
    snapshot!(world, &["list", "--format", "json", "--state", "destroyed"]);
    let output = world.ok(&["list", "--output-format", "json"]);
    assert_eq!(names(&output.json()), ["bad", "good"]);
    assert!(output.json()[0]["error"].as_str().unwrap().starts_with("the file of bad is damaged: "));
    assert_eq!(names(&world.json(&["list", "--sort", "modified"])), ["good", "bad"]);
    let yaml = world.ok(&["list", "--format", "yaml"]).stdout;
    assert!(yaml.contains("name: bad") && yaml.contains("the file of bad is damaged"), "{yaml}");
    let table = world.ok(&["list"]).stdout;
    assert!(table.lines().any(|line| line.starts_with("bad ") && line.contains("damaged")), "{table}");
    assert!(output.stderr.contains("warning: the file of bad is damaged"));
}

#[test]
fn a_copied_folder_is_told_from_its_original() {
    let world = World::new();
    world.environment("demo", "running");
    let file = world.read("data/demo/environment.json");
    world.write("data/copy/environment.json", &file);
    let list = world.json(&["list"]);
    assert_eq!(list[0]["error"], "the file of copy is damaged: it is the file of demo");
    assert_eq!(world.refusal(&["show", "copy"]).code, "state_damaged");
    assert_eq!(world.refusal(&["destroy", "copy"]).code, "state_damaged");
    world.ok(&["purge", "copy", "--force"]);
    assert_eq!(world.read("data/demo/environment.json"), file);
}

#[test]
fn show_tells_the_whole_command_that_registers_a_host() {
    let world = World::new();
    world.environment("demo", "created");
    world.edit_state("demo", |state| {
        state["attempt"] = serde_json::json!({
            "command": "register", "step": "Connect to the host", "since": "2026-01-01T00:00:00Z",
        });
    });
    let next = world.json(&["show", "demo"])["next"].clone();
    assert_eq!(next, "torrust-tracker-deployer register demo --instance-ip ADDRESS");
}

#[test]
fn two_formats_at_once_are_wrong_usage() {
    let world = World::new();
    let refusal = world.refusal(&["list", "--format", "yaml"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"));
}

#[test]
fn show_tells_every_stage_and_the_next_step() {
    let next = ["provision", "configure", "release", "run", "test", "purge"];
    let world = one_of_each();
    for (row, (stage, next)) in STAGES.iter().zip(next).enumerate() {
        let name = format!("{}-{stage}", ["f", "e", "d", "c", "b", "a"][row]);
        let shown = world.json(&["show", &name]);
        assert_eq!(shown["state"], *stage);
        let command = shown["next"].as_str().unwrap();
        assert!(
            command.starts_with(&format!("torrust-tracker-deployer {next} {name}")),
            "{stage}: {command}"
        );
        assert_eq!(
            shown["services"].as_array().unwrap().is_empty(),
            !matches!(*stage, "released" | "running")
        );
        assert_eq!(shown.get("host").is_some(), !matches!(*stage, "created" | "destroyed"), "{stage}");
    }
    snapshot!(world, &["show", "b-running"]);
}

#[test]
fn show_tells_a_failed_attempt_and_never_a_secret() {
    let world = World::new();
    world.environment("demo", "provisioned");
    world.edit_state("demo", |state| {
        state["attempt"] = serde_json::json!({
            "command": "configure", "step": "Connect to the host", "since": "2026-01-01T00:00:00Z", "error": "it is off",
        });
    });
    let output = snapshot!(world, &["show", "demo"]);
    let token =
        world.state("demo")["config"]["tracker"]["http_api"]["admin_token"].as_str().unwrap().to_owned();
    assert!(!output.stdout.contains(&token));
    assert!(!world.json(&["show", "demo"]).to_string().contains(&token));
}

#[test]
fn an_unknown_environment_is_answered_with_the_nearest_name() {
    let world = World::new();
    world.ok(&["create", "my-tracker"]);
    snapshot!(world, &["show", "my-traker"]);
    for command in ["show", "provision", "configure", "release", "run", "deploy", "test", "destroy", "purge"]
    {
        let refusal = world.refusal(&[command, "my-traker"]);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "environment_not_found"), "{command}");
        assert!(refusal.help.contains("did you mean my-tracker?"), "{command}: {}", refusal.help);
    }
    assert!(world.refusal(&["show", "zzz"]).help.contains("torrust-tracker-deployer create zzz"));
}

#[test]
fn exists_answers_true_or_false_and_both_are_a_success() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "true\n");
    assert_eq!(world.ok(&["exists", "other"]).stdout, "false\n");
    assert_eq!(world.json(&["exists", "demo"]), true);
}

#[test]
fn exists_fails_for_an_invalid_name_and_for_a_store_that_cannot_be_read() {
    let world = World::new();
    let refusal = world.refusal(&["exists", "No_Name"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "name_invalid"));
    world.write("data", "a file in the folder's place");
    let refusal = world.refusal(&["exists", "demo"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "storage_failed"));
    std::fs::remove_file(world.path("data")).unwrap();
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "false\n");
}
