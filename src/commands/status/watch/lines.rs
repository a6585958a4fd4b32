//! Without a terminal: a line for each change.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::super::facts::Container;
use super::super::judge::{Level, Topic};
use super::feed::Feed;
use super::view::View;
use crate::app::App;
use crate::error::Result;
use crate::output;

const TICK: Duration = Duration::from_millis(100);

/// Tells until a signal comes, or nobody reads any more.
pub fn tell(app: &App, feed: &Feed, mut view: View) -> Result<()> {
    let mut before = BTreeMap::new();
    loop {
        if view.take_all(feed, &app.out) {
            let now = states(&view);
            for change in changes(&before, &now) {
                match app.out.line(&format!("{:.0} {change}", Timestamp::now())) {
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                    told => told.map_err(output::unwritable)?,
                }
            }
            before = now;
        }
        app.interrupt.check().map_err(|_| super::keys::ended())?;
        std::thread::sleep(TICK);
    }
}

/// A state, and what is said when it is new.
type States = BTreeMap<String, (String, String)>;

/// The state of everything that can change.
fn states(view: &View) -> States {
    let mut states = States::new();
    let connection =
        view.lost.clone().map_or_else(|| "open".into(), |why| format!("lost, trying again: {why}"));
    states.insert("connection".into(), (connection.clone(), connection));
    for container in &view.facts.docker.containers {
        let words = words(container);
        states.insert(container.name.clone(), (words.clone(), words));
    }
    for line in &view.lines {
        let ill = matches!(line.level, Level::Warning | Level::Bad);
        let told = if ill { format!("{}: {}", line.level, line.told()) } else { "as it should be".into() };
        let topic = if line.topic == Topic::Services { "service " } else { "" };
        states.insert(format!("{topic}{}", line.name), (line.level.to_string(), told));
    }
    states
}

/// What stays the same while nothing happens.
fn words(container: &Container) -> String {
    let started = container.started.map(|time| format!(" since {time:.0}")).unwrap_or_default();
    match container.state.as_str() {
        "running" => format!("running {}{started}, {} restarts", container.health, container.restarts),
        other => format!("{other}, exit code {}", container.exit_code),
    }
}

/// A line for each that is another one now. What is well from the beginning is no change.
fn changes(before: &States, now: &States) -> Vec<String> {
    let fine = |level: &str| matches!(level, "ok" | "skipped");
    let new = now.iter().filter(|(name, (state, _))| match before.get(*name) {
        Some((then, _)) => then != state && !(fine(then) && fine(state)),
        None => !fine(state),
    });
    let gone = before.iter().filter(|(name, (state, _))| !now.contains_key(*name) && !fine(state));
    new.map(|(name, (_, told))| format!("{name}: {told}"))
        .chain(gone.map(|(name, _)| format!("{name}: gone")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(list: &[(&str, &str)]) -> States {
        list.iter().map(|(name, state)| ((*name).into(), ((*state).into(), format!("now {state}")))).collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        let first = states(&[
            ("torrust-deployer-stack-tracker-1", "running healthy"),
            ("clock", "ok"),
            ("disk", "BAD"),
        ]);
        assert_eq!(
            changes(&States::new(), &first),
            ["disk: now BAD", "torrust-deployer-stack-tracker-1: now running healthy"]
        );
        assert!(changes(&first, &first).is_empty());
        let next = states(&[("clock", "skipped"), ("disk", "ok")]);
        assert_eq!(changes(&first, &next), ["disk: now ok", "torrust-deployer-stack-tracker-1: gone"]);
    }
}
