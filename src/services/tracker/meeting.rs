//! Two peers that find each other, over each tracker and each family; in private mode by a key of the API.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::listener::{Role, cookies, reachable};
use super::stored;
use super::{PEER_PORT, endpoint};
use crate::checks::{Answer, Check};
use crate::config::Config;
use crate::error::Result;
use crate::probe::http::{self, HttpTracker, Record, Relay, Url};
use crate::probe::swarm::{Announce, Announced, InfoHash, Tracker, Visit};
use crate::probe::udp::Client;
use crate::probe::{self, Deadline, Fault};
use crate::store::Host;

/// A key that could not be removed is of no use after this.
const KEY_LIFE: Duration = Duration::from_mins(10);

/// The API, and the token that opens it.
#[derive(Clone)]
pub struct Api {
    /// The start of its URLs.
    pub base: Url,
    /// The token.
    pub token: String,
}

/// The API as this machine and the host reach it.
///
/// # Errors
/// The token has no value.
pub fn api(config: &Config, host: &Host, relay: &Relay) -> Result<Option<Api>> {
    let Some(listener) = reachable(config).find(|listener| listener.role == Role::Api) else {
        return Ok(None);
    };
    let Some(api) = &config.tracker.http_api else { return Ok(None) };
    let token = api.admin_token.resolve()?.expose().to_owned();
    Ok(Some(Api { base: endpoint(listener).asked_at(config, host, relay)?, token }))
}

/// Why there is no API to ask.
const NO_API: &str = "the tracker has no API";

/// A meeting over each tracker, at each address of the host. `seen_as` is the address that the host sees us by.
pub fn checks(config: &Config, host: &Host, relay: &Relay, seen_as: Option<IpAddr>) -> Result<Vec<Check>> {
    let private = config.tracker.core.private;
    let api = api(config, host, relay)?;
    let mut checks = vec![];
    for listener in reachable(config).filter(|listener| listener.role.is_tracker()) {
        for address in probe::one_of_each_family(host.addresses(), listener.address.port()) {
            let there = Host { address: address.ip().to_string(), ..host.clone() };
            let place = endpoint(listener.clone());
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let name = format!("{} over {family}: two peers find each other", place.called());
            let meeting = Meeting { address, seen_as };
            if config.tracker.core.listed && api.is_none() {
                let why = format!("no torrent can be put on the whitelist: {NO_API}");
                checks.push(Check::skipped(name, &why));
                continue;
            }
            if listener.forwarded {
                let why = "a proxy of your own has to name the peers' addresses: they meet through it alone";
                checks.push(Check::skipped(name, why));
                continue;
            }
            let list = api.clone().filter(|_| config.tracker.core.listed);
            if address.is_ipv6() && !probe::has_route(address) {
                checks.push(Check::skipped(name, &format!("this machine has no IPv6 route to {address}")));
            } else if listener.role == Role::Udp {
                checks.push(meeting.over_udp(name, cookies(config, address.port()), list));
            } else if !private {
                let tracker = HttpTracker::new(place.asked_at(config, &there, relay)?.join("/announce"));
                checks.push(meeting.over_http(name, tracker, list));
            } else if let Some(api) = &api {
                checks.push(meeting.by_key(&name, place.asked_at(config, &there, relay)?, api.clone(), list));
            } else {
                checks.push(Check::skipped(name, &format!("no key can be made: {NO_API}")));
            }
        }
    }
    Ok(checks)
}

/// Where two peers meet.
#[derive(Clone, Copy)]
struct Meeting {
    address: SocketAddr,
    seen_as: Option<IpAddr>,
}

impl Meeting {
    fn over_udp(self, name: String, cookies: Option<Duration>, list: Option<Api>) -> Check {
        let ask = move |deadline| -> Answer {
            let client = Client::connect_for(self.address, cookies, deadline);
            client
                .and_then(|client| self.of_two(&client, list.as_ref(), deadline))
                .unwrap_or_else(Answer::Failed)
        };
        Check::answering(name, ask)
    }

    fn over_http(self, name: String, tracker: HttpTracker, list: Option<Api>) -> Check {
        let ask =
            move |deadline| self.of_two(&tracker, list.as_ref(), deadline).unwrap_or_else(Answer::Failed);
        Check::answering(name, ask)
    }

    fn by_key(self, name: &str, base: Url, api: Api, list: Option<Api>) -> Check {
        let ask = move |deadline| {
            self.with_key(&base, &api, list.as_ref(), deadline).unwrap_or_else(Answer::Failed)
        };
        Check::answering(format!("{name} by a key, and not without it"), ask)
    }

    /// The key opens as long as it is there, and no longer.
    fn with_key(
        self,
        base: &Url,
        api: &Api,
        list: Option<&Api>,
        deadline: Deadline,
    ) -> Result<Answer, Fault> {
        let key = Record::key(&api.base, &api.token, KEY_LIFE, deadline)?;
        let tracker = HttpTracker::new(base.join(&format!("/announce/{}", key.word())));
        let met = self.of_two(&tracker, list, deadline)?;
        if let Err(fault) = key.remove(deadline) {
            // The tracker's 3.0.0 cannot with MySQL.
            return Ok(Answer::Warning {
                seen: format!("a key opens, and cannot be taken back: {}", fault.seen),
            });
        }
        match Visit::start(&tracker, Announce::seeder(InfoHash::random(), PEER_PORT), deadline) {
            Err(fault) if http::refused_for_key(&fault) => Ok(met),
            Err(fault) => Err(fault),
            Ok(_) => Err(Fault::new("a refusal, as the key was removed", "the announce was accepted")),
        }
    }

