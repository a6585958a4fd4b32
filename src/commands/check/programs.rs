//! Programs: are they there, how old are they, and does what they need answer?

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::Finding;
use super::machine::{Fix, Lack, Package};
use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Runner};
use crate::tools::{docker, tofu};

/// How long a program may take to tell its version; an engine that hangs is as good as none.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first two numbers of a version; what follows has never mattered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

/// `SessionType`, which keeps the user's own setting of it out of our sessions, came with this one.
const OPENSSH: Version = Version(8, 7);
/// The playbook waits for apt's lock with `lock_timeout`, which came with this one; older ones cannot talk to the
/// Python of Debian 13 either.
pub const ANSIBLE: Version = Version(2, 12);
const TOFU: Version = Version(tofu::MINIMUM.0, tofu::MINIMUM.1);

impl Version {
    /// The first `NUMBER.NUMBER` in a text: `OpenSSH_9.2p1`, `1:5.0.2-5`, `v1.12.6`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
            let mut numbers = word.split('.');
            Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Where a program is found, as the system would find it.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(runs)
}

/// What a program says on both streams, or why it says nothing that counts.
///
/// # Errors
/// `interrupted`.
pub fn said(runner: Runner, cmd: &Cmd) -> Result<std::result::Result<String, String>> {
    match runner.run(&cmd.clone().deadline(PATIENCE)) {
        Ok(ran) if ran.ok() => Ok(Ok(ran.stdout + &ran.stderr)),
        Ok(ran) => Ok(Err(format!("{} ended with {}: {}", cmd.program, ran.code, ran.complaint()))),
        Err(error) if error.code() == Code::Interrupted => Err(error),
        Err(error) => Ok(Err(told(&error))),
    }
}

/// An error in one line.
fn told(error: &Error) -> String {
    let all: Vec<&str> =
        std::iter::once(error.message()).chain(error.causes().iter().map(String::as_str)).collect();
    all.join(": ")
}

/// A program with a version.
struct Wanted {
    name: &'static str,
    needed: String,
    ask: Cmd,
    minimum: Version,
    package: Package,
}

impl Wanted {
    fn look(&self, runner: Runner) -> Result<Finding> {
        let missing = |seen: String, lack| Finding::missing(self.name, &self.needed, seen, lack);
        let program = &self.ask.program;
        let Some(path) = on_path(program) else {
            return Ok(missing(format!("{program} is not on PATH"), Lack::Package(self.package)));
        };
        let said = match said(runner, &self.ask)? {
            Ok(said) => said,
            Err(why) => return Ok(missing(why, Lack::Package(self.package))),
        };
        let line = said.lines().next().unwrap_or_default();
        let seen = format!("{line} ({})", path.display());
        match Version::read(line) {
            Some(version) if version >= self.minimum => Ok(Finding::ok(self.name, &self.needed, seen)),
            Some(_) => Ok(missing(format!("too old: {seen}"), Lack::Newer(self.package))),
            None => Ok(missing(format!("no version can be read in: {seen}"), Lack::Newer(self.package))),
        }
    }
}

/// `ssh`, and `ssh-keygen` of the same package, which has no version of its own.
///
/// # Errors
/// `interrupted`.
pub fn openssh(runner: Runner) -> Result<[Finding; 2]> {
    let needed = format!("OpenSSH {OPENSSH} or newer, for the way to every host");
    let ssh = Wanted {
        name: "ssh",
        needed,
        ask: Cmd::new("ssh", ["-V"]),
        minimum: OPENSSH,
        package: Package::OpenSsh,
    };
    let keys = "for the keys of environments and hosts";
    let keygen = on_path("ssh-keygen").map_or_else(
        || {
            let lack = Lack::Package(Package::OpenSsh);
            Finding::missing("ssh-keygen", keys, "ssh-keygen is not on PATH", lack)
        },
        |path| Finding::ok("ssh-keygen", keys, path.display().to_string()),
    );
    Ok([ssh.look(runner)?, keygen])
}

