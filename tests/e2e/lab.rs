//! The lab's engine and images, and the host image that is configured once for all tests.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::desk::Desk;
use crate::host::Host;

/// The images of the stack, and the system of the hosts.
pub const TRACKER: &str = "lab/tracker:3.0.0";
/// The strict stand-in for what comes after that release.
pub const TRACKER_3: &str = "lab/tracker:schema-3";
pub const MYSQL: &str = "lab/mysql:9.7";
pub const POSTGRESQL: &str = "lab/postgresql:17";
pub const CADDY: &str = "lab/caddy:2.11.7";
pub const BASE: &str = "lab/debian:trixie";
pub const PRISTINE: &str = "trixie";
/// What carries this label `lab/host.sh clean` removes.
pub const LABEL: &str = "torrust-tracker-deployer.lab=host";

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The stacks of the renderings: name and configuration.
pub fn stacks() -> Vec<(String, Value)> {
    let files = fs::read_dir(project().join("tests/configs/stacks")).unwrap();
    let mut stacks: Vec<_> = files
        .map(|entry| {
            let path = entry.unwrap().path();
            let config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), config)
        })
        .collect();
    stacks.sort_by(|one, other| one.0.cmp(&other.0));
    stacks
}

/// `PATH` with the lab's programs.
pub fn path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let shell = Command::new("sh")
            .args(["-c", ". lab/env.sh; printf %s \"$PATH\""])
            .current_dir(project())
            .output();
        String::from_utf8(shell.unwrap().stdout).unwrap()
    })
}

/// A name that nobody else has. The process in it tells later whether anybody still needs what is called so.
pub fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("e2e-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Runs a program of the operator's machine, which must succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let ran = try_run(program, args);
    ran.unwrap_or_else(|said| panic!("{program} {} failed: {said}", args.join(" ")))
}

/// Runs a program; its output, or what it said when it failed.
pub fn try_run(program: &str, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(args).env("PATH", path()).current_dir(project()).stdin(Stdio::null());
    let ran = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    if ran.status.success() { Ok(text(ran.stdout)) } else { Err(text(ran.stderr)) }
}

pub fn docker(args: &[&str]) -> String {
    run("docker", args)
}

/// Fails with a hint where the lab is not up, and removes what killed runs left. Once per process.
pub fn ready() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        for image in [TRACKER, TRACKER_3, MYSQL, POSTGRESQL, BASE, "lab/host:trixie"] {
            let found = try_run("docker", &["image", "inspect", "--format", "{{.Id}}", image]);
            assert!(found.is_ok(), "the lab is not up, {image} cannot be found ({found:?}); type: lab/up.sh");
        }
        sweep();
    });
}

/// Makes the providers where the lab lacks them, its usual ones unless `which` says otherwise, and gives the CLI configuration file that names them.
pub fn providers(which: &[&str]) -> String {
    let said = run("lab/providers.sh", which);
    said.lines().find_map(|line| line.split_once("TF_CLI_CONFIG_FILE=")).unwrap().1.to_owned()
}

/// Removes what the provider made for tests whose process is gone. (The lab's own hosts: `lab/host.sh clean`.)
fn sweep() {
    for (kind, list) in [
        ("container", vec!["ps", "--all"]),
        ("network", vec!["network", "ls"]),
        ("volume", vec!["volume", "ls"]),
    ] {
        let format = if kind == "container" { "{{.Names}}" } else { "{{.Name}}" };
        let found = docker(&[list.as_slice(), &["--format", format]].concat());
        found.lines().filter(|name| is_left(name)).for_each(|name| remove(kind, name));
    }
}

/// Removes hosts on that volume whose test was killed: two Docker Engines on one folder do not start.
fn remove_left_hosts(volume: &str) {
    let users = docker(&["ps", "--all", "--filter", &format!("volume={volume}"), "--format", "{{.Names}}"]);
    for host in users.lines().filter(|name| is_left(&format!("torrust-tracker-vm-{name}"))) {
        remove("container", host);
        remove("network", host);
    }
}

/// Whether this is the name of a thing that the provider made for a test whose process is gone. One that was killed and
/// that nobody asked for its exit code stays in `/proc`, without a command line.
pub fn is_left(name: &str) -> bool {
    let process = name.strip_prefix("torrust-tracker-vm-e2e-").and_then(|rest| rest.split('-').next());
    let command = |process| fs::read(Path::new("/proc").join(process).join("cmdline"));
    process.is_some_and(|process| command(process).unwrap_or_default().is_empty())
}

