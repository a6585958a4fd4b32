//! What a `BitTorrent` client or an operator sees of the stack from outside.
//!
//! A probe asks one question within a [`Deadline`] and gives what it saw, or a [`Fault`]. It knows nothing about
//! environments: the commands decide what to ask and what a fault means.

pub mod bencode;
pub mod http;
pub mod load;
pub mod quic;
pub mod scan;
pub mod swarm;
pub mod tls;
pub mod udp;

#[cfg(test)]
mod fakes;

use std::fmt::{self, Display};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use serde::Serialize;

/// A failed probe: what was expected, and what was seen instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What a working service would have shown.
    pub expected: String,
    /// What was observed: the answer, or how there was none.
    pub seen: String,
}

impl Fault {
    /// A fault from its two halves.
    pub fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { expected: expected.into(), seen: seen.into() }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, seen: {}", self.expected, self.seen)
    }
}

impl std::error::Error for Fault {}

/// How long a probe may take. The clock starts when the value is made, and several probes may share one.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    started: Instant,
    length: Duration,
}

impl Deadline {
    /// A deadline that ends `length` from now.
    #[must_use]
    pub fn after(length: Duration) -> Self {
        Self { started: Instant::now(), length }
    }

    /// The same time, begun so much later.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self { started: self.started + by, ..self }
    }

    /// The time left, or nothing when the deadline has passed.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.length.checked_sub(self.started.elapsed()).filter(|left| !left.is_zero())
    }
}

/// The waiting time as messages show it: `5.0 s`.
impl Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.length.as_secs_f64())
    }
}

/// `scheme://host:port/path`, with the brackets that an IPv6 literal needs (RFC 3986, section 3.2.2).
#[must_use]
pub fn url(scheme: &str, host: &str, port: u16, path: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("{scheme}://[{host}]:{port}{path}")
    } else {
        format!("{scheme}://{host}:{port}{path}")
    }
}

/// The addresses of a host, in the system's order. The system's resolver knows no deadline.
///
/// # Errors
/// The name is unknown.
pub fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    let unknown = |error: io::Error| Fault::new(format!("an address of {host}"), error.to_string());
    Ok((host, port).to_socket_addrs().map_err(unknown)?.collect())
}

/// One address of each family that these names lead to; IPv4 first.
pub fn one_of_each_family<'n>(names: impl Iterator<Item = &'n str>, port: u16) -> Vec<SocketAddr> {
    let found: Vec<_> = names.filter_map(|name| addresses(name, port).ok()).flatten().collect();
    let of = |v6| found.iter().find(|address| address.is_ipv6() == v6).copied();
    [of(false), of(true)].into_iter().flatten().collect()
}

/// A UDP socket that takes packets from this address alone, and hears of ICMP errors. Nothing is sent yet.
///
/// # Errors
/// This machine has no route to it.
pub fn socket_to(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    Ok(socket)
}

/// Whether this machine would know where to send a packet; nothing is sent.
#[must_use]
pub fn has_route(address: SocketAddr) -> bool {
    socket_to(address).is_ok()
}

/// Random bytes: transaction ids and peer ids must not be guessable by others on the network.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// What a network error of the operating system means for the one who asked.
fn describe(error: &io::Error, refused: &str) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused ({refused})"),
        io::ErrorKind::HostUnreachable => "host unreachable: no route to it".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable: this machine has no route to it".into(),
        io::ErrorKind::ConnectionReset => "connection reset by the other side".into(),
        io::ErrorKind::UnexpectedEof => "connection closed before the answer was complete".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_literal_gets_brackets_once() {
        assert_eq!(url("http", "::1", 7070, "/announce"), "http://[::1]:7070/announce");
        assert_eq!(url("http", "[::1]", 7070, ""), "http://[::1]:7070");
        assert_eq!(url("http", "192.0.2.1", 80, "/"), "http://192.0.2.1:80/");
        assert_eq!(url("http", "tracker.example", 80, "/"), "http://tracker.example:80/");
    }

    #[test]
    fn a_deadline_passes() {
        assert!(Deadline::after(Duration::from_mins(1)).left().is_some());
        assert!(Deadline::after(Duration::ZERO).left().is_none());
        assert_eq!(Deadline::after(Duration::from_millis(2500)).to_string(), "2.5 s");
    }

    #[test]
    fn a_fault_reads_as_a_sentence() {
        let fault = Fault::new("HTTP 200", "answered HTTP 404");
        assert_eq!(fault.to_string(), "expected HTTP 200, seen: answered HTTP 404");
    }
}
