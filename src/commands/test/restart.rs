//! Whether the database keeps what was written, over a restart of the whole stack.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::Test;
use crate::checks::{Answer, Checked};
use crate::error::Result;
use crate::output;
use crate::probe::http::{self, Record, Url};
use crate::probe::swarm::InfoHash;
use crate::probe::{Deadline, Fault};
use crate::services::tracker::meeting::{self, Api};
use crate::services::tracker::stored;

const NAME: &str = "database: a value that was written survives a restart of the stack";
/// How long the stack may take to be healthy again.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long the host may wait for a backup or a release to end, and the stack to stop.
const BEFORE: Duration = Duration::from_mins(15);

/// The check when nothing was restarted.
pub fn skipped(why: &str) -> Checked {
    Checked::at_once(NAME, Answer::Skipped { reason: why.into() })
}

/// Writes an entry of the whitelist through the API, restarts the stack, looks for the entry, and removes it.
pub fn ask(test: &Test) -> Result<Checked> {
    let config = &test.env.config;
    if config.tracker.core.database.is_none() {
        return Ok(skipped("the tracker has no database: it stores nothing"));
    }
    let Some(api) = meeting::api(config, test.env.host()?)? else {
        return Ok(skipped(&format!("nothing can be written: {}", meeting::why_no_api(config))));
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
    let (torrent, out) = (InfoHash::random(), &test.app.out);
    let written = Record::whitelisted(&api.base, &api.token, torrent, Deadline::after(test.timeout));
    let entry = match written {
        Ok(entry) => entry,
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
    if let Err(fault) = count(test, torrent, "1")? {
        return Ok(Err(fault));
    }
    if let Err(fault) = entry.remove(Deadline::after(test.timeout)) {
        return Ok(Err(fault));
    }
    let seen =
        format!("an entry of the whitelist was still there, and is removed; the tracker was away for {away}");
    Ok(count(test, torrent, "0")?.map(|()| seen))
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

/// Whether the database has the entry this often, as the host reads it there.
fn count(test: &Test, torrent: InfoHash, wanted: &str) -> Result<Result<(), Fault>> {
    let command = stored::count_of(&test.env.config, torrent);
    let ran = test.ssh.run_root(&format!("cd /opt/torrust && {command}"), &[])?;
    let found = if ran.ok() { ran.stdout.trim().to_owned() } else { ran.complaint() };
    if found == wanted {
        return Ok(Ok(()));
    }
    Ok(Err(Fault::new(format!("{wanted} entries in the database for the torrent of this check"), found)))
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
