//! The rules about files that the configuration names: they are there, readable and what they should be.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::formats::Flaw;
use super::keys::{is_mismatched, mismatch, private_key_flaw};
use super::problems::Report;
use super::{Config, Secret};
use crate::input;
use crate::output::shown_path;

/// Every rule about files; each notes what it finds. Relative paths start from the folder given.
pub const RULES: &[fn(&mut Report, &Path)] =
    &[private_key_is_usable, public_key_is_usable, keys_are_a_pair, root_certificate_is_one];

/// A key or certificate is far smaller; whatever is larger is none, and need not be read.
const SIZE_LIMIT: u64 = 256 * 1024;

/// The path that a user's text means: `~` is the home folder, and a relative path starts from `base`.
fn absolute(path: &Path, base: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    }
}

/// A user's path in a command; the shell knows `~` only where it is not quoted.
pub(super) fn typed(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("~/{}", shown_path(Path::new(rest))),
        None => shown_path(Path::new(path)),
    }
}

/// Makes every path of a configuration absolute, so that it means the same from any folder.
pub fn make_absolute(config: &mut Config, base: &Path) {
    for (_, secret) in config.secrets_mut() {
        if let Secret::File(path) = secret {
            *path = absolute(path, base);
        }
    }
    let ssh = &mut config.ssh_credentials;
    let root = config.https.as_mut().and_then(|https| https.ca_root.as_mut());
    for path in [&mut ssh.private_key_path, &mut ssh.public_key_path].into_iter().chain(root) {
        *path = absolute(path, base);
    }
}

/// A file that the configuration names, with its beginning; what is wrong with it is noted.
fn named_file(report: &mut Report, path: &str, base: &Path, missing: &str) -> Option<(PathBuf, String)> {
    let given = report.document.string(path).filter(|text| !text.is_empty())?;
    let (file, shown) = (absolute(Path::new(given), base), given.to_owned());
    let read = || -> std::io::Result<Vec<u8>> {
        let opened = input::open(&file)?;
        let mut bytes = Vec::new();
        opened.take(SIZE_LIMIT).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Some((file, String::from_utf8_lossy(&bytes).into_owned())),
        Err(cause) => {
            let fix = match cause.kind() {
                std::io::ErrorKind::NotFound => missing.replace("FILE", &typed(&shown)),
                std::io::ErrorKind::PermissionDenied => {
                    format!("make it yours: sudo chown \"$USER\" {}", typed(&shown))
                }
                _ => "write the path of a file".into(),
            };
            report.error(path, format!("`{shown}` cannot be read: {}", reason(&cause)), fix);
            None
        }
    }
}

/// The cause without the system's number for it.
fn reason(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn private_key_is_usable(report: &mut Report, base: &Path) {
    let path = "ssh_credentials.private_key_path";
    let missing = "correct the path, or make a key: ssh-keygen -t ed25519 -f FILE";
    let Some((file, text)) = named_file(report, path, base, missing) else { return };
    let shown = report.document.string(path).unwrap_or_default().to_owned();
    if let Some(Flaw { what, fix }) = private_key_flaw(&text, &shown) {
        report.error(path, what, fix);
    } else if fs::metadata(&file).is_ok_and(|facts| facts.permissions().mode() & 0o077 != 0) {
        let what = format!("others may read `{shown}`; ssh refuses such a key");
        report.error(path, what, format!("chmod 600 {}", typed(&shown)));
    }
}

fn public_key_is_usable(report: &mut Report, base: &Path) {
    let path = "ssh_credentials.public_key_path";
    let private = typed(report.document.string("ssh_credentials.private_key_path").unwrap_or("PRIVATE_KEY"));
    let remake =
        format!("correct the path, or make it from the private key: ssh-keygen -y -f {private} > FILE");
    let Some((_, text)) = named_file(report, path, base, &remake) else { return };
    if !is_public_key(&text) {
        let shown = report.document.string(path).unwrap_or_default().to_owned();
        let what = format!("`{shown}` is no public SSH key of one line");
        report.error(path, what, remake.replace("FILE", &typed(&shown)));
    }
}

fn keys_are_a_pair(report: &mut Report, base: &Path) {
    let text = |field: &str| {
        let shown = report.document.string(field)?.to_owned();
        Some((input::read_text(&absolute(Path::new(&shown), base)).ok()?, shown))
    };
    let path = "ssh_credentials.public_key_path";
    let pair = (text("ssh_credentials.private_key_path"), text(path));
    let (Some((private, private_shown)), Some((public, shown))) = pair else { return };
    if is_mismatched(&private, &public) {
        let (what, fix) = mismatch(&private_shown, &shown);
        report.error(path, what, fix);
    }
}

pub(super) fn is_public_key(text: &str) -> bool {
    const KINDS: &[&str] = &[
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    let mut words = text.split_whitespace();
    let one_line = text.trim().lines().count() == 1;
    one_line
        && words.next().is_some_and(|kind| KINDS.contains(&kind))
        && words.next().is_some_and(|body| body.starts_with("AAAA"))
}

fn root_certificate_is_one(report: &mut Report, base: &Path) {
    let path = "https.ca_root";
    let missing = "correct the path; the authority's operator gives you its root certificate";
    let Some((_, text)) = named_file(report, path, base, missing) else { return };
    if !text.contains("-----BEGIN CERTIFICATE-----") || !text.contains("-----END CERTIFICATE-----") {
        let shown = report.document.string(path).unwrap_or_default().to_owned();
        let what = format!("`{shown}` is no certificate in PEM form");
        let fix = format!(
            "if it is in DER form, convert it: openssl x509 -inform der -in {} -out root.pem",
            typed(&shown)
        );
        report.error(path, what, fix);
    }
}
