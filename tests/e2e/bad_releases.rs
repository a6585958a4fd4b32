//! Releases and starts that go wrong: what was there before stays, and the next try works.

use crate::desk::{Desk, Failure};
use crate::host::{Host, eventually};

/// A running tracker on a host of its own.
fn running() -> (Desk, Host) {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.deploy_on(&host);
    (desk, host)
}

/// The generated tracker.toml as it lies on the host, with a change.
fn own_toml(desk: &Desk, host: &Host, from: &str, to: &str) -> String {
    let toml = host.exec("cat /opt/torrust/storage/tracker/etc/tracker.toml");
    assert!(toml.contains(from), "{from} is not in {toml}");
    desk.write("own.toml", &toml.replace(from, to))
}

#[test]
fn a_release_that_cannot_be_leaves_the_old_one_running() {
    let (desk, host) = running();
    let (tracker, release) = (host.tracker(), host.release());
    let own = own_toml(&desk, &host, "\"info\"", "\"debug\"");

    let difference = desk.run(&["release", &desk.name, "--dry-run", "--config", &own]).ok();
    let diff = difference["files"][1]["diff"].as_str().unwrap();
    assert!(diff.contains("-threshold = \"info\"\n+threshold = \"debug\"\n"), "{diff}");
    assert_eq!((&tracker, &release), (&host.tracker(), &host.release()), "--dry-run changed the host");

    let wrong = desk.run(&["release", &desk.name, "--image-tag", "no-such-tag"]).fails("image_unavailable");
    wrong.says(&["lab/tracker:no-such-tag"]).helps("docker pull lab/tracker:no-such-tag");
    assert_eq!((&tracker, &release), (&host.tracker(), &host.release()));
    assert_eq!(desk.stage(), "running", "what was released still runs");
    desk.test();

    // The wrong tag is not kept: the next release is what it was before.
    let again = desk.run(&["release", &desk.name]).ok();
    assert_eq!(again["changed"], false);

    desk.run(&["release", &desk.name, "--config", &own]).ok();
    assert_eq!(desk.stage(), "released");
    desk.deploy();
    assert_ne!(tracker, host.tracker(), "another tracker.toml needs another container");
    desk.test();
}

#[test]
fn the_disk_is_full() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    host.exec("mount -t tmpfs -o size=2m,mode=755 tmpfs /opt/torrust");
    desk.deploy_on(&host);
    let (tracker, release) = (host.tracker(), host.release());
    let own = own_toml(&desk, &host, "\"info\"", "\"debug\"");

    host.exec("cat /dev/zero >/opt/torrust/fill || true");
    let failure = desk.run(&["release", &desk.name, "--config", &own]).fails("host_disk_full");
    failure.says(&["No space left", "release 1 stays"]).helps("make room");
    assert_eq!((&tracker, &release), (&host.tracker(), &host.release()));
    assert_eq!(desk.stored()["attempt"]["command"], "release");

    host.exec("rm /opt/torrust/fill");
    desk.test();
    desk.run(&["release", &desk.name, "--config", &own]).ok();
    desk.deploy();
    desk.test();
}

#[test]
fn a_port_is_held_by_somebody_else() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let server = host.spawn("python3 -m http.server 7070");
    eventually("the other server listens", || host.succeeds("ss -Hltn sport = :7070 | grep -q ."));
    desk.create(&desk.config());
    desk.register(&host);
    let failure = desk.run(&["deploy", &desk.name]).fails("port_in_use");
    failure.says(&["7070/tcp", "python3", &format!("process {server}")]).helps("stop that process");
    assert_eq!(desk.stage(), "released");
    host.exec(&format!("kill {server}"));
    desk.deploy();
    desk.test();
}

/// Releases an own tracker.toml, with which `run` fails; then all is well with the generated one again.
fn fails_to_run(desk: &Desk, own: &str, seconds: &str) -> Failure {
    desk.run(&["release", &desk.name, "--config", own]).ok();
    let failure =
        desk.run(&["run", &desk.name, "--no-rollback", "--timeout", seconds]).fails("service_unhealthy");
    assert_eq!(desk.stage(), "released");
    assert_eq!(desk.stored()["attempt"]["command"], "run");
    desk.run(&["release", &desk.name, "--config", "generated"]).ok();
    desk.deploy();
    desk.test();
    failure
}

#[test]
fn a_tracker_that_ends_at_once_and_one_that_never_gets_healthy() {
    let (desk, host) = running();
    let own = own_toml(&desk, &host, "threshold = \"info\"", "threshold = \"loud\"");
    let ended = fails_to_run(&desk, &own, "60");
    ended
        .says(&["torrust-deployer-stack-tracker-1", "exit code 101"])
        .helps(&format!("deploy {}", desk.name));

    let own = own_toml(&desk, &host, "127.0.0.1:1313", "127.0.0.1:1314");
    fails_to_run(&desk, &own, "6")
        .says(&["not healthy within 6 s", "tracker is starting"])
        .helps("--timeout");
}

/// Ends the deployer's SSH session on the host, as a network that goes away would.
fn drop_connection(host: &Host) {
    host.exec("pkill -KILL -u torrust sshd");
}

#[test]
fn the_connection_breaks() {
    let desk = Desk::new();
    // The tracker's image takes seconds to send.
    let host = Host::without_images(&desk, &[]);
    desk.create(&desk.config());
    desk.register(&host);
    let mut sending = desk.start(&["deploy", &desk.name]);
    sending.hear("sending lab/tracker");
    drop_connection(&host);
    sending.end().fails("ssh_lost").says(&[&host.address, "broke"]).helps("repeat the command");
    assert_eq!(desk.stage(), "configured");

    let mut starting = desk.start(&["deploy", &desk.name]);
    starting.hear("tracker is starting");
    drop_connection(&host);
    starting.end().fails("ssh_lost").helps("repeat the command");
    assert_eq!(desk.stage(), "released");

    desk.deploy();
    desk.test();
}
