//! The suites of `test` beyond the basic one, before anything is sent.

use crate::api;
use crate::world::World;

/// An environment whose host is this machine, with the API on this port and trackers that nobody started.
fn here(world: &World, stage: &str, api: u16) {
    world.environment("demo", stage);
    world.edit_state("demo", |state| {
        state["host"]["address"] = "127.0.0.1".into();
        let tracker = &mut state["config"]["tracker"];
        tracker["http_api"]["bind_address"] = format!("0.0.0.0:{api}").into();
        tracker["udp_trackers"][0]["bind_address"] = "0.0.0.0:9".into();
        tracker["http_trackers"][0]["bind_address"] = "0.0.0.0:9".into();
    });
}

#[test]
fn no_load_is_sent_to_a_tracker_that_is_down() {
    let world = World::with_tools();
    here(&world, "running", api::start("any"));
    let refusal = world.refusal(&["test", "demo", "--suite", "performance", "--timeout", "1"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "test_failed"));
    let told = "no load was sent: UDP tracker 9 does not answer as it should: expected an answer to the connect request \
                from udp://127.0.0.1:9, seen: connection refused (ICMP port unreachable)";
    assert_eq!(refusal.message, told);
    assert!(refusal.help.contains("torrust-tracker-deployer run demo"), "{}", refusal.help);
    assert!(!world.path("data/demo/performance.jsonl").exists());
}

#[test]
fn what_restarts_or_loads_the_stack_needs_one_that_runs_and_the_lock() {
    let world = World::with_tools();
    here(&world, "released", 9);
    for suite in ["full", "performance"] {
        let refusal = world.refusal(&["test", "demo", "--suite", suite]);
        assert_eq!(refusal.code, "state_refused");
        assert_eq!(refusal.message, "test needs demo to be running; it is released");
    }
    world.edit_state("demo", |state| state["stage"] = "running".into());
    world.fake("ssh", "touch started; sleep 20");
    let mut first = world.command(&["test", "demo", "--suite", "full"]).spawn().unwrap();
    world.wait_for("started");
    assert_eq!(world.refusal(&["test", "demo", "--suite", "performance"]).code, "environment_locked");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn the_bounds_of_a_load_are_those_of_its_suite() {
    let world = World::with_tools();
    here(&world, "running", 9);
    let refusal = world.refusal(&["test", "demo", "--rate", "10"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"));
    assert_eq!(refusal.message, "--rate and --seconds are of the suite performance alone");
    for bound in [["--rate", "10001"], ["--seconds", "61"], ["--rate", "0"]] {
        let refusal = world.refusal(&[&["test", "demo", "--suite", "performance"], &bound[..]].concat());
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"), "{bound:?}");
    }
}
