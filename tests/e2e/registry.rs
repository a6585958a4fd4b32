//! Images from a registry: a real one, on the host's own loopback, which Docker reads without TLS.

use serde_json::json;

use crate::desk::Desk;
use crate::host::{Host, eventually};

const IMAGE: &str = "127.0.0.1:5000/tracker:3.0.0";

/// Moves the tracker's image from the host's Docker into a registry on the same host, which asks for no password.
fn start_registry(host: &Host) {
    host.exec(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-registry \
         && sed -i '/^auth:/,/path:/d' /etc/docker/registry/config.yml && systemctl restart docker-registry",
    );
    host.exec(&format!("docker tag lab/tracker:3.0.0 {IMAGE}"));
    eventually("the registry answers", || host.succeeds(&format!("docker push --quiet {IMAGE}")));
    host.exec(&format!("docker rmi lab/tracker:3.0.0 {IMAGE}"));
}

#[test]
fn the_host_pulls_what_it_lacks_and_only_that() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    start_registry(&host);
    let mut config = desk.config();
    config["images"] = json!({ "source": "registry", "tracker": IMAGE });
    desk.create(&config);
    desk.register(&host);
    assert_eq!(desk.deploy()["state"], "running");
    desk.test();

    let running = host.tracker();
    let unknown = desk.run(&["release", &desk.name, "--image-tag", "4.0.0"]).fails("image_unavailable");
    unknown.says(&["the host cannot pull the image 127.0.0.1:5000/tracker:4.0.0"]).helps("images.source");
    assert_eq!(running, host.tracker(), "the old release runs on");

    host.exec("systemctl stop docker-registry");
    assert_eq!(desk.deploy()["changed"], false, "an image that is there is not asked for");
}
