//! `update`: another configuration for a stored environment: what differs, what has to run again, what cannot be.

mod database;
mod difference;
mod fixed;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::deploy;
use super::many::{self, Names};
use crate::app::App;
use crate::config::{Config, EnvironmentName};
use crate::error::{Code, Error, Result};
use crate::input::STANDARD_INPUT;
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
    /// The new configuration file, or a folder with ENV.json for each environment; `-` is standard input
    #[arg(short, long, alias = "env-file", value_name = "FILE", required_unless_present_any = ["image_tag", "pull"])]
    file: Option<PathBuf>,
    /// The tracker image's tag; kept for later releases, until "configured" is given
    #[arg(long, value_name = "TAG", value_parser = crate::config::tag)]
    image_tag: Option<String>,
    /// Have the next release pull images again whose tags may lead to other images by now
    #[arg(long)]
    pull: bool,
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
    /// Whether another tag is chosen, be it of the same image.
    chosen: bool,
    /// The environment with it.
    pub env: Environment,
}

/// Updates.
pub fn run(app: &App, args: &Args) -> super::Done {
    let Some(name) = args.names.one(app, "update")? else {
        if args.file.as_ref().is_some_and(|file| !file.is_dir()) {
            let refused = "several environments have a file each: -f names the folder with ENV.json of each";
            return Err(
                Error::new(Code::Usage, refused).help("torrust-tracker-deployer update --all -f FOLDER")
            );
        }
        let options = args.typed(args.file.as_deref());
        let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
        options.extend(args.dry_run.then_some("--dry-run"));
        return many::run(app, &args.names, "update", &options, tell);
    };
    let own = |file: &PathBuf| if file.is_dir() { file.join(format!("{name}.json")) } else { file.clone() };
    update(app, name, args.file.as_ref().map(own).as_deref(), args)
}

impl Args {
    /// What is typed for the same with this file, without `--dry-run`.
    fn typed(&self, file: Option<&Path>) -> Vec<String> {
        let file = file.map(|file| ["-f".to_owned(), shown_path(file)]);
        let tag = self.image_tag.as_ref().map(|tag| ["--image-tag".to_owned(), tag.clone()]);
        let pull = self.pull.then(|| "--pull".to_owned());
        file.into_iter().flatten().chain(tag.into_iter().flatten()).chain(pull).collect()
    }
}

/// An update in a few words.
fn tell(document: &serde_json::Value) -> String {
    let count = document["changes"].as_array().map_or(0, Vec::len);
    match document["to_run"].as_array() {
        _ if count == 0 && document["changed"] == false => "nothing differs".into(),
        Some(to_run) if !to_run.is_empty() => format!("fields that differ: {count}; next: deploy"),
        _ => format!("fields that differ: {count}; nothing has to run again"),
    }
}

