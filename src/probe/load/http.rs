//! Announces over HTTP: many who take turns by the clock.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Crowd, Ledger, Measured, Plan};
use crate::probe::Deadline;
use crate::probe::http::HttpTracker;
use crate::probe::swarm::Tracker as _;

/// Announces under way at once. While all of them wait, the next one's latency grows already.
const AT_ONCE: usize = 64;
/// None of them needs more.
const STACK: usize = 512 * 1024;

/// Sends announces over HTTP as planned, each over a connection of its own: a client announces twice an hour, and no
/// connection lives that long.
#[must_use]
pub fn http(
    tracker: &HttpTracker,
    plan: Plan,
    crowd: &Crowd,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Measured {
    let (ledger, next) = (Ledger::new(plan), AtomicUsize::new(0));
    let work = || {
        while !stopped() && !ledger.is_over() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= plan.total as usize {
                return;
            }
            ledger.await_turn(index);
            let answer = tracker.announce(crowd.turn(index), Deadline::after(plan.patience));
            ledger.close(index, answer.map(drop).map_err(|fault| fault.seen));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            // With fewer of them the load is still the planned one, unless all wait.
            let _ = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        }
    });
    ledger.measured()
}
