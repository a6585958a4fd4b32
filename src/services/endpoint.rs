//! What people connect to: at a published port, or behind the TLS proxy.

use std::net::Ipv6Addr;

use serde::Serialize;

use super::Reach;
use crate::config::{Authority, Config};
use crate::error::{Code, Error, Result};
use crate::probe;
use crate::probe::http::{Relay, Url};
use crate::probe::tls::Trust;
use crate::store::Host;

/// Something that people connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// What it is: `UDP tracker`, `HTTP tracker`, `API`, `Grafana`.
    pub kind: &'static str,
    /// Scheme of the service itself: `udp`, `http`.
    pub scheme: &'static str,
    /// Over which families it can be asked at the host's own addresses.
    pub reach: Reach,
    /// The domain, when one is configured; otherwise the host's address is used.
    pub domain: Option<String>,
    /// Port of the container, and of the host where it is published.
    pub port: u16,
    /// Path after the address, with `/`.
    pub path: &'static str,
    /// The container that the TLS proxy asks for what comes for the domain; then the port is not published.
    pub behind_proxy: Option<&'static str>,
}

/// A domain that the TLS proxy serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// The domain.
    pub domain: String,
    /// The container that answers for it.
    pub container: &'static str,
    /// Its port.
    pub port: u16,
}

impl Endpoint {
    /// Its site, when it is behind the proxy.
    #[must_use]
    pub fn site(&self) -> Option<Site> {
        let (container, domain) = (self.behind_proxy?, self.domain.clone()?);
        Some(Site { domain, container, port: self.port })
    }

    /// What it is and where, in the words of a check.
    #[must_use]
    pub fn called(&self) -> String {
        match self.site() {
            Some(site) => format!("{} {}", self.kind, site.domain),
            None => format!("{} {}", self.kind, self.port),
        }
    }

    /// The host's address at which it is asked.
    #[must_use]
    pub fn address<'h>(&self, host: &'h Host) -> &'h str {
        match (&host.address_v6, self.behind_proxy, self.reach) {
            (Some(address), None, Reach::Ipv6) => address,
            _ => &host.address,
        }
    }

    /// Why nobody on this machine can ask it, although it may be well.
    #[must_use]
    pub fn out_of_reach(&self, host: &Host) -> Option<String> {
        if self.behind_proxy.is_some() || !self.is_public() {
            return None;
        }
        if self.reach == Reach::Ipv4 && host.address.parse::<Ipv6Addr>().is_ok() {
            let port = self.port;
            return Some(format!(
                "it listens over IPv4 alone, and the host's address is {}; with \"[::]:{port}\" it would listen there",
                host.address
            ));
        }
        if self.reach != Reach::Ipv6 {
            return None;
        }
        let Some(address) = &host.address_v6 else {
            return Some("it listens over IPv6 alone, and the host has no such address".into());
        };
        let found = probe::addresses(address, self.port).unwrap_or_default();
        let reached = found.into_iter().any(probe::has_route);
        (!reached).then(|| format!("this machine has no IPv6 route to {address}"))
    }

    /// Whether it is for others than the host itself.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.reach != Reach::Loopback
    }

    /// What brings it here when only the host reaches it; `ssh` is the command for a shell there.
    #[must_use]
    pub fn forward(&self, ssh: &str) -> Option<String> {
        let (at, port) = (self.on_loopback(), self.port);
        (!self.is_public()).then(|| format!("{ssh} -N -L {port}:{at}:{port}"))
    }

    /// Where the host itself reaches the published port.
    fn on_loopback(&self) -> &'static str {
        if self.reach == Reach::Ipv6 { "::1" } else { "127.0.0.1" }
    }

    /// The URL on a host of this address.
    #[must_use]
    pub fn url(&self, address: &str) -> String {
        match self.site() {
            None if !self.is_public() => probe::url(self.scheme, self.on_loopback(), self.port, self.path),
            Some(site) => format!("https://{}{}", site.domain, self.path),
            None => probe::url(self.scheme, self.domain.as_deref().unwrap_or(address), self.port, self.path),
        }
    }

    /// The start of its URLs, for whoever asks that very host wherever its domain leads. Secrets for it go over the relay,
    /// unless TLS protects them.
    ///
    /// # Errors
    /// The authority's root certificate cannot be read.
    pub fn asked_at(&self, config: &Config, host: &Host, relay: &Relay) -> Result<Url> {
        let address = if self.is_public() { self.address(host) } else { self.on_loopback() };
        let url = match self.site() {
            Some(site) => Url::of_site("https", &site.domain, &host.address, trust(config)?),
            None => probe::url(self.scheme, address, self.port, "").into(),
        };
        Ok(url.on_host(relay.clone(), self.on_loopback(), !self.is_public()))
    }
}

/// Whose certificates the clients of this stack take for good.
///
/// # Errors
/// The authority's root certificate cannot be read.
pub fn trust(config: &Config) -> Result<Trust> {
    let Some(https) = &config.https else { return Ok(Trust::System) };
    let Some(root) = https.root()? else {
        return Ok(match https.ca {
            // An authority whose root cannot be had is trusted by nobody.
            Some(Authority::Internal) => Trust::Roots(vec![]),
            _ if https.use_staging => Trust::Anyone,
            _ => Trust::System,
        });
    };
    Trust::of_pem(&root).map_err(|why| {
        Error::new(Code::ConfigInvalid, "the root certificate of https.ca cannot be used")
            .why(why)
            .help("https.ca_root names a PEM file; put the authority's root certificate there")
    })
}
