//! Whether the database keeps what was written, over a restart of the whole stack.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::Test;
use crate::checks::{Answer, Checked};
use crate::error::Result;
use crate::output;
use crate::probe::http::{self, HttpTracker, Key, Url};
use crate::probe::swarm::{Announce, InfoHash, Visit};
use crate::probe::{Deadline, Fault};
use crate::services::tracker::meeting::{self, Api};
use crate::services::tracker::stored;

const NAME: &str = "database: a value that was written survives a restart of the stack";
/// A key that could not be removed is of no use after this.
const KEY_LIFE: Duration = Duration::from_mins(10);
/// How long the stack may take to be healthy again.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long the host may wait for a backup or a release to end, and the stack to stop.
const BEFORE: Duration = Duration::from_mins(15);

/// The check when nothing was restarted.
pub fn skipped(why: &str) -> Checked {
    Checked { name: NAME.into(), answer: Answer::Skipped { reason: why.into() }, seconds: 0.0 }
}

/// Writes a key through the API, restarts the stack, looks for the key, and removes it.
pub fn ask(test: &Test) -> Result<Checked> {
    let Some(api) = meeting::api(&test.env.config, test.env.host()?)? else {
        return Ok(skipped("nothing can be written: the API listens inside its container only"));
    };
    let began = Instant::now();
    let answer = match survive(test, &api)? {
        Ok(seen) => Answer::Passed { seen },
        Err(fault) => Answer::Failed(fault),
    };
    Ok(Checked { name: NAME.into(), answer, seconds: began.elapsed().as_secs_f64() })
}

/// The outer error ends the command, the inner one is what the check found.
fn survive(test: &Test, api: &Api) -> Result<Result<String, Fault>> {
    let (deadline, out) = (Deadline::after(test.timeout), &test.app.out);
    let key = match Key::make(&api.base, &api.token, KEY_LIFE, deadline) {
        Ok(key) => key,
        Err(fault) => return Ok(Err(fault)),
    };
    out.warn(&format!(
        "the stack of {} is restarted now: its tracker is away for some seconds",
        test.env.name
    ));
    let outage = Outage::watch(api.base.join("/api/health_check"));
    let restarted = restart(test);
    let away = output::seconds(outage.end());
    out.note(&format!("the tracker was away for {away}"));
    if let Err(fault) = restarted? {
        return Ok(Err(fault));
    }
    let kept = count(test, &key)?;
    if kept != "1" {
        let seen = format!("the database has it {kept} times");
        return Ok(Err(Fault::new("the key that was written before the restart", seen)));
    }
    let word = key.word().to_owned();
    let end = opens(test, &word).and_then(|()| key.remove(Deadline::after(test.timeout)));
    if let Err(fault) = end {
        return Ok(Err(fault));
    }
    Ok(Ok(format!("a key was still there, and is removed; the tracker was away for {away}")))
}

fn restart(test: &Test) -> Result<Result<(), Fault>> {
    let seconds = PATIENCE.as_secs().to_string();
    let cmd = test.ssh.root(&test.script("restart.sh")?, &[&seconds]).deadline(PATIENCE + BEFORE);
    let ran = test.ssh.judge(test.ssh.runner().run(&cmd)?)?;
    if ran.ok() {
        return Ok(Ok(()));
    }
    let expected = format!("a stack that is healthy {seconds} s after its restart");
    Ok(Err(Fault::new(expected, ran.complaint())))
}

/// How often the database has the key, as the host reads it there.
fn count(test: &Test, key: &Key) -> Result<String> {
    let command = stored::count_of_key(&test.env.config, key.word());
    let ran = test.ssh.run_root(&format!("cd /opt/torrust && {command}"), &[])?;
    Ok(if ran.ok() { ran.stdout.trim().to_owned() } else { format!("unknown ({})", ran.complaint()) })
}

/// A private tracker has read the key from its database, too.
fn opens(test: &Test, word: &str) -> Result<(), Fault> {
    let Some(base) = meeting::private_tracker(&test.env) else { return Ok(()) };
    let tracker = HttpTracker::new(base.join(&format!("/announce/{word}")));
    let deadline = Deadline::after(test.timeout);
    let (visit, _) = Visit::start(&tracker, Announce::seeder(InfoHash::random(), 9), deadline)?;
    visit.stop(deadline).map(drop)
}

/// Asks time and again whether the tracker is there.
struct Outage {
    over: Arc<AtomicBool>,
    watcher: JoinHandle<Duration>,
}

impl Outage {
    const PAUSE: Duration = Duration::from_millis(50);
    const ANSWER: Duration = Duration::from_millis(500);

    fn watch(health: Url) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let watcher = spawn(move || {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            loop {
                let asked = Instant::now();
                if http::health(&health, Deadline::after(Self::ANSWER)).is_ok() {
                    longest = longest.max(asked.duration_since(last));
                    last = asked;
                }
                if told.load(Ordering::Relaxed) {
                    return longest.max(asked.duration_since(last));
                }
                sleep(Self::PAUSE);
            }
        });
        Self { over, watcher }
    }

    /// The longest time between two good answers.
    fn end(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.watcher.join().unwrap_or_default()
    }
}
