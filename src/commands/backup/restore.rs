//! `backup restore`: a backup's database in the place of the present one.
//!
//! `restore.sh` works on the host apart from our session: a connection that breaks leaves it to end, or to undo what it
//! did, on its own, and the next call hears of it. What only we can see, the stack from outside, is our word in it.

mod bring;
mod outcome;
mod outside;

use std::path::PathBuf;

use super::host;
use crate::commands::{Done, done};
use crate::config::EnvironmentName;
use crate::digest::sha256_of_file;
use crate::error::{Code, Error, Result};
use crate::process::Input;
use crate::state::Stage;
use crate::story::{Step, Work};
use outcome::{End, Told};

/// Options of `backup restore`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup on the host, or "latest"
    #[arg(value_name = "ID", required_unless_present = "from")]
    id: Option<String>,
    /// An archive here, also of another host: it is brought to this one first
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    from: Option<PathBuf>,
    /// Take the archive of another environment, too
    #[arg(long, requires = "from")]
    foreign: bool,
    /// Do not ask
    #[arg(long)]
    force: bool,
    /// Go on without a backup of the present database, as where it is damaged
    #[arg(long)]
    without_safety_copy: bool,
}

/// What holds for one call, and what the host told.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option or a finding of its own")]
pub struct Options {
    from: Option<PathBuf>,
    foreign: bool,
    force: bool,
    unsaved: bool,
    /// One of this backup is at work there already.
    at_work: bool,
    /// The backup that an earlier restore, of which nobody heard, made of the database before it.
    safety: Option<String>,
    told: Told,
}

/// The command line that asks for the same.
fn again(name: &EnvironmentName, options: &super::Options) -> String {
    let Options { from, foreign, unsaved, .. } = &options.restore;
    let what = from
        .as_ref()
        .map_or(options.id.clone(), |file| format!("--from {}", crate::output::shown_path(file)));
    let foreign = if *foreign { " --foreign" } else { "" };
    let unsaved = if *unsaved { " --without-safety-copy" } else { "" };
    format!("torrust-tracker-deployer backup {name} restore {what}{foreign}{unsaved}")
}

const RESTORE: [Step; 4] = [
    Step { title: "Look for a restore that is not over", run: settle },
    Step { title: "Look for the backup", run: find },
    Step { title: "Check the backup", run: check },
    Step { title: "Restore the database", run: restore },
];

/// Restores, and says what is in the database now.
pub fn run(mut work: Work, args: Args) -> Done {
    let options = &mut work.options.backup;
    options.id = args.id.unwrap_or_default();
    options.restore = Options {
        from: args.from,
        foreign: args.foreign,
        force: args.force,
        unsaved: args.without_safety_copy,
        ..Options::default()
    };
    work.walk_aside(&RESTORE)?;
    let told = std::mem::take(&mut work.options.backup.restore.told);
    done(told.restored(&work.env.name))
}

/// One that was cut off here went on there: it is over, or at work, or was cut off there as well and is undone now.
fn settle(work: &mut Work) -> Result<String> {
    let mut told = Told::default();
    let mut at_work = None;
    host::call(work, "restore.sh", &["settle"], |word, rest, _| {
        if word == "atwork" {
            at_work = rest.split_once(' ').map(|(id, sum)| (id.to_owned(), sum.to_owned()));
        }
        told.hear(word, rest);
        Ok(())
    })?;
    if let Some((id, sum)) = at_work {
        if !is_meant(work, &id, &sum) {
            return Err(busy(work, &id));
        }
        let options = &mut work.options.backup;
        (options.id, options.restore.at_work) = (id.clone(), true);
        return Ok(format!("{id} is being restored"));
    }
    let Some(earlier) = told.earlier else { return Ok("there is none".into()) };
    work.app.out.note(&earlier.to_string());
    work.options.backup.restore.safety = told.safety;
    Ok("the last one is over".into())
}

/// Whether what is at work is what was asked for, as where the connection to it broke. The latest then is the safety copy.
fn is_meant(work: &Work, id: &str, sum: &str) -> bool {
    let options = &work.options.backup;
    match &options.restore.from {
        Some(file) => sha256_of_file(file).is_ok_and(|found| found == sum),
        None => options.id == id || options.id == "latest",
    }
}

