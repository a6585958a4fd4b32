//! What listens on the host, and which of our ports it keeps from us.

use crate::services::{Port, Protocol, Reach};

/// A socket on which somebody listens.
#[derive(Debug, PartialEq, Eq)]
pub struct Listener {
    protocol: Protocol,
    address: String,
    number: u16,
    /// `python3 (process 123)`.
    pub process: String,
}

impl Listener {
    /// `tcp 127.0.0.1 7070 python3 (process 123)`; an address is written as `ss` has it, without brackets.
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        let protocol = match words.next()? {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        let (address, number) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some(Self { protocol, address, number, process: words.next()?.to_owned() })
    }

    /// Whether nobody else can publish this port meanwhile.
    pub fn holds(&self, port: Port) -> bool {
        let v6 = self.address.contains(':');
        let meets = match (self.address.as_str(), port.reach) {
            // Both families.
            ("*", _) | (_, Reach::Everywhere) => true,
            (_, Reach::Ipv4) => !v6,
            (_, Reach::Ipv6) => v6,
            (address, Reach::Loopback) => ["0.0.0.0", "127.0.0.1"].contains(&address),
        };
        (self.protocol, self.number) == (port.protocol, port.number) && meets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_holds_a_port_where_both_have_an_address_in_common() {
        let holds = |socket: &str, reach| {
            let port = Port { number: 9090, protocol: Protocol::Tcp, reach };
            Listener::read(&format!("{socket} systemd (process 1)")).unwrap().holds(port)
        };
        for (address, held) in [
            ("*", [true, true, true, true]),
            ("0.0.0.0", [true, true, false, true]),
            ("::", [true, false, true, false]),
            ("127.0.0.1", [true, true, false, true]),
            ("127.0.0.53", [true, true, false, false]),
            ("::1", [true, false, true, false]),
        ] {
            let reaches = [Reach::Everywhere, Reach::Ipv4, Reach::Ipv6, Reach::Loopback];
            let seen = reaches.map(|reach| holds(&format!("tcp {address} 9090"), reach));
            assert_eq!(seen, held, "{address}");
        }
        assert!(!holds("udp * 9090", Reach::Loopback) && !holds("tcp * 9091", Reach::Loopback));
    }
}
