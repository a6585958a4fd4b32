//! Secrets that are changed between two releases, and the way back.

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;
use crate::tracker::get;

/// Changes both secrets that the configuration refers to.
fn change_secrets(desk: &Desk, word: &str) {
    desk.write("token", &format!("the-{word}-token-of-24-characters"));
    desk.write("password", &format!("the {word} password"));
}

fn file(desk: &Desk, config: &Value) -> String {
    desk.write("new.json", &config.to_string())
}

/// Whether the API opens with this token.
fn opens(host: &Host, word: &str) -> bool {
    let path = format!("/api/v1/stats?token=the-{word}-token-of-24-characters");
    get(&format!("{}:1212", host.address), &format!("GET {path} HTTP/1.0\r\n\r\n")).contains(" 200 ")
}

#[test]
fn rollbacks_keep_the_secrets_of_today() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let mut config = desk.config();
    config["images"]["mysql"] = lab::MYSQL.into();
    config["tracker"]["http_api"]["admin_token"] = json!({ "file": desk.path("token") });
    config["tracker"]["core"]["database"] = json!({
        "driver": "mysql", "host": "mysql", "port": 3306, "database_name": "tracker", "username": "tracker",
        "password": { "file": desk.path("password") },
    });
    change_secrets(&desk, "first");
    desk.create(&config);
    desk.register(&host);
    desk.deploy();

    change_secrets(&desk, "second");
    let first = desk.stored()["config"].clone();
    config["tracker"]["core"]["announce_policy"] = json!({ "interval": 600, "interval_min": 300 });
    desk.run(&["deploy", "-f", &file(&desk, &config)]).ok();
    assert!(opens(&host, "second") && !opens(&host, "first"));

    let back = desk.run(&["rollback", &desk.name]).ok();
    assert_eq!((&back["put_back"], &back["secrets_of_today"]), (&json!(1), &json!(true)));
    assert_eq!(desk.stored()["config"]["tracker"], first["tracker"]);
    desk.test();
    assert!(opens(&host, "second") && !opens(&host, "first"), "the old token is in force again");
    assert_eq!(desk.run(&["deploy", &desk.name]).ok()["changed"], false);

    change_secrets(&desk, "third");
    config["images"]["tracker"] = "lab/debian:trixie".into();
    let failure = desk.run(&["deploy", "-f", &file(&desk, &config)]).fails("service_unhealthy");
    failure.says(&["release 3 is back (as release 5) with the secrets of today, and it is healthy"]);
    desk.test();
    assert!(opens(&host, "third") && !opens(&host, "second"));
    let files = host.exec("cat /opt/torrust/.env /opt/torrust/storage/mysql/etc/client.cnf");
    assert!(files.contains("the third password") && !files.contains("second"), "another one's password");
}
