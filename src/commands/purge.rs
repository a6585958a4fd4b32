//! `purge`: forgets an environment, so that its name can be used again.

use serde::Serialize;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::state::Stage;
use crate::store::Environment;

/// Options of `purge`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// Do not ask; and forget the environment even if its host still exists
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Purged {
    name: EnvironmentName,
    purged: bool,
}

impl std::fmt::Display for Purged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is forgotten; its name is free", self.name)
    }
}

/// Removes the local data; what `destroy --backup` fetched lies elsewhere and stays.
pub fn run(app: &App, args: &Args) -> super::Done {
    let name = &args.name;
    if app.store.exists(name)? || !app.store.sweep(name)? {
        forget(app, name, args.force)?;
    }
    super::done(Purged { name: name.clone(), purged: true })
}

fn forget(app: &App, name: &EnvironmentName, force: bool) -> Result<()> {
    let _lock = app.store.lock(name, "purge")?;
    if force {
        tell_what_is_left(app, name);
    } else {
        refuse_host(&app.store.load(name)?)?;
        confirm(app, name)?;
    }
    // First what the name leads to: while the environment is there, a failed call can be repeated.
    let build = app.build_folder(name);
    if build.exists() {
        std::fs::remove_dir_all(&build).map_err(|error| {
            Error::new(Code::StorageFailed, format!("cannot remove {}", build.display()))
                .why(error)
                .help("the environment is still there; repeat the command once this is mended")
        })?;
    }
    app.store.remove(name)
}

/// Forced, it forgets a host that goes on to exist. A damaged file says nothing about one.
fn tell_what_is_left(app: &App, name: &EnvironmentName) {
    let left = app.store.load(name).ok().and_then(|env| refuse_host(&env).err());
    if let Some(left) = left {
        app.out.warn(&format!("{left}, and is left as it is"));
    }
}

/// An attempt may have made a host that is not known yet.
fn refuse_host(env: &Environment) -> Result<()> {
    let name = &env.name;
    let why = match (&env.host, &env.attempt) {
        _ if env.stage == Stage::Destroyed => return Ok(()),
        (None, None) => return Ok(()),
        (Some(_), _) => format!("{name} is {}: its host exists", env.stage),
        (None, Some(attempt)) => {
            format!(
                "{} of {name} did not come to its end in \"{}\": a host may exist",
                attempt.command, attempt.step
            )
        }
    };
    Err(Error::new(Code::StateRefused, why)
        .help(format!("remove the host first: torrust-tracker-deployer destroy {name}"))
        .help(format!(
            "or forget the host and leave it as it is: torrust-tracker-deployer purge {name} --force"
        )))
}

fn confirm(app: &App, name: &EnvironmentName) -> Result<()> {
    if !app.out.can_ask() {
        return Err(Error::new(
            Code::Declined,
            "without a terminal there is no one to ask; nothing was removed",
        )
        .help(format!("torrust-tracker-deployer purge {name} --force")));
    }
    if app.out.ask(&format!("Forget {name} with its history, log and keys?"), &app.interrupt)? {
        return Ok(());
    }
    Err(Error::new(Code::Declined, "not confirmed; nothing was removed"))
}
