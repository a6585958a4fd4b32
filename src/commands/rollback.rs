//! `rollback`: a release that the host keeps becomes the next one, with the configuration that it was made from. `run` does
//! the same by itself when a new release does not get healthy.

mod secrets;

use serde::Serialize;

use super::configure::{CONFIGURE, Others};
use super::release::host::{Asked, Told, converse, not_in_place};
use super::run::RUN;
use super::{deploy, provision, update};
use crate::app::App;
use crate::bundle::Bundle;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::process::Ran;
use crate::render::Templates;
use crate::state::Stage;
use crate::store::{Choices, Environment, Release};
use crate::story::{Phase, Step, Work};

/// Options of `rollback`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// The release to put back [default: the one before; after a rollback the one before that which it put back]
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    #[command(flatten)]
    others: Others,
}

const AFTER_HELP: &str = "\
What is put back becomes the next release, so that a rollback can itself be taken back with --to. Data is untouched. The \
stored configuration becomes the one of that release, but for what concerns the way to the host and the provider.

Secrets that the configuration refers to (a variable, a file, a command) keep the values of today: one that was changed since then \
is not undone. A secret that is written in the configuration itself goes back with it.";

/// What holds for one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The release that is being put back.
    pub to: Option<u64>,
    /// Whether a release that does not get healthy is kept as it is.
    pub keep_broken: bool,
    /// Whether the files are put back as they were, with the secrets of then.
    pub old_secrets: bool,
    /// Whether secrets of today, which are others, took the place of those of then.
    pub new_secrets: bool,
}

const PUT_BACK: Phase = Phase {
    command: "rollback",
    reaches: Stage::Released,
    steps: &[Step { title: "Put the kept release back", run: put_back }],
};

#[derive(Serialize)]
struct RolledBack {
    #[serde(flatten)]
    moved: super::Moved,
    release: Option<u64>,
    put_back: u64,
    /// Whether its files were made again with the secrets of today.
    secrets_of_today: bool,
}

impl std::fmt::Display for RolledBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.moved.fmt(f)
    }
}

/// Rolls back.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "rollback", Stage::Provisioned)?;
    let to = choose(&work, args.to)?;
    args.others.take_over(&mut work);
    work.options.provision.auto_approve = true;
    // How long the new one was given says nothing about the old one.
    work.options.run = super::run::Options::default();
    go_back(&mut work, &to)?;
    let text = super::run::urls(&work)?;
    let release = work.env.release;
    let secrets_of_today = work.options.rollback.new_secrets;
    super::done(RolledBack {
        moved: super::Moved::new(&work, text),
        release,
        put_back: to.number,
        secrets_of_today,
    })
}

/// The release that is meant. One that was begun to be put back is gone on with.
fn choose(work: &Work, wanted: Option<u64>) -> Result<Release> {
    let Some(present) = work.env.release else {
        return Err(Error::new(Code::StateRefused, format!("{} has no release yet", work.env.name))
            .help(format!("make the first one: torrust-tracker-deployer deploy {}", work.env.name)));
    };
    let mut releases = work.app.store.releases(&work.env.name)?;
    releases.retain(|release| release.number <= present);
    let begun = work.env.attempt.as_ref().and_then(|attempt| attempt.to);
    // Again and again leads further back, and not to what was just left.
    let now = releases.iter().find(|release| release.number == present);
    let from = now.and_then(|release| release.put_back).unwrap_or(present);
    let number = wanted.or(begun);
    let found = releases.iter().rposition(|release| match number {
        Some(number) => release.number == number,
        None => release.number < from,
    });
    match found {
        Some(index) => Ok(releases.swap_remove(index)),
        None => Err(none_there(&work.env.name, wanted, present, &releases)),
    }
}

fn none_there(name: &EnvironmentName, wanted: Option<u64>, present: u64, releases: &[Release]) -> Error {
    let message = match wanted {
        Some(number) => format!("there is no release {number} of {name} to put back"),
        None => format!("there is no release of {name} before the present one to put back"),
    };
    let told = |release: &Release| {
        let more =
            release.put_back.map(|other| format!(", put back from release {other}")).unwrap_or_default();
        let place = if release.number == present { ", in place" } else { "" };
        format!("release {} of {:.0}{more}{place}", release.number, release.time)
    };
    let error = Error::new(Code::StateRefused, message);
    let error = match releases {
        [] => error.why("what its releases were made from is not known here"),
        _ => releases.iter().fold(error, |error, release| error.why(told(release))),
    };
    error
        .help(format!("put one of these in place: torrust-tracker-deployer rollback {name} --to N"))
        .help(format!("or change the configuration: torrust-tracker-deployer update {name} -f FILE"))
}

