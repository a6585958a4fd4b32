//! `ssh`: what arrives on the host, and what comes back.

use std::io::Write;
use std::process::Stdio;

use crate::world::{World, finish};

/// Runs the last word as the host's shell would.
const HOST: &str = r#"
for word in "$@"; do last=$word; done
case " $* " in
  *' -O check '*) exit "$(cat "$FAKE/check" 2>/dev/null || echo 0)" ;;
  *' -O exit '* | *' ControlMaster=yes '*) exit 0 ;;
  *' -- 192.0.2.7 ') exec sh ;;
esac
exec sh -c "$last"
"#;

fn world() -> World {
    let world = World::new();
    world.environment("demo", "provisioned");
    world.fake("ssh", HOST);
    world
}

#[test]
fn streams_and_exit_code_are_the_command_s_own() {
    let world = world();
    let output = world.run(&["ssh", "demo", "--", "echo out; echo err >&2; exit 7"]);
    assert_eq!((output.code, &*output.stdout, &*output.stderr), (Some(7), "out\n", "err\n"));
    let words = world.ok(&["ssh", "demo", "--", "printf", "%s|", "a  b", "it's", "$HOME", "--", ""]);
    assert_eq!(words.stdout, "a  b|it's|$HOME|--||");
    assert_eq!(world.run(&["ssh", "demo", "--", "exit 255"]).code, Some(255));
}

#[test]
fn standard_input_goes_there_and_without_a_command_it_is_a_shell_s() {
    let world = world();
    for (args, typed, answer) in
        [(&["ssh", "demo", "--", "cat"][..], "a\0b", "a\0b"), (&["ssh", "demo"], "echo $((6 * 7))\n", "42\n")]
    {
        let mut child = world.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = finish(child);
        assert_eq!((output.code, output.stdout.as_str()), (Some(0), answer));
    }
    assert_eq!(world.calls("-o ControlMaster=no -T -l torrust -- 192.0.2.7"), 2);
}

#[test]
fn a_connection_that_breaks_is_told_from_a_command_that_fails() {
    let world = world();
    world.write("../check", "255");
    let output = world.run(&["ssh", "demo", "--", "exit 255"]);
    assert_eq!((output.code, &*output.stdout), (Some(1), ""));
    assert!(output.stderr.starts_with("error: the connection to 192.0.2.7 broke\n"), "{}", output.stderr);
    assert_eq!(world.history("demo").last().unwrap()["result"], "ssh_lost");
}

#[test]
fn a_host_that_does_not_answer_is_explained_as_everywhere() {
    let world = world();
    world.fake("ssh", "echo 'ssh: connect to host 192.0.2.7 port 22: Connection refused' >&2; exit 255");
    let output = world.run(&["ssh", "demo"]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.starts_with("error: 192.0.2.7 refuses connections on port 22"),
        "{}",
        output.stderr
    );
    world.environment("early", "created");
    assert_eq!(world.run(&["ssh", "early"]).code, Some(1));
    world.environment("late", "destroyed");
    assert!(world.run(&["ssh", "late"]).stderr.contains("purge late"));
    assert_eq!(world.refusal(&["ssh", "demo"]).code, "usage");
}

#[test]
fn what_is_typed_there_is_kept_nowhere() {
    let mut world = world();
    world.set("RUST_LOG", "trace");
    world.ok(&[
        "-vvv",
        "--log-output",
        "file-and-stderr",
        "--log-dir",
        "logs",
        "ssh",
        "demo",
        "--",
        "true",
        "Sesame0penUp",
    ]);
    assert_eq!(world.history("demo").last().unwrap()["command"], "ssh");
    for (path, bytes) in world.files() {
        assert!(!String::from_utf8_lossy(&bytes).contains("Sesame0penUp"), "{}", path.display());
    }
}
