//! Announces over UDP: one sender by the clock, and who listens to the answers beside it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Crowd, Ledger, Measured, Plan};
use crate::probe::swarm::Announce;
use crate::probe::udp::{self, Client, Packet};
use crate::probe::{Deadline, Fault, describe};

/// Sockets, each with its own connection id: a tracker with several threads shares them out by the sender's port.
const SOCKETS: usize = 4;
/// How often a listener looks whether it is over.
const ROUND: Duration = Duration::from_millis(50);

/// The number of a connect request among the transactions: no announce has it.
const RENEWAL: u32 = u32::MAX;

/// A socket and its connection id, which a listener replaces when a new one comes.
struct Connection {
    socket: UdpSocket,
    id: AtomicU64,
    /// For how long an id is used.
    life: Duration,
}

/// Sends announces over UDP as planned, and gives what came of each. Connection ids live as long as `cookies` says, or for
/// two minutes, and are renewed in time: each wrong one is counted by the tracker, and many are a ban.
///
/// # Errors
/// The tracker gives no connection id; nothing was announced.
pub fn udp(
    address: SocketAddr,
    cookies: Option<Duration>,
    plan: Plan,
    crowd: &Crowd,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Measured, Fault> {
    let connections: Result<Vec<_>, Fault> =
        (0..SOCKETS).map(|_| Connection::open(address, cookies, plan)).collect();
    let connections = connections?;
    let (ledger, over) = (Ledger::new(plan), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for connection in &connections {
            scope.spawn(|| connection.listen(&ledger, &over));
            scope.spawn(|| connection.renew(&over));
        }
        for index in 0..plan.total as usize {
            if stopped() {
                break;
            }
            ledger.await_turn(index);
            // The number is the transaction's id: it need not be secret, as the answers are only counted.
            if let Err(error) = connections[index % SOCKETS].announce(number(index), crowd.turn(index)) {
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
    u32::try_from(index).unwrap_or(RENEWAL - 1).to_be_bytes()
}

impl Connection {
    fn open(address: SocketAddr, cookies: Option<Duration>, plan: Plan) -> Result<Self, Fault> {
        let client = Client::connect_for(address, cookies, Deadline::after(plan.patience))?;
        let (socket, id, life) = client.into_parts();
        Ok(Self { socket, id: AtomicU64::new(id), life })
    }

    fn announce(&self, transaction: [u8; 4], peer: &Announce) -> std::io::Result<usize> {
        self.socket.send(&udp::announce_request(self.id.load(Ordering::Relaxed), transaction, peer))
    }

    /// Asks for a new connection id from the same socket, as it is bound to its address and port; after half of the time,
    /// so that a packet may be lost.
    fn renew(&self, over: &AtomicBool) {
        let mut since = Instant::now();
        while !over.load(Ordering::Relaxed) {
            if since.elapsed() >= self.life / 2 {
                since = Instant::now();
                // One that cannot be sent is a fault of the announces, too.
                let _ = self.socket.send(&udp::connect_request_of(RENEWAL.to_be_bytes()));
            }
            std::thread::sleep(ROUND.min(self.life / 4));
        }
    }

    fn listen(&self, ledger: &Ledger, over: &AtomicBool) {
        let mut packet = [0; 2048];
        // Without a time limit it would wait for ever.
        if self.socket.set_read_timeout(Some(ROUND)).is_err() {
            return;
        }
        while !over.load(Ordering::Relaxed) {
            // What ICMP says does not tell of which announce.
            let Ok(length) = self.socket.recv(&mut packet) else { continue };
            let Some(&transaction) = packet[..length].get(4..).and_then(|rest| rest.first_chunk::<4>())
            else {
                continue;
            };
            let answer = Packet::parse(&packet[..length], transaction);
            if u32::from_be_bytes(transaction) == RENEWAL {
                if let Some(id) = answer.connection() {
                    self.id.store(id, Ordering::Relaxed);
                }
                continue;
            }
            ledger.close(u32::from_be_bytes(transaction) as usize, answer.announced());
        }
    }
}
