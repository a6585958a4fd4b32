//! The stack with MySQL: the real server, and the real tracker as its only client.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{Desk, assert_checks};
use crate::host::{Host, eventually};
use crate::lab;
use crate::tracker::Api;

const PASSWORD: &str = r#" p@ss:w/o#r'd" \ $x ${HOME} `y` 100% Ωé🔑"#;

/// A configuration with names and a password that mean something to YAML, TOML, SQL, a shell and a URL.
fn config(desk: &Desk) -> Value {
    let mut config = desk.config();
    config["images"]["mysql"] = lab::MYSQL.into();
    config["tracker"]["core"]["database"] = json!({
        "driver": "mysql", "host": "mysql", "port": 3307, "database_name": r#"tr_a%ck`er'" x"#,
        "username": "tra@ck:er'u", "password": PASSWORD,
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

fn restart_the_server(host: &Host) {
    host.exec("docker restart torrust-deployer-stack-mysql-1");
    eventually("MySQL is healthy again", || {
        host.exec("docker inspect --format '{{.State.Health.Status}}' torrust-deployer-stack-mysql-1")
            == "healthy"
    });
}

/// What lies in its folder and is not a server's outlives all the starts that Docker makes.
fn refuses_what_is_not_its_own(desk: &Desk, host: &Host, data: &str) {
    host.exec(&format!("install -d -o 999 -g 999 {data}; echo mine >{data}/ibdata1"));
    let failure = desk.run(&["deploy", &desk.name]).fails("service_unhealthy");
    failure.says(&[
        "torrust-deployer-stack-mysql-1",
        "storage/mysql/data is not empty, and no MySQL data of ours: there is ibdata1",
    ]);
    let starts = || host.exec("docker inspect --format '{{.RestartCount}}' torrust-deployer-stack-mysql-1");
    eventually("MySQL is started a third time", || starts().parse::<u32>().unwrap() >= 2);
    assert_eq!(host.exec(&format!("ls -A {data}; cat {data}/ibdata1")), "ibdata1\nmine");
    host.exec(&format!("cd /opt/torrust; docker compose down; rm {data}/ibdata1"));
}

#[test]
fn the_tracker_keeps_its_data_in_mysql() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.create(&config(&desk));
    desk.register(&host);
    let data = "/opt/torrust/storage/mysql/data";
    refuses_what_is_not_its_own(&desk, &host, data);
    // A first start that was cut off.
    host.exec(&format!("install -d -o 999 -g 999 {data}; cd {data}; touch .unfinished ibdata1; chown 999:999 .unfinished ibdata1"));
    desk.deploy();
    assert_checks(&desk.test(), "MySQL", "passed", 1);
    for port in [3306, 3307, 33060] {
        let address = format!("{}:{port}", host.address).parse().unwrap();
        assert!(TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_err(), "{port} is open");
    }
    let seen =
        host.exec("ps -eo args; docker inspect torrust-deployer-stack-mysql-1 torrust-deployer-stack-tracker-1 --format '{{.Config.Cmd}}'");
    assert!(!seen.contains("p@ss"), "{seen}");

    let api = Api::of(&desk, &host);
    api.post_key();
    restart_the_server(&host);
    api.post_key();

    set_password(&desk, "another one: ';--\\");
    assert_eq!(desk.deploy()["changed"], true);
    desk.test();
    let keys = "docker compose exec -T mysql mysql --defaults-file=/etc/torrust/mysql/client.cnf -N -e 'SELECT COUNT(*) FROM `keys`'";
    assert_eq!(host.exec(&format!("cd /opt/torrust; {keys}")), "2", "keys are lost");

    host.exec(&format!(
        "cd /opt/torrust; docker compose down; chown root:root {data}/mysql.ibd; chmod 600 {data}/mysql.ibd"
    ));
    let failure = desk.run(&["run", &desk.name]).fails("service_unhealthy");
    failure.says(&["torrust-deployer-stack-mysql-1", "[ERROR]", "mysql.ibd"]);
    host.exec(&format!("chown 999:999 {data}/mysql.ibd"));
    desk.deploy();
    desk.test();
}
