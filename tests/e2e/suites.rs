//! The suites of `test` beyond the basic one, on a good stack and with faults.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desk::{Desk, assert_checks};
use crate::host::{Host, eventually};
use crate::lab;
use crate::tracker::Api;

/// A load that a machine with other things to do answers, too.
const LOAD: [&str; 6] = ["--suite", "performance", "--rate", "50", "--seconds", "2"];

fn full(desk: &Desk) -> Value {
    let report = desk.run(&["test", &desk.name, "--suite", "full", "--timeout", "30"]).ok();
    assert_eq!((&report["suite"], &report["failed"]), (&json!("full"), &json!(0)), "{report:#}");
    report
}

fn seen<'r>(report: &'r Value, name: &str) -> &'r str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"].as_str().unwrap().starts_with(name));
    check.unwrap_or_else(|| panic!("no {name}: {report:#}"))["seen"].as_str().unwrap()
}

/// How many keys and entries of the whitelist the tracker's database has.
fn written(host: &Host) -> String {
    host.exec_as_tracker(
        "python3 -c 'import sqlite3; print(*sqlite3.connect(\"/opt/torrust/storage/tracker/lib/database/tracker.db\").execute(
             \"select (select count(*) from keys), (select count(*) from whitelist)\").fetchone())'",
    )
}

#[test]
fn a_good_stack_passes_in_full_and_an_open_port_is_named() {
    let (desk, host, _) = Desk::with_running(|config| {
        config["backup"] = json!({});
        config["tracker"]["udp_trackers"][0]["domain"] = json!("tracker.nowhere.invalid");
    });
    let before = host.tracker();
    let report = full(&desk);
    assert_checks(&report, "UDP tracker 6969 over IPv4: two peers find each other", "passed", 1);
    assert_checks(&report, "UDP tracker 6969 over IPv6: two peers find each other", "passed", 1);
    assert_checks(&report, "HTTP tracker 7070 over IPv4: two peers find each other", "passed", 1);
    assert_checks(&report, "HTTP tracker 7070 over IPv6: two peers find each other", "passed", 1);
    assert!(seen(&report, "UDP tracker 6969 over IPv4: two").contains("at this machine's 198.18."));
    assert_checks(&report, "TCP ports 1-65535 over IPv4: none is open but 22, 1212, 7070", "passed", 1);
    assert_checks(&report, "TCP ports 1-65535 over IPv6: none is open but 22, 7070", "passed", 1);
    assert_checks(&report, "UDP ports 1-1024", "passed", 2);
    assert_checks(&report, "tracker.nowhere.invalid: DNS", "warning", 1);
    assert!(seen(&report, "backups: one is made").contains("restored in a scratch place, "));
    assert_eq!(host.exec("ls /opt/torrust/storage/backup/*.tar.gz | wc -l").trim(), "1");
    assert_ne!(host.tracker(), before, "it was restarted");
    assert_eq!(before.split(' ').next(), host.tracker().split(' ').next(), "it is the same container");
    assert_eq!(written(&host), "0 0", "what was written is removed");

    let stranger = host.spawn("python3 -m http.server --bind 0.0.0.0 8123");
    host.exec("ufw allow 8123/tcp; until (exec 3<>/dev/tcp/127.0.0.1/8123); do sleep 0.1; done 2>/dev/null");
    let running = host.tracker();
    let ran = desk.run(&["test", &desk.name, "--suite", "full", "--timeout", "30"]);
    let failure = ran.fails("test_failed");
    failure.says(&[
        "1 of ",
        "TCP ports 1-65535 over IPv4: none is open but 22, 1212, 7070: expected no port that answers but 22, 1212, 7070, \
         seen: 8123 open, held by python3",
    ]);
    assert_eq!(host.tracker(), running, "a stack with a fault is not restarted");
    host.exec(&format!("kill {stranger}; ufw delete allow 8123/tcp"));
}

/// Where no API writes, or the tracker is not `listed`, the database itself is written to.
#[test]
fn value_survives_a_restart_where_there_is_no_api() {
    let (desk, host, _) = Desk::with_running(|config| config["tracker"]["http_api"] = Value::Null);
    let report = full(&desk);
    assert!(
        seen(&report, "database: a value")
            .contains("a row that was written into the database itself was still there")
    );
    assert_checks(&report, "tracker: its own report of its listeners", "passed", 1);
    assert_eq!(written(&host), "0 0", "what was written is removed");
    assert_eq!(host.exec("stat -c %u:%g /opt/torrust/storage/tracker/lib/database/* | sort -u"), "1000:1000");
}

