//! Backups that come back: to the same host, to another one, and with everything that can go wrong meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{Desk, Ran};
use crate::host::{Host, eventually};
use crate::lab;
use crate::tracker::{Api, get};

/// What the tracker keeps over restarts, beside keys and whitelist, only when it is told to.
const KEEP_COMPLETED: &str = r#"
metadata = { app = "torrust-tracker", purpose = "configuration", schema_version = "2.0.0" }
logging.threshold = "info"
udp_trackers = [{ bind_address = "0.0.0.0:6969" }, { bind_address = "[::]:6969" }]
http_trackers = [{ bind_address = "0.0.0.0:7070" }, { bind_address = "[::]:7070" }]
http_api.bind_address = "0.0.0.0:1212"
health_check_api.bind_address = "127.0.0.1:1313"
[core]
listed = false
private = false
database = { driver = "sqlite3", path = "/var/lib/torrust/tracker/database/tracker.db" }
tracker_policy.persistent_torrent_completed_stat = true
"#;
const FOLDER: &str = "/opt/torrust/storage/backup";

fn deployed(desk: &Desk, config: &Value, own: Option<&str>) -> Host {
    let host = Host::configured(desk);
    desk.create(config);
    desk.register(&host);
    if let Some(own) = own {
        let file = desk.write("own.toml", own);
        desk.run(&["configure", &desk.name]).ok();
        desk.run(&["release", &desk.name, "--config", &file]).ok();
    }
    desk.deploy();
    host
}

/// A peer of torrent `number` that begins, and comes to its end.
fn complete(host: &Host, number: u8) {
    for (event, left) in [("started", 9), ("completed", 0)] {
        let hash = format!("%{number:02X}").repeat(20);
        let peer = format!(
            "info_hash={hash}&peer_id=-qB00000000000000001&port=9&uploaded=0&downloaded=0&left={left}&event={event}"
        );
        let answer =
            get(&format!("{}:7070", host.address), &format!("GET /announce?{peer} HTTP/1.0\r\n\r\n"));
        assert!(answer.contains("8:intervali"), "{answer}");
    }
}

/// The torrents that were completed, as the tracker keeps them. (The tracker 3.0.0 never reads them again.)
fn completed(host: &Host) -> String {
    host.exec_as_tracker("python3 -c 'import sqlite3; print(sqlite3.connect(\"/opt/torrust/storage/tracker/lib/database/tracker.db\").execute(\"select info_hash, completed from torrents where completed > 0 order by info_hash\").fetchall())'")
}

fn backup(desk: &Desk, args: &[&str]) -> Ran {
    desk.run(&[&["backup", &desk.name], args].concat())
}

fn create(desk: &Desk) -> String {
    backup(desk, &["create"]).ok()["id"].as_str().unwrap().to_owned()
}

/// Changes an archive on the host and gives it a fitting checksum: what somebody else's would be.
fn rewrite(host: &Host, id: &str, as_id: &str, change: &str) {
    host.exec(&format!(
        "set -e; rm -rf /root/x; mkdir /root/x; cd /root/x; tar -xzf {FOLDER}/{id}.tar.gz; sed -i 's/^id=.*/id={as_id}/' about; {change}; \
         tar -czf {FOLDER}/{as_id}.tar.gz about $(find . -type f ! -name about -printf '%P '); \
         cd {FOLDER}; sha256sum {as_id}.tar.gz >{as_id}.tar.gz.sha256"
    ));
}

