//! Images from a registry: a real one, on the host's own loopback, which Docker reads without TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::desk::Desk;
use crate::host::{Host, eventually};
use crate::lab;

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

/// Has the registry give an image that is made from the one it had, which the host keeps as `other`. The host has no
/// other copy of it.
fn push_first(host: &Host) {
    host.exec(&format!(
        "docker pull --quiet {IMAGE} && docker tag {IMAGE} other \
         && printf 'FROM other\nLABEL first=yes\n' | docker build --quiet --tag {IMAGE} - \
         && docker push --quiet {IMAGE} && docker rmi {IMAGE}"
    ));
}

/// Pushes the other image under the same tag; the host's own name leads where it led before.
fn move_tag(host: &Host) {
    host.exec(&format!(
        "docker tag {IMAGE} first && docker tag other {IMAGE} && docker push --quiet {IMAGE} \
         && docker tag first {IMAGE} && docker rmi first"
    ));
}

/// The image that the tracker runs.
fn running_image(host: &Host) -> String {
    host.exec("docker inspect --format '{{.Image}}' torrust-deployer-stack-tracker-1")
}

#[test]
fn pull_follows_a_tag_and_a_rollback_has_the_bytes_that_ran() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    start_registry(&host);
    push_first(&host);
    let mut config = desk.config();
    config["images"] = json!({ "source": "registry", "tracker": IMAGE });
    desk.create(&config);
    desk.register(&host);
    desk.deploy();
    let first = running_image(&host);
    move_tag(&host);
    assert_eq!(desk.deploy()["changed"], false, "an image that is there is not asked for");

    let pulled = desk.run_in_text(&["deploy", &desk.name, "--pull"]);
    assert_eq!(pulled.code, Some(0), "{}", pulled.err);
    assert!(pulled.err.contains(&format!("{IMAGE} changed: ")), "{}", pulled.err);
    let second = running_image(&host);
    assert_ne!(first, second);
    let kept = host.exec("cat /opt/torrust/releases/current/images");
    assert!(kept.starts_with(&format!("{IMAGE} {second} 127.0.0.1:5000/tracker@sha256:")), "{kept}");

    // Neither the host nor the tag has the first one any more.
    host.exec("docker image prune --force");
    assert!(!host.succeeds(&format!("docker image inspect {first}")));
    assert_eq!(desk.run(&["rollback", &desk.name]).ok()["state"], "running");
    assert_eq!(running_image(&host), first);
    assert_eq!(desk.deploy()["changed"], false);

    host.exec("systemctl stop docker-registry");
    let running = host.tracker();
    let refused = desk.run(&["deploy", &desk.name, "--pull"]).fails("image_unavailable");
    refused.says(&[&format!("the host cannot pull the image {IMAGE} again")]).helps("deploy");
    assert_eq!(desk.deploy()["changed"], false);
    assert_eq!(host.tracker(), running, "the old release runs on");
}

/// What was looked at is what goes in: whatever a name leads to by then.
#[test]
fn a_tag_that_moves_in_the_middle_of_a_release_is_not_released() {
    let mut desk = Desk::new();
    let host = Host::configured(&desk);
    host.exec("printf 'FROM lab/tracker:3.0.0\nLABEL moved=yes\n' | docker build --quiet --tag moved -");
    desk.create(&desk.config());
    desk.register(&host);
    desk.run(&["configure", &desk.name]).ok();
    // Between the look at the images and the files: an `ssh` that lets the tag move first.
    let real =
        lab::path().split(':').map(|folder| format!("{folder}/ssh")).find(|ssh| fs::exists(ssh).unwrap());
    let moving = format!(
        "#!/bin/bash\ncase $* in *releases/.incoming*) docker exec {} docker tag moved {} ;; esac\nexec {} \"$@\"\n",
        host.name,
        lab::TRACKER,
        real.unwrap()
    );
    fs::create_dir(desk.path("bin")).unwrap();
    desk.write("bin/ssh", &moving);
    fs::set_permissions(desk.path("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", desk.path("bin").display(), lab::path());
    desk.variables.push(("PATH", path));
    desk.run(&["release", &desk.name]).ok();
    desk.variables.clear();
    let id = |name: &str| host.exec(&format!("docker image inspect --format '{{{{.Id}}}}' {name}"));
    assert_ne!(id(lab::TRACKER), id("moved"));
    assert_eq!(host.exec("cut -d ' ' -f 2 /opt/torrust/releases/current/images"), id(lab::TRACKER));

    // Later it is refused, and not started.
    host.exec(&format!("docker tag moved {}", lab::TRACKER));
    let refused = desk.run(&["run", &desk.name]).fails("state_refused");
    refused.says(&["on the host is not the image of release 1"]).helps("deploy");
    assert_eq!(host.exec("docker ps --quiet"), "");
    assert_eq!(desk.deploy()["state"], "running");
    assert_ne!(running_image(&host), id("moved"), "the local engine's image is the one that is wanted");
}

/// What `status` says of the tracker's image.
fn image_line(desk: &Desk) -> serde_json::Value {
    let report = desk.run(&["status", &desk.name]).ok();
    let lines = report["lines"].as_array().unwrap();
    lines.iter().find(|line| line["name"] == "image of tracker").unwrap().clone()
}

#[test]
fn status_compares_images_with_their_registry() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    start_registry(&host);
    let mut config = desk.config();
    config["images"] = json!({ "source": "registry", "tracker": IMAGE });
    desk.create(&config);
    desk.register(&host);
    desk.deploy();

    let seen = |line: &serde_json::Value| line["seen"].as_str().unwrap().to_owned();
    let same = image_line(&desk);
    assert_eq!(same["level"], "ok", "{same}");
    assert!(seen(&same).contains(", made ") && seen(&same).contains(", on the host for "), "{same}");
    assert!(seen(&same).ends_with("127.0.0.1:5000 has the same under this tag"), "{same}");

    // Another image under the same tag, which the host itself does not have.
    host.exec(&format!(
        "old=$(docker image inspect --format '{{{{.Id}}}}' {IMAGE}) && other=$(docker create {IMAGE}) \
         && docker commit --change 'LABEL newer=yes' $other {IMAGE} && docker rm $other \
         && docker push --quiet {IMAGE} && docker tag $old {IMAGE}"
    ));
    let newer = image_line(&desk);
    assert_eq!(newer["level"], "warning", "{newer}");
    assert!(seen(&newer).contains("127.0.0.1:5000 has another one under this tag"), "{newer}");
    assert_eq!(newer["help"], json!([format!("torrust-tracker-deployer deploy {} --pull", desk.name)]));

    host.exec("systemctl stop docker-registry");
    let began = std::time::Instant::now();
    let away = image_line(&desk);
    assert_eq!(away["level"], "ok", "a registry that is away says nothing of the image: {away}");
    assert!(seen(&away).contains("; not compared with 127.0.0.1:5000: not reached"), "{away}");
    assert!(began.elapsed().as_secs() < 6, "two seconds are all it may take");
}
