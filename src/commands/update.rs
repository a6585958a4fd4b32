//! `update`: another configuration for a stored environment: what differs, what has to run again, what cannot be.

mod difference;
mod fixed;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::deploy;
use super::many::{self, Names};
use crate::app::App;
use crate::config::{Config, EnvironmentName};
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::providers;
use crate::services;
use crate::state::Stage;
use crate::store::Environment;
use crate::story::Work;
use difference::Change;

/// Options of `update`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,
    /// The new configuration file, or a folder with ENV.json for each environment
    #[arg(short, long, alias = "env-file", value_name = "FILE")]
    file: PathBuf,
    /// Print the difference, and store nothing
    #[arg(long)]
    dry_run: bool,
}

/// Sections that nothing on the host is made from.
const NOT_RELEASED: [&str; 4] = ["$schema", "environment", "ssh_credentials", "provider"];

/// Commands whose cut-off attempt is still to be ended, whatever the configuration is.
const KEPT_ATTEMPTS: [&str; 3] = ["provision", "configure", "destroy"];

/// What another configuration changes.
pub struct Update {
    /// The fields that differ.
    pub changes: Vec<Change>,
    /// What the user should do or know beside it.
    notes: Vec<String>,
    /// The environment with it.
    pub env: Environment,
}

/// Updates.
pub fn run(app: &App, args: &Args) -> super::Done {
    let Some(name) = args.names.one(app, "update")? else {
        if !args.file.is_dir() {
            let refused = "several environments have a file each: -f names the folder with ENV.json of each";
            return Err(
                Error::new(Code::Usage, refused).help("torrust-tracker-deployer update --all -f FOLDER")
            );
        }
        let file = shown_path(&args.file);
        let mut options = vec!["-f", &file];
        options.extend(args.dry_run.then_some("--dry-run"));
        return many::run(app, &args.names, "update", &options, tell);
    };
    let in_folder = || args.file.join(format!("{name}.json"));
    let file = if args.file.is_dir() { in_folder() } else { args.file.clone() };
    update(app, name, &file, args.dry_run)
}

/// An update in a few words.
fn tell(document: &serde_json::Value) -> String {
    let count = document["changes"].as_array().map_or(0, Vec::len);
    match document["to_run"].as_array() {
        _ if count == 0 => "nothing differs".into(),
        Some(to_run) if !to_run.is_empty() => format!("fields that differ: {count}; next: deploy"),
        _ => format!("fields that differ: {count}; nothing has to run again"),
    }
}

fn update(app: &App, name: &EnvironmentName, file: &Path, dry_run: bool) -> super::Done {
    let config = app.read_config(file)?;
    let mut work = Work::begin(app, name, "update", Stage::Created)?;
    let update = Update::of_work(&work, config)?;
    let outcome = Updated::of(&update, file, dry_run);
    if outcome.changed {
        work.turn_into(update.env);
        work.save()?;
    }
    if !dry_run {
        work.remember(None)?;
    }
    super::done(outcome)
}

/// Takes another configuration over within a command that goes on: a refused one changes nothing.
///
/// # Errors
/// `change_refused`.
pub fn take_over(work: &mut Work, config: Config, file: &Path) -> Result<()> {
    let update = Update::of_work(work, config)?;
    if !update.changes.is_empty() {
        update.tell(work.app, file);
        work.turn_into(update.env);
        work.save()?;
    }
    Ok(())
}

impl Update {
    /// Compares what is stored with another configuration.
    ///
    /// # Errors
    /// `change_refused`, with all changes that cannot be made.
    pub fn of(env: &Environment, config: Config) -> Result<Self> {
        let changes = difference::difference(&env.config, &config)?;
        fixed::refuse(env, &config, &changes)?;
        let mut next = Environment { config, ..env.clone() };
        let notes = drop_choices(&mut next, env, &changes);
        if env.host.is_some() {
            move_back(&mut next, env, &changes)?;
        }
        Ok(Self { changes, notes, env: next })
    }

    /// As [`Update::of`]; a refusal is remembered.
    fn of_work(work: &Work, config: Config) -> Result<Self> {
        Self::of(&work.env, config).or_else(|refused| {
            work.remember(Some(refused.code()))?;
            Err(refused)
        })
    }

    /// Says what differs.
    pub fn tell(&self, app: &App, file: &Path) {
        app.out.note(&format!("{} differs from what is stored:", shown_path(file)));
        for change in &self.changes {
            app.out.note(&format!("  {change}"));
        }
        for note in &self.notes {
            app.out.note(&format!("  note: {note}"));
        }
    }
}

