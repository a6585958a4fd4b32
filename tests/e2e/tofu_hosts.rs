//! Hosts of OpenTofu that are not as they should be: gone, moved, deaf, or broken at their first start.

use serde_json::json;

use crate::desk::Desk;
use crate::hetzner::{self, Servers};
use crate::lab;
use crate::lxd::{self, lxc};

fn address(desk: &Desk) -> String {
    desk.stored()["host"]["address"].as_str().unwrap().to_owned()
}

#[test]
fn a_host_that_vanished_is_made_anew_and_one_that_moved_is_found_again() {
    let desk = lxd::created();
    let instance = desk.instance();
    desk.run(&["provision", &desk.name]).ok();
    lxc(&["delete", "--force", &instance]);
    let again = desk.run(&["provision", &desk.name]);
    assert!(again.err.contains("is gone, and not by this program"), "{}", again.err);
    assert_eq!(again.ok()["state"], "provisioned");
    assert_eq!(lxd::there(&desk), lxd::both(&desk));

    let before = address(&desk);
    lxc(&["stop", "--force", &instance]);
    lxc(&["config", "set", &instance, "volatile.eth0.hwaddr=00:16:3e:11:22:33"]);
    lxc(&["start", &instance]);
    let moved = desk.run(&["provision", &desk.name]);
    let said = moved.err.clone();
    assert_eq!(moved.ok()["state"], "provisioned");
    assert_ne!(address(&desk), before);
    assert!(said.contains(&format!("address was {before} and is {} now", address(&desk))), "{said}");
}

#[test]
fn a_host_that_never_answers_is_kept_for_a_look_when_asked() {
    let (desk, hetzner) = hetzner::created(Servers::Real);
    hetzner.fault(json!({ "fault": "no_ssh", "method": "POST", "path": "/servers" }));
    let provision = ["provision", &desk.name, "--ssh-timeout", "10", "--keep-on-failure"];
    desk.run(&provision)
        .fails("ssh_unreachable")
        .says(&["refuses connections on port 22", "waited 10 s"])
        .helps(&format!("hcloud_server {}", desk.instance()))
        .helps("costs money");
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
    desk.run(&provision[..4]).fails("ssh_unreachable").helps("removed again: ");
    assert!(hetzner.there().is_empty(), "{:?}", hetzner.there());
    assert_eq!(desk.stage(), "created");
}

#[test]
fn a_first_start_that_fails_is_told_in_its_own_words() {
    let (desk, hetzner) = hetzner::created(Servers::Real);
    hetzner.fault(json!({ "fault": "cloud_init_fails", "method": "POST", "path": "/servers" }));
    desk.run(&["provision", &desk.name])
        .fails("provider_failed")
        .says(&["cloud-init failed", "10-lab", "this cloud-init was told to fail"])
        .helps("/var/log/cloud-init-output.log")
        .helps("removed again: ");
    assert!(hetzner.there().is_empty(), "{:?}", hetzner.there());
}

#[test]
fn terraform_makes_and_removes_a_host() {
    if let Err(why) = lab::try_run("terraform", &["version"]) {
        println!("skipped, there is no terraform: {why}");
        return;
    }
    let desk = lxd::created();
    let made = desk.run(&["provision", &desk.name, "--tofu-bin", "terraform"]);
    assert!(made.err.contains("Terraform 1."), "{}", made.err);
    assert_eq!(made.ok()["state"], "provisioned");
    assert_eq!(lxd::there(&desk), lxd::both(&desk));
    desk.run(&["destroy", &desk.name, "--tofu-bin", "terraform"]).ok();
    assert!(lxd::there(&desk).is_empty());
}

#[test]
fn a_key_that_the_project_has_is_used_as_it_is() {
    let (desk, hetzner) = hetzner::created(Servers::Real);
    let key = std::fs::read_to_string(desk.public_key()).unwrap();
    hetzner.make("ssh_keys", json!({ "name": "another", "public_key": key.trim() }));
    desk.run(&["provision", &desk.name]).ok();
    let ours = [format!("hcloud_firewall {}", desk.instance()), format!("hcloud_server {}", desk.instance())];
    let another = "hcloud_ssh_key another".to_owned();
    assert_eq!(hetzner.there(), [&ours[..], std::slice::from_ref(&another)].concat());
    desk.run(&["destroy", &desk.name]).ok();
    assert_eq!(hetzner.there(), [another]);
}

#[test]
fn root_is_a_user_and_2222_a_port() {
    let desk = lxd::desk();
    let mut config = lxd::config(&desk);
    config["ssh_credentials"]["username"] = json!("root");
    config["ssh_credentials"]["port"] = json!(2222);
    desk.create(&config);
    desk.run(&["provision", &desk.name]).ok();
    assert_eq!(desk.stored()["host"]["port"], 2222);
    desk.run(&["destroy", &desk.name]).ok();
}
