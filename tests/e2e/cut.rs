//! Commands that are cut off: `kill -9` and Ctrl-C at many moments. The next `deploy` ends where a clean one ends.

use std::time::Duration;

use rustix::process::Signal;

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn killed_in_every_phase_from_nothing() {
    let desk = Desk::new();
    let instance = format!("torrust-tracker-vm-{}", desk.name);
    let deploy = ["deploy", desk.name.as_str()];
    desk.create(&desk.config());
    for (step, delay) in [
        // provision
        ("Create the network and the host", 60),
        ("Create the network and the host", 400),
        ("Wait for SSH", 100),
        // configure
        ("Connect to the host", 50),
        ("Configure the operating system", 500),
        ("Install docker.io", 1500),
        ("Install docker.io", 5000),
        // release
        ("sending lab/tracker", 1000),
        ("Put the files on the host", 70),
        // run
        ("Start the containers", 300),
        ("Start the containers", 700),
    ] {
        desk.start(&deploy).kill_after(step, millis(delay));
        assert!(!desk.stored()["attempt"].is_null(), "the attempt is saved: {step}");
    }
    assert_eq!(desk.deploy()["state"], "running");
    let report = desk.test();
    assert_eq!(report["skipped"], 1, "the health check listens on loopback: {report:#}");
    assert_eq!(desk.deploy()["changed"], false);
    assert!(desk.stored()["attempt"].is_null());
    let left = lab::docker(&[
        "exec",
        &instance,
        "bash",
        "-c",
        "cd /opt/torrust; ls -A releases; find . -name '*.new'",
    ]);
    assert_eq!(left, "1\ncurrent");
}

#[test]
fn killed_while_a_new_release_goes_in() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.deploy_on(&host);
    let toml = host.exec("cat /opt/torrust/storage/tracker/etc/tracker.toml");
    for delay in [0, 30, 60, 100, 150] {
        let own = format!("{toml}\n# {delay}\n");
        let file = desk.write("own.toml", &own);
        desk.start(&["release", &desk.name, "--config", &file])
            .kill_after("Put the files on the host", millis(delay));
        desk.deploy();
        let place = "/opt/torrust/storage/tracker/etc/tracker.toml";
        assert_eq!(host.exec(&format!("cat {place}")), own.trim_end());
        // What is in place is what the newest release keeps, and nothing half-done lies about.
        host.exec(&format!("cd /opt/torrust; cmp {place} releases/current/storage/tracker/etc/tracker.toml; cmp .env releases/current/.env"));
        assert!(!host.succeeds("cd /opt/torrust; ls -d releases/.incoming || find . -name '*.new' | grep ."));
        desk.test();
    }
}

#[test]
fn interrupted_while_configuring() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.create(&desk.config());
    desk.register(&host);
    let mut configure = desk.start(&["configure", &desk.name]);
    configure.hear("Read the state of the host");
    configure.signal(Signal::INT);
    configure.end().fails("interrupted").helps("the same command again");
    assert_eq!(desk.stage(), "provisioned");
    assert_eq!(desk.stored()["attempt"]["command"], "configure");
    assert_eq!(desk.stored()["attempt"]["error"], "interrupted");
    desk.deploy();
    desk.test();
}
