//! `backup`, and `destroy --backup`: what is asked, told, and left here. The host's part has real hosts in `tests/e2e/`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::world::{World, snapshot};

const ID: &str = "20260131T030000Z-1";
const ARCHIVE: &str = "backups/demo/20260131T030000Z-1.tar.gz";

fn running() -> World {
    let world = World::with_tools();
    world.environment("demo", "running");
    world
}

/// What the host answers in the files of the fake.
fn says(world: &World, file: &str, text: &str) {
    fs::write(world.path("..").join(file), text).unwrap();
}

fn with_a_backup() -> World {
    let world = running();
    world.ok(&["backup", "demo", "create"]);
    world
}

#[test]
fn a_backup_is_made_listed_and_fetched() {
    let world = running();
    snapshot!(world, &["backup", "demo", "list"]);
    snapshot!(world, &["backup", "demo", "create"]);
    let rows = world.json(&["backup", "demo", "list"]);
    let row = json!({
        "id": ID, "made": "2026-01-31T03:00:00Z", "release": 1, "bytes": 4, "on_host": true, "here": null, "whole": null,
    });
    assert_eq!(rows, json!([row]));
    snapshot!(world, &["backup", "demo", "fetch", "latest"]);
    assert_eq!(world.read(ARCHIVE), "data");
    let mode = |path: &str| fs::metadata(world.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(ARCHIVE), mode("backups/demo")), (0o600, 0o700));
    let rows = world.json(&["backup", "demo", "list"]);
    assert_eq!(rows[0]["here"], format!("./{ARCHIVE}"));
    world.write("backups/demo/20260131T030000Z-1.tar.gz", "other");
    assert_eq!(world.json(&["backup", "demo", "list", "--check"])[0]["whole"], false);
    let commands: Vec<_> = world.history("demo").iter().map(|line| line["command"].clone()).collect();
    assert_eq!(commands[1..4], [json!("backup list"), json!("backup create"), json!("backup list")]);
    assert!(world.state("demo").get("attempt").is_none());
}

#[test]
fn what_arrives_damaged_does_not_stay() {
    let world = with_a_backup();
    world.fake("ssh", &include_str!("fakes/ssh").replace("printf data", "printf dat"));
    let refusal = world.refusal(&["backup", "demo", "fetch", ID]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "backup_invalid"));
    assert_eq!(fs::read_dir(world.path("backups/demo")).unwrap().count(), 0);
}

#[test]
fn an_unknown_backup_is_answered_with_those_that_there_are() {
    let world = running();
    let refusal = world.refusal(&["backup", "demo", "verify", "latest"]);
    assert_eq!(refusal.code, "backup_not_found");
    assert!(refusal.help.contains("backup demo create"), "{refusal:?}");
    world.ok(&["backup", "demo", "create"]);
    snapshot!(world, &["backup", "demo", "restore", "20200101T000000Z-1", "--force"]);
}

#[test]
fn a_restore_asks_and_says_what_came_of_it() {
    let world = with_a_backup();
    let restore = ["backup", "demo", "restore", "latest"];
    snapshot!(world, &restore);
    assert_eq!(world.calls("'begin'"), 0, "nobody said yes");
    let declined = world.typing(&restore, "n\n");
    assert_eq!(declined.code, Some(1));
    assert!(
        declined.stderr.contains("keys 3, torrents 120") && declined.stderr.contains("which is saved first")
    );
    assert_eq!(world.calls("'begin'"), 0);
    let kept = format!("rows keys 3\nsafety 20260201T000000Z-1\ndown 1500\nended {ID} kept\n");
    says(&world, "restored", &kept);
    world.edit_state("demo", |state| state["stage"] = "released".into());
    assert_eq!(world.typing(&restore, "y\n").code, Some(0));
    assert_eq!(world.state("demo")["stage"], "running");
    let restored = world.json(&["backup", "demo", "restore", ID, "--force"]);
    assert_eq!((&restored["rows"], &restored["stopped_seconds"]), (&json!({ "keys": 3 }), &json!(1.5)));

    says(
        &world,
        "restored",
        &format!("ended {ID} undone the stack does not get healthy with it: tracker exited"),
    );
    snapshot!(world, &["backup", "demo", "restore", ID, "--force"]);
}

#[test]
fn a_restore_that_went_on_without_us_is_told_and_not_repeated() {
    let world = with_a_backup();
    says(&world, "settled", &format!("rows keys 3\ndown 1500\nended {ID} kept\n"));
    snapshot!(world, &["backup", "demo", "restore", "latest"]);
    assert_eq!(world.calls("'begin'"), 0);
    says(&world, "settled", "ended 20200101T000000Z-1 undone it was cut off\n");
    says(&world, "restored", &format!("ended {ID} kept\n"));
    let output = world.ok(&["backup", "demo", "restore", ID, "--force"]);
    assert!(
        output.stderr.contains("20200101T000000Z-1 is not restored: it was cut off"),
        "{}",
        output.stderr
    );
    says(&world, "settled", "atwork 20200101T000000Z-1\n");
    assert_eq!(world.refusal(&["backup", "demo", "restore", ID, "--force"]).code, "environment_locked");
}

#[test]
fn an_archive_of_the_user_s_is_looked_at_before_it_travels() {
    let world = running();
    let from = ["backup", "demo", "restore", "--from", "mine.tar.gz", "--force"];
    assert_eq!(world.refusal(&from).code, "storage_failed");
    world.write("mine.tar.gz", "data");
    world.write("mine.tar.gz.sha256", &format!("{}  x\n", "0".repeat(64)));
    assert_eq!(world.refusal(&from).code, "backup_invalid");
    assert_eq!(world.calls("'receive'"), 0);
}

#[test]
fn destroy_has_the_last_backup_here_before_anything_goes() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(&["deploy", "demo", "--skip-run"]);
    let none = include_str!("fakes/ssh")
        .replace("echo doing packing", "echo refused full; echo 'the disk is full' >&2; exit 1");
    world.fake("ssh", &none);
    let refusal = world.refusal(&["destroy", "demo", "--backup", "--force"]);
    assert_eq!((refusal.code.as_str(), world.calls("docker rm")), ("host_disk_full", 0));
    assert!(refusal.help.contains("nothing was removed"), "{refusal:?}");
    world.fake("ssh", include_str!("fakes/ssh"));
    snapshot!(world, &["destroy", "demo", "--backup"]);
    assert_eq!(world.read(ARCHIVE), "data");
    let here = world.json(&["backup", "demo", "list", "--check"]);
    assert_eq!((&here[0]["on_host"], &here[0]["whole"]), (&json!(false), &json!(true)));
}
