//! A host made from nothing in LXD by OpenTofu, and removed again.

use serde_json::json;

use crate::desk::{Desk, assert_checks};
use crate::lxd::{self, lxc};

fn exec(desk: &Desk, script: &str) -> String {
    lxc(&["exec", &desk.instance(), "--", "bash", "-c", script])
}

#[test]
fn from_nothing_to_a_tracker_that_answers_and_back() {
    let desk = lxd::created();
    assert_eq!(desk.deploy()["state"], "running");
    assert_eq!(lxd::there(&desk), lxd::both(&desk));
    let report = desk.test();
    assert_checks(&report, "UDP tracker 6969 over IPv4", "passed", 1);
    assert_checks(&report, "UDP tracker 6969 over IPv6", "passed", 1);
    assert_checks(&report, "HTTP tracker 7070", "passed", 2);
    assert_checks(&report, "API 1212", "passed", 3);

    let look = "docker ps --all --no-trunc --format '{{.ID}} {{.CreatedAt}}'; \
                docker inspect --format '{{.State.StartedAt}}' torrust-deployer-stack-tracker-1";
    let before = exec(&desk, look);
    assert_eq!(desk.deploy()["changed"], false);
    assert_eq!(desk.run(&["provision", &desk.name]).ok()["state"], "running", "looked after, and as it was");
    assert_eq!(before, exec(&desk, look));

    let mut removed = desk.run(&["destroy", &desk.name]).ok()["removed"].clone();
    removed.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(removed, json!(lxd::both(&desk)));
    assert!(lxd::there(&desk).is_empty());
    assert_eq!(desk.run(&["destroy", &desk.name]).ok()["removed"], json!([]));
    assert!(!desk.path(&format!("data/{}/terraform.tfstate", desk.name)).exists());
}
