//! The commands: one file each, which reads from top to bottom as the story of what happens.

mod backup;
mod check;
mod configure;
mod create;
mod deploy;
mod destroy;
mod exists;
mod list;
mod logs;
mod manual;
mod many;
mod provision;
mod purge;
mod register;
pub mod release;
mod render;
mod rollback;
mod run;
mod show;
mod ssh;
mod status;
mod test;
mod trust;
mod update;
mod validate;

use clap::Subcommand;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::Result;
use crate::output::Outcome;
use crate::story::Work;

/// What a command gives back.
pub type Done = Result<Ending>;

/// How a command ends that did not fail.
pub enum Ending {
    /// With a result that is still to be said.
    Result(Box<dyn Outcome>),
    /// With this exit code; it has written its own bytes.
    Said(u8),
}

/// All commands.
#[derive(Debug, Subcommand)]
#[allow(clippy::doc_markdown, reason = "the texts are help for a terminal")]
pub enum Command {
    /// Look whether this machine has what the providers need, and say what mends it
    Check(check::Args),
    /// Create an environment, or write an example configuration or its schema
    Create(create::Args),
    /// Check a configuration file, without any effect; secrets that it refers to are not looked up
    Validate(validate::Args),
    /// List all environments
    List(list::Args),
    /// Show an environment from what is stored: addresses, URLs, next step
    Show(Named),
    /// Print whether an environment exists: true or false
    Exists(exists::Args),
    /// Write everything that a deployment would use into a folder, without touching anything
    Render(render::Args),
    /// Make the host at the environment's provider
    Provision(provision::Args),
    /// Use a host that exists already
    Register(register::Args),
    /// Accept the host's new key after it was reinstalled
    Trust(trust::Args),
    /// Set up the host's operating system: Docker, firewall, updates, kernel settings
    Configure(configure::Args),
    /// Put the tracker's files and images on the host
    Release(release::Args),
    /// Start the tracker and wait until it answers
    Run(run::Args),
    /// Do what remains: provision, configure, release, run
    Deploy(deploy::Args),
    /// Change a stored environment's configuration: what differs, and what has to run again
    Update(update::Args),
    /// Check a running tracker from outside, as its clients do
    Test(test::Args),
    /// Look at host, containers, endpoints and files: what is not as it should be
    Status(status::Args),
    /// Show the containers' logs
    Logs(logs::Args),
    /// Open a shell on the host, or run a command there
    Ssh(ssh::Args),
    /// Make, list, fetch, check and restore backups of the tracker's database
    Backup(backup::Args),
    /// Put an earlier release's files and images back, with its configuration, and start them
    Rollback(rollback::Args),
    /// Remove what was made for an environment
    Destroy(destroy::Args),
    /// Forget a destroyed environment, so that its name is free again
    Purge(purge::Args),
    /// Describe the command line as JSON
    Docs(manual::DocsArgs),
    /// Print a completion script for a shell
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(manual::ManArgs),
}

/// A command that takes the environment's name and nothing else.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = name)]
    pub name: EnvironmentName,
}

/// What the command line asked of the steps. `deploy` walks the same steps with the defaults.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Of `configure`.
    pub configure: configure::Options,
    /// Of `provision`.
    pub provision: provision::Options,
    /// Of `run`.
    pub run: run::Options,
    /// Of `rollback`.
    pub rollback: rollback::Options,
    /// What `release` or `rollback` did to the database.
    pub upgraded: Option<release::upgrade::Upgraded>,
    /// What `configure` did to the firewall's rules.
    pub firewall: Option<configure::Rules>,
    /// Of `backup`, and what came of it.
    pub backup: backup::Options,
    /// Of `destroy`, and what came of it.
    pub destroy: destroy::Options,
}

/// Parses an environment's name for clap.
///
/// # Errors
/// The rule that it breaks, and a name that would do.
pub fn name(text: &str) -> std::result::Result<EnvironmentName, String> {
    text.parse::<EnvironmentName>().map_err(|error| format!("{error}; {}", error.helps().join("; ")))
}

/// Runs a command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub fn run(app: &App, command: Command) -> Done {
    match command {
        Command::Check(args) => check::run(app, &args),
        Command::Create(args) => create::run(app, args),
        Command::Validate(args) => validate::run(app, &args),
        Command::List(args) => list::run(app, &args),
        Command::Show(args) => show::run(app, &args.name),
        Command::Exists(args) => exists::run(app, &args),
        Command::Render(args) => render::run(app, &args),
        Command::Provision(args) => provision::run(app, &args),
        Command::Register(args) => register::run(app, &args),
        Command::Trust(args) => trust::run(app, &args),
        Command::Configure(args) => configure::run(app, &args),
        Command::Release(args) => release::run(app, &args),
        Command::Run(args) => run::run(app, &args),
        Command::Deploy(args) => deploy::run(app, &args),
        Command::Update(args) => update::run(app, &args),
        Command::Test(args) => test::run(app, &args),
        Command::Status(args) => status::run(app, &args),
        Command::Logs(args) => logs::run(app, &args),
        Command::Ssh(args) => ssh::run(app, &args),
        Command::Backup(args) => backup::run(app, args),
        Command::Rollback(args) => rollback::run(app, &args),
        Command::Destroy(args) => destroy::run(app, &args),
        Command::Purge(args) => purge::run(app, &args),
        Command::Docs(args) => manual::docs(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}

/// A result ready to be said.
#[allow(clippy::unnecessary_wraps, reason = "it is what every command ends with")]
fn done(outcome: impl Outcome + 'static) -> Done {
    Ok(Ending::Result(Box::new(outcome)))
}

/// Where an environment stands after a command that moved it.
#[derive(serde::Serialize)]
struct Moved {
    name: EnvironmentName,
    state: crate::state::Stage,
    changed: bool,
    seconds: f64,
    steps: Vec<crate::store::StepTime>,
    /// What was done to the tracker's database.
    #[serde(skip_serializing_if = "Option::is_none")]
    upgraded: Option<release::upgrade::Upgraded>,
    /// What was done to the firewall's rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    firewall: Option<configure::Rules>,
    #[serde(skip)]
    text: String,
}

impl Moved {
    /// The state of the work's environment, with `text` for people.
    fn new(work: &Work, text: String) -> Self {
        Self {
            name: work.env.name.clone(),
            state: work.env.stage,
            changed: work.changed,
            seconds: work.seconds(),
            steps: work.step_times().to_vec(),
            upgraded: work.options.upgraded.clone(),
            firewall: work.options.firewall.clone(),
            text,
        }
    }
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(upgraded) = &self.upgraded {
            writeln!(f, "database: {upgraded}")?;
        }
        if let Some(rules) = &self.firewall {
            writeln!(f, "firewall: {rules}")?;
        }
        f.write_str(&self.text)
    }
}
