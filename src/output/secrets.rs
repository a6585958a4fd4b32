//! What is never shown: the known secrets, in each form in which a text may hold them.

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use crate::probe::http::percent_encode;

/// What is shown in a secret's place.
const MASK: &str = "********";
/// Too short a text is no secret: it would blot out words.
const SHORTEST: usize = 4;

/// The secrets known so far; copies know the same.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<Vec<String>>>);

impl Secrets {
    /// From now on this text is masked: as it is, in a URL, as Rust and JSON quote it, and inside of base64.
    pub fn add(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let quoted = format!("{secret:?}");
        let plain =
            [percent_encode(secret.as_bytes()), quoted[1..quoted.len() - 1].to_owned(), secret.to_owned()];
        let forms = plain.into_iter().chain(in_base64(secret.as_bytes()));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            if !known.contains(&form) {
                known.push(form);
            }
        }
        // The longest first: a secret that begins another one would leave the other's tail.
        known.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text without any of them.
    pub fn masked(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

/// What base64 of a longer text, such as `user:password`, holds of this one, wherever it begins there. Its first and last
/// characters also depend on the neighbours, so they are left out.
fn in_base64(secret: &[u8]) -> impl Iterator<Item = String> {
    (0..3)
        .flat_map(move |before| {
            let padded = [&[0; 2][..before], secret].concat();
            // A character has 6 bits: those made of the secret's bits alone.
            let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
            let engines = [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD];
            engines.map(|engine| engine.encode(&padded)[first..last].to_owned())
        })
        .filter(|form| form.len() >= SHORTEST)
}

/// A way out for whole events: libraries log too, and know nothing of our secrets.
pub struct Masked<W> {
    /// Where they go.
    pub to: W,
    /// What they must not hold.
    pub secrets: Secrets,
}

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.to.write_all(self.secrets.masked(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let secrets = Secrets::default();
        secrets.add(r#"p@ss "w\ord"#);
        let shown = secrets
            .masked(r#"raw p@ss "w\ord, quoted "p@ss \"w\\ord", in a URL ?token=p%40ss%20%22w%5Cord."#);
        assert_eq!(shown, r#"raw ********, quoted "********", in a URL ?token=********."#);
    }

    #[test]
    fn a_secret_is_masked_inside_of_base64() {
        let secrets = Secrets::default();
        secrets.add("vE4ixM2uTq0Zk9sLw7RbNcYd");
        for user in ["a", "ab", "abc", "admin"] {
            let header = BASE64_STANDARD_NO_PAD.encode(format!("{user}:vE4ixM2uTq0Zk9sLw7RbNcYd?"));
            let shown = secrets.masked(&header);
            assert!(shown.contains(MASK) && shown.len() < 24, "{header} {shown}");
        }
    }

    #[test]
    fn a_secret_that_begins_another_leaves_no_tail_of_it() {
        let secrets = Secrets::default();
        secrets.add("token");
        secrets.add("token-and-more");
        assert_eq!(secrets.masked("token-and-more, token"), "********, ********");
    }

    #[test]
    fn a_short_text_blots_out_no_words() {
        let secrets = Secrets::default();
        secrets.add("the");
        assert_eq!(secrets.masked("the tracker"), "the tracker");
    }
}
