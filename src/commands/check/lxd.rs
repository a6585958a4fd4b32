//! LXD by its own socket: does it answer, does it let this user in, and has it what the configurations name?

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::finding::Finding;
use super::machine::{Command, Fix, Lack, Package};
use super::programs::on_path;
use crate::config::{InstanceType, Lxd};
use crate::tools::lxd::{find_socket, get};

const NAME: &str = "LXD";

/// What is asked of LXD.
pub struct Wanted {
    /// The hosts that it shall make.
    pub hosts: Vec<Lxd>,
    /// Whether these come from environments; else they are the defaults, and virtual machines a mere possibility.
    pub configured: bool,
}

/// Looks at the daemon first: nothing can be said of its parts without it.
#[must_use]
pub fn look(wanted: &Wanted) -> Vec<Finding> {
    let needed = "an LXD that answers and lets this user in, for the provider lxd";
    let missing = |seen: String, lack| vec![Finding::missing(NAME, needed, seen, lack)];
    let socket = match find_socket() {
        Ok(socket) => socket,
        Err(looked) if on_path("lxc").is_some() || on_path("lxd").is_some() => {
            let fix = Fix::by_hand("start it: sudo systemctl start lxd");
            return missing(format!("installed, but there is no socket {looked}"), Lack::Service("lxd", fix));
        }
        Err(looked) => return missing(format!("there is no socket {looked}"), Lack::Package(Package::Lxd)),
    };
    let server = match get(&socket, "/1.0") {
        Ok(server) => server,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let group = group_of(&socket);
            let seen = format!("{} is for root and the group {group} alone", socket.display());
            return missing(seen, Lack::Group(group));
        }
        Err(error) => {
            let fix = Fix::by_hand("start it: sudo systemctl start lxd");
            let seen = format!("{} gives no answer: {error}", socket.display());
            return missing(seen, Lack::Service("lxd", fix));
        }
    };
    let (auth, environment) = (&server["metadata"]["auth"], &server["metadata"]["environment"]);
    if auth != "trusted" {
        return missing(
            format!("{} answers, but does not trust this user", socket.display()),
            Lack::Group("lxd".into()),
        );
    }
    let version = environment["server_version"].as_str().unwrap_or("of an unknown version");
    let mut found = vec![Finding::ok(NAME, needed, format!("{version} ({})", socket.display()))];
    found.extend(machines(wanted, environment));
    found.extend(parts(wanted, &socket));
    found
}

fn group_of(socket: &Path) -> String {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let id = socket.metadata().map(|file| file.gid().to_string()).unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.len() == 4 && fields[2] == id).then(|| fields[0].to_owned())
    });
    name.unwrap_or_else(|| "lxd".into())
}

/// Virtual machines need the processor's help, as LXD itself sees it: it then has the driver for them.
fn machines(wanted: &Wanted, environment: &Value) -> Option<Finding> {
    if !wanted.hosts.iter().any(|host| host.instance_type == InstanceType::VirtualMachine) {
        return None;
    }
    let (name, needed) =
        ("virtual machines", "/dev/kvm and LXD's driver qemu, for \"instance_type\": \"virtual-machine\"");
    let drivers = environment["driver"].as_str().unwrap_or("none");
    let kvm = if Path::new("/dev/kvm").exists() { "there is /dev/kvm" } else { "there is no /dev/kvm" };
    let seen = format!("{kvm}, LXD's drivers: {drivers}");
    if drivers.contains("qemu") {
        return Some(Finding::ok(name, needed, seen));
    }
    let words = "without virtual machines: \"instance_type\": \"container\" in the section provider of the configuration";
    let missing = Finding::missing(name, needed, seen, Lack::Known(Fix::by_hand(words)));
    Some(if wanted.configured { missing } else { missing.into_warning() })
}

/// The storage pools and networks that the configurations name, each once.
fn parts(wanted: &Wanted, socket: &Path) -> Vec<Finding> {
    let pools = wanted.hosts.iter().map(|host| ("storage pool", "storage-pools", &host.storage_pool));
    let networks = wanted.hosts.iter().map(|host| ("network", "networks", &host.network));
    let mut parts: Vec<_> = pools.chain(networks).collect();
    parts.sort_unstable();
    parts.dedup();
    parts.into_iter().map(|(kind, folder, name)| part(kind, folder, name, socket)).collect()
}

fn part(kind: &str, folder: &str, name: &str, socket: &Path) -> Finding {
    let title = format!("LXD {kind} {name}");
    let needed = format!("the {kind} that the configuration names");
    let answer = match get(socket, &format!("/1.0/{folder}/{name}")) {
        Ok(answer) => answer,
        Err(error) => {
            let fix = Fix::by_hand("see what it says: lxc info");
            return Finding::missing(title, needed, format!("no answer: {error}"), Lack::Known(fix));
        }
    };
    let made = &answer["metadata"];
    if let Some(driver) = made["driver"].as_str().or_else(|| made["type"].as_str()) {
        return Finding::ok(title, needed, driver);
    }
    let (create, list) = match kind {
        "network" => (vec!["lxc", "network", "create", name], "lxc network list"),
        _ => (vec!["lxc", "storage", "create", name, "dir"], "lxc storage list"),
    };
    let fix = Fix::run(Command::user(&create)).and(format!("or name one that is there: {list}"));
    let said = answer["error"].as_str().unwrap_or("LXD does not know it");
    Finding::missing(title, needed, said, Lack::Known(fix))
}
