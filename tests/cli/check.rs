//! What `check` says of machines that have everything, nothing, or the wrong thing, and what `--fix` types.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Refusal, World, snapshot};

/// Reads a request up to its empty line and answers; gives the request's first line.
fn answer(stream: impl Read + Write, answer: impl FnOnce(&str) -> String) {
    let mut stream = BufReader::new(stream);
    let mut lines = stream.by_ref().lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let _ = stream.get_mut().write_all(answer(&request).as_bytes());
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A container registry on loopback that answers so, and gives its address.
fn registry(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, |request| {
                assert_eq!(request, "GET /v2/ HTTP/1.1");
                http(status, "{}")
            });
        }
    });
    address
}

/// An LXD with the pool `default` and no network.
fn lxd(world: &mut World, auth: &'static str, drivers: &'static str) {
    let folder = world.path("lxd");
    fs::create_dir(&folder).unwrap();
    world.set("LXD_DIR", &folder.display().to_string());
    let listener = UnixListener::bind(folder.join("unix.socket")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, |request| {
                let server = json!({ "server_version": "5.0.2", "driver": drivers });
                match request.split(' ').nth(1).unwrap() {
                    "/1.0" => http(
                        "200 OK",
                        &json!({"metadata": {"auth": auth, "environment": server}}).to_string(),
                    ),
                    "/1.0/storage-pools/default" => http("200 OK", r#"{"metadata": {"driver": "dir"}}"#),
                    _ => http("404 Not Found", r#"{"error": "Network not found"}"#),
                }
            });
        }
    });
}

/// A machine without network, package manager, LXD and tools.
fn bare() -> World {
    let mut world = World::new();
    world.set("HTTPS_PROXY", "http://127.0.0.1:9");
    world.set("LXD_DIR", &world.path("no-lxd").display().to_string());
    world
}

/// A machine with all tools, none of them too old.
fn equipped() -> World {
    let mut world = bare();
    world.fake("ssh", "echo 'OpenSSH_9.2p1 Debian-2' >&2");
    world.fake("ansible-playbook", "echo 'ansible-playbook [core 2.19.4]'; echo '  config file = None'");
    world.fake("tofu", "echo 'OpenTofu v1.12.6'");
    world.fake("docker", "echo 28.5.1");
    let mirror = world.write("tofurc", "provider_installation { filesystem_mirror { path = \"/mirror\" } }");
    world.set("TF_CLI_CONFIG_FILE", &mirror.display().to_string());
    world
}

/// An environment whose images come from this registry.
fn environment(world: &World, provider: &Value, registry: &str) {
    world.config("env.json", |config| {
        config["provider"] = provider.clone();
        if provider["provider"] == "docker" {
            config["provider"]["base_image"] = format!("{registry}/debian:trixie").into();
        }
        config["images"] = json!({ "tracker": format!("{registry}/torrust/tracker:v4") });
    });
    world.ok(&["create", "environment", "-f", "env.json"]);
}

fn docker_environment(world: &World) {
    environment(world, &json!({ "provider": "docker" }), &registry("401 Unauthorized"));
}

/// The findings of a machine on which nothing required is missing.
fn findings(world: &World, args: &[&str]) -> Value {
    world.json(&[&["check"], args].concat())["items"].clone()
}

fn finding<'a>(items: &'a Value, name: &str) -> &'a Value {
    let found = items.as_array().unwrap().iter().find(|item| item["name"] == name);
    found.unwrap_or_else(|| panic!("nothing is said of {name}: {items:#}"))
}

/// The findings of a machine on which something required is missing.
fn faults(world: &World, args: &[&str]) -> Value {
    let output = world.run(&[&["check", "--output-format", "json"], args].concat());
    let error = output.json()["error"].clone();
    assert_eq!((output.code, error["code"].as_str()), (Some(1), Some("tool_missing")), "{error:#}");
    error["problems"].clone()
}

