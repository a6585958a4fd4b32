//! Keys of a private tracker, by its API.

use std::time::Duration;

use ureq::http::{Method, Request};

use super::{Answer, Url, percent_encode, send};
use crate::probe::{Deadline, Fault};

/// How long a key may take to go when the check that made it is already over.
const GRACE: Duration = Duration::from_secs(2);

/// A key that goes when the value goes: nothing that a check wrote remains in the tracker's database.
pub struct Key {
    api: Url,
    token: String,
    word: String,
    removed: bool,
}

impl Key {
    /// Has the tracker make a key. It is of no use after `life`, should it outlive its removal.
    ///
    /// # Errors
    /// What was seen in place of a key.
    pub fn make(api: &Url, token: &str, life: Duration, deadline: Deadline) -> Result<Self, Fault> {
        let answer = ask(api, token, Method::POST, &life.as_secs().to_string(), deadline)?;
        let word = answer.json().filter(|_| answer.is_success());
        let word = word.as_ref().and_then(|made| made["key"].as_str());
        match word {
            Some(word) => {
                Ok(Self { api: api.clone(), token: token.into(), word: word.into(), removed: false })
            }
            None => Err(Fault::new("a new key from the API", format!("answered {}", answer.brief()))),
        }
    }

    /// The key itself.
    #[must_use]
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Removes the key.
    ///
    /// # Errors
    /// What was seen in place of its removal.
    pub fn remove(mut self, deadline: Deadline) -> Result<(), Fault> {
        self.removed = true;
        let answer = ask(&self.api, &self.token, Method::DELETE, &self.word, deadline)?;
        if answer.is_success() {
            return Ok(());
        }
        Err(Fault::new("the removal of the key by the API", format!("answered {}", answer.brief())))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if !self.removed {
            // Where this fails, the key's life ends by itself.
            let _ = ask(&self.api, &self.token, Method::DELETE, &self.word, Deadline::after(GRACE));
        }
    }
}

fn ask(api: &Url, token: &str, method: Method, what: &str, deadline: Deadline) -> Result<Answer, Fault> {
    let url = api.join(&format!("/api/v1/key/{what}?token={}", percent_encode(token.as_bytes())));
    send(&url.agent(), Request::builder().method(method).uri(url.text()), &url, deadline)
}
