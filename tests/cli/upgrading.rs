//! `upgrade.sh`: the table that newer trackers need, added to real SQLite databases of release 3.0.0; and what a restore adds.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::restoring::{Bench, ID, MYSQL, SQLITE};
use crate::world::World;

const FOURTH: &str = "torrent_aggregate_metrics";
/// As release 3.0.0 makes them.
const OLD: &str = "
CREATE TABLE whitelist (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE);
CREATE TABLE torrents (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE, completed INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, valid_until INTEGER);
INSERT INTO keys (key, valid_until) VALUES ('a', 1), ('b', NULL);
INSERT INTO torrents (info_hash, completed) VALUES ('c', 7);
";
/// What a newer tracker adds.
const NEW: &str = "
CREATE TABLE torrent_aggregate_metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, metric_name TEXT NOT NULL UNIQUE, value INTEGER NOT NULL DEFAULT 0);
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, checksum BLOB NOT NULL);
INSERT INTO _sqlx_migrations VALUES (1, x'27290a29');
";

/// A released host; its database is made by these statements.
fn host(sql: &str) -> Bench {
    let bench = Bench::new(SQLITE);
    fs::create_dir_all(bench.data.parent().unwrap()).unwrap();
    let owner = fs::metadata(bench.folder.path()).unwrap().uid();
    release(&bench, owner);
    run_sql(&bench, sql);
    bench
}

fn release(bench: &Bench, owner: u32) {
    let (driver, data) = SQLITE;
    bench.write(
        "tools/settings",
        &format!("environment=demo\ndriver={driver}\ndata={data}\nowner={owner}\nretention_days=1\n"),
    );
    fs::remove_file(bench.path("root/releases/current")).unwrap();
    symlink("1", bench.path("root/releases/current")).unwrap();
    bench.write("root/releases/1/manifest", "sum 0644 0 docker-compose.yml\n");
    bench.write("root/docker-compose.yml", "services: {}\n");
}

fn run_sql(bench: &Bench, sql: &str) {
    let script =
        "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.executescript(sys.argv[2]); d.close()";
    let ran = Command::new("python3").args(["-c", script]).arg(&bench.data).arg(sql).status().unwrap();
    assert!(ran.success());
}

/// One value.
fn ask(bench: &Bench, sql: &str) -> String {
    let script = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone())";
    let ran = Command::new("python3").args(["-c", script]).arg(&bench.data).arg(sql).output().unwrap();
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

fn tables(bench: &Bench) -> String {
    ask(
        bench,
        "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name)",
    )
}

fn upgrade(bench: &Bench, action: &str) -> (Option<bool>, String) {
    bench.call(&["upgrade.sh", action], 0, Stdio::null())
}

/// The IDs of the backups.
fn backups(bench: &Bench) -> Vec<String> {
    let (good, said) = bench.call(&["list.sh", "check"], 0, Stdio::null());
    assert_eq!(good, Some(true), "{said}");
    let id = |line: &str| {
        assert!(line.ends_with(" ok"), "{line}");
        line.split(' ').nth(1).unwrap().to_owned()
    };
    said.lines().map(id).collect()
}

