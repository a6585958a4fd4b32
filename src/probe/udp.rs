//! A UDP tracker as a client sees it (BEP 15).

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::swarm::{Announce, Announced, Event, InfoHash, Scraped, Tracker, compact_ipv4, compact_ipv6};
use super::{Deadline, Fault, describe, random, socket_to};

/// Marks a connect request (BEP 15, "connect request").
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// A client may use a connection id for one minute (BEP 15); a little less, as the tracker's minute began earlier.
const CONNECTION_LIFE: Duration = Duration::from_secs(50);
/// BEP 15 resends after 15 s, then after twice as long each time. An operator waits for the answer, so the first
/// resend comes after 1 s, or after a fifth of a short deadline.
const FIRST_RESEND: Duration = Duration::from_secs(1);
/// More torrents do not fit one packet (BEP 15, "scrape").
const SCRAPE_MAX: usize = 74;
/// No UDP packet is longer.
const PACKET_MAX: usize = 65_535;

/// A connection to one UDP tracker at one address.
pub struct Client {
    socket: UdpSocket,
    peer: SocketAddr,
    connection: Cell<Connection>,
    /// How long a connection id is used.
    life: Duration,
}

#[derive(Clone, Copy)]
struct Connection {
    id: u64,
    since: Instant,
}

impl Client {
    /// Asks the tracker for a connection id (BEP 15, "connect"). The family of the address says whether IPv4 or IPv6
    /// is probed.
    ///
    /// # Errors
    ///
    /// What was seen in place of an answer.
    pub fn connect(address: SocketAddr, deadline: Deadline) -> Result<Self, Fault> {
        let peer = SocketAddr::new(address.ip().to_canonical(), address.port());
        let socket = socket_to(peer).map_err(|error| lost("connect", peer, &error))?;
        let unconnected = Connection { id: PROTOCOL_ID, since: Instant::now() };
        let client = Self { socket, peer, connection: Cell::new(unconnected), life: CONNECTION_LIFE };
        client.reconnect(deadline)?;
        Ok(client)
    }

    /// A client of a tracker that takes a connection id back after `cookies`. A wrong one is counted, and many are a ban: a
    /// new one is fetched when half of the time is over.
    ///
    /// # Errors
    ///
    /// What was seen in place of an answer.
    pub fn connect_for(
        address: SocketAddr,
        cookies: Option<Duration>,
        deadline: Deadline,
    ) -> Result<Self, Fault> {
        let life = cookies.map_or(CONNECTION_LIFE, |lifetime| CONNECTION_LIFE.min(lifetime / 2));
        Ok(Self { life, ..Self::connect(address, deadline)? })
    }

    /// The socket, its connection id, and for how long that is used.
    pub(super) fn into_parts(self) -> (UdpSocket, u64, Duration) {
        (self.socket, self.connection.get().id, self.life)
    }

    fn reconnect(&self, deadline: Deadline) -> Result<(), Fault> {
        let since = Instant::now();
        let answer = self.exchange("connect", CONNECT, PROTOCOL_ID, &[], deadline)?;
        let id =
            <[u8; 8]>::try_from(answer.as_slice()).map_err(|_| self.wrong_size("connect", answer.len()))?;
        self.connection.set(Connection { id: u64::from_be_bytes(id), since });
        Ok(())
    }

    /// The connection id, from a new connect request when the old one has had its time.
    fn connection_id(&self, deadline: Deadline) -> Result<u64, Fault> {
        if self.connection.get().since.elapsed() > self.life {
            self.reconnect(deadline)?;
        }
        Ok(self.connection.get().id)
    }

