//! What crosses the network between the operator and the host, as someone in between sees it.

use std::fmt::Write as _;

use serde_json::json;

use crate::desk::{Desk, assert_checks};
use crate::host::{Host, eventually};
use crate::{lab, monitoring};

const TOKEN: &str = "vE4ixM2uTq0Zk9sLw7RbNcYd";
const NEXT_TOKEN: &str = "Yd7RbNcsLw0Zk9TqE4ixM2uv";
const PASSWORD: &str = "Zk9sLw7RbNcYdvE4";
/// What the checks send on purpose: whoever sees it sees the rest, too.
const NO_SECRETS: [&str; 2] = ["not-the-token", "nobody-of-this-name:not-the-password"];

/// Reads every packet of the host's network device until it is killed, and writes down what was found in any.
const SNIFF: &str = r#"
import base64, socket, sys, urllib.parse
device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
device.bind(("eth0", 0))
device.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
forms = {}
for text in sys.argv[1:]:
    for form in (text.encode(), urllib.parse.quote(text, safe="").encode(), base64.b64encode(text.encode())):
        forms[form] = text
found, log = set(), open("/tmp/found", "w")
print("listening", file=log, flush=True)
while packet := device.recv(65535):
    for form, text in forms.items():
        if text not in found and form in packet:
            found.add(text)
            print(text, file=log, flush=True)
"#;

/// A listener on the host's network device.
struct Sniffer<'h> {
    host: &'h Host,
    process: String,
}

impl<'h> Sniffer<'h> {
    fn start(host: &'h Host, texts: &[&str]) -> Self {
        let mut script = format!("python3 -c '{SNIFF}'");
        for text in texts {
            let _ = write!(script, " '{text}'");
        }
        let process = host.spawn(&script);
        eventually("the sniffer listens", || host.succeeds("grep -q listening /tmp/found"));
        Self { host, process }
    }

    /// What was seen in any packet.
    fn seen(&self) -> String {
        self.host.exec("cat /tmp/found")
    }
}

impl Drop for Sniffer<'_> {
    fn drop(&mut self) {
        let _ = lab::try_run("docker", &["exec", &self.host.name, "kill", self.process.trim()]);
    }
}

#[test]
fn no_secret_crosses_the_network_in_clear_text() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let mut config = monitoring::config(&desk);
    config["tracker"]["http_api"]["admin_token"] = json!(TOKEN);
    config["tracker"]["core"]["private"] = json!(true);
    config["grafana"]["admin_password"] = json!(PASSWORD);
    desk.create(&config);
    desk.register(&host);
    desk.deploy();

    let login = format!("operator:{PASSWORD}");
    let secrets = [TOKEN, NEXT_TOKEN, PASSWORD, &login];
    let sniffer = Sniffer::start(&host, &[&secrets[..], &NO_SECRETS].concat());
    let report = desk.test();
    assert_checks(&report, "API 1212", "passed", 3);
    assert_checks(&report, "Grafana 3000", "passed", 4);
    desk.run(&["status", &desk.name]).ok();
    desk.run(&["test", &desk.name, "--suite", "full", "--timeout", "30"]).ok();
    desk.run(&["test", &desk.name, "--suite", "performance", "--rate", "20", "--seconds", "1"]).ok();
    config["tracker"]["http_api"]["admin_token"] = json!(NEXT_TOKEN);
    let file = desk.write("environment.json", &config.to_string());
    desk.run(&["deploy", "-f", &file]).ok();
    desk.run(&["run", &desk.name]).ok();
    desk.run(&["rollback", &desk.name]).ok();

    let seen = sniffer.seen();
    for text in NO_SECRETS {
        assert!(seen.contains(text), "the sniffer missed {text}: {seen}");
    }
    for secret in secrets {
        assert!(!seen.contains(secret), "a secret was seen: {seen}");
    }
}

#[test]
fn api_on_loopback_is_closed_to_others_and_checked_over_ssh() {
    let (desk, host, _) = Desk::with_running(|config| {
        config["tracker"]["http_api"]["bind_address"] = json!("127.0.0.1:1212");
        config["tracker"]["core"]["private"] = json!(true);
    });
    let report = desk.run(&["test", &desk.name, "--suite", "full", "--timeout", "30"]).ok();
    assert_eq!(report["failed"], 0, "{report:#}");
    assert_checks(&report, "API 1212", "passed", 3);
    assert_checks(&report, "TCP ports 1-65535 over IPv4: none is open but 22, 7070", "passed", 1);
    assert_checks(&report, "HTTP tracker 7070 over IPv4: two peers find each other by a key", "passed", 1);
    let ask =
        "import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:1212/api/health_check\").read())";
    let answer = host.exec(&format!("python3 -c '{ask}'"));
    assert!(answer.contains("Ok"), "{answer}");
    let shown = desk.run_in_text(&["show", &desk.name]);
    assert!(shown.out.contains("-N -L 1212:127.0.0.1:1212"), "{}", shown.out);

    // A forwarding ban on the host changes nothing: it is the host that asks.
    host.exec("echo 'AllowTcpForwarding no' >/etc/ssh/sshd_config.d/00-test.conf; systemctl reload ssh");
    assert_checks(&desk.test(), "API 1212", "passed", 3);
}
