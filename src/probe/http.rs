//! An HTTP service as a client sees it: plain requests, health checks, the tracker's API and HTTP trackers.

mod api;
mod record;
pub mod relay;
mod tracker;
mod url;

pub use api::Token;
pub use record::Record;
pub use relay::Relay;
pub use tracker::{HttpTracker, refused_for_key, refused_for_whitelist};
pub use url::Url;

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::request::Builder as RequestBuilder;
use ureq::http::{Method, Request};

use super::{Deadline, Fault, tls};

/// Where the API has its figures.
pub const STATS: &str = "/api/v1/stats";
/// No answer that a probe asks for is near this size.
const BODY_MAX: u64 = 1 << 20;
/// How much of an unexpected answer a message shows.
const EXCERPT: usize = 120;

/// An HTTP answer of any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code (RFC 9110, section 15).
    pub status: u16,
    /// Where it leads, when it is a redirect.
    pub location: Option<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer in a few words: `HTTP 404, "Not Found"`.
    #[must_use]
    pub fn brief(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = text.chars().filter(|c| !c.is_control()).take(EXCERPT).collect();
        match (short.len(), text.len()) {
            (0, _) => format!("HTTP {}, no body", self.status),
            (shown, all) if shown < all => format!("HTTP {}, \"{short}…\"", self.status),
            _ => format!("HTTP {}, \"{short}\"", self.status),
        }
    }

    /// Whether the status says that the request was fulfilled.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, when it is JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Who asks for a page.
#[derive(Clone)]
pub enum Login {
    /// No one in particular.
    Nobody,
    /// Someone who is to be refused, by this `Authorization`.
    Wrong(String),
    /// Someone with a secret in this `Authorization`.
    Right(String),
}

/// Whether a request has a secret in it. One that has leaves this machine over verified TLS or over SSH only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Nothing,
    Secret,
}

/// Asks for a page. Redirects are answers too: they are not followed. A proxy of the environment is not used, as it
/// would answer in place of the service.
///
/// # Errors
///
/// What was seen in place of an answer. The query of the URL is not shown, as it may hold a token.
pub fn get(url: &Url, login: &Login, deadline: Deadline) -> Result<Answer, Fault> {
    let request = Request::get(url.text());
    let (request, carries) = match login {
        Login::Nobody => (request, Carries::Nothing),
        Login::Wrong(value) => (request.header("Authorization", value), Carries::Nothing),
        Login::Right(value) => (request.header("Authorization", value), Carries::Secret),
    };
    send(&url.agent(), request, url, carries, deadline)
}

/// Sends a request without a body, from here or from the host.
fn send(
    agent: &Agent,
    request: RequestBuilder,
    url: &Url,
    carries: Carries,
    deadline: Deadline,
) -> Result<Answer, Fault> {
    let fault = |seen: String| Fault::new(format!("an HTTP answer from {url}"), seen);
    let request = request.body(()).map_err(|error| fault(error.to_string()))?;
    if url.is_only_on_host() || (carries == Carries::Secret && url.takes_secrets_over_ssh()) {
        let Some((relay, errand)) = url.errand(&request) else {
            return Err(fault("not asked: a secret would have travelled in clear text".into()));
        };
        return relay.run(&errand, deadline);
    }
    // A zero timeout would mean none at all.
    let left = deadline.left().unwrap_or(Duration::from_nanos(1));
    let request = agent.configure_request(request).timeout_global(Some(left)).build();
    let mut response = agent.run(request).map_err(|error| fault(seen(&error, deadline)))?;
    let status = response.status().as_u16();
    let location = response.headers().get("location").and_then(|place| place.to_str().ok()).map(Into::into);
    let body = response.body_mut().with_config().limit(BODY_MAX).read_to_vec();
    let body =
        body.map_err(|error| fault(format!("answered HTTP {status}, then {}", seen(&error, deadline))))?;
    Ok(Answer { status, location, body })
}

/// Asks a health check, which answers 200 and JSON with `"status": "Ok"` when all is well.
///
/// # Errors
///
/// What was seen in place of that.
pub fn health(url: &Url, deadline: Deadline) -> Result<(), Fault> {
    let answer = get(url, &Login::Nobody, deadline)?;
    let healthy = answer.json().is_some_and(|body| body["status"] == "Ok");
    if answer.status == 200 && healthy {
        return Ok(());
    }
    let expected = format!("HTTP 200 with \"status\": \"Ok\" from {url}");
    Err(Fault::new(expected, format!("answered {}", answer.brief())))
}

