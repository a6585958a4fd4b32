//! `status`: what is told where the host tells nothing, or little; and how a watch ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::world::{World, finish, snapshot};

/// What a host says that is well; its clock is ours.
const LOOK: &str = r#"{"began": NOW, "system": {"uptime": 7300, "load": 0.25, "processors": 2, "memory": 4294967296, "memory_free": 3221225472, "container": null, "synchronised": true}, "release": {"environment": "demo", "number": "2", "files": 3, "drift": [], "images": {}}, "storage": {"disks": [{"path": "/", "bytes": 42949672960, "free": 32212254720, "files": 100, "files_free": 90}], "folders": [{"path": "storage/tracker", "bytes": 53248, "whole": true}]}, "security": {"packages": ["openssl"], "fetched": NOW}, "reboot": null, "checks": [], "docker": {"version": "26.1.5", "containers": [], "others": [], "images": {}}, "figures": {"error": "it does not run"}, "ended": NOW}"#;

fn world(stage: &str, look: &str) -> World {
    let world = World::with_tools();
    world.environment("demo", stage);
    world.write("../look", &format!("{look}\n"));
    world
}

#[test]
fn an_environment_that_was_just_created_has_no_host_and_no_fault() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    snapshot!(world, &["status", "demo"]);
    assert_eq!(world.refusal(&["status", "nobody"]).code, "environment_not_found");
}

#[test]
fn a_host_that_is_off_is_told_with_what_is_known_here() {
    let world = World::with_tools();
    world.fake("ssh", "echo 'ssh: connect to host 192.0.2.7 port 22: No route to host' >&2; exit 255");
    world.environment("demo", "configured");
    world.write(
        "data/demo/history.jsonl",
        "{\"time\":\"2026-01-01T00:00:00Z\",\"user\":\"tester\",\"version\":\"0.1.0\",\"command\":\"configure\",\"result\":\"done\",\"seconds\":34.9,\"steps\":[]}\n{\"cut off",
    );
    let refusal = world.refusal(&["status", "demo"]);
    assert_eq!((refusal.code.as_str(), refusal.exit), ("status_bad", Some(1)));
    let report = world.run(&["status", "demo", "--output-format", "json"]).json()["error"]["report"].clone();
    assert_eq!(report["address"], "192.0.2.7");
    assert_eq!(report["history"][0]["command"], "configure");
    let seen = report["lines"][1]["seen"].as_str().unwrap();
    assert!(
        seen.contains("there is no way from here to 192.0.2.7") && seen.contains("was configure, "),
        "{seen}"
    );
    let table = world.run(&["status", "demo"]);
    assert_eq!(table.code, Some(1));
    assert!(
        table.stdout.contains("  BAD      SSH") && table.stdout.contains("Last commands"),
        "{}",
        table.stdout
    );
}

#[test]
fn a_host_that_is_only_configured_is_told_as_such() {
    let world = world("configured", LOOK);
    snapshot!(world, &["status", "demo"]);
    assert_eq!(world.calls("ControlMaster=yes"), 1);
    let yaml = world.ok(&["status", "demo", "--format", "yaml"]).stdout;
    assert!(yaml.contains("state: configured") && yaml.contains("- topic: host"), "{yaml}");
    let brief = world.json(&["status", "demo", "--services-only"]);
    assert!(brief["lines"].as_array().unwrap().iter().all(|line| line["topic"] == "services"), "{brief:#}");
}

