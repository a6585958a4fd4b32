//! Files and units against the release in place.

use super::{Line, Topic, Wanted};
use crate::commands::status::facts::{Release, Restore};
use crate::state::Stage;

/// A restore that is not over: what else is amiss follows from it.
pub fn restore(restore: &Restore, wanted: &Wanted) -> Line {
    let (id, help) = (&restore.id, wanted.typed_restore(restore));
    if restore.at_work {
        let line = Line::ok(Topic::Storage, "restore", format!("{id} is being restored"));
        return line.warning("no restore at work", help);
    }
    let line = Line::ok(Topic::Storage, "restore", format!("the restore of {id} was cut off"));
    line.bad("that it came to its end", help)
}

/// One line for each path that is not as it was released, or one for all.
pub fn judge(release: &Release, wanted: &Wanted) -> Vec<Line> {
    let deploy = wanted.typed("deploy");
    let line = |name: &str, seen: &str| Line::ok(Topic::Release, name, seen);
    if let Some(owner) = release.environment.as_ref().filter(|owner| **owner != wanted.name) {
        return vec![
            line("owner", owner).bad(&wanted.name, format!("torrust-tracker-deployer destroy {owner}")),
        ];
    }
    let Some(number) = &release.number else {
        let line = line("files", "nothing is released on this host");
        let promised = wanted.stage >= Stage::Released;
        return vec![if promised { line.bad("a release", deploy) } else { line.skipped() }];
    };
    if release.drift.is_empty() {
        let seen = format!("{} as release {number} put them there", release.files);
        return vec![line("files", &seen)];
    }
    let drifted = release.drift.iter().map(|(path, what)| {
        let (expected, seen) = match what.as_str() {
            "changed" => (format!("the file of release {number}"), "another content"),
            "missing" => (format!("the file of release {number}"), "no such file"),
            "open" => ("that only its owner may read it".into(), "others may read it"),
            "unlinked" => ("that systemd has this unit".into(), "it has not"),
            other => (format!("the file of release {number}"), other),
        };
        line(path, seen).bad(expected, deploy.clone())
    });
    drifted.collect()
}
