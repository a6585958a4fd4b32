use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::bundle::Bundle;
use crate::config::{self, Images, ProviderKind, Secret};
use crate::store::Choices;

const PASSWORD: &str = r#"p:w\d'"$x 100é"#;

/// The short form's environment with this database, and a token that is the same in every run.
fn environment(database: Database) -> Environment {
    let name = "demo".parse().unwrap();
    let key = Path::new("/home/me/.ssh/id_ed25519");
    let mut config = config::template(ProviderKind::Docker, &name, key).unwrap();
    config.tracker.http_api.as_mut().unwrap().admin_token = Secret::Literal("MyAccessToken".into());
    config.tracker.core.database = Some(database);
    Environment::new(config, Choices::default())
}

fn server(host: &str) -> Server {
    Server {
        host: host.into(),
        port: 3307,
        database_name: "torrust_tracker".into(),
        username: "tracker_user".into(),
        password: Secret::Literal(PASSWORD.into()),
        root_password: None,
    }
}

fn text_of(bundle: &Bundle, path: &str) -> String {
    let file = bundle.files.iter().find(|file| file.path == path).unwrap();
    String::from_utf8(file.bytes.clone()).unwrap()
}

#[test]
fn an_external_server_is_no_container_and_has_no_network() {
    let env = environment(Database::Mysql(server("db.example.org")));
    let bundle = Bundle::of(&env).unwrap();
    assert_eq!(bundle.containers().map(|one| one.name).collect::<Vec<_>>(), ["tracker"]);
    let compose = text_of(&bundle, "docker-compose.yml");
    assert!(compose.contains("networks: [\"tracker\"]") && !compose.contains("depends_on"), "{compose}");
    assert!(super::super::images(&env).contains(&Images::default().mysql.to_string()));
    let known = ["host = \"db.example.org\"", "port = 3307", r#"password = "p:w\\d'\"$x 100é""#];
    let client = text_of(&bundle, "database/client.cnf");
    assert!(known.iter().all(|line| client.contains(line)), "{client}");
}

#[test]
fn a_server_s_password_is_only_where_root_alone_may_read() {
    for database in [Database::Mysql(server("192.0.2.7")), Database::Postgresql(server("[2001:db8::7]"))] {
        let files = service(&environment(database)).unwrap().files;
        let text = |file: &&HostFile| String::from_utf8_lossy(&file.bytes).contains("100é");
        let holding: Vec<_> = files.iter().filter(text).map(|file| (file.path.as_str(), file.mode)).collect();
        assert!(
            matches!(holding[..], [("database/client.cnf" | "database/password", "0600")]),
            "{holding:?}"
        );
    }
}

#[test]
fn psql_gets_password_and_address_as_it_reads_them() {
    let files = service(&environment(Database::Postgresql(server("[2001:db8::7]")))).unwrap().files;
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path).unwrap();
        String::from_utf8(file.bytes.clone()).unwrap()
    };
    assert_eq!(text("database/password"), "*:*:*:*:p\\:w\\\\d'\"$x 100é\n");
    assert!(text("database/client.sh").contains("PGHOST='2001:db8::7' PGPORT=3307 PGUSER='tracker_user'"));
    assert!(text("database/server.json").contains(r#""host": "2001:db8::7""#));
}

/// A Docker Engine whose client answers, or complains, like this.
fn look(driver: &str, answer: &str, complaint: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("look.py", include_str!("../../../templates/database/look.py"));
    let about = json!({
        "driver": driver, "host": "db.example.org", "port": 3306, "database": "torrust", "user": "tracker",
        "image": "lab/client:1", "tracker": "lab/tracker:1", "metrics": true,
    });
    write("server.json", &about.to_string());
    write("answer", answer);
    write("complaint", complaint);
    let docker = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\ncase $1 in\nps) echo 4711 ;;\nimage) ;;\n\
                  run) cat answer; cat complaint >&2; [ ! -s complaint ] ;;\nesac\n";
    write("docker", docker);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let ran = Command::new("python3").arg(folder.path().join("look.py")).env("PATH", path).output().unwrap();
    assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    (ran.status.success(), String::from_utf8(ran.stdout).unwrap())
}

const ALL: &str = "keys\ntorrent_aggregate_metrics\ntorrents\nwhitelist\n";

#[test]
fn a_database_that_the_tracker_can_work_with_is_told_with_its_version() {
    let (ok, seen) = look("mysql", &format!("8.4.3\n1\n{ALL}"), "");
    assert!(ok && seen == "MySQL 8.4.3 at db.example.org port 3306, 4 tables of the tracker\n", "{seen}");
    let (ok, seen) = look("mysql", &format!("10.11.6-MariaDB-0+deb12u1\n1\n{ALL}"), "");
    assert!(ok && seen.contains("the server is MariaDB"), "{seen}");
    let (ok, seen) = look("postgresql", &format!("11.22\n1\n{ALL}"), "");
    assert!(ok && seen.contains("older than PostgreSQL 14"), "{seen}");
}

