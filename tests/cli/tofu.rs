//! Hosts made by OpenTofu: what it is told, what is said, and what happens when it fails.

use crate::world::{World, snapshot};

const TOKEN: &str = "Zk9sLw7RbNcYdvE4ixM2uTq0Zk9sLw7RbNcYdvE4ixM2uTq0Zk9sLw7RbNcYdvE4";

fn world(provider: &str) -> World {
    let mut world = World::with_tools();
    world.set("HCLOUD_TOKEN", TOKEN);
    world.ok(&["create", "demo", "--provider", provider]);
    world
}

/// Makes a command of the fake fail with these words.
fn fails(world: &World, command: &str, words: &str) {
    world.write(&format!("../fails-in-{command}"), words);
}

fn works(world: &World, command: &str) {
    std::fs::remove_file(world.path(&format!("../fails-in-{command}"))).unwrap();
}

/// Whether the fake provider has the host.
fn is_there(world: &World) -> bool {
    world.path("../cloud/torrust-tracker-vm-demo").exists()
}

#[test]
fn a_host_is_made_looked_after_and_removed() {
    for provider in ["lxd", "hetzner"] {
        let world = world(provider);
        world.ok(&["deploy", "demo", "--skip-run"]);
        assert!(is_there(&world));
        assert_eq!(world.state("demo")["host"]["address"], "127.0.0.1");
        assert_eq!(world.json(&["provision", "demo"])["state"], "released", "the same host, looked after");
        let removed = world.json(&["destroy", "demo"])["removed"].clone();
        assert_eq!(removed.as_array().unwrap().len(), 1, "{removed}");
        assert!(!is_there(&world) && !world.path("data/demo/terraform.tfstate").exists());
        world.forget_transcript();
        world.ok(&["destroy", "demo"]);
        assert_eq!(world.calls("tofu"), 0, "a second time there is nobody to ask");
    }
}

#[test]
fn a_user_reads_how_a_host_is_made() {
    let world = world("hetzner");
    snapshot!(world, &["provision", "demo", "-v"]);
}

#[test]
fn values_travel_as_json_and_the_token_in_the_environment_alone() {
    let world = world("hetzner");
    world.fake(
        "tofu",
        &format!("printf %s \"$HCLOUD_TOKEN\" >\"$FAKE/token\"\n{}", include_str!("fakes/tofu")),
    );
    world.ok(&["provision", "demo", "-vvv"]);
    assert_eq!(world.read("../token"), TOKEN);
    assert!(!world.transcript().contains(TOKEN));
    for (path, bytes) in world.files() {
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN), "the token is in {}", path.display());
    }
    let values: serde_json::Value =
        serde_json::from_str(&world.read("build/demo/tofu/terraform.tfvars.json")).unwrap();
    let port = |protocol: &str, port: &str| serde_json::json!({ "protocol": protocol, "port": port });
    let open = [port("tcp", "22"), port("udp", "6969"), port("tcp", "7070")];
    // The API is for the host alone.
    assert_eq!(values["open_ports"], serde_json::json!(open));
}

#[test]
fn a_token_that_is_none_is_told_before_anything_is_asked() {
    let mut world = world("hetzner");
    for (token, told) in [(Some("too-short"), "has 9 characters instead of 64"), (None, "HCLOUD_TOKEN")] {
        match token {
            Some(token) => world.set("HCLOUD_TOKEN", token),
            None => world.unset("HCLOUD_TOKEN"),
        }
        let refusal = world.refusal(&["provision", "demo"]);
        assert_eq!(refusal.code, "secret_unavailable");
        assert!(refusal.message.contains(told) && !refusal.help.is_empty(), "{refusal:?}");
    }
    assert_eq!((world.calls("tofu plan"), is_there(&world)), (0, false));
}

