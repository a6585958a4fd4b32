//! End to end on the lab: real sshd, Ansible, Docker and the real tracker. `lab/up.sh` makes what is needed.
//!
//! Each test has hosts of its own, which go when it ends, also by a panic. What a killed run leaves behind goes with
//! `lab/host.sh clean`, or with the next run: see `lab::sweep`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_hosts;
mod bad_releases;
mod cut;
mod desk;
mod firewall;
mod host;
mod lab;
mod provider_docker;
mod registered;
mod registry;
mod tracker;
