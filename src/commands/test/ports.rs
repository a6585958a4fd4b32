//! Which ports answer from outside, against those that should.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Test;
use super::full::Inside;
use crate::checks::{self, Answer, Check, Checked};
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::probe::scan::{self, Tcp, Udp};
use crate::probe::{self, Fault};
use crate::services::{self, Protocol, Reach};

/// The UDP ports that are asked beside the configured ones.
const WELL_KNOWN: std::ops::RangeInclusive<u16> = 1..=1024;
/// More are counted, not listed.
const SHOWN: usize = 10;

/// What one address of the host promises.
struct Promise {
    host: IpAddr,
    /// The published ports.
    tcp: BTreeSet<u16>,
    udp: BTreeSet<u16>,
    /// UDP ports that some service has, but does not publish.
    inner: BTreeSet<u16>,
    /// Whether the firewall is ours: where it is not, others may have opened ports on purpose.
    strict: bool,
}

/// Asks all TCP ports, and some UDP ports, over each family.
pub fn ask(test: &Test, inside: &Inside) -> Result<Vec<Checked>> {
    let inside = Arc::new(inside.holders.clone());
    let inside = |protocol: &'static str| {
        let holders = inside.clone();
        move |port| Inside { holders: holders.to_vec(), seen_as: None }.holder(protocol, port)
    };
    let stop = test.app.interrupt.clone();
    let promises = promises(test)?;
    test.app
        .out
        .note("asking all TCP ports of the host; where a firewall is silent that takes half a minute");
    // One after the other: together they would need more sockets than many systems give.
    let udp = promises.iter().map(|promise| promise.udp_check(inside("udp"), stop.clone())).collect();
    let tcp = promises.iter().map(|promise| promise.tcp_check(inside("tcp"), stop.clone())).collect();
    let mut checked = checks::ask_all(test.app.runner(), tcp, test.timeout)?;
    checked.extend(checks::ask_all(test.app.runner(), udp, test.timeout)?);
    Ok(checked)
}

/// For one address of each family.
fn promises(test: &Test) -> Result<Vec<Promise>> {
    let (config, host) = (&test.env.config, test.env.host()?);
    let promise = |address: std::net::SocketAddr| {
        let reaches = [Reach::Everywhere, if address.is_ipv6() { Reach::Ipv6 } else { Reach::Ipv4 }];
        let of = |protocol| {
            let ports = services::published(config).into_iter();
            ports
                .filter(|port| port.protocol == protocol && reaches.contains(&port.reach))
                .map(|port| port.number)
                .collect::<BTreeSet<_>>()
        };
        let (mut tcp, udp) = (of(Protocol::Tcp), of(Protocol::Udp));
        tcp.insert(host.port);
        let inner = services::port_numbers(config);
        let strict = test.env.choices.firewall.unwrap_or(true);
        Promise { host: address.ip(), tcp, udp, inner, strict }
    };
    Ok(probe::one_of_each_family(host.addresses(), host.port).into_iter().map(promise).collect())
}

impl Promise {
    fn family(&self) -> &'static str {
        if self.host.is_ipv6() { "IPv6" } else { "IPv4" }
    }

    fn tcp_check(&self, holder: impl Fn(u16) -> String + Send + Sync + 'static, stop: Interrupt) -> Check {
        let (host, promised, strict) = (self.host, self.tcp.clone(), self.strict);
        let name = format!("TCP ports 1-65535 over {}: none is open but {}", self.family(), list(&promised));
        let ask = move |_| -> Answer {
            let (all, began): (Vec<u16>, _) = ((1..=u16::MAX).collect(), Instant::now());
            match scan::tcp(host, &all, &|| stop.wanted()) {
                Ok(seen) => judge_tcp(&seen, &promised, strict, &holder, began.elapsed()),
                Err(error) => Answer::Skipped { reason: format!("this machine cannot ask {host}: {error}") },
            }
        };
        Check::answering(name, ask)
    }

    fn udp_check(&self, holder: impl Fn(u16) -> String + Send + Sync + 'static, stop: Interrupt) -> Check {
        let (host, strict) = (self.host, self.strict);
        let asked: BTreeSet<u16> = WELL_KNOWN.chain(self.inner.clone()).collect();
        let asked: Vec<u16> = asked.difference(&self.udp).copied().collect();
        let name = format!(
            "UDP ports 1-1024 and the configured ones over {}: none answers that is not published",
            self.family()
        );
        let ask = move |_| -> Answer {
            match scan::udp(host, &asked, &|| stop.wanted()) {
                Ok(seen) => judge_udp(&seen, strict, &holder),
                Err(error) => Answer::Skipped { reason: format!("this machine cannot ask {host}: {error}") },
            }
        };
        Check::answering(name, ask)
    }
}

