//! Rates from counters, and what they were before.

use std::collections::{BTreeMap, VecDeque};

use super::super::facts::Facts;

/// How many looks are kept: more than a screen is wide.
const KEPT: usize = 300;

/// Protocol and family of the tracker's announces, as its counters name them.
pub const KINDS: [&str; 4] = ["udp4", "udp6", "tcp4", "tcp6"];

/// Values of the last looks, the newest last.
#[derive(Debug, Default)]
pub struct History(VecDeque<u64>);

impl History {
    /// Keeps tenths: a sparkline takes whole numbers.
    fn push(&mut self, value: f64) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is small and not negative"
        )]
        self.0.push_back((value * 10.0).round().max(0.0) as u64);
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// The last `width` values, behind zeros where there are fewer.
    #[must_use]
    pub fn last(&self, width: usize) -> Vec<u64> {
        let known = self.0.len().min(width);
        std::iter::repeat_n(0, width - known)
            .chain(self.0.iter().skip(self.0.len() - known).copied())
            .collect()
    }
}

/// Announces per second, and each container's share of a processor.
#[derive(Debug, Default)]
pub struct Rates {
    counters: Option<(f64, [u64; 4])>,
    /// Of each of [`KINDS`]; nothing before the second look.
    pub announces: Option<[f64; 4]>,
    /// Of all together.
    pub announces_before: History,
    /// By container.
    pub cpu_before: BTreeMap<String, History>,
}

impl Rates {
    /// Takes a look's figures.
    pub fn take(&mut self, facts: &Facts) {
        for container in &facts.docker.containers {
            let history = self.cpu_before.entry(container.name.clone()).or_default();
            history.push(container.cpu_percent.unwrap_or_default());
        }
        let now = counters(facts).map(|counted| (facts.ended, counted));
        self.announces = match (self.counters, now) {
            (Some((then, before)), Some((time, counted))) if time > then => {
                // A tracker that was started anew counts from 0.
                let rate = |kind: usize| per_second(counted[kind].saturating_sub(before[kind]), time - then);
                Some([rate(0), rate(1), rate(2), rate(3)])
            }
            _ => None,
        };
        self.announces_before.push(self.announces.iter().flatten().sum());
        self.counters = now;
    }
}

fn counters(facts: &Facts) -> Option<[u64; 4]> {
    let figures = facts.figures.as_ref()?;
    let counted = |kind: &str| figures.get(&format!("{kind}_announces_handled"))?.as_u64();
    Some([counted(KINDS[0])?, counted(KINDS[1])?, counted(KINDS[2])?, counted(KINDS[3])?])
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(ended: f64, udp4: u64, tcp6: u64) -> Facts {
        let figures = [("udp4", udp4), ("udp6", 0), ("tcp4", 0), ("tcp6", tcp6)];
        let figures = figures.map(|(kind, count)| (format!("{kind}_announces_handled"), count.into()));
        Facts { ended, figures: Some(figures.into()), ..Facts::default() }
    }

    #[test]
    fn rates_are_differences_and_a_new_tracker_begins_at_none() {
        let mut rates = Rates::default();
        rates.take(&look(10.0, 100, 7));
        assert_eq!(rates.announces, None);
        rates.take(&look(12.0, 150, 8));
        assert_eq!(rates.announces, Some([25.0, 0.0, 0.0, 0.5]));
        rates.take(&look(14.0, 3, 0));
        assert_eq!(rates.announces, Some([0.0; 4]));
        rates.take(&Facts::default());
        assert_eq!(rates.announces, None);
        assert_eq!(rates.announces_before.last(5), [0, 0, 255, 0, 0]);
        assert_eq!(rates.announces_before.last(2), [0, 0]);
    }
}
