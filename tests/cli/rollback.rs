//! The way back to a release that was there before: by hand, and by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::api;
use crate::deploy::{TOKEN, api_only};
use crate::world::{World, snapshot};

/// A running environment with that many releases, each with an image of its number.
fn with_releases(count: u32) -> (World, u16) {
    let world = World::with_tools();
    let port = api::start(TOKEN);
    for number in 1..=count {
        release(&world, port, number);
        world.ok(&["deploy", "-f", "env.json"]);
    }
    (world, port)
}

fn release(world: &World, port: u16, number: u32) {
    world.config("env.json", |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "127.0.0.1:6969".into();
        config["tracker"]["http_api"]["bind_address"] = format!("127.0.0.1:{port}").into();
        config["images"] = json!({ "tracker": format!("torrust/tracker:v{number}") });
    });
}

fn image(world: &World) -> String {
    world.state("minimal")["config"]["images"]["tracker"].as_str().unwrap().to_owned()
}

#[test]
fn again_and_again_leads_further_back_and_no_further_than_there_is() {
    let (world, _) = with_releases(3);
    let file = world.path("data/minimal/releases/1.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    snapshot!(world, &["rollback", "minimal"]);
    assert_eq!(image(&world), "torrust/tracker:v2");
    let back = world.json(&["rollback", "minimal"]);
    assert_eq!(
        (&back["put_back"], &back["release"], &back["state"]),
        (&json!(1), &json!(5), &json!("running"))
    );
    assert_eq!(image(&world), "torrust/tracker:v1");
    snapshot!(world, &["rollback", "minimal"]);
    assert_eq!(world.json(&["rollback", "minimal", "--to", "3"])["release"], 6);
    assert_eq!(image(&world), "torrust/tracker:v3");
    let nothing = world.json(&["rollback", "minimal", "--to", "6"]);
    assert_eq!((&nothing["changed"], &nothing["release"]), (&json!(false), &json!(6)));
    let unknown = world.refusal(&["rollback", "minimal", "--to", "9"]);
    assert_eq!(unknown.message, "there is no release 9 of minimal to put back");
    assert_eq!(unknown.causes.lines().count(), 6, "{}", unknown.causes);
}

#[test]
fn a_broken_database_server_does_not_block_a_rollback() {
    let (world, _) = with_releases(2);
    let upgrade = "*\"'upgrade.sh'\"*) ";
    let failing =
        |said: &str| include_str!("fakes/ssh").replace(upgrade, &format!("{upgrade}{said}; exit 1; "));
    world.fake("ssh", &failing("echo 'mysql does not answer: exited (1)' >&2"));
    let back = world.run(&["rollback", "minimal"]);
    assert_eq!((back.code, image(&world).as_str()), (Some(0), "torrust/tracker:v1"), "{}", back.stderr);
    let warning = "warning: the database was not prepared for the release that is put back: mysql does not answer: exited (1)";
    assert!(back.stderr.contains(warning), "{}", back.stderr);
    // What the host refuses is another matter.
    world.fake("ssh", &failing("echo refused partial; echo 'the database has only keys' >&2"));
    let refused = world.refusal(&["rollback", "minimal", "--to", "2"]);
    assert_eq!(refused.code, "database_refused");
    assert_eq!(image(&world), "torrust/tracker:v1");
}

#[test]
fn a_release_that_does_not_get_healthy_goes_back_by_itself() {
    let (world, port) = with_releases(1);
    fs::write(world.path("../ill"), "2\n").unwrap();
    release(&world, port, 2);
    snapshot!(world, &["deploy", "-f", "env.json"]);
    assert_eq!(
        (image(&world), &world.state("minimal")["stage"]),
        ("torrust/tracker:v1".into(), &json!("running"))
    );
    assert!(world.state("minimal").get("attempt").is_none());
    let history = world.history("minimal");
    let [.., deploy, rollback] = &history[..] else { panic!("{history:?}") };
    assert_eq!((&deploy["result"], &rollback["command"]), (&json!("service_unhealthy"), &json!("rollback")));

    // Kept for a look, then put back by hand.
    fs::write(world.path("../ill"), "4\n").unwrap();
    let kept = world.refusal(&["deploy", "-f", "env.json", "--no-rollback"]);
    assert!(kept.help.contains("rollback minimal --to 3"), "{}", kept.help);
    assert_eq!(
        (image(&world), &world.state("minimal")["stage"]),
        ("torrust/tracker:v2".into(), &json!("released"))
    );
    assert_eq!(world.refusal(&["run", "minimal"]).code, "service_unhealthy");
    assert_eq!(image(&world), "torrust/tracker:v1", "run goes back, too");
}

#[test]
fn what_cannot_be_put_back_is_told_beside_what_failed() {
    let (world, port) = with_releases(1);
    fs::write(world.path("../ill"), "2\n3\n").unwrap();
    release(&world, port, 2);
    let refusal = world.refusal(&["deploy", "-f", "env.json"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "service_unhealthy"));
    assert!(
        refusal.message.contains("release 1, which was healthy, could not be put back"),
        "{}",
        refusal.message
    );
    assert_eq!(world.state("minimal")["stage"], "released");
    fs::write(world.path("../ill"), "").unwrap();
    // The same again goes on with what it began.
    assert_eq!(world.json(&["rollback", "minimal"])["put_back"], 1);
    assert_eq!(image(&world), "torrust/tracker:v1");
}

#[test]
fn the_first_release_has_nothing_to_go_back_to() {
    let world = World::with_tools();
    fs::write(world.path("../ill"), "1\n").unwrap();
    release(&world, api::start(TOKEN), 1);
    let refusal = world.refusal(&["deploy", "-f", "env.json"]);
    assert!(!refusal.message.contains("back"), "{}", refusal.message);
    assert_eq!(world.state("minimal")["stage"], "released");
    assert_eq!(world.refusal(&["rollback", "minimal"]).code, "state_refused");
}

/// The host's own firewall has the published ports, too.
#[test]
fn a_port_that_goes_back_has_the_host_configured_again() {
    let (world, port) = with_releases(1);
    let other = api::start(TOKEN);
    world.config("env.json", |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "127.0.0.1:6969".into();
        config["tracker"]["http_api"]["bind_address"] = format!("0.0.0.0:{port}").into();
        config["tracker"]["health_check_api"] = json!({ "bind_address": format!("0.0.0.0:{other}") });
    });
    world.ok(&["deploy", "-f", "env.json"]);
    let ports =
        |world: &World| world.read("build/minimal/ansible/variables.yml").contains(&other.to_string());
    assert!(ports(&world));
    let steps = world.json(&["rollback", "minimal", "--keep-open", "81/udp"])["steps"].clone();
    assert!(world.read("build/minimal/ansible/variables.yml").contains("\"81/udp\""));
    assert_eq!(steps[3]["title"], "Render the playbook", "{steps}");
    assert!(!ports(&world));
    let state = world.state("minimal");
    assert_eq!((&state["stage"], state.get("again")), (&json!("running"), None));
}