#[test]
fn a_tracker_moves_to_another_host_with_its_data() {
    let desk = Desk::new();
    let host = deployed(&desk, &desk.config(), Some(KEEP_COMPLETED));
    let fails = backup(&desk, &["verify", "latest"]).fails("backup_not_found");
    fails.says(&["no backup on the host"]).helps("create");
    (1..=7).for_each(|number| complete(&host, number));
    let key = Api::of(&desk, &host).post_key();
    let first = create(&desk);
    let listed = backup(&desk, &["list", "--check"]).ok();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["whole"], &listed[0]["here"]),
        (&json!(first), &json!(true), &Value::Null)
    );
    assert_eq!(listed[0]["release"], 1);

    complete(&host, 8);
    let count = verify_latest(&desk, &host);
    fetch_and_go_on(&desk, &first);
    let torrents = completed(&host);
    assert_eq!(torrents.matches(", 1)").count(), 8, "{torrents}");
    let destroyed = desk.run(&["destroy", &desk.name, "--backup"]).ok();
    let last = desk.path(destroyed["backup"].as_str().unwrap()).display().to_string();
    assert_eq!(backup(&desk, &["list"]).ok().as_array().unwrap().len(), 2, "those that are here");
    desk.run(&["purge", &desk.name, "--force"]).ok();
    drop(host);

    let host = deployed(&desk, &desk.config(), Some(KEEP_COMPLETED));
    assert_eq!(completed(&host), "[]");
    let restored = backup(&desk, &["restore", "--from", &last, "--force"]).ok();
    assert_eq!(restored["rows"], json!({ "keys": 1, "torrents": count + 1, "whitelist": 0 }));
    assert!(restored["safety_copy"].is_string(), "{restored}");
    assert_eq!(completed(&host), torrents);
    let keys = host.exec_as_tracker("python3 -c 'import sqlite3; print(sqlite3.connect(\"/opt/torrust/storage/tracker/lib/database/tracker.db\").execute(\"select key from keys\").fetchall())'");
    assert!(keys.contains(&key), "{keys}");
    desk.test();
    refuse_what_does_not_fit(&desk, &host, &last);
}

/// The drill, after which the tracker has come to know one more torrent; gives how many there were.
fn verify_latest(desk: &Desk, host: &Host) -> u64 {
    let verified = backup(desk, &["verify", "latest"]).ok();
    let rows = |name: &str| {
        verified["tables"].as_array().unwrap().iter().find(|table| table["name"] == name).unwrap().clone()
    };
    // Those of the checks from outside are among them.
    let torrents = rows("torrents");
    let count = torrents["archive"].as_u64().unwrap();
    assert!(count >= 7, "{torrents}");
    assert_eq!((&torrents["restored"], &torrents["live"]), (&json!(count), &json!(count + 1)));
    assert_eq!(
        host.exec(&format!("ls -A {FOLDER} | grep -v '^[.].*lock$' | wc -l")),
        "2",
        "nothing is left of the drill"
    );
    count
}

