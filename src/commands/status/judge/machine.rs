//! The machine: load, memory, clock, updates, disks, and what services ask on it.

use super::{Line, Topic, Wanted};
use crate::commands::status::facts::{Clock, Disk, Facts, Security, Storage, System, Told, now};
use crate::output::words;
use crate::services;
use crate::services::tracker::health::LISTENERS;

const GIB: u64 = 1 << 30;
/// Seconds that a clock may be off: a client's next connection to a UDP tracker is judged by times of minutes.
const OFF: f64 = 1.0;
const FAR_OFF: f64 = 5.0;
/// apt looks each day.
const OLD_LISTS: f64 = 7.0 * 86_400.0;

/// All lines about the machine that the look has facts for.
pub fn judge(facts: &Facts, wanted: &Wanted, clock: Option<Clock>) -> Vec<Line> {
    let mut lines = vec![];
    if let Some(system) = &facts.system {
        lines.extend([load(system), memory(system, wanted)]);
        lines.extend(clock.map(|clock| offset(clock, wanted)));
        lines.push(synchronisation(system, wanted));
    }
    lines.extend(facts.security.iter().map(|security| updates(security, wanted)));
    if facts.system.is_some() {
        lines.push(reboot(facts.reboot.as_deref(), wanted));
    }
    lines.extend(facts.storage.iter().flat_map(|storage| storage_lines(storage, wanted)));
    lines.extend(facts.checks.iter().flatten().map(|told| asked_on_host(told, wanted)));
    lines
}

/// What a service asked on the host.
fn asked_on_host(told: &Told, wanted: &Wanted) -> Line {
    if told.name == LISTENERS {
        let line = Line::ok(Topic::Services, &told.name, &told.seen);
        let logs = format!("{} tracker", wanted.typed("logs"));
        return if told.ok { line } else { line.bad("every listener to work", logs) };
    }
    let line = Line::ok(Topic::Storage, &told.name, &told.seen);
    if told.ok {
        return line;
    }
    if services::is_of_external_database(&told.name) {
        // It is on a machine of the user's: neither this host's journal nor a backup says what is wrong there.
        let mut line = line.bad(
            "a database that the tracker can work with",
            wanted.on_host("'cd /opt/torrust && sudo python3 database/look.py'"),
        );
        line.help.push("what each message means: docs/databases.md".into());
        return line;
    }
    let mut line = line.bad("an answer without an error", wanted.on_host("sudo journalctl -e"));
    line.help.push(format!("{} list", wanted.typed("backup")));
    line
}

fn load(system: &System) -> Line {
    let processors = system.processors;
    let seen =
        format!("{:.2} on {processors} processor{}", system.load, if processors == 1 { "" } else { "s" });
    let seen = format!("{seen}, up {}", words::span(whole(system.uptime)));
    Line::ok(Topic::Host, "load", seen)
}

fn memory(system: &System, wanted: &Wanted) -> Line {
    let (all, free) = (system.memory, system.memory_free);
    let line =
        Line::ok(Topic::Host, "memory", format!("{} of {} free", words::bytes(free), words::bytes(all)));
    if free < all / 20 {
        return line.warning("a twentieth free", wanted.on_host("ps aux --sort -rss | head"));
    }
    line
}

fn offset(clock: Clock, wanted: &Wanted) -> Line {
    let Clock { offset, uncertainty } = clock;
    let which = if offset < 0.0 { "behind" } else { "ahead of" };
    let seen = format!("{:.2} s {which} this machine's, give or take {uncertainty:.2} s", offset.abs());
    let line = Line::ok(Topic::Host, "clock", seen);
    let surely = offset.abs() - uncertainty;
    let (expected, help) = (format!("at most {OFF:.0} s"), wanted.on_host("timedatectl"));
    if surely > FAR_OFF {
        line.bad(expected, help)
    } else if surely > OFF {
        line.warning(expected, help)
    } else {
        line
    }
}

fn synchronisation(system: &System, wanted: &Wanted) -> Line {
    let line = |seen: &str| Line::ok(Topic::Host, "time synchronisation", seen);
    match &system.container {
        Some(kind) => {
            line(&format!("a container ({kind}): the machine it runs on keeps the clock")).skipped()
        }
        None if system.synchronised => line("the kernel's clock is synchronised"),
        None => line("the kernel's clock is not synchronised")
            .warning("a synchronised clock", wanted.on_host("timedatectl")),
    }
}

fn updates(security: &Security, wanted: &Wanted) -> Line {
    let line = |seen: String| Line::ok(Topic::Host, "security updates", seen);
    let Some(packages) = &security.packages else {
        return line("apt has no list of a security archive".into()).skipped();
    };
    let age = now() - security.fetched;
    let told = format!("by lists that are {} old", words::span(whole(age)));
    let configure = wanted.typed("configure");
    match packages.len() {
        0 if age > OLD_LISTS => line(format!("none wait, {told}")).warning("lists of this week", configure),
        0 => line(format!("none wait, {told}")),
        count => line(format!("{count} wait ({}), {told}", shortened(packages))).warning("none", configure),
    }
}

/// The first names, and how many more.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn reboot(packages: Option<&[String]>, wanted: &Wanted) -> Line {
    let line = |seen: String| Line::ok(Topic::Host, "reboot", seen);
    match packages {
        None => line("not needed".into()),
        Some(packages) => line(format!("needed for {}", shortened(packages)))
            .warning("no need of one", wanted.on_host("sudo systemctl reboot")),
    }
}

fn storage_lines(storage: &Storage, wanted: &Wanted) -> Vec<Line> {
    let mut lines: Vec<Line> = storage.disks.iter().map(|one| disk(one, wanted)).collect();
    if !storage.folders.is_empty() {
        let told = storage.folders.iter().map(|folder| {
            let least = if folder.whole { "" } else { "more than " };
            format!("{} {least}{}", folder.path.trim_start_matches("storage/"), words::bytes(folder.bytes))
        });
        lines.push(Line::ok(Topic::Storage, "folders", told.collect::<Vec<_>>().join(", ")));
    }
    lines
}

/// A share alone is no measure: a tenth of a large disk is much.
fn disk(disk: &Disk, wanted: &Wanted) -> Line {
    let Disk { path, bytes, free, files, files_free } = disk;
    let line = Line::ok(
        Topic::Storage,
        format!("disk of {path}"),
        format!("{} of {} free", words::bytes(*free), words::bytes(*bytes)),
    );
    let help = wanted.on_host(&format!("sudo du -xh {path} --max-depth 2 | sort -h | tail"));
    if *files > 0 && files_free * 100 < files * 3 {
        let seen = format!("{}, room for {files_free} more files", line.seen);
        return Line { seen, ..line }.bad("room for more files", help);
    }
    if free * 100 < bytes * 3 && *free < GIB {
        line.bad("3 % or 1 GiB free", help)
    } else if free * 10 < *bytes && *free < 10 * GIB {
        line.warning("10 % or 10 GiB free", help)
    } else {
        line
    }
}

#[allow(clippy::cast_possible_truncation, reason = "seconds of any age fit")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}
