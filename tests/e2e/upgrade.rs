//! From release 3.0.0 to a newer tracker and back, with the same data, while a peer announces.

use std::io::{Write, stdout};
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;
use crate::tracker::Api;
use crate::update::Case;

const FOURTH: &str = "torrent_aggregate_metrics";

/// Where the database is, and how it is asked.
enum Store {
    Sqlite,
    Mysql,
}

impl Store {
    /// Runs one statement on the host; what it gives.
    fn ask(&self, host: &Host, sql: &str) -> String {
        match self {
            Self::Sqlite => host.exec_as_tracker(&format!(
                "python3 -c 'import sqlite3, sys; d = sqlite3.connect(\"/opt/torrust/storage/tracker/lib/database/tracker.db\", timeout=20); \
                 print(*[row[0] for row in d.execute(sys.argv[1])]); d.commit()' \"{sql}\""
            )),
            Self::Mysql => host.exec(&format!(
                "docker exec torrust-deployer-stack-mysql-1 mysql --defaults-file=/etc/torrust/mysql/client.cnf -N -e \"{sql}\" | tr '\\n' ' '"
            )).trim_end().to_owned(),
        }
    }

    fn tables(&self, host: &Host) -> Vec<String> {
        let sql = match self {
            Self::Sqlite => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
            }
            Self::Mysql => "SHOW TABLES",
        };
        self.ask(host, sql).split(' ').map(str::to_owned).collect()
    }

    /// Keys, whitelisted torrents, and torrents that were completed.
    fn rows(&self, host: &Host) -> Value {
        let count =
            |from: &str| self.ask(host, &format!("SELECT COUNT(*) FROM {from}")).parse::<u64>().unwrap();
        // In a shell's quotes a backtick is a command.
        json!([count("\\`keys\\`"), count("whitelist"), count("torrents WHERE completed = 77")])
    }
}

/// A tracker of release 3.0.0 with rows in each table.
fn with_rows(store: &Store, change: impl FnOnce(&mut Value)) -> Case {
    let case = Case::start(change);
    let api = Api::of(&case.desk, &case.host);
    (0..3).for_each(|_| drop(api.post_key()));
    for number in 10..15 {
        api.ask("POST", &format!("whitelist/{}", number.to_string().repeat(20)));
        let hash = (number + 10).to_string().repeat(20);
        store.ask(&case.host, &format!("INSERT INTO torrents (info_hash, completed) VALUES ('{hash}', 77)"));
    }
    assert_eq!(store.rows(&case.host), json!([3, 5, 5]));
    assert_eq!(store.tables(&case.host), ["keys", "torrents", "whitelist"]);
    case
}

fn newer(config: &mut Value) {
    config["images"]["tracker"] = lab::TRACKER_3.into();
}

fn backups(desk: &Desk) -> Vec<Value> {
    desk.run(&["backup", &desk.name, "list"]).ok().as_array().unwrap().clone()
}

fn counted(what: &str, store: &Store, case: &Case) {
    let rows = store.rows(&case.host);
    let _ = writeln!(
        stdout(),
        "{what:<44} keys, whitelist, torrents: {rows}; tables: {}",
        store.tables(&case.host).join(" ")
    );
    assert_eq!(rows, json!([3, 5, 5]), "{what}");
}

/// There, back, and there again; each time it is asked as its clients do.
fn there_and_back(store: &Store, case: &mut Case) -> Value {
    counted("before", store, case);
    let deployed = case.deploy("to the newer tracker", &[6969], newer);
    counted("the newer tracker", store, case);
    assert!(store.tables(&case.host).contains(&"_sqlx_migrations".to_owned()), "it has opened it");
    case.desk.test();
    let back = case.roll_back("and back to release 3.0.0", &[]);
    assert_eq!(back["state"], "running");
    counted("release 3.0.0 again", store, case);
    case.desk.test();
    let api = Api::of(&case.desk, &case.host).ask("GET", "stats");
    assert!(api.contains(" 200 "), "{api}");
    deployed
}