fn fix(item: &Value) -> String {
    let lines = item["fix"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    // Who runs the tests may be root, or not.
    lines.collect::<Vec<_>>().join("\n").replace("sudo ", "")
}

#[test]
fn a_machine_that_has_everything() {
    let world = equipped();
    docker_environment(&world);
    snapshot!(world, &["check"]);
    let report = world.json(&["check"]);
    assert_eq!((&report["missing"], &report["warnings"]), (&json!(0), &json!(0)));
    let engine = finding(&report["items"], "Docker Engine");
    assert_eq!(
        (&engine["status"], &engine["seen"], &engine["fix"]),
        (&json!("ok"), &json!("28.5.1"), &json!([]))
    );
}

#[test]
fn a_machine_that_has_nothing() {
    let world = bare();
    snapshot!(world, &["check"]);
    let refusal = world.refusal(&["check"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "tool_missing"));
    assert!(refusal.causes.contains("OpenTofu: tofu is not installed, or not on PATH"), "{}", refusal.causes);
    assert!(refusal.help.contains("https://opentofu.org/docs/intro/install/"), "{}", refusal.help);
}

#[test]
fn only_what_the_environments_use_is_looked_at() {
    let world = equipped();
    docker_environment(&world);
    for program in ["tofu", "docker"] {
        fs::remove_file(world.path("../bin").join(program)).unwrap();
    }
    let items = faults(&world, &[]);
    let missing: Vec<_> =
        items.as_array().unwrap().iter().filter(|item| item["status"] == "missing").collect();
    assert_eq!(missing.len(), 1, "{items:#}");
    assert_eq!(missing[0]["name"], "docker");
    world.edit_state("minimal", |state| {
        state["stage"] = "provisioned".into();
        state["host"] = json!({ "origin": "registered", "address": "192.0.2.7", "port": 22 });
    });
    findings(&world, &[]);
    let items = faults(&world, &["--provider", "hetzner"]);
    assert_eq!(finding(&items, "OpenTofu")["seen"], "tofu is not installed, or not on PATH");
}

#[test]
fn tools_that_are_too_old_or_broken() {
    let world = equipped();
    docker_environment(&world);
    world.fake("ssh", "echo 'OpenSSH_7.4p1, OpenSSL 1.0.2k' >&2");
    world.fake("ansible-playbook", "echo 'ansible-playbook 2.9.27'");
    fs::remove_file(world.path("../bin/tofu")).unwrap();
    world.fake("terraform", "echo 'Terraform v1.5.7'");
    let items = faults(&world, &["--provider", "docker", "--provider", "hetzner"]);
    for (name, seen) in [
        ("ssh", "too old: OpenSSH_7.4p1, OpenSSL 1.0.2k ([TEST]/bin/ssh)"),
        ("Ansible", "too old: ansible-playbook 2.9.27 ([TEST]/bin/ansible-playbook)"),
        ("OpenTofu", "Terraform 1.5.7 is too old: 1.6 or newer is needed"),
    ] {
        let item = finding(&items, name);
        assert_eq!(world.settled(item["seen"].as_str().unwrap()), seen);
        assert_eq!(item["status"], "missing");
    }
    world.fake("ansible-playbook", "echo 'bad interpreter: no such file' >&2; exit 126");
    let items = faults(&world, &[]);
    let seen = &finding(&items, "Ansible")["seen"];
    assert_eq!(seen, "ansible-playbook ended with 126: bad interpreter: no such file");
}

#[test]
fn an_engine_that_refuses_or_is_down() {
    let world = equipped();
    docker_environment(&world);
    world.fake("docker", "echo 'permission denied while trying to connect to the docker API at unix:///var/run/docker.sock' >&2; exit 1");
    let items = faults(&world, &[]);
    assert_eq!(finding(&items, "docker")["status"], "ok");
    assert_eq!(
        fix(finding(&items, "Docker Engine")),
        "usermod -aG docker tester\nthen log in again, or go on in a shell of: newgrp docker"
    );
    world.fake(
        "docker",
        "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1",
    );
    let items = faults(&world, &[]);
    assert!(fix(finding(&items, "Docker Engine")).contains("systemctl start docker"), "{items:#}");
}

#[test]
fn an_lxd_is_asked_for_what_the_configuration_names() {
    let mut world = equipped();
    lxd(&mut world, "trusted", "lxc");
    let provider = json!({ "provider": "lxd", "profile_name": "demo", "instance_type": "container" });
    environment(&world, &provider, &registry("200 OK"));
    let items = faults(&world, &[]);
    assert!(finding(&items, "LXD")["seen"].as_str().unwrap().starts_with("5.0.2 ("));
    assert_eq!(finding(&items, "LXD storage pool default")["seen"], "dir");
    let network = finding(&items, "LXD network lxdbr0");
    assert_eq!(
        (&network["seen"], fix(network).as_str()),
        (
            &json!("Network not found"),
            "lxc network create lxdbr0\nor name one that is there: lxc network list"
        )
    );
    assert!(!items.to_string().contains("virtual machines"), "no machine is asked for");
    world.edit_state("minimal", |state| {
        state["config"]["provider"]["instance_type"] = "virtual-machine".into();
    });
    let items = faults(&world, &[]);
    assert_eq!(finding(&items, "virtual machines")["status"], "missing");
}

#[test]
fn an_lxd_that_does_not_trust_the_user() {
    let mut world = equipped();
    lxd(&mut world, "untrusted", "lxc");
    let items = faults(&world, &["--provider", "lxd"]);
    assert!(fix(finding(&items, "LXD")).starts_with("usermod -aG lxd tester\n"), "{items:#}");
}

#[test]
fn a_key_that_is_gone_or_open_to_others() {
    let world = equipped();
    docker_environment(&world);
    let key = world.path("id_ed25519");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let items = faults(&world, &[]);
    assert_eq!(
        world.settled(&fix(finding(&items, "SSH key of minimal"))),
        "chmod 600 [TEST]/work/id_ed25519"
    );
    fs::remove_file(&key).unwrap();
    fs::remove_file(key.with_extension("pub")).unwrap();
    world.ok(&["check", "--fix"]);
    assert!(key.is_file());
    fs::remove_file(&key).unwrap();
    world.edit_state("minimal", |state| state["stage"] = "running".into());
    let items = faults(&world, &["--fix"]);
    assert!(fix(finding(&items, "SSH key of minimal")).starts_with("put it back from a copy"), "{items:#}");
}

#[test]
fn a_registry_that_is_out_of_reach_silent_or_no_registry_is_a_warning() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = [
        ("127.0.0.1:9".to_owned(), "Connection refused"),
        (silent.local_addr().unwrap().to_string(), "timeout"),
        (registry("404 Not Found"), "answers HTTP 404"),
    ];
    for (address, said) in cases {
        let world = equipped();
        environment(&world, &json!({ "provider": "docker" }), &address);
        let began = Instant::now();
        let items = findings(&world, &[]);
        assert!(began.elapsed() < Duration::from_secs(10), "{address}");
        let item = finding(&items, &format!("registry {address}"));
        assert_eq!(item["status"], "warning");
        assert!(item["seen"].as_str().unwrap().contains(said), "{item:#}");
        assert!(fix(item).contains(r#""source": "local""#), "{item:#}");
    }
}

/// `apt-get` that has these programs in its archive; `apt-cache` that knows their packages.
fn with_apt(world: &World, programs: &[&str]) {
    fs::create_dir(world.path("../archive")).unwrap();
    for program in programs {
        fs::rename(world.path("../bin").join(program), world.path("../archive").join(program)).unwrap();
    }
    world.fake("sudo", "shift; exec \"$@\"");
    world.fake(
        "apt-cache",
        "printf '%s\\n' openssh-client: '  Candidate: 1:9.2p1' ansible-core: '  Candidate: 2.14.18'",
    );
    world.fake(
        "apt-get",
        "case $* in *ssh*) program=ssh ;; *ansible*) program=ansible-playbook ;; *) exit 0 ;; esac\n\
         mv \"$FAKE/archive/$program\" \"$FAKE/bin/\" 2>/dev/null || { echo 'E: Unable to locate package' >&2; exit 100; }",
    );
}

/// What was asked of apt, in order.
fn apt_calls(world: &World) -> Vec<String> {
    let calls = world.transcript();
    calls.lines().filter(|call| call.starts_with("apt-get ")).map(|call| call.trim().to_owned()).collect()
}

#[test]
fn fix_installs_what_is_missing_and_looks_again() {
    let world = equipped();
    docker_environment(&world);
    with_apt(&world, &["ssh", "ansible-playbook"]);
    let items = faults(&world, &[]);
    assert_eq!(
        fix(finding(&items, "ssh")),
        "apt-get update\nenv DEBIAN_FRONTEND=noninteractive apt-get install -y openssh-client\nor OpenSSH: https://www.openssh.com/portable.html"
    );
    assert_eq!(apt_calls(&world), [""; 0], "without --fix nothing is run");
    let output = world.ok(&["check", "--fix"]);
    assert!(output.stderr.contains("these commands will be run:"), "{}", output.stderr);
    assert!(output.stdout.ends_with("0 missing\n"), "{}", output.stdout);
    assert_eq!(
        apt_calls(&world),
        ["apt-get update", "apt-get install -y openssh-client", "apt-get install -y ansible-core"]
    );
    world.forget_transcript();
    world.ok(&["check", "--fix"]);
    assert_eq!(apt_calls(&world), [""; 0], "nothing is missing any more");
}

#[test]
fn fix_takes_the_package_manager_that_is_there() {
    for (manager, ssh, tofu) in [
        ("dnf", "dnf install -y openssh-clients", "dnf install -y opentofu"),
        ("brew", "brew install openssh", "brew install opentofu"),
    ] {
        let world = equipped();
        docker_environment(&world);
        world.fake("sudo", "shift; exec \"$@\"");
        fs::create_dir(world.path("../archive")).unwrap();
        for program in ["ssh", "tofu"] {
            fs::rename(world.path("../bin").join(program), world.path("../archive").join(program)).unwrap();
        }
        world.fake(manager, "case $* in *ssh*) program=ssh ;; *) program=tofu ;; esac; mv \"$FAKE/archive/$program\" \"$FAKE/bin/\"");
        world.ok(&["check", "--fix", "--provider", "docker", "--provider", "hetzner"]);
        let calls = world.transcript();
        let calls: Vec<_> = calls.lines().filter(|call| call.starts_with(manager)).map(str::trim).collect();
        assert_eq!(calls, [ssh, tofu]);
    }
}

#[test]
fn a_fix_that_fails_is_told_with_another_way_and_the_others_go_on() {
    let world = equipped();
    docker_environment(&world);
    with_apt(&world, &["ssh", "ansible-playbook"]);
    fs::remove_file(world.path("../archive/ansible-playbook")).unwrap();
    let Refusal { exit, code, message, causes, help } = world.refusal(&["check", "--fix"]);
    assert_eq!(
        (exit, code.as_str(), message.as_str()),
        (Some(1), "tool_missing", "1 of 7 things is missing")
    );
    assert!(causes.contains("apt-get install -y ansible-core: E: Unable to locate package"), "{causes}");
    assert!(help.contains("pipx install ansible-core"), "{help}");
    assert!(world.path("../bin/ssh").exists(), "what could be installed is there");
    let text = world.run(&["check", "--fix"]).stderr;
    assert!(text.contains("failed:\nE: Unable to locate package"), "{text}");
}

#[test]
fn a_damaged_environment_hides_nothing() {
    let world = equipped();
    docker_environment(&world);
    world.write("data/broken/environment.json", "{");
    let output = world.ok(&["check"]);
    assert!(output.stderr.contains("data/broken/environment.json is damaged"), "{}", output.stderr);
    assert!(output.stdout.contains("Docker Engine"), "{}", output.stdout);
}
