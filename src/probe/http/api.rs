//! The tracker's API, as who has its token asks it.

use ureq::http::{HeaderValue, Method, Request};

use super::{Answer, Carries, Url, percent_encode, send};
use crate::probe::{Deadline, Fault};

/// What opens the API.
#[derive(Clone, Copy)]
pub enum Token<'a> {
    /// One that is to be refused.
    Wrong(&'a str),
    /// The real one, a secret.
    Right(&'a str),
}

/// Asks for a path of the API. The token travels in a header, since the tracker logs each query; only a tracker that does not
/// read the header, as release 3.0.0, gets it in the query.
///
/// # Errors
/// What was seen in place of an answer.
pub fn ask(
    api: &Url,
    method: &Method,
    path: &str,
    token: Option<Token>,
    deadline: Deadline,
) -> Result<Answer, Fault> {
    let url = api.join(path);
    let request = || Request::builder().method(method).uri(url.text());
    let (token, carries) = match token {
        None => return send(&url.agent(), request(), &url, Carries::Nothing, deadline),
        Some(Token::Wrong(token)) => (token, Carries::Nothing),
        Some(Token::Right(token)) => (token, Carries::Secret),
    };
    if let Some(value) = bearer(token) {
        let answer = send(&url.agent(), request().header("Authorization", value), &url, carries, deadline)?;
        if !saw_no_token(&answer) {
            return Ok(answer);
        }
    }
    let url = url.join(&format!("?token={}", percent_encode(token.as_bytes())));
    send(&url.agent(), Request::builder().method(method).uri(url.text()), &url, carries, deadline)
}

/// The header's value, where it can carry the token.
fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    (token.trim() == token).then_some(value)
}

/// A wrong token is refused for another reason, by all versions.
fn saw_no_token(answer: &Answer) -> bool {
    !answer.is_success() && String::from_utf8_lossy(&answer.body).contains(r#""unauthorized""#)
}
