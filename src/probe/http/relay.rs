//! Requests that the host itself sends: a secret reaches it over SSH and never crosses the network in clear text.

use std::fmt::{self, Debug};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Answer;
use crate::probe::{Deadline, Fault};

/// A request for the host to send to itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Errand {
    /// The domain of a site behind the TLS proxy; plain HTTP without it.
    pub domain: Option<String>,
    /// An address of the host's loopback.
    pub address: &'static str,
    /// The published port.
    pub port: u16,
    /// GET, POST, DELETE.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// What came of an errand.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Where a redirect leads.
    #[serde(default)]
    pub location: Option<String>,
    /// The body's bytes, one character each.
    #[serde(default)]
    pub body: String,
    /// Why there is no answer.
    #[serde(default)]
    pub failed: Option<String>,
}

impl Reply {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// The host's own words.
    pub fn answer(self) -> Result<Answer, String> {
        if let Some(why) = self.failed {
            return Err(why);
        }
        let byte = |character: char| u8::try_from(u32::from(character)).unwrap_or(b'?');
        let body = self.body.chars().map(byte).collect();
        Ok(Answer { status: self.status, location: self.location, body })
    }
}

type Run = dyn Fn(&Errand, Deadline) -> Result<Answer, String> + Send + Sync;

/// Takes errands to the host. Clones share one session.
#[derive(Clone)]
pub struct Relay(Arc<Run>);

impl Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relay")
    }
}

impl Relay {
    /// One that runs errands like this.
    pub fn new(run: impl Fn(&Errand, Deadline) -> Result<Answer, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(run))
    }

    /// Has the host send a request.
    ///
    /// # Errors
    /// What was seen in place of an answer.
    pub fn run(&self, errand: &Errand, deadline: Deadline) -> Result<Answer, Fault> {
        let scheme = if errand.domain.is_some() { "https" } else { "http" };
        let name = errand.domain.as_deref().unwrap_or(errand.address);
        let path = errand.path.split('?').next().unwrap_or_default();
        let expected = || {
            let url = crate::probe::url(scheme, name, errand.port, path);
            format!("an HTTP answer from {url} on the host")
        };
        (self.0)(errand, deadline).map_err(|seen| Fault::new(expected(), seen))
    }
}
