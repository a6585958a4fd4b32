//! The operator's machine: its package manager, and the commands that mend what is missing.

use std::collections::BTreeMap;
use std::path::Path;

use super::programs::{self, ANSIBLE, Version, on_path};
use crate::error::Result;
use crate::output::shown_path;
use crate::process::{Cmd, Runner};
use crate::tools::tofu;

/// A command that mends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    root: bool,
    words: Vec<String>,
    /// It has work to do even where the same words ran before.
    anew: bool,
}

impl Command {
    /// Words for root.
    pub fn root(words: &[&str]) -> Self {
        Self { root: true, ..Self::user(words) }
    }

    /// Words for the user.
    pub fn user(words: &[&str]) -> Self {
        Self { root: false, words: words.iter().map(|&word| word.to_owned()).collect(), anew: false }
    }

    /// Whether `sudo` has to stand in front.
    #[must_use]
    pub fn needs_sudo(&self) -> bool {
        self.root && !rustix::process::geteuid().is_root()
    }

    /// As a person types it.
    #[must_use]
    pub fn shown(&self) -> String {
        let words = self.words.iter().map(|word| match word.as_str() {
            "" => "''".to_owned(),
            word => shown_path(Path::new(word)),
        });
        let sudo = self.needs_sudo().then(|| "sudo".to_owned());
        sudo.into_iter().chain(words).collect::<Vec<_>>().join(" ")
    }

    /// As it is run: `sudo` does not ask, as nobody would see its question.
    #[must_use]
    pub fn cmd(&self) -> Cmd {
        if self.needs_sudo() {
            return Cmd::new("sudo", std::iter::once("-n".to_owned()).chain(self.words.iter().cloned()));
        }
        Cmd::new(&self.words[0], &self.words[1..])
    }
}

/// What mends a finding: commands that `--fix` runs, and what is left to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fix {
    /// One after the other.
    pub run: Vec<Command>,
    /// What a person does then, or instead.
    pub by_hand: Vec<String>,
}

impl Fix {
    /// A command that does it.
    #[must_use]
    pub fn run(command: Command) -> Self {
        Self { run: vec![command], by_hand: vec![] }
    }

    /// What only a person can do.
    #[must_use]
    pub fn by_hand(words: impl Into<String>) -> Self {
        Self::default().and(words)
    }

    /// What else a person does, or can do.
    #[must_use]
    pub fn and(mut self, words: impl Into<String>) -> Self {
        self.by_hand.push(words.into());
        self
    }

    /// One line for each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.run.iter().map(Command::shown).chain(self.by_hand.iter().cloned()).collect()
    }
}

/// Something that can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// `ssh` and `ssh-keygen`.
    OpenSsh,
    /// `ansible-playbook`.
    Ansible,
    /// `tofu`.
    OpenTofu,
    /// The engine and `docker`.
    Docker,
    /// The daemon and `lxc`.
    Lxd,
}

/// What a finding lacks.
#[derive(Clone, Debug)]
pub enum Lack {
    /// It is not installed.
    Package(Package),
    /// It is installed, and too old: what installed it has no better one.
    Newer(Package),
    /// The user is not in this group.
    Group(String),
    /// This service does not run; the fix is for a system without systemd.
    Service(&'static str, Fix),
    /// What mends it needs no knowledge of the machine.
    Known(Fix),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Brew,
}

/// What is known about the machine.
pub struct Machine {
    manager: Option<Manager>,
    /// The versions that apt would install; empty before its first `update`.
    candidates: BTreeMap<String, Version>,
}

/// Packages whose presence or version decides which way is taken.
const ASKED: [&str; 6] = ["openssh-client", "ansible-core", "docker-cli", "lxd", "tofu", "opentofu"];

impl Machine {
    /// Looks for the package manager and asks it what it has.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn look(runner: Runner) -> Result<Self> {
        let managers = [("apt-get", Manager::Apt), ("dnf", Manager::Dnf), ("brew", Manager::Brew)];
        let manager =
            managers.into_iter().find(|(program, _)| on_path(program).is_some()).map(|(_, manager)| manager);
        let mut candidates = BTreeMap::new();
        if manager == Some(Manager::Apt) {
            let words = std::iter::once("policy").chain(ASKED);
            let said = programs::said(runner, &Cmd::new("apt-cache", words).env("LC_ALL", "C"))?;
            candidates = said.map_or_else(|_| BTreeMap::new(), |said| read_candidates(&said));
        }
        Ok(Self { manager, candidates })
    }

    /// What mends this.
    #[must_use]
    pub fn fix(&self, lack: &Lack) -> Fix {
        match lack {
            Lack::Package(package) => self.install(*package, false),
            Lack::Newer(package) => self.install(*package, true),
            Lack::Group(group) => join(group),
            Lack::Service(name, _) if Path::new("/run/systemd/system").exists() => {
                Fix::run(Command::root(&["systemctl", "start", name]))
            }
            Lack::Service(_, fix) | Lack::Known(fix) => fix.clone(),
        }
    }

