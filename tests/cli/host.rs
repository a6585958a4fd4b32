//! Hosts that cannot be reached, refuse, or do not fit: the messages are OpenSSH's and sudo's own.

use std::os::unix::fs::PermissionsExt;

use crate::world::{PUBLIC_KEY, Refusal, World, snapshot};

pub const REGISTER: &[&str] = &["register", "demo", "--instance-ip", "192.0.2.7"];

/// Registers a host on which `ssh` ends with these words; then the same command on a good one.
pub fn register_with(said: &str) -> Refusal {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.fake("ssh", &format!("cat >&2 <<'END'\n{said}\nEND\nexit 255"));
    let refusal = world.refusal(REGISTER);
    assert_eq!(refusal.exit, Some(1));
    let state = world.state("demo");
    assert_eq!((&state["stage"], state.get("host")), (&"created".into(), None), "{said}");
    world.fake("ssh", include_str!("fakes/ssh"));
    world.ok(REGISTER);
    refusal
}

#[test]
fn each_way_not_to_connect_has_its_own_words() {
    let cases = [
        (
            "ssh: connect to host 192.0.2.7 port 22: Connection refused",
            "ssh_unreachable",
            "192.0.2.7 refuses connections on port 22",
        ),
        (
            "ssh: connect to host 192.0.2.7 port 22: Connection timed out",
            "ssh_unreachable",
            "192.0.2.7 port 22 did not answer within 10 s",
        ),
        (
            "ssh: Could not resolve hostname 192.0.2.7: Name or service not known",
            "ssh_unreachable",
            "the name 192.0.2.7 is unknown to DNS",
        ),
        (
            "ssh: connect to host 192.0.2.7 port 22: No route to host",
            "ssh_unreachable",
            "there is no way from here to 192.0.2.7",
        ),
        (
            "torrust@192.0.2.7: Permission denied (publickey,password).",
            "ssh_auth",
            "torrust@192.0.2.7 port 22 does not accept the key [TEST]/work/data/demo/id_ed25519",
        ),
        (
            "Received disconnect from 192.0.2.7 port 22:2: Too many authentication failures",
            "ssh_auth",
            "torrust@192.0.2.7 port 22 does not accept the key [TEST]/work/data/demo/id_ed25519",
        ),
    ];
    for (said, code, message) in cases {
        let refusal = register_with(said);
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), (code, message));
        assert!(refusal.causes.contains(said) && !refusal.help.is_empty(), "{refusal:?}");
    }
}

#[test]
fn a_key_that_others_may_read_is_told_apart_from_one_that_the_host_refuses() {
    let refusal = register_with(
        "Permissions 0644 for '/k' are too open.\nThis private key will be ignored.\nLoad key \"/k\": bad permissions\ntorrust@192.0.2.7: Permission denied (publickey).",
    );
    assert_eq!(refusal.code, "ssh_auth");
    assert_eq!(refusal.message, "ssh refuses the key [TEST]/work/data/demo/id_ed25519: others may read it");
    assert!(refusal.help.contains("chmod 600 [TEST]/work/data/demo/id_ed25519"), "{}", refusal.help);
    let refusal =
        register_with("Load key \"/k\": invalid format\ntorrust@192.0.2.7: Permission denied (publickey).");
    assert_eq!(refusal.message, "the key [TEST]/work/data/demo/id_ed25519 cannot be used");
}

#[test]
fn a_changed_host_key_stops_everything() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(REGISTER);
    world.fake("ssh", include_str!("fakes/ssh-changed-key"));
    snapshot!(world, &["configure", "demo"]);
    let refusal = world.refusal(&["configure", "demo"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "host_key_changed"));
    world.fake("ssh", include_str!("fakes/ssh"));
    world.ok(&["configure", "demo"]);
}

/// Another host, or someone in between.
const ANOTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDJrTWq3nGm0J1n1nYkX7k2Q2b8kqk1C5gYt0Qv1Zk9d";

#[test]
fn the_stored_key_is_the_authority_whatever_known_hosts_holds() {
    let world = World::with_tools();
    world.environment("demo", "running");
    world.edit_state("demo", |state| state["release"] = 1.into());
    world.write("../host-key", ANOTHER);
    let foreign = format!("demo {ANOTHER}\n");
    let intact = format!("demo {PUBLIC_KEY}\n");
    let commands: [&[&str]; 8] = [
        &["test", "demo"],
        &["status", "demo"],
        &["logs", "demo"],
        &["ssh", "demo", "--", "true"],
        &["backup", "demo", "list"],
        &["configure", "demo"],
        &["run", "demo"],
        &["release", "demo"],
    ];
    for known in [Some(intact.as_str()), Some(""), None, Some(foreign.as_str())] {
        for args in commands {
            let file = world.path("data/demo/known_hosts");
            match known {
                Some(text) => std::fs::write(&file, text).unwrap(),
                None => drop(std::fs::remove_file(&file)),
            }
            let output = world.run(args);
            let said = format!("{}{}", output.stdout, output.stderr);
            assert_eq!(output.code, Some(1), "{args:?} with {known:?}: {said}");
            assert!(said.contains("another host key than at first contact"), "{args:?}: {said}");
            assert!(said.contains("trust demo"), "{args:?}: {said}");
            assert_eq!(world.calls("bash -c"), 0, "{args:?}: something was run there");
        }
    }
}

