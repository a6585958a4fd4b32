//! Where a request goes: a URL, and for a host that its name need not lead to yet, the way there.

use std::fmt::{self, Display};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::probe;
use crate::probe::tls::Trust;

/// A URL, and the way to whom it names.
#[derive(Clone, Debug)]
pub struct Url {
    text: String,
    trust: Trust,
    /// Connect here, whatever the name in the URL leads to.
    at: Option<String>,
}

impl<T: Into<String>> From<T> for Url {
    fn from(text: T) -> Self {
        Self { text: text.into(), trust: Trust::System, at: None }
    }
}

/// Without the query, which may hold a token.
impl Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.split('?').next().unwrap_or(&self.text))
    }
}

impl Url {
    /// The start of a site's URLs, on a host that the domain need not lead to.
    #[must_use]
    pub fn of_site(scheme: &str, domain: &str, host: &str, trust: Trust) -> Self {
        Self { text: format!("{scheme}://{domain}"), trust, at: Some(host.to_owned()) }
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
