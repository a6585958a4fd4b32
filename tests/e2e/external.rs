//! A database on a server of the user's, and what it meets: down, a wrong password, the wrong kind, no tables, gone and back.
//! The server is a container next to the host, on a network that only the two share.

use serde_json::{Value, json};

use crate::desk::{Desk, assert_checks};
use crate::host::{Host, eventually};
use crate::lab;

const PASSWORD: &str = r#"p@s:s/w#o'r"d\ $x"#;
const POSTGRESQL: &str = "lab/postgresql:17";

/// A server of the user's. It is not started yet.
struct Server {
    name: String,
    address: String,
    driver: &'static str,
}

impl Server {
    fn beside(host: &Host, driver: &'static str) -> Self {
        let (name, label) = (lab::unique_name(), format!("--label={}", lab::LABEL));
        let image = if driver == "mysql" { lab::MYSQL } else { POSTGRESQL };
        let network = format!("--network={}", host.name);
        lab::docker(&[
            "run",
            "--detach",
            "--init",
            &label,
            "--name",
            &name,
            &network,
            "--entrypoint",
            "sleep",
            image,
            "infinity",
        ]);
        let form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = lab::docker(&["inspect", "--format", form, &name]);
        Self { name, address, driver }
    }

    fn exec(&self, script: &str) -> String {
        lab::docker(&["exec", &self.name, "bash", "-c", script])
    }

    /// Starts it, with the tracker's user and its empty database the first time.
    fn start(&self) {
        let literal = PASSWORD.replace('\'', "''");
        if self.driver == "mysql" {
            let literal = literal.replace('\\', "\\\\");
            self.write("/tmp/init.sql", &format!(
                "CREATE DATABASE IF NOT EXISTS torrust;\nCREATE USER IF NOT EXISTS 'tracker'@'%' IDENTIFIED BY '{literal}';\nGRANT ALL ON torrust.* TO 'tracker'@'%';\n"
            ));
            self.exec("d=/var/lib/mysql/data; [ -e $d ] || mysqld --initialize-insecure --user=mysql --datadir=$d --log-error=/tmp/log");
            self.spawn("exec mysqld --user=mysql --datadir=/var/lib/mysql/data --init-file=/tmp/init.sql --skip-log-bin --mysqlx=OFF --log-error=/tmp/log");
        } else {
            self.write("/tmp/init.sql", &format!("CREATE ROLE tracker LOGIN PASSWORD '{literal}';\nCREATE DATABASE torrust OWNER tracker;\n"));
            self.exec("d=/var/lib/postgresql/data/d; export PATH=$PATH:/usr/lib/postgresql/17/bin; [ -e $d ] || { chown postgres /var/lib/postgresql/data; \
                       setpriv --reuid postgres --regid postgres --clear-groups initdb -D $d -A trust >/dev/null && echo 'host all all all scram-sha-256' >>$d/pg_hba.conf; }");
            self.spawn("export PATH=$PATH:/usr/lib/postgresql/17/bin; exec setpriv --reuid postgres --regid postgres --clear-groups postgres -D /var/lib/postgresql/data/d -k /tmp -c listen_addresses='*' >/tmp/log 2>&1");
        }
        eventually("the server answers", || {
            lab::try_run("docker", &["exec", &self.name, "bash", "-c", &self.client("SELECT 1")]).is_ok()
        });
        if self.driver == "postgresql" {
            self.exec("psql -h /tmp -U postgres -f /tmp/init.sql 2>&1");
        }
    }

