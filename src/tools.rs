//! Thin adapters of other programs: each builds a [`crate::process::Cmd`] and reads what comes back.

pub mod ansible;
pub mod docker;
pub mod lxd;
pub mod relay;
pub mod ssh;
pub mod tofu;

use crate::error::{Code, Error};

/// A program that is not on PATH, with the way to get it.
#[must_use]
pub fn missing(program: &str) -> Error {
    let help = match program {
        "ansible-playbook" => "install Ansible: pipx install ansible-core (or: apt-get install ansible-core)",
        "ssh" | "ssh-keygen" => "install the OpenSSH client: apt-get install openssh-client",
        "docker" => "install the Docker Engine and its command line: apt-get install docker.io",
        "tofu" | "terraform" => {
            "install OpenTofu: https://opentofu.org/docs/intro/install/, or: torrust-tracker-deployer check --fix"
        }
        _ => "install it, and make sure that it is on PATH",
    };
    Error::new(Code::ToolMissing, format!("{program} is not installed, or not on PATH")).help(help)
}