    /// Sends one request until its answer comes, and gives what follows the answer's header.
    fn exchange(
        &self,
        name: &str,
        action: u32,
        connection_id: u64,
        body: &[u8],
        deadline: Deadline,
    ) -> Result<Vec<u8>, Fault> {
        let transaction: [u8; 4] = random();
        let request = request(connection_id, action, transaction, body);
        let mut sent = 0;
        let mut ignored = String::new();
        let mut pause = FIRST_RESEND.min(deadline.length / 5);
        while deadline.left().is_some() {
            self.socket.send(&request).map_err(|error| lost(name, self.peer, &error))?;
            sent += 1;
            let resend = Instant::now() + pause;
            pause *= 2;
            while let Some(packet) = self.receive(name, resend, deadline)? {
                match Packet::parse(&packet, transaction) {
                    Packet::Answer(kind, body) if kind == action => return Ok(body.to_vec()),
                    Packet::Answer(ERROR, text) => {
                        let seen = format!("answered the error \"{}\"", String::from_utf8_lossy(text));
                        return Err(self.fault(name, seen));
                    }
                    Packet::Answer(kind, _) => {
                        return Err(self.fault(name, format!("answered with action {kind}, not {action}")));
                    }
                    Packet::Stray(what) => ignored = format!("; ignored {what}"),
                }
            }
        }
        let packets = if sent == 1 { "packet" } else { "packets" };
        Err(self.fault(name, format!("no answer in {deadline} (sent {sent} {packets}{ignored})")))
    }

    /// The next packet from the tracker, or nothing when it is time to resend or to give up.
    fn receive(&self, name: &str, resend: Instant, deadline: Deadline) -> Result<Option<Vec<u8>>, Fault> {
        let wait = resend.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero());
        let (Some(wait), Some(left)) = (wait, deadline.left()) else { return Ok(None) };
        let mut packet = vec![0; PACKET_MAX];
        let received =
            self.socket.set_read_timeout(Some(wait.min(left))).and_then(|()| self.socket.recv(&mut packet));
        match received {
            Ok(length) => {
                packet.truncate(length);
                Ok(Some(packet))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) => Err(lost(name, self.peer, &error)),
        }
    }

    fn wrong_size(&self, name: &str, body: usize) -> Fault {
        self.fault(name, format!("answered with a packet of {} bytes, the wrong size", body + 8))
    }

    fn fault(&self, name: &str, seen: String) -> Fault {
        Fault::new(expected(name, self.peer), seen)
    }
}

impl Tracker for Client {
    /// BEP 15, "announce request" and "announce response".
    fn announce(&self, announce: &Announce, deadline: Deadline) -> Result<Announced, Fault> {
        let id = self.connection_id(deadline)?;
        let answer = self.exchange("announce", ANNOUNCE, id, &announce_body(announce), deadline)?;
        // The socket's family decides the form of the peers, as the two cannot be told apart by their bytes.
        let compact = if self.peer.is_ipv4() { compact_ipv4 } else { compact_ipv6 };
        let fixed = answer.split_first_chunk::<12>();
        let (figures, peers) = fixed.ok_or_else(|| self.wrong_size("announce", answer.len()))?;
        let peers = compact(peers).map_err(|what| self.fault("announce", format!("answered with {what}")))?;
        let [interval, leechers, seeders] = numbers(figures);
        Ok(Announced { interval: Duration::from_secs(interval.into()), seeders, leechers, peers })
    }

    /// BEP 15, "scrape request" and "scrape response".
    fn scrape(&self, torrents: &[InfoHash], deadline: Deadline) -> Result<Vec<Scraped>, Fault> {
        let mut figures = Vec::with_capacity(torrents.len());
        for torrents in torrents.chunks(SCRAPE_MAX) {
            let id = self.connection_id(deadline)?;
            let body: Vec<u8> = torrents.iter().flat_map(|torrent| torrent.0).collect();
            let answer = self.exchange("scrape", SCRAPE, id, &body, deadline)?;
            let (entries, rest) = answer.as_chunks::<12>();
            if entries.len() != torrents.len() || !rest.is_empty() {
                return Err(self.wrong_size("scrape", answer.len()));
            }
            figures.extend(entries.iter().map(|entry| {
                let [seeders, completed, leechers] = numbers(entry);
                Scraped { seeders, completed, leechers }
            }));
        }
        Ok(figures)
    }
}

