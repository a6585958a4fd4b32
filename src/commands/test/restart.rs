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
use crate::probe::{Deadline, Fault};
use crate::services::tracker::meeting::{self, Api};
use crate::services::tracker::stored::{self, Value};

const NAME: &str = "database: a value that was written survives a restart of the stack";
/// A key that could not be removed opens nothing after this.
const KEY_LIFE: Duration = Duration::from_mins(10);
/// How long the stack may take to be healthy again.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long the host may wait for a backup or a release to end, and the stack to stop.
const BEFORE: Duration = Duration::from_mins(15);

/// The check when nothing was restarted.
pub fn skipped(why: &str) -> Checked {
    Checked::at_once(NAME, Answer::Skipped { reason: why.into() })
}

/// Writes a value, restarts the stack, looks for the value in the database, and removes it.
pub fn ask(test: &Test) -> Result<Checked> {
    if test.env.config.tracker.core.database.is_none() {
        return Ok(skipped("the tracker has no database: it stores nothing"));
    }
    let began = Instant::now();
    let answer = survive(test)?.unwrap_or_else(Answer::Failed);
    Ok(Checked { name: NAME.into(), answer, seconds: began.elapsed().as_secs_f64() })
}

/// The outer error ends the command, the inner one is what the check found.
fn survive(test: &Test) -> Result<Result<Answer, Fault>> {
    let (api, out) = (meeting::api(&test.env.config, test.env.host()?, &test.relay)?, &test.app.out);
    let written = match Written::make(test, api.as_ref())? {
        Ok(written) => written,
        Err(fault) => return Ok(Err(fault)),
    };
    out.warn(&format!(
        "the stack of {} is restarted now: its tracker is away for some seconds",
        test.env.name
    ));
    let outage = api.map(|api| Outage::watch(api.base.join("/api/health_check")));
    let restarted = restart(test);
    let away = outage.map(|outage| output::seconds(outage.end()));
    let away = away.map(|away| format!("the tracker was away for {away}"));
    if let Some(away) = &away {
        out.note(away);
    }
    let kept = match restarted? {
        Ok(()) => count(test, &written.value, "1")?,
        Err(fault) => Err(fault),
    };
    let what = written.what();
    let removed = written.remove(test)?;
    if let Err(fault) = kept {
        return Ok(Err(fault));
    }
    let seen = format!("{what} was still there{}", away.map_or(String::new(), |away| format!("; {away}")));
    Ok(removed.map(|left| match left {
        None => Answer::Passed { seen: format!("{seen}; it is removed") },
        Some(left) => Answer::Warning { seen: format!("{seen}; {left}") },
    }))
}

/// A value in the database.
struct Written {
    value: Value,
    /// What removes it, where the tracker wrote it.
    record: Option<Record>,
}

impl Written {
    /// Through the tracker, where it writes what it is asked to; else into the database itself.
    fn make(test: &Test, api: Option<&Api>) -> Result<Result<Self, Fault>> {
        let torrent = stored::marked();
        if let Some(api) = api {
            let listed = Record::whitelisted(&api.base, &api.token, torrent, Deadline::after(test.timeout));
            match listed {
                Ok(Some(entry)) => {
                    return Ok(Ok(Self { value: Value::Torrent(torrent), record: Some(entry) }));
                }
                Ok(None) if test.env.config.tracker.core.private => {
                    let key = Record::key(&api.base, &api.token, KEY_LIFE, Deadline::after(test.timeout));
                    return Ok(
                        key.map(|key| Self { value: Value::Key(key.word().into()), record: Some(key) })
                    );
                }
                Ok(None) => {}
                Err(fault) => return Ok(Err(fault)),
            }
        }
        let inserted = on_host(test, &stored::insert(&test.env.config, torrent))?;
        Ok(inserted.map(|_| Self { value: Value::Torrent(torrent), record: None }))
    }

    fn what(&self) -> &'static str {
        match (&self.value, &self.record) {
            (Value::Key(_), _) => "a key that the tracker wrote",
            (Value::Torrent(_), Some(_)) => "an entry of the whitelist that the tracker wrote",
            (Value::Torrent(_), None) => "a row that was written into the database itself",
        }
    }

    /// Also what an earlier run left that was cut off. The inner text says what stays.
    fn remove(self, test: &Test) -> Result<Result<Option<String>, Fault>> {
        let by_tracker = self.record.map(|record| record.remove(Deadline::after(test.timeout)));
        if let (Value::Key(_), Some(Err(fault))) = (&self.value, &by_tracker) {
            return Ok(Ok(Some(format!("it stays for {} min: {}", KEY_LIFE.as_secs() / 60, fault.seen))));
        }
        let by_hand = on_host(test, &stored::remove(&test.env.config))?;
        if let Err(fault) = by_tracker.unwrap_or(Ok(())).and(by_hand) {
            return Ok(Err(fault));
        }
        Ok(count(test, &self.value, "0")?.map(|()| None))
    }
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

/// Whether the database has the value this often, as the host reads it there.
fn count(test: &Test, value: &Value, wanted: &str) -> Result<Result<(), Fault>> {
    let found = on_host(test, &stored::count_of(&test.env.config, value))?;
    let found = found.unwrap_or_else(|fault| fault.seen);
    if found == wanted {
        return Ok(Ok(()));
    }
    Ok(Err(Fault::new(format!("the value of this check {wanted} times in the database"), found)))
}

/// What a command in `/opt/torrust` says.
fn on_host(test: &Test, command: &str) -> Result<Result<String, Fault>> {
    let ran = test.ssh.run_root(&format!("cd /opt/torrust && {command}"), &[])?;
    if ran.ok() {
        return Ok(Ok(ran.stdout.trim().to_owned()));
    }
    Ok(Err(Fault::new("a database that can be read and written", ran.complaint())))
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
