//! A bounded load of announces, with honest latencies.
//!
//! It is open-loop: each announce has its time by the clock, whether or not the ones before it were answered, and its
//! latency counts from that time. A tracker that stands still for a second thus shows a second, where a loop that waits for
//! each answer would show one slow announce and hide all those that it did not make meanwhile.

mod figures;
mod http;
mod udp;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::swarm::{Announce, Event, InfoHash};
pub use figures::Figures;
pub use http::http;
pub use udp::udp;

/// How much, for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Announces a second.
    pub rate: u32,
    /// How many in all.
    pub total: u32,
    /// How long an answer is waited for.
    pub patience: Duration,
}

impl Plan {
    /// When announce number `index` is due, counted from the start.
    #[must_use]
    pub fn due(&self, index: usize) -> Duration {
        Duration::from_secs_f64(f64::from(u32::try_from(index).unwrap_or(u32::MAX)) / f64::from(self.rate))
    }

    /// When everything is over at the latest.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.due(self.total as usize) + self.patience
    }
}

/// Peers that do not exist, in torrents that nobody else has.
pub struct Crowd(Vec<Announce>);

impl Crowd {
    /// `peers` of them, ten to a torrent.
    #[must_use]
    pub fn new(peers: u16) -> Self {
        let mut torrent = InfoHash::random();
        let peer = |number: u16| {
            if number.is_multiple_of(10) {
                torrent = InfoHash::random();
            }
            // Two with one address and port would be one to the tracker.
            Announce::seeder(torrent, 10_000 + number)
        };
        Self((0..peers).map(peer).collect())
    }

    /// Who makes announce number `index`; they take turns.
    fn turn(&self, index: usize) -> &Announce {
        &self.0[index % self.0.len()]
    }

    /// The first `count` of them, on their way out.
    #[must_use]
    pub fn leaving(&self, count: usize) -> Self {
        let leave = |peer: &Announce| Announce { numwant: 0, ..peer.with(Event::Stopped) };
        Self(self.0.iter().take(count).map(leave).collect())
    }

    /// Those of them whose number is in the list.
    #[must_use]
    pub fn only(&self, numbers: &[usize]) -> Self {
        Self(numbers.iter().filter_map(|&number| self.0.get(number)).copied().collect())
    }

    /// How many there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// What came of one announce: its latency, or what was seen in place of an answer.
pub type Fate = Result<Duration, String>;

/// What came of all.
pub struct Measured {
    /// By number; none for those that were never sent.
    pub fates: Vec<Option<Fate>>,
    /// By how much the latest announce was sent after its time.
    pub late: Duration,
    plan: Plan,
}

impl Measured {
    /// The numbers of those that were not answered.
    #[must_use]
    pub fn unanswered(&self) -> Vec<usize> {
        let open = |fate: &Option<Fate>| !matches!(fate, Some(Ok(_)));
        self.fates.iter().enumerate().filter(|(_, fate)| open(fate)).map(|(number, _)| number).collect()
    }
}

/// Where senders and receivers write down what happens.
struct Ledger {
    plan: Plan,
    began: Instant,
    page: Mutex<Page>,
}

struct Page {
    fates: Vec<Option<Fate>>,
    late: Duration,
    open: usize,
}

impl Ledger {
    fn new(plan: Plan) -> Self {
        let page = Page { fates: vec![None; plan.total as usize], late: Duration::ZERO, open: 0 };
        Self { plan, began: Instant::now(), page: Mutex::new(page) }
    }

    fn page(&self) -> std::sync::MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until announce number `index` is due, and writes down that it is about to be sent.
    fn await_turn(&self, index: usize) {
        let due = self.plan.due(index);
        if let Some(early) = due.checked_sub(self.began.elapsed()) {
            std::thread::sleep(early);
        }
        let late = self.began.elapsed().saturating_sub(due);
        let mut page = self.page();
        page.late = page.late.max(late);
        page.fates[index] = Some(Err(NO_ANSWER.to_owned()));
        page.open += 1;
    }

    /// The end of announce number `index`; of two the first counts.
    fn close(&self, index: usize, end: Result<(), String>) {
        let latency = self.began.elapsed().saturating_sub(self.plan.due(index));
        let mut page = self.page();
        let waits = matches!(page.fates.get(index), Some(Some(Err(seen))) if seen == NO_ANSWER);
        if waits {
            page.fates[index] = Some(end.map(|()| latency));
            page.open -= 1;
        }
    }

    /// Whether nothing that was sent waits for its answer.
    fn is_settled(&self) -> bool {
        self.page().open == 0
    }

    /// Whether the time for it all is over.
    fn is_over(&self) -> bool {
        self.began.elapsed() > self.plan.end()
    }

    fn measured(self) -> Measured {
        let page = self.page.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Measured { fates: page.fates, late: page.late, plan: self.plan }
    }
}

/// What is true of each announce from its sending until its end.
const NO_ANSWER: &str = "no answer in time";

#[cfg(test)]
mod tests;
