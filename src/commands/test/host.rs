//! What only the host itself can tell, asked in one SSH session.

use std::time::Duration;

use crate::checks::{Answer, Checked};
use crate::config::{Authority, Config};
use crate::error::{Code, Error, Result};
use crate::probe::Fault;
use crate::services::{self, HostCheck};
use crate::tools::ssh::Ssh;

/// The host itself: cloud-init, Docker, Compose.
#[must_use]
pub fn machine() -> Vec<HostCheck> {
    let cloud_init = "command -v cloud-init >/dev/null || { echo 'not installed on this host'; exit 0; }; cloud-init status";
    let asked = [
        ("cloud-init", cloud_init),
        ("Docker Engine", "docker version --format '{{.Server.Version}}'"),
        ("Docker Compose", "docker compose version --short"),
    ];
    let check = |(name, command): (&str, &str)| HostCheck {
        name: name.into(),
        command: command.into(),
        awaited: false,
        quick: true,
    };
    asked.map(check).into()
}

/// Runs `test.sh`. What is not well is asked again for as long as `patience` says.
///
/// # Errors
/// The host did not tell all.
pub fn ask(
    ssh: &Ssh,
    script: &str,
    checks: &[HostCheck],
    patience: Duration,
    deadline: Duration,
) -> Result<Vec<Checked>> {
    let patience = patience.as_secs().to_string();
    let pairs = checks.iter().flat_map(|check| [check.name.as_str(), check.command.as_str()]);
    let args: Vec<&str> = std::iter::once(patience.as_str()).chain(pairs).collect();
    let cmd = ssh.root(script, &args).deadline(deadline);
    let ran = ssh.judge(ssh.runner().run(&cmd)?)?;
    let facts: Vec<Checked> = ran.stdout.lines().filter_map(fact).collect();
    let wanted = checks.len();
    if ran.ok() && facts.len() == wanted {
        return Ok(facts);
    }
    Err(Error::new(Code::TestFailed, format!("the host told {} of {wanted} facts about itself", facts.len()))
        .why(ran.complaint()))
}

/// `NAME<tab>ok|warning|failed<tab>WHAT WAS SEEN`.
fn fact(line: &str) -> Option<Checked> {
    let mut fields = line.splitn(3, '\t');
    let (name, state, seen) = (fields.next()?, fields.next()?, fields.next()?);
    let answer = match state {
        "ok" => Answer::Passed { seen: seen.to_owned() },
        "warning" => Answer::Warning { seen: seen.to_owned() },
        _ => Answer::Failed(Fault::new("an answer without an error", seen)),
    };
    Some(Checked::at_once(name, answer))
}

/// Whether the proxy's own authority signs: then the endpoints can be judged only with its certificate, which the host has.
#[must_use]
pub fn has_own_authority(config: &Config) -> bool {
    config.https.as_ref().is_some_and(|https| https.ca == Some(Authority::Internal))
}

/// Reads the root certificate of the proxy's own authority, where that is the one that signs.
///
/// # Errors
/// The connection broke.
pub fn learn_own_root(ssh: &Ssh, config: &mut Config) -> Result<()> {
    if !has_own_authority(config) {
        return Ok(());
    }
    if let Some(https) = &mut config.https {
        let read = ssh.run_root(&format!("cat /opt/torrust/{}", services::OWN_ROOT), &[])?;
        https.own_root = read.ok().then_some(read.stdout);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_of_the_host_is_a_check() {
        let checked = fact("Docker Engine\tok\t26.1.5").unwrap();
        assert_eq!(
            (checked.name.as_str(), &checked.answer),
            ("Docker Engine", &Answer::Passed { seen: "26.1.5".into() })
        );
        assert!(fact("cloud-init\tfailed\tstatus: error").unwrap().fault().is_some());
        let checked = fact("Prometheus: targets up\twarning\tno output").unwrap();
        assert_eq!(checked.answer, Answer::Warning { seen: "no output".into() });
        assert!(fact("noise").is_none());
    }
}
