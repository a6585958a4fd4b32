//! The suite `performance`: a bounded load of announces at each tracker, compared with the last one.

mod history;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Test;
use crate::checks::{Answer, Checked};
use crate::error::{Code, Error, Result};
use crate::probe::load::{Crowd, Figures, Plan};
use crate::probe::{Deadline, Fault};
use crate::services::Protocol;
use crate::services::tracker::load::{self, Target, Targets};

/// Announces a second. What a small machine answers without effort, so that a slower answer means something.
const UDP_RATE: u32 = 500;
const HTTP_RATE: u32 = 100;
const SECONDS: u32 = 5;
/// Peers that take turns.
const PEERS: u16 = 500;
/// Of 1000 announces, so many may fail.
const ERRORS_PER_MILLE: u32 = 10;
/// A load that was sent later than this says something about this machine, not about the tracker.
const LATE_MS: f64 = 100.0;
/// How fast the peers leave, and how often they try.
const LEAVING_RATE: u32 = 500;
const LEAVING_ROUNDS: u32 = 3;

/// A load at one tracker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// The tracker, in the words of its check.
    endpoint: String,
    /// Announces a second.
    rate: u32,
    seconds: u32,
    #[serde(flatten)]
    figures: Figures,
    /// Peers that could not say that they left.
    stayed: usize,
    /// The last run with the same load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Before>,
}

/// What is said of an earlier run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Before {
    /// When it began.
    time: Timestamp,
    #[serde(flatten)]
    figures: Figures,
}

/// Loads one tracker after the other.
pub fn ask(test: &Test, rate: Option<u32>, seconds: Option<u32>) -> Result<(Vec<Checked>, Vec<Load>)> {
    refuse_listed(test)?;
    let began = Timestamp::now();
    let targets = load_targets(test)?.map_err(|fault| down(test, "the API", &fault))?;
    if targets.all.is_empty() {
        return Err(Error::new(
            Code::NotSupported,
            format!("no tracker of {} can be reached from here", test.env.name),
        )
        .help(format!("the suite basic says why: torrust-tracker-deployer test {}", test.env.name)));
    }
    for target in &targets.all {
        target.greet(Deadline::after(test.timeout)).map_err(|fault| down(test, &target.name, &fault))?;
    }
    let folder = test.app.store.folder(&test.env.name);
    let earlier = history::read(&folder);
    let (mut checked, mut loads) = (vec![], vec![]);
    for target in &targets.all {
        let usual = if target.protocol == Protocol::Udp { UDP_RATE } else { HTTP_RATE };
        let (rate, seconds) = (rate.unwrap_or(usual), seconds.unwrap_or(SECONDS));
        let started = Instant::now();
        let load = send(test, target, rate, seconds)?;
        let (answer, load) = match load {
            Ok(load) => {
                let load = Load { before: history::last(&earlier, &load), ..load };
                (judge(&load), Some(load))
            }
            Err(fault) => (Answer::Failed(fault), None),
        };
        let name = format!("{}: {rate} announces a second for {seconds} s", target.name);
        checked.push(Checked { name, answer, seconds: started.elapsed().as_secs_f64() });
        loads.extend(load);
    }
    if let Some(Err(fault)) = targets.key.map(|key| key.remove(Deadline::after(test.timeout))) {
        test.app.out.warn(&format!("the key of this load stays until its time is over: {}", fault.seen));
    }
    if let Err(error) = history::append(&folder, began, &loads) {
        test.app.out.warn(&format!("these figures are not kept for the next comparison: {error}"));
    }
    Ok((checked, loads))
}

fn load_targets(test: &Test) -> Result<Result<Targets, Fault>> {
    load::targets(&test.env.config, test.env.host()?, &test.relay, Deadline::after(test.timeout))
}

fn refuse_listed(test: &Test) -> Result<()> {
    if !test.env.config.tracker.core.listed {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, "the suite performance announces torrents that are on no whitelist")
        .why("tracker.core.listed is true: the tracker would refuse them all")
        .help(format!(
            "the suite full checks it: torrust-tracker-deployer test {} --suite full",
            test.env.name
        )))
}

