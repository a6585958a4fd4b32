//! A secret is where it is needed and nowhere else, however much is logged.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::{Value, json};

use crate::api;
use crate::world::{Output, World};

const TOKEN: &str = "Sesame0penUp7hisI5TheSecretWord";

/// An environment with this reference to the token, on an API that answers to it.
fn world_with(token: &Value) -> World {
    let mut world = World::with_tools();
    let port = api::start(TOKEN);
    world.config("env.json", |config| {
        config["tracker"]["udp_trackers"][0]["bind_address"] = "127.0.0.1:6969".into();
        config["tracker"]["http_api"]["bind_address"] = format!("0.0.0.0:{port}").into();
        config["tracker"]["http_api"]["admin_token"] = token.clone();
    });
    world.write("../home/token", TOKEN);
    world.set("API_TOKEN", TOKEN);
    world.set("RUST_LOG", "trace");
    world
}

fn references() -> [Value; 4] {
    [
        json!(TOKEN),
        json!("${API_TOKEN}"),
        json!({ "file": "~/token" }),
        json!({ "command": ["sh", "-c", "cat \"$HOME/token\""] }),
    ]
}

/// Files that hold a literal secret because the user put it there, or because it has to be stored.
fn may_hold_it(path: &Path) -> bool {
    path.parent().unwrap().ends_with("releases")
        || matches!(
            path.file_name().unwrap().to_str().unwrap(),
            "env.json" | "environment.json" | "environment.previous.json"
        )
}

fn check_nowhere(world: &World, outputs: &[Output], is_literal: bool) {
    let holds = |bytes: &[u8]| holds(bytes, TOKEN.as_bytes());
    for output in outputs {
        assert!(!output.stdout.contains(TOKEN), "standard output:\n{}", output.stdout);
        assert!(!output.stderr.contains(TOKEN), "standard error:\n{}", leak(&output.stderr));
    }
    assert!(!world.transcript().contains(TOKEN), "arguments of a process:\n{}", leak(&world.transcript()));
    for (path, bytes) in world.files() {
        if !(is_literal && may_hold_it(&path)) {
            assert!(!holds(&bytes), "{}:\n{}", path.display(), leak(&String::from_utf8_lossy(&bytes)));
            if path.extension().is_some_and(|extension| extension == "log") {
                check_disguises(&path, &bytes);
            }
        }
    }
    assert!(holds(&std::fs::read(world.path("../received.tar")).unwrap()), "the host needs it");
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// A library that logs whole requests may do it in base64 or as a hex dump over several lines.
fn check_disguises(path: &Path, bytes: &[u8]) {
    for before in 0..3 {
        let encoded = BASE64_STANDARD_NO_PAD.encode([&[0; 2][..before], TOKEN.as_bytes()].concat());
        // The first and last characters depend on the neighbours, too.
        assert!(
            !holds(bytes, &encoded.as_bytes()[4..encoded.len() - 2]),
            "{} has it in base64",
            path.display()
        );
    }
    let digits: Vec<u8> =
        bytes.iter().filter(|byte| byte.is_ascii_hexdigit()).map(u8::to_ascii_lowercase).collect();
    let halves = TOKEN.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: Vec<u8> = halves.map(|half| b"0123456789abcdef"[usize::from(half)]).collect();
    assert!(!holds(&digits, &hex), "{} has it as a hex dump", path.display());
}

fn leak(text: &str) -> String {
    text.lines().filter(|line| line.contains(TOKEN)).collect::<Vec<_>>().join("\n")
}

const LOUD: [&str; 5] = ["-vvv", "--log-output", "file-and-stderr", "--log-file-format", "json"];

#[test]
fn a_secret_is_in_no_log_no_output_and_no_argument() {
    for reference in references() {
        let world = world_with(&reference);
        let loud = |args: &[&str]| world.ok(&[args, &LOUD].concat());
        let mut outputs = vec![loud(&["validate", "-f", "env.json"]), loud(&["deploy", "-f", "env.json"])];
        for args in [
            &["run", "minimal", "--logs"][..],
            &["show", "minimal"],
            &["list"],
            &["release", "minimal", "--dry-run"],
            &["deploy", "minimal", "--output-format", "json"],
            &["destroy", "minimal"],
        ] {
            outputs.push(loud(args));
        }
        check_nowhere(&world, &outputs, reference == TOKEN);
    }
}

#[test]
fn a_secret_that_the_host_says_is_hidden() {
    for reference in references() {
        let world = world_with(&reference);
        let mut outputs = vec![world.ok(&["deploy", "-f", "env.json"])];
        let chatty = format!("echo started\n    echo 'starting with token {TOKEN}' >&2");
        world.fake("ssh", &include_str!("fakes/ssh").replace("echo started", &chatty));
        outputs.push(world.ok(&["run", "minimal", "--logs"]));
        assert!(outputs[1].stderr.contains("starting with token ********"), "{}", outputs[1].stderr);
        outputs.push(world.ok(&["run", "minimal", "-vvv"]));
        let broken =
            include_str!("fakes/ssh").replace("\"Health\":\"healthy\"", "\"Health\":\"unhealthy\"").replace(
                "    echo round\n    answer",
                &format!("    for look in 1 2 3 4 5 6 7 8 9 10 11 12; do echo round; echo \"$container\"; done\n    echo round\n    answer\n    echo 'log wrong token {TOKEN}'"),
            );
        world.fake("ssh", &broken);
        let failed = world.run(&["run", "minimal"]);
        assert!(failed.stderr.contains("wrong token ********"), "{}", failed.stderr);
        outputs.push(failed);
        outputs.push(world.run(&["run", "minimal", "--output-format", "json"]));
        check_nowhere(&world, &outputs, reference == TOKEN);
    }
}

#[test]
fn a_secret_that_cannot_be_had_stops_before_the_host_is_changed() {
    let mut world = world_with(&json!("${API_TOKEN}"));
    world.ok(&["create", "environment", "-f", "env.json"]);
    world.ok(&["provision", "minimal"]);
    world.ok(&["configure", "minimal"]);
    world.unset("API_TOKEN");
    world.forget_transcript();
    let refusal = world.refusal(&["release", "minimal"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "secret_unavailable"));
    assert!(refusal.help.contains("read -rs API_TOKEN && export API_TOKEN"), "{}", refusal.help);
    assert_eq!(world.transcript(), "");
    world.set("API_TOKEN", TOKEN);
    world.ok(&["release", "minimal"]);
}

#[test]
fn what_is_written_is_closed_to_others() {
    let world = world_with(&json!(TOKEN));
    world.ok(&["deploy", "-f", "env.json", "--log-dir", "logs"]);
    let mut open = vec![];
    for folder in ["data", "build", "logs"] {
        find_open(&world.path(folder), &mut open);
    }
    assert!(open.is_empty(), "{open:#?}");
}

/// Files and folders that somebody else could look into.
fn find_open(path: &Path, open: &mut Vec<String>) {
    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
    if mode & 0o077 != 0 && path.extension().is_none_or(|extension| extension != "pub") {
        open.push(format!("{mode:o} {}", path.display()));
    }
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().flatten().for_each(|entry| find_open(&entry.path(), open));
    }
}
