//! A virtual machine or system container of the local LXD, by OpenTofu.

use serde_json::{Value, json};

use super::tofu::{Adoptions, Cloud};
use crate::config::{Lxd, Provider};
use crate::error::{Code, Error, Result};
use crate::store::Environment;
use crate::story::Work;
use crate::tools::lxd;
use crate::tools::tofu::{Change, Program, Remedy};

/// LXD's part.
pub const CLOUD: Cloud = Cloud {
    templates: "tofu/lxd",
    host: "lxd_instance",
    variables,
    adoptions,
    secrets: |_| Ok(vec![]),
    detail,
    remedies: REMEDIES,
    busy: &["instance is busy", "currently running"],
    cost: None,
};

/// By the words of LXD and its provider.
const REMEDIES: &[Remedy] = &[
    Remedy(
        &["unix.socket: connect: permission denied"],
        "join LXD's group, then log in again: sudo usermod -aG lxd $USER",
    ),
    Remedy(
        &["unix.socket: connect: no such file", "unix.socket: connect: connection refused"],
        "is LXD installed, and does it run? torrust-tracker-deployer check --provider lxd",
    ),
    Remedy(
        &["image not found"],
        "correct provider.image; what there is: lxc image list, and of a remote: lxc image list ubuntu:",
    ),
    Remedy(
        &["failed getting remote image info"],
        "is the image server reachable from LXD? or take an image of your own: lxc image list",
    ),
    Remedy(
        &["doesn't match instance type"],
        "the image is for the other kind of host: change provider.instance_type or provider.image",
    ),
    Remedy(
        &["instance type \"virtual-machine\" is not supported", "qemu", "vhost_vsock"],
        "this machine runs no virtual machines: set provider.instance_type to \"container\"",
    ),
    Remedy(
        &["storage pool not found"],
        "correct provider.storage_pool (lxc storage list), or make it: lxc storage create NAME dir",
    ),
    Remedy(
        &["network not found"],
        "correct provider.network (lxc network list), or make it: lxc network create NAME",
    ),
    Remedy(
        &["profile already exists"],
        "choose another provider.profile_name, or look whose it is: lxc profile show NAME; what an environment that was purged left goes with: lxc delete --force INSTANCE, lxc profile delete NAME",
    ),
    Remedy(
        &["\"instances\" entry already exists"],
        "choose another environment.instance_name, or look whose it is: lxc config show NAME",
    ),
    Remedy(&["instance is busy"], "LXD is still at work on it; repeat the command in some seconds"),
];

/// The profile's key with the environment's mark, as in `templates/tofu/lxd/main.tf`.
const MARK: &str = "user.torrust-tracker-deployer.mark";

fn section(env: &Environment) -> Result<&Lxd> {
    match &env.config.provider {
        Provider::Lxd(lxd) => Ok(lxd),
        _ => Err(Error::new(Code::Internal, "not an environment of the provider lxd")),
    }
}

fn variables(env: &Environment) -> Result<Value> {
    let (config, lxd) = (&env.config, section(env)?);
    let Lxd { profile_name, instance_type, image, cpus, memory, disk, network, storage_pool, config: more } =
        lxd;
    Ok(json!({
        "environment": env.name,
        "mark": env.mark(),
        "instance_name": config.instance_name(),
        "instance_type": instance_type,
        "profile_name": profile_name,
        "image": image,
        "cpus": cpus,
        "memory": memory,
        "disk": disk,
        "network": network,
        "storage_pool": storage_pool,
        "config": more,
    }))
}

/// Whether profile and instance of these names are there and carry the environment's mark; the instance by its profile.
/// Where there is no socket, OpenTofu says what is wrong.
fn adoptions(work: &Work, _: &Program) -> Result<Adoptions> {
    let (profile_name, instance_name) = (&section(&work.env)?.profile_name, work.env.config.instance_name());
    let look = |folder: &str, name: &str| match lxd::find_socket() {
        Ok(socket) => lxd::get(&socket, &format!("/1.0/{folder}/{name}")).or_else(not_there),
        Err(_) => Ok(Value::Null),
    };
    let profile = look("profiles", profile_name)?;
    let ours = profile["metadata"]["config"][MARK] == work.env.mark();
    let instance = look("instances", &instance_name)?;
    let profiles = instance["metadata"]["profiles"].as_array();
    let has_it = profiles.is_some_and(|profiles| profiles.iter().any(|profile| profile == profile_name));
    Ok(vec![("adopt_profile.tf", ours), ("adopt_instance.tf", ours && has_it)])
}

/// An LXD that refuses us is OpenTofu's to report; one that does not answer in time knows more than it says.
fn not_there(error: std::io::Error) -> Result<Value> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    if matches!(error.kind(), ConnectionRefused | NotFound | PermissionDenied) {
        return Ok(Value::Null);
    }
    Err(Error::new(Code::ProviderFailed, "LXD does not say what it has")
        .why(error)
        .help("does it answer? lxc list; then repeat the command"))
}

fn detail(change: &Change) -> String {
    match change.kind.as_str() {
        "lxd_instance" => format!("{}, from {}", change.text("type"), change.text("image")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As LXD 5.0.2 and its provider 3.0.2 said it.
    #[test]
    fn each_refusal_has_its_help() {
        for (said, help) in [
            (r#"Failed to retrieve image info for instance "vm": Image not found"#, "provider.image"),
            (
                "Failed initialising instance: Failed loading storage pool: Storage pool not found",
                "provider.storage_pool",
            ),
            (
                r#"Failed to load network "nonet" for project "default": Network not found"#,
                "provider.network",
            ),
            (
                r#"Requested image's type "container" doesn't match instance type "virtual-machine""#,
                "provider.instance_type",
            ),
            (r#"Error inserting "e7" into database: The profile already exists"#, "provider.profile_name"),
            (
                r#"Add instance info to the database: This "instances" entry already exists"#,
                "environment.instance_name",
            ),
            (
                r#"Get "http://unix.socket/1.0": dial unix /nonexistent/unix.socket: connect: no such file or directory"#,
                "check --provider lxd",
            ),
            (
                r#"Get "http://unix.socket/1.0": dial unix /var/lib/lxd/unix.socket: connect: permission denied"#,
                "usermod -aG lxd",
            ),
            (
                r#"Failed to create instance update operation: Instance is busy running a "create" operation"#,
                "repeat the command",
            ),
        ] {
            let fitting: Vec<&str> = REMEDIES
                .iter()
                .filter(|remedy| remedy.fits(&said.to_lowercase()))
                .map(|remedy| remedy.1)
                .collect();
            assert!(fitting.len() == 1 && fitting[0].contains(help), "{said}: {fitting:?}");
        }
    }
}
