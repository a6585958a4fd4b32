//! `provision`: makes the host and waits until it answers.

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::providers;
use crate::state::Stage;
use crate::store::Environment;
use crate::story::{Phase, Work};

/// Options of `provision`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    #[command(flatten)]
    options: Options,
}

/// How a host is made; `deploy` takes these, too.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Do not ask before the host is made
    #[arg(long)]
    pub auto_approve: bool,
    /// When it fails, keep what was made for a look
    #[arg(long)]
    pub keep_on_failure: bool,
    /// How long a new host may take to answer over SSH [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub ssh_timeout: Option<u64>,
    /// How long its first start (cloud-init) may take after that [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub cloud_init_timeout: Option<u64>,
}

/// The phase for this environment's provider.
#[must_use]
pub fn phase(env: &Environment) -> Phase {
    Phase { command: "provision", reaches: Stage::Provisioned, steps: providers::steps(env) }
}

/// Makes the host.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "provision", Stage::Created)?;
    refuse_registered(&work)?;
    work.options.provision = args.options.clone();
    let phase = phase(&work.env);
    walk_or_clean(&mut work, &[&phase])?;
    let host = work.env.host()?;
    let text = format!(
        "{} is provisioned: {}\nnext: torrust-tracker-deployer configure {0}",
        args.name,
        app.target_at(&work.env, host).shown()
    );
    super::done(super::Moved::new(&work, text))
}

fn refuse_registered(work: &Work) -> Result<()> {
    let (Some(host), name) = (work.env.registered_host(), &work.env.name) else { return Ok(()) };
    Err(Error::new(Code::StateRefused, format!("{name} has a registered host ({})", host.address))
        .help(format!("go on with it: torrust-tracker-deployer deploy {name}")))
}

/// Walks; when making a new host fails, removes what was made of it. After Ctrl-C it stays, for the next call.
///
/// # Errors
/// The walk's own error, with what was removed and what remains.
pub fn walk_or_clean(work: &mut Work, phases: &[&Phase]) -> Result<()> {
    let before = (work.env.stage, work.env.attempt.clone());
    let Err(error) = work.walk(phases) else { return Ok(()) };
    let name = work.env.name.clone();
    let is_half_made = work.env.stage == Stage::Created;
    let is_ours_to_clean = before.0 == Stage::Created && is_half_made && !work.making.takes_over;
    match error.code() {
        Code::Declined => {
            work.env.attempt = before.1;
            work.save()?;
            return Err(error);
        }
        Code::Interrupted => {}
        _ if is_ours_to_clean && !work.options.provision.keep_on_failure => return Err(clean(work, error)),
        _ => {}
    }
    let besides = if error.code() == Code::Interrupted { ", besides what was just being made" } else { "" };
    match providers::left_there(work).filter(|_| is_half_made) {
        Some(left) => Err(error
            .help(format!("at the provider is{besides}: {left}"))
            .help(format!("go on with it: torrust-tracker-deployer provision {name}"))
            .help(format!("or remove it: torrust-tracker-deployer destroy {name}"))),
        None => Err(error),
    }
}

/// Removes what this command made, and adds to its error what was removed, or what remains.
fn clean(work: &mut Work, error: Error) -> Error {
    let name = work.env.name.clone();
    work.hang_up();
    match providers::remove(work, providers::Extent::MadeNow) {
        Ok(removed) => {
            work.env.host = None;
            let error = match removed[..] {
                [] => error,
                _ => error.help(format!(
                    "removed again: {}; to keep it for a look: torrust-tracker-deployer provision {name} --keep-on-failure",
                    removed.join(", ")
                )),
            };
            let error = match error.code() {
                Code::TofuFailed => error.help(format!(
                    "if the description has to change: torrust-tracker-deployer update {name} -f FILE"
                )),
                _ => error,
            };
            match work.save() {
                Ok(()) => error,
                Err(unsaved) => error.why(unsaved),
            }
        }
        // Without an engine nothing was made, and saying so twice helps nobody.
        Err(same) if same.code() == error.code() && same.message() == error.message() => error,
        Err(remains) => {
            let error = error.why(format!("and cleaning up failed: {remains}"));
            let error = remains.causes().iter().fold(error, Error::why);
            let told = error.helps().to_vec();
            let new = remains.helps().iter().filter(|help| !told.contains(help));
            let error = new.fold(error, Error::help);
            error.help(format!("remove what remains: torrust-tracker-deployer destroy {name}"))
        }
    }
}
