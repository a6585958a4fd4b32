//! Registries: do they answer from here, and soon? Whatever they do is a warning at most: the host pulls, not we.

use std::time::{Duration, Instant};

use ureq::{Agent, Proxy};

use super::finding::Finding;
use super::machine::{Fix, Lack};
use crate::probe::tls::Trust;

/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(4);
/// Whoever answers a greeting so late will take long to send an image.
const SLOW: Duration = Duration::from_secs(2);

/// The registry that an image reference names.
#[must_use]
pub fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "registry-1.docker.io",
    }
}

/// Asks a container registry for its version.
#[must_use]
pub fn containers(registry: &str) -> Finding {
    // As the engine itself does, which asks those on the same machine without TLS.
    let local = registry.starts_with("localhost") || registry.starts_with("127.");
    let url = format!("{}://{registry}/v2/", if local { "http" } else { "https" });
    let words = "hosts can do without it: \"images\": { \"source\": \"local\" } sends them from your own Docker Engine";
    // It asks everyone to log in (401), and answers all the same.
    look(&format!("registry {registry}"), "an answer within 2 s, to pull images", &url, &[200, 401], words)
}

/// Asks a registry of providers.
#[must_use]
pub fn providers(name: &str) -> Finding {
    let words = "use a mirror: export TF_CLI_CONFIG_FILE=FILE, one whose provider_installation names a filesystem_mirror";
    let url = format!("https://{name}/.well-known/terraform.json");
    look(
        &format!("registry {name}"),
        "an answer within 2 s, to fetch the provider's program",
        &url,
        &[200],
        words,
    )
}

/// Whether the file of `TF_CLI_CONFIG_FILE` speaks of a mirror for providers: then their registry need not be in reach.
/// Files in the home folder, which `OpenTofu` reads without being told, are not looked at: then this warns for nothing.
#[must_use]
pub fn has_mirror() -> bool {
    let file = std::env::var_os("TF_CLI_CONFIG_FILE").map(std::fs::read_to_string);
    file.is_some_and(|text| text.is_ok_and(|text| text.contains("_mirror")))
}

fn look(name: &str, needed: &str, url: &str, good: &[u16], words: &str) -> Finding {
    let began = Instant::now();
    let answer = status(url);
    let took = format!("{:.1} s", began.elapsed().as_secs_f64());
    let warning =
        |seen: String| Finding::missing(name, needed, seen, Lack::Known(Fix::by_hand(words))).into_warning();
    match answer {
        Ok(status) if !good.contains(&status) => warning(format!("{url} answers HTTP {status}")),
        Ok(status) if began.elapsed() > SLOW => warning(format!("slow: answers HTTP {status} after {took}")),
        Ok(status) => Finding::ok(name, needed, format!("answers HTTP {status} after {took}")),
        Err(error) => warning(format!("{url} gives no answer: {error}")),
    }
}

/// A proxy of the environment is used, but for this machine itself; the system's own certificates are trusted.
fn status(url: &str) -> Result<u16, String> {
    let config = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .tls_config(Trust::System.for_http())
        .proxy(if url.starts_with("https:") { Proxy::try_from_env() } else { None });
    let answer = Agent::from(config.build()).get(url).call();
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_the_part_with_a_dot_or_a_port() {
        for (image, name) in [
            ("debian:trixie", "registry-1.docker.io"),
            ("torrust/tracker:develop", "registry-1.docker.io"),
            ("ghcr.io/torrust/tracker:v4", "ghcr.io"),
            ("localhost/tracker", "localhost"),
            ("mirror:5000/torrust/tracker", "mirror:5000"),
        ] {
            assert_eq!(registry(image), name, "{image}");
        }
    }
}
