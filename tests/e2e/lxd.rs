//! Hosts that OpenTofu makes in the lab's LXD.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::lab;

/// The lab's image.
pub const IMAGE: &str = "debian13";

/// A desk whose OpenTofu finds the lab's providers.
pub fn desk() -> Desk {
    let mut desk = Desk::new();
    ready();
    desk.variables.push(("TF_CLI_CONFIG_FILE", lab::providers(&[])));
    desk
}

/// Fails with a hint where the lab's LXD is not up, and removes what killed runs left there. Once per process.
fn ready() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        let found = lab::try_run("lxc", &["image", "info", IMAGE]);
        assert!(found.is_ok(), "LXD with its image {IMAGE} is not up ({found:?}); type: lab/up.sh");
        lab::run("lab/hetzner.sh", &["clean"]);
        let left = [names("instances"), names("profiles")].concat();
        left.iter().filter(|name| lab::is_left(name)).for_each(|name| remove(name));
    });
}

/// Removes instance and profile of this name, if they are there.
pub fn remove(name: &str) {
    let _ = lab::try_run("lxc", &["delete", "--force", name]);
    let _ = lab::try_run("lxc", &["profile", "delete", name]);
}

/// The names of all `instances` or `profiles`.
fn names(folder: &str) -> Vec<String> {
    let paths: Vec<String> = serde_json::from_str(&lxc(&["query", &format!("/1.0/{folder}")])).unwrap();
    paths.iter().filter_map(|path| path.rsplit('/').next()).map(Into::into).collect()
}

/// A desk with an environment on LXD.
pub fn created() -> Desk {
    let desk = desk();
    desk.create(&config(&desk));
    desk
}

/// An environment in a container.
pub fn config(desk: &Desk) -> Value {
    let mut config = desk.config();
    config["provider"] = json!({
        "provider": "lxd",
        "profile_name": desk.instance(),
        "instance_type": "container",
        "image": IMAGE,
    });
    // With cgroup v1 systemd in a container mounts no tree by itself that a Docker inside could limit processors with.
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        config["provider"]["config"] = json!({ "raw.lxc": "lxc.mount.auto = cgroup:rw:force" });
    }
    config
}

pub fn lxc(args: &[&str]) -> String {
    lab::run("lxc", args)
}

/// What LXD has under the name of the desk's environment, as OpenTofu calls it.
pub fn there(desk: &Desk) -> Vec<String> {
    let name = desk.instance();
    let kinds = [("instances", "lxd_instance"), ("profiles", "lxd_profile")];
    let found = kinds.into_iter().filter(|(folder, _)| names(folder).contains(&name));
    found.map(|(_, kind)| format!("{kind} {name}")).collect()
}

/// Instance and profile, as [`there`] names them.
pub fn both(desk: &Desk) -> Vec<String> {
    ["lxd_instance", "lxd_profile"].map(|kind| format!("{kind} {}", desk.instance())).into()
}
