//! `destroy` and `purge`.

use crate::api;
use crate::deploy::{TOKEN, api_only};
use crate::world::{World, snapshot};

#[test]
fn an_environment_without_a_host_is_destroyed_without_any_tool_and_twice_is_fine() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    snapshot!(world, &["destroy", "demo"]);
    snapshot!(world, &["destroy", "demo"]);
    assert_eq!(world.json(&["destroy", "demo"])["state"], "destroyed");
}

#[test]
fn destroy_says_what_it_removed() {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    world.ok(&["deploy", "-f", "env.json"]);
    snapshot!(world, &["destroy", "minimal"]);
    assert!(std::fs::read_dir(world.path("../engine")).unwrap().next().is_none(), "nothing of it remains");
    assert!(!world.path("data/minimal/known_hosts").exists());
}

#[test]
fn destroy_keeps_the_data_when_asked_to() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(&["provision", "demo"]);
    world.ok(&["destroy", "demo", "--keep-data"]);
    assert!(world.path("../engine/volume-torrust-tracker-vm-demo-storage").exists());
    assert!(!world.path("../engine/container-torrust-tracker-vm-demo").exists());
}

#[test]
fn a_registered_host_is_kept() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(&["register", "demo", "--instance-ip", "192.0.2.7"]);
    world.forget_transcript();
    snapshot!(world, &["destroy", "demo"]);
    assert!(world.transcript().lines().all(|call| !call.starts_with("docker rm")));
    assert!(world.state("demo").get("host").is_none());
}

#[test]
fn a_destroyed_environment_takes_no_other_command() {
    let world = World::new();
    world.environment("demo", "destroyed");
    for command in ["provision", "configure", "release", "run", "deploy"] {
        let refusal = world.refusal(&[command, "demo"]);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "state_refused"), "{command}");
    }
}

#[test]
fn purge_asks_and_without_a_terminal_it_needs_force() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    snapshot!(world, &["purge", "demo"]);
    assert_eq!(world.refusal(&["purge", "demo"]).code, "declined");
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "true\n");
    snapshot!(world, &["purge", "demo", "--force"]);
    assert!(!world.path("data/demo").exists());
    world.ok(&["create", "demo"]);
}

#[test]
fn purge_refuses_while_the_host_exists_unless_forced() {
    let world = World::new();
    world.environment("demo", "running");
    snapshot!(world, &["purge", "demo"]);
    assert_eq!(world.refusal(&["purge", "demo"]).code, "state_refused");
    world.ok(&["purge", "demo", "--force"]);
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "false\n");
}

#[test]
fn purge_removes_the_rendered_files_too() {
    let world = World::new();
    world.environment("demo", "destroyed");
    world.write("build/demo/ansible/inventory.yml", "");
    world.ok(&["purge", "demo", "--force"]);
    assert!(!world.path("build/demo").exists());
}

#[test]
fn purge_refuses_while_a_host_may_exist_that_is_not_known() {
    let world = World::new();
    world.environment("demo", "created");
    world.edit_state("demo", |state| {
        state["attempt"] = serde_json::json!({
            "command": "provision", "step": "Make the host", "since": "2026-01-01T00:00:00Z",
        });
    });
    let refusal = world.refusal(&["purge", "demo"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "state_refused"));
    assert!(refusal.message.contains("a host may exist"), "{}", refusal.message);
    assert!(refusal.help.contains("torrust-tracker-deployer destroy demo"), "{}", refusal.help);
    world.ok(&["purge", "demo", "--force"]);
}

#[test]
fn a_purge_that_failed_is_repeated() {
    let world = World::new();
    world.environment("demo", "destroyed");
    world.write("build/demo", "no folder: it cannot be removed as one");
    assert_eq!(world.refusal(&["purge", "demo", "--force"]).code, "storage_failed");
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "true\n");
    std::fs::remove_file(world.path("build/demo")).unwrap();
    world.ok(&["purge", "demo", "--force"]);
    // As a purge leaves it that was killed in the middle.
    world.write("data/.removed-demo-17/id_ed25519", "");
    assert_eq!(world.json(&["list"]), serde_json::json!([]));
    world.ok(&["purge", "demo", "--force"]);
    assert!(!world.path("data/.removed-demo-17").exists());
    assert_eq!(world.refusal(&["purge", "demo", "--force"]).code, "environment_not_found");
}

#[test]
fn purge_leaves_backups_where_they_are() {
    let world = World::new();
    world.environment("demo", "destroyed");
    world.write("backups/demo/20260101T000000Z.tar.gz", "data");
    world.ok(&["purge", "demo", "--force"]);
    assert_eq!(world.read("backups/demo/20260101T000000Z.tar.gz"), "data");
}