/// What the environment becomes with that release: the way to the host and the provider stay what they are by now, and
/// what depends on the configuration beside the release has to run again.
fn with_release(env: &Environment, release: &Release) -> Result<Environment> {
    let (now, mut next) = (&env.config, Environment { config: release.config.clone(), ..env.clone() });
    next.config.environment = now.environment.clone();
    next.config.ssh_credentials = now.ssh_credentials.clone();
    next.config.provider = now.provider.clone();
    // What `configure` was told holds for the host.
    let Choices { firewall, monitoring, .. } = env.choices;
    let keep_open = env.choices.keep_open.clone();
    next.choices = Choices { firewall, monitoring, keep_open, ..release.choices.clone() };
    next.tracker_image.clone_from(&release.tracker_image);
    if env.stage < Stage::Configured {
        next.ask_again(CONFIGURE.command);
    }
    for command in update::again(env, &next)? {
        next.ask_again(command);
    }
    Ok(next)
}

/// Puts the release back and has it run.
fn go_back(work: &mut Work, to: &Release) -> Result<()> {
    work.options.rollback.to = Some(to.number);
    let next = with_release(&work.env, to)?;
    let provision = deploy::needed_provision(&next);
    let configure = next.needs_again(CONFIGURE.command).then_some(&CONFIGURE);
    // Docker opens its ports by itself: what the host's own firewall says can wait until the tracker is back.
    let phases = [Some(&PUT_BACK), provision.as_ref(), Some(&RUN), configure];
    provision::walk_or_clean(work, &phases.into_iter().flatten().collect::<Vec<_>>())
}

fn put_back(work: &mut Work) -> Result<String> {
    let number = work.options.rollback.to.unwrap_or_default();
    let releases = work.app.store.releases(&work.env.name)?;
    let Some(target) = releases.into_iter().find(|release| release.number == number) else {
        return Err(Error::new(Code::Internal, format!("release {number} was there a moment ago")));
    };
    let before = work.env.clone();
    work.turn_into(with_release(&before, &target)?);
    let prepared = secrets::of_today(work, &target).and_then(|files| upgrade(work).map(|()| files));
    let done = prepared.map_err(|error| (error, false)).and_then(|files| talk(work, &target, files.as_ref()));
    // Where the host was not touched, nothing changed here either.
    if matches!(&done, Err((_, touched)) if !touched) {
        let attempt = work.env.attempt.clone();
        work.turn_into(Environment { attempt, ..before });
    }
    done.map_err(|(error, _)| error)
}

