//! End to end on the lab: real sshd, Ansible, Docker and the real tracker. `lab/up.sh` makes what is needed.
//!
//! Each test has hosts of its own, which go when it ends, also by a panic. What a killed run leaves behind goes with
//! `lab/host.sh clean`, or with the next run: see `lab::sweep`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod backup;
mod bad_hosts;
mod bad_releases;
mod by_hand;
mod cut;
mod desk;
mod external;
mod faults;
mod firewall;
mod harm;
mod hetzner;
mod host;
mod https;
mod judges;
mod lab;
mod logins;
mod logs;
mod lxd;
mod many;
mod monitoring;
mod mysql;
mod pages;
mod ports;
mod postgresql;
mod provider_docker;
mod provider_hetzner;
mod provider_lxd;
mod registered;
mod registry;
mod restore;
mod rotation;
mod schema;
mod schema_3;
mod ssh_config;
mod status;
mod suites;
mod tofu_cut;
mod tofu_hosts;
mod tofu_refused;
mod tracker;
mod update;
mod upgrade;
mod wire;
