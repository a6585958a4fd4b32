//! The words that UDP and HTTP trackers share: who announces what, and what comes back.

use std::fmt::{self, Display};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{Deadline, Fault, random};

/// How long a peer may take to leave a swarm when the check that made it is already over.
const GRACE: Duration = Duration::from_secs(1);

/// What names a torrent: the SHA-1 of its info dictionary (BEP 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// One that no real torrent has, so that a probe never meets real peers.
    #[must_use]
    pub fn random() -> Self {
        Self(random())
    }
}

impl Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a peer announces (BEP 3 `event`, BEP 15 gives the numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer enters the swarm.
    Started,
    /// The peer leaves the swarm.
    Stopped,
}

/// What a peer tells a tracker (BEP 3, "trackers"; BEP 15, "announce").
#[derive(Clone, Copy, Debug)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer.
    pub peer_id: [u8; 20],
    /// Where the peer would listen.
    pub port: u16,
    /// Why it announces.
    pub event: Event,
    /// Bytes that it still needs; 0 makes it a seeder.
    pub left: u64,
    /// Bytes given to others.
    pub uploaded: u64,
    /// Bytes got from others.
    pub downloaded: u64,
    /// Peers wanted in the answer; -1 leaves it to the tracker.
    pub numwant: i32,
    /// Proves to the tracker that it is the same peer after a change of address.
    pub key: u32,
}

impl Announce {
    /// A fresh peer that enters a swarm as a seeder.
    #[must_use]
    pub fn seeder(info_hash: InfoHash, port: u16) -> Self {
        let mut peer_id = *b"-TD0100-............";
        peer_id[8..].copy_from_slice(&random::<12>());
        Self {
            info_hash,
            peer_id,
            port,
            event: Event::Started,
            left: 0,
            uploaded: 0,
            downloaded: 0,
            numwant: -1,
            key: u32::from_be_bytes(random()),
        }
    }

    /// The same peer with another reason to announce.
    #[must_use]
    pub fn with(self, event: Event) -> Self {
        Self { event, ..self }
    }
}

/// A tracker's answer to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// When the peer should announce again.
    pub interval: Duration,
    /// Peers that have the whole torrent.
    pub seeders: u32,
    /// Peers that do not have it yet.
    pub leechers: u32,
    /// Other peers of the swarm.
    pub peers: Vec<SocketAddr>,
}

/// A tracker's figures for one torrent (BEP 15, BEP 48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scraped {
    /// Peers that have the whole torrent.
    pub seeders: u32,
    /// Downloads ever finished.
    pub completed: u32,
    /// Peers that do not have it yet.
    pub leechers: u32,
}

/// A tracker, over whichever protocol.
pub trait Tracker {
    /// Tells the tracker about a peer.
    ///
    /// # Errors
    ///
    /// What was seen in place of an answer.
    fn announce(&self, announce: &Announce, deadline: Deadline) -> Result<Announced, Fault>;

    /// Asks for figures, in the order of the torrents given.
    ///
    /// # Errors
    ///
    /// What was seen in place of an answer.
    fn scrape(&self, torrents: &[InfoHash], deadline: Deadline) -> Result<Vec<Scraped>, Fault>;
}

/// A peer that leaves the swarm when the value goes: no peer that does not exist remains in the tracker.
pub struct Visit<'t> {
    tracker: &'t dyn Tracker,
    peer: Announce,
    left: bool,
}

impl<'t> Visit<'t> {
    /// Enters the swarm and gives the tracker's answer.
    ///
    /// # Errors
    ///
    /// What was seen in place of an answer. As a lost answer may hide a peer that the tracker did take, it then
    /// leaves the swarm all the same.
    pub fn start(
        tracker: &'t dyn Tracker,
        peer: Announce,
        deadline: Deadline,
    ) -> Result<(Self, Announced), Fault> {
        let visit = Self { tracker, peer, left: false };
        let answer = tracker.announce(&peer.with(Event::Started), deadline)?;
        Ok((visit, answer))
    }

    /// Leaves the swarm, and sees that the tracker knows.
    ///
    /// # Errors
    ///
    /// What was seen in place of an answer.
    pub fn stop(mut self, deadline: Deadline) -> Result<Announced, Fault> {
        self.left = true;
        self.leave(deadline)
    }

    fn leave(&self, deadline: Deadline) -> Result<Announced, Fault> {
        self.tracker.announce(&Announce { numwant: 0, ..self.peer.with(Event::Stopped) }, deadline)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.left {
            // Whether it worked no longer matters to the check, and the tracker forgets silent peers by itself.
            let _ = self.leave(Deadline::after(GRACE));
        }
    }
}

/// Why a list of peers cannot be used.
const WRONG_SIZE: &str = "compact peers of a wrong size";
/// A tracker on one socket for both families takes IPv4 clients for IPv6 ones. The size fits both forms, so a client
/// reads three peers that do not exist.
const MAPPED: &str = "IPv4 peers in the IPv6 form (::ffff:…), as one socket for both families makes them";

/// The compact form of IPv4 peers: 4 bytes of address and 2 of port each (BEP 23, BEP 15).
pub(super) fn compact_ipv4(bytes: &[u8]) -> Result<Vec<SocketAddr>, &'static str> {
    if compact_ipv6(bytes) == Err(MAPPED) {
        return Err(MAPPED);
    }
    let (peers, rest) = bytes.as_chunks::<6>();
    let peer = |&[a, b, c, d, high, low]: &[u8; 6]| {
        SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
    };
    if rest.is_empty() { Ok(peers.iter().map(peer).collect()) } else { Err(WRONG_SIZE) }
}

/// The compact form of IPv6 peers: 16 bytes of address and 2 of port each (BEP 7, BEP 15).
pub(super) fn compact_ipv6(bytes: &[u8]) -> Result<Vec<SocketAddr>, &'static str> {
    let (peers, rest) = bytes.as_chunks::<18>();
    let peer = |bytes: &[u8; 18]| {
        let mut address = [0; 16];
        address.copy_from_slice(&bytes[..16]);
        let address = Ipv6Addr::from(address);
        let port = u16::from_be_bytes([bytes[16], bytes[17]]);
        if address.to_ipv4_mapped().is_some() { Err(MAPPED) } else { Ok((address, port).into()) }
    };
    if rest.is_empty() { peers.iter().map(peer).collect() } else { Err(WRONG_SIZE) }
}
