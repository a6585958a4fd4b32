//! `status` of a real host: well, and with one fault after another.

use std::time::Instant;

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::{Host, eventually};
use crate::lab;

/// A fault, how it is undone, and what its line says.
struct Fault {
    what: &'static str,
    break_: &'static str,
    mend: &'static str,
    line: &'static str,
    says: &'static str,
}

const FAULTS: [Fault; 10] = [
    Fault {
        what: "a container that was stopped",
        break_: "docker stop torrust-tracker-1",
        mend: "docker start torrust-tracker-1; until [ $(docker inspect --format '{{.State.Health.Status}}' torrust-tracker-1) = healthy ]; do sleep 0.2; done",
        line: "tracker",
        says: "exited with exit code 0",
    },
    Fault {
        what: "a file that was changed",
        break_: "cp -a /opt/torrust/storage/tracker/etc/tracker.toml /root/kept; echo '# by hand' >>/opt/torrust/storage/tracker/etc/tracker.toml",
        mend: "cp -a /root/kept /opt/torrust/storage/tracker/etc/tracker.toml",
        line: "storage/tracker/etc/tracker.toml",
        says: "another content",
    },
    Fault {
        what: "secrets that others may read",
        break_: "chmod 644 /opt/torrust/.env",
        mend: "chmod 600 /opt/torrust/.env",
        line: ".env",
        says: "others may read it",
    },
    Fault {
        what: "a unit that was taken away",
        break_: "mv /etc/systemd/system/torrust-tracker-backup.service /root",
        mend: "mv /root/torrust-tracker-backup.service /etc/systemd/system",
        line: "backup/torrust-tracker-backup.service",
        says: "it has not",
    },
    Fault {
        what: "a container too many in the stack",
        break_: "docker create --name stranger --label com.docker.compose.project=torrust --label com.docker.compose.service=stranger IMAGE",
        mend: "docker rm --force stranger",
        line: "stranger",
        says: "created, IMAGE",
    },
    Fault {
        what: "a container of others on the stack's network",
        break_: "docker run --detach --name listener --network torrust_tracker --entrypoint sleep IMAGE 1000",
        mend: "docker rm --force listener",
        line: "listener",
        says: "on torrust_tracker",
    },
    Fault {
        what: "a disk that is full",
        break_: "mount -t tmpfs -o size=4m none /opt/torrust/storage/tracker/log; head -c 8m /dev/zero >/opt/torrust/storage/tracker/log/full || :",
        mend: "umount /opt/torrust/storage/tracker/log",
        line: "disk of /opt/torrust/storage/tracker/log",
        says: "0 B of 4.0 MiB free",
    },
    Fault {
        what: "a clock that is off, as the host's Python tells the time",
        break_: "at=$(python3 -c 'import site; print(site.getsitepackages()[0])'); mkdir -p $at; echo 'import time; time.time = lambda now=time.time: now() - 90' >$at/off.pth",
        mend: "rm $(python3 -c 'import site; print(site.getsitepackages()[0])')/off.pth",
        line: "clock",
        says: "s behind this machine's",
    },
    Fault {
        what: "a backup that failed",
        break_: "mv /opt/torrust/DATABASE /root; ! systemctl start torrust-tracker-backup.service",
        mend: "mv /root/tracker.db /opt/torrust/DATABASE; systemctl start torrust-tracker-backup.service",
        line: "backups: the last and the next",
        says: "the last one failed: there is no database",
    },
    Fault {
        what: "a port that a firewall closed",
        break_: "iptables -I DOCKER-USER -p tcp --dport 7070 -j DROP",
        mend: "iptables -D DOCKER-USER -p tcp --dport 7070 -j DROP",
        line: "HTTP tracker 7070: health",
        says: "no complete answer in 3.0 s",
    },
];

fn filled(script: &str) -> String {
    script.replace("IMAGE", lab::TRACKER).replace("DATABASE", "storage/tracker/lib/database/tracker.db")
}

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
fn a_host_that_is_well_and_one_fault_after_another() {
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

    for Fault { what, break_, mend, line, says } in &FAULTS {
        host.exec(&filled(break_));
        bad(&desk, line, &filled(says));
        host.exec(&filled(mend));
        println!("{what}: seen");
    }
    well(&desk);
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
    let health = "docker inspect --format '{{.State.Health.Status}}' torrust-tracker-1";
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
    host.exec("docker stop torrust-tracker-1");
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