/// A load would tell nothing.
fn down(test: &Test, name: &str, fault: &Fault) -> Error {
    let env = &test.env.name;
    Error::new(Code::TestFailed, format!("no load was sent: {name} does not answer as it should: {fault}"))
        .help(format!("see what is wrong: torrust-tracker-deployer test {env}"))
        .help(format!("or start it again: torrust-tracker-deployer run {env}"))
}

/// Loads a tracker and has the peers leave again, also after Ctrl-C.
fn send(test: &Test, target: &Target, rate: u32, seconds: u32) -> Result<Result<Load, Fault>> {
    let plan = Plan { rate, total: rate * seconds, patience: test.timeout };
    test.app.out.note(&format!("{}: {rate} announces a second for {seconds} s", target.name));
    let (crowd, interrupt) = (Crowd::new(PEERS), &test.app.interrupt);
    let measured = match target.load(plan, &crowd, &|| interrupt.wanted()) {
        Ok(measured) => measured,
        Err(fault) => return Ok(Err(fault)),
    };
    let figures = Figures::from(&measured);
    let stayed = leave(target, crowd.leaving(figures.sent));
    interrupt.check()?;
    Ok(Ok(Load { endpoint: target.name.clone(), rate, seconds, figures, stayed, before: None }))
}

/// Has them leave; gives how many could not.
fn leave(target: &Target, mut crowd: Crowd) -> usize {
    for _ in 0..LEAVING_ROUNDS {
        let total = u32::try_from(crowd.size()).unwrap_or(u32::MAX);
        if total == 0 {
            break;
        }
        let plan = Plan { rate: LEAVING_RATE, total, patience: Duration::from_secs(2) };
        // Where nobody answers any more, they stay until the tracker forgets them.
        let Ok(measured) = target.load(plan, &crowd, &|| false) else { break };
        crowd = crowd.only(&measured.unanswered());
    }
    crowd.size()
}

/// Errors fail; what is slow is told.
fn judge(load: &Load) -> Answer {
    let Load { rate, seconds, figures, stayed, .. } = load;
    let planned = rate * seconds;
    let answered = u32::try_from(figures.answered).unwrap_or(u32::MAX);
    let mut seen = figures.to_string();
    if u32::try_from(figures.sent).is_ok_and(|sent| sent < planned) {
        let _ = write!(seen, "; {planned} were planned, for the rest there was no connection free");
    }
    if planned.saturating_sub(answered) * 1000 > planned * ERRORS_PER_MILLE {
        let limit = f64::from(ERRORS_PER_MILLE) / 10.0;
        return Answer::Failed(Fault::new(
            format!("at most {limit} % of {planned} announces without an answer"),
            seen,
        ));
    }
    if let Some(before) = &load.before {
        let _ = write!(seen, "; {}", compared(figures, before));
    }
    let mut warnings = vec![];
    if figures.late_ms > LATE_MS {
        warnings.push(format!(
            "announces left up to {} ms after their time: this machine is part of the figures",
            figures.late_ms
        ));
    }
    if *stayed > 0 {
        warnings.push(format!("{stayed} of its peers could not leave: the tracker forgets them by itself"));
    }
    if warnings.is_empty() {
        return Answer::Passed { seen };
    }
    Answer::Warning { seen: format!("{seen}; {}", warnings.join("; ")) }
}

/// `against 2026-01-31 03:00: p50 1.0 times, p95 1.2 times, p99 0.9 times, answers a second 1.0 times`.
fn compared(now: &Figures, Before { time, figures: then }: &Before) -> String {
    let pairs = [
        ("p50", now.p50_ms, then.p50_ms),
        ("p95", now.p95_ms, then.p95_ms),
        ("p99", now.p99_ms, then.p99_ms),
        ("answers a second", now.per_second, then.per_second),
    ];
    let times = pairs.map(|(what, now, then)| match then {
        0.0 => format!("{what} {now} after 0"),
        then => format!("{what} {:.1} times", now / then),
    });
    format!("against {}: {}", time.strftime("%Y-%m-%d %H:%M:%S UTC"), times.join(", "))
}

#[cfg(test)]
mod tests;