#[test]
fn the_fourth_table_comes_after_a_backup_that_stays() {
    let bench = host(&format!("{OLD} CREATE TABLE mine (a); INSERT INTO mine VALUES (1);"));
    fs::set_permissions(&bench.data, fs::Permissions::from_mode(0o640)).unwrap();
    let (good, said) = upgrade(&bench, "look");
    assert!(good == Some(true) && said == format!("missing {FOURTH}\n"), "{said}");
    assert_eq!(tables(&bench), "keys mine torrents whitelist", "it was only looked at");

    let (good, said) = upgrade(&bench, "add");
    assert_eq!(good, Some(true), "{said}");
    let [id] = &backups(&bench)[..] else { panic!("{said}") };
    for line in [
        &format!("backup {id}"),
        "before keys 2",
        "before whitelist 0",
        "after keys 2",
        "after mine 1",
        "after torrents 1",
        &format!("after {FOURTH} 0"),
        &format!("added {FOURTH}"),
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is not in {said}");
    }
    assert_eq!(tables(&bench), format!("keys mine {FOURTH} torrents whitelist"));
    assert_eq!(ask(&bench, "SELECT completed FROM torrents WHERE info_hash = 'c'"), "7");
    let file = fs::metadata(&bench.data).unwrap();
    assert_eq!((file.mode() & 0o777, file.uid()), (0o640, fs::metadata(bench.folder.path()).unwrap().uid()));

    let (good, said) = upgrade(&bench, "add");
    assert!(good == Some(true) && said == "unchanged the database has all tables\n", "{said}");
    // Both are too old by now, and one of them stays.
    for (name, kept) in [("20200101T000000Z-1", true), ("20200102T000000Z-1", false)] {
        bench.write(&format!("root/storage/backup/{name}.tar.gz"), "");
        if kept {
            bench.write(&format!("root/storage/backup/{name}.tar.gz.keep"), "");
        }
    }
    assert!(bench.path(&format!("root/storage/backup/{id}.tar.gz.keep")).exists());
    bench.call(&["backup.sh", "create"], 0, Stdio::null());
    let there = |name| bench.path(&format!("root/storage/backup/{name}.tar.gz")).exists();
    assert_eq!((there("20200101T000000Z-1"), there("20200102T000000Z-1")), (true, false));
}

#[test]
fn a_database_that_needs_nothing_is_left_alone() {
    for (sql, why) in [
        (String::new(), "the database is empty"),
        ("CREATE TABLE mine (a)".to_owned(), "the database is empty"),
        (format!("{OLD} {NEW}"), "the database has all tables"),
        (format!("{OLD} {NEW} DROP TABLE _sqlx_migrations"), "the database has all tables"),
        // What the newer tracker began, it goes on with.
        (format!("{NEW} DROP TABLE {FOURTH}"), "the database has all tables"),
    ] {
        let bench = host(&sql);
        let before = fs::read(&bench.data).unwrap();
        for action in ["look", "add"] {
            let (good, said) = upgrade(&bench, action);
            assert!(good == Some(true) && said == format!("unchanged {why}\n"), "{sql}: {said}");
        }
        assert_eq!(before, fs::read(&bench.data).unwrap(), "{sql}");
        assert!(backups(&bench).is_empty(), "{sql}");
    }
    let bench = host(OLD);
    fs::remove_file(&bench.data).unwrap();
    assert_eq!(upgrade(&bench, "add").1, "unchanged there is no database yet\n");
    assert!(!bench.data.exists(), "it was not made");
}

#[test]
fn half_of_the_tables_are_refused_before_anything_is_done() {
    let partial = [
        (format!("{OLD} DROP TABLE keys"), "torrents whitelist"),
        (format!("{OLD} DROP TABLE keys; DROP TABLE torrents"), "whitelist"),
        (
            format!("{OLD} {NEW} DROP TABLE _sqlx_migrations; DROP TABLE keys"),
            "torrent_aggregate_metrics torrents whitelist",
        ),
    ];
    for (sql, names) in partial {
        let bench = host(&sql);
        let before = fs::read(&bench.data).unwrap();
        let (good, said) = upgrade(&bench, "add");
        assert!(good == Some(false) && said.starts_with("refused partial\n"), "{said}");
        assert!(said.contains(&format!("has only {names}, and")), "{said}");
        assert_eq!(before, fs::read(&bench.data).unwrap(), "{sql}");
        assert!(backups(&bench).is_empty());
    }
    let bench = host(OLD);
    bench.write("root/.half-restored", ID);
    assert!(upgrade(&bench, "add").1.starts_with(&format!("refused half {ID}\n")));
}