#[test]
fn sqlite_goes_to_a_newer_tracker_and_back() {
    let store = Store::Sqlite;
    let mut case = with_rows(&store, |_| {});
    // Killed between the new table and the new image.
    let mut config = case.config.clone();
    newer(&mut config);
    let file = case.desk.write("new.json", &config.to_string());
    case.desk.start(&["deploy", "-f", &file]).kill_after("Put the files on the host", Duration::ZERO);
    let made = backups(&case.desk);
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(store.tables(&case.host).contains(&FOURTH.to_owned()));
    let deployed = there_and_back(&store, &mut case);
    assert!(deployed.get("upgraded").is_none(), "{deployed}");
    assert_eq!(backups(&case.desk).len(), 1, "no second one");
    let owners =
        "find /opt/torrust/storage/tracker/lib/database -name 'tracker.db*' -printf '%U\\n' | sort -u";
    assert_eq!(case.host.exec(owners), "1000");
    restores_across(&store, &case, made[0]["id"].as_str().unwrap());
}

/// Backups of each tracker come back on the other one.
fn restores_across(store: &Store, case: &Case, three: &str) {
    let backup = |args: &[&str]| case.desk.run(&[&["backup", &case.desk.name], args].concat()).ok();
    let four = backup(&["create"])["id"].as_str().unwrap().to_owned();
    let restored = backup(&["restore", &four, "--force"]);
    assert!(restored["rows"]["_sqlx_migrations"].as_u64() > Some(2), "{restored}");
    counted("a newer tracker's backup on release 3.0.0", store, case);
    case.roll_back("to the newer tracker, by its number", &["--to", "2"]);
    let verified = backup(&["verify", three]);
    assert_eq!(verified["added_table"], FOURTH, "{verified}");
    let restored = backup(&["restore", three, "--force"]);
    assert_eq!((&restored["added_table"], &restored["rows"]["keys"]), (&json!(FOURTH), &json!(3)));
    counted("release 3.0.0's backup on a newer tracker", store, case);
    case.desk.test();
}

#[test]
fn mysql_goes_to_a_newer_tracker_and_back() {
    let store = Store::Mysql;
    let mut case = with_rows(&store, |config| {
        config["images"]["mysql"] = lab::MYSQL.into();
        config["tracker"]["core"]["database"] = json!({
            "driver": "mysql", "host": "mysql", "port": 3307, "database_name": "tr$ack'er,x", "username": "tracker", "password": "pa'ss \"$x",
        });
    });
    // The server alone is started for it.
    case.host.exec("docker compose --project-directory /opt/torrust stop");
    newer(&mut case.config);
    let file = case.desk.write("new.json", &case.config.to_string());
    case.desk.run(&["update", &case.desk.name, "-f", &file]).ok();
    let released = case.desk.run(&["release", &case.desk.name]).ok();
    let upgraded = &released["upgraded"];
    assert_eq!((&upgraded["added_table"], &upgraded["rows_before"]["keys"]), (&json!(FOURTH), &json!(3)));
    assert_eq!(upgraded["rows_after"]["whitelist"], 5, "{upgraded}");
    let made = backups(&case.desk);
    assert_eq!((made.len(), &made[0]["id"]), (1, &upgraded["backup"]));
    case.desk.run(&["run", &case.desk.name]).ok();
    there_and_back(&store, &mut case);
    assert_eq!(backups(&case.desk).len(), 1, "no second one");
}

#[test]
fn half_a_database_stays_with_its_tracker() {
    let mut case = Case::start(|_| {});
    Store::Sqlite.ask(&case.host, "DROP TABLE keys");
    let (before, release) = (case.host.tracker(), case.host.release());
    newer(&mut case.config);
    let file = case.desk.write("new.json", &case.config.to_string());
    let failure = case.desk.run(&["deploy", "-f", &file]).fails("database_refused");
    failure.says(&["only torrents whitelist"]).helps("backup");
    assert_eq!((before, release), (case.host.tracker(), case.host.release()));
}
