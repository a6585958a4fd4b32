//! `ssh`: a shell on the host, or a command there, with the right key, port and known-hosts file.

use jiff::Timestamp;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Error, Result};
use crate::state::{self, Stage};
use crate::store::Environment;
use crate::tools::ssh::Ssh;

/// Options of `ssh`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// A program and its arguments, which arrive as they are typed; a single word is a line for the host's shell.
    /// Without a command a shell is opened
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const AFTER_HELP: &str = "\
The exit code is the command's own, and as ssh has it 255 where a signal ended the command. Standard input, output and error are the command's; where all three \
are a terminal, it gets one too.

Examples:
  torrust-tracker-deployer ssh demo
  torrust-tracker-deployer ssh demo -- 'cd /opt/torrust && sudo docker compose ps'
  torrust-tracker-deployer ssh demo -- sudo cat /opt/torrust/docker-compose.yml >compose.yml";

/// Goes there. A deployment at work does not keep anybody from looking.
pub fn run(app: &App, args: &Args) -> super::Done {
    app.out.refuse_beside_json("ssh")?;
    let env = app.store.load(&args.name)?;
    state::require(args.name.as_str(), env.stage, "ssh", Stage::Created)?;
    app.log_for(&args.name)?;
    let began = Timestamp::now();
    let ended = go(app, &env, &args.command);
    let failure = ended.as_ref().err().map(Error::code);
    // That somebody was there is remembered; what was typed is not.
    let _ = app.store.remember(&args.name, "ssh", began, failure, &[]);
    Ok(super::Ending::Said(ended?))
}

fn go(app: &App, env: &Environment, command: &[String]) -> Result<u8> {
    Ssh::connect(app.runner(), app.target(env)?)?.attach(command)
}
