//! What answers from outside on each of the stacks: every port of the host, TCP and UDP, IPv4 and IPv6, against the promise.
//! The tracker is the one after release 3.0.0; most other tests use the release.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;

/// What a stack promises: TCP over IPv4, TCP over IPv6, UDP over both.
type Promise = (&'static str, &'static [u16], &'static [u16], &'static [u16]);

/// The stack's file, for a host that is there, with images of the lab and the proxy's own authority.
fn config(desk: &Desk, stack: &str) -> Value {
    let (_, mut config) = lab::stacks().into_iter().find(|(name, _)| name == stack).unwrap();
    let ours = desk.config();
    for section in ["environment", "ssh_credentials", "provider"] {
        config[section] = ours[section].clone();
    }
    config["images"] = json!({
        "source": "local", "tracker": lab::TRACKER_3, "mysql": lab::MYSQL, "caddy": lab::CADDY,
        "postgresql": lab::POSTGRESQL, "prometheus": "lab/prometheus:2.53", "grafana": "lab/grafana:stand-in",
    });
    if config["https"].is_object() {
        config["https"] = json!({ "admin_email": "admin@lab.test", "ca": "internal" });
    }
    config
}

/// The TCP ports that accept a connection, of all there are.
fn open_tcp(address: IpAddr) -> Vec<u16> {
    let (next, open) = (AtomicU32::new(1), Mutex::new(vec![]));
    let scan = || {
        while let Ok(port) = u16::try_from(next.fetch_add(1, Ordering::Relaxed)) {
            let at = SocketAddr::new(address, port);
            if TcpStream::connect_timeout(&at, Duration::from_millis(200)).is_ok() {
                open.lock().unwrap().push(port);
            }
        }
    };
    thread::scope(|scope| (0..2000).for_each(|_| drop(scope.spawn(scan))));
    let mut open = open.into_inner().unwrap();
    open.sort_unstable();
    open
}

/// The UDP ports that answer a tracker's client (BEP 15, connect) or an HTTP/3 client that speaks a version of QUIC which
/// nobody knows (RFC 9000, section 6: the answer names those that the server knows).
fn answering_udp(address: IpAddr) -> Vec<u16> {
    let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let (socket, asked) = (UdpSocket::bind(any).unwrap(), AtomicBool::new(false));
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let connect = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0, 0, 0, 0], b"scan"].concat();
    let mut unknown_quic = vec![0; 1200];
    unknown_quic[..14].copy_from_slice(b"\xc0\x0a\x0a\x0a\x0a\x08scanscan");
    thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let (mut ports, mut answer) = (BTreeSet::new(), [0; 1500]);
            // The last answers may come after the last question.
            loop {
                match socket.recv_from(&mut answer) {
                    Ok((_, from)) => drop(ports.insert(from.port())),
                    Err(_) if asked.load(Ordering::Relaxed) => return ports,
                    Err(_) => {}
                }
            }
        });
        for port in 1..=u16::MAX {
            for question in [&connect, &unknown_quic] {
                // A port that is shut may say so, which the next call reports.
                let _ = socket.send_to(question, (address, port));
            }
            if port % 256 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        asked.store(true, Ordering::Relaxed);
        heard.join().unwrap().into_iter().collect()
    })
}

/// Deploys the stacks one after another on one host, and asks all its ports.
fn compare(promises: &[Promise]) {
    let mut desk = Desk::new();
    let host = Host::configured(&desk);
    let v4: IpAddr = host.address.parse().unwrap();
    for (stack, tcp4, tcp6, udp) in promises {
        desk.name = lab::unique_name();
        desk.create(&config(&desk, stack));
        desk.register(&host);
        desk.deploy();
        desk.test();
        let v6: IpAddr = desk.stored()["host"]["address_v6"].as_str().unwrap().parse().unwrap();
        let scan = |address| (open_tcp(address), answering_udp(address));
        let (seen4, seen6) = thread::scope(|scope| {
            let six = scope.spawn(|| scan(v6));
            (scan(v4), six.join().unwrap())
        });
        assert_eq!(seen4, (tcp4.to_vec(), udp.to_vec()), "{stack} over IPv4");
        assert_eq!(seen6, (tcp6.to_vec(), udp.to_vec()), "{stack} over IPv6");
        desk.run(&["destroy", &desk.name, "--force"]).ok();
        // The next one may have another database; a registered host keeps its data.
        host.exec("find /opt/torrust/storage -mindepth 1 -delete");
    }
}

/// An API at 0.0.0.0 is for IPv4 alone, while peers come over both. 443/udp is HTTP/3.
const WITH_SQLITE: &[Promise] = &[
    ("minimal", &[22, 1212, 7070], &[22, 7070], &[6969]),
    ("monitoring", &[22, 1212, 3000, 7070], &[22, 3000, 7070], &[6969]),
    ("https", &[22, 80, 443], &[22, 80, 443], &[443, 6969]),
];
const WITH_MYSQL: &[Promise] = &[
    ("mysql", &[22, 1212, 7070], &[22, 7070], &[6969]),
    ("everything", &[22, 80, 443], &[22, 80, 443], &[443, 6868, 6969]),
    ("private-ipv6", &[22, 80, 443], &[22, 80, 443], &[443]),
];
const WITH_POSTGRESQL_OR_NONE: &[Promise] = &[
    ("postgresql", &[22, 1212, 7070], &[22, 7070], &[6969]),
    ("no-database", &[22, 7070], &[22, 7070], &[6969]),
];

#[test]
fn stacks_with_sqlite_answer_where_they_promise_and_nowhere_else() {
    compare(WITH_SQLITE);
}

#[test]
fn stacks_with_mysql_answer_where_they_promise_and_nowhere_else() {
    compare(WITH_MYSQL);
}

#[test]
fn stacks_with_postgresql_or_no_database_answer_where_they_promise_and_nowhere_else() {
    compare(WITH_POSTGRESQL_OR_NONE);
}

#[test]
fn every_stack_is_deployed() {
    let names = lab::stacks().into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>();
    let deployed = [WITH_SQLITE, WITH_MYSQL, WITH_POSTGRESQL_OR_NONE].concat();
    assert_eq!(names, deployed.iter().map(|(name, ..)| (*name).to_owned()).collect());
}