#[test]
fn an_old_table_of_keys_is_told() {
    let bench = host(
        &OLD.replace("valid_until INTEGER", "valid_until INTEGER NOT NULL").replace("'b', NULL", "'b', 2"),
    );
    let (good, said) = upgrade(&bench, "add");
    assert!(good == Some(true) && said.starts_with("strict\n"), "{said}");
    assert_eq!(upgrade(&bench, "add").1, "strict\nunchanged the database has all tables\n");
}

/// The power goes before each thing that it does; the same command again ends well.
#[test]
fn an_upgrade_that_is_cut_off_is_done_by_the_next_one() {
    for cut in 1.. {
        let bench = host(OLD);
        let (over, said) = bench.call(&["upgrade.sh", "add"], cut, Stdio::null());
        assert_eq!(ask(&bench, "SELECT count(*) FROM keys"), "2", "cut at {cut}: {said}");
        let (good, said) = upgrade(&bench, "add");
        assert_eq!(good, Some(true), "cut at {cut}: {said}");
        assert_eq!(tables(&bench), format!("keys {FOURTH} torrents whitelist"), "cut at {cut}");
        assert!(!backups(&bench).is_empty(), "cut at {cut}");
        if over.is_some() {
            assert!(cut > 4, "hardly anything was counted");
            break;
        }
    }
}

