//! `backup`: makes, lists, fetches, checks and restores copies of the tracker's database.
//!
//! The work is done on the host by the scripts of `templates/backup/`, the same that a timer there runs.

mod create;
mod fetch;
mod fitness;
pub mod host;
pub mod id;
mod list;
mod restore;
mod verify;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::state::{self, Stage};
use crate::story::Work;

/// Options of `backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::doc_markdown, reason = "the texts are help for a terminal")]
enum Action {
    /// Make a consistent backup on the host now
    Create,
    /// List the backups on the host, and those that were fetched here
    List(list::Args),
    /// Put a backup's database in the place of the present one, after asking
    Restore(restore::Args),
    /// Copy a backup from the host here: the copy that survives the host
    Fetch(fetch::Args),
    /// Build a backup's database in a scratch place on the host, count its rows, remove it again
    Verify(verify::Args),
}

/// What holds for one call, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A backup's ID, or `latest`.
    id: String,
    /// Where a fetched one goes, when not to the usual place.
    folder: Option<PathBuf>,
    /// What `create` made.
    made: Option<create::Made>,
    /// What `fetch` brought.
    fetched: Option<fetch::Fetched>,
    /// What `verify` counted.
    counted: Vec<verify::Table>,
    /// The table that `verify` had to add.
    added: Option<String>,
    /// Of `restore`.
    restore: restore::Options,
}

/// Does what the subcommand says.
pub fn run(app: &App, args: Args) -> super::Done {
    let name = args.name;
    match args.action {
        Action::Create => create::run(begin(app, &name, "backup create")?),
        Action::List(args) => list::run(app, &name, &args),
        Action::Restore(args) => restore::run(begin(app, &name, "backup restore")?, args),
        Action::Fetch(args) => fetch::run(begin(app, &name, "backup fetch")?, args),
        Action::Verify(args) => verify::run(begin(app, &name, "backup verify")?, args),
    }
}

fn begin<'a>(app: &'a App, name: &EnvironmentName, command: &'static str) -> Result<Work<'a>> {
    let work = Work::begin(app, name, command, Stage::Created)?;
    let fits = state::require(name.as_str(), work.env.reached(), command, Stage::Released);
    let fits = fits.and_then(|()| fitness::require(&work.env, command));
    fits.or_else(|refused| work.remember(Some(refused.code())).and(Err(refused)))?;
    Ok(work)
}

/// The last backup before the host goes: the tracker is stopped first, so that nothing comes after it. Where it does not get
/// here whole, the tracker is started again.
///
/// # Errors
/// `backup_not_found` where nothing was released; as `create` and `fetch`.
pub fn save_last(work: &mut Work) -> Result<PathBuf> {
    fitness::require(&work.env, "backup create")?;
    let made = create::make(work, &["create", "last"]).map_err(|error| match error.code() {
        // The host starts it by itself, which nobody sees.
        Code::SshLost => may_be_stopped(error, &work.env.name),
        _ => error,
    })?;
    let folder = work.app.backup_folder(&work.env.name);
    let fetched = host::find(work, &made.id).and_then(|found| fetch::bring(work, &found, &folder));
    fetched.map(|fetched| fetched.path).map_err(|error| {
        let start = "docker compose --project-directory /opt/torrust start tracker";
        let started = work.ssh().and_then(|ssh| ssh.run_root(start, &[]));
        // The first error matters more than a second one.
        if started.is_ok_and(|ran| ran.ok()) { error } else { may_be_stopped(error, &work.env.name) }
    })
}

fn may_be_stopped(error: Error, name: &EnvironmentName) -> Error {
    error.help(format!("the tracker may be stopped; start it: torrust-tracker-deployer run {name}"))
}

/// The checksum that lies beside an archive here.
fn checksum_beside(archive: &Path) -> Option<String> {
    let mut name = archive.file_name()?.to_owned();
    name.push(".sha256");
    let text = std::fs::read_to_string(archive.with_file_name(name)).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}