#[test]
fn a_host_that_was_changed_by_hand_is_named_file_by_file() {
    let changed =
        LOOK.replace(r#""drift": []"#, r#""drift": [[".env", "open"], ["docker-compose.yml", "changed"]]"#);
    let refusal = world("configured", &changed).refusal(&["status", "demo"]);
    assert_eq!(refusal.message, "2 of 13 things are not as they should be");
    assert_eq!(
        refusal.causes,
        ".env: expected that only its owner may read it, seen: others may read it\n\
         docker-compose.yml: expected the file of release 2, seen: another content"
    );
    assert_eq!(refusal.help, "torrust-tracker-deployer deploy demo");
}

#[test]
fn a_host_whose_answer_is_none_is_a_fault() {
    let seen = world("configured", "Traceback").refusal(&["status", "demo"]).causes;
    assert!(
        seen.contains("SSH: expected a host that answers, seen: the host did not tell about itself"),
        "{seen}"
    );
}

#[test]
fn options_that_exclude_each_other_are_wrong_usage() {
    let world = world("configured", LOOK);
    for args in [
        &["status", "demo", "--interval", "5"][..],
        &["status", "demo", "--watch", "--format", "json"],
        &["status", "demo", "--watch", "--interval", "0"],
        &["status", "demo", "--format", "yaml", "--output-format", "json"],
        &["status", "demo", "--watch", "--output-format", "json"],
    ] {
        assert_eq!(world.run(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn without_a_terminal_a_watch_tells_changes_until_a_signal() {
    let world = world("configured", LOOK);
    let mut child = world.command(&["status", "demo", "--watch"]).spawn().unwrap();
    let told = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<String> = told.take(2).map(Result::unwrap).collect();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = finish(child);
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    assert!(lines[0].ends_with("Z connection: open"), "{lines:?}");
    assert!(
        lines[1].contains("Z security updates: warning: expected none, seen: 1 wait (openssl)"),
        "{lines:?}"
    );
}

/// The program at a terminal of its own, with all that it shows, and how the terminal is left.
struct AtTerminal {
    child: Child,
    terminal: File,
    path: String,
}

impl AtTerminal {
    fn start(world: &World, args: &[&str]) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).unwrap();
        let path = ptsname(&terminal, vec![]).unwrap().into_string().unwrap();
        let terminal = File::from(terminal);
        let end = || File::options().read(true).write(true).open(&path).unwrap();
        stty(&path, &["rows", "10", "cols", "40"]);
        let mut command = world.command(args);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, terminal, path }
    }

    /// Ends it, and gives its exit code and what was shown.
    fn end(mut self, how: impl FnOnce(&mut File, &Child)) -> (Option<i32>, String) {
        // The terminal's other end, so that its settings can be looked at afterwards.
        let held = File::options().read(true).write(true).open(&self.path).unwrap();
        how(&mut self.terminal, &self.child);
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(began.elapsed() < Duration::from_secs(20), "it does not end"),
            }
            thread::sleep(Duration::from_millis(10));
        };
        let settings = stty(&self.path, &["-a"]);
        assert!(settings.contains(" icanon") && settings.contains(" echo "), "left raw: {settings}");
        drop(held);
        let mut shown = vec![];
        let _ = self.terminal.read_to_end(&mut shown);
        (status.code(), String::from_utf8_lossy(&shown).into_owned())
    }
}

fn stty(path: &str, args: &[&str]) -> String {
    let ran = Command::new("stty").args(["-F", path]).args(args).output().unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

/// Each end of a watch gives the terminal back.
#[test]
fn a_watch_gives_the_terminal_back() {
    const ENTER: &str = "\u{1b}[?1049h";
    const LEAVE: &str = "\u{1b}[?1049l";
    type End = fn(&mut File, &Child);
    let ends: [(i32, End); 4] = [
        (0, |terminal, _| terminal.write_all(b"q").unwrap()),
        (0, |terminal, _| terminal.write_all(b"\x1b").unwrap()),
        (0, |terminal, _| terminal.write_all(b"\x03").unwrap()),
        (130, |_, child| kill_process(Pid::from_child(child), Signal::TERM).unwrap()),
    ];
    for (code, end) in ends {
        let world = world("configured", LOOK);
        let watch = AtTerminal::start(&world, &["status", "demo", "--watch"]);
        world.wait_for("../transcript");
        thread::sleep(Duration::from_millis(500));
        let (ended, shown) = watch.end(end);
        assert_eq!(ended, Some(code), "{shown}");
        let shown = shown.split_once(ENTER).unwrap().1.split_once(LEAVE).unwrap().0;
        assert!(shown.contains("demo at 192.0.2.7"), "{shown:?}");
        assert!(!shown.contains("\u{1b}[3"), "colours with NO_COLOR: {shown:?}");
    }
}

#[test]
fn what_lies_beside_the_sources_of_apt_is_not_asked_for() {
    let apt = tempfile::tempdir().unwrap();
    let parts = apt.path().join("sources.list.d");
    std::fs::create_dir(&parts).unwrap();
    for (name, text) in [
        ("debian.sources", "Types: deb\nURIs: https://archive.example.org/debian\n"),
        ("own.list", "# deb http://off.invalid/ x\ndeb [trusted=yes] http://user:word@own.invalid:8080/ x\n"),
        ("own.list.save", "deb http://gone.invalid/ x\n"),
    ] {
        std::fs::write(parts.join(name), text).unwrap();
    }
    let script = concat!(
        include_str!("../../templates/host/status/files.py"),
        include_str!("../../templates/host/status/network.py"),
        "print(*archives())"
    );
    let script = script.replace("/etc/apt", &apt.path().display().to_string());
    let ran = std::process::Command::new("python3").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "archive.example.org own.invalid\n");
}