fn busy(work: &Work, id: &str) -> Error {
    let name = &work.env.name;
    Error::new(Code::EnvironmentLocked, format!("{id} is being restored on the host"))
        .help(format!("watch it: torrust-tracker-deployer backup {name} restore {id}"))
}

fn find(work: &mut Work) -> Result<String> {
    if work.options.backup.restore.at_work {
        return Ok(work.options.backup.id.clone());
    }
    if let Some(file) = work.options.backup.restore.from.clone() {
        work.options.backup.id = bring::bring(work, &file)?;
        return Ok(format!("{} is on the host", work.options.backup.id));
    }
    let wanted = work.options.backup.id.clone();
    let found = host::find(work, &wanted)?;
    if wanted == "latest" && work.options.backup.restore.safety.as_deref() == Some(&*found.id) {
        return Err(ambiguous(work, &found.id));
    }
    work.options.backup.id = found.id.to_string();
    Ok(found.id.to_string())
}

/// Who repeats a command that went on without us does not mean to go back.
fn ambiguous(work: &Work, id: &str) -> Error {
    let name = &work.env.name;
    Error::new(Code::StateRefused, format!("the latest backup is {id}, of the database before that restore"))
        .help(format!("back to it: torrust-tracker-deployer backup {name} restore {id}"))
        .help(format!("or choose: torrust-tracker-deployer backup {name} list"))
}

/// Whatever can be known before is known before anything is touched, and before anybody is asked.
fn check(work: &mut Work) -> Result<String> {
    if work.options.backup.restore.at_work {
        return Ok("done before".into());
    }
    let options = work.options.backup.clone();
    let mut args = vec!["check", &options.id];
    args.extend(options.restore.foreign.then_some("foreign"));
    let mut told = Told::default();
    let checked = host::call(work, "restore.sh", &args, |word, rest, _| {
        told.hear(word, rest);
        Ok(())
    });
    checked.map_err(|error| bring::hint_at_foreign(error, &options.restore))?;
    let note = format!("it is whole, with the rows: {}", told.rows_shown());
    confirm(work, &options, &told)?;
    Ok(note)
}

fn confirm(work: &Work, options: &super::Options, told: &Told) -> Result<()> {
    let (out, name, id) = (&work.app.out, &work.env.name, &options.id);
    if options.restore.force {
        return Ok(());
    }
    let nothing = "nothing was changed";
    if !out.can_ask() {
        let why = format!("without a terminal there is no one to ask; {nothing}");
        return Err(Error::new(Code::Declined, why).help(again(name, options) + " --force"));
    }
    let saved = if options.restore.unsaved { "which is NOT saved first" } else { "which is saved first" };
    let question = format!("Put {id} ({}) in the place of {name}'s database, {saved}?", told.rows_shown());
    if out.ask(&question, &work.app.interrupt)? {
        return Ok(());
    }
    Err(Error::new(Code::Declined, format!("not confirmed; {nothing}")))
}

fn restore(work: &mut Work) -> Result<String> {
    watch(work)?;
    let options = &work.options.backup;
    let told = &options.restore.told;
    match &told.end {
        Some(End { word, .. }) if word == "kept" => {}
        Some(end) => return Err(end.failure(&work.env.name, &again(&work.env.name, options))),
        None => {
            return Err(Error::new(Code::SshLost, "the host did not say how the restore ended")
                .help("repeat the command: it tells"));
        }
    }
    let note = told.note();
    // It was seen to be healthy, whatever it was before, and whatever failed.
    work.env.stage = Stage::Running;
    work.env.attempt = None;
    work.save()?;
    Ok(note)
}

/// Begins it on the host, or joins it, and gives our word when it is asked for.
fn watch(work: &mut Work) -> Result<()> {
    let options = work.options.backup.clone();
    let mut args = if options.restore.at_work { vec!["follow"] } else { vec!["begin", options.id.as_str()] };
    args.extend((options.restore.unsaved && !options.restore.at_work).then_some("unsaved"));
    let view = outside::View::of(work)?;
    let runner = work.app.runner();
    let mut told = Told::default();
    host::call(work, "restore.sh", &args, |word, rest, input: &mut Input| {
        told.hear(word, rest);
        match word {
            "started" => input.send(view.verdict(runner)?),
            "ended" => input.close(),
            _ => {}
        }
        Ok(())
    })?;
    work.options.backup.restore.told = told;
    Ok(())
}