/// The same command again ends where a clean run ends.
#[test]
fn after_kill_9_in_any_step_of_a_rollback_the_same_command_works() {
    for held in ["releases/.incoming", "docker compose up"] {
        let (world, _) = with_releases(3);
        let stubborn = format!(
            "case \"$*\" in *'{held}'*) touch started; count=0; while [ $count -lt 1000 ]; do sleep 0.02; count=$((count + 1)); done ;; esac\n{}",
            include_str!("fakes/ssh")
        );
        world.fake("ssh", &stubborn);
        let mut child = world.command(&["rollback", "minimal"]).spawn().unwrap();
        world.wait_for("started");
        child.kill().unwrap();
        child.wait().unwrap();
        world.fake("ssh", include_str!("fakes/ssh"));
        assert_eq!(world.json(&["rollback", "minimal"])["put_back"], 2, "{held}");
        assert_eq!(image(&world), "torrust/tracker:v2");
        assert!(world.state("minimal").get("attempt").is_none());
    }
}

#[test]
fn a_release_of_another_machine_is_not_taken_for_ours() {
    let (world, _) = with_releases(2);
    fs::write(world.path("../releases/1"), "another\n").unwrap();
    let before = world.state("minimal");
    let refusal = world.refusal(&["rollback", "minimal"]);
    assert_eq!(refusal.code, "state_refused");
    assert!(refusal.message.starts_with("the host does not keep release 1 of"), "{}", refusal.message);
    let after = world.state("minimal");
    assert_eq!((&before["config"], &before["stage"]), (&after["config"], &after["stage"]));
    assert_eq!(before.get("again"), after.get("again"));
}

#[test]
fn files_of_others_and_changed_files_are_told_with_what_to_type() {
    let world = World::with_tools();
    let port = api::start(TOKEN);
    api_only(&world, port);
    let ssh = include_str!("fakes/ssh");
    let ready = "    echo ready\n    answer\n    [ \"$word\" = apply ]";
    assert!(ssh.contains(ready));
    world.fake(
        "ssh",
        &ssh.replace(ready, &format!("    echo theirs .env; echo theirs compose.yaml; exit 0\n{ready}")),
    );
    let refusal = world.refusal(&["deploy", "-f", "env.json"]);
    assert_eq!(refusal.code, "state_refused");
    assert_eq!(
        refusal.message,
        "the host's /opt/torrust has files that no release put there: .env, compose.yaml"
    );
    let moved = "sudo mv --backup=numbered /opt/torrust/.env /opt/torrust/compose.yaml /opt/torrust.before/";
    assert!(refusal.help.contains(moved), "{}", refusal.help);
    world.fake("ssh", &ssh.replace(ready, &format!("    echo replaced 2 .env\n{ready}")));
    let output = world.ok(&["deploy", "minimal"]);
    assert!(output.stderr.contains("sudo cat /opt/torrust/releases/2/replaced/.env"), "{}", output.stderr);
}

