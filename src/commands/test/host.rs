//! What only the host itself can tell, asked in one SSH session.

use std::time::Duration;

use crate::checks::{Answer, Checked};
use crate::config::{Authority, Config};
use crate::error::{Code, Error, Result};
use crate::probe::Fault;
use crate::services::{self, HostCheck};
use crate::tools::ssh::Ssh;

/// What `test.sh` looks at beside what it is told to: cloud-init, Docker, Compose.
const HOST_FACTS: usize = 3;

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
    let wanted = HOST_FACTS + checks.len();
    if ran.ok() && facts.len() == wanted {
        return Ok(facts);
    }
    Err(Error::new(Code::TestFailed, format!("the host told {} of {wanted} facts about itself", facts.len()))
        .why(ran.complaint()))
}

/// `NAME<tab>ok|failed<tab>WHAT WAS SEEN`.
fn fact(line: &str) -> Option<Checked> {
    let mut fields = line.splitn(3, '\t');
    let (name, state, seen) = (fields.next()?, fields.next()?, fields.next()?);
    let answer = match state {
        "ok" => Answer::Passed { seen: seen.to_owned() },
        _ => Answer::Failed(Fault::new("an answer without an error", seen)),
    };
    Some(Checked { name: name.to_owned(), answer, seconds: 0.0 })
}

/// Reads the root certificate of the proxy's own authority, where that is the one that signs.
///
/// # Errors
/// The connection broke.
pub fn learn_root(ssh: &Ssh, config: &mut Config) -> Result<()> {
    let Some(https) = &mut config.https else { return Ok(()) };
    if https.ca == Some(Authority::Internal) {
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
        assert!(fact("noise").is_none());
    }
}
