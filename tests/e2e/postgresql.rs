//! The stack with PostgreSQL: the real server, and a tracker of schema 3.0.0 as its only client.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{Desk, Ran, assert_checks};
use crate::host::{Host, eventually};
use crate::lab;
use crate::tracker::{Api, get};

/// Every printable character of ASCII, a blank at either end, and some that are not ASCII. A `%` before two hexadecimal
/// digits is refused: the tracker would change it.
const PASSWORD: &str = r##" !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~ ${HOME} Ωé🔑 "##;

/// A configuration with names and a password that mean something to YAML, TOML, SQL, a shell and a connection string.
fn config(desk: &Desk) -> Value {
    let mut config = desk.config();
    config["images"]["tracker"] = lab::TRACKER_3.into();
    config["images"]["postgresql"] = lab::POSTGRESQL.into();
    // Only a private tracker has keys.
    config["tracker"]["core"]["private"] = true.into();
    config["tracker"]["core"]["database"] = json!({
        "driver": "postgresql", "host": "postgresql", "port": 5433, "database_name": r#"host=x tr_a%ck`er'" "#,
        "username": "tra@ck:er'u\"", "password": PASSWORD,
    });
    config
}

fn set_password(desk: &Desk, password: &str) {
    let mut config = config(desk);
    config["tracker"]["core"]["database"]["password"] = password.into();
    let file = desk.write("environment.json", &config.to_string());
    let updated = desk.run(&["update", &desk.name, "-f", &file]).ok();
    assert_eq!(updated["to_run"], json!(["release", "run"]), "{updated:#}");
}

/// How many keys the database has, asked as the tracker's user.
fn keys(host: &Host) -> String {
    let ask =
        "exec -T postgresql sh /etc/torrust/postgresql/client.sh psql --no-psqlrc --tuples-only --no-align";
    host.exec(&format!(
        "docker compose --project-directory /opt/torrust {ask} --command 'SELECT count(*) FROM keys'"
    ))
}

fn restart_the_server(host: &Host) {
    host.exec("docker restart torrust-deployer-stack-postgresql-1");
    eventually("PostgreSQL is healthy again", || {
        host.exec("docker inspect --format '{{.State.Health.Status}}' torrust-deployer-stack-postgresql-1")
            == "healthy"
    });
}

/// What is in its folder and is not a server's survives all the starts that Docker makes.
fn refuses_what_is_not_its_own(desk: &Desk, host: &Host, data: &str) {
    host.exec(&format!("install -d -o 999 -g 999 {data}; echo mine >{data}/ibdata1"));
    let failure = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
    failure
        .says(&["torrust-deployer-stack-postgresql-1", "holds no PostgreSQL data of ours: it has ibdata1"]);
    assert_eq!(host.exec(&format!("ls -A {data}; cat {data}/ibdata1")), "ibdata1\nmine");
    host.exec(&format!("cd /opt/torrust; docker compose down; rm {data}/ibdata1"));
}

#[test]
fn the_tracker_keeps_its_data_in_postgresql() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.create(&config(&desk));
    desk.register(&host);
    let data = "/opt/torrust/storage/postgresql/data";
    refuses_what_is_not_its_own(&desk, &host, data);
    // An interrupted first start.
    host.exec(&format!(
        "install -d -o 999 -g 999 {data} {data}/cluster.unfinished {data}/cluster.unfinished/base"
    ));
    desk.deploy();
    assert_checks(&desk.test(), "PostgreSQL", "passed", 1);
    for port in [5432, 5433] {
        let address = format!("{}:{port}", host.address).parse().unwrap();
        assert!(TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_err(), "{port} is open");
    }
    let seen = host.exec(
        "ps -eo args; docker inspect torrust-deployer-stack-postgresql-1 torrust-deployer-stack-tracker-1 --format '{{.Config.Cmd}}'; docker logs torrust-deployer-stack-postgresql-1 2>&1",
    );
    assert!(!seen.contains("23456789:;"), "{seen}");
    let volumes = host.exec("docker volume ls --quiet --filter dangling=false | wc -l");

    let api = Api::of(&desk, &host);
    announce(&host, &post_key(&api, &host, "1"));
    restart_the_server(&host);
    post_key(&api, &host, "2");

    set_password(&desk, "another one: ';--\\");
    assert_eq!(desk.deploy()["changed"], true);
    desk.test();
    assert_eq!(keys(&host), "2", "keys are lost");
    assert_eq!(host.exec("docker volume ls --quiet --filter dangling=false | wc -l"), volumes);

    host.exec(&format!("cd /opt/torrust; docker compose down; chown -R root:root {data}/cluster"));
    let failure = desk.run(&["run", &desk.name]).fails("service_unhealthy");
    failure.says(&[
        "torrust-deployer-stack-postgresql-1",
        "user 999 cannot read storage/postgresql/data/cluster",
    ]);
    host.exec(&format!("chown -R 999:999 {data}/cluster"));
    desk.deploy();
    desk.test();
}