/// The tracker that comes back may be a newer one. A database server that does not answer must not stand in the way: the
/// release that comes back may be what repairs it.
fn upgrade(work: &mut Work) -> Result<()> {
    match super::release::upgrade::upgrade(work) {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Code::ReleaseFailed => {
            let why = error.causes().join(": ");
            work.app
                .out
                .warn(&format!("the database was not prepared for the release that is put back: {why}"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Has the host put it back; a failure tells whether the host may have been touched.
fn talk(work: &mut Work, target: &Release, files: Option<&Bundle>) -> Result<String, (Error, bool)> {
    let untouched = |error| (error, false);
    let script = script(work).map_err(untouched)?;
    let next = secrets::as_next(work, target, files).map_err(untouched)?;
    let (ssh, env, store) = work.parts().map_err(untouched)?;
    let asked = Asked::back(ssh, target.number, target.config.images.source, files);
    let mut applied = false;
    let talked = converse(ssh, &script, &asked, |told, input| {
        if told.manifest.as_ref() != Some(&target.manifest) {
            return Err(not_kept(target));
        }
        if told.nothing_to_do() {
            input.send("stop\n");
        } else {
            store.keep_release(&env.name, &Release { number: told.release + 1, ..next.clone() })?;
            // From here on the host is not what it was: should we be killed now, run must follow again.
            env.stage = env.stage.min(Stage::Configured);
            store.save(env)?;
            applied = true;
            input.send("apply\n");
            input.send(secrets::sent(files, &told.changes)?);
        }
        input.close();
        Ok(())
    });
    let (told, ran) = talked.map_err(|error| (error, applied))?;
    if told.unknown {
        return Err(untouched(not_kept(target)));
    }
    if !ran.ok() {
        return Err((refused(&told, &ran, target), told.installing));
    }
    let Some(number) = told.released else {
        env.release = Some(told.release);
        return Ok(format!("release {} is in place, nothing changed", told.release));
    };
    env.release = Some(number);
    store.forget_releases_but(&env.name, &told.kept).map_err(|error| (error, true))?;
    work.changed = true;
    Ok(format!("release {} is back, as release {number}{}", target.number, secrets::note(files)))
}

/// The script that puts releases in place, and a connection to talk to it.
fn script(work: &mut Work) -> Result<String> {
    work.ssh()?;
    Templates::of(&work.env)?.owner_script("release.sh")
}

fn not_kept(target: &Release) -> Error {
    Error::new(
        Code::StateRefused,
        format!("the host does not keep release {} of {:.0}", target.number, target.time),
    )
    .why("another machine may have released since then, or the host is another one")
    .help(format!(
        "bring its configuration back instead: torrust-tracker-deployer update {} -f FILE",
        target.config.name()
    ))
}

fn refused(told: &Told, ran: &Ran, target: &Release) -> Error {
    let Some(image) = &told.unavailable else { return not_in_place(told, ran) };
    Error::new(
        Code::ImageUnavailable,
        format!("the image that was {image} in release {} cannot be had", target.number),
    )
    .why(ran.complaint())
    .help("was it removed on the host? bring it back there by its id: docker save ID | ssh HOST sudo docker load")
    .help(format!(
        "or release another one: torrust-tracker-deployer release {} --image-tag TAG",
        target.config.name()
    ))
}

/// Ends a walk that had `run` in it: when a new release does not get healthy, the last one that did is put back.
///
/// # Errors
/// The walk's own error, with what came of the release before.
pub fn or_go_back(work: &mut Work, walked: Result<()>) -> Result<()> {
    let Err(failed) = walked else { return Ok(()) };
    let ill = matches!(failed.code(), Code::ServiceUnhealthy | Code::PortInUse);
    let (present, healthy) = (work.env.release, work.env.healthy);
    let Some(number) = healthy.filter(|_| ill && present != healthy) else { return Err(failed) };
    if work.options.rollback.keep_broken {
        let name = &work.env.name;
        return Err(failed.help(format!(
            "release {number} was healthy: torrust-tracker-deployer rollback {name} --to {number}"
        )));
    }
    work.app.out.warn(&format!("{failed}; putting release {number} back"));
    work.turn_to("rollback");
    work.options.provision.auto_approve = true;
    // How long the new one was given says nothing about the old one.
    work.options.run = super::run::Options::default();
    let mut gone = choose(work, Some(number)).and_then(|to| go_back(work, &to));
    if let Err(again) = &gone
        && secrets::may_be_why(work, again, number)
    {
        gone = choose(work, Some(number)).and_then(|to| go_back(work, &to));
    }
    Err(match gone {
        Ok(()) => is_back(work, &failed, number),
        Err(again) => is_not_back(work, &failed, &again, number),
    })
}

fn is_back(work: &Work, failed: &Error, number: u64) -> Error {
    let now = work.env.release.unwrap_or_default();
    let secrets = secrets::told(work.options.rollback);
    let message =
        format!("{failed}; release {number} is back (as release {now}){secrets}, and it is healthy");
    let error = failed.causes().iter().fold(Error::new(failed.code(), message), Error::why);
    // What it said to type was for the release that is gone.
    let helps = failed.helps().iter().filter(|help| !help.contains("torrust-tracker-deployer"));
    let error = helps.fold(error, Error::help);
    let error = if work.options.rollback.old_secrets { error.help(secrets::CHECK) } else { error };
    error
        .help(format!(
            "the stored configuration is that of release {number} again: mend the cause, then: torrust-tracker-deployer deploy -f FILE"
        ))
        .help("to keep a broken release for a look: --no-rollback")
}

fn is_not_back(work: &Work, failed: &Error, again: &Error, number: u64) -> Error {
    let code = if again.code() == Code::Interrupted { Code::Interrupted } else { failed.code() };
    let message =
        format!("{failed}; and release {number}, which was healthy, could not be put back: {again}");
    let causes = failed.causes().iter().chain(again.causes());
    let error = causes.fold(Error::new(code, message), Error::why);
    again
        .helps()
        .iter()
        .fold(error, Error::help)
        .help(format!("try that again: torrust-tracker-deployer rollback {} --to {number}", work.env.name))
}
