//! The tracker's published images: which hosts can run them.

use crate::config::formats::image_parts;
use crate::error::{Code, Error, Result};

/// The repository of the published images, as references name it.
const REPOSITORIES: [&str; 3] =
    ["torrust/tracker", "docker.io/torrust/tracker", "index.docker.io/torrust/tracker"];

/// Refuses a published image on a host that it is not made for. `architecture` is as `uname -m` prints it.
///
/// # Errors
/// `host_unsupported`.
pub fn check_host(image: &str, architecture: &str) -> Result<()> {
    if fits(image, architecture) {
        return Ok(());
    }
    let what = format!("the image {image} is published for amd64 alone, and the host is arm64");
    Err(Error::new(Code::HostUnsupported, what)
        .help("build the tracker's image for arm64, and name it in the configuration: images.tracker")
        .help("or use a host with x86_64"))
}

/// Whether a host of this architecture can run the image, as far as its name tells.
#[must_use]
pub fn fits(image: &str, architecture: &str) -> bool {
    architecture != "aarch64" || !REPOSITORIES.contains(&image_parts(image).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_images_are_refused_and_only_on_arm64() {
        let digest = format!("torrust/tracker@sha256:{}", "0".repeat(64));
        for image in
            ["torrust/tracker:develop", "torrust/tracker", "docker.io/torrust/tracker:3.0.0", &digest]
        {
            assert!(fits(image, "x86_64"), "{image}");
            assert!(!fits(image, "aarch64"), "{image}");
        }
        for image in
            ["registry.example.org:5000/torrust/tracker:develop", "lab/tracker:3.0.0", "me/torrust/tracker"]
        {
            assert!(fits(image, "aarch64"), "{image}");
        }
        let refused = check_host("torrust/tracker:develop", "aarch64").unwrap_err();
        assert!(refused.helps()[0].contains("images.tracker"));
    }
}
