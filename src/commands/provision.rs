//! `provision`: makes the host and waits until it answers.

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::providers;
use crate::state::Stage;
use crate::store::{Environment, Origin};
use crate::story::{Phase, Work};

/// Options of `provision`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// Do not ask before the host is made
    #[arg(long)]
    auto_approve: bool,
    /// When it fails, keep what was made for a look
    #[arg(long)]
    keep_on_failure: bool,
}

/// The phase for this environment's provider.
///
/// # Errors
/// `not_supported`, for a provider of a later version.
pub fn phase(env: &Environment) -> Result<Phase> {
    let steps = providers::steps(env)?;
    Ok(Phase { command: "provision", reaches: Stage::Provisioned, steps })
}

/// Makes the host.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "provision", Stage::Created)?;
    refuse_registered(&work)?;
    approve(&work, args.auto_approve)?;
    let phase = phase(&work.env)?;
    walk_or_clean(&mut work, &[&phase], args.keep_on_failure)?;
    let host = work.env.host()?;
    let text = format!(
        "{} is provisioned: {}\nnext: torrust-tracker-deployer configure {0}",
        args.name,
        app.target_at(&work.env, host).shown()
    );
    super::done(super::Moved::new(&work, text))
}

fn refuse_registered(work: &Work) -> Result<()> {
    match &work.env.host {
        Some(host) if host.origin == Origin::Registered => {
            let name = &work.env.name;
            Err(Error::new(Code::StateRefused, format!("{name} has a registered host ({})", host.address))
                .help(format!("go on with it: torrust-tracker-deployer deploy {name}")))
        }
        _ => Ok(()),
    }
}

/// At a terminal the user is asked before something is made; a host that exists already is only looked after.
pub fn approve(work: &Work, auto: bool) -> Result<()> {
    let out = &work.app.out;
    if auto || work.env.host.is_some() || !out.can_ask() {
        return Ok(());
    }
    let (provider, instance) = (work.env.config.provider.kind(), work.env.config.instance_name());
    if out.ask(&format!("Make the host {instance} with the provider {provider}?"), &work.app.interrupt)? {
        return Ok(());
    }
    Err(Error::new(Code::Declined, "not approved; nothing was made").help(format!(
        "when you want it: torrust-tracker-deployer provision {} --auto-approve",
        work.env.name
    )))
}

/// Walks; when making a new host fails, removes what was made of it. After Ctrl-C it stays, for the next call.
pub fn walk_or_clean(work: &mut Work, phases: &[&Phase], keep: bool) -> Result<()> {
    let is_new = work.env.stage == Stage::Created;
    let Err(error) = work.walk(phases) else { return Ok(()) };
    let failed_making = is_new && work.env.stage == Stage::Created;
    if !failed_making || error.code() == Code::Interrupted {
        return Err(error);
    }
    let name = work.env.name.clone();
    if keep {
        return Err(
            error.help(format!("what was made is kept; remove it: torrust-tracker-deployer destroy {name}"))
        );
    }
    work.hang_up();
    match providers::remove(work, providers::Extent::MadeNow) {
        Ok(removed) => {
            work.env.host = None;
            work.save()?;
            Err(match removed[..] {
                [] => error,
                _ => error.help(format!(
                    "removed again: {}; keep it for a look with --keep-on-failure",
                    removed.join(", ")
                )),
            })
        }
        // Without an engine nothing was made, and saying so twice helps nobody.
        Err(same) if same.code() == error.code() => Err(error),
        Err(remains) => Err(error
            .why(format!("and cleaning up failed: {remains}"))
            .help(format!("remove what remains: torrust-tracker-deployer destroy {name}"))),
    }
}
