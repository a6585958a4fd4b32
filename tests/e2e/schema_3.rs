//! The lab's strict stand-in for the tracker after release 3.0.0, by itself: what it refuses, serves and counts.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::Value;

use crate::host::eventually;
use crate::lab;
use crate::tracker::get;

const OVERRIDE: &str = "TORRUST_TRACKER_CONFIG_OVERRIDE_";
const TOKEN: &str = "a-token-of-24-characters";

/// A configuration with every service, its metrics and no database.
const SERVING: &str = r#"
[metadata]
schema_version = "3.0.0"
[logging]
trace_filter = "info"
[core]
listed = false
private = false
[udp_tracker_server]
max_connection_id_errors_per_ip = 3
[[udp_trackers]]
bind_address = "0.0.0.0:6969"
tracker_usage_statistics = true
public_url = "udp://tracker.lab.test:6969/announce"
[[http_trackers]]
bind_address = "0.0.0.0:7070"
tracker_usage_statistics = true
[[http_trackers]]
bind_address = "0.0.0.0:7071"
[http_trackers.network]
on_reverse_proxy = true
[http_api]
bind_address = "0.0.0.0:1212"
[http_api.access_tokens]
admin = "a-token-of-24-characters"
second = "another-one-of-the-same"
[health_check_api]
bind_address = "0.0.0.0:1313"
"#;

/// A container of the stand-in, which goes when the value goes.
struct StandIn {
    name: String,
    address: String,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        lab::remove("container", &self.name);
    }
}

impl StandIn {
    fn start(toml: &str) -> Self {
        lab::ready();
        let (name, toml) = (lab::unique_name(), format!("TORRUST_TRACKER_CONFIG_TOML={toml}"));
        lab::docker(&[
            "run",
            "--detach",
            "--label",
            lab::LABEL,
            "--name",
            &name,
            "--env",
            &toml,
            lab::TRACKER_3,
        ]);
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = lab::docker(&["inspect", "--format", format, &name]);
        let made = Self { name, address };
        eventually("the stand-in is healthy", || {
            made.asked(1313, "/health_check").contains("\"status\":\"Ok\"")
        });
        made
    }

    /// The answer to a GET, empty where nobody listens yet.
    fn asked(&self, port: u16, path: &str) -> String {
        let at = format!("{}:{port}", self.address);
        if TcpStream::connect(&at).is_err() {
            return String::new();
        }
        get(&at, &format!("GET {path} HTTP/1.0\r\n\r\n"))
    }

    fn metrics(&self) -> String {
        self.asked(1212, &format!("/api/v1/metrics?format=prometheus&token={TOKEN}"))
    }

    /// Connects and announces over UDP, with the connection id of the answer or a wrong one.
    fn announces(&self, right: bool) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket.connect((self.address.as_str(), 6969)).unwrap();
        let answer = |request: &[u8]| {
            let mut answer = vec![0; 1500];
            socket.send(request).unwrap();
            let length = socket.recv(&mut answer).ok()?;
            answer.truncate(length);
            Some(answer)
        };
        let connected = answer(&[&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 8]].concat())?;
        let id = if right { &connected[8..] } else { &[1; 8] };
        let peer = [b"-XX0001-000000000001".as_slice(), &[0; 24], &[0, 0, 0, 2], &[0; 8], &[255; 4], &[0, 9]]
            .concat();
        answer(&[id, &[0, 0, 0, 1, 0, 0, 0, 7], b"info-hash-of-20-byte", &peer].concat())
    }
}

const REFUSAL: &str = "Tracker startup failed: ";