/// What is cut off goes on, and what does not fit begins anew.
fn fetch_and_go_on(desk: &Desk, id: &str) {
    let fetched = backup(desk, &["fetch", "latest"]).ok();
    let path = desk.path(fetched["path"].as_str().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // One that was cut off goes on.
    let bytes = fs::read(&path).unwrap();
    let partial = path.with_extension("gz.partial");
    fs::remove_file(&path).unwrap();
    fs::write(&partial, &bytes[..1000]).unwrap();
    assert_eq!(backup(desk, &["fetch", id]).ok()["resumed_from"], 1000);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    fs::remove_file(&path).unwrap();
    fs::write(&partial, "of something else").unwrap();
    assert_eq!(backup(desk, &["fetch", id]).ok()["resumed_from"], 0);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// Each is refused before anything is touched.
fn refuse_what_does_not_fit(desk: &Desk, host: &Host, archive: &str) {
    let before = host.tracker();
    let restore = |id: &str| backup(desk, &["restore", id, "--force"]);
    restore("20200101T000000Z-1").fails("backup_not_found").says(&["there are"]).helps("list");
    backup(desk, &["restore", "latest"]).fails("declined").helps("--force");

    let mut bytes = fs::read(archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = desk.path("damaged.tar.gz");
    fs::write(&damaged, &bytes).unwrap();
    let from =
        |file: &str, more: &[&str]| backup(desk, &[&["restore", "--from", file, "--force"], more].concat());
    from(damaged.to_str().unwrap(), &[]).fails("backup_invalid").says(&["damaged"]);
    fs::write(desk.path("damaged.tar.gz.sha256"), format!("{}  x\n", "0".repeat(64))).unwrap();
    from(damaged.to_str().unwrap(), &[])
        .fails("backup_invalid")
        .says(&["another checksum than the one beside it"]);
    let text = desk.write("text.tar.gz", "no archive");
    from(&text, &[]).fails("backup_invalid").says(&["damaged"]);

    let id = create(desk);
    host.exec(&format!("cd {FOLDER}; cp {id}.tar.gz 20300101T000000Z-1.tar.gz; cp {id}.tar.gz.sha256 20300101T000000Z-1.tar.gz.sha256; echo >>20300101T000000Z-1.tar.gz"));
    restore("20300101T000000Z-1").fails("backup_invalid").says(&["damaged"]).helps("--check");
    backup(desk, &["fetch", "20300101T000000Z-1"]).fails("backup_invalid").says(&["damaged"]);
    assert_eq!(backup(desk, &["list", "--check"]).ok().as_array().unwrap().last().unwrap()["whole"], false);
    rewrite(host, &id, "20300101T000000Z-1", "sed -i s/^driver=.*/driver=mysql/ about");
    restore("20300101T000000Z-1").fails("backup_invalid").says(&["a mysql database", "has a sqlite3 one"]);
    rewrite(host, &id, "20300101T000000Z-1", "sed -i 's/^rows=torrents .*/rows=torrents 9000/' about");
    backup(desk, &["verify", "20300101T000000Z-1"]).fails("backup_failed").says(&["torrents 9000"]);
    rewrite(host, &id, "20300101T000000Z-1", "sed -i s/^environment=.*/environment=another/ about");
    restore("20300101T000000Z-1")
        .fails("backup_invalid")
        .says(&["of the environment another"])
        .helps("--foreign");
    host.exec(&format!("mkdir /root/small; mount -t tmpfs -o size=64k none /root/small; cd {FOLDER}; cp -a {id}* /root/small; mount --bind /root/small ."));
    restore(&id).fails("host_disk_full").says(&["needs", "are free"]);
    host.exec(&format!("umount {FOLDER} /root/small"));
    assert_eq!(before, host.tracker(), "nothing was touched");

    let foreign = backup(desk, &["fetch", "20300101T000000Z-1"]).ok();
    let foreign = foreign["path"].as_str().unwrap();
    from(foreign, &[]).fails("backup_invalid").helps("--foreign");
    from(foreign, &["--foreign"]).ok();
}

#[test]
fn a_restore_that_is_cut_off_or_fails_leaves_a_whole_database() {
    let desk = Desk::new();
    let host = deployed(&desk, &desk.config(), None);
    let api = Api::of(&desk, &host);
    let database = "/opt/torrust/storage/tracker/lib/database";
    let keys = || {
        host.exec_as_tracker(&format!("python3 -c 'import sqlite3; print(sqlite3.connect(\"{database}/tracker.db\").execute(\"select count(*) from keys\").fetchone()[0])'"))
    };
    api.post_key();
    let one = create(&desk);
    api.post_key();
    let restore = ["backup", desk.name.as_str(), "restore", one.as_str(), "--force"];
    let state = format!("{FOLDER}/.restore");

    // We are killed: the host goes on, and the next call joins it.
    desk.start(&restore).kill_after("stopping the tracker", Duration::ZERO);
    assert_eq!(desk.run(&restore).ok()["rows"]["keys"], 1);
    assert_eq!((keys().as_str(), host.succeeds(&format!("ls {state} {database}/*.*-*"))), ("1", false));

    // The host's power goes: the next call undoes it, and until then nothing starts with half of it.
    let two = create(&desk);
    api.post_key();
    desk.start(&["backup", &desk.name, "restore", &two, "--force"])
        .kill_after("making a backup of the present database", Duration::ZERO);
    host.exec(&format!("until grep -qx -e moving -e placed {state}/step; do :; done; systemctl kill --signal=KILL torrust-tracker-restore; echo undo >{state}/verdict"));
    desk.run(&["run", &desk.name]).fails("state_refused").says(&["cut off"]).helps("backup");
    backup(&desk, &["create"]).fails("state_refused").says(&["cut off"]).helps("restore");
    desk.run(&["destroy", &desk.name]).fails("service_unhealthy").says(&["cut off"]);
    let status = desk.run(&["status", &desk.name]);
    assert!(status.out.contains(&format!("backup {} restore {two}", desk.name)), "{}", status.out);
    let settled = backup(&desk, &["restore", &two]);
    assert!(settled.err.contains("it was undone (it was cut off)"), "{}", settled.err);
    settled.fails("declined");
    assert_eq!(keys(), "2");
    desk.test();

    // Who shuts the host down has it undone.
    desk.start(&["backup", &desk.name, "restore", &two, "--force"])
        .kill_after("starting the stack", Duration::ZERO);
    host.exec("systemctl stop torrust-tracker-restore");
    assert!(host.exec(&format!("cat {state}/end")).contains("undone"));
    assert_eq!(keys(), "2");

    // What only shows from outside.
    let block =
        |how: &str| host.exec(&format!("iptables -t raw {how} PREROUTING -p tcp --dport 7070 -j DROP"));
    block("-I");
    let failure = desk.run(&restore).fails("backup_failed");
    failure.says(&["the one from before", "checks from outside fail", "7070"]);
    block("-D");
    assert_eq!(keys(), "2");
    desk.test();

    // A database that the tracker cannot work with.
    rewrite(
        &host,
        &one,
        "20300101T000000Z-1",
        "python3 -c 'import sqlite3; d = sqlite3.connect(\"storage/tracker/lib/database/tracker.db\"); d.executescript(\"drop table keys; create index keys on whitelist (info_hash)\")'; sed -i /^rows=keys/d about",
    );
    let broken = ["backup", desk.name.as_str(), "restore", "20300101T000000Z-1", "--force"];
    desk.run(&broken).fails("backup_failed").says(&["the one from before"]);
    assert_eq!((keys().as_str(), host.succeeds(&format!("ls {state} {database}/*.*-*"))), ("2", false));
    desk.test();

    // A present database that cannot be saved is replaced only when that was said.
    host.exec(&format!("docker stop torrust-deployer-stack-tracker-1; dd if=/dev/zero of={database}/tracker.db bs=4096 count=3 seek=1 conv=notrunc"));
    desk.run(&restore).fails("backup_failed").says(&["not touched"]).helps("--without-safety-copy");
    desk.run(&[&restore[..], &["--without-safety-copy"]].concat()).ok();
    assert_eq!(keys(), "1");
    desk.test();
    wait_out(&desk, &host, &two, &state);
}

/// Nobody is there when the host asks: it decides alone, and tells the next one.
fn wait_out(desk: &Desk, host: &Host, id: &str, state: &str) {
    desk.start(&["backup", &desk.name, "restore", id, "--force"])
        .kill_after("starting the stack", Duration::ZERO);
    eventually("the host has come to its end", || host.succeeds(&format!("ls {state}/end")));
    sleep(Duration::from_millis(300));
    let ran = desk.run(&["backup", &desk.name, "restore", id, "--force"]);
    assert!(ran.err.contains(": its database was kept"), "{}", ran.err);
    let ran = ran.ok();
    assert_eq!((&ran["id"], &ran["rows"]["keys"]), (&json!(id), &json!(1)));
    assert!(!host.succeeds(&format!("ls {state}")));
}

#[test]
fn mysql_comes_back_too() {
    let desk = Desk::new();
    let mut config = desk.config();
    config["images"]["mysql"] = lab::MYSQL.into();
    config["tracker"]["core"]["database"] = json!({
        "driver": "mysql", "host": "mysql", "port": 3307, "database_name": "tr`ack'er x", "username": "tracker", "password": "pa'ss \"$x",
    });
    let host = deployed(&desk, &config, None);
    let api = Api::of(&desk, &host);
    let keys = "docker compose --project-directory /opt/torrust exec -T mysql mysql --defaults-file=/etc/torrust/mysql/client.cnf -N -e 'SELECT COUNT(*) FROM `keys`'";
    let first = api.post_key();
    let one = create(&desk);
    api.post_key();
    let verified = backup(&desk, &["verify", &one]).ok();
    assert_eq!(verified["tables"][0], json!({ "name": "keys", "archive": 1, "restored": 1, "live": 2 }));
    let restored = backup(&desk, &["restore", &one, "--force"]).ok();
    assert_eq!((&restored["rows"]["keys"], host.exec(keys).as_str()), (&json!(1), "1"));
    desk.test();
    let seen = host.exec("docker ps --all --format '{{.Names}}'; ls /opt/torrust/storage/mysql");
    assert!(!seen.contains("scratch") && !seen.contains("restore"), "{seen}");
    api.post_key();
    // A server that cannot start keeps nobody from the way back.
    host.exec("cd /opt/torrust; docker compose stop; chown -R root:root storage/mysql/data; chmod -R 600 storage/mysql/data");
    let forced = backup(&desk, &["restore", &one, "--force", "--without-safety-copy"]).ok();
    assert_eq!((&forced["rows"]["keys"], host.exec(keys).as_str()), (&json!(1), "1"));
    let destroyed = desk.run(&["destroy", &desk.name, "--backup"]).ok();
    let archive = desk.path(destroyed["backup"].as_str().unwrap());
    let dump = lab::run("tar", &["-xzOf", archive.to_str().unwrap(), "storage/mysql/dump.sql"]);
    assert!(dump.contains(&first), "the key is in the last backup");
}
