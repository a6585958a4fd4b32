//! OpenTofu cut off in the middle of apply. The next call ends where a clean one ends, with one host.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use crate::desk::{Desk, Running};
use crate::hetzner::{self, Hetzner, Servers};
use crate::host::eventually;
use crate::lxd;

/// `provision`, at the moment when this resource is being made.
fn making(desk: &Desk, resource: &str) -> Running {
    let mut provision = desk.start(&["provision", &desk.name]);
    provision.hear(&format!("{resource}: Creating..."));
    provision
}

/// As a power cut does it: `kill -9` of the program, and of OpenTofu with its providers. Whether it came in time.
fn is_cut_off(provision: Running) -> bool {
    let process = provision.id();
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    // Read first: without their parent nobody knows them. None is there while the provider's own work is waited for.
    let children = children.collect::<String>();
    provision.signal(Signal::KILL);
    for child in children.split_whitespace() {
        // One that ended by itself is as good.
        let _ = kill_process_group(Pid::from_raw(child.parse().unwrap()).unwrap(), Signal::KILL);
    }
    provision.end().code.is_none()
}

#[track_caller]
fn cut_off(provision: Running) {
    assert!(is_cut_off(provision), "it ended before it was killed");
}

/// Wanted is what a clean run leaves.
#[track_caller]
fn ends_well(desk: &Desk, word: &str) {
    let again = desk.run(&["provision", &desk.name]);
    assert!(again.err.contains(word), "{word:?} is not in: {}", again.err);
    assert_eq!(again.ok()["state"], "provisioned");
    assert!(desk.stored()["attempt"].is_null());
    let once_more = desk.run(&["provision", &desk.name]);
    assert!(once_more.err.contains("nothing to change"), "{}", once_more.err);
    once_more.ok();
}

/// An emulator at which servers take their time.
fn slow() -> (Desk, Hetzner) {
    let (desk, hetzner) = hetzner::created(Servers::Real);
    hetzner.fault(json!({ "fault": "slow_action", "seconds": 4, "method": "POST", "path": "/servers" }));
    (desk, hetzner)
}

/// The server is at the provider, and OpenTofu still waits for it.
#[track_caller]
fn server_is_begun(hetzner: &Hetzner) {
    eventually("the server is begun", || {
        let actions = hetzner.all("actions");
        actions.iter().any(|action| action["command"] == "create_server" && action["status"] == "running")
    });
}

#[test]
fn killed_in_apply_opentofu_goes_on_and_the_next_call_waits_for_it() {
    let desk = lxd::created();
    making(&desk, "lxd_instance.host").kill_after("lxd_instance.host", Duration::ZERO);
    ends_well(&desk, "lxd_instance");
    assert_eq!(lxd::there(&desk), lxd::both(&desk));
}

/// One call after the other, none of which comes far.
#[track_caller]
fn cut_off_again_and_again(desk: &Desk) {
    let times = [100, 400, 900, 1600].into_iter().take_while(|delay| {
        let mut provision = desk.start(&["provision", &desk.name]);
        provision.hear("Apply the plan");
        sleep(Duration::from_millis(*delay));
        is_cut_off(provision)
    });
    assert!(times.count() > 1, "all but the first came to their end");
    assert_eq!(desk.run(&["provision", &desk.name]).ok()["state"], "provisioned");
}

#[test]
fn killed_with_opentofu_again_and_again() {
    let desk = lxd::created();
    cut_off_again_and_again(&desk);
    assert_eq!(lxd::there(&desk), lxd::both(&desk));

    let (desk, hetzner) = slow();
    cut_off_again_and_again(&desk);
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
}

#[test]
fn killed_with_opentofu_what_lxd_has_is_taken_over() {
    let desk = lxd::created();
    let provision = making(&desk, "lxd_instance.host");
    eventually("LXD begins the instance", || lxd::there(&desk) == lxd::both(&desk));
    cut_off(provision);
    ends_well(&desk, "left by an earlier try, taken over");
    assert_eq!(lxd::there(&desk), lxd::both(&desk));
}

#[test]
fn killed_with_opentofu_destroy_leaves_nothing_in_lxd() {
    let desk = lxd::created();
    let provision = making(&desk, "lxd_instance.host");
    eventually("LXD begins the instance", || lxd::there(&desk) == lxd::both(&desk));
    cut_off(provision);
    desk.run(&["destroy", &desk.name]).ok();
    assert!(lxd::there(&desk).is_empty(), "{:?}", lxd::there(&desk));
}

#[test]
fn killed_while_hetzner_is_slow_there_is_one_server_in_the_end() {
    let (desk, hetzner) = slow();
    let provision = making(&desk, "hcloud_server.host");
    server_is_begun(&hetzner);
    provision.kill_after("", Duration::ZERO);
    ends_well(&desk, "hcloud_server");
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
}

#[test]
fn killed_with_opentofu_what_hetzner_has_is_taken_over() {
    let (desk, hetzner) = slow();
    let provision = making(&desk, "hcloud_server.host");
    server_is_begun(&hetzner);
    cut_off(provision);
    ends_well(&desk, "left by an earlier try, taken over");
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
}

#[test]
fn killed_with_opentofu_destroy_leaves_nothing_at_hetzner() {
    let (desk, hetzner) = slow();
    let provision = making(&desk, "hcloud_server.host");
    server_is_begun(&hetzner);
    cut_off(provision);
    // The server is locked while it is being made: that is waited for.
    desk.run(&["destroy", &desk.name]).ok();
    assert!(hetzner.there().is_empty(), "{:?}", hetzner.there());
}

#[test]
fn interrupted_in_apply_what_was_made_is_named_and_the_next_call_goes_on() {
    let (desk, hetzner) = slow();
    let provision = making(&desk, "hcloud_server.host");
    server_is_begun(&hetzner);
    provision.signal(Signal::INT);
    let failure = provision.end().fails("interrupted");
    failure
        .helps(&format!("hcloud_server {}", desk.instance()))
        .helps("costs money")
        .helps("go on with it: ")
        .helps("or remove it: ");
    ends_well(&desk, "hcloud_server");
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
}