#[test]
fn sockets_are_in_a_folder_that_only_the_user_enters() {
    let mut world = World::with_tools();
    let own = world.path("runtime");
    std::fs::create_dir(&own).unwrap();
    world.set("XDG_RUNTIME_DIR", own.to_str().unwrap());
    world.ok(&["create", "demo"]);
    let sockets = own.join("torrust-deployer");
    std::fs::create_dir(&sockets).unwrap();
    let open = |mode| std::fs::set_permissions(&sockets, std::fs::Permissions::from_mode(mode)).unwrap();
    open(0o755);
    let refusal = world.refusal(REGISTER);
    assert_eq!((refusal.code.as_str(), refusal.exit), ("storage_failed", Some(1)));
    assert_eq!(world.calls("ssh "), 0);
    open(0o700);
    world.ok(REGISTER);
    assert!(world.transcript().contains(&format!("{}/", sockets.display())));
}

/// Earlier versions stored the fingerprint alone, and the key in `known_hosts`.
#[test]
fn an_environment_of_an_earlier_version_keeps_its_key() {
    let world = World::with_tools();
    world.environment("demo", "provisioned");
    world.edit_state("demo", |state| drop(state["host"].as_object_mut().unwrap().remove("public_key")));
    let file = world.path("data/demo/known_hosts");
    world.write("../host-key", ANOTHER);
    for known in [format!("demo {PUBLIC_KEY}\n"), String::new(), format!("demo {ANOTHER}\n")] {
        std::fs::write(&file, known).unwrap();
        assert_eq!(world.refusal(&["configure", "demo"]).code, "host_key_changed");
    }
    std::fs::remove_file(world.path("../host-key")).unwrap();
    world.ok(&["configure", "demo"]);
    assert_eq!(world.state("demo")["host"]["public_key"], PUBLIC_KEY);
}

#[test]
fn a_new_key_needs_the_users_word() {
    let world = World::with_tools();
    world.environment("demo", "provisioned");
    assert!(world.ok(&["trust", "demo"]).stdout.contains("shows the stored key"));
    world.write("../host-key", ANOTHER);
    let refusal = world.refusal(&["trust", "demo"]);
    assert_eq!(refusal.code, "declined");
    let (_, new) = refusal.help.split_once("--fingerprint ").unwrap();
    let wrong = world.refusal(&["trust", "demo", "--fingerprint", "SHA256:abc"]);
    assert_eq!(wrong.code, "host_key_changed");
    assert_eq!(world.state("demo")["host"]["public_key"], PUBLIC_KEY, "nothing was changed");
    world.ok(&["trust", "demo", "--fingerprint", new.lines().next().unwrap()]);
    assert_eq!(world.state("demo")["host"]["public_key"], ANOTHER);
    world.ok(&["configure", "demo"]);
}

#[test]
fn a_user_who_may_not_use_sudo() {
    for said in ["sudo: a password is required", "sudo: sorry, you must have a tty to run sudo"] {
        let world = World::with_tools();
        world.ok(&["create", "demo"]);
        let refuse = format!("*os-release*) echo '{said}' >&2; exit 1 ;;\n  *never*)");
        world.fake("ssh", &include_str!("fakes/ssh").replace("*os-release*)", &refuse));
        let refusal = world.refusal(REGISTER);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "sudo_refused"));
        assert!(refusal.causes.contains(said) && refusal.help.contains("NOPASSWD:ALL"), "{refusal:?}");
        world.fake("ssh", include_str!("fakes/ssh"));
        world.ok(REGISTER);
    }
}

#[test]
fn a_host_that_does_not_fit_is_refused_with_what_would() {
    let cases = [
        ("os=fedora version=42 arch=x86_64 disk_free_kib=50000000", "host_unsupported", "fedora 42"),
        ("os=ubuntu version=20.04 arch=x86_64 disk_free_kib=50000000", "host_unsupported", "ubuntu 20.04"),
        ("os=debian version=13 arch=riscv64 disk_free_kib=50000000", "host_unsupported", "riscv64"),
        ("os=debian version=13 arch=x86_64 disk_free_kib=1000000", "host_disk_full", "976 MiB"),
    ];
    for (facts, code, named) in cases {
        let world = World::with_tools();
        world.ok(&["create", "demo"]);
        let good = "os=debian version=13 arch=x86_64 disk_free_kib=50000000";
        world.fake("ssh", &include_str!("fakes/ssh").replace(good, facts));
        let refusal = world.refusal(REGISTER);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), code), "{facts}");
        assert!(refusal.message.contains(named) && !refusal.help.is_empty(), "{refusal:?}");
        assert!(world.state("demo").get("host").is_none());
        assert!(!world.path("data/demo/known_hosts").exists());
    }
}

