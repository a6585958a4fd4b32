//! An HTTP tracker as a client sees it (BEP 3, "trackers"; BEP 7, BEP 23 and BEP 48).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ureq::Agent;
use ureq::http::Request;

use super::{Answer, Carries, Url, percent_encode, send};
use crate::probe::bencode::{self, Value};
use crate::probe::swarm::{
    Announce, Announced, Event, InfoHash, Scraped, Tracker, compact_ipv4, compact_ipv6,
};
use crate::probe::{Deadline, Fault};

/// What a refusal in a tracker's own words begins with (BEP 3, "failure reason").
const REFUSED: &str = "answered \"failure reason: ";

/// Whether a private tracker refused a peer because of its key: it had none, or one that opens nothing. Release 3.0.0 says
/// "Authentication error: …", later ones "Tracker authentication error: …"; a proxy's refusal is none of the tracker's.
#[must_use]
pub fn refused_for_key(fault: &Fault) -> bool {
    let reason = fault.seen.strip_prefix(REFUSED).unwrap_or_default().to_ascii_lowercase();
    reason.starts_with("authentication error") || reason.starts_with("tracker authentication error")
}

/// Whether a tracker that keeps a whitelist refused a torrent that is not on it, in the words of either protocol.
#[must_use]
pub fn refused_for_whitelist(fault: &Fault) -> bool {
    let by_tracker = fault.seen.starts_with(REFUSED) || fault.seen.starts_with("answered the error \"");
    by_tracker && fault.seen.to_ascii_lowercase().contains("whitelist")
}

/// An HTTP tracker behind an announce URL.
pub struct HttpTracker {
    announce: Url,
    /// One for all requests: reading whom this machine trusts takes longer than an announce.
    agent: Agent,
    /// The client that a proxy in front would name.
    client: Option<IpAddr>,
}

impl HttpTracker {
    /// A tracker by its announce URL, such as `http://192.0.2.1:7070/announce`, or `…/announce/KEY` in private mode.
    pub fn new(announce_url: impl Into<Url>) -> Self {
        let announce = announce_url.into();
        Self { agent: announce.agent(), announce, client: None }
    }

    /// The same tracker, asked as the proxy in front of it would: it takes the client's address from a header, and refuses
    /// requests without it.
    #[must_use]
    pub fn for_client(self, client: Option<IpAddr>) -> Self {
        Self { client, ..self }
    }

    /// The scrape URL is the announce URL with the one word replaced; without the word there is none (BEP 48).
    fn scrape_url(&self) -> Result<Url, Fault> {
        let (before, after) = self.announce.text().rsplit_once("/announce").ok_or_else(|| {
            Fault::new(
                "an announce URL that has a scrape URL",
                format!("no \"/announce\" in {}", self.announce),
            )
        })?;
        Ok(self.announce.with(format!("{before}/scrape{after}")))
    }

    /// Asks, and reads the answer with `parse`, which names what it misses.
    fn ask<T>(
        &self,
        url: &Url,
        expected: &str,
        parse: impl Fn(&Value) -> Result<T, &'static str>,
        deadline: Deadline,
    ) -> Result<T, Fault> {
        let request = match self.client {
            Some(client) => Request::get(url.text()).header("X-Forwarded-For", client.to_string()),
            None => Request::get(url.text()),
        };
        let answer = send(&self.agent, request, url, Carries::Nothing, deadline)?;
        read(&answer, parse).map_err(|seen| Fault::new(format!("{expected} from {url}"), seen))
    }
}

impl Tracker for HttpTracker {
    fn announce(&self, announce: &Announce, deadline: Deadline) -> Result<Announced, Fault> {
        let url = self.announce.join(&format!("?{}", announce_query(announce)));
        let expected = "an announce answer (interval, complete, incomplete, peers)";
        self.ask(&url, expected, announced, deadline)
    }

