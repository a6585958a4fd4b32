//! `run`, and its script `templates/host/run.sh` itself on a folder that stands for a host.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

use crate::world::World;

/// The script at work, on a host where these fakes are.
struct Script {
    bash: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    said: String,
}

impl Script {
    /// Begins it with this Docker, and has it start the stack.
    fn up(world: &World, docker: &str) -> Self {
        world.fake("docker", docker);
        for program in ["ss", "flock", "awk"] {
            world.fake(program, "");
        }
        world.fake("date", "if [ \"$1\" = -d ]; then echo \"$2\"; else echo 0; fi");
        let text = concat!(
            include_str!("../../templates/host/owner.sh"),
            include_str!("../../templates/host/run.sh")
        );
        let text = text.replace("cd /opt/torrust", &format!("cd {}", world.path("").display()));
        let mut bash = Command::new("bash");
        bash.args(["-c", &text, "deployer"]).env_clear();
        bash.envs(world.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut bash = bash.spawn().unwrap();
        let (input, output) = (bash.stdin.take().unwrap(), BufReader::new(bash.stdout.take().unwrap()));
        let mut script = Self { bash, input, output, said: String::new() };
        script.say("up\n");
        script
    }

    fn say(&mut self, words: &str) {
        self.input.write_all(words.as_bytes()).unwrap();
    }

    /// Until it says this line.
    fn hear(&mut self, line: &str) {
        loop {
            let begin = self.said.len();
            assert_ne!(self.output.read_line(&mut self.said).unwrap(), 0, "no {line}: {}", self.said);
            if self.said[begin..].trim_end() == line {
                return;
            }
        }
    }

    /// All that it said, and its complaints.
    fn end(mut self) -> (String, String) {
        self.output.read_to_string(&mut self.said).unwrap();
        let ended = self.bash.wait_with_output().unwrap();
        let complaints = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{}{complaints}", self.said);
        (self.said, complaints)
    }
}

#[test]
fn what_was_begun_comes_to_its_end_when_nobody_listens_any_more() {
    // It does not go on when nobody takes its words.
    let docker = r#"set -e
        [ "$*" = "${*#compose up}" ] || for n in 1 2 3 4 5 6; do
            echo "Container $n Started" >&2; touch "$FAKE/started-$n"; sleep 0.2
        done"#;
    for given_up in 1..5 {
        let world = World::new();
        let Script { mut bash, input, output, .. } = Script::up(&world, docker);
        world.wait_for(&format!("../started-{given_up}"));
        drop((input, output, bash.stderr.take()));
        bash.wait().unwrap();
        assert!(world.path("../started-6").exists(), "given up when {given_up} had been started");
    }
}

#[test]
fn an_answer_that_comes_in_two_parts_is_understood() {
    for parts in [["lo", "gs tracker-1\n"], ["logs tracker-1", "\n"]] {
        let world = World::new();
        let mut script = Script::up(&world, "[ \"$1\" != logs ] || echo last words of $4");
        script.say(parts[0]);
        // Between two rounds it waits for an answer, and takes what is there of it.
        script.hear("round");
        script.hear("round");
        script.say(parts[1]);
        let (said, _) = script.end();
        assert!(said.ends_with("log last words of tracker-1\n"), "{parts:?}: {said}");
    }
}

#[test]
fn a_container_that_goes_during_a_look_does_not_end_the_start() {
    // Each second look at the containers meets one that just went.
    let docker = r#"case $* in *' ps '*)
        if [ ! -e "$FAKE/looked" ]; then touch "$FAKE/looked"; echo '{"ID":"1"}'; exit; fi
        rm "$FAKE/looked"; echo 'Error response from daemon: No such container: 1' >&2; exit 1 ;;
    esac"#;
    let world = World::new();
    let mut script = Script::up(&world, docker);
    script.hear("started");
    script.hear("round");
    script.hear("round");
    script.say("stop\n");
    let (said, complaints) = script.end();
    let rounds = "started\ncontainer {\"ID\":\"1\"}\nround\ncontainer {\"ID\":\"1\"}\nround\n";
    assert!(said.ends_with(rounds), "{said}");
    assert_eq!(complaints, "", "what was asked again is no complaint");
}

#[test]
fn stale_containers_are_stopped_and_all_others_left_alone() {
    // ID, state, start, and the folders that it sees; one file was replaced at second 100, another one at second 50.
    let docker = r#"case "$*" in
        'ps --all --quiet '*) printf '%s\n' loops before after other down ;;
        'inspect '*) sed "s|PWD|$PWD|" <<END
loops restarting 10
before running 99 PWD/storage/tracker/etc PWD/storage/tracker/lib
after running 101 PWD/storage/tracker/etc
other running 60 PWD/storage/tracker/et
down exited 10 PWD/storage/tracker/etc
END
    esac"#;
    let world = World::new();
    let replaced = "100 storage/tracker/etc/tracker.toml\n50 storage/tracker/et/one\n";
    world.write(".replaced", replaced);
    let mut script = Script::up(&world, docker);
    script.hear("started");
    assert!(!world.path(".replaced").exists(), "what was seen to is forgotten");
    script.say("stop\n");
    let (said, _) = script.end();
    assert!(said.contains("ready\nrestarting loops\nrestarting before\n"), "{said}");
    assert_eq!(world.calls("docker stop loops before "), 1, "{}", world.transcript());
    assert_eq!(world.calls("docker stop"), 1, "{}", world.transcript());
}

#[test]
fn replaced_files_are_remembered_while_compose_fails() {
    let world = World::new();
    world.write(".replaced", "100 storage/tracker/etc/tracker.toml\n");
    let mut script = Script::up(&world, "[ \"$1 $2\" != 'compose up' ]");
    script.hear("failed");
    script.say("stop\n");
    script.end();
    assert!(world.path(".replaced").exists());
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
