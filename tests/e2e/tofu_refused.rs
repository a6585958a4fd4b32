//! What providers refuse: their own words with our help, and nothing is left of the try.

use std::fs;

use serde_json::{Value, json};

use crate::desk::{Desk, Failure};
use crate::hetzner::{self, Hetzner, Servers};
use crate::lxd::{self, lxc};
use crate::{host, lab};

/// A try that fails, and leaves the environment as it was.
#[track_caller]
fn refused(desk: &Desk) -> Failure {
    let failure = desk.run(&["provision", &desk.name]).fails("tofu_failed");
    assert_eq!((desk.stage(), &desk.stored()["host"]), ("created".to_owned(), &Value::Null));
    failure
}

/// The emulator refuses or fails so: the provider's words, our help, and nothing is left there.
#[track_caller]
fn fault(desk: &Desk, hetzner: &Hetzner, fault: Value, words: &str, help: &str) {
    hetzner.fault(fault);
    refused(desk).says(&[words]).helps(help);
    hetzner.heal();
    assert!(hetzner.there().is_empty(), "{words}: {:?}", hetzner.there());
}

/// A fault of the request that orders the server: key and firewall are made by then.
fn order(fault: &str) -> Value {
    json!({ "fault": fault, "method": "POST", "path": "/servers", "times": null })
}

#[test]
fn hetzner_refuses_the_token_or_the_order() {
    let (desk, hetzner) = hetzner::created(Servers::None);
    for (switch, words, help) in [
        (json!({ "fault": "unauthorized", "times": null }), "(unauthorized,", "wrong or was revoked"),
        (
            json!({ "fault": "token_readonly", "method": "POST", "times": null }),
            "only read access is allowed with this token (token_readonly,",
            "permission to read and write",
        ),
        (order("forbidden"), "insufficient permissions for this request (forbidden,", "permission to read"),
        (order("invalid_input"), "(invalid_input,", "mend the cause"),
        (order("unsupported"), "(unsupported_error,", "mend the cause"),
        (order("uniqueness_error"), "server name is already used (uniqueness_error,", "instance_name"),
        (order("resource_limit_exceeded"), "server limit exceeded (resource_limit_exceeded,", "Limits"),
        (order("resource_unavailable"), "error during placement (resource_unavailable,", "no room"),
    ] {
        fault(&desk, &hetzner, switch, words, help);
    }
}

#[test]
fn hetzner_fails() {
    let (desk, hetzner) = hetzner::created(Servers::None);
    let fails = json!({ "fault": "action_fails", "method": "POST", "path": "/servers" });
    for (switch, words, help) in [
        (order("rate_limit_exceeded"), "(rate_limit_exceeded,", "too many requests"),
        (order("unavailable"), "service is currently unavailable (service_error,", "status.hetzner.com"),
        (order("server_error"), "an internal server error occurred (server_error,", "status.hetzner.com"),
        (order("html_500"), "server responded with status code 500", "status.hetzner.com"),
        (order("cut"), "EOF", "status.hetzner.com"),
        // The server is made, and nobody hears of it.
        (order("done_and_cut"), "EOF", "status.hetzner.com"),
        (fails, "the action failed in the backend (server_error,", "status.hetzner.com"),
    ] {
        fault(&desk, &hetzner, switch, words, help);
    }
}

#[test]
fn hetzner_does_not_know_what_is_ordered() {
    let (mut desk, hetzner) = hetzner::created(Servers::None);
    for (field, words) in [
        ("server_type", "server type nope not found"),
        ("location", "location nope not found"),
        ("image", "image nope for architecture x86 not found"),
    ] {
        desk.name = lab::unique_name();
        let mut config = hetzner::config(&desk);
        config["provider"][field] = json!("nope");
        desk.create(&config);
        refused(&desk).says(&[words]).helps(&format!("correct provider.{field}"));
        assert!(hetzner.there().is_empty(), "{field}: {:?}", hetzner.there());
    }
}

#[test]
fn hetzner_cannot_be_reached() {
    let mut desk = lxd::desk();
    desk.create(&hetzner::config(&desk));
    desk.variables.push(("HCLOUD_TOKEN", "Z".repeat(64)));
    desk.variables.push(("HCLOUD_ENDPOINT", "http://127.0.0.1:9/v1".into()));
    refused(&desk).says(&["connection refused"]).helps("is the API reachable from here?");
    desk.variables.push(("HCLOUD_ENDPOINT", "http://nowhere.invalid/v1".into()));
    refused(&desk).says(&["lookup nowhere.invalid"]).helps("is the API reachable from here?");
}

