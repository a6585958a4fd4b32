//! Several environments at once, one of them locked.

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::Host;
use crate::lab::unique_name;

/// Stores an environment on this host.
fn create(desk: &Desk, name: &str, host: &Host) {
    let mut config = desk.config();
    config["environment"]["name"] = json!(name);
    desk.create(&config);
    desk.run(&["register", name, "--instance-ip", &host.address]).ok();
}

fn results(environments: &Value) -> Vec<&str> {
    environments.as_array().unwrap().iter().map(|one| one["result"].as_str().unwrap()).collect()
}

#[test]
fn a_locked_environment_does_not_stop_the_others() {
    let desk = Desk::new();
    let hosts = [Host::configured(&desk), Host::configured(&desk)];
    let names = [unique_name(), unique_name(), unique_name()];
    for (name, host) in names.iter().zip([&hosts[0], &hosts[1], &hosts[0]]) {
        create(&desk, name, host);
    }
    let lock = std::fs::File::create(desk.path(&format!("data/{}/lock", names[2]))).unwrap();
    lock.lock().unwrap();
    let ran = desk.run(&["deploy", &names[2], &names[0], &names[1]]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    let all = &document["error"]["problems"];
    assert_eq!(
        (ran.code, results(all)),
        (Some(1), vec!["failed", "done", "done"]),
        "{document:#}\n{}",
        ran.err
    );
    assert_eq!(all[0]["document"]["error"]["code"], "environment_locked");
    assert_eq!(all[1]["document"]["state"], "running");
    ran.fails("environments_failed").says(&["another command is at work"]).helps(&names[2]);

    drop(lock);
    desk.run(&["purge", &names[2], "--force"]).ok();
    let tested = desk.run(&["test", "--all", "--jobs", "2"]).ok();
    assert_eq!((&tested["done"], &tested["failed"]), (&json!(2), &json!(0)));
    assert!(tested["environments"].as_array().unwrap().iter().all(|one| one["document"]["failed"] == 0));
}