/// Today's tracker refuses what it is not configured for: a whitelist where it is not `listed`, keys where it is not private.
#[test]
fn todays_tracker_passes_in_full_whatever_it_keeps() {
    let (desk, host, mut config) = Desk::with_running(|config| {
        config["images"]["tracker"] = lab::TRACKER_3.into();
        config["tracker"]["udp_trackers"][0]["cookie_lifetime_in_secs"] = json!(3);
    });
    let survived = |words: &str| {
        let report = full(&desk);
        assert!(seen(&report, "database: a value").contains(words), "{report:#}");
        assert_checks(&report, "tracker: its own report of its listeners", "passed", 1);
        assert_eq!(written(&host), "0 0", "what was written is removed");
    };
    survived("a row that was written into the database itself was still there");
    let load = desk.run(&[&["test", &desk.name][..], &LOAD].concat()).ok();
    assert_eq!((&load["loads"][0]["sent"], &load["failed"]), (&json!(100), &json!(0)), "{load:#}");

    let mut deploy = |pointer: &str| {
        *config["tracker"]["core"].pointer_mut("/private").unwrap() = json!(pointer == "private");
        config["tracker"]["core"]["listed"] = json!(pointer == "listed");
        let file = desk.write("changed.json", &config.to_string());
        assert_eq!(desk.run(&["deploy", "-f", &file]).ok()["state"], "running");
    };
    deploy("listed");
    survived("an entry of the whitelist that the tracker wrote was still there");
    let refused = desk.run(&[&["test", &desk.name][..], &LOAD].concat()).fails("not_supported");
    refused.says(&["on no whitelist"]);
    deploy("private");
    survived("a key that the tracker wrote was still there");
}

#[test]
fn a_private_tracker_passes_in_full_and_a_load_is_compared_with_the_last() {
    let (desk, host, _) = Desk::with_running(|config| config["tracker"]["core"]["private"] = json!(true));
    let report = full(&desk);
    assert_checks(
        &report,
        "HTTP tracker 7070 over IPv4: two peers find each other by a key, and not",
        "passed",
        1,
    );
    assert_checks(&report, "HTTP tracker 7070: refuses an announce without a key", "passed", 1);
    assert_checks(&report, "UDP tracker 6969", "skipped", 1);
    assert!(
        seen(&report, "database: a value")
            .contains("an entry of the whitelist that the tracker wrote was still there")
    );

    let load = || desk.run(&[&["test", &desk.name][..], &LOAD].concat());
    let (first, second) = (load().ok(), load().ok());
    for report in [&first, &second] {
        assert_eq!(report["loads"][0]["sent"], 100, "{report:#}");
        assert_eq!(report["loads"][0]["stayed"], 0, "{report:#}");
    }
    assert!(!seen(&first, "HTTP tracker 7070").contains("against"));
    assert!(seen(&second, "HTTP tracker 7070: 50 announces a second for 2 s").contains("against 2"));
    assert_eq!(second["loads"][0]["before"]["p99_ms"], first["loads"][0]["p99_ms"]);
    assert_eq!(written(&host), "0 0", "its key is removed");
    let stats = Api::of(&desk, &host).ask("GET", "stats");
    assert!(stats.contains("\"seeders\":0,") && stats.contains("\"leechers\":0,"), "{stats}");
}

#[test]
fn a_load_goes_to_each_tracker_and_none_to_one_that_is_down() {
    let (desk, host, _) = Desk::with_running(|_| {});
    let report = desk.run(&[&["test", &desk.name][..], &LOAD].concat()).ok();
    let names: Vec<_> = report["loads"].as_array().unwrap().iter().map(|load| &load["endpoint"]).collect();
    assert_eq!(names, ["UDP tracker 6969", "HTTP tracker 7070"]);

    let basic = desk.run_in_text(&["test", &desk.name, "--report", "xml"]);
    assert_eq!(basic.code, Some(0), "{}", basic.err);
    let good = desk.write("good.xml", &basic.out);
    host.exec("docker stop torrust-deployer-stack-tracker-1");
    let failed = desk.run_in_text(&["test", &desk.name, "--report", "xml", "--timeout", "2"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.out.contains("<failure "), "{}", failed.out);
    let bad = desk.write("bad.xml", &failed.out);
    lab::run("lab/junit.sh", &[&good, &bad]);
    let cut = desk.write("cut.xml", &failed.out.replace(" failures=", " losses="));
    assert!(lab::try_run("lab/junit.sh", &[&cut]).is_err(), "a judge that finds nothing wrong");

    let began = Instant::now();
    let down = desk.run(&["test", &desk.name, "--suite", "performance", "--timeout", "2"]);
    let failure = down.fails("test_failed").says(&["no load was sent: UDP tracker 6969 does not answer"]);
    failure.helps(&format!("torrust-tracker-deployer run {}", desk.name));
    assert!(began.elapsed() < Duration::from_secs(30));
    desk.run(&["test", &desk.name, "--suite", "full", "--timeout", "2"])
        .fails("test_failed")
        .says(&["UDP tracker 6969 over IPv4"]);
    host.exec("docker start torrust-deployer-stack-tracker-1");
    eventually("the tracker is back", || desk.run(&["test", &desk.name, "--timeout", "2"]).code == Some(0));
}
