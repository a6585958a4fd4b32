//! The lab's emulator of the Hetzner Cloud API, which goes with its servers when the value goes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::desk::Desk;
use crate::tracker::get;
use crate::{lab, lxd};

/// Where the emulator's servers come from.
#[derive(Clone, Copy, PartialEq)]
pub enum Servers {
    Real,
    /// For tests in which none ever answers.
    None,
}

pub struct Hetzner {
    child: Child,
    address: String,
    pub token: String,
    /// What the emulator must remember; not in the desk's folder, which is searched for the token.
    _state: TempDir,
}

/// A desk with an emulator of its own.
pub fn desk(servers: Servers) -> (Desk, Hetzner) {
    let mut desk = lxd::desk();
    let hetzner = Hetzner::start(&mut desk, servers);
    (desk, hetzner)
}

/// A desk with an environment at an emulator of its own.
pub fn created(servers: Servers) -> (Desk, Hetzner) {
    let (desk, hetzner) = desk(servers);
    desk.create(&config(&desk));
    (desk, hetzner)
}

pub fn config(desk: &Desk) -> Value {
    let mut config = desk.config();
    config["provider"] = json!({
        "provider": "hetzner",
        "api_token": "${HCLOUD_TOKEN}",
        "server_type": "cx23",
        "location": "nbg1",
        "image": "debian-13",
    });
    config
}

impl Hetzner {
    fn start(desk: &mut Desk, servers: Servers) -> Self {
        let state = TempDir::with_prefix("e2e-hetzner-").unwrap();
        let token = format!("{:Z<64}", desk.name.replace('-', "x"));
        let owner = std::process::id().to_string();
        let backend = if servers == Servers::Real { "lxd" } else { "none" };
        let mut serve = Command::new(lab::project().join("lab/hetzner.sh"));
        serve.args(["serve", "--token", &token, "--owner", &owner, "--backend", backend, "--state"]);
        serve.arg(state.path()).env("PATH", lab::path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = serve.spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        let endpoint = endpoint.trim();
        let address = endpoint.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/v1"));
        let address = address.unwrap_or_else(|| panic!("no emulator: {endpoint:?}")).to_owned();
        desk.variables.extend([("HCLOUD_ENDPOINT", endpoint.to_owned()), ("HCLOUD_TOKEN", token.clone())]);
        Self { child, address, token, _state: state }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let (token, length) = (&self.token, body.len());
        let head =
            format!("{method} {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}");
        let answer = get(&self.address, &format!("{head}\r\n\r\n{body}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 ") || head.contains(" 201 "), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// A list, as the API shows it to its users.
    pub fn listed(&self, kind: &str) -> Vec<Value> {
        self.ask("GET", &format!("/v1/{kind}"), "")[kind].as_array().unwrap().clone()
    }

    /// Makes something, as another user of the project does.
    #[allow(clippy::needless_pass_by_value, reason = "reads as the json that it is")]
    pub fn make(&self, kind: &str, body: Value) {
        self.ask("POST", &format!("/v1/{kind}"), &body.to_string());
    }

    /// Sets a fault switch.
    #[allow(clippy::needless_pass_by_value, reason = "reads as the json that it is")]
    pub fn fault(&self, fault: Value) {
        self.ask("POST", "/_lab/faults", &fault.to_string());
    }

    /// All fault switches off.
    pub fn heal(&self) {
        self.ask("DELETE", "/_lab/faults", "");
    }

    /// The `servers`, `ssh_keys`, `firewalls` or `actions` there.
    pub fn all(&self, kind: &str) -> Vec<Value> {
        self.ask("GET", &format!("/_lab/{kind}"), "")[kind].as_array().unwrap().clone()
    }

    /// What is there, as OpenTofu calls it.
    pub fn there(&self) -> Vec<String> {
        let kinds =
            [("firewalls", "hcloud_firewall"), ("servers", "hcloud_server"), ("ssh_keys", "hcloud_ssh_key")];
        let named = |(kind, called): (&str, &str)| {
            let all = self.all(kind).into_iter();
            all.map(|one| format!("{called} {}", one["name"].as_str().unwrap())).collect::<Vec<_>>()
        };
        kinds.into_iter().flat_map(named).collect()
    }
}

/// Firewall, server and key, as [`Hetzner::there`] names them.
pub fn all_three(desk: &Desk) -> Vec<String> {
    ["hcloud_firewall", "hcloud_server", "hcloud_ssh_key"]
        .map(|kind| format!("{kind} {}", desk.instance()))
        .into()
}

impl Drop for Hetzner {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