#[test]
fn a_plan_is_asked_about_at_a_terminal_and_a_no_changes_nothing() {
    let world = world("lxd");
    let before = world.state("demo");
    let output = world.typing(&["provision", "demo"], "n\n");
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("+ lxd_instance torrust-tracker-vm-demo"), "{}", output.stderr);
    assert!(output.stderr.contains("Apply this plan (1 to create)?"), "{}", output.stderr);
    assert!(output.stderr.contains("nothing was changed"), "{}", output.stderr);
    let after = world.state("demo");
    assert_eq!((&after["stage"], after.get("attempt")), (&before["stage"], None));
    assert_eq!((world.calls("tofu apply"), is_there(&world)), (0, false));

    let output = world.typing(&["provision", "demo"], "y\n");
    assert_eq!((output.code, is_there(&world)), (Some(0), true), "{}", output.stderr);
    world.ok(&["destroy", "demo"]);
    world.ok(&["purge", "demo", "--force"]);
    world.ok(&["create", "demo", "--provider", "lxd"]);
    let output = world.typing(&["provision", "demo", "--auto-approve"], "");
    assert!(output.code == Some(0) && !output.stderr.contains("[y/N]"), "{}", output.stderr);
}

#[test]
fn what_a_failed_apply_made_is_removed_or_kept_as_asked() {
    let world = world("hetzner");
    world.write("../half", "");
    fails(&world, "apply", "server limit reached (resource_limit_exceeded, 1a2b)");
    let refusal = world.refusal(&["provision", "demo"]);
    assert_eq!(refusal.code, "tofu_failed");
    assert!(refusal.causes.contains("server limit reached"), "{refusal:?}");
    assert!(refusal.help.contains("removed again: hcloud_server torrust-tracker-vm-demo"), "{refusal:?}");
    assert!(!world.path("data/demo/terraform.tfstate").exists());

    snapshot!(world, &["provision", "demo", "--keep-on-failure"]);
    assert!(world.path("data/demo/terraform.tfstate").exists());
    works(&world, "apply");
    world.ok(&["provision", "demo"]);
}

#[test]
fn what_cannot_be_removed_again_is_named_with_its_cost() {
    let world = world("hetzner");
    world.write("../half", "");
    fails(&world, "apply", "server limit reached (resource_limit_exceeded, 1a2b)");
    fails(&world, "destroy", "unable to authenticate (unauthorized, 1a2b)");
    snapshot!(world, &["provision", "demo"]);
    works(&world, "destroy");
    world.ok(&["destroy", "demo"]);
    assert!(!world.path("data/demo/terraform.tfstate").exists());
}

#[test]
fn a_host_that_vanished_is_said_and_made_anew() {
    let world = world("lxd");
    world.ok(&["provision", "demo"]);
    std::fs::remove_file(world.path("../cloud/torrust-tracker-vm-demo")).unwrap();
    snapshot!(world, &["provision", "demo"]);
    assert!(is_there(&world));
}

#[test]
fn a_host_with_data_is_not_replaced() {
    let world = world("lxd");
    world.ok(&["deploy", "demo", "--skip-run"]);
    world.write("../replaces", "");
    let refusal = world.refusal(&["provision", "demo"]);
    assert_eq!(refusal.code, "state_refused");
    assert!(
        refusal.message.contains("would remove lxd_instance torrust-tracker-vm-demo with its data"),
        "{refusal:?}"
    );
    assert_eq!((&world.state("demo")["stage"], is_there(&world)), (&"released".into(), true));
    assert_eq!(world.calls("tofu apply"), 1);
}

#[test]
fn a_registry_out_of_reach_and_a_held_state_have_their_own_help() {
    let world = world("lxd");
    fails(&world, "init", "Error: Failed to query available provider packages");
    let refusal = world.refusal(&["provision", "demo"]);
    assert!(refusal.help.contains("filesystem_mirror"), "{refusal:?}");
    works(&world, "init");
    fails(&world, "plan", "Error acquiring the state lock");
    let refusal = world.refusal(&["provision", "demo"]);
    assert!(refusal.help.contains("another OpenTofu works on this host"), "{refusal:?}");
    works(&world, "plan");
    world.ok(&["provision", "demo"]);
}