    /// The second one is told of the first, and the first, when it asks again, of the second.
    fn of_two(self, tracker: &dyn Tracker, list: Option<&Api>, deadline: Deadline) -> Result<Answer, Fault> {
        let torrent = stored::marked();
        // It is on the whitelist for as long as they meet.
        let _entry = list.map(|api| whitelisted(api, torrent, deadline)).transpose()?;
        let peers = [PEER_PORT, PEER_PORT + 1].map(|port| Announce::seeder(torrent, port));
        // One who has it all may be told of nobody.
        let [one, other] = peers.map(|peer| Announce { left: 1, ..peer });
        let (first, _) = Visit::start(tracker, one, deadline)?;
        let (second, told) = Visit::start(tracker, other, deadline)?;
        let shown = listed(&told, one.port)?;
        listed(&tracker.announce(&one, deadline)?, other.port)?;
        second.stop(deadline)?;
        first.stop(deadline)?;
        Ok(self.judge(shown))
    }

    /// The tracker tells others the address that it saw.
    fn judge(self, shown: IpAddr) -> Answer {
        let own = self.own_address();
        if self.seen_as == Some(shown) || own == Some(shown) {
            return Answer::Passed { seen: format!("each is told of the other, at this machine's {shown}") };
        }
        let seen = format!("each is told of the other, at {shown}");
        match self.seen_as.filter(|known| known.is_ipv4() == shown.is_ipv4()) {
            Some(known) if is_internal(shown) && !is_internal(known) => Answer::Failed(Fault::new(
                format!("peers at {known}, where the host sees this machine"),
                format!(
                    "peers at {shown}, which nobody else can reach: the way in hides the clients' addresses"
                ),
            )),
            Some(known) => {
                Answer::Warning { seen: format!("{seen}; SSH on the host sees this machine at {known}") }
            }
            None => Answer::Passed {
                seen: format!("{seen}; whether that is this machine cannot be told from here"),
            },
        }
    }

    /// Which of its addresses this machine sends from; nothing is sent.
    fn own_address(self) -> Option<IpAddr> {
        Some(probe::socket_to(self.address).ok()?.local_addr().ok()?.ip())
    }
}

/// An entry of the whitelist, by a tracker that goes by it.
fn whitelisted(api: &Api, torrent: InfoHash, deadline: Deadline) -> Result<Record, Fault> {
    let entry = Record::whitelisted(&api.base, &api.token, torrent, deadline)?;
    entry
        .ok_or_else(|| Fault::new("a new entry of the whitelist", "the API says that the tracker keeps none"))
}

/// The address of the peer with this port, among those that were told of.
fn listed(told: &Announced, port: u16) -> Result<IpAddr, Fault> {
    let found = told.peers.iter().find(|peer| peer.port() == port);
    found.map(SocketAddr::ip).ok_or_else(|| {
        let peers: Vec<_> = told.peers.iter().map(ToString::to_string).collect();
        let seen = if peers.is_empty() { "none".into() } else { peers.join(", ") };
        Fault::new(format!("the other peer, on port {port}, in the list of peers"), seen)
    })
}

/// An address that means something else on each network.
fn is_internal(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_lost_on_the_way_in_is_a_fault() {
        let at = |seen_as: Option<&str>| Meeting {
            address: "198.51.100.7:6969".parse().unwrap(),
            seen_as: seen_as.map(|ip| ip.parse().unwrap()),
        };
        let judged = |seen_as, shown: &str| at(seen_as).judge(shown.parse().unwrap());
        let seen_as = Some("203.0.113.9");
        assert!(matches!(judged(seen_as, "203.0.113.9"), Answer::Passed { .. }));
        assert!(matches!(judged(seen_as, "172.18.0.1"), Answer::Failed(_)));
        assert!(matches!(judged(seen_as, "203.0.113.10"), Answer::Warning { .. }));
        assert!(
            matches!(judged(Some("2001:db8::1"), "172.18.0.1"), Answer::Passed { seen } if seen.contains("cannot be told"))
        );
    }

    #[test]
    fn the_other_peer_is_known_by_its_port() {
        let told = |peers: &[&str]| Announced {
            interval: Duration::ZERO,
            seeders: 0,
            leechers: 2,
            peers: peers.iter().map(|peer| peer.parse().unwrap()).collect(),
        };
        assert_eq!(listed(&told(&["192.0.2.1:8", "192.0.2.2:9"]), 9).unwrap().to_string(), "192.0.2.2");
        assert!(listed(&told(&["192.0.2.1:8"]), 9).unwrap_err().seen.contains("192.0.2.1:8"));
    }
}
