//! `register`: takes a host that exists, after a look at whether a tracker can live there.

mod address;

use crate::app::App;
use crate::config::{EnvironmentName, keys};
use crate::error::{Code, Error, Result};
use crate::providers::host;
use crate::state::Stage;
use crate::store::{Host, Origin};
use crate::story::{Phase, Step, Work};

/// Options of `register`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// The host's IP address or DNS name; the user is `ssh_credentials.username` of the configuration
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    instance_ip: String,
    /// The port that ssh connects to; by default the configuration's
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ssh_port: Option<u16>,
}

/// The steps of `register`.
const REGISTER: Phase = Phase {
    command: "register",
    reaches: Stage::Provisioned,
    steps: &[Step { title: "Connect over SSH", run: connect }, Step { title: "Look at the host", run: look }],
};

/// Registers the host.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "register", Stage::Created)?;
    // The key of a host that was tried and not taken, now or in a call that was cut off, is none of ours.
    let forget = |work: &Work| work.env.host.is_none().then(|| work.app.forget_host_key(&work.env.name));
    forget(&work);
    work.candidate = Some(wanted(&work, args)?);
    work.walk(&[&REGISTER]).inspect_err(|_| {
        forget(&work);
    })?;
    let host = work.env.host()?;
    let text = format!(
        "{} is registered: {} ({})\nhost key at first contact: {}\nnext: torrust-tracker-deployer deploy {0}",
        args.name, host.address, host.system, host.host_key
    );
    super::done(super::Moved::new(&work, text))
}

/// The host as it will be stored. Another host than the registered one would leave a tracker behind: refused.
fn wanted(work: &Work, args: &Args) -> Result<Host> {
    let address = args.instance_ip.clone();
    let port = args.ssh_port.unwrap_or(work.env.config.ssh_credentials.port);
    match &work.env.host {
        None => {
            let credentials = &work.env.config.ssh_credentials;
            keys::check_pair(&credentials.private_key_path, &credentials.public_key_path)?;
            address::refuse_alias(work.app.runner(), &work.env.name, &address, port)?;
            Ok(Host::new(Origin::Registered, address, port))
        }
        Some(host) if host.origin == Origin::Registered && host.address == address => {
            Ok(Host { port, ..host.clone() })
        }
        Some(host) => Err(Error::new(
            Code::StateRefused,
            format!("{} has a host already: {}", work.env.name, host.address),
        )
        .help("create another environment for the new host")
        .help(format!("or give the old one up first: torrust-tracker-deployer destroy {}", work.env.name))),
    }
}

fn connect(work: &mut Work) -> Result<String> {
    work.ssh()?;
    host::remember_host_key(work)
}

/// Only a host that passed is the environment's: one that was cut off before can still be replaced.
fn look(work: &mut Work) -> Result<String> {
    let note = host::inspect(work)?;
    work.env.host = work.candidate.take();
    Ok(note)
}