/// A registry as Docker Hub is one: a token for everybody first. What it says depends on the name.
const REGISTRY: &str = r#"
import http.server, json, time

class Fake(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        name = self.path.split("/")[-3]
        if name == "slow":
            time.sleep(60)
        where = f"http://{self.headers['Host']}/token"
        challenge = {"login": 'Basic realm="x"'}.get(name, f'Bearer realm="{where}",service="s",scope="repository:a:pull"')
        if "Authorization" not in self.headers:
            return self.say(401, {"WWW-Authenticate": challenge})
        assert self.headers["Authorization"] == "Bearer everybody" and "index" in self.headers["Accept"]
        return self.say(404, {}) if name == "gone" else self.say(200, {"Docker-Content-Digest": "sha256:12"})
    def do_GET(self):
        assert "scope=repository%3Aa%3Apull" in self.path
        self.say(200, {}, json.dumps({"token": "everybody"}).encode())
    def say(self, code, headers, body=b""):
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass

fake = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
threading.Thread(target=fake.serve_forever, daemon=True).start()
here = f"127.0.0.1:{fake.server_port}"
began = time.monotonic()
names = [f"{here}/{name}:1" for name in ("good", "gone", "login", "slow")]
found = end_registries(start_registries([*names, "127.0.0.1:1/closed:1", "x.invalid/a:1", f"{here}/fixed@sha256:00"]))
assert time.monotonic() - began < REGISTRY_SECONDS + 4, "that is all the time it may take"
for name in sorted(found):
    seen = found[name]
    print(name.replace(here, "HERE"), seen.get("digest"), seen.get("error", "-").split(":")[0])
print(split("caddy"), split("prom/prometheus:v3"), split("[::1]:5000/a/b"))
print(places("docker.io", {"registry-mirrors": ["https://m.example.org/"]}))
print(places("ghcr.io", {}), places("r.lan", {"insecure-registries": ["r.lan"]}))
"#;

#[test]
fn registries_are_asked_until_their_time_is_over() {
    let script = concat!(
        include_str!("../../templates/host/status/files.py"),
        include_str!("../../templates/host/status/registry.py"),
    );
    // A machine that is busy with other tests is slower than a host.
    let script = script.replace("REGISTRY_SECONDS = 2", "REGISTRY_SECONDS = 8");
    let script = script.replace("/etc/docker/daemon.json", "/nonexistent") + REGISTRY;
    let ran = Command::new("python3").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    let expected = "127.0.0.1:1/closed:1 None not reached
HERE/gone:1 None it has no such tag
HERE/good:1 sha256:12 -
HERE/login:1 None it wants a login
HERE/slow:1 None not reached
x.invalid/a:1 None not reached
('docker.io', 'library/caddy', 'latest') ('docker.io', 'prom/prometheus', 'v3') ('[::1]:5000', 'a/b', 'latest')
['https://m.example.org', 'https://registry-1.docker.io']
['https://ghcr.io'] ['https://r.lan', 'http://r.lan']
";
    assert_eq!(said, expected);
}
