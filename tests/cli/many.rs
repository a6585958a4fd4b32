//! Several environments at once, on fakes.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{Output, World, finish};

const DEPLOY: [&str; 2] = ["deploy", "--skip-run"];

fn world(names: &[&str]) -> World {
    let world = World::with_tools();
    for name in names {
        world.ok(&["create", name]);
    }
    world
}

fn run(world: &World, args: &[&str]) -> Output {
    world.run(&[&DEPLOY[..], args].concat())
}

/// The lines of standard output without their times, sorted: who ends first is not said.
fn lines(output: &Output) -> Vec<String> {
    let timeless = |line: &str| match (line.find(" ("), line.find("): ")) {
        (Some(from), Some(to)) => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => line.to_owned(),
    };
    let mut lines: Vec<_> = output.stdout.lines().map(timeless).collect();
    lines.sort();
    lines
}

#[test]
fn all_that_are_named_are_deployed_each_once() {
    let world = world(&["a", "b", "c"]);
    let output = run(&world, &["b", "a", "b"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(lines(&output), ["2 done, 0 failed", "✓ a: released", "✓ b: released"]);
    assert_eq!(
        (world.state("b")["stage"].as_str(), world.state("c")["stage"].as_str()),
        (Some("released"), Some("created"))
    );
    assert_eq!(world.history("a").last().unwrap()["result"], "done");
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let world = world(&["good", "locked"]);
    let held = std::fs::File::create(world.path("data/locked/lock")).unwrap();
    held.lock().unwrap();
    let output = run(&world, &["locked", "nobody", "good", "--jobs", "1"]);
    assert_eq!(output.code, Some(1));
    let wanted = [
        "1 done, 2 failed",
        "✓ good: released",
        "✗ locked: failed: another command is at work on locked",
        "✗ nobody: failed: there is no environment nobody",
    ];
    assert_eq!(lines(&output), wanted);
    assert!(output.stderr.contains("error: deploy failed for 2 of 3 environments\n"), "{}", output.stderr);
}

#[test]
fn all_means_those_that_are_not_destroyed() {
    let world = world(&["a", "b"]);
    world.environment("gone", "destroyed");
    world.write("data/broken/environment.json", "{");
    let document = world.run(&["deploy", "--all", "--dry-run", "--output-format", "json"]).json();
    assert_eq!(document["error"]["code"], "environments_failed");
    let all = document["error"]["problems"].as_array().unwrap();
    let told = |field: &str| all.iter().map(|one| one[field].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(told("name"), ["a", "b", "broken"]);
    assert_eq!(told("result"), ["done", "done", "failed"]);
    assert_eq!(all[0]["document"]["steps"][0]["command"], "provision");
    assert_eq!(all[2]["document"]["error"]["code"], "state_damaged");
}

#[test]
fn what_is_to_be_typed_for_one_of_them_is_the_same_suite() {
    let world = world(&["a", "b"]);
    let refusal = world.refusal(&["test", "--all", "--suite", "full"]);
    assert!(
        refusal.help.trim_end().ends_with("torrust-tracker-deployer test a --suite full"),
        "{}",
        refusal.help
    );
}

#[test]
fn without_any_environment_it_says_so() {
    let world = World::with_tools();
    let output = world.ok(&["test", "--all"]);
    assert_eq!(output.stdout, "there is no environment to work on; see: torrust-tracker-deployer list\n");
    assert_eq!(world.json(&["deploy", "--all"])["environments"], Value::Array(vec![]));
    assert_eq!(world.refusal(&["test"]).code, "usage");
    assert_eq!(world.refusal(&["test", "--all", "demo"]).exit, Some(2));
    assert_eq!(world.run(&["test", "a", "b", "--report", "xml"]).code, Some(2));
}

#[test]
fn global_options_hold_for_each_and_the_result_stays_text_or_json() {
    let mut world = world(&[]);
    world.ok(&["--working-dir", "elsewhere", "create", "a"]);
    let output = run(&world, &["--working-dir", "elsewhere", "a", "nobody", "--output-format", "text"]);
    assert!(
        output.stdout.starts_with("✗ nobody") && output.stdout.ends_with("1 done, 1 failed\n"),
        "{output:?}"
    );
    world.set("TORRUST_TD_OUTPUT_FORMAT", "json");
    let document = world.ok(&["--working-dir", "elsewhere", "deploy", "--all", "--skip-run"]).json();
    assert_eq!(
        (&document["done"], &document["environments"][0]["document"]["changed"]),
        (&1.into(), &false.into())
    );
}

#[test]
fn ctrl_c_reaches_all_and_is_waited_for() {
    let world = world(&["a", "b", "c"]);
    world.fake(
        "docker",
        "trap 'echo ended >>\"$FAKE/signals\"; exit 130' INT; touch started; n=0; while [ $n -lt 1000 ]; do sleep 0.02; n=$((n + 1)); done",
    );
    let args = [&DEPLOY[..], &["a", "b", "c", "--jobs", "2", "--output-format", "json"]].concat();
    let child = world.command(&args).spawn().unwrap();
    while world.calls("docker version") < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    world.wait_for("started");
    std::thread::sleep(std::time::Duration::from_millis(100));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = finish(child);
    assert_eq!(output.code, Some(130), "{output:?}");
    let document = output.json();
    assert_eq!(document["error"]["code"], "interrupted");
    let results = ["failed", "failed", "unbegun"];
    for (place, result) in results.iter().enumerate() {
        assert_eq!(document["error"]["problems"][place]["result"], *result, "{document:#}");
    }
    assert_eq!(world.read("../signals"), "ended\nended\n");
    assert_eq!(world.state("a")["attempt"]["error"], "interrupted");
}

#[test]
fn at_a_terminal_new_hosts_are_asked_for_once() {
    let world = world(&["a", "b"]);
    let refused = world.typing(&["deploy", "a", "b", "--skip-run"], "n\n");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("Make the hosts of a, b? [y/N]"), "{}", refused.stderr);
    assert_eq!(world.state("a")["stage"], "created");
    let agreed = world.typing(&["deploy", "a", "b", "--skip-run"], "y\n");
    assert_eq!(agreed.code, Some(0), "{}", agreed.stderr);
    assert!(agreed.stdout.ends_with("2 done, 0 failed\n"));
}

/// `update` has a file for each of them.
#[test]
fn each_is_updated_by_its_own_file_in_a_folder() {
    let world = world(&["a", "b", "c"]);
    std::fs::create_dir(world.path("files")).unwrap();
    for name in ["a", "b"] {
        let mut config = world.state(name)["config"].clone();
        if name == "a" {
            config["environment"]["description"] = "changed".into();
        }
        world.write(&format!("files/{name}.json"), &config.to_string());
    }
    let output = world.run(&["update", "--all", "-f", "files"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("torrust-tracker-deployer update c -f files\n"), "{}", output.stderr);
    let told = lines(&output);
    assert_eq!(told[..2], ["2 done, 1 failed", "✓ a: fields that differ: 1; next: deploy"]);
    assert!(
        told[2] == "✓ b: nothing differs" && told[3].contains("`files/c.json` cannot be read"),
        "{told:?}"
    );
    assert_eq!(world.state("a")["config"]["environment"]["description"], "changed");

    let refusal = world.refusal(&["update", "a", "b", "-f", "files/a.json"]);
    assert!(refusal.code == "usage" && refusal.message.contains("a file each"), "{}", refusal.message);
}
