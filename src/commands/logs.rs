//! `logs`: what the containers say, of several services merged by time.

mod reader;
mod since;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::output::Format;
use crate::render::Templates;
use crate::services;
use crate::state::{self, Stage};
use crate::store::Environment;
use crate::tools::ssh::Ssh;
use reader::{Line, Reader};
use since::Since;

/// Options of `logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Ctrl-C ends --follow, with exit code 130.")]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// Only these services; by default all of the stack. Lines of a single one come without its name
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Go on with what is said from now on, also after a restart or a broken connection
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines of each service
    #[arg(long, value_name = "N")]
    tail: Option<u64>,
    /// Only lines since then: an age, such as 10m or 1h30m, or a time, such as 2026-01-02T03:04:05 (of this machine's
    /// zone, unless it names one)
    #[arg(long, value_name = "T")]
    since: Option<Since>,
}

/// How long a host that does not answer is left alone before the next try.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Logged {
    environment: EnvironmentName,
    lines: Vec<Line>,
}

impl std::fmt::Display for Logged {
    /// Lines are told when they come, not here.
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

/// Shows them. Nothing is locked: a deployment may go on meanwhile.
pub fn run(app: &App, args: &Args) -> super::Done {
    if args.follow {
        app.out.refuse_beside_json("--follow")?;
    }
    let env = app.store.as_it_stands(app.store.load(&args.name)?)?;
    state::require(args.name.as_str(), env.stage, "logs", Stage::Configured)?;
    let known = services::containers(&env.config);
    check_services(args, &known)?;
    app.log_for(&args.name)?;
    // The logs may hold secrets.
    let env = app.reveal(&env)?;
    let began = Timestamp::now();
    let mut reader = Reader::new(app, args, &known);
    let read = read(app, &env, args, &mut reader);
    let failure = read.as_ref().err().map(Error::code);
    let _ = app.store.remember(&args.name, "logs", began, failure, &[]);
    match read {
        // The way to end it is no failure.
        Err(error) if args.follow && error.code() == Code::Interrupted => {
            Ok(super::Ending::Said(error.code().exit_code()))
        }
        Err(error) => Err(error),
        Ok(()) if app.out.format() == Format::Json => {
            super::done(Logged { environment: args.name.clone(), lines: reader.into_lines() })
        }
        Ok(()) => Ok(super::Ending::Said(0)),
    }
}

fn check_services(args: &Args, known: &[&str]) -> Result<()> {
    let Some(unknown) = args.services.iter().find(|service| !known.contains(&service.as_str())) else {
        return Ok(());
    };
    let message = format!("{} has no service {unknown}", args.name);
    Err(Error::new(Code::Usage, message).help(format!("its services are: {}", known.join(", "))))
}

/// One session; when the logs are followed, another one whenever it breaks.
fn read(app: &App, env: &Environment, args: &Args, reader: &mut Reader) -> Result<()> {
    let mut told = String::new();
    loop {
        let error = match session(app, env, args, reader) {
            Ok(()) if reader.is_done() => return Ok(()),
            Ok(()) => Error::new(Code::ToolFailed, "Docker on the host has ended the logs"),
            Err(error) => error,
        };
        let passes = matches!(error.code(), Code::SshLost | Code::SshUnreachable | Code::ToolFailed);
        if !(args.follow && reader.has_begun() && passes) {
            return Err(error);
        }
        if told != error.message() {
            app.out.warn(&format!("{error}; trying again every {} s", RETRY.as_secs()));
            error.message().clone_into(&mut told);
        }
        app.runner().pause(RETRY)?;
    }
}

fn session(app: &App, env: &Environment, args: &Args, reader: &mut Reader) -> Result<()> {
    let ssh = Ssh::connect(app.runner(), app.target(env)?)?;
    reader.connected();
    let program = Templates::of(env)?.text("host/logs.py")?;
    let options: &[&str] = if args.follow { &[&program, "follow"] } else { &[&program] };
    let mut cmd = ssh.root("exec python3 -c \"$@\"", options);
    cmd.endless = true;
    let talked = ssh.runner().talk(&cmd, |stream, line, input| reader.hear(stream, line, input));
    if reader.is_done() {
        return Ok(());
    }
    let ran = ssh.judge(talked?)?;
    if !ran.ok() {
        return Err(Error::new(Code::ToolFailed, "Docker on the host does not tell its containers")
            .why(ran.complaint())
            .help(format!("look on the host: torrust-tracker-deployer ssh {}", env.name)));
    }
    if reader.found_nothing() && !args.follow {
        state::require(env.name.as_str(), env.stage, "logs", Stage::Released)?;
        return Err(Error::new(Code::StateRefused, format!("{} has no containers yet", env.name))
            .help(format!("start them: torrust-tracker-deployer run {}", env.name)));
    }
    Ok(())
}
