//! SSH keys as `ssh` reads them: whole files, and a public key that belongs to the private one.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::files::{is_public_key, typed};
use super::formats::Flaw;
use crate::error::{Code, Error, Result};
use crate::input;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";

/// What keeps `ssh` from reading a private key of this text, in the file that is shown so. Keys in the older PEM form
/// may have other line ends.
pub fn private_key_flaw(text: &str, shown: &str) -> Option<Flaw> {
    let file = typed(shown);
    let first = text.lines().next().unwrap_or_default();
    if !first.starts_with("-----BEGIN ") || !first.ends_with("PRIVATE KEY-----") {
        let fix = if text.starts_with("PuTTY-") {
            let converted = typed(&format!("{shown}.pem"));
            format!("convert it: puttygen {file} -O private-openssh -o {converted}")
        } else if is_public_key(text) {
            "this is a public key; name the file without .pub. A key that only an SSH agent holds does not work: \
             make one in a file with ssh-keygen -t ed25519"
                .into()
        } else {
            "name the file that ssh-keygen made, without .pub".into()
        };
        return Some(Flaw { what: format!("`{shown}` is no private SSH key"), fix });
    }
    if first != BEGIN {
        return None;
    }
    let flaw = |what: String, fix: String| Some(Flaw { what, fix });
    if text.contains('\r') {
        return flaw(
            format!("the lines of `{shown}` end as on Windows (CRLF); ssh cannot read such a key"),
            format!("tr -d '\\r' < {file} > {file}.new && chmod 600 {file}.new && mv {file}.new {file}"),
        );
    }
    if !text.lines().any(|line| line == END) {
        return flaw(
            format!("`{shown}` is cut off: its last line is missing"),
            "copy the whole key again".into(),
        );
    }
    if text.ends_with(END) {
        return flaw(
            format!("the last line of `{shown}` has no line end; ssh cannot read such a key"),
            format!("echo >> {file}"),
        );
    }
    None
}

/// The public key that OpenSSH stores unencrypted in a private key's file.
fn public_part(private: &str) -> Option<Vec<u8>> {
    let body: String =
        private.lines().skip_while(|line| *line != BEGIN).skip(1).take_while(|line| *line != END).collect();
    let bytes = BASE64_STANDARD.decode(body).ok()?;
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    // The cipher, its key derivation, and that one's options.
    for _ in 0..3 {
        rest = string(rest)?.1;
    }
    let one_key = rest.strip_prefix(&[0, 0, 0, 1])?;
    Some(string(one_key)?.0.to_owned())
}

/// A text with its length in front, and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Whether the public key belongs to another private key. What cannot be read is not judged.
pub fn is_mismatched(private: &str, public: &str) -> bool {
    let given = public.split_whitespace().nth(1).and_then(|body| BASE64_STANDARD.decode(body).ok());
    matches!((public_part(private), given), (Some(held), Some(given)) if held != given)
}

/// Checks the stored key pair of an environment, before a host is made or reached with it.
///
/// # Errors
/// `config_invalid`. A file that is missing is reported where it is used.
pub fn check_pair(private: &Path, public: &Path) -> Result<()> {
    let Ok(text) = input::read_text(private) else { return Ok(()) };
    let shown = private.display().to_string();
    if let Some(Flaw { what, fix }) = private_key_flaw(&text, &shown) {
        return Err(Error::new(Code::ConfigInvalid, what).help(fix));
    }
    match input::read_text(public) {
        Ok(other) if is_mismatched(&text, &other) => {
            let (what, fix) = mismatch(&shown, &public.display().to_string());
            Err(Error::new(Code::ConfigInvalid, what).help(fix))
        }
        _ => Ok(()),
    }
}

/// The words for a public key of another pair.
pub fn mismatch(private: &str, public: &str) -> (String, String) {
    (
        format!("`{public}` is not the public key of `{private}`: the host would let nobody in"),
        format!("name the right file, or make it: ssh-keygen -y -f {} > {}", typed(private), typed(public)),
    )
}