#[test]
fn what_remains_at_hetzner_is_said_with_its_cost() {
    let (desk, hetzner) = hetzner::created(Servers::None);
    let fails = json!({ "fault": "action_fails", "method": "POST", "path": "/servers" });
    hetzner.fault(fails);
    let kept = desk.run(&["provision", &desk.name, "--keep-on-failure"]).fails("tofu_failed");
    kept.helps(&format!("hcloud_server {}", desk.instance())).helps("costs money").helps("or remove it: ");
    assert_eq!(hetzner.there(), hetzner::all_three(&desk));
    desk.run(&["destroy", &desk.name]).ok();
    assert!(hetzner.there().is_empty());

    // The token is revoked while the server is being made.
    desk.run(&["purge", &desk.name, "--force"]).ok();
    desk.create(&hetzner::config(&desk));
    hetzner.fault(json!({ "fault": "unauthorized", "path": "/actions*", "times": null }));
    refused(&desk)
        .says(&["(unauthorized,", "cleaning up failed"])
        .helps(&format!("these remain: hcloud_firewall {}", desk.instance()))
        .helps("costs money")
        .helps("remove what remains: ");
    hetzner.heal();
    desk.run(&["destroy", &desk.name]).ok();
    assert!(hetzner.there().is_empty());
}

#[test]
fn lxd_has_not_what_is_asked_for() {
    let mut desk = lxd::desk();
    for (field, words) in [
        ("image", "mage not found"),
        ("storage_pool", "torage pool not found"),
        ("network", "etwork not found"),
    ] {
        desk.name = lab::unique_name();
        let mut config = lxd::config(&desk);
        config["provider"][field] = json!("nope");
        desk.create(&config);
        refused(&desk).says(&[words]).helps(&format!("correct provider.{field}"));
        assert!(lxd::there(&desk).is_empty(), "{field}: {:?}", lxd::there(&desk));
    }
}

#[test]
fn lxd_has_the_name_already() {
    let mut desk = lxd::created();
    lxc(&["profile", "create", &desk.instance()]);
    refused(&desk).says(&["rofile already exists"]).helps("provider.profile_name");
    assert_eq!(lxd::there(&desk), [format!("lxd_profile {}", desk.instance())], "it is somebody else's");
    lxd::remove(&desk.instance());

    desk.name = lab::unique_name();
    desk.create(&lxd::config(&desk));
    lxc(&["init", "--empty", &desk.instance()]);
    refused(&desk).says(&["already exists"]).helps("environment.instance_name");
    assert_eq!(lxd::there(&desk), [format!("lxd_instance {}", desk.instance())], "it is somebody else's");
}

#[test]
fn no_lxd_answers() {
    let mut desk = lxd::created();
    desk.variables.push(("LXD_DIR", desk.path(".").display().to_string()));
    refused(&desk).says(&["unix.socket"]).helps("is LXD installed, and does it run?");
}

#[test]
fn the_provider_cannot_be_had() {
    let mut desk = lxd::created();
    fs::create_dir(desk.path("mirror")).unwrap();
    let empty = desk.path("mirror").display().to_string();
    let file = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {empty:?}\n  }}\n}}\n");
    let file = desk.write("cli.tofurc", &file);
    desk.variables.push(("TF_CLI_CONFIG_FILE", file));
    refused(&desk).says(&["cannot prepare the provider", "terraform-lxd/lxd"]).helps("filesystem_mirror");
}

#[test]
fn another_process_holds_the_state() {
    let desk = lxd::created();
    let state = desk.path(&format!("data/{}/terraform.tfstate", desk.name));
    let hold = "import fcntl, sys; state = open(sys.argv[1], 'w'); fcntl.lockf(state, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()";
    let mut holder = std::process::Command::new("python3")
        .args(["-c", hold])
        .arg(&state)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    host::eventually("the state is held", || state.exists());
    refused(&desk).says(&["Error acquiring the state lock"]).helps("another OpenTofu works on this host");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert!(lxd::there(&desk).is_empty());
}
