//! Ctrl-C, a signal to end, and being killed: nothing is lost, and the same command goes on.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Output, World, finish};

/// A tool that works until it is told to end, and says which of its processes heard of it.
const PATIENT: &str = r#"
trap 'echo parent >>"$FAKE/signals"; exit 130' INT
sh -c 'trap "echo child >>\"$FAKE/signals\"; exit 130" INT; touch started; count=0
       while [ $count -lt 1000 ]; do sleep 0.02; count=$((count + 1)); done'
"#;
/// A tool that does not hear.
const STUBBORN: &str = "trap '' INT; touch \"$FAKE/work/started\"; count=0; while [ $count -lt 1000 ]; do sleep 0.02; count=$((count + 1)); done";

/// `provision demo` with this engine, as far as its first call.
fn provisioning(world: &World, docker: &str) -> Child {
    world.ok(&["create", "demo"]);
    world.fake("docker", docker);
    let child = world.command(&["provision", "demo", "--output-format", "json"]).spawn().unwrap();
    world.wait_for("started");
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn check_interrupted(world: &World, output: &Output) {
    assert_eq!(output.code, Some(130), "{output:?}");
    let error = &output.json()["error"];
    assert_eq!(error["code"], "interrupted");
    assert_eq!(error["help"][0], "the same command again goes on from here");
    let state = world.state("demo");
    assert_eq!(state["stage"], "created");
    assert_eq!(state["attempt"]["step"], "Look for the Docker Engine");
    assert_eq!(state["attempt"]["error"], "interrupted");
    let history = world.history("demo");
    assert_eq!(history.last().unwrap()["result"], "interrupted");
}

fn goes_on(world: &World) {
    world.fake("docker", include_str!("fakes/docker"));
    world.ok(&["provision", "demo"]);
    assert_eq!(world.state("demo")["stage"], "provisioned");
    assert_eq!(world.history("demo").last().unwrap()["result"], "done");
}

#[test]
fn a_signal_reaches_every_process_of_the_tool() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let world = World::with_tools();
        let child = provisioning(&world, PATIENT);
        send(&child, signal);
        check_interrupted(&world, &finish(child));
        let signals = world.read("../signals");
        let mut heard: Vec<_> = signals.lines().collect();
        heard.sort_unstable();
        assert_eq!(heard, ["child", "parent"], "{signal:?}");
        goes_on(&world);
    }
}

#[test]
fn a_second_ctrl_c_ends_a_tool_that_does_not_hear() {
    let world = World::with_tools();
    let child = provisioning(&world, STUBBORN);
    send(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    let second = Instant::now();
    send(&child, Signal::INT);
    check_interrupted(&world, &finish(child));
    assert!(second.elapsed() < Duration::from_secs(3), "{:?}", second.elapsed());
    goes_on(&world);
}

#[test]
fn what_was_made_before_ctrl_c_is_kept_and_used_again() {
    let world = World::with_tools();
    let docker = include_str!("fakes/docker")
        .replace("'run --detach')", &format!("'run --detach') {PATIENT};; never)"));
    let child = provisioning(&world, &docker);
    send(&child, Signal::INT);
    assert_eq!(finish(child).code, Some(130));
    assert!(world.path("../engine/network-torrust-tracker-vm-demo").exists());
    world.forget_transcript();
    goes_on(&world);
    assert_eq!(world.calls("docker network create"), 0);
}

/// The engine goes on with what a killed call asked of it.
#[test]
fn what_the_engine_finishes_late_is_found() {
    for (made, said) in [
        ("'network create') ", "network with name torrust-tracker-vm-demo already exists"),
        (
            "'run --detach') ",
            "Conflict. The container name \"/torrust-tracker-vm-demo\" is already in use by container \"1\".",
        ),
    ] {
        let world = World::with_tools();
        let late = format!(
            "{made} echo >>\"$FAKE/refused\"; echo 'Error response from daemon: {said}' >&2; code=1; "
        );
        let docker =
            include_str!("fakes/docker").replace(made, &late).replace("\nesac", "\nesac\nexit ${code:-0}");
        world.fake("docker", &docker);
        world.ok(&["create", "demo"]);
        world.ok(&["provision", "demo"]);
        assert_eq!(world.read("../refused").lines().count(), 1, "{said}");
    }
}

#[test]
fn after_kill_9_in_any_step_the_same_command_works() {
    for (program, step) in [
        ("docker", "Look for the Docker Engine"),
        ("ssh", "Wait for SSH"),
        ("ansible-playbook", "Configure the operating system"),
    ] {
        let world = World::with_tools();
        world.ok(&["create", "demo"]);
        world.fake(program, STUBBORN);
        let mut child = world.command(&["deploy", "demo", "--skip-run"]).spawn().unwrap();
        world.wait_for("started");
        child.kill().unwrap();
        child.wait().unwrap();
        let attempt = world.state("demo")["attempt"].clone();
        assert_eq!((&attempt["step"], attempt.get("error")), (&step.into(), None));
        let shown = world.ok(&["show", "demo"]).stdout;
        assert!(shown.contains(&format!("ended in \"{step}\": it was cut off")), "{shown}");
        for (name, script) in [
            ("docker", include_str!("fakes/docker")),
            ("ssh", include_str!("fakes/ssh")),
            ("ansible-playbook", include_str!("fakes/ansible-playbook")),
        ] {
            world.fake(name, script);
        }
        world.ok(&["deploy", "demo", "--skip-run"]);
        assert_eq!(world.state("demo")["stage"], "released");
    }
}

/// A terminal sends Ctrl-C to the whole group: the secret's command ends by itself, and that is no fault of the secret.
#[test]
fn ctrl_c_during_a_secrets_command_is_an_interrupt() {
    use std::os::unix::process::CommandExt;
    for script in ["touch started; exec sleep 20", "trap 'exit 7' INT; touch started; sleep 20"] {
        let world = World::with_tools();
        world.environment("demo", "configured");
        world.edit_state("demo", |state| {
            state["config"]["tracker"]["http_api"]["admin_token"] =
                serde_json::json!({ "command": ["sh", "-c", script] });
        });
        let mut command = world.command(&["release", "demo", "--output-format", "json"]);
        let child = command.process_group(0).spawn().unwrap();
        world.wait_for("started");
        rustix::process::kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
        let output = finish(child);
        assert_eq!(
            (output.code, &output.json()["error"]["code"]),
            (Some(130), &"interrupted".into()),
            "{output:?}"
        );
    }
}
