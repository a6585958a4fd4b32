//! The suite `full`: basic, and what takes longer or leaves the tracker alone for a moment.

use std::net::IpAddr;
use std::time::Duration;

use super::{Test, ports, restart};
use crate::checks::{self, Answer, Checked};
use crate::commands::status;
use crate::error::Result;
use crate::services::{self, tracker::silence};

/// A backup of a large database takes its time.
const BACKUP_DEADLINE: Duration = Duration::from_mins(30);

/// What the host knows that helps to read what is seen from outside.
#[derive(Debug, Default)]
pub struct Inside {
    /// The address that it sees us by.
    pub seen_as: Option<IpAddr>,
    /// Who holds which port: protocol, number, name.
    pub holders: Vec<(String, u16, String)>,
}

/// Asks all. What restarts the stack comes last, and only when all is well before: it would hide what is wrong.
pub fn ask(test: &Test) -> Result<Vec<Checked>> {
    let mut checked = test.basic()?;
    checked.extend(status::on_host(&test.ssh, &test.env)?);
    let inside = outlook(test)?;
    let on_host = services::full_host_checks(&test.env.config);
    if on_host.is_empty() {
        let reason = "the configuration has no section backup".into();
        checked.push(Checked::at_once("backups", Answer::Skipped { reason }));
    } else {
        test.app.out.note("asking the host for a backup, and reading it back");
        checked.extend(test.ask_host(&on_host, BACKUP_DEADLINE)?);
    }
    let outside = services::full_checks(&test.env.config, test.env.host()?, &test.relay, inside.seen_as)?;
    let mut outside = checks::ask_all(test.app.runner(), outside, test.timeout)?;
    silence::explain(&test.env, &mut outside);
    checked.extend(outside);
    checked.extend(ports::ask(test, &inside)?);
    let [_, failed, ..] = checks::tally(&checked);
    checked.push(if failed == 0 {
        restart::ask(test)?
    } else {
        restart::skipped("something failed before: the stack is left as it is")
    });
    Ok(checked)
}

fn outlook(test: &Test) -> Result<Inside> {
    let ran = test.ssh.run_root(&test.script("outlook.sh")?, &[])?;
    Ok(Inside::parse(&ran.stdout))
}

impl Inside {
    fn parse(text: &str) -> Self {
        let mut inside = Self::default();
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("seen-as"), Some(address), ..) => inside.seen_as = address.parse().ok(),
                (Some("holds"), Some(protocol), Some(port), Some(who)) => {
                    inside.holders.extend(port.parse().ok().map(|port| (protocol.into(), port, who.into())));
                }
                _ => {}
            }
        }
        inside
    }

    /// Who holds a port, for people.
    pub fn holder(&self, protocol: &str, port: u16) -> String {
        let mut who: Vec<_> = self
            .holders
            .iter()
            .filter(|(kind, number, _)| kind == protocol && *number == port)
            .map(|(.., who)| who.as_str())
            .collect();
        who.dedup();
        if who.is_empty() { "nothing on the host that could be found".into() } else { who.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_knows_is_read() {
        let inside = Inside::parse(
            "seen-as 198.18.0.1\nholds tcp 22 sshd\nholds tcp 22 sshd\nholds tcp 8123 container my web\nnoise\n",
        );
        assert_eq!(inside.seen_as, Some("198.18.0.1".parse().unwrap()));
        assert_eq!(inside.holder("tcp", 22), "sshd");
        assert_eq!(inside.holder("tcp", 8123), "container my web");
        assert!(inside.holder("udp", 22).starts_with("nothing"));
    }
}
