//! What a load was like, in figures.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Measured;

/// What a load was like. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Announces that were sent.
    pub sent: usize,
    /// Those that were answered well.
    pub answered: usize,
    /// What was seen in place of an answer, and how often.
    pub errors: BTreeMap<String, usize>,
    /// Answers a second, from the first announce to the last answer.
    pub per_second: f64,
    /// Half of the answers came within this.
    pub p50_ms: f64,
    /// 95 of 100 did.
    pub p95_ms: f64,
    /// 99 of 100 did.
    pub p99_ms: f64,
    /// The slowest answer.
    pub max_ms: f64,
    /// By how much the latest announce was sent after its time; it is part of that one's latency.
    pub late_ms: f64,
}

/// Different complaints are told up to this many; what is beyond is counted together.
const KINDS: usize = 5;

impl From<&Measured> for Figures {
    fn from(measured: &Measured) -> Self {
        let (mut latencies, mut errors, mut last) =
            (vec![], BTreeMap::<String, usize>::new(), Duration::ZERO);
        let sent =
            measured.fates.iter().enumerate().filter_map(|(index, fate)| Some((index, fate.as_ref()?)));
        let mut count = 0;
        for (index, fate) in sent {
            count += 1;
            match fate {
                Ok(latency) => {
                    last = last.max(measured.plan.due(index) + *latency);
                    latencies.push(*latency);
                }
                Err(seen) => {
                    let known = errors.len() < KINDS || errors.contains_key(seen);
                    *errors.entry(if known { seen.clone() } else { "other errors".into() }).or_default() += 1;
                }
            }
        }
        latencies.sort_unstable();
        let at = |share| milliseconds(percentile(&latencies, share));
        Self {
            sent: count,
            answered: latencies.len(),
            errors,
            per_second: rounded(per_second(latencies.len(), last)),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
            max_ms: at(100),
            late_ms: milliseconds(measured.late),
        }
    }
}

/// `5000 sent, 5000 answered, 1000.2/s; latency p50 0.2 ms, p95 0.4 ms, p99 1.1 ms, max 3.4 ms`.
impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, answered, per_second, p50_ms, p95_ms, p99_ms, max_ms, .. } = self;
        write!(f, "{sent} sent, {answered} answered, {per_second}/s; latency p50 {p50_ms} ms, ")?;
        write!(f, "p95 {p95_ms} ms, p99 {p99_ms} ms, max {max_ms} ms")?;
        self.errors.iter().try_for_each(|(seen, count)| write!(f, "; {count} times: {seen}"))
    }
}

/// The value that this share of all (of 100) does not exceed: the nearest-rank method.
fn percentile(sorted: &[Duration], share: usize) -> Duration {
    let rank = (sorted.len() * share).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn per_second(count: usize, time: Duration) -> f64 {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if time.is_zero() { 0.0 } else { count / time.as_secs_f64() }
}

fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1000.0)
}

/// Two digits after the point: more would say more than was measured.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        let at = |sorted: &[Duration], share| percentile(sorted, share).as_millis();
        assert_eq!([50, 95, 99, 100].map(|share| at(&hundred, share)), [50, 95, 99, 100]);
        assert_eq!([50, 99].map(|share| at(&hundred[..1], share)), [1, 1]);
        assert_eq!(at(&hundred[..10], 95), 10);
        assert_eq!(at(&[], 99), 0);
    }
}