/// Choices of the command line that the new configuration overrules, and those that overrule it.
fn drop_choices(next: &mut Environment, env: &Environment, changes: &[Change]) -> Vec<String> {
    let differs = |path: &str| changes.iter().any(|change| change.is_in(path));
    let mut notes = vec![];
    if differs("images.tracker")
        && let Some(tag) = next.choices.image_tag.take()
    {
        notes.push(format!("the tag {tag}, which release --image-tag chose, holds no longer"));
    }
    if differs("tracker") && next.choices.tracker_toml.is_some() {
        notes.push(format!(
            "the tracker.toml in use is your own (release --config): it has to say the same, or torrust-tracker-deployer release {} --config generated",
            env.name
        ));
    }
    if env.release.is_some()
        && env.config.grafana.is_some()
        && next.config.grafana.is_some()
        && differs("grafana.admin_user")
    {
        notes.push("Grafana has its administrator's name from its first start: change it there first, in its profile page".into());
    }
    notes
}

/// Moves the stage back as far as the changes need and no further.
fn move_back(next: &mut Environment, env: &Environment, changes: &[Change]) -> Result<()> {
    if let Some(host) = &mut next.host
        && changes.iter().any(|change| change.path == "ssh_credentials.port")
    {
        host.port = next.config.ssh_credentials.port;
    }
    let released = |change: &Change| !NOT_RELEASED.iter().any(|section| change.is_in(section));
    if changes.iter().any(released) {
        next.stage = next.stage.min(Stage::Configured);
        // What it tried is not what is wanted now.
        next.attempt =
            next.attempt.take().filter(|attempt| KEPT_ATTEMPTS.contains(&attempt.command.as_str()));
    }
    for command in again(env, next)? {
        match command {
            "configure" => next.stage = next.stage.min(Stage::Provisioned),
            command => next.ask_again(command),
        }
    }
    Ok(())
}

/// The commands before `release` that have to come to their end once more, when an environment becomes another.
///
/// # Errors
/// The public key cannot be read.
pub fn again(old: &Environment, new: &Environment) -> Result<Vec<&'static str>> {
    let provision = providers::is_asked_otherwise(old, new)?;
    // They are in the firewall, too.
    let configure = services::published(&old.config) != services::published(&new.config);
    Ok([(provision, "provision"), (configure, "configure")]
        .into_iter()
        .filter_map(|(needed, command)| needed.then_some(command))
        .collect())
}

/// What `update` did.
#[derive(Serialize)]
struct Updated {
    name: EnvironmentName,
    state: Stage,
    changed: bool,
    changes: Vec<Change>,
    /// The commands that have to run.
    to_run: Vec<&'static str>,
    notes: Vec<String>,
    next: String,
    #[serde(skip)]
    file: String,
    #[serde(skip)]
    dry_run: bool,
}

impl Updated {
    fn of(update: &Update, file: &Path, dry_run: bool) -> Self {
        let (env, file) = (&update.env, shown_path(file));
        let to_run = deploy::to_run(env);
        let next = match (dry_run && !update.changes.is_empty(), to_run.is_empty()) {
            (true, _) => format!("update {} -f {file}", env.name),
            (false, true) => format!("test {}", env.name),
            (false, false) => format!("deploy {}", env.name),
        };
        Self {
            name: env.name.clone(),
            state: env.stage,
            changed: !dry_run && !update.changes.is_empty(),
            changes: update.changes.clone(),
            to_run,
            notes: update.notes.clone(),
            next: format!("torrust-tracker-deployer {next}"),
            file,
            dry_run,
        }
    }
}

impl std::fmt::Display for Updated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, file) = (&self.name, &self.file);
        if self.changes.is_empty() {
            return write!(f, "{name} is as {file} says; nothing was changed\nnext: {}", self.next);
        }
        writeln!(f, "{name}: {file} differs from what {} stored:", if self.dry_run { "is" } else { "was" })?;
        for change in &self.changes {
            writeln!(f, "  {change}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        match &self.to_run[..] {
            [] => writeln!(f, "nothing has to run again")?,
            commands => writeln!(f, "has to run: {}", commands.join(", "))?,
        }
        let done = if self.dry_run { "nothing was changed (--dry-run)" } else { "it is stored" };
        write!(f, "{done}\nnext: {}", self.next)
    }
}