/// Ansible, which brings its own Python: where that is broken, it says no version.
///
/// # Errors
/// `interrupted`.
pub fn ansible(runner: Runner) -> Result<Finding> {
    let wanted = Wanted {
        name: "Ansible",
        needed: format!("ansible-core {ANSIBLE} or newer, for configure"),
        ask: Cmd::new("ansible-playbook", ["--version"]).env("LC_ALL", "C.UTF-8"),
        minimum: ANSIBLE,
        package: Package::Ansible,
    };
    wanted.look(runner)
}

/// The program that `provision` would take.
///
/// # Errors
/// `interrupted`.
pub fn tofu(runner: Runner, named: Option<&Path>, users: &str) -> Result<(Finding, Option<tofu::Kind>)> {
    let needed = format!("OpenTofu or Terraform {TOFU} or newer, for {users}");
    match tofu::find(runner, named) {
        Ok(found) => {
            let path = on_path(&found.path).unwrap_or_else(|| found.path.clone().into());
            Ok((Finding::ok("OpenTofu", needed, format!("{found} ({})", path.display())), Some(found.kind)))
        }
        Err(error) if error.code() == Code::Interrupted => Err(error),
        Err(error) => {
            // What is installed would not be taken while another one is named.
            let lack = match named {
                Some(_) => Lack::Known(Fix::by_hand("name another program, or none: --tofu-bin PATH")),
                None => Lack::Package(Package::OpenTofu),
            };
            Ok((Finding::missing("OpenTofu", needed, told(&error), lack), None))
        }
    }
}

/// Docker's command line, and the engine behind it.
///
/// # Errors
/// `interrupted`.
pub fn docker(runner: Runner, purpose: &str) -> Result<Vec<Finding>> {
    const NAMES: [&str; 2] = ["docker", "Docker Engine"];
    let needed = [format!("Docker's command line, {purpose}"), format!("an engine that answers, {purpose}")];
    let Some(path) = on_path("docker") else {
        let lack = Lack::Package(Package::Docker);
        return Ok(vec![Finding::missing(NAMES[0], &needed[0], "docker is not on PATH", lack)]);
    };
    let version = docker::docker(["version", "--format", "{{.Server.Version}}"]).deadline(PATIENCE);
    let ask = || Lack::Known(Fix::by_hand("see what it says: docker version"));
    let engine = match docker::run(runner, &version) {
        Ok(ran) if ran.ok() => Finding::ok(NAMES[1], &needed[1], ran.stdout.trim()),
        Ok(ran) => Finding::missing(NAMES[1], &needed[1], ran.complaint(), ask()),
        Err(error) if error.code() == Code::Interrupted => return Err(error),
        Err(error) => {
            let lack = match error.code() {
                Code::DockerPermission => Lack::Group("docker".into()),
                Code::DockerUnreachable => {
                    let fix = Fix { run: vec![], by_hand: error.helps().to_vec() };
                    Lack::Service("docker", fix)
                }
                _ => ask(),
            };
            Finding::missing(NAMES[1], &needed[1], told(&error), lack)
        }
    };
    Ok(vec![Finding::ok(NAMES[0], &needed[0], path.display().to_string()), engine])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_write_them() {
        for (text, version) in [
            ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19", Version(9, 2)),
            ("OpenTofu v1.12.6", Version(1, 12)),
            ("Terraform v1.5.7", Version(1, 5)),
            ("ansible-playbook [core 2.19.4]", Version(2, 19)),
            ("1:9.2p1-2+deb12u10", Version(9, 2)),
        ] {
            assert_eq!(Version::read(text), Some(version), "{text}");
        }
        assert_eq!(Version::read("tofu: cannot execute binary file"), None);
        assert!(Version(2, 9) < Version(2, 12), "numbers are compared, not texts");
    }
}