/// Two releases, whose token is in a file that had another one for each; the API takes the one of today.
fn with_a_changed_secret() -> World {
    let world = World::with_tools();
    let file = world.write("../home/token", "The-First-Token-Of-24-Chars");
    let port = api::start_with(move || fs::read_to_string(&file).unwrap());
    for number in 1..=2 {
        world.config("env.json", |config| {
            config["tracker"]["udp_trackers"][0]["bind_address"] = "127.0.0.1:6969".into();
            config["tracker"]["http_api"]["bind_address"] = format!("127.0.0.1:{port}").into();
            config["tracker"]["http_api"]["admin_token"] = json!({ "file": "~/token" });
            config["images"] = json!({ "tracker": format!("torrust/tracker:v{number}") });
        });
        if number == 1 {
            world.ok(&["deploy", "-f", "env.json"]);
            world.write("../home/token", "The-Second-Token-Of-24-Chars");
        }
    }
    world
}

fn sent(world: &World) -> String {
    String::from_utf8_lossy(&fs::read(world.path("../received.tar")).unwrap()).into_owned()
}

#[test]
fn rollback_keeps_a_changed_secret() {
    let world = with_a_changed_secret();
    world.ok(&["deploy", "-f", "env.json"]);
    fs::remove_file(world.path("../received.tar")).unwrap();
    let back = world.json(&["rollback", "minimal"]);
    assert_eq!((&back["put_back"], &back["secrets_of_today"]), (&json!(1), &json!(true)));
    assert_eq!(image(&world), "torrust/tracker:v1");
    assert!(sent(&world).contains("The-Second-Token") && !sent(&world).contains("The-First-Token"));
    // What it became has the same secrets: the files that the host keeps will do.
    fs::remove_file(world.path("../received.tar")).unwrap();
    let back = world.json(&["rollback", "minimal", "--to", "2"]);
    assert_eq!((&back["put_back"], &back["secrets_of_today"]), (&json!(2), &json!(false)));
    assert!(!world.path("../received.tar").exists());
    // A release of an older version of the program has no record of its secrets.
    let release = world.read("data/minimal/releases/1.json");
    let mut release: Value = serde_json::from_str(&release).unwrap();
    release.as_object_mut().unwrap().remove("secrets").unwrap();
    world.write("data/minimal/releases/1.json", &release.to_string());
    assert_eq!(world.json(&["rollback", "minimal", "--to", "1"])["secrets_of_today"], true);
}

#[test]
fn unhealthy_release_goes_back_with_todays_secrets_or_else_the_old_ones() {
    let world = with_a_changed_secret();
    fs::write(world.path("../ill"), "2\n").unwrap();
    let failed = world.refusal(&["deploy", "-f", "env.json"]);
    let back = "release 1 is back (as release 3) with the secrets of today, and it is healthy";
    assert!(failed.message.ends_with(back), "{}", failed.message);
    assert!(sent(&world).contains("The-Second-Token"));

    let world = with_a_changed_secret();
    fs::write(world.path("../ill"), "2\n3\n").unwrap();
    let failed = world.refusal(&["deploy", "-f", "env.json"]);
    let back = "release 1 is back (as release 4) with the secrets that it was made with, and it is healthy";
    assert!(failed.message.ends_with(back), "{}", failed.message);
    assert!(failed.help.contains("check the secrets that the configuration refers to"), "{}", failed.help);
    assert_eq!(world.read("../releases/4"), world.read("../releases/1"));
}

#[test]
fn refused_token_is_not_blamed_on_a_firewall() {
    let world = with_a_changed_secret();
    let port = api::start(TOKEN);
    world.edit_state("minimal", |state| {
        state["config"]["tracker"]["http_api"]["bind_address"] = format!("127.0.0.1:{port}").into();
    });
    let failed = world.refusal(&["run", "minimal"]);
    assert_eq!(failed.code, "service_unhealthy");
    assert!(failed.help.contains("if a secret was changed"), "{}", failed.help);
    assert!(!failed.help.contains("firewall"), "{}", failed.help);
}
