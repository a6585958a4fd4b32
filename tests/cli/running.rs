//! `run`, and its script `templates/host/run.sh` itself on a folder that stands for a host.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::world::World;

/// A Docker whose `compose up` says what it does, and does not go on when nobody takes its words.
const DOCKER: &str = r#"set -e
case "$*" in
  'compose up'*)
    touch "$FAKE/begun"
    for n in 1 2 3 4 5 6; do echo "Container $n Started" >&2; sleep 0.2; done
    touch "$FAKE/all-started" ;;
esac"#;

/// What the script calls, with this Docker.
fn script_world(docker: &str) -> World {
    let world = World::new();
    world.fake("docker", docker);
    for program in ["ss", "flock", "awk"] {
        world.fake(program, "");
    }
    world.fake("date", "echo 0");
    world
}

/// The script with the fakes of this world.
fn run_sh(world: &World) -> Child {
    let script = include_str!("../../templates/host/run.sh");
    let script = script.replace("cd /opt/torrust", &format!("cd {}", world.path("").display()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script, "deployer"]).env_clear();
    bash.envs(world.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn what_was_begun_comes_to_its_end_when_nobody_listens_any_more() {
    for delay in [0, 300, 700] {
        let world = script_world(DOCKER);
        let mut bash = run_sh(&world);
        bash.stdin.as_mut().unwrap().write_all(b"up\n").unwrap();
        world.wait_for("../begun");
        sleep(Duration::from_millis(delay));
        drop((bash.stdin.take(), bash.stdout.take(), bash.stderr.take()));
        bash.wait().unwrap();
        assert!(world.path("../all-started").exists(), "given up {delay} ms after it had begun");
    }
}

#[test]
fn an_answer_that_comes_in_two_parts_is_understood() {
    for parts in [["lo", "gs tracker-1\n"], ["logs tracker-1", "\n"]] {
        let world = script_world("[ \"$1\" != logs ] || echo last words of $4");
        let mut bash = run_sh(&world);
        for words in ["up\n", parts[0], parts[1]] {
            bash.stdin.as_mut().unwrap().write_all(words.as_bytes()).unwrap();
            // A look and the second after it pass in this time.
            sleep(Duration::from_millis(1300));
        }
        let ended = bash.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        assert!(said.ends_with("log last words of tracker-1\n"), "{parts:?}: {said}");
    }
}

/// Where the host of the fakes is ready to start something.
const READY: &str = "[ ! -e \"$FAKE/started\" ] || echo \"$container\"\n    echo ready";

#[test]
fn a_port_of_the_loopback_is_told_with_who_holds_it() {
    let world = World::with_tools();
    world.config("env.json", |config| config["prometheus"] = json!({ "scrape_interval_in_secs": 15 }));
    world.ok(&["deploy", "-f", "env.json", "--skip-run"]);
    let held_on = |address: &str| {
        let listens = format!("echo 'listen tcp {address} 9090 systemd (process 1)'\n{READY}");
        world.fake("ssh", &include_str!("fakes/ssh").replace(READY, &listens));
    };
    for address in ["*", "127.0.0.1"] {
        held_on(address);
        let refusal = world.refusal(&["run", "minimal", "--wait=false"]);
        let message = "port 9090/tcp on the host's loopback is held by systemd (process 1)";
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("port_in_use", message), "{address}");
        assert!(refusal.help.contains("systemctl list-sockets | grep 9090"), "{}", refusal.help);
    }
    held_on("::1");
    world.ok(&["run", "minimal", "--wait=false"]);
}
