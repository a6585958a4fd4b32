//! The host's key. The one that the environment stores is the authority; `known_hosts` is written from it at each use.

use std::fs;
use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::Target;
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::process::{Cmd, Runner};

/// What is known of a host's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// `SHA256:… (ED25519)`; empty before the first contact.
    pub fingerprint: String,
    /// Type and key as `known_hosts` has them; an environment of an earlier version has the fingerprint alone.
    pub key: String,
}

impl Pin {
    /// Whether this key is the one that is meant; before the first contact every one is.
    fn fits(&self, key: &str) -> bool {
        self.fingerprint.is_empty() || hash(&self.fingerprint) == hash(&fingerprint(key))
    }
}

/// `SHA256:…` without the type behind it.
fn hash(fingerprint: &str) -> &str {
    fingerprint.split(' ').next().unwrap_or_default()
}

/// A key's fingerprint as `ssh-keygen -l` prints it; empty for what is no key.
#[must_use]
pub fn fingerprint(key: &str) -> String {
    let mut words = key.split_whitespace();
    let (kind, bytes) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some(bytes) = BASE64_STANDARD.decode(bytes).ok().filter(|bytes| !bytes.is_empty()) else {
        return String::new();
    };
    let kind = match kind.split('@').next().unwrap_or_default() {
        "ssh-ed25519" => "ED25519",
        "ssh-rsa" => "RSA",
        "sk-ssh-ed25519" => "ED25519-SK",
        kind if kind.starts_with("ecdsa-") => "ECDSA",
        kind if kind.starts_with("sk-ecdsa-") => "ECDSA-SK",
        kind => kind,
    };
    format!("SHA256:{} ({kind})", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(bytes)))
}

/// The first key of a `known_hosts` file.
fn first_key(known_hosts: &Path) -> Option<String> {
    let text = fs::read_to_string(known_hosts).ok()?;
    let key = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [name, kind, key, ..] if !name.starts_with(['#', '@']) => Some(format!("{kind} {key}")),
        _ => None,
    };
    text.lines().find_map(key)
}

impl Target {
    /// Writes `known_hosts` from what is known of the host's key. What else is in the file counts for nothing, but for the key
    /// of a first contact that was cut off, and the key that an earlier version stored there alone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn pin_host_key(&mut self) -> Result<()> {
        if self.pin.key.is_empty() {
            self.pin.key = first_key(&self.known_hosts).filter(|key| self.pin.fits(key)).unwrap_or_default();
        }
        let text = match self.pin.key.as_str() {
            "" => String::new(),
            key => format!("{} {key}\n", self.environment),
        };
        if fs::read(&self.known_hosts).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        replace(&self.known_hosts, &text).map_err(|error| {
            Error::new(Code::StorageFailed, format!("cannot write {}", self.known_hosts.display()))
                .why(error)
                .help(format!("see what is there: ls -ld {}", shown_path(&self.known_hosts)))
        })
    }

    /// Takes the key that `ssh` met over, where none was pinned.
    ///
    /// # Errors
    /// `host_key_changed`, where it is not the one with the stored fingerprint.
    pub(super) fn check_host_key(&mut self) -> Result<()> {
        if !self.pin.key.is_empty() {
            return Ok(());
        }
        let Some(met) = first_key(&self.known_hosts) else { return Ok(()) };
        if !self.pin.fits(&met) {
            let _ = fs::remove_file(&self.known_hosts);
            return Err(super::refusal::changed_key(self, &fingerprint(&met)));
        }
        self.pin.key = met;
        Ok(())
    }
}

