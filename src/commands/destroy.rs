//! `destroy`: removes what was made for an environment, and says what that was. A registered host is kept.

use std::path::PathBuf;

use serde::Serialize;

use super::backup;
use crate::app::App;
use crate::config::{Config, EnvironmentName};
use crate::error::{Code, Error, Result};
use crate::providers::{self, Extent};
use crate::render::Templates;
use crate::state::Stage;
use crate::story::{Phase, Step, Work};

/// Options of `destroy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// Do not ask, and go on when the host does not answer
    #[arg(long)]
    force: bool,
    /// Make a last backup and fetch it first, into backups/ENV/; "backup ENV restore --from" reads it
    #[arg(long)]
    backup: bool,
    /// Keep the tracker's data: the storage volume of a host that is removed
    #[arg(long)]
    keep_data: bool,
}

/// What holds for one call, and what came of it.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option or a finding of its own")]
pub struct Options {
    force: bool,
    keep_data: bool,
    stopped: bool,
    /// No command ever began to make a host: there is nothing to ask the provider for.
    never_made: bool,
    removed: Vec<String>,
    backup: Option<PathBuf>,
}

/// What cannot be removed must not be stopped: a token that was revoked shows here.
const LOOK: Step = Step { title: "Look for what there is", run: look };
const STOP: Step = Step { title: "Stop the services", run: stop_services };
const BACK_UP: Step = Step { title: "Make a backup and fetch it", run: back_up };
const REMOVE: Step = Step { title: "Remove the host", run: remove_host };

const DESTROY: Phase = Phase { command: "destroy", reaches: Stage::Destroyed, steps: &[LOOK, STOP, REMOVE] };
const BACK_UP_AND_DESTROY: Phase =
    Phase { command: "destroy", reaches: Stage::Destroyed, steps: &[LOOK, BACK_UP, STOP, REMOVE] };

#[derive(Serialize)]
struct Destroyed {
    name: EnvironmentName,
    state: Stage,
    removed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_host: Option<String>,
    /// The database on a server of the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_database: Option<String>,
    /// Whether the services were seen to stop, or not to be there.
    stopped: bool,
}

/// Destroys.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "destroy", Stage::Created)?;
    if work.env.stage == Stage::Destroyed && work.env.attempt.is_none() {
        app.out.note(&format!("{} is destroyed already", args.name));
        work.walk(&[])?;
        return super::done(outcome(&work, None));
    }
    if args.keep_data && work.env.registered_host().is_none() {
        providers::check_extent(&work, Extent::AllButData)?;
    }
    confirm(&work, args.force)?;
    let kept = work.env.registered_host().map(|host| host.address.clone());
    let never_made = work.env.host.is_none() && work.env.attempt.is_none();
    work.options.destroy =
        Options { force: args.force, keep_data: args.keep_data, never_made, ..Options::default() };
    work.walk(&[if args.backup { &BACK_UP_AND_DESTROY } else { &DESTROY }])?;
    super::done(outcome(&work, kept))
}

fn outcome(work: &Work, kept_host: Option<String>) -> Destroyed {
    let Options { removed, backup, stopped, .. } = work.options.destroy.clone();
    let kept_database = external_database(&work.env.config);
    let (name, state) = (work.env.name.clone(), work.env.stage);
    Destroyed { name, state, removed, backup, kept_host, kept_database, stopped }
}

/// The database that no command touches: it is on a server of the user's.
fn external_database(config: &Config) -> Option<String> {
    let server = config.tracker.core.external()?.server()?;
    Some(format!("the database {} on {}", server.database_name, server.host))
}

fn confirm(work: &Work, force: bool) -> Result<()> {
    let out = &work.app.out;
    let question = match work.env.registered_host() {
        Some(host) => {
            format!("Stop the tracker on {} and forget the host? Its data stays there.", host.address)
        }
        None => format!("Destroy {} with its host and all data on it?", work.env.name),
    };
    if force || !out.can_ask() || out.ask(&question, &work.app.interrupt)? {
        return Ok(());
    }
    Err(Error::new(Code::Declined, "not confirmed; nothing was removed"))
}