#[test]
fn tables_that_are_missing_are_a_fault() {
    let (ok, seen) = look("mysql", "8.4.3\n1\n", "");
    assert!(!ok && seen.contains("no tables of the tracker yet; it creates them"), "{seen}");
    let (ok, seen) = look("mysql", "8.4.3\n1\nkeys\ntorrents\nwhitelist\n", "");
    assert!(!ok && seen.contains("3 tables of the tracker, and without torrent_aggregate_metrics"), "{seen}");
    let (ok, seen) = look("postgresql", "17.2\n0\n", "");
    assert!(!ok && seen.contains("the user tracker may not create them"), "{seen}");
    let (ok, seen) = look("mysql", "5.7.44\n1\n", "");
    assert!(!ok && seen.contains("older than MySQL 8"), "{seen}");
}

#[test]
fn a_short_answer_is_a_fault_and_no_crash() {
    for answer in ["", "8.4.3\n"] {
        let (ok, seen) = look("mysql", answer, "");
        assert!(
            !ok && seen.starts_with("the database cannot be checked: the client answered only"),
            "{seen}"
        );
    }
    let (ok, seen) = look("mysql", "8.4.3\n0\n", "");
    assert!(!ok && seen.contains("the user tracker may not create them"), "{seen}");
}

#[test]
fn a_silent_server_keeps_no_client_waiting() {
    let files = |database| service(&environment(database)).unwrap().files;
    let text = |files: &[HostFile], path: &str| {
        let file = files.iter().find(|file| file.path == path).unwrap();
        String::from_utf8(file.bytes.clone()).unwrap()
    };
    let mysql = text(&files(Database::Mysql(server("192.0.2.7"))), "database/client.cnf");
    // The section of all programs would be refused by mysqldump.
    let (client, mysql) = mysql.split_once("[mysql]").unwrap();
    assert!(mysql.contains("connect_timeout = 5") && !client.contains("connect_timeout"), "{client}{mysql}");
    let psql = text(&files(Database::Postgresql(server("192.0.2.7"))), "database/client.sh");
    assert!(psql.contains(" PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-5}"), "{psql}");
}

/// What the clients of MySQL 9 and PostgreSQL 17 print, and the words for it.
const COMPLAINTS: &str = r#"
mysql|ERROR 2005 (HY000): Unknown MySQL server host 'db.example.org' (-2)|cannot be resolved
mysql|ERROR 2003 (HY000): Can't connect to MySQL server on 'db.example.org:3306' (111)|refuses the connection
mysql|ERROR 2003 (HY000): Can't connect to MySQL server on 'db.example.org:3306' (110)|does not answer in time
mysql|ERROR 2003 (HY000): Can't connect to MySQL server on 'db.example.org:3306' (113)|there is no route
mysql|ERROR 1045 (28000): Access denied for user 'tracker'@'192.0.2.7' (using password: YES)|is the password right?
mysql|ERROR 1049 (42000): Unknown database 'torrust'|has no database torrust
mysql|ERROR 1130 (HY000): Host '192.0.2.7' is not allowed to connect to this MySQL server|from this host's address
mysql|ERROR 2026 (HY000): TLS/SSL error: wrong version number|encrypted connection
mysql|ERROR 2007 (HY000): Protocol mismatch; server version = 11, client version = 10|is it MySQL?
postgresql|psql: error: could not translate host name "db.example.org" to address: Name or service not known|cannot be resolved
postgresql|psql: error: connection to server at "192.0.2.7", port 5432 failed: Connection refused|refuses the connection
postgresql|psql: error: connection to server at "192.0.2.7", port 5432 failed: timeout expired|does not answer in time
postgresql|psql: error: connection failed: FATAL:  password authentication failed for user "tracker"|is the password right?
postgresql|psql: error: connection failed: FATAL:  database "torrust" does not exist|has no database torrust
postgresql|psql: error: connection failed: FATAL:  no pg_hba.conf entry for host "192.0.2.7"|from this host's address
postgresql|psql: error: connection failed: received invalid response to SSL negotiation: J|is it PostgreSQL?
postgresql|out of cheese|cannot be checked: out of cheese
"#;

#[test]
fn each_fault_has_words_of_its_own() {
    for case in COMPLAINTS.trim().lines() {
        let [driver, complaint, words] = case.split('|').collect::<Vec<_>>()[..] else { panic!("{case}") };
        let (ok, seen) = look(driver, "", complaint);
        assert!(!ok && seen.contains(words), "{complaint}: {seen}");
        assert!(seen.contains(complaint.rsplit(": ").next().unwrap()), "{complaint}: {seen}");
    }
}
