//! Where a domain leads. It may lead elsewhere for good reasons, such as a name that has not spread yet: a warning.

use std::net::IpAddr;
use std::sync::mpsc::channel;

use crate::checks::{Answer, Check};
use crate::probe::{self, Deadline};
use crate::store::Host;

/// Any will do: it is the addresses that are looked up.
const PORT: u16 = 443;

/// Whether all addresses of a domain are the host's.
pub fn check(domain: &str, host: &Host) -> Check {
    let (name, domain, host) = (format!("{domain}: DNS"), domain.to_owned(), host.clone());
    Check::answering(name, move |deadline: Deadline| judge(&look_up(&domain, deadline), &own(&host)))
}

/// The host's addresses, where it is known by a name, too.
fn own(host: &Host) -> Vec<IpAddr> {
    let found = host.addresses().filter_map(|name| probe::addresses(name, PORT).ok());
    found.flatten().map(|address| address.ip()).collect()
}

fn judge(found: &Result<Vec<IpAddr>, String>, own: &[IpAddr]) -> Answer {
    match found {
        Ok(found) if !found.is_empty() && found.iter().all(|ip| own.contains(ip)) => {
            let no_aaaa = own.iter().any(IpAddr::is_ipv6) && found.iter().all(IpAddr::is_ipv4);
            let note = if no_aaaa { "; no AAAA record, though the host has an IPv6 address" } else { "" };
            Answer::Passed { seen: shown(found) + note }
        }
        Ok(found) => Answer::Warning {
            seen: format!("the name leads to {}, the host is {}", shown(found), shown(own)),
        },
        Err(why) => {
            Answer::Warning { seen: format!("the name leads nowhere ({why}), the host is {}", shown(own)) }
        }
    }
}

fn shown(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The system's resolver knows no deadline: it is left to itself when ours has passed.
fn look_up(domain: &str, deadline: Deadline) -> Result<Vec<IpAddr>, String> {
    let (sender, answer) = channel();
    let name = domain.to_owned();
    std::thread::spawn(move || {
        let found = probe::addresses(&name, PORT).map_err(|fault| fault.seen);
        sender.send(found.map(|found| {
            let mut found: Vec<_> = found.iter().map(std::net::SocketAddr::ip).collect();
            found.dedup();
            found
        }))
    });
    let in_time = answer.recv_timeout(deadline.left().unwrap_or_default());
    in_time.unwrap_or_else(|_| Err(format!("no answer in {deadline}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_a_warning_and_a_missing_aaaa_a_note() {
        let [v4, v6, other] = ["192.0.2.7", "2001:db8::7", "192.0.2.8"].map(|ip| ip.parse().unwrap());
        let passed = |seen: &str| Answer::Passed { seen: seen.into() };
        assert_eq!(judge(&Ok(vec![v4, v6]), &[v4, v6]), passed("192.0.2.7, 2001:db8::7"));
        let noted = passed("192.0.2.7; no AAAA record, though the host has an IPv6 address");
        assert_eq!(judge(&Ok(vec![v4]), &[v4, v6]), noted);
        for found in [Ok(vec![v4, other]), Ok(vec![]), Err("unknown".into())] {
            assert!(matches!(judge(&found, &[v4, v6]), Answer::Warning { .. }));
        }
    }
}
