//! A server made from nothing at the emulator of Hetzner Cloud by OpenTofu, and removed again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::desk::{Desk, assert_checks};
use crate::hetzner::{self, Hetzner, Servers};
use crate::lab;

#[test]
fn from_nothing_to_a_tracker_that_answers_and_back() {
    let (desk, hetzner) = hetzner::created(Servers::Real);
    let deployed = desk.run(&["deploy", &desk.name, "-vvv", "--log-output", "file-and-stderr"]);
    assert!(deployed.err.contains("hcloud_server.host: Creation complete"), "{}", deployed.err);
    assert!(!(deployed.out.clone() + &deployed.err).contains(&hetzner.token), "the token is printed");
    assert_eq!(deployed.ok()["state"], "running");
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
    let report = desk.test();
    assert_checks(&report, "UDP tracker 6969 over IPv4", "passed", 1);
    assert_checks(&report, "HTTP tracker 7070", "passed", 2);
    assert_checks(&report, "API 1212", "passed", 3);
    opens_what_is_published_and_nothing_else(&hetzner);
    says_whose_it_is(&desk, &hetzner);

    let before = hetzner.all("servers");
    assert_eq!(desk.deploy()["changed"], false);
    assert_eq!(desk.run(&["provision", &desk.name]).ok()["state"], "running");
    assert_eq!(before, hetzner.all("servers"));
    assert_no_token(&desk.path("."), &hetzner.token);

    let mut removed = desk.run(&["destroy", &desk.name]).ok()["removed"].clone();
    removed.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(removed, json!(hetzner::all_three(&desk)));
    assert!(hetzner.there().is_empty());
    assert_eq!(desk.run(&["destroy", &desk.name]).ok()["removed"], json!([]));
    assert_no_token(&desk.path("."), &hetzner.token);
}

/// What is tested with the real provider holds with the lab's stand-in, too.
#[test]
fn the_labs_stand_in_makes_and_removes_the_same() {
    let (mut desk, hetzner) = hetzner::created(Servers::Real);
    desk.variables.push(("TF_CLI_CONFIG_FILE", lab::providers(&["stand-in"])));
    desk.run(&["provision", &desk.name]).ok();
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
    opens_what_is_published_and_nothing_else(&hetzner);
    says_whose_it_is(&desk, &hetzner);
    let again = desk.run(&["provision", &desk.name]);
    assert!(again.err.contains("nothing to change"), "{}", again.err);
    desk.run(&["destroy", &desk.name]).ok();
    assert!(hetzner.there().is_empty());
}

#[track_caller]
fn opens_what_is_published_and_nothing_else(hetzner: &Hetzner) {
    let firewall = hetzner.all("firewalls").remove(0);
    let mut open = BTreeSet::new();
    for rule in firewall["rules"].as_array().unwrap() {
        assert_eq!(
            (&rule["direction"], &rule["source_ips"]),
            (&json!("in"), &json!(["0.0.0.0/0", "::/0"])),
            "{firewall:#}"
        );
        open.insert(format!("{} {}", rule["protocol"].as_str().unwrap(), rule["port"].as_str().unwrap()));
    }
    assert_eq!(open, BTreeSet::from(["tcp 22", "udp 6969", "tcp 7070", "tcp 1212"].map(Into::into)));
    let server = hetzner.listed("servers").remove(0);
    let applied = json!([{ "id": firewall["id"], "status": "applied" }]);
    assert_eq!(server["public_net"]["firewalls"], applied);
}

#[track_caller]
fn says_whose_it_is(desk: &Desk, hetzner: &Hetzner) {
    for kind in ["servers", "ssh_keys", "firewalls"] {
        let labels = hetzner.all(kind).remove(0)["labels"].clone();
        assert_eq!(labels["environment"], desk.name, "{kind}");
        assert_eq!(labels["managed-by"], "torrust-tracker-deployer", "{kind}");
        assert!(labels["mark"].as_str().is_some_and(|mark| !mark.is_empty()), "{kind}");
    }
}

/// Looks into every file below: configuration, state, plan, logs.
#[track_caller]
fn assert_no_token(folder: &Path, token: &str) {
    let mut folders = vec![folder.to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let found =
                    fs::read(&path).unwrap().windows(token.len()).any(|window| window == token.as_bytes());
                assert!(!found, "the token is in {}", path.display());
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 20, "only {looked_at} files");
}