/// Asks the tracker's health-check API, which probes each listener for its answer and says 200 whatever came of it.
///
/// # Errors
/// The listeners that do not work, by name; or what was seen in place of a report.
pub fn health_report(url: &Url, deadline: Deadline) -> Result<String, Fault> {
    let answer = get(url, &Login::Nobody, deadline)?;
    let report = answer.json().filter(|report| answer.status == 200 && report["status"].is_string());
    let Some(report) = report else {
        let expected = format!("HTTP 200 with a report of the tracker's listeners from {url}");
        return Err(Fault::new(expected, format!("answered {}", answer.brief())));
    };
    let listeners: Vec<&Value> = report["details"].as_array().into_iter().flatten().collect();
    let failed: Vec<String> = listeners.iter().filter_map(|one| failure_of(one)).collect();
    let expected = "each listener to work, by the tracker's own report";
    match report["status"].as_str() {
        Some("Ok") if failed.is_empty() => Ok(format!("Ok, {} listeners", listeners.len())),
        Some("None") => Err(Fault::new(expected, "the tracker reports no listener at all")),
        _ if failed.is_empty() => Err(Fault::new(expected, format!("answered {}", answer.brief()))),
        _ => Err(Fault::new(expected, failed.join("; "))),
    }
}

/// `udp://0.0.0.0:6969: no answer`, where the listener failed. Release 3.0.0 names the address alone.
fn failure_of(listener: &Value) -> Option<String> {
    let result = &listener["result"];
    if result.get("Ok").is_some() {
        return None;
    }
    let place = ["service_binding", "binding"].into_iter().find_map(|key| listener[key].as_str());
    let place = place.or_else(|| listener["info"].as_str()).unwrap_or("a listener without a name");
    let why = result["Err"].as_str().map_or_else(|| result.to_string(), ToOwned::to_owned);
    Some(format!("{place}: {why}"))
}

/// Asks the tracker's API for its figures with the right token.
///
/// # Errors
///
/// What was seen in place of the figures.
pub fn api_stats(base: &Url, token: &str, deadline: Deadline) -> Result<Value, Fault> {
    let answer = api_get(base, Some(Token::Right(token)), deadline)?;
    let figures = answer.json().filter(|body| answer.status == 200 && is_stats(body));
    let expected = format!("HTTP 200 with the tracker's figures from {}", stats_url(base));
    figures.ok_or_else(|| Fault::new(expected, format!("answered {}", answer.brief())))
}

/// Sees that the API refuses a request without a token, or with a wrong one, and gives what it answered. Which status
/// it refuses with is not asked: the tracker's 3.0.0 answers 500 where 401 would be right.
///
/// # Errors
///
/// What was seen in place of a refusal.
pub fn api_refuses(base: &Url, wrong_token: Option<&str>, deadline: Deadline) -> Result<String, Fault> {
    let answer = api_get(base, wrong_token.map(Token::Wrong), deadline)?;
    let data = answer.json().is_some_and(|body| is_stats(&body));
    if !data && (400..600).contains(&answer.status) {
        return Ok(answer.brief());
    }
    let credentials = if wrong_token.is_some() { "with a wrong token" } else { "without a token" };
    let expected = format!("a refusal of {} {credentials}", stats_url(base));
    Err(Fault::new(expected, format!("answered {}", answer.brief())))
}

fn api_get(base: &Url, token: Option<Token>, deadline: Deadline) -> Result<Answer, Fault> {
    api::ask(base, &Method::GET, STATS, token, deadline)
}

fn stats_url(base: &Url) -> Url {
    base.join(STATS)
}

fn is_stats(body: &Value) -> bool {
    body["torrents"].is_u64()
}

/// Every byte but the unreserved ones as `%XX` (RFC 3986, section 2.3), as BEP 3 wants it for binary values.
#[must_use]
pub fn percent_encode(bytes: &[u8]) -> String {
    let encode = |&byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

/// The observation behind an error of the HTTP library.
fn seen(error: &ureq::Error, deadline: Deadline) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no complete answer in {deadline}"),
        ureq::Error::Io(error) => tls::complaint(error),
        ureq::Error::HostNotFound => "the name does not resolve to an address".into(),
        ureq::Error::ConnectionFailed => "no connection".into(),
        ureq::Error::BodyExceedsLimit(limit) => format!("a body of more than {limit} bytes"),
        ureq::Error::BadUri(_) => "no request: the URL is not valid".into(),
        ureq::Error::Protocol(error) => format!("an answer that is not HTTP ({error})"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
