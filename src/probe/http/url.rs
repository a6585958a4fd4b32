//! Where a request goes: a URL, and for a host that its name need not lead to yet, the way there.

use std::fmt::{self, Display};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::{Request, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::relay::{Errand, Relay};
use crate::probe;
use crate::probe::tls::Trust;

/// A URL, and the way to whom it names.
#[derive(Clone, Debug)]
pub struct Url {
    text: String,
    trust: Trust,
    /// Connect here, whatever the name in the URL leads to.
    at: Option<String>,
    on_host: Option<OnHost>,
}

/// How the host itself reaches the same service.
#[derive(Clone, Debug)]
struct OnHost {
    relay: Relay,
    address: &'static str,
    /// Whether nothing else reaches it.
    only: bool,
}

impl<T: Into<String>> From<T> for Url {
    fn from(text: T) -> Self {
        Self { text: text.into(), trust: Trust::System, at: None, on_host: None }
    }
}

/// Without the query, which may hold a token.
impl Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.split('?').next().unwrap_or(&self.text))?;
        if self.is_only_on_host() { f.write_str(" on the host") } else { Ok(()) }
    }
}

impl Url {
    /// The start of a site's URLs, on a host that the domain need not lead to.
    #[must_use]
    pub fn of_site(scheme: &str, domain: &str, host: &str, trust: Trust) -> Self {
        Self { text: format!("{scheme}://{domain}"), trust, at: Some(host.to_owned()), on_host: None }
    }

    /// The URL with more at its end.
    #[must_use]
    pub fn join(&self, more: &str) -> Self {
        Self { text: format!("{}{more}", self.text), ..self.clone() }
    }

    /// The URL with another text.
    #[must_use]
    pub fn with(&self, text: String) -> Self {
        Self { text, ..self.clone() }
    }

    /// The URL in full.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same service, which the host reaches at this address of its loopback; `only` when nothing else does.
    #[must_use]
    pub fn on_host(self, relay: Relay, address: &'static str, only: bool) -> Self {
        Self { on_host: Some(OnHost { relay, address, only }), ..self }
    }

    /// Whether a request there is encrypted, and for the right one's eyes.
    pub(super) fn is_verified_tls(&self) -> bool {
        self.text.starts_with("https://") && !matches!(self.trust, Trust::Anyone)
    }

    /// Whether nothing but the host itself reaches it.
    #[must_use]
    pub fn is_only_on_host(&self) -> bool {
        self.on_host.as_ref().is_some_and(|there| there.only)
    }

    /// Whether a secret for it goes to the host over SSH.
    #[must_use]
    pub fn takes_secrets_over_ssh(&self) -> bool {
        self.is_only_on_host() || !self.is_verified_tls()
    }

    /// The same request, for the host to send.
    pub(super) fn errand(&self, request: &Request<()>) -> Option<(&Relay, Errand)> {
        let there = self.on_host.as_ref()?;
        let (uri, tls) = (request.uri(), request.uri().scheme_str() == Some("https"));
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let errand = Errand {
            domain: uri.host().filter(|_| tls).map(ToOwned::to_owned),
            address: there.address,
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            method: request.method().to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: request.headers().iter().map(header).collect(),
        };
        Some((&there.relay, errand))
    }

    /// A client, whose requests have a connection each.
    pub(super) fn agent(&self) -> Agent {
        let config = Agent::config_builder()
            .max_idle_connections(0)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(self.trust.for_http())
            .proxy(None)
            .build();
        Agent::with_parts(config, DefaultConnector::default(), Way(self.at.clone()))
    }
}

/// Finds the address of whom a URL names, or of whom is to be asked in their place.
#[derive(Debug)]
struct Way(Option<String>);

impl Resolver for Way {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(host) = &self.0 else { return DefaultResolver::default().resolve(uri, config, timeout) };
        let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let there = probe::url("http", host, port, "/").parse();
        let there = there.map_err(|_| ureq::Error::HostNotFound)?;
        DefaultResolver::default().resolve(&there, config, timeout)
    }
}
