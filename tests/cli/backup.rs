//! `backup`, and `destroy --backup`: what is asked, told, and left here. The host's part has real hosts in `tests/e2e/`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::world::{World, snapshot};

const ID: &str = "20260131T030000Z-1";
const OTHER: &str = "20260301T000000Z-2-0123456789ab";
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
fn why_a_backup_failed_comes_before_what_followed_from_it() {
    let world = running();
    let fails = "echo 'tar: Exiting' >&2; echo 'backup failed: tar: x: Cannot stat' >&2; exit 1";
    world.fake("ssh", &include_str!("fakes/ssh").replace("echo doing packing", fails));
    let refusal = world.refusal(&["backup", "demo", "create"]);
    assert_eq!(refusal.message, "backup failed: tar: x: Cannot stat");
    assert_eq!(refusal.causes.trim(), "tar: Exiting");
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
fn a_restore_that_went_on_without_us_is_told_and_then_what_is_asked_is_done() {
    let world = with_a_backup();
    let restore = ["backup", "demo", "restore", ID, "--force"];
    says(&world, "settled", &format!("earlier 2026-02-01T00:00:00Z {ID} kept\n"));
    says(&world, "restored", &format!("ended {ID} kept\n"));
    let output = world.ok(&restore);
    let told = format!("an earlier restore of {ID} ended at 2026-02-01T00:00:00Z: its database was kept");
    assert!(output.stderr.contains(&told), "{}", output.stderr);
    assert_eq!(world.calls("'begin'"), 1, "it is done again");
    says(&world, "settled", &format!("earlier 2026-02-01T00:00:00Z {OTHER} undone it was cut off\n"));
    let output = world.ok(&restore);
    assert!(output.stderr.contains("it was undone (it was cut off)"), "{}", output.stderr);

    // Who repeats the command does not mean to go back to what was there before.
    says(&world, "settled", &format!("safety {ID}\nearlier 2026-02-01T00:00:00Z {OTHER} kept\n"));
    snapshot!(world, &["backup", "demo", "restore", "latest", "--force"]);
    assert_eq!(world.calls("'begin'"), 2);
}

#[test]
fn a_restore_at_work_is_joined_by_who_asks_for_the_same() {
    let world = with_a_backup();
    says(&world, "restored", &format!("rows keys 3\nended {OTHER} kept\n"));
    world.write("mine.tar.gz", "data");
    let sum = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";
    let from = ["backup", "demo", "restore", "--from", "mine.tar.gz", "--force"];
    says(&world, "settled", &format!("atwork {OTHER} {}\n", "0".repeat(64)));
    assert_eq!(world.refusal(&from).code, "environment_locked");
    assert_eq!(world.refusal(&["backup", "demo", "restore", ID, "--force"]).code, "environment_locked");
    says(&world, "settled", &format!("atwork {OTHER} {sum}\n"));
    assert_eq!(world.json(&from)["id"], OTHER);
    assert_eq!((world.calls("'follow'"), world.calls("'begin'")), (1, 0));
}

#[test]
fn the_latest_backup_is_one_of_this_host() {
    let world = with_a_backup();
    let sum = "0".repeat(64);
    let brought =
        format!("backup {ID} 4 {sum} unchecked\nbackup 20300101T000000Z-1-0123456789ab 4 {sum} unchecked\n");
    says(&world, "backups", &brought);
    says(&world, "restored", &format!("ended {ID} kept\n"));
    world.edit_state("demo", |state| {
        state["attempt"] =
            json!({ "command": "run", "step": "Start", "since": "2026-01-31T03:00:00Z", "error": "x" });
    });
    assert_eq!(world.json(&["backup", "demo", "restore", "latest", "--force"])["id"], ID);
    assert_eq!(world.calls("20300101"), 0);
    assert!(world.state("demo").get("attempt").is_none(), "it runs: what failed before is over");
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
fn what_is_to_be_typed_asks_for_the_same() {
    let world = with_a_backup();
    world.write("mine.tar.gz", "data");
    let received =
        format!("*\"'restore.sh' 'receive'\"*) cat >/dev/null; echo received {ID} ;;\n  *'start tracker'*)");
    world.fake("ssh", &include_str!("fakes/ssh").replace("*'start tracker'*)", &received));
    let restore =
        ["backup", "demo", "restore", "--from", "mine.tar.gz", "--foreign", "--without-safety-copy"];
    let same = format!("torrust-tracker-deployer {}", restore.join(" "));
    let declined = world.refusal(&restore);
    assert_eq!((declined.code.as_str(), declined.help.trim()), ("declined", &*format!("{same} --force")));
    says(&world, "restored", &format!("ended {ID} failed it was stopped"));
    let failed = world.refusal(&[&restore[..], &["--force"]].concat());
    assert!(failed.help.contains(&same), "{failed:?}");
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
    assert_eq!((refusal.code.as_str(), world.calls("docker rm --force")), ("host_disk_full", 0));
    assert!(refusal.help.contains("nothing was removed"), "{refusal:?}");
    let lost = |what: &str| {
        assert!(include_str!("fakes/ssh").contains(what));
        world.fake("ssh", &include_str!("fakes/ssh").replace(what, "exit 255;"));
        let refusal = world.refusal(&["destroy", "demo", "--backup", "--force"]);
        assert_eq!((refusal.code.as_str(), world.calls("docker rm --force")), ("ssh_lost", 0));
        refusal.help.contains("torrust-tracker-deployer run demo")
    };
    assert!(lost("echo doing packing"), "whether the host has started it again is not known");
    assert!(!lost("printf data"), "it was started again");
    world.fake("ssh", include_str!("fakes/ssh"));
    world.ok(&["run", "demo", "--wait=false"]);
    snapshot!(world, &["destroy", "demo", "--backup"]);
    assert_eq!(world.read(ARCHIVE), "data");
    let here = world.json(&["backup", "demo", "list", "--check"]);
    assert_eq!((&here[0]["on_host"], &here[0]["whole"]), (&json!(false), &json!(true)));
}

/// What a host says becomes a file's name here, and a word of commands to type.
#[test]
fn a_host_names_no_backup_that_leads_elsewhere() {
    let sum = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";
    for id in ["../../x", "/tmp/x", "20260131T030000Z-1/../../../x", "20260131T030000Z-1-$(reboot)"] {
        let world = running();
        says(&world, "backups", &format!("backup {id} 4 {sum} unchecked\n"));
        for wanted in ["latest", id] {
            let refusal = world.refusal(&["backup", "demo", "fetch", wanted]);
            assert_eq!(refusal.code, "backup_not_found", "{id}: {refusal:?}");
        }
        assert_eq!(world.json(&["backup", "demo", "list"]), json!([]), "{id}");
        let written =
            world.files().into_iter().any(|(path, _)| path.display().to_string().contains(".tar.gz"));
        assert!(!written, "{id}");
        says(&world, "settled", &format!("atwork {id} {sum}\n"));
        let refusal = world.refusal(&["backup", "demo", "restore", ID, "--force"]);
        assert!(
            refusal.message.contains("cannot have that name") && !refusal.help.contains(id),
            "{id}: {refusal:?}"
        );
        let made = format!("made '{id}' bytes");
        world.fake("ssh", &include_str!("fakes/ssh").replace("made 20260131T030000Z-1 bytes", &made));
        let refusal = world.refusal(&["backup", "demo", "create"]);
        assert!(refusal.message.contains("cannot have that name"), "{id}: {refusal:?}");
    }
}