/// Others of this program may read the file meanwhile.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The key that the host shows now, whatever is stored. No one logs in.
///
/// # Errors
/// As of a connection, when the host shows none.
pub fn shown(runner: Runner, target: &Target) -> Result<String> {
    let storage = |error| Error::new(Code::StorageFailed, "cannot make a temporary folder").why(error);
    let folder = tempfile::tempdir().map_err(storage)?;
    let mut target = Target { known_hosts: folder.path().join("known_hosts"), ..target.clone() };
    target.pin = Pin::default();
    let mut cmd: Cmd = target.ssh(&["-T"], "true").deadline(super::connect_deadline());
    // Of each option ssh takes the first.
    let first = ["-o", "PreferredAuthentications=none", "-o", "ControlPath=none"];
    cmd.args.splice(0..0, first.map(Into::into));
    let ran = runner.run(&cmd)?;
    first_key(&target.known_hosts).ok_or_else(|| super::refusal::explain(&target, &ran.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDJrTWq3nGm0J1n1nYkX7k2Q2b8kqk1C5gYt0Qv1Zk9c";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDJrTWq3nGm0J1n1nYkX7k2Q2b8kqk1C5gYt0Qv1Zk9d";

    fn target(folder: &Path, pin: Pin) -> Target {
        Target { known_hosts: folder.join("known_hosts"), pin, ..Target::for_tests() }
    }

    /// What becomes of the file, and of the pin's key.
    fn pinned(before: Option<&str>, pin: &Pin) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut target = target(folder.path(), pin.clone());
        if let Some(before) = before {
            fs::write(&target.known_hosts, before).unwrap();
        }
        target.pin_host_key().unwrap();
        (fs::read_to_string(&target.known_hosts).unwrap(), target.pin.key)
    }

    #[test]
    fn known_hosts_is_written_from_the_stored_key_whatever_was_there() {
        let (fingerprint, key) = (fingerprint(KEY), KEY.to_owned());
        let foreign = format!("demo {OTHER}\n");
        let line = format!("demo {KEY}\n");
        let full = Pin { fingerprint: fingerprint.clone(), key };
        for before in [None, Some(""), Some(foreign.as_str()), Some("garbage"), Some(line.as_str())] {
            assert_eq!(pinned(before, &full), (line.clone(), KEY.to_owned()), "{before:?}");
        }
        // An earlier version stored the fingerprint alone: its key counts, another one does not.
        let old = Pin { fingerprint, key: String::new() };
        assert_eq!(pinned(Some(&format!("|1|a=|b= {KEY}\n{foreign}")), &old), (line, KEY.to_owned()));
        for before in [None, Some(""), Some(foreign.as_str())] {
            assert_eq!(pinned(before, &old), (String::new(), String::new()), "{before:?}");
        }
    }

    #[test]
    fn the_key_that_was_met_must_have_the_stored_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let met = |pin: &Pin| {
            let mut target = target(folder.path(), pin.clone());
            fs::write(&target.known_hosts, format!("demo {OTHER}\n")).unwrap();
            target.check_host_key().map(|()| target.pin.key)
        };
        assert_eq!(met(&Pin::default()).unwrap(), OTHER, "the first contact");
        let pin = Pin { fingerprint: fingerprint(KEY), key: String::new() };
        assert_eq!(met(&pin).unwrap_err().code(), Code::HostKeyChanged);
        assert!(!folder.path().join("known_hosts").exists());
        assert_eq!(met(&Pin { fingerprint: fingerprint(OTHER), key: String::new() }).unwrap(), OTHER);
    }

    #[test]
    fn a_fingerprint_is_the_one_that_ssh_keygen_prints() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, name) in [("ed25519", "ED25519"), ("ecdsa", "ECDSA"), ("rsa", "RSA")] {
            let file = folder.path().join(kind);
            let run = |args: &[&str]| {
                let ran = std::process::Command::new("ssh-keygen").args(args).arg(&file).output().unwrap();
                String::from_utf8(ran.stdout).unwrap()
            };
            run(&["-q", "-t", kind, "-N", "", "-f"]);
            let public = fs::read_to_string(file.with_extension("pub")).unwrap();
            let printed = fingerprint(&public);
            assert!(run(&["-l", "-f"]).contains(hash(&printed)), "{printed}");
            assert!(printed.ends_with(&format!("({name})")), "{printed}");
        }
        assert_eq!(fingerprint("garbage"), "");
    }
}
