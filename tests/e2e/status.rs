//! `status` of a real host: well, with other containers than the released ones, half way, and off.

use std::time::Instant;

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::{Host, eventually};
use crate::lab;

fn deployed() -> (Desk, Host) {
    let (desk, host, _) = Desk::with_running(|config| {
        config["backup"] = json!({});
        config["tracker"]["health_check_api"] = json!({ "bind_address": "0.0.0.0:1313" });
    });
    (desk, host)
}

/// The report of an environment where something is bad, whose lines say this.
#[track_caller]
fn bad(desk: &Desk, line: &str, says: &str) -> Value {
    let ran = desk.run(&["status", &desk.name]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    ran.fails("status_bad").says(&[line, says]);
    let report = document["error"]["report"].clone();
    let lines = report["lines"].as_array().unwrap();
    let found = lines.iter().find(|one| one["name"] == line);
    let found = found.unwrap_or_else(|| panic!("no line {line}: {report:#}"));
    assert_eq!(found["level"], "bad", "{found:#}");
    assert!(found["seen"].as_str().unwrap().contains(says), "{found:#}");
    assert!(!found["help"].as_array().unwrap().is_empty(), "{found:#}");
    report
}

#[track_caller]
fn well(desk: &Desk) -> Value {
    let report = desk.run(&["status", &desk.name]).ok();
    assert_eq!(report["bad"], 0, "{report:#}");
    report
}

#[test]
fn a_host_that_is_well_half_way_and_off() {
    let (desk, host) = deployed();
    let logins =
        || host.exec("journalctl -u ssh.service | grep -c 'Accepted publickey' || :").trim().to_owned();
    let (before, began) = (logins().parse::<u32>().unwrap(), Instant::now());
    let report = well(&desk);
    println!("status took {:.2} s, by its own clock {} s", began.elapsed().as_secs_f64(), report["seconds"]);
    assert_eq!(logins().parse::<u32>().unwrap() - before, 1, "one connection");
    let container = &report["host"]["docker"]["containers"][0];
    assert_eq!((&container["service"], &container["health"]), (&json!("tracker"), &json!("healthy")));
    assert!(
        container["cpu_percent"].is_f64() && container["memory"].as_u64() > Some(1 << 20),
        "{container:#}"
    );
    assert_eq!(report["history"][0]["command"], "deploy");

    other_containers(&desk, &host);
    half_way_and_off(&desk, &host);
}

/// What Compose started from another file than the released one.
fn other_containers(desk: &Desk, host: &Host) {
    let up = |service: &str| {
        host.exec(&format!(
            "docker tag {} lab/tracker:other; cd /opt/torrust; echo '{{\"services\": {{\"tracker\": {service}}}}}' >/root/other.yml; \
             docker compose -f docker-compose.yml -f /root/other.yml up --detach --no-deps tracker 2>&1",
            lab::TRACKER
        ));
    };
    up(r#"{"image": "lab/tracker:other"}"#);
    bad(desk, "tracker", "lab/tracker:other");
    up(
        r#"{"healthcheck": {"test": ["CMD", "false"], "interval": "1s", "retries": 1, "start_period": "0s"}}"#,
    );
    let health = "docker inspect --format '{{.State.Health.Status}}' torrust-deployer-stack-tracker-1";
    eventually("unhealthy", || host.exec(health).trim() == "unhealthy");
    bad(desk, "tracker", "running, unhealthy");
    desk.deploy();
    host.exec("docker rmi lab/tracker:other");
    well(desk);
}

/// An environment that is not running yet is no fault; a command that broke off is one, and so is a host that is off.
fn half_way_and_off(desk: &Desk, host: &Host) {
    let stored = desk.path(&format!("data/{}/environment.json", desk.name));
    let whole = std::fs::read_to_string(&stored).unwrap();
    let store = |edit: &dyn Fn(&mut Value)| {
        let mut state: Value = serde_json::from_str(&whole).unwrap();
        edit(&mut state);
        std::fs::write(&stored, state.to_string()).unwrap();
    };
    store(&|state| {
        state["stage"] = "configured".into();
        state.as_object_mut().unwrap().remove("release");
    });
    host.exec("docker stop torrust-deployer-stack-tracker-1");
    assert_eq!(well(desk)["state"], "configured");
    let attempt = json!({ "command": "run", "step": "Start", "since": "2026-01-01T00:00:00Z" });
    store(&|state| state["attempt"] = attempt.clone());
    bad(desk, "state", "run ended in \"Start\": it was cut off");
    std::fs::write(&stored, &whole).unwrap();

    lab::docker(&["stop", "--time", "1", &host.name]);
    let report = bad(desk, "SSH", "the last command that ended well was deploy");
    assert_eq!((&report["address"], &report["host"]), (&json!(host.address), &Value::Null));
    assert_eq!(report["history"][0]["command"], "deploy");
}
