//! Announces over UDP: one sender by the clock, and who listens to the answers beside it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Crowd, Ledger, Measured, Plan};
use crate::probe::udp::{self, Client, Packet};
use crate::probe::{Deadline, Fault, describe};

/// Sockets, each with its own connection id: a tracker with several threads shares them out by the sender's port.
const SOCKETS: usize = 4;
/// How often a listener looks whether it is over.
const ROUND: Duration = Duration::from_millis(50);

/// Sends announces over UDP as planned, and gives what came of each.
///
/// # Errors
/// The tracker gives no connection id; nothing was announced.
pub fn udp(
    address: SocketAddr,
    plan: Plan,
    crowd: &Crowd,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Measured, Fault> {
    let connections: Result<Vec<_>, Fault> = (0..SOCKETS)
        .map(|_| Client::connect(address, Deadline::after(plan.patience)).map(Client::into_parts))
        .collect();
    let connections = connections?;
    let (ledger, over) = (Ledger::new(plan), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (socket, _) in &connections {
            scope.spawn(|| listen(socket, &ledger, &over));
        }
        for index in 0..plan.total as usize {
            if stopped() {
                break;
            }
            let (socket, connection) = &connections[index % SOCKETS];
            // The number is the transaction's id: it need not be secret, as the answers are only counted.
            let request = udp::announce_request(*connection, number(index), crowd.turn(index));
            ledger.await_turn(index);
            if let Err(error) = socket.send(&request) {
                ledger.close(index, Err(describe(&error, "ICMP port unreachable")));
            }
        }
        while !ledger.is_settled() && !ledger.is_over() && !stopped() {
            std::thread::sleep(ROUND / 10);
        }
        over.store(true, Ordering::Relaxed);
    });
    Ok(ledger.measured())
}

fn number(index: usize) -> [u8; 4] {
    u32::try_from(index).unwrap_or(u32::MAX).to_be_bytes()
}

fn listen(socket: &UdpSocket, ledger: &Ledger, over: &AtomicBool) {
    let mut packet = [0; 2048];
    // Without a time limit it would wait for ever.
    if socket.set_read_timeout(Some(ROUND)).is_err() {
        return;
    }
    while !over.load(Ordering::Relaxed) {
        // What ICMP says does not tell of which announce.
        let Ok(length) = socket.recv(&mut packet) else { continue };
        let Some(&transaction) = packet[..length].get(4..).and_then(|rest| rest.first_chunk::<4>()) else {
            continue;
        };
        let index = u32::from_be_bytes(transaction) as usize;
        ledger.close(index, Packet::parse(&packet[..length], transaction).announced());
    }
}
