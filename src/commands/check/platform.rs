//! Hosts that the tracker's published images are not made for.

use super::finding::Finding;
use super::machine::{Fix, Lack};
use crate::config::Provider;
use crate::services::tracker::published;
use crate::store::Environment;

/// One line per environment whose host could not run its tracker's image.
#[must_use]
pub fn look(environments: &[Environment]) -> Vec<Finding> {
    environments
        .iter()
        .filter(|env| !published::fits(&env.tracker_reference(), architecture(env)))
        .map(fault)
        .collect()
}

/// That of the host, or the one that it would have.
fn architecture(env: &Environment) -> &str {
    if let Some(host) = env.host.as_ref().filter(|host| !host.system.is_empty()) {
        return host.architecture();
    }
    match &env.config.provider {
        Provider::Docker(_) | Provider::Lxd(_) => std::env::consts::ARCH,
        // Hetzner's names of servers with ARM processors.
        Provider::Hetzner(hetzner) if hetzner.server_type.starts_with("cax") => "aarch64",
        Provider::Hetzner(_) => "x86_64",
    }
}

fn fault(env: &Environment) -> Finding {
    let image = env.tracker_reference();
    let seen = format!("{image} is published for amd64 alone, and the host is arm64");
    let fix =
        Fix::by_hand("build the tracker's image for arm64, and name it in the configuration: images.tracker")
            .and("or use a host with x86_64");
    Finding::missing(
        format!("tracker image of {}", env.name),
        "an image for the host's architecture",
        seen,
        Lack::Known(fix),
    )
}