    fn stop(&self) {
        // PostgreSQL waits for its clients after TERM, and MySQL does not know INT.
        let (process, signal) = if self.driver == "mysql" { ("mysqld", "TERM") } else { ("postgres", "INT") };
        self.exec(&format!("for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" != {process} ] || kill -{signal} ${{p#/proc/}} 2>/dev/null || :; done"));
        eventually("the server is down", || {
            self.exec("cat /proc/[0-9]*/comm 2>/dev/null || :").lines().all(|name| name != process)
        });
    }

    /// Passwords and their like do not go through a shell.
    fn write(&self, path: &str, text: &str) {
        let file = std::env::temp_dir().join(format!("{}.sql", self.name));
        std::fs::write(&file, text).unwrap();
        lab::docker(&["cp", file.to_str().unwrap(), &format!("{}:{path}", self.name)]);
        self.exec(&format!("chmod 644 {path}"));
        std::fs::remove_file(file).unwrap();
    }

    fn spawn(&self, script: &str) {
        lab::docker(&["exec", "--detach", &self.name, "bash", "-c", script]);
    }

    /// The administrator's client.
    fn client(&self, statement: &str) -> String {
        if self.driver == "mysql" {
            format!("mysql --skip-column-names --execute \"{statement}\" torrust")
        } else {
            format!(
                "psql -h /tmp -U postgres -At -c \"{statement}\" $(psql -h /tmp -U postgres -At -c \"SELECT 'torrust' FROM pg_database WHERE datname = 'torrust'\")"
            )
        }
    }

    fn ask(&self, statement: &str) -> String {
        self.exec(&self.client(statement))
    }

    fn database(&self) -> Value {
        let port = if self.driver == "mysql" { 3306 } else { 5432 };
        json!({
            "driver": self.driver, "host": self.address, "port": port, "database_name": "torrust",
            "username": "tracker", "password": PASSWORD,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        lab::remove("container", &self.name);
    }
}

fn config(desk: &Desk, server: &Server, tracker: &str) -> Value {
    let mut config = desk.config();
    config["images"]["mysql"] = lab::MYSQL.into();
    config["images"]["postgresql"] = POSTGRESQL.into();
    config["images"]["tracker"] = tracker.into();
    config["tracker"]["core"]["database"] = server.database();
    config
}

fn change(desk: &Desk, config: &Value) {
    let file = desk.write("environment.json", &config.to_string());
    desk.run(&["update", &desk.name, "-f", &file]).ok();
}

/// Each fault is said as what it is, both where the stack does not start and in `test`.
fn deploys_once_the_server_is_right(desk: &Desk, host: &Host, server: &Server, right: &Value) {
    // Release 3.0.0 waits half a minute each time, and what says so is the same for both.
    if server.driver == "postgresql" {
        let failure = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
        failure.says(&["tracker", "refuses the connection: is the server running"]);
    }
    server.start();
    let mut wrong = right.clone();
    wrong["tracker"]["core"]["database"]["password"] = "not-the-password".into();
    change(desk, &wrong);
    let failure = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
    failure.says(&["is the password right?"]);
    change(desk, right);
    desk.deploy();
    let seen = host.exec("ps -eo args; docker ps --all --format '{{.Names}} {{.Command}}'");
    assert!(!seen.contains("p@s:s"), "{seen}");
    assert_eq!(host.exec("docker ps --all --format '{{.Names}}'"), "torrust-deployer-stack-tracker-1");
}

fn is_backed_up_and_never_overwritten(desk: &Desk, host: &Host) {
    let made = desk.run(&["backup", &desk.name, "create"]).ok();
    let verified = desk.run(&["backup", &desk.name, "verify", made["id"].as_str().unwrap()]).ok();
    let tables = verified["tables"].as_array().unwrap();
    assert!(
        tables.iter().any(|table| table["name"] == "keys" && table["live"] == table["restored"]),
        "{verified:#}"
    );
    let refused = desk.run(&["backup", &desk.name, "restore", "latest", "--force"]).fails("state_refused");
    refused.says(&["nothing there is replaced"]).helps("tar -xzO -f");
    assert_eq!(host.exec("docker ps --all --format '{{.Names}}'"), "torrust-deployer-stack-tracker-1");
}

#[test]
fn the_tracker_keeps_its_data_on_a_user_s_mysql_server() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let server = Server::beside(&host, "mysql");
    let right = config(&desk, &server, lab::TRACKER);
    desk.create(&right);
    desk.register(&host);
    deploys_once_the_server_is_right(&desk, &host, &server, &right);
    assert_checks(&desk.test(), "external MySQL: the tracker's user finds its tables", "passed", 1);
    is_backed_up_and_never_overwritten(&desk, &host);

    server.stop();
    let failed = desk.run(&["test", &desk.name]).fails("test_failed");
    failed.says(&["refuses the connection"]);
    let status = desk.run(&["status", &desk.name]).fails("status_bad");
    status.says(&["refuses the connection"]);
    server.start();
    let look = "cd /opt/torrust && python3 database/look.py";
    assert!(host.exec(look).contains("3 tables of the tracker"), "{}", host.exec(look));

    server.ask("DROP TABLE torrents, whitelist, torrust.keys");
    desk.run(&["test", &desk.name]).fails("test_failed").says(&["no tables of the tracker yet"]);
    host.exec("docker restart torrust-deployer-stack-tracker-1");
    eventually("the tracker makes its tables again", || server.ask("SHOW TABLES").contains("whitelist"));

    // Without the client's image the server's greeting is all there is.
    host.exec("docker rmi lab/mysql:9.7");
    let seen = host.exec(look);
    assert!(seen.starts_with("MySQL 9") && seen.contains("are not checked, because the image"), "{seen}");
    desk.run(&["destroy", &desk.name]).ok();
    assert!(server.ask("SHOW TABLES").contains("whitelist"), "destroy touched the user's server");
}

#[test]
fn a_user_s_mysql_server_gets_the_new_table_after_a_backup() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let server = Server::beside(&host, "mysql");
    server.start();
    desk.create(&config(&desk, &server, lab::TRACKER));
    desk.register(&host);
    desk.deploy();
    assert!(!server.ask("SHOW TABLES").contains("torrent_aggregate_metrics"));

    desk.run(&["update", &desk.name, "--image-tag", "schema-3"]).ok();
    let deployed = desk.deploy();
    let upgraded = deployed.to_string();
    assert!(upgraded.contains("torrent_aggregate_metrics"), "{deployed:#}");
    assert!(server.ask("SHOW TABLES").contains("torrent_aggregate_metrics"));
    assert!(host.succeeds("ls /opt/torrust/storage/backup/*.tar.gz.keep"), "no backup was made before");
    desk.test();
    desk.run(&["rollback", &desk.name]).ok();
    desk.test();
}

#[test]
fn the_tracker_keeps_its_data_on_a_user_s_postgresql_server() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let server = Server::beside(&host, "postgresql");
    let right = config(&desk, &server, lab::TRACKER_3);
    desk.create(&right);
    desk.register(&host);
    deploys_once_the_server_is_right(&desk, &host, &server, &right);
    assert_checks(&desk.test(), "external PostgreSQL: the tracker's user finds its tables", "passed", 1);
    is_backed_up_and_never_overwritten(&desk, &host);

    // Another kind of server at the same address.
    let mut other = right.clone();
    other["tracker"]["core"]["database"]["driver"] = "mysql".into();
    change(&desk, &other);
    let failure = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
    failure.says(&["is it MySQL?"]);
}

#[test]
fn a_tracker_without_database_and_api_is_deployed_and_gets_both_later() {
    let (desk, host, mut config) = Desk::with_running(|config| {
        config["images"]["tracker"] = lab::TRACKER_3.into();
        config["tracker"]["core"]["database"] = Value::Null;
        config["tracker"]["http_api"] = Value::Null;
    });
    let report = desk.test();
    let checks = report["checks"].to_string();
    assert!(!checks.contains("API 1212") && !checks.contains("SQLite"), "{checks}");
    let full = desk.run(&["test", &desk.name, "--suite", "full"]).ok();
    assert_checks(&full, "database: a value that was written survives", "skipped", 1);
    desk.run(&["status", &desk.name]).ok();
    desk.run(&["backup", &desk.name, "create"]).fails("state_refused").says(&["has no database"]);
    assert!(!host.succeeds("ls /opt/torrust/storage/tracker/lib/database/*"), "there is a database file");

    config["tracker"]["core"]["database"] = json!({ "driver": "sqlite3", "database_name": "tracker.db" });
    config["tracker"]["http_api"] = desk.config()["tracker"]["http_api"].clone();
    change(&desk, &config);
    desk.deploy();
    desk.test();
    config["tracker"]["core"]["database"] = Value::Null;
    let file = desk.write("environment.json", &config.to_string());
    let updated = desk.run(&["update", &desk.name, "-f", &file]).ok();
    assert!(updated["notes"].to_string().contains("stores nothing from now on"), "{updated:#}");
    desk.deploy();
    desk.test();
    assert!(
        host.succeeds("test -s /opt/torrust/storage/tracker/lib/database/tracker.db"),
        "the file is gone"
    );
}
