//! A host that was there before: from nothing to running, and given back with its data.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;
use crate::tracker::Api;

#[test]
fn a_pristine_host_gets_everything_it_needs() {
    let desk = Desk::new();
    let host = Host::pristine(&desk);
    desk.create(&desk.config());
    let registered = desk.run(&["register", &desk.name, "--instance-ip", &host.address]);
    assert!(registered.err.contains("host key SHA256:"), "{}", registered.err);
    registered.ok();
    assert_eq!(desk.deploy()["state"], "running");
    desk.test();
    let (tracker, release) = (host.tracker(), host.release());
    assert_eq!(desk.deploy()["changed"], false);
    assert_eq!((tracker, release), (host.tracker(), host.release()));
}

fn keys(host: &Host) -> String {
    let database = "/opt/torrust/storage/tracker/lib/database/tracker.db";
    host.exec_as_tracker(&format!("python3 -c 'import sqlite3; print(sqlite3.connect(\"{database}\").execute(\"select key from keys\").fetchall())'"))
}

#[test]
fn a_host_is_given_back_with_its_data_and_taken_again() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.deploy_on(&host);
    let key = Api::of(&desk, &host).post_key();
    assert!(keys(&host).contains(&key));

    let destroyed = desk.run(&["destroy", &desk.name, "--backup"]).ok();
    assert_eq!((&destroyed["removed"], &destroyed["kept_host"]), (&json!([]), &json!(host.address)));
    assert_eq!(host.exec("docker ps --all --quiet"), "", "the tracker is stopped");
    assert!(keys(&host).contains(&key), "the data stays");
    let backup = desk.path(destroyed["backup"].as_str().unwrap());
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    lab::run(
        "tar",
        &[
            "-C",
            desk.path(".").to_str().unwrap(),
            "-xzf",
            backup.to_str().unwrap(),
            "storage/tracker/lib/database/tracker.db",
        ],
    );
    assert!(
        fs::read(desk.path("storage/tracker/lib/database/tracker.db"))
            .unwrap()
            .starts_with(b"SQLite format 3\0")
    );

    desk.run(&["configure", &desk.name]).fails("state_refused").helps("purge");
    desk.run(&["purge", &desk.name, "--force"]).ok();
    desk.deploy_on(&host);
    assert!(keys(&host).contains(&key), "the data is there again");
    desk.test();
}

#[test]
fn a_host_with_a_release_of_another_environment_is_left_to_it() {
    let (first, second) = (Desk::new(), Desk::new());
    let host = Host::configured(&first);
    first.deploy_on(&host);
    let (tracker, release) = (host.tracker(), host.release());
    fs::write(second.path("id_ed25519"), fs::read(first.path("id_ed25519")).unwrap()).unwrap();
    fs::write(second.public_key(), fs::read(first.public_key()).unwrap()).unwrap();
    second.create(&second.config());
    second.register(&host);
    let refused = second.run(&["deploy", &second.name]).fails("state_refused");
    refused.says(&[&first.name]).helps("destroy");
    second.run(&["destroy", &second.name]).ok();
    assert_eq!((tracker, release), (host.tracker(), host.release()), "nothing of it was touched");
}