/// A packet from the tracker's address.
pub(super) enum Packet<'p> {
    /// It answers our request: the action, and what follows the header.
    Answer(u32, &'p [u8]),
    /// It may be late or forged; waiting goes on, and the packet is told of when nothing better comes.
    Stray(String),
}

impl<'p> Packet<'p> {
    /// The connection id of a connect answer.
    pub(super) fn connection(&self) -> Option<u64> {
        let Self::Answer(CONNECT, body) = self else { return None };
        Some(u64::from_be_bytes((*body).try_into().ok()?))
    }

    /// What a packet is to whoever waits for the answer to this transaction.
    pub(super) fn parse(packet: &'p [u8], transaction: [u8; 4]) -> Self {
        let Some((header, body)) = packet.split_first_chunk::<8>() else {
            return Self::Stray(format!("a packet of {} bytes, too short for an answer", packet.len()));
        };
        let [action, id] = numbers::<2>(header);
        if id == u32::from_be_bytes(transaction) {
            Self::Answer(action, body)
        } else if action == ERROR {
            let text = String::from_utf8_lossy(body);
            Self::Stray(format!("the error \"{text}\" with a wrong transaction id"))
        } else {
            Self::Stray("an answer with a wrong transaction id".into())
        }
    }

    /// Whether it is the good answer to an announce; otherwise what it is.
    pub(super) fn announced(&self) -> Result<(), String> {
        match self {
            Self::Answer(ANNOUNCE, figures) if figures.len() >= 12 => Ok(()),
            Self::Answer(ERROR, text) => {
                Err(format!("answered the error \"{}\"", String::from_utf8_lossy(text)))
            }
            Self::Answer(kind, _) => Err(format!("answered with action {kind}, not {ANNOUNCE}")),
            Self::Stray(what) => Err(what.clone()),
        }
    }
}

/// A whole announce request.
pub(super) fn announce_request(connection: u64, transaction: [u8; 4], announce: &Announce) -> Vec<u8> {
    request(connection, ANNOUNCE, transaction, &announce_body(announce))
}

/// The header that all requests have, and what follows it (BEP 15).
fn request(connection: u64, action: u32, transaction: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&connection.to_be_bytes()[..], &action.to_be_bytes(), &transaction, body].concat()
}

/// What follows the header of an announce request (BEP 15).
fn announce_body(announce: &Announce) -> Vec<u8> {
    let event: u32 = match announce.event {
        Event::Started => 2,
        Event::Stopped => 3,
    };
    // The address is the one that the packet comes from.
    let address = [0; 4];
    [
        &announce.info_hash.0[..],
        &announce.peer_id,
        &announce.downloaded.to_be_bytes(),
        &announce.left.to_be_bytes(),
        &announce.uploaded.to_be_bytes(),
        &event.to_be_bytes(),
        &address,
        &announce.key.to_be_bytes(),
        &announce.numwant.to_be_bytes(),
        &announce.port.to_be_bytes(),
    ]
    .concat()
}

/// A whole connect request, for whoever only wants to see whether a port answers.
#[must_use]
pub fn connect_request() -> Vec<u8> {
    connect_request_of(random())
}

/// A whole connect request of this transaction.
pub(super) fn connect_request_of(transaction: [u8; 4]) -> Vec<u8> {
    request(PROTOCOL_ID, CONNECT, transaction, &[])
}

/// The big-endian numbers at the start of a packet's part.
fn numbers<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|index| u32::from_be_bytes(words[index]))
}

fn expected(name: &str, peer: SocketAddr) -> String {
    format!("an answer to the {name} request from udp://{peer}")
}

fn lost(name: &str, peer: SocketAddr, error: &io::Error) -> Fault {
    Fault::new(expected(name, peer), describe(error, "ICMP port unreachable"))
}

#[cfg(test)]
mod tests;
