//! QUIC as far as it shows that somebody speaks it (RFC 9000).

use std::net::SocketAddr;
use std::time::Duration;

use super::{Deadline, Fault, describe, random, socket_to};

/// A version that nobody speaks (RFC 9000, section 15): a server answers with those that it does.
const NOBODYS: [u8; 4] = [0x1a, 0x2a, 0x3a, 0x4a];
/// Servers do not answer a shorter first packet (RFC 9000, section 6.1).
const SIZE: usize = 1200;
/// How long one packet is waited for before the next is sent.
const RESEND: Duration = Duration::from_secs(1);

/// The versions of QUIC that a server offers.
///
/// # Errors
/// What was seen in place of them.
pub fn versions(address: SocketAddr, deadline: Deadline) -> Result<Vec<u32>, Fault> {
    let fault = |seen: String| Fault::new(format!("the versions of QUIC from udp://{address}"), seen);
    let lost = |error: std::io::Error| fault(describe(&error, "ICMP port unreachable"));
    let socket = socket_to(address).map_err(lost)?;
    let mut answer = [0; 1500];
    while let Some(left) = deadline.left() {
        socket.send(&first_packet()).map_err(lost)?;
        socket.set_read_timeout(Some(left.min(RESEND))).map_err(lost)?;
        match socket.recv(&mut answer) {
            Ok(length) => {
                return offered(&answer[..length])
                    .ok_or_else(|| fault(format!("{length} bytes that are no version negotiation")));
            }
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(lost(error)),
        }
    }
    Err(fault(format!("no answer in {deadline}")))
}

/// A packet with a long header: its version, two connection ids of 8 bytes, and nothing of use.
fn first_packet() -> Vec<u8> {
    let (to, from): ([u8; 8], [u8; 8]) = (random(), random());
    let mut packet = [&[0xc0][..], &NOBODYS, &[8], &to, &[8], &from].concat();
    packet.resize(SIZE, 0);
    packet
}

/// The versions in a version negotiation packet (RFC 9000, section 17.2.1): its own is 0.
fn offered(packet: &[u8]) -> Option<Vec<u32>> {
    let (&first, rest) = packet.split_first()?;
    let rest = rest.strip_prefix(&[0; 4]).filter(|_| first & 0x80 != 0)?;
    let skip = |rest: &[u8]| rest.get(1 + usize::from(*rest.first()?)..).map(<[u8]>::to_vec);
    let rest = skip(&skip(rest)?)?;
    let (versions, odd) = rest.as_chunks::<4>();
    (odd.is_empty() && !versions.is_empty())
        .then(|| versions.iter().map(|&version| u32::from_be_bytes(version)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_negotiation_is_read_and_nothing_else_is_taken_for_one() {
        let packet =
            [&[0x80, 0, 0, 0, 0, 1, 7, 2, 8, 8][..], &[0, 0, 0, 1], &[0x6b, 0x33, 0x43, 0xcf]].concat();
        assert_eq!(offered(&packet), Some(vec![1, 0x6b33_43cf]));
        for wrong in [&b""[..], b"echo of something", &packet[..9], &packet[..12]] {
            assert_eq!(offered(wrong), None);
        }
        assert_eq!(first_packet().len(), SIZE);
    }
}
