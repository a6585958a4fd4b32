//! Configurations of the tracker through the whole real stack.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::desk::{Desk, assert_checks};
use crate::host::Host;
use crate::lab;

/// The tracker's API, asked without any code of the program's own.
pub struct Api {
    address: String,
    token: String,
}

impl Api {
    pub fn of(desk: &Desk, host: &Host) -> Self {
        let token =
            desk.stored()["config"]["tracker"]["http_api"]["admin_token"].as_str().unwrap().to_owned();
        Self { address: format!("{}:1212", host.address), token }
    }

    pub fn ask(&self, method: &str, path: &str) -> String {
        let encode = |encoded: String, byte| encoded + &format!("%{byte:02X}");
        let token = self.token.bytes().fold(String::new(), encode);
        get(
            &self.address,
            &format!("{method} /api/v1/{path}?token={token} HTTP/1.0\r\nContent-Length: 0\r\n\r\n"),
        )
    }

    /// Makes a key for peers of a private tracker.
    pub fn post_key(&self) -> String {
        let answer = self.ask("POST", "key/3600");
        let key = answer.split_once("\"key\":\"").unwrap_or_else(|| panic!("no key in {answer}")).1;
        key.split('"').next().unwrap().to_owned()
    }
}

/// One HTTP request as it is written, and the whole answer.
pub fn get(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Three environments take turns on one host: each releases its own token.
#[test]
fn any_token_opens_the_api() {
    let mut desk = Desk::new();
    let host = Host::configured(&desk);
    for token in [r#"a"b\c$d'e #f%{}"#, "true", "0123"] {
        desk.name = lab::unique_name();
        let mut config = desk.config();
        config["tracker"]["http_api"]["admin_token"] = json!(token);
        desk.create(&config);
        desk.register(&host);
        desk.deploy();
        desk.test();
        let answer = Api::of(&desk, &host).ask("GET", "stats");
        assert!(answer.contains(" 200 ") && answer.contains("\"torrents\""), "{token}: {answer}");
        desk.run(&["destroy", &desk.name]).ok();
    }
}

#[test]
fn a_private_tracker_takes_only_peers_with_a_key() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let mut config = desk.config();
    config["tracker"]["core"]["private"] = json!(true);
    // Over IPv6 alone: healthy in its container, and asked from here where it listens.
    config["tracker"]["health_check_api"] = json!({ "bind_address": "[::]:1313" });
    desk.create(&config);
    desk.register(&host);
    desk.deploy();
    let report = desk.test();
    assert_checks(&report, "UDP tracker 6969", "skipped", 1);
    assert_checks(&report, "HTTP tracker 7070: refuses an announce without a key", "passed", 1);
    assert_checks(&report, "health-check API: health", "passed", 1);
    assert!(TcpStream::connect((host.address.as_str(), 1313)).is_err(), "it answers over IPv4, too");

    let announce = |key: &str| {
        let peer = "info_hash=%3B%24U%04%CF%5F%11%BB%DB%E1%20%1C%EAjk%F4Z%EE%1B%C0&peer_id=-qB00000000000000001&port=9&uploaded=0&downloaded=0&left=0";
        get(&format!("{}:7070", host.address), &format!("GET /announce{key}?{peer} HTTP/1.0\r\n\r\n"))
    };
    assert!(announce("").contains("failure reason"));
    let key = Api::of(&desk, &host).post_key();
    let taken = announce(&format!("/{key}"));
    assert!(taken.contains("8:intervali"), "{taken}");
}
