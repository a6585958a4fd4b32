//! The real program in a folder of its own, with scripted fakes of the tools first on PATH.
//!
//! No test needs the network, Docker or a terminal. `World` builds the surroundings; what a user reads is a snapshot.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod api;
mod backup;
mod check;
mod configuring;
mod create;
mod deploy;
mod ending;
mod external;
mod host;
mod host_images;
mod images;
mod interrupt;
mod locking;
mod log;
mod logins;
mod logs;
mod look;
mod manual;
mod many;
mod owner;
mod owning;
mod placing;
mod render;
mod restoring;
mod rollback;
mod running;
mod schema;
mod secrets;
mod ssh;
mod status;
mod storage;
mod suites;
mod tofu;
mod tools;
mod update;
mod upgrading;
mod usage;
mod validate;
mod world;