#[test]
fn a_registered_host_is_deployed_to_and_another_one_is_refused() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    snapshot!(world, &["register", "demo", "--instance-ip", "192.0.2.7", "--ssh-port", "2222"]);
    assert_eq!(world.state("demo")["host"]["port"], 2222);
    world.ok(&["register", "demo", "--instance-ip", "192.0.2.7"]);
    let refusal = world.refusal(&["register", "demo", "--instance-ip", "192.0.2.8"]);
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("state_refused", "demo has a host already: 192.0.2.7")
    );
    world.ok(&["deploy", "demo", "--skip-run"]);
    assert!(
        !world.transcript().lines().any(|call| call.starts_with("docker ")),
        "only the host's own Docker is spoken to"
    );
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_told_and_the_next_call_goes_on() {
    let world = World::with_tools();
    world.environment("demo", "configured");
    // The client says so, or somebody ended it.
    for end in ["echo 'client_loop: send disconnect: Broken pipe' >&2; exit 255", "kill -9 $$"] {
        let broken = format!("*releases/.incoming*) {end} ;;\n  *never*)");
        world.fake("ssh", &include_str!("fakes/ssh").replace("*releases/.incoming*)", &broken));
        let refusal = world.refusal(&["release", "demo"]);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "ssh_lost"));
        assert_eq!(world.state("demo")["attempt"]["step"], "Put the files on the host");
    }
    world.fake("ssh", include_str!("fakes/ssh"));
    world.ok(&["release", "demo"]);
    assert_eq!(world.state("demo")["stage"], "released");
}

#[test]
fn a_full_disk_on_the_host_leaves_the_release_as_it_was() {
    let world = World::with_tools();
    world.environment("demo", "configured");
    let full = "cat >/dev/null; echo 'tar: docker-compose.yml: Cannot write: No space left on device' >&2; exit 1; #";
    world.fake("ssh", &include_str!("fakes/ssh").replace("cat >\"$FAKE/received.tar\"", full));
    let refusal = world.refusal(&["release", "demo"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "host_disk_full"));
    assert!(refusal.message.contains("there was none before"), "{}", refusal.message);
    assert_eq!(world.state("demo")["stage"], "configured");
}

#[test]
fn an_address_with_user_scheme_or_port_is_refused() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    for (text, typed) in [
        ("torrust@198.18.64.2", "\"username\": \"torrust\""),
        ("ssh://198.18.64.2:2222", "--instance-ip 198.18.64.2 --ssh-port 2222"),
    ] {
        let refusal = world.refusal(&["register", "demo", "--instance-ip", text]);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"), "{text}");
        assert!(refusal.message.contains(typed), "{refusal:?}");
    }
    assert_eq!(world.calls("ssh"), 0);
}

#[test]
fn an_alias_of_the_ssh_configuration_is_refused_with_its_address() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    let settings = "case $1 in -G) printf '%s\\n' 'user admin' 'hostname 198.18.64.2' 'port 2222' 'proxyjump bastion'; exit ;; esac";
    world.fake("ssh", &format!("{settings}\n{}", include_str!("fakes/ssh")));
    for alias in ["lab-alias.invalid", "my_server"] {
        let refusal = world.refusal(&["register", "demo", "--instance-ip", alias]);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"), "{refusal:?}");
        assert!(refusal.message.contains("is an alias in your SSH configuration"), "{refusal:?}");
        assert!(refusal.causes.contains("ssh resolves it to 198.18.64.2"), "{refusal:?}");
        assert!(
            refusal.help.contains("register demo --instance-ip 198.18.64.2 --ssh-port 2222"),
            "{refusal:?}"
        );
        assert!(refusal.help.contains(&format!("Host {alias} 198.18.64.2")), "{refusal:?}");
        assert_eq!(world.state("demo")["stage"], "created");
    }
    assert_eq!(world.calls("ControlMaster=yes"), 0, "nothing was connected to");
}

#[test]
fn keys_that_no_longer_fit_stop_register_and_provision() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.ok(&["create", "other"]);
    let public = world.read("data/demo/id_ed25519.pub");
    let private = world.read("data/demo/id_ed25519");
    let cases = [
        ("data/demo/id_ed25519.pub", world.read("data/other/id_ed25519.pub"), "is not the public key of"),
        ("data/demo/id_ed25519", private.replace('\n', "\r\n"), "end as on Windows (CRLF)"),
        ("data/demo/id_ed25519", private.trim_end().to_owned(), "has no line end"),
        ("data/demo/id_ed25519", public.clone(), "is no private SSH key"),
    ];
    for (file, text, said) in cases {
        world.forget_transcript();
        world.write(file, &text);
        for args in [REGISTER, &["provision", "demo"]] {
            let refusal = world.refusal(args);
            assert_eq!(refusal.code, "config_invalid", "{args:?}: {refusal:?}");
            assert!(refusal.message.contains(said) && !refusal.help.is_empty(), "{args:?}: {refusal:?}");
        }
        let called = world.calls("docker run") + world.calls("ControlMaster=yes");
        assert_eq!(called, 0, "{said}: {}", world.transcript());
        world.write("data/demo/id_ed25519", &private);
        world.write("data/demo/id_ed25519.pub", &public);
    }
    world.ok(REGISTER);
}