    fn scrape(&self, torrents: &[InfoHash], deadline: Deadline) -> Result<Vec<Scraped>, Fault> {
        let query: Vec<_> =
            torrents.iter().map(|torrent| format!("info_hash={}", percent_encode(&torrent.0))).collect();
        let url = self.scrape_url()?.join(&format!("?{}", query.join("&")));
        self.ask(&url, "a scrape answer for every torrent", |answer| scraped(answer, torrents), deadline)
    }
}

/// The request's parameters (BEP 3; `compact` is BEP 23). The address is the one that the request comes from.
fn announce_query(announce: &Announce) -> String {
    let Announce { port, uploaded, downloaded, left, key, .. } = announce;
    let info_hash = percent_encode(&announce.info_hash.0);
    let peer_id = percent_encode(&announce.peer_id);
    let event = match announce.event {
        Event::Started => "&event=started",
        Event::Stopped => "&event=stopped",
    };
    let numwant = if announce.numwant < 0 { String::new() } else { format!("&numwant={}", announce.numwant) };
    let progress = format!("uploaded={uploaded}&downloaded={downloaded}&left={left}");
    format!(
        "info_hash={info_hash}&peer_id={peer_id}&port={port}&{progress}&compact=1&key={key:08x}{event}{numwant}"
    )
}

fn read<T>(answer: &Answer, parse: impl Fn(&Value) -> Result<T, &'static str>) -> Result<T, String> {
    let value = match bencode::decode(&answer.body) {
        Ok(value) => value,
        Err(_) if !answer.is_success() => return Err(format!("answered {}", answer.brief())),
        Err(error) => return Err(format!("answered {}, which is not bencode: {error}", answer.brief())),
    };
    if let Some(reason) = value.get("failure reason").and_then(Value::bytes) {
        return Err(format!("{REFUSED}{}\"", String::from_utf8_lossy(reason)));
    }
    if !answer.is_success() {
        return Err(format!("answered {}", answer.brief()));
    }
    parse(&value).map_err(|what| format!("answered {}: {what}", answer.brief()))
}

/// BEP 3 with `peers` as a list or compact (BEP 23) and `peers6` (BEP 7).
fn announced(answer: &Value) -> Result<Announced, &'static str> {
    let number = |key: &str| answer.get(key).and_then(Value::integer::<u32>);
    let interval = number("interval").ok_or("no interval")?;
    let seeders = number("complete").ok_or("no number of complete peers")?;
    let leechers = number("incomplete").ok_or("no number of incomplete peers")?;
    let mut peers = match (answer.get("peers"), answer.get("peers6")) {
        (Some(Value::Bytes(bytes)), _) => compact_ipv4(bytes)?,
        (Some(Value::List(list)), _) => {
            list.iter().map(listed).collect::<Option<_>>().ok_or("a peer without address and port")?
        }
        (None, Some(_)) => vec![],
        _ => return Err("no peers"),
    };
    if let Some(peers6) = answer.get("peers6") {
        let peers6 = peers6.bytes().ok_or("peers6 in another form than compact")?;
        peers.extend(compact_ipv6(peers6)?);
    }
    Ok(Announced { interval: Duration::from_secs(interval.into()), seeders, leechers, peers })
}

/// A peer of the list form (BEP 3).
fn listed(peer: &Value) -> Option<SocketAddr> {
    let ip: IpAddr = str::from_utf8(peer.get("ip")?.bytes()?).ok()?.parse().ok()?;
    Some(SocketAddr::new(ip, peer.get("port")?.integer()?))
}

/// BEP 48: a dictionary of dictionaries under `files`.
fn scraped(answer: &Value, torrents: &[InfoHash]) -> Result<Vec<Scraped>, &'static str> {
    let files = answer.get("files").ok_or("no files")?;
    let figures = |torrent: &InfoHash| {
        let number = |key: &str| files.get(torrent.0)?.get(key)?.integer();
        Some(Scraped {
            seeders: number("complete")?,
            completed: number("downloaded")?,
            leechers: number("incomplete")?,
        })
    };
    torrents.iter().map(figures).collect::<Option<_>>().ok_or("a torrent without figures")
}
