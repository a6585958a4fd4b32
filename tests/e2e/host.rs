//! An SSH host of the lab, which goes when the value goes.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::lab;

pub struct Host {
    pub name: String,
    pub address: String,
    docker_volume: Option<String>,
}

impl Host {
    /// A host as it comes: no Docker, no firewall.
    pub fn pristine(desk: &Desk) -> Self {
        Self::start(desk, lab::PRISTINE, &[])
    }

    /// A host that was configured before and has the tracker's image.
    pub fn configured(desk: &Desk) -> Self {
        let made = lab::configured();
        let volume = format!("{}-docker", lab::unique_name());
        lab::copy_volume(&made.volume, &volume);
        let mut host = Self::start(desk, &made.suite, &[&format!("--volume={volume}:/var/lib/docker")]);
        host.docker_volume = Some(volume);
        host
    }

    /// The same without any image in its Docker.
    pub fn without_images(desk: &Desk, options: &[&str]) -> Self {
        Self::start(desk, &lab::configured().suite, options)
    }

    /// A host of `lab/host:SUITE` for the desk's key.
    pub fn start(desk: &Desk, suite: &str, options: &[&str]) -> Self {
        lab::ready();
        let name = lab::unique_name();
        // Made first: a start that fails half way is cleaned up too.
        let mut host = Self { name, address: String::new(), docker_volume: None };
        let mut up = Command::new("lab/host.sh");
        up.args(["up", &host.name]).arg(desk.public_key()).args(options);
        let ran =
            up.env("PATH", lab::path()).env("LAB_SUITE", suite).current_dir(lab::project()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let said = String::from_utf8(ran.stdout).unwrap();
        said.lines().last().unwrap().split(' ').next().unwrap().clone_into(&mut host.address);
        host
    }

    /// Runs a script on the host as root, past SSH.
    pub fn exec(&self, script: &str) -> String {
        lab::docker(&["exec", &self.name, "bash", "-c", script])
    }

    /// Runs a script on the host as the tracker's user: SQLite would create files for root that the tracker cannot open.
    pub fn exec_as_tracker(&self, script: &str) -> String {
        lab::docker(&["exec", "--user", "1000:1000", &self.name, "bash", "-c", script])
    }

    /// Whether a script succeeds there.
    pub fn succeeds(&self, script: &str) -> bool {
        lab::try_run("docker", &["exec", &self.name, "bash", "-c", script]).is_ok()
    }

    /// Starts a program that stays, and gives its process id there.
    pub fn spawn(&self, script: &str) -> String {
        self.exec(&format!("{script} >/dev/null 2>&1 & echo $!"))
    }

    /// The tracker's container with its start: another one, or a restarted one, reads differently.
    pub fn tracker(&self) -> String {
        self.exec(
            "docker inspect --format '{{.Id}} {{.State.Running}} {{.State.StartedAt}}' torrust-deployer-stack-tracker-1",
        )
    }

    /// The checksums of everything that a release put in place.
    pub fn release(&self) -> String {
        self.exec(
            "cd /opt/torrust; readlink releases/current; ls -A releases | sort; \
             sha256sum .env docker-compose.yml storage/tracker/etc/tracker.toml; find . -path ./storage/tracker/lib -prune -o -name '*.new' -print",
        )
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = lab::try_run("lab/host.sh", &["down", &self.name]);
        if let Some(volume) = &self.docker_volume {
            lab::remove("volume", volume);
        }
    }
}

/// Waits until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_mins(1), "still not so after 60 s: {what}");
        sleep(Duration::from_millis(20));
    }
}
