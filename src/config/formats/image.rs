//! References to images, by the grammar of <https://pkg.go.dev/github.com/distribution/reference>.

use super::{Verdict, flaw};
use crate::digest::is_hex;

/// The longest name, with its registry, in characters.
const LONGEST_NAME: usize = 255;

/// A reference's name with its registry, its tag and its digest.
#[must_use]
pub fn parts(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    // A colon before the last slash belongs to the registry's port.
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    match rest[last..].find(':') {
        Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..]), digest),
        None => (rest, None, digest),
    }
}

pub(super) fn check_image(text: &str) -> Verdict {
    let (name, tag, digest) = parts(text);
    if is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest) {
        return Ok(());
    }
    flaw(
        format!("`{text}` is no image reference"),
        "write NAME:TAG, with a registry in front where it is not Docker Hub: \"registry.example.com/torrust/tracker:v3.0.0\"",
    )
}

/// The value of an option that names a tag: another text would be stored, and refused by the engine only.
///
/// # Errors
/// It is no tag, and what one is made of.
pub fn tag(text: &str) -> Result<String, String> {
    if is_tag(text) {
        return Ok(text.to_owned());
    }
    Err("this is no tag of an image; write 1 to 128 letters, digits, _, . and -, without . or - at the start, such as develop; the image itself is images.tracker in the configuration".to_owned())
}

fn is_tag(text: &str) -> bool {
    let start = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128 && text.starts_with(start) && text.chars().all(|c| start(c) || ".-".contains(c))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hash| is_hex(hash, 64))
}

fn is_name(text: &str) -> bool {
    let (registry, path) = match text.split_once('/') {
        Some((first, path)) if is_registry(first) => (Some(first), path),
        _ => (None, text),
    };
    text.len() <= LONGEST_NAME && registry.is_none_or(is_address) && path.split('/').all(is_part)
}

/// As Docker tells a registry from a folder of Docker Hub.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

/// A DNS name or an IPv4 address, with a port or without. Engines of Debian take no IPv6 address there.
fn is_address(text: &str) -> bool {
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(ends) && label.ends_with(ends) && label.chars().all(|c| ends(c) || c == '-')
    };
    host.split('.').all(label) && port.is_none_or(digits)
}

/// Small letters and digits, between them `.`, `_`, `__` or any number of `-`.
fn is_part(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separates = |run: &str| [".", "_", "__"].contains(&run) || run.bytes().all(|b| b == b'-');
    text.starts_with(inner) && text.ends_with(inner) && text.split(inner).all(separates)
}

#[cfg(test)]
mod tests {
    use super::check_image;

    #[test]
    fn what_docker_takes_is_taken() {
        let digest = format!("a/b@sha256:{}", "0a".repeat(32));
        for text in [
            "tracker",
            "torrust/tracker:v3.0.0-beta.1",
            "localhost/a",
            "localhost:5000/a/b__c--d.e_f:_x",
            "Registry.example.com:443/a",
            "192.0.2.7/a",
            &digest,
        ] {
            assert!(check_image(text).is_ok(), "{text}");
        }
    }
}