fn judge_tcp(
    seen: &Tcp,
    promised: &BTreeSet<u16>,
    strict: bool,
    holder: &dyn Fn(u16) -> String,
    took: Duration,
) -> Answer {
    let Tcp { open, refused, silent } = seen;
    let excess: Vec<u16> = open.iter().copied().filter(|port| !promised.contains(port)).collect();
    if excess.is_empty() {
        let open = list(&open.iter().copied().collect());
        let took = took.as_secs_f64();
        return Answer::Passed {
            seen: format!("open: {open}; {refused} refuse, {silent} are silent, asked in {took:.1} s"),
        };
    }
    blame(&excess, "open", &list(promised), strict, holder)
}

fn judge_udp(seen: &Udp, strict: bool, holder: &dyn Fn(u16) -> String) -> Answer {
    let Udp { answered, closed, silent } = seen;
    if answered.is_empty() {
        return Answer::Passed {
            seen: format!(
                "none answers; the host calls {closed} closed, {silent} are silent: filtered, closed, or held by someone who does not answer strangers"
            ),
        };
    }
    blame(answered, "answers", "the published ones", strict, holder)
}

fn blame(excess: &[u16], what: &str, promised: &str, strict: bool, holder: &dyn Fn(u16) -> String) -> Answer {
    let mut told: Vec<_> =
        excess.iter().take(SHOWN).map(|&port| format!("{port} {what}, held by {}", holder(port))).collect();
    if excess.len() > SHOWN {
        told.push(format!("and {} more", excess.len() - SHOWN));
    }
    let seen = told.join("; ");
    if strict {
        Answer::Failed(Fault::new(format!("no port that answers but {promised}"), seen))
    } else {
        Answer::Warning { seen: format!("{seen}; the firewall is not set up by this program") }
    }
}

fn list(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(open: &[u16], strict: bool) -> Answer {
        let seen = Tcp { open: open.to_vec(), refused: 3, silent: 4 };
        judge_tcp(&seen, &[22, 7070].into(), strict, &|_| "python3".into(), Duration::from_secs(2))
    }

    #[test]
    fn a_port_that_nobody_promised_is_named_with_its_holder() {
        assert!(
            matches!(tcp(&[22], true), Answer::Passed { seen } if seen == "open: 22; 3 refuse, 4 are silent, asked in 2.0 s")
        );
        let Answer::Failed(fault) = tcp(&[22, 7070, 8123], true) else { panic!() };
        assert_eq!(fault.seen, "8123 open, held by python3");
        assert_eq!(fault.expected, "no port that answers but 22, 7070");
        assert!(matches!(tcp(&[8123], false), Answer::Warning { .. }));
        let many: Vec<u16> = (100..150).collect();
        assert!(matches!(tcp(&many, true), Answer::Failed(fault) if fault.seen.ends_with("and 40 more")));
    }

    #[test]
    fn a_silent_udp_port_is_not_called_closed() {
        let judged = |answered: &[u16]| {
            judge_udp(&Udp { answered: answered.to_vec(), closed: 6, silent: 1000 }, true, &|_| {
                "named".into()
            })
        };
        assert!(
            matches!(judged(&[]), Answer::Passed { seen } if seen.contains("calls 6 closed, 1000 are silent"))
        );
        assert!(matches!(judged(&[53]), Answer::Failed(fault) if fault.seen == "53 answers, held by named"));
    }
}