    fn install(&self, package: Package, too_old: bool) -> Fix {
        let run = match self.manager {
            Some(Manager::Apt) => self.by_apt(package, too_old),
            Some(Manager::Dnf) => by_dnf(package, too_old),
            Some(Manager::Brew) => by_brew(package),
            None => vec![],
        };
        let or = if run.is_empty() { "" } else { "or " };
        Fix { run, by_hand: vec![format!("{or}{}", elsewhere(package))] }
    }

    /// Whether apt has it; before its first `update` it is taken for granted.
    fn has(&self, package: &str) -> bool {
        self.candidates.is_empty() || self.candidates.contains_key(package)
    }

    fn by_apt(&self, package: Package, too_old: bool) -> Vec<Command> {
        let known = |name: &str| self.candidates.contains_key(name);
        let current = || self.candidates.get("ansible-core").is_some_and(|version| *version >= ANSIBLE);
        match package {
            Package::OpenSsh => apt(&["openssh-client"]),
            Package::Ansible if !too_old && (self.candidates.is_empty() || current()) => {
                apt(&["ansible-core"])
            }
            Package::Ansible => [apt(&["pipx"]), pipx()].concat(),
            // Newer archives have the command line apart from the engine.
            Package::Docker if known("docker-cli") => apt(&["docker.io", "docker-cli"]),
            Package::Docker => apt(&["docker.io"]),
            Package::Lxd if self.has("lxd") => apt(&["lxd"]),
            Package::Lxd => snap("lxd"),
            Package::OpenTofu if known("tofu") => apt(&["tofu"]),
            Package::OpenTofu if known("opentofu") => apt(&["opentofu"]),
            Package::OpenTofu => opentofu_archive(),
        }
    }
}

/// A group counts from the next login on, so a second call says that alone.
fn join(group: &str) -> Fix {
    let Some(user) = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()) else {
        return Fix::by_hand(format!(
            "join its group, then log in again: sudo usermod -aG {group} YOUR_NAME"
        ));
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let members = groups.lines().find_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
    let is_member = members.is_some_and(|members| {
        members.rsplit(':').next().is_some_and(|users| users.split(',').any(|member| member == user))
    });
    let login = format!("log in again, or go on in a shell of: newgrp {group}");
    if is_member {
        return Fix::by_hand(login);
    }
    Fix::run(Command::root(&["usermod", "-aG", group, &user])).and(format!("then {login}"))
}