fn update(app: &App, name: &EnvironmentName, file: Option<&Path>, args: &Args) -> super::Done {
    let config = file.map(|file| app.read_config(file)).transpose()?;
    let mut work = Work::begin(app, name, "update", Stage::Created)?;
    let config = config.unwrap_or_else(|| work.env.config.clone());
    let mut update = Update::of_work(&work, config)?;
    if let Some(tag) = &args.image_tag {
        update.choose_tag(&work.env, tag);
    }
    update.fits_of_work(&work)?;
    if args.pull {
        update.pull();
    }
    let outcome = Updated::of(&update, file, args);
    if outcome.changed {
        work.turn_into(update.env);
        work.save()?;
    }
    if !args.dry_run {
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
    update.fits_of_work(work)?;
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
        Ok(Self { changes, notes, chosen: false, env: next })
    }

    /// As [`Update::of`]; a refusal is remembered.
    fn of_work(work: &Work, config: Config) -> Result<Self> {
        Self::of(&work.env, config).or_else(|refused| {
            work.remember(Some(refused.code()))?;
            Err(refused)
        })
    }

    /// Refuses a change that the image's schema cannot do; a refusal is remembered.
    fn fits_of_work(&self, work: &Work) -> Result<()> {
        self.fits().or_else(|refused| {
            work.remember(Some(refused.code()))?;
            Err(refused)
        })
    }

    /// Whether the image's schema can do what is changed.
    ///
    /// # Errors
    /// `config_invalid`, with all that does not fit.
    pub fn fits(&self) -> Result<()> {
        if self.changes.is_empty() { Ok(()) } else { services::tracker::fits(&self.env) }
    }

    /// With another tag of the tracker's image, as `release --image-tag` chooses it.
    fn choose_tag(&mut self, env: &Environment, tag: &str) {
        self.env.choices.image_tag = (tag != "configured").then(|| tag.to_owned());
        self.chosen = self.env.choices.image_tag != env.choices.image_tag;
        let (old, new) = (env.tracker_reference(), self.env.tracker_reference());
        self.changes.retain(|change| change.path != "images.tracker");
        if old != new {
            let path = "images.tracker".into();
            self.changes.push(Change { path, old: old.into(), new: new.into() });
            release_again(&mut self.env);
        } else if self.chosen {
            let kept = if tag == "configured" { "the configuration's own tag" } else { tag };
            self.notes.push(format!("{kept} holds for later releases, too; it is the one in force"));
        }
    }

    /// With a next release that asks the registry again.
    fn pull(&mut self) {
        self.env.pull = true;
        self.notes.push("the next release pulls the images again".into());
        release_again(&mut self.env);
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
        notes.push(format!("the tag {tag}, which --image-tag chose, holds no longer"));
    }
    if differs("tracker") && next.choices.tracker_toml.is_some() {
        notes.push(format!(
            "the tracker.toml in use is your own (release --config): it has to say the same, or torrust-tracker-deployer release {} --config generated",
            env.name
        ));
    }
    if env.release.is_some() {
        notes.extend(database::note(&env.config, &next.config));
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
        release_again(next);
    }
    for command in again(env, next)? {
        match command {
            "configure" => next.stage = next.stage.min(Stage::Provisioned),
            command => next.ask_again(command),
        }
    }
    Ok(())
}

fn release_again(next: &mut Environment) {
    if next.host.is_none() {
        return;
    }
    next.stage = next.stage.min(Stage::Configured);
    // What it tried is not what is wanted now.
    next.attempt = next.attempt.take().filter(|attempt| KEPT_ATTEMPTS.contains(&attempt.command.as_str()));
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
    /// What was asked for: a file, or options.
    #[serde(skip)]
    asked: String,
    #[serde(skip)]
    dry_run: bool,
}

impl Updated {
    fn of(update: &Update, file: Option<&Path>, args: &Args) -> Self {
        let (env, dry_run, typed) = (&update.env, args.dry_run, args.typed(file).join(" "));
        let to_run = deploy::to_run(env);
        let differs = !update.changes.is_empty() || args.pull || update.chosen;
        let next = match (dry_run && differs, to_run.is_empty()) {
            (true, _) => format!("update {} {typed}", env.name),
            (false, true) => format!("test {}", env.name),
            (false, false) => format!("deploy {}", env.name),
        };
        Self {
            name: env.name.clone(),
            state: env.stage,
            changed: !dry_run && differs,
            changes: update.changes.clone(),
            to_run,
            notes: update.notes.clone(),
            next: format!("torrust-tracker-deployer {next}"),
            asked: file.map_or(typed, |file| {
                if file == Path::new(STANDARD_INPUT) { "standard input".into() } else { shown_path(file) }
            }),
            dry_run,
        }
    }
}

impl std::fmt::Display for Updated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, asked) = (&self.name, &self.asked);
        if self.changes.is_empty() && self.notes.is_empty() {
            return write!(f, "{name} is as {asked} says; nothing was changed\nnext: {}", self.next);
        }
        if !self.changes.is_empty() {
            writeln!(
                f,
                "{name}: {asked} differs from what {} stored:",
                if self.dry_run { "is" } else { "was" }
            )?;
        }
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
