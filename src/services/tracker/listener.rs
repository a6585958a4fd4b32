//! What the tracker listens for, and where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::config::Config;
use crate::services::{Protocol, Reach};

/// "Everywhere" means over both families, where the host has both: peers of either announce with the address that they have.
pub(super) fn families(address: SocketAddr, ipv6: bool) -> Vec<SocketAddr> {
    let everywhere: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    if address.ip().is_unspecified() {
        let there = everywhere.into_iter().filter(|ip| ipv6 || ip.is_ipv4());
        there.map(|ip| SocketAddr::new(ip, address.port())).collect()
    } else {
        vec![address]
    }
}

/// What the tracker can listen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Udp,
    Http,
    Api,
    Health,
}

impl Role {
    pub(super) fn called(self) -> &'static str {
        match self {
            Self::Udp => "UDP tracker",
            Self::Http => "HTTP tracker",
            Self::Api => "API",
            Self::Health => "Health check",
        }
    }

    /// Whether peers announce there.
    pub(super) fn is_tracker(self) -> bool {
        matches!(self, Self::Udp | Self::Http)
    }

    pub(super) fn protocol(self) -> Protocol {
        if self == Self::Udp { Protocol::Udp } else { Protocol::Tcp }
    }

    pub(super) fn scheme(self) -> &'static str {
        if self == Self::Udp { "udp" } else { "http" }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Udp | Self::Http => "/announce",
            Self::Api => "/api",
            Self::Health => "/health_check",
        }
    }
}

/// Something that the tracker listens on.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) role: Role,
    pub(super) address: SocketAddr,
    pub(super) domain: Option<String>,
    /// Whether the TLS proxy stands in front.
    pub(super) tls: bool,
    /// Whether a proxy of the user's own stands in front.
    pub(super) forwarded: bool,
}

/// A client that nobody is (RFC 5737), for a tracker that has to be told of one.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

impl Listener {
    /// The client that a proxy of the user's own would name.
    pub(super) fn client(&self) -> Option<IpAddr> {
        self.forwarded.then_some(NOBODY)
    }

    /// Whether nothing but its own container reaches it.
    pub(super) fn is_in_container_only(&self) -> bool {
        self.role != Role::Api && self.address.ip().is_loopback()
    }

    /// Trackers listen over both families (see [`families`]); of the others the tracker's configuration has one each.
    pub(super) fn reach(&self) -> Reach {
        match (self.role, self.address.ip()) {
            (Role::Udp | Role::Http, _) => Reach::Everywhere,
            (Role::Api, ip) if ip.is_loopback() => Reach::Loopback,
            (_, IpAddr::V4(_)) => Reach::Ipv4,
            (_, IpAddr::V6(_)) => Reach::Ipv6,
        }
    }
}

/// What the tracker listens on, in the order of the configuration.
pub(super) fn listeners(config: &Config) -> Vec<Listener> {
    let tracker = &config.tracker;
    let listener = |role, address, domain: &Option<String>, tls| Listener {
        role,
        address,
        domain: domain.clone(),
        tls: tls == Some(true),
        forwarded: false,
    };
    let udp = tracker.udp_trackers.iter();
    let udp = udp.map(|udp| listener(Role::Udp, udp.bind_address, &udp.domain, None));
    let http = tracker.http_trackers.iter();
    let http = http.map(|http| Listener {
        forwarded: http.network.on_reverse_proxy == Some(true),
        ..listener(Role::Http, http.bind_address, &http.domain, http.use_tls_proxy)
    });
    let api = tracker.http_api.iter();
    let api = api.map(|api| listener(Role::Api, api.bind_address, &api.domain, api.use_tls_proxy));
    let health = &tracker.health_check_api;
    let health = listener(Role::Health, health.bind_address, &health.domain, health.use_tls_proxy);
    udp.chain(http).chain(api).chain([health]).collect()
}

/// For how long the UDP tracker of this port takes a connection id; nothing where the tracker's own default holds.
pub(super) fn cookies(config: &Config, port: u16) -> Option<Duration> {
    let tracker = config.tracker.udp_trackers.iter().find(|udp| udp.bind_address.port() == port)?;
    tracker.cookie_lifetime_in_secs.map(|seconds| Duration::from_secs(seconds.into()))
}

/// What can be reached from outside of the container: what listens on loopback stays in it, but for the API, which the host
/// reaches; and a private tracker starts no UDP tracker.
pub(super) fn reachable(config: &Config) -> impl Iterator<Item = Listener> {
    let private = config.tracker.core.private;
    listeners(config)
        .into_iter()
        .filter(|listener| !listener.is_in_container_only())
        .filter(move |listener| !private || listener.role != Role::Udp)
}