#[test]
fn opentofu_that_is_missing_or_too_old() {
    let mut world = world("lxd");
    std::fs::remove_file(world.path("../bin/tofu")).unwrap();
    let refusal = world.refusal(&["provision", "demo"]);
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("tool_missing", "tofu is not installed, or not on PATH")
    );
    world.fake("terraform", "echo 'Terraform v1.5.7'");
    let refusal = world.refusal(&["provision", "demo"]);
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("tool_missing", "Terraform 1.5.7 is too old: 1.6 or newer is needed")
    );
    world.fake("terraform", include_str!("fakes/tofu"));
    world.ok(&["provision", "demo"]);
    // The same folder with a program named by the user.
    world.fake("my-tofu", include_str!("fakes/tofu"));
    world.set("TORRUST_TD_TOFU_BIN", "my-tofu");
    world.ok(&["provision", "demo"]);
    assert!(world.calls("my-tofu apply") == 1 && world.calls("terraform apply") == 1);
}

#[test]
fn data_on_the_hosts_own_disk_cannot_be_kept_and_nothing_is_stopped() {
    let world = world("lxd");
    world.ok(&["deploy", "demo", "--skip-run"]);
    let refusal = world.refusal(&["destroy", "demo", "--keep-data"]);
    assert_eq!(refusal.code, "not_supported");
    assert!(refusal.help.contains("--backup") && is_there(&world), "{refusal:?}");
    assert_eq!(
        (world.calls("not stopped: what runs there"), &world.state("demo")["stage"]),
        (0, &"released".into())
    );
}

#[test]
fn a_program_that_cannot_find_what_a_killed_apply_left_says_so() {
    let world = world("hetzner");
    let old = include_str!("fakes/tofu").replace("OpenTofu v1.12.6", "OpenTofu v1.6.2");
    world.fake("tofu", &old);
    world.write("data/demo/terraform.tfstate", "");
    world.edit_state("demo", |state| {
        state["attempt"] = serde_json::json!({ "command": "provision", "step": "Apply the plan", "since": state["created"] });
    });
    for command in ["provision", "destroy"] {
        let refusal = world.refusal(&[command, "demo"]);
        assert_eq!(refusal.code, "tool_missing", "{refusal:?}");
        assert!(
            refusal.message.contains("OpenTofu 1.6.2 cannot find what it made; 1.7 or newer can"),
            "{refusal:?}"
        );
        assert!(refusal.causes.contains("cost money") && refusal.help.contains("label mark="), "{refusal:?}");
    }
    world.fake("tofu", include_str!("fakes/tofu"));
    world.ok(&["provision", "demo"]);
}

#[test]
fn a_first_start_without_end_or_with_errors_is_told() {
    let world = world("lxd");
    let answer = |said: &str, code: u8| {
        include_str!("fakes/ssh")
            .replace("*status.json*) echo end=done", &format!("*status.json*) {said}; exit {code}"))
    };
    world.fake("ssh", &answer("echo stage=modules-final; echo 'error=runcmd failed'; echo end=failed", 1));
    let refusal = world.refusal(&["provision", "demo"]);
    assert_eq!((refusal.code.as_str(), refusal.causes.as_str()), ("provider_failed", "runcmd failed"));
    assert!(refusal.help.contains("--keep-on-failure"), "{refusal:?}");
    world.fake("ssh", &answer("echo stage=modules-final; sleep 30", 0));
    let refusal = world.refusal(&["provision", "demo", "--cloud-init-timeout", "1"]);
    assert_eq!(refusal.code, "timed_out");
    assert_eq!(refusal.message, "cloud-init has not come to its end within 1 s; it is in modules-final");
    world.fake("ssh", include_str!("fakes/ssh"));
    world.ok(&["provision", "demo"]);
}
