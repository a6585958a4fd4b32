//! Backups on a real host: made on schedule, while the tracker writes, and seen when they fail.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::desk::{Desk, assert_checks};
use crate::host::Host;
use crate::tracker::Api;

const SERVICE: &str = "systemctl start torrust-tracker-backup.service";
const CHECK: &str = "backups: the last and the next";
const DATABASE: &str = "storage/tracker/lib/database/tracker.db";

fn deployed() -> (Desk, Host) {
    let schedule = json!({ "schedule": "30 4 * * *", "retention_days": 2 });
    let (desk, host, _) = Desk::with_running(|config| config["backup"] = schedule);
    (desk, host)
}

/// Fills the tracker's database with this many torrents, some 140 bytes each.
fn fill(host: &Host, torrents: u32) {
    host.exec_as_tracker(&format!(
        "python3 -c 'import sqlite3
with sqlite3.connect(\"/opt/torrust/{DATABASE}\", timeout=30) as database:
    database.executemany(\"insert into torrents (info_hash) values (?)\", ((\"%040x\" % i,) for i in range({torrents})))'"
    ));
}

/// Makes the database as large as one of a busy tracker after years.
fn grow(host: &Host) -> u64 {
    host.exec_as_tracker(&format!(
        "python3 -c 'import sqlite3
with sqlite3.connect(\"/opt/torrust/{DATABASE}\", timeout=30) as database:
    database.execute(\"create table ballast (content blob)\")
    database.executemany(\"insert into ballast values (randomblob(?))\", [(1 << 20,)] * 1024)'"
    ));
    host.exec(&format!("stat -c %s /opt/torrust/{DATABASE}")).trim().parse().unwrap()
}

fn in_folder(host: &Host, script: &str) -> String {
    host.exec(&format!("cd /opt/torrust/storage/backup; {script}"))
}

fn next(host: &Host) -> String {
    host.exec("systemctl show --property NextElapseUSecRealtime --value torrust-tracker-backup.timer")
}

/// Makes a backup while the tracker writes: how many writes, and the longest.
fn back_up_under_load(host: &Host, api: &Api) -> (u32, Duration) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut writes, mut longest) = (0, Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                api.post_key();
                (writes, longest) = (writes + 1, longest.max(began.elapsed()));
            }
            (writes, longest)
        });
        let ran = host.succeeds(SERVICE);
        done.store(true, Ordering::Relaxed);
        assert!(ran, "{}", host.exec("journalctl -u torrust-tracker-backup"));
        writer.join().unwrap()
    })
}

#[test]
fn a_backup_under_load_holds_the_database_and_the_configuration() {
    let (desk, host) = deployed();
    assert!(next(&host).contains(" 04:30:00 "), "{}", next(&host));
    assert_checks(&desk.test(), CHECK, "passed", 1);
    fill(&host, 300_000);
    let bytes = grow(&host);
    assert!(bytes > 1 << 30, "{bytes}");
    let recent = in_folder(
        &host,
        "touch 20200101T000000Z-1.tar.gz{,.sha256}; name=$(date -u -d '-1 day' +%Y%m%dT%H%M%SZ)-1.tar.gz; touch $name; echo $name",
    );

    let api = Api::of(&desk, &host);
    let key = api.post_key();
    let began = Instant::now();
    let (writes, longest) = back_up_under_load(&host, &api);
    println!(
        "{} MiB: {:.1} s beside {writes} writes, the longest took {longest:.2?}",
        bytes >> 20,
        began.elapsed().as_secs_f64()
    );
    // The tracker gives a write up after 5 s.
    assert!(writes > 10 && longest < Duration::from_secs(3), "{writes} writes, the longest took {longest:?}");

    let found = in_folder(&host, "ls");
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "an old one is gone, a recent one stays: {found}");
    assert_eq!((lines[0], lines[2]), (recent.trim(), format!("{}.sha256", lines[1]).as_str()));
    let archive = lines[1];
    assert!(archive.ends_with("Z-1.tar.gz"), "of release 1: {archive}");
    in_folder(&host, "sha256sum --check --quiet *.sha256");
    assert_eq!(in_folder(&host, &format!("stat -c '%a %U' . {archive}")).trim(), "700 root\n600 root");
    in_folder(&host, &format!("mkdir /root/unpacked; tar -xzf {archive} -C /root/unpacked"));
    host.exec("cd /root/unpacked; for file in .env docker-compose.yml storage/tracker/etc/tracker.toml; do cmp $file /opt/torrust/$file; done");
    // The tracker adds those that the checks announced.
    let read = "print([*database.execute(\"pragma integrity_check\"), *database.execute(\"select count(*) from torrents where info_hash < ?\", [\"%040x\" % 300000])])";
    let question = format!(
        "import sqlite3; database = sqlite3.connect(\"/root/unpacked/{DATABASE}\"); {read}; print(database.execute(\"select key from keys\").fetchall())"
    );
    let answer = host.exec(&format!("python3 -c '{question}'"));
    assert!(answer.starts_with("[('ok',), (300000,)]") && answer.contains(&key), "{answer}");
    assert_checks(&desk.test(), CHECK, "passed", 1);
}

