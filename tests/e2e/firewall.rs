//! The firewall as it really is, and sshd on a port that nobody connects to directly.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::desk::Desk;
use crate::host::{Host, eventually};
use crate::lab;

fn opens(address: &str, port: u16) -> bool {
    let address = SocketAddr::new(address.parse().unwrap(), port);
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

#[test]
fn what_is_not_deployed_is_closed() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    host.exec("ufw --force disable");
    host.spawn("python3 -m http.server 8099");
    eventually("the other server answers", || opens(&host.address, 8099));
    desk.create(&desk.config());
    desk.register(&host);
    desk.run(&["deploy", &desk.name])
        .fails("state_refused")
        .says(&["8099/tcp (python3)"])
        .helps("--keep-open 8099/tcp");
    assert!(opens(&host.address, 8099), "refused, and yet closed");
    desk.run(&["deploy", &desk.name, "--keep-open", "8099"]).ok();
    assert!(opens(&host.address, 8099), "kept open, and yet closed");
    desk.run(&["deploy", &desk.name, "--keep-open", "none", "--close-others"]).ok();
    let status = host.exec("ufw status");
    assert!(status.starts_with("Status: active"), "{status}");
    assert!(!opens(&host.address, 8099), "a port is open that nobody asked for");
    assert!(opens(&host.address, 7070) && opens(&host.address, 22));
    assert!(
        !host.succeeds("systemctl is-active torrust-tracker-firewall-rollback.timer"),
        "the rollback is still armed"
    );
    desk.test();
}

#[test]
fn sshd_behind_a_port_mapping_is_not_locked_out() {
    let desk = Desk::new();
    let host = Host::without_images(&desk, &["--publish=127.0.0.1::2222"]);
    host.exec("ufw --force reset; echo Port 2222 >/etc/ssh/sshd_config.d/port.conf; systemctl restart ssh");
    let mapped = lab::docker(&["port", &host.name, "2222"]);
    let port = mapped.rsplit(':').next().unwrap();
    desk.create(&desk.config());
    desk.run(&["register", &desk.name, "--instance-ip", "127.0.0.1", "--ssh-port", port]).ok();
    desk.run(&["configure", &desk.name]).ok();
    let status = host.exec("ufw status");
    assert!(status.starts_with("Status: active") && status.contains("2222/tcp"), "{status}");
    assert!(!status.contains(port), "the port in front of the mapping is not the host's: {status}");
    // A new connection, through the firewall.
    let again = desk.run(&["configure", &desk.name]).ok();
    assert_eq!(again["changed"], false, "{again:#}");
}

#[test]
fn firewall_of_the_owner_keeps_its_rule_for_ssh() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    host.exec("ufw --force reset; ufw allow from 198.18.0.0/15 to any port 22 proto tcp; ufw --force enable");
    host.spawn("python3 -m http.server 8099");
    desk.create(&desk.config());
    desk.register(&host);
    let result = desk.run(&["configure", &desk.name, "--keep-open", "8099"]).ok();
    let added = serde_json::json!(["allow 6969/udp", "allow 7070/tcp", "allow 1212/tcp", "allow 8099/tcp"]);
    assert_eq!(result["firewall"]["added"], added);
    let rules = host.exec("ufw show added");
    assert!(rules.contains("198.18.0.0/15 to any port 22") && !rules.contains("allow 22/tcp"), "{rules}");
    eventually("the other server answers", || opens(&host.address, 8099));
    let closed = desk.run(&["configure", &desk.name, "--keep-open", "none"]).ok();
    assert_eq!(closed["firewall"]["removed"], serde_json::json!(["allow 8099/tcp"]));
}