#[test]
fn a_writer_is_waited_for() {
    let bench = host(OLD);
    let script = "import sqlite3, sys, time; d = sqlite3.connect(sys.argv[1], isolation_level=None)
d.execute('BEGIN IMMEDIATE'); d.execute(\"INSERT INTO keys (key) VALUES ('late')\")
print('held', flush=True); time.sleep(1); d.execute('COMMIT')";
    let mut writer = Command::new("python3");
    let mut writer = writer.args(["-c", script]).arg(&bench.data).stdout(Stdio::piped()).spawn().unwrap();
    sleep(Duration::from_millis(300));
    let (good, said) = upgrade(&bench, "add");
    assert!(writer.wait().unwrap().success());
    assert!(good == Some(true) && said.contains("before keys 3\n"), "{said}");
}

/// The container's user owns the folder: what it puts there is not followed by root.
#[test]
fn root_follows_no_link_of_the_containers_user() {
    let bench = host(OLD);
    if fs::metadata(bench.folder.path()).unwrap().uid() != 0 {
        return;
    }
    release(&bench, 1000);
    fs::set_permissions(bench.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = bench.data.parent().unwrap();
    let chown = |path: &std::path::Path| std::os::unix::fs::chown(path, Some(1000), Some(1000)).unwrap();
    chown(folder);
    chown(&bench.data);
    run_sql(&bench, "PRAGMA journal_mode = WAL");
    let (good, said) = upgrade(&bench, "add");
    assert_eq!(good, Some(true), "{said}");
    for entry in fs::read_dir(folder).unwrap().flatten() {
        assert_eq!(entry.metadata().unwrap().uid(), 1000, "{}", entry.path().display());
    }
    let secret = host(OLD);
    fs::set_permissions(&secret.data, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(&bench.data).unwrap();
    symlink(&secret.data, &bench.data).unwrap();
    let (good, said) = upgrade(&bench, "add");
    assert!(good == Some(false) && said.contains("unable to open"), "{said}");
    assert_eq!(tables(&secret), "keys torrents whitelist");
}

/// A restore as the host's systemd runs it, with nobody who objects.
fn restore(bench: &Bench, id: &str) -> String {
    bench.state("verdict", "keep\n");
    bench.state("id", id);
    let (good, said) = bench.call(&["restore.sh", "work", id], 0, Stdio::null());
    let log = fs::read_to_string(bench.path("root/storage/backup/.restore/log")).unwrap();
    assert_eq!(good, Some(true), "{said}\n{log}");
    fs::remove_dir_all(bench.path("root/storage/backup/.restore")).unwrap();
    log
}

#[test]
fn a_restored_database_fits_the_tracker_in_place() {
    let bench = host(OLD);
    let (_, said) = bench.call(&["backup.sh", "create"], 0, Stdio::null());
    let old = backups(&bench).remove(0);
    let id = bench.path(&format!("root/storage/backup/{old}.tar.gz"));
    fs::copy(&id, bench.path("old.tar.gz")).unwrap_or_else(|error| panic!("{error}: {said}"));

    let toml = "root/storage/tracker/etc/tracker.toml";
    let three = "keys torrents whitelist";
    let four = format!("keys {FOURTH} torrents whitelist");
    // Release 3.0.0 gets what it had.
    bench.write(toml, "[metadata]\nschema_version = \"2.0.0\"\n");
    assert!(!restore(&bench, &old).contains("added "));
    assert_eq!(tables(&bench), three);
    let (_, drill) = bench.call(&["verify.sh", &old], 0, Stdio::null());
    assert!(drill.contains("restored keys 2\n") && !drill.contains("added "), "{drill}");
    // By the tracker's configuration, and by the database of one that has a configuration of the old form.
    bench.write(toml, "metadata = { app = \"torrust-tracker\", schema_version = \"3.0.0\" }\n");
    assert!(restore(&bench, &old).contains(&format!("added {FOURTH}\n")));
    assert_eq!(tables(&bench), four);
    bench.write(toml, "[metadata]\nschema_version = \"2.0.0\"\n# not schema_version = \"3.0.0\"\n");
    let log = restore(&bench, &old);
    assert!(log.contains("rows keys 2\n") && log.contains(&format!("added {FOURTH}\n")), "{log}");
    assert_eq!((tables(&bench), ask(&bench, "SELECT count(*) FROM keys")), (four, "2".into()));
    let (_, drill) = bench.call(&["verify.sh", &old], 0, Stdio::null());
    assert!(drill.contains(&format!("added {FOURTH}\n")), "{drill}");
}

#[test]
fn a_newer_trackers_database_comes_back_to_release_3_0_0() {
    let bench = host(&format!("{OLD} {NEW}"));
    bench.call(&["backup.sh", "create"], 0, Stdio::null());
    let id = backups(&bench).remove(0);
    bench.write("root/storage/tracker/etc/tracker.toml", "[metadata]\nschema_version = \"2.0.0\"\n");
    run_sql(&bench, "DELETE FROM keys");
    let log = restore(&bench, &id);
    assert!(log.contains("rows _sqlx_migrations 1\n") && !log.contains("added "), "{log}");
    assert_eq!(ask(&bench, "SELECT hex(checksum) FROM _sqlx_migrations"), "27290A29");
    assert_eq!(ask(&bench, "SELECT count(*) FROM keys"), "2");
}

/// A server that answers as MySQL's client prints; `$BENCH/tables` has the tables, and `$BENCH/up` is there while it runs.
const SERVER: &str = r#"#!/bin/sh
echo "$*" >>"$BENCH/docker.log"
case $* in
  *'--services'*) cat "$BENCH/services" ;;
  *' ps --quiet --status running mysql'*) cat "$BENCH/up" 2>/dev/null ;;
  *' up --detach --wait '*) echo id >"$BENCH/up" ;;
  *' stop mysql'*) rm "$BENCH/up" ;;
  *mysqldump*) sed 's/.*/CREATE TABLE `&` (/' "$BENCH/tables"; echo '-- Dump completed' ;;
  *information_schema*) sed 's/^/table /' "$BENCH/tables" ;;
  *'SHOW TABLES'*) cat "$BENCH/tables" ;;
  *'COUNT(*)) FROM'*) echo "$*" | sed "s/.*'rows ', '\([a-z_]*\)'.*/rows \1 5/" ;;
  *'CREATE TABLE'*) echo torrent_aggregate_metrics >>"$BENCH/tables" ;;
esac
"#;