fn apt(packages: &[&str]) -> Vec<Command> {
    // No package may ask anything: nobody would see it.
    let install = [&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y"], packages].concat();
    vec![Command::root(&["apt-get", "update"]), Command::root(&install)]
}

fn by_dnf(package: Package, too_old: bool) -> Vec<Command> {
    let dnf = |packages: &[&str]| vec![Command::root(&[&["dnf", "install", "-y"], packages].concat())];
    match package {
        Package::OpenSsh => dnf(&["openssh-clients"]),
        Package::Ansible if too_old => [dnf(&["pipx"]), pipx()].concat(),
        Package::Ansible => dnf(&["ansible-core"]),
        Package::Docker => dnf(&["moby-engine", "docker-cli"]),
        Package::OpenTofu => dnf(&["opentofu"]),
        Package::Lxd => snap("lxd"),
    }
}

fn by_brew(package: Package) -> Vec<Command> {
    let brew = |words: &[&str]| vec![Command::user(&[&["brew", "install"], words].concat())];
    match package {
        Package::OpenSsh => brew(&["openssh"]),
        Package::Ansible => brew(&["ansible"]),
        Package::Docker => brew(&["--cask", "docker-desktop"]),
        Package::OpenTofu => brew(&["opentofu"]),
        // Its daemon runs on Linux alone.
        Package::Lxd => vec![],
    }
}

/// For all users and on everyone's PATH, before what the system's package manager has.
fn pipx() -> Vec<Command> {
    let words = [
        "env",
        "PIPX_HOME=/opt/pipx",
        "PIPX_BIN_DIR=/usr/local/bin",
        "pipx",
        "install",
        "--force",
        "ansible-core",
    ];
    vec![Command::root(&words)]
}

fn snap(package: &str) -> Vec<Command> {
    if on_path("snap").is_some() { vec![Command::root(&["snap", "install", package])] } else { vec![] }
}

/// OpenTofu's own archive, as its documentation has it: signed, and no script is fetched and run.
fn opentofu_archive() -> Vec<Command> {
    const KEYS: [(&str, &str); 2] = [
        ("https://get.opentofu.org/opentofu.gpg", "/etc/apt/keyrings/opentofu.gpg"),
        ("https://packages.opentofu.org/opentofu/tofu/gpgkey", "/etc/apt/keyrings/opentofu-repo.asc"),
    ];
    let source = format!(
        "echo \"deb [signed-by={},{}] https://packages.opentofu.org/opentofu/tofu/any/ any main\" > /etc/apt/sources.list.d/opentofu.list",
        KEYS[0].1, KEYS[1].1
    );
    let tools = if on_path("curl").is_some() { vec![] } else { apt(&["ca-certificates", "curl"]) };
    let fetch = KEYS.map(|(url, file)| {
        Command::root(&["curl", "-fsSL", "--connect-timeout", "10", "--create-dirs", "-o", file, url])
    });
    let add = [Command::root(&["sh", "-c", &source])];
    let install = apt(&["tofu"]).into_iter().map(|command| Command { anew: true, ..command });
    tools.into_iter().chain(fetch).chain(add).chain(install).collect()
}

/// Where it is to be had when the package manager has not.
fn elsewhere(package: Package) -> String {
    let (major, minor) = tofu::MINIMUM;
    match package {
        Package::OpenSsh => "OpenSSH: https://www.openssh.com/portable.html".into(),
        Package::Ansible => "pipx install ansible-core".into(),
        Package::OpenTofu => {
            format!(
                "OpenTofu: https://opentofu.org/docs/intro/install/ (or use Terraform {major}.{minor} or newer)"
            )
        }
        Package::Docker => "Docker Engine: https://docs.docker.com/engine/install/".into(),
        Package::Lxd => "LXD: https://canonical.com/lxd/install (it runs on Linux alone)".into(),
    }
}

/// `Candidate:` of each package in what `apt-cache policy` prints.
fn read_candidates(said: &str) -> BTreeMap<String, Version> {
    let mut package = "";
    let mut candidates = BTreeMap::new();
    for line in said.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = name;
        } else if let Some(version) = line.trim().strip_prefix("Candidate: ").and_then(Version::read) {
            candidates.insert(package.to_owned(), version);
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(manager: Manager, said: &str) -> Machine {
        Machine { manager: Some(manager), candidates: read_candidates(said) }
    }

    fn policy(candidates: &[(&str, &str)]) -> String {
        let section = |(name, version)| format!("{name}:\n  Installed: (none)\n  Candidate: {version}\n");
        candidates.iter().copied().map(section).collect()
    }

    fn words(fix: &Fix) -> String {
        let lines = fix.run.iter().map(|command| command.words.join(" "));
        lines.collect::<Vec<_>>().join("\n").replace("env DEBIAN_FRONTEND=noninteractive ", "")
    }

    #[test]
    fn apt_installs_what_the_archive_has_and_goes_elsewhere_for_the_rest() {
        let debian_11 =
            policy(&[("openssh-client", "1:8.4p1-5+deb11u3"), ("lxd", "(none)"), ("docker-cli", "(none)")]);
        let debian_11 = machine(Manager::Apt, &debian_11);
        let fix = |package| words(&debian_11.fix(&Lack::Package(package)));
        assert_eq!(fix(Package::OpenSsh), "apt-get update\napt-get install -y openssh-client");
        assert_eq!(fix(Package::Docker), "apt-get update\napt-get install -y docker.io");
        assert_eq!(
            fix(Package::Ansible),
            "apt-get update\napt-get install -y pipx\nenv PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install --force ansible-core"
        );
        let tofu = fix(Package::OpenTofu);
        assert!(tofu.contains("opentofu.list\napt-get update\napt-get install -y tofu"), "{tofu}");
        let debian_13 = policy(&[
            ("ansible-core", "2.19.4-1"),
            ("docker-cli", "26.1.5+dfsg1-9"),
            ("lxd", "5.0.2"),
            ("tofu", "1.12.6"),
        ]);
        let debian_13 = machine(Manager::Apt, &debian_13);
        let fix = |package| words(&debian_13.fix(&Lack::Package(package)));
        assert_eq!(fix(Package::Ansible), "apt-get update\napt-get install -y ansible-core");
        assert_eq!(fix(Package::Docker), "apt-get update\napt-get install -y docker.io docker-cli");
        assert_eq!(fix(Package::Lxd), "apt-get update\napt-get install -y lxd");
        assert_eq!(fix(Package::OpenTofu), "apt-get update\napt-get install -y tofu");
        let newer = words(&debian_13.fix(&Lack::Newer(Package::Ansible)));
        assert!(newer.contains("pipx install --force ansible-core"), "{newer}");
    }

    #[test]
    fn dnf_and_brew_have_names_of_their_own() {
        let cases = [
            (Package::OpenSsh, "dnf install -y openssh-clients", "brew install openssh"),
            (Package::Ansible, "dnf install -y ansible-core", "brew install ansible"),
            (Package::OpenTofu, "dnf install -y opentofu", "brew install opentofu"),
            (Package::Docker, "dnf install -y moby-engine docker-cli", "brew install --cask docker-desktop"),
        ];
        for (package, dnf, brew) in cases {
            assert_eq!(words(&machine(Manager::Dnf, "").fix(&Lack::Package(package))), dnf);
            assert_eq!(words(&machine(Manager::Brew, "").fix(&Lack::Package(package))), brew);
        }
        assert!(!Command::user(&["brew", "install", "openssh"]).needs_sudo());
        let newer = words(&machine(Manager::Dnf, "").fix(&Lack::Newer(Package::Ansible)));
        assert!(newer.starts_with("dnf install -y pipx\n"), "{newer}");
    }

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let command = Command::user(&["ssh-keygen", "-N", "", "-f", "my key"]);
        assert_eq!(command.shown(), "ssh-keygen -N '' -f 'my key'");
    }
}
