//! Where a load of announces can go.

use std::time::Duration;

use super::listener::cookies;
use super::meeting;
use super::{endpoint, reachable, visit};
use crate::config::Config;
use crate::error::Result;
use crate::probe::http::{HttpTracker, Record, Relay};
use crate::probe::load::{self, Crowd, Measured, Plan};
use crate::probe::udp::Client;
use crate::probe::{self, Deadline, Fault};
use crate::services::Protocol;
use crate::store::Host;

/// Longer than any load takes.
const KEY_LIFE: Duration = Duration::from_mins(30);

/// A tracker that can be loaded.
pub struct Target {
    /// In the words of a check: `UDP tracker 6969`.
    pub name: String,
    /// TCP for HTTP.
    pub protocol: Protocol,
    way: Way,
}

enum Way {
    Udp(std::net::SocketAddr, Option<Duration>),
    Http(Box<HttpTracker>),
}

/// The trackers of an environment.
pub struct Targets {
    /// In the order of the configuration.
    pub all: Vec<Target>,
    /// What opens those of a private one, as long as it is there.
    pub key: Option<Record>,
}

/// The trackers of an environment. The inner error is what the API answers in place of a key.
///
/// # Errors
/// A secret has no value.
pub fn targets(
    config: &Config,
    host: &Host,
    relay: &Relay,
    deadline: Deadline,
) -> Result<Result<Targets, Fault>> {
    let api = meeting::api(config, host, relay)?.filter(|_| config.tracker.core.private);
    let key = api.map(|api| Record::key(&api.base, &api.token, KEY_LIFE, deadline)).transpose();
    let key = match key {
        Ok(key) => key,
        Err(fault) => return Ok(Err(fault)),
    };
    let path = key.as_ref().map_or("/announce".into(), |key| format!("/announce/{}", key.word()));
    let mut targets = vec![];
    for listener in reachable(config).filter(|listener| listener.role.is_tracker()) {
        let (protocol, port) = (listener.role.protocol(), listener.address.port());
        let client = listener.client();
        let place = endpoint(listener);
        let way = match protocol {
            Protocol::Udp => {
                let address = probe::one_of_each_family(host.addresses(), port).first().copied();
                address.map(|address| Way::Udp(address, cookies(config, port)))
            }
            Protocol::Tcp => {
                let tracker =
                    HttpTracker::new(place.asked_at(config, host, relay)?.join(&path)).for_client(client);
                Some(Way::Http(Box::new(tracker)))
            }
        };
        targets.extend(way.map(|way| Target { name: place.called(), protocol, way }));
    }
    Ok(Ok(Targets { all: targets, key }))
}

impl Target {
    /// One announce, to see whether a load makes sense.
    ///
    /// # Errors
    /// What was seen in place of an answer.
    pub fn greet(&self, deadline: Deadline) -> Result<String, Fault> {
        match &self.way {
            Way::Udp(address, cookies) => {
                visit(&Client::connect_for(*address, *cookies, deadline)?, deadline)
            }
            Way::Http(tracker) => visit(&**tracker, deadline),
        }
    }

    /// Sends these announces.
    ///
    /// # Errors
    /// Nothing could be sent.
    pub fn load(
        &self,
        plan: Plan,
        crowd: &Crowd,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Measured, Fault> {
        match &self.way {
            Way::Udp(address, cookies) => load::udp(*address, *cookies, plan, crowd, stopped),
            Way::Http(tracker) => Ok(load::http(tracker, plan, crowd, stopped)),
        }
    }
}