#[test]
fn a_mysql_server_that_is_stopped_is_started_for_it_alone() {
    let bench = Bench::new(MYSQL);
    release(&bench, 0);
    bench.write(
        "tools/settings",
        "environment=demo\ndriver=mysql\ndata=storage/mysql/data\nowner=0\ndatabase=x\n",
    );
    bench.program("docker", SERVER);
    bench.write("services", "mysql\ntracker\n");
    bench.write("tables", "keys\ntorrents\nwhitelist\n");
    fs::create_dir_all(&bench.data).unwrap();
    assert_eq!(
        upgrade(&bench, "add").1,
        "unchanged there is no database yet\n",
        "a server of ours never ran"
    );
    fs::write(bench.data.join("mysql.ibd"), "").unwrap();
    assert_eq!(upgrade(&bench, "look").1, "unknown the database server does not run\n");

    let (good, said) = upgrade(&bench, "add");
    assert!(good == Some(true) && said.contains(&format!("after {FOURTH} 5\n")), "{said}");
    assert!(said.contains("before whitelist 5\n") && !said.contains(&format!("before {FOURTH}")), "{said}");
    assert_eq!(backups(&bench).len(), 1);
    assert!(!bench.path("up").exists(), "it is stopped again");
    bench.write("up", "id\n");
    assert_eq!(upgrade(&bench, "add").1, "unchanged the database has all tables\n");
    assert!(bench.path("up").exists(), "what ran goes on");

    fs::remove_file(bench.path("up")).unwrap();
    bench.write("services", "tracker\n");
    assert_eq!(upgrade(&bench, "add").1, "unchanged the release in place has no database server\n");
}

#[test]
fn release_says_what_was_done_to_the_database() {
    let world = World::with_tools();
    world.environment("demo", "configured");
    let told =
        format!("strict\nbackup {ID}\nbefore keys 3\nafter keys 3\nafter {FOURTH} 0\nadded {FOURTH}\n");
    fs::write(world.path("../upgraded"), told).unwrap();
    let released = world.json(&["release", "demo"]);
    let upgraded = json!({
        "backup": ID, "added_table": FOURTH, "rows_before": { "keys": 3 }, "rows_after": { "keys": 3, FOURTH: 0 },
    });
    assert_eq!((&released["upgraded"], &released["changed"]), (&upgraded, &json!(true)));
    let output = world.ok(&["release", "demo"]);
    let line = format!(
        "database: added the table {FOURTH}; rows before: keys 3; after: keys 3, {FOURTH} 0; backup from before: {ID}\n"
    );
    assert!(output.stdout.starts_with(&line), "{}", output.stdout);
    assert!(output.stderr.contains("before 2024-07-30"), "{}", output.stderr);

    fs::write(world.path("../upgraded"), format!("missing {FOURTH}\n")).unwrap();
    let dry = world.json(&["release", "demo", "--dry-run"]);
    assert_eq!(dry["database"], format!("would add the table {FOURTH} to the database, after a backup"));
}

#[test]
fn a_database_that_is_refused_stops_the_release() {
    let world = World::with_tools();
    world.environment("demo", "configured");
    let refuses = "{ echo refused partial; echo it has only keys >&2; exit 1; }";
    let fake = include_str!("fakes/ssh").replace("echo unchanged there is no database yet", refuses);
    world.fake("ssh", &fake);
    let refusal = world.refusal(&["release", "demo"]);
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("database_refused", "it has only keys"));
    assert!(refusal.help.contains("backup demo restore ID"), "{}", refusal.help);
    assert_eq!(world.calls("releases/.incoming"), 0, "no file was compared");
    // Release 3.0.0 itself makes what it needs.
    fs::write(world.path("../schema"), "schema 2.0.0 3.0.0\n").unwrap();
    world.edit_state("demo", |state| state["config"]["images"]["tracker"] = "torrust/tracker:v3.0.0".into());
    world.ok(&["release", "demo"]);
}