/// Removes a container, network or volume, if it is there.
pub fn remove(kind: &str, name: &str) {
    let args: &[&str] =
        if kind == "container" { &["rm", "--force", "--volumes", name] } else { &[kind, "rm", name] };
    let _ = try_run("docker", args);
}

/// A host image that `configure` has been through, and a volume with its Docker's images, made once and kept in the
/// engine until the host image or the playbook changes. Tests of anything after `configure` begin here: what they say
/// about a host made from nothing, the tests that use [`PRISTINE`] hosts prove.
pub struct Configured {
    /// As `LAB_SUITE` names it.
    pub suite: String,
    /// `/var/lib/docker` with the tracker's image.
    pub volume: String,
}

pub fn configured() -> Configured {
    ready();
    let stamp = stamp();
    let made = Configured { suite: format!("configured-{stamp}"), volume: format!("lab-configured-{stamp}") };
    // Each test is a process of its own.
    let lock = File::create(std::env::temp_dir().join("torrust-tracker-deployer-e2e.lock")).unwrap();
    lock.lock().unwrap();
    let image = format!("lab/host:{}", made.suite);
    let lacks = |kind: &str, name: &str| try_run("docker", &[kind, "inspect", name]).is_err();
    if lacks("image", &image) || lacks("volume", &made.volume) {
        // Half of it is of no use, and a volume that is half full would be taken for a whole one.
        remove_left_hosts(&made.volume);
        remove("volume", &made.volume);
        forget_older();
        configure_once(&made, &image);
    }
    made
}

/// Changes when the host image, the tracker's image or anything that `configure` does changes.
fn stamp() -> String {
    let mut hash = DefaultHasher::new();
    for image in ["lab/host:trixie", TRACKER] {
        docker(&["image", "inspect", "--format", "{{.Id}}", image]).hash(&mut hash);
    }
    for file in files(&project().join("templates/ansible")) {
        fs::read(file).unwrap().hash(&mut hash);
    }
    format!("{:016x}", hash.finish())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Those of other playbooks, unless another clone of today may use them; and the volumes of images that are gone.
fn forget_older() {
    docker(&[
        "image",
        "prune",
        "--all",
        "--force",
        "--filter",
        &format!("label={LABEL}"),
        "--filter",
        "until=24h",
    ]);
    let images = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "lab/host"]);
    for volume in docker(&["volume", "ls", "--format", "{{.Name}}"]).lines() {
        let image = volume.strip_prefix("lab-").map(|made| format!("lab/host:{made}"));
        if image.is_some_and(|image| {
            image.contains(":configured-") && !images.lines().any(|other| other == image)
        }) {
            remove("volume", volume);
        }
    }
}

fn configure_once(made: &Configured, image: &str) {
    let desk = Desk::new();
    let host = Host::start(&desk, PRISTINE, &[&format!("--volume={}:/var/lib/docker", made.volume)]);
    desk.create(&desk.config());
    desk.register(&host);
    desk.run(&["configure", &desk.name]).ok();
    desk.run(&["release", &desk.name]).ok();
    // Many tests use it, and none would have to send it. Another one, made later, is sent as on any host.
    let load = format!("docker save {TRACKER_3} | docker exec -i {} docker load", host.name);
    run("sh", &["-c", &load]);
    // What must be each host's own goes; what release left goes too.
    host.exec(
        "systemctl stop docker.socket docker containerd; find /opt/torrust -mindepth 1 -maxdepth 1 ! -name storage -exec rm -r {} +; \
         rm /etc/ssh/ssh_host_*_key* /home/*/.ssh/authorized_keys; : >/etc/machine-id; sync",
    );
    docker(&["commit", "--change", &format!("LABEL {LABEL}"), &host.name, image]);
}

/// A copy of the volume for one host.
pub fn copy_volume(from: &str, to: &str) {
    docker(&["volume", "create", "--label", LABEL, to]);
    let (from, to) = (format!("--volume={from}:/from:ro"), format!("--volume={to}:/to"));
    docker(&["run", "--rm", &from, &to, "--entrypoint", "cp", BASE, "-a", "/from/.", "/to/"]);
}
