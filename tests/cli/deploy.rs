//! From a file to a running tracker and back, on fakes.

use crate::api;
use crate::world::{World, snapshot};

/// A configuration of an API alone, which this machine can answer for.
pub fn api_only(world: &World, port: u16) {
    world.config("env.json", |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "127.0.0.1:6969".into();
        config["tracker"]["http_api"]["bind_address"] = format!("127.0.0.1:{port}").into();
    });
}

/// The token of the configuration that `World::config` writes.
pub const TOKEN: &str = "vE4ixM2uTq0Zk9sLw7RbNcYd";

#[test]
fn deploy_goes_from_a_file_to_running() {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    snapshot!(world, &["deploy", "-f", "env.json"]);
    assert_eq!(world.state("minimal")["stage"], "running");
    assert!(world.state("minimal").get("attempt").is_none());
}

#[test]
fn a_second_deploy_says_that_there_is_nothing_to_do() {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    world.ok(&["deploy", "-f", "env.json"]);
    world.fake("ansible-playbook", "exit 99");
    snapshot!(world, &["deploy", "minimal"]);
    assert_eq!(world.calls("docker run"), 1);
}

#[test]
fn each_command_leads_to_the_next_one() {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    world.ok(&["create", "environment", "-f", "env.json"]);
    for (command, stage) in
        [("provision", "provisioned"), ("configure", "configured"), ("release", "released")]
    {
        let early = world.refusal(&["run", "minimal"]);
        assert_eq!((early.exit, early.code.as_str()), (Some(1), "state_refused"), "before {command}");
        assert!(
            early.help.contains(&format!("torrust-tracker-deployer {command} minimal")),
            "{}",
            early.help
        );
        assert_eq!(world.json(&[command, "minimal"])["state"], stage);
    }
    assert_eq!(world.json(&["run", "minimal"])["state"], "running");
    assert_eq!(world.json(&["show", "minimal"])["services"][0]["kind"], "API");
}

#[test]
fn a_dry_run_names_the_steps_and_touches_nothing() {
    let world = World::new();
    api_only(&world, 1212);
    world.ok(&["create", "environment", "-f", "env.json"]);
    let before = world.state("minimal");
    snapshot!(world, &["deploy", "minimal", "--dry-run"]);
    assert_eq!(world.state("minimal"), before);
}

#[test]
fn own_templates_take_the_place_of_the_built_in_ones() {
    let world = World::with_tools();
    world.write("mine/docker/entry.sh", "#!/bin/sh\necho mine\n");
    world.write("mine/host/inspect.sh", "echo my own inspect os-release\n");
    // Without the image there is something to build.
    let docker = include_str!("fakes/docker").replace(
        "'image inspect') echo",
        "build*) ;;\n  'image inspect') [ \"$5\" = debian:trixie ] || exit 1; echo",
    );
    world.fake("docker", &docker);
    world.ok(&["create", "demo", "--template", "mine"]);
    world.ok(&["provision", "demo"]);
    assert_eq!(world.read("build/demo/docker/entry.sh"), "#!/bin/sh\necho mine\n");
    assert!(world.read("build/demo/docker/Dockerfile").contains("FROM"), "the others are the built-in ones");
    assert_eq!(world.calls("echo my own inspect os-release"), 1);
}

#[test]
fn a_template_folder_that_is_not_there_is_refused() {
    let world = World::new();
    let refusal = world.refusal(&["create", "demo", "--template", "nowhere"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "storage_failed"));
    assert_eq!(refusal.message, "cannot read the template folder nowhere");
}

#[test]
fn deploy_from_a_file_takes_a_change_over_and_does_what_it_needs() {
    let world = World::with_tools();
    let port = api::start(TOKEN);
    api_only(&world, port);
    world.ok(&["deploy", "-f", "env.json"]);
    world.config("other.json", |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "127.0.0.1:6968".into();
        config["tracker"]["http_api"]["bind_address"] = format!("127.0.0.1:{port}").into();
    });
    let before = world.state("minimal");
    let planned = world.ok(&["deploy", "-f", "other.json", "--dry-run"]);
    assert!(planned.stdout.starts_with("[1/6] release"), "{}", planned.stdout);
    assert_eq!(world.state("minimal"), before);
    world.fake("ansible-playbook", "exit 99");
    snapshot!(world, &["deploy", "-f", "other.json"]);
    assert_eq!(world.state("minimal")["stage"], "running");
    let again = world.json(&["deploy", "-f", "other.json"]);
    assert_eq!(again["changed"], false);
}

#[test]
fn waiting_for_another_one_on_the_host_is_not_taken_from_the_time_of_the_containers() {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    world.ok(&["deploy", "-f", "env.json"]);
    let ready = "echo ready\n    answer\n    [ \"$word\" = up ]";
    let round = "echo \"$container\"\n    echo round";
    let ssh = include_str!("fakes/ssh");
    assert!(ssh.contains(ready) && ssh.contains(round));
    let starting = "echo \"$container\" | sed 's/\"healthy\"/\"starting\"/'\n    echo round";
    world.fake(
        "ssh",
        &ssh.replace(ready, &format!("echo waiting\n    sleep 2\n    {ready}"))
            .replace(round, &format!("{starting}\n    {round}")),
    );
    world.ok(&["run", "minimal", "--timeout", "2"]);
}