fn backup(desk: &Desk, args: &[&str]) -> Ran {
    desk.run(&[&["backup", &desk.name], args].concat())
}

fn create(desk: &Desk) -> String {
    backup(desk, &["create"]).ok()["id"].as_str().unwrap().to_owned()
}

#[test]
fn postgresql_comes_back_too() {
    let desk = Desk::new();
    let mut config = config(&desk);
    config["backup"] = json!({});
    let host = Host::configured(&desk);
    desk.create(&config);
    desk.register(&host);
    desk.deploy();
    let api = Api::of(&desk, &host);
    let first = post_key(&api, &host, "1");
    let one = create(&desk);
    post_key(&api, &host, "2");
    let verified = backup(&desk, &["verify", &one]).ok();
    let tables = verified["tables"].as_array().unwrap();
    let found = tables.iter().find(|table| table["name"] == "keys");
    assert_eq!(*found.unwrap(), json!({ "name": "keys", "archive": 1, "restored": 1, "live": 2 }));
    let restored = backup(&desk, &["restore", &one, "--force"]).ok();
    assert_eq!((&restored["rows"]["keys"], keys(&host).as_str()), (&json!(1), "1"));
    assert!(restored["safety_copy"].is_string(), "{restored}");
    desk.test();
    let seen = host.exec("docker ps --all --format '{{.Names}}'; ls /opt/torrust/storage/postgresql");
    assert!(!seen.contains("scratch") && !seen.contains("restore"), "{seen}");

    post_key(&api, &host, "2");
    restores_that_go_wrong(&desk, &host, &one);
    let destroyed = desk.run(&["destroy", &desk.name, "--backup"]).ok();
    let last = desk.path(destroyed["backup"].as_str().unwrap()).display().to_string();
    let dump = lab::run("tar", &["-xzOf", &last, "storage/postgresql/dump.sql"]);
    assert!(dump.contains(&first), "the key is in the last backup");

    // An empty server with another password.
    desk.run(&["purge", &desk.name, "--force"]).ok();
    host.exec("find /opt/torrust/storage -mindepth 1 -delete");
    config["tracker"]["core"]["database"]["password"] = "another one: ';--\\".into();
    desk.create(&config);
    desk.register(&host);
    desk.deploy();
    assert_eq!(keys(&host), "0");
    let moved = backup(&desk, &["restore", "--from", &last, "--force"]).ok();
    assert_eq!((&moved["rows"]["keys"], keys(&host).as_str()), (&json!(1), "1"));
    desk.test();
}

/// A peer with a key is told of the swarm.
fn announce(host: &Host, key: &str) {
    let peer = "info_hash=%3B%24U%04%CF%5F%11%BB%DB%E1%20%1C%EAjk%F4Z%EE%1B%C0&peer_id=-qB00000000000000001&port=9&uploaded=0&downloaded=0&left=0";
    let answer =
        get(&format!("{}:7070", host.address), &format!("GET /announce/{key}?{peer} HTTP/1.0\r\n\r\n"));
    assert!(answer.contains("8:intervali"), "{answer}");
}

/// A key, which the database has in the end; `count` is how many it has then.
fn post_key(api: &Api, host: &Host, count: &str) -> String {
    let key = api.post_key();
    eventually("the key is in the database", || keys(host) == count);
    key
}

fn restores_that_go_wrong(desk: &Desk, host: &Host, id: &str) {
    // It fails from outside: the previous database comes back.
    let block =
        |how: &str| host.exec(&format!("iptables -t raw {how} PREROUTING -p tcp --dport 7070 -j DROP"));
    block("-I");
    let failure = backup(desk, &["restore", id, "--force"]).fails("backup_failed");
    failure.says(&["the one from before", "7070"]);
    block("-D");
    assert_eq!(keys(host), "2");

    // A server that cannot start does not prevent a restore.
    let data = "/opt/torrust/storage/postgresql/data";
    host.exec(&format!(
        "cd /opt/torrust; docker compose stop; chown -R root:root {data}; chmod -R 600 {data}"
    ));
    let forced = backup(desk, &["restore", id, "--force", "--without-safety-copy"]).ok();
    assert_eq!((&forced["rows"]["keys"], keys(host).as_str()), (&json!(1), "1"));
}
