//! What the tracker's API writes into its database: keys of a private tracker, entries of the whitelist.

use std::time::Duration;

use ureq::http::Method;

use super::{Answer, Token, Url, api};
use crate::probe::swarm::InfoHash;
use crate::probe::{Deadline, Fault};

/// How long a removal may take when the check that wrote is already over.
const GRACE: Duration = Duration::from_secs(2);
/// The request does not fit what the tracker is configured for.
const CONFLICT: u16 = 409;

/// Something in the tracker's database that goes when the value goes: nothing that a check wrote remains there.
pub struct Record {
    api: Url,
    token: String,
    kind: &'static str,
    word: String,
    removed: bool,
}

impl Record {
    /// Has the tracker make a key for peers. It is of no use after `life`, should it outlive its removal.
    ///
    /// # Errors
    /// What was seen in place of a key.
    pub fn key(api: &Url, token: &str, life: Duration, deadline: Deadline) -> Result<Self, Fault> {
        let answer = ask(api, token, &Method::POST, "key", &life.as_secs().to_string(), deadline)?;
        let made = answer.json().filter(|_| answer.is_success());
        let Some(word) = made.as_ref().and_then(|made| made["key"].as_str()) else {
            return Err(Fault::new("a new key from the API", format!("answered {}", answer.brief())));
        };
        Ok(Self::new(api, token, "key", word.to_owned()))
    }

    /// Puts a torrent on the whitelist; none where the tracker refuses that, as it keeps no whitelist (409). Release 3.0.0
    /// keeps one always, later ones where they are `listed`.
    ///
    /// # Errors
    /// What was seen in place of success.
    pub fn whitelisted(
        api: &Url,
        token: &str,
        torrent: InfoHash,
        deadline: Deadline,
    ) -> Result<Option<Self>, Fault> {
        let mut record = Self::new(api, token, "whitelist", torrent.to_string());
        let answer = ask(api, token, &Method::POST, record.kind, &record.word, deadline)?;
        if answer.status == CONFLICT {
            record.removed = true;
            return Ok(None);
        }
        if !answer.is_success() {
            let seen = format!("answered {}", answer.brief());
            return Err(Fault::new("a new entry of the whitelist", seen));
        }
        Ok(Some(record))
    }

    fn new(api: &Url, token: &str, kind: &'static str, word: String) -> Self {
        Self { api: api.clone(), token: token.to_owned(), kind, word, removed: false }
    }

    /// The key, or the torrent.
    #[must_use]
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Removes it.
    ///
    /// # Errors
    /// What was seen in place of its removal.
    pub fn remove(mut self, deadline: Deadline) -> Result<(), Fault> {
        self.removed = true;
        self.ask(&Method::DELETE, &format!("the removal of the {} by the API", self.kind), deadline)
    }

    fn ask(&self, method: &Method, expected: &str, deadline: Deadline) -> Result<(), Fault> {
        let answer = ask(&self.api, &self.token, method, self.kind, &self.word, deadline)?;
        if answer.is_success() {
            return Ok(());
        }
        Err(Fault::new(expected, format!("answered {}", answer.brief())))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.removed {
            // The check is over, and says what it found already.
            let _ = self.ask(&Method::DELETE, "its removal", Deadline::after(GRACE));
        }
    }
}

fn ask(
    base: &Url,
    token: &str,
    method: &Method,
    kind: &str,
    what: &str,
    deadline: Deadline,
) -> Result<Answer, Fault> {
    api::ask(base, method, &format!("/api/v1/{kind}/{what}"), Some(Token::Right(token)), deadline)
}
