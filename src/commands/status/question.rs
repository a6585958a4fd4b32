//! The question to `templates/host/status/`, and the session that asks it.

use serde::Serialize;

use std::time::Duration;

use super::facts::{Clock, Facts, now, parse};
use crate::error::{Code, Error, Result};
use crate::process::Cmd;
use crate::render::Templates;
use crate::services::{Figures, HostCheck};
use crate::tools::ssh::{Ssh, sh_quote};

/// How long one look may take: a busy machine, a slow disk.
const DEADLINE: Duration = Duration::from_secs(30);
/// The files of the script; each may use what comes before it.
const SCRIPT: [&str; 7] = ["files", "release", "machine", "network", "registry", "docker", "look"];

/// What the script is to look at; it travels in its standard input, because there is a token in it.
#[derive(Debug, Serialize)]
pub struct Question {
    /// Whether to look at more than the containers.
    pub deep: bool,
    /// The image references that the containers should have.
    pub images: Vec<String>,
    /// Whether their registries are asked what they have under the same tags.
    pub registries: bool,
    /// Name and command of what services ask on the host.
    pub checks: Vec<(String, String)>,
    /// Where the tracker's counters are.
    pub figures: Option<Figures>,
    /// Seconds between looks; one look alone without it.
    pub interval: Option<f64>,
}

/// The script that looks.
///
/// # Errors
/// One of its files is not there.
pub fn script(templates: &Templates) -> Result<String> {
    SCRIPT.iter().map(|part| templates.text(&format!("host/status/{part}.py"))).collect()
}

impl Question {
    /// The question that these services have.
    #[must_use]
    pub fn new(images: Vec<String>, checks: Vec<HostCheck>) -> Self {
        let checks = checks.into_iter().filter(|check| check.quick);
        Self {
            deep: true,
            images,
            registries: false,
            checks: checks.map(|check| (check.name, check.command)).collect(),
            figures: None,
            interval: None,
        }
    }

    /// The session that answers it; a host without Python, as before `configure`, answers that there are no facts.
    ///
    /// # Errors
    /// `internal`.
    pub fn session(&self, ssh: &Ssh, script: &str) -> Result<Cmd> {
        let mut line = serde_json::to_vec(self)
            .map_err(|error| Error::new(Code::Internal, "the question cannot be written").why(error))?;
        line.push(b'\n');
        let without = "command -v python3 >/dev/null || { echo '{}'; exit 0; }";
        Ok(ssh.root(&format!("{without}; exec python3 -c {}", sh_quote(script)), &[]).input(line))
    }

    /// Asks once.
    ///
    /// # Errors
    /// The connection broke, or the host did not tell.
    pub fn ask(&self, ssh: &Ssh, script: &str) -> Result<(Facts, Clock)> {
        let cmd = self.session(ssh, script)?.deadline(DEADLINE);
        let (asked, mut heard) = (now(), 0.0);
        let ran = ssh.runner().talk(&cmd, |_, _, input| {
            heard = now();
            input.close();
            Ok(())
        })?;
        let ran = ssh.judge(ran)?;
        let facts = parse(ran.stdout.trim_end()).map_err(|error| {
            let by_hand = ssh.target.shown();
            error.why(ran.complaint()).help(format!("see how the host is: {by_hand}"))
        })?;
        let clock = Clock::of(asked, facts.began, facts.ended, heard);
        Ok((facts, clock))
    }
}