#[test]
fn a_backup_that_fails_leaves_the_old_ones_and_is_seen() {
    let (desk, host) = deployed();
    host.exec(SERVICE);
    let good = in_folder(&host, "ls");
    let fails = |says: &str| {
        assert!(!host.succeeds(SERVICE), "{says}");
        let status = host.exec("systemctl status --full torrust-tracker-backup.service || :");
        assert!(status.contains(says), "{says}: {status}");
        desk.run(&["test", &desk.name]).fails("test_failed").says(&[CHECK, says]);
        assert_eq!(in_folder(&host, "ls -A | grep -v -x -e .lock -e unfinished"), good, "{says}");
    };

    fill(&host, 100_000);
    let mount = "mkdir /root/small; mount -t tmpfs -o size=12m none /root/small; cp -a . /root/small; mount --bind /root/small .";
    in_folder(&host, mount);
    fails("the disk is too full: the database has");
    // What fills the disk is something else: the room is there at first.
    in_folder(
        &host,
        "cd /; umount /opt/torrust/storage/backup /root/small; cd -; sed -i 's/-gt $((2 /-gt $((0 /' /opt/torrust/backup/backup.sh; mount -t tmpfs -o size=8m none /root/small; cp -a . /root/small; mount --bind /root/small .",
    );
    fails("the disk is full");
    host.exec("umount /opt/torrust/storage/backup; umount /root/small");

    host.exec(&format!("mv /opt/torrust/{DATABASE} /opt/torrust/{DATABASE}.away"));
    fails("there is no database at");
    host.exec(&format!("mv /opt/torrust/{DATABASE}.away /opt/torrust/{DATABASE}"));

    host.exec("sed -i 's/PATIENCE = 60/PATIENCE = 1/' /opt/torrust/backup/copy-sqlite.py");
    let lock = "import sqlite3, time; database = sqlite3.connect(\"/opt/torrust/storage/tracker/lib/database/tracker.db\"); database.execute(\"pragma locking_mode = exclusive\"); database.execute(\"begin exclusive\"); open(\"/root/locked\", \"w\"); time.sleep(60)";
    host.exec("docker stop torrust-deployer-stack-tracker-1");
    let locker = host.spawn(&format!("python3 -c '{lock}'"));
    host.exec("until [ -e /root/locked ]; do sleep 0.1; done");
    assert!(!host.succeeds(SERVICE));
    let status = host.exec("systemctl status --full torrust-tracker-backup.service || :");
    assert!(status.contains("database is locked"), "{status}");
    host.exec(&format!("kill {locker}; docker start torrust-deployer-stack-tracker-1"));
    desk.deploy();
    assert!(host.succeeds(SERVICE), "{}", host.exec("journalctl --no-pager -u torrust-tracker-backup"));
    assert_checks(&desk.test(), CHECK, "passed", 1);
}

#[test]
fn what_a_killed_run_left_goes_and_two_at_once_do_not() {
    let (desk, host) = deployed();
    in_folder(&host, "mkdir .work; touch .work/x 20300101T000000Z-1.tar.gz.partial; echo cut >unfinished");
    desk.run(&["test", &desk.name]).fails("test_failed").says(&[CHECK, "cut"]);
    let held = host.spawn("flock --close /opt/torrust/storage/backup/.lock sleep 30");
    host.exec("while flock --nonblock /opt/torrust/storage/backup/.lock true; do sleep 0.1; done");
    assert!(!host.succeeds(SERVICE), "two at once");
    host.exec(&format!("kill {held}"));
    assert!(host.succeeds(SERVICE), "{}", host.exec("journalctl --no-pager -u torrust-tracker-backup"));
    assert_eq!(in_folder(&host, "ls -A | grep -v '^[.]lock' | wc -l").trim(), "2");
    assert_checks(&desk.test(), CHECK, "passed", 1);
}

/// Changes the stored configuration.
fn reconfigure(desk: &Desk, change: impl Fn(&mut Value)) {
    let mut stored = desk.stored();
    change(&mut stored["config"]);
    fs::write(desk.path(&format!("data/{}/environment.json", desk.name)), stored.to_string()).unwrap();
    desk.deploy();
}

#[test]
fn the_timer_follows_the_configuration() {
    let (desk, host) = deployed();
    let links = || host.exec("find /etc/systemd/system -lname '/opt/torrust/*' | sort");
    let (before, release) = (links(), host.release());
    assert_eq!(before.lines().count(), 3, "service, timer, and what wants the timer: {before}");
    host.exec("systemctl disable --now --quiet torrust-tracker-backup.timer");
    desk.run(&["test", &desk.name]).fails("test_failed").says(&["is not active"]);
    desk.deploy();
    assert_eq!(links(), before);
    assert_checks(&desk.test(), CHECK, "passed", 1);
    assert_ne!(host.release(), release, "it is another release");

    reconfigure(&desk, |config| config["backup"]["schedule"] = "45 5 * * *".into());
    assert!(next(&host).contains(" 05:45:00 "), "{}", next(&host));
    host.exec(SERVICE);
    reconfigure(&desk, |config| config["backup"] = Value::Null);
    assert_eq!(links(), "");
    assert_eq!(host.exec("systemctl list-timers --all --no-legend 'torrust-tracker-backup*'"), "");
    assert_checks(&desk.test(), CHECK, "passed", 0);
    assert_eq!(in_folder(&host, "ls *.tar.gz | wc -l").trim(), "1", "the backups stay");

    reconfigure(&desk, |config| config["backup"] = json!({}));
    assert!(next(&host).contains(" 03:00:00 "), "{}", next(&host));
    desk.run(&["destroy", &desk.name]).ok();
    assert_eq!(links(), "");
}