/// Starts it with the file and variables; its exit code, and why it does not start.
fn refused(toml: &str, variables: &[(&str, &str)]) -> (String, String) {
    let name = lab::unique_name();
    let mut args =
        vec!["create".to_owned(), "--label".into(), lab::LABEL.into(), "--name".into(), name.clone()];
    args.extend(["--env".into(), format!("TORRUST_TRACKER_CONFIG_TOML={toml}")]);
    for (variable, value) in variables {
        args.extend(["--env".into(), format!("{OVERRIDE}{variable}={value}")]);
    }
    args.push(lab::TRACKER_3.into());
    lab::docker(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let said = lab::run("sh", &["-c", &format!("docker start --attach {name} 2>&1 || :")]);
    let code = lab::docker(&["inspect", "--format", "{{.State.ExitCode}}", &name]);
    lab::remove("container", &name);
    // Its log is another stream, whose lines may come later.
    (code, said.lines().find(|line| line.starts_with(REFUSAL)).unwrap_or_default().to_owned())
}

#[test]
fn stand_in_refuses_wrong_files_as_the_tracker_does() {
    lab::ready();
    let good = SERVING.replace("max_connection_id_errors_per_ip = 3\n", "");
    let of_schema_2 = good.replace("3.0.0", "2.0.0").replace("trace_filter", "threshold");
    let three_tables = "/tmp/three.db";
    for (toml, variables, words) in [
        (of_schema_2, vec![], "Missing mandatory configuration option. Option path: logging.trace_filter"),
        (
            good.replace("[udp_tracker_server]", "[core.net]\non_reverse_proxy = true"),
            vec![],
            "unknown field: found `net`",
        ),
        (good.clone(), vec![("HTTP_API__ACCESS_TOKENS__ADMIN", "0123")], "invalid type"),
        (
            good.clone(),
            vec![("CORE__LISTED", "true")],
            "Configuration requires persistence for `core.listed`",
        ),
        (good.clone(), vec![("CORE__DATABASE__PATH", "/nowhere/x.db")], "unable to open database file"),
        (
            good.clone(),
            vec![("CORE__DATABASE__DRIVER", "mysql"), ("CORE__DATABASE__PATH", "mysql://a:b@mysql/c")],
            "network database configuration does not accept the `path` field",
        ),
        (
            good.replace("0.0.0.0:7071", "0.0.0.0:7070"),
            vec![("CORE__DATABASE__PATH", three_tables)],
            "could not bind",
        ),
    ] {
        let (code, said) = refused(&toml, &variables);
        assert!(
            code == "1" && said.starts_with("Tracker startup failed: ") && said.contains(words),
            "{code}: {said}"
        );
    }
}

#[test]
fn stand_in_serves_and_counts_as_the_tracker_does() {
    let tracker = StandIn::start(SERVING);
    let before = tracker.metrics();
    assert!(!before.contains("_requests_accepted_total{request_kind=\"announce\""), "{before}");

    let announced = tracker.announces(true).unwrap();
    assert_eq!(&announced[..8], [0, 0, 0, 1, 0, 0, 0, 7], "{announced:?}");
    let peer =
        "info_hash=info-hash-of-20-byte&peer_id=-XX0001-000000000002&port=10&uploaded=0&downloaded=0&left=0";
    let direct = tracker.asked(7070, &format!("/announce?{peer}"));
    assert!(direct.contains("8:intervali120e"), "{direct}");
    let by_proxy = tracker.asked(7071, &format!("/announce?{peer}"));
    assert!(by_proxy.contains("right most X-Forwarded-For"), "{by_proxy}");
    let wished = tracker.asked(7070, &format!("/announce?{peer}&ip=203.0.113.5"));
    assert!(wished.contains("failure reason"), "{wished}");

    let metrics = tracker.metrics();
    for line in [
        "request_kind=\"announce\"",
        "public_url=\"udp://tracker.lab.test:6969/announce\"",
        "http_tracker_core_requests_received_total{",
        "swarm_coordination_registry_torrents_total 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(
        !metrics.contains("server_binding_port=\"7071\""),
        "without its flag it counts nothing: {metrics}"
    );
}

#[test]
fn stand_in_drops_a_client_with_too_many_wrong_ids() {
    let tracker = StandIn::start(SERVING);
    for _ in 0..4 {
        assert_eq!(tracker.announces(false).unwrap()[..4], [0, 0, 0, 3]);
    }
    assert!(tracker.announces(true).is_none(), "a banned address is answered");
    let metrics = tracker.metrics();
    assert!(metrics.contains("udp_tracker_server_ips_banned_total 1"), "{metrics}");
    assert!(metrics.contains("udp_tracker_server_requests_banned_total{"), "{metrics}");
}

#[test]
fn stand_in_answers_the_api_as_the_tracker_does() {
    let tracker = StandIn::start(SERVING);
    let ask = |method: &str, path: &str, header: &str| {
        let mut stream = TcpStream::connect((tracker.address.as_str(), 1212)).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\n{header}Content-Length: 0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for (path, header, words) in [
        ("/api/v1/stats", "", "500 Internal Server Error"),
        ("/api/v1/stats", "Authorization: Basic x\r\n", "unknown token provided"),
        ("/api/v1/stats?token=wrong", "", "token not valid"),
        ("/api/v1/stats?token=wrong", bearer.as_str(), "200 OK"),
        ("/api/v1/stats?token=another-one-of-the-same", "", "\"completed_persisted_enabled\":false"),
    ] {
        let answer = ask("GET", path, header);
        assert!(answer.contains(words), "{path} {header}: {answer}");
    }
    let hash = "/api/v1/whitelist/0000000000000000000000000000000000000000";
    assert!(ask("POST", hash, &bearer).contains("409 Conflict"));
    assert!(ask("POST", "/api/v1/key/60", &bearer).contains("409 Conflict"));
    let report = tracker.asked(1313, "/health_check");
    let report: Value = serde_json::from_str(report.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(report["details"].as_array().unwrap().len(), 4, "{report:#}");

    lab::docker(&["stop", "--time", "10", &tracker.name]);
    assert_eq!(lab::docker(&["inspect", "--format", "{{.State.ExitCode}}", &tracker.name]), "0");
    let log = lab::docker(&["logs", &tracker.name]);
    assert!(log.contains("lab stand-in"), "{log}");
}