fn look(work: &mut Work) -> Result<String> {
    if may_have_made_one(work) { providers::look(work) } else { Ok("nothing that would be removed".into()) }
}

/// Whether a host was made for this environment, or may have been.
fn may_have_made_one(work: &Work) -> bool {
    work.env.registered_host().is_none() && !work.options.destroy.never_made
}

/// In order: what answers to the outside first. Compose does that by itself, as it knows who depends on whom.
fn stop_services(work: &mut Work) -> Result<String> {
    if work.env.host.is_none() {
        return Ok("there is no host".into());
    }
    let force = work.options.destroy.force;
    let script = Templates::of(&work.env)?.owner_script("stop.sh")?;
    let name = work.env.name.to_string();
    let stopped = work.ssh().and_then(|ssh| ssh.run_root(&script, &[&name]));
    match stopped {
        Ok(ran) if ran.ok() => {
            work.options.destroy.stopped = true;
            // Should the removal fail, nothing runs any more.
            work.env.stage = work.env.stage.min(Stage::Released);
            Ok(ran.stdout.trim().to_owned())
        }
        Ok(ran) if force => Ok(format!("not stopped: {}", ran.complaint())),
        Ok(ran) => Err(Error::new(Code::ServiceUnhealthy, "the services do not stop")
            .why(ran.complaint())
            .help("destroy all the same: --force")),
        Err(error) if error.code() == Code::Interrupted => Err(error),
        // A host that we made goes away with whatever runs on it.
        Err(error) if force || work.env.registered_host().is_none() => {
            Ok(format!("not stopped, the host does not answer: {error}"))
        }
        Err(error) => Err(error.help("forget the host although its tracker may still run: destroy --force")),
    }
}

/// Before anything is stopped for good or removed.
fn back_up(work: &mut Work) -> Result<String> {
    if work.env.host.is_none() {
        return Ok("there is no host".into());
    }
    if work.env.config.tracker.core.database.is_none() {
        return Ok("nothing to save: the tracker has no database".into());
    }
    match backup::save_last(work) {
        Ok(path) => {
            let note = format!("{} is whole", path.display());
            work.options.destroy.backup = Some(path);
            Ok(note)
        }
        Err(error) if error.code() == Code::BackupNotFound => Ok(format!("nothing to save: {error}")),
        Err(error) if error.code() == Code::Interrupted => Err(error),
        Err(error) => Err(error.help(format!(
            "nothing was removed; without a backup: torrust-tracker-deployer destroy {}",
            work.env.name
        ))),
    }
}

fn remove_host(work: &mut Work) -> Result<String> {
    let registered = work.env.registered_host().is_some();
    work.hang_up();
    let extent = if work.options.destroy.keep_data { Extent::AllButData } else { Extent::Everything };
    let removed = if may_have_made_one(work) { providers::remove(work, extent)? } else { vec![] };
    work.app.forget_host_key(&work.env.name);
    work.env.host = None;
    let note = match (registered, removed.is_empty()) {
        (true, _) => "kept: it was there before, and its data in /opt/torrust too".to_owned(),
        (false, true) => "there was nothing to remove".to_owned(),
        (false, false) => removed.join(", "),
    };
    work.options.destroy.removed = removed;
    Ok(note)
}

impl std::fmt::Display for Destroyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} is destroyed", self.name)?;
        for removed in &self.removed {
            writeln!(f, "  removed: {removed}")?;
        }
        if let Some(host) = &self.kept_host {
            let tracker = if self.stopped { "is stopped" } else { "may still run" };
            writeln!(f, "  kept: the host {host} and /opt/torrust on it; the tracker there {tracker}")?;
        }
        if let Some(database) = &self.kept_database {
            writeln!(f, "  kept: {database}, which is yours")?;
        }
        if let Some(backup) = &self.backup {
            writeln!(f, "  backup: {}", backup.display())?;
        }
        write!(f, "next: torrust-tracker-deployer purge {} --force", self.name)
    }
}
