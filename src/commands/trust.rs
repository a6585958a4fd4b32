//! `trust`: takes the host's new key, once the user said that it is the right one.

use serde::Serialize;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::state::Stage;
use crate::story::Work;
use crate::tools::ssh;

/// Options of `trust`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// The new key's fingerprint, as the host itself prints it; without it you are asked
    #[arg(long, value_name = "SHA256:...")]
    fingerprint: Option<String>,
}

const AFTER_HELP: &str = "\
After a host was reinstalled it has another key, and every command refuses to talk to it. Compare the keys first, at the \
host's own console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. Without a terminal --fingerprint is required.";

/// The key from now on.
#[derive(Serialize)]
struct Trusted {
    name: EnvironmentName,
    host_key: String,
    before: String,
    changed: bool,
}

impl std::fmt::Display for Trusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, host_key, before, changed } = self;
        match changed {
            true => write!(f, "{name}: the host key is {host_key} from now on; it was {before}"),
            false => write!(f, "{name}: the host shows the stored key {host_key}; nothing was changed"),
        }
    }
}

/// Looks at the key, asks, and stores it.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "trust", Stage::Provisioned)?;
    let trusted = trust(&mut work, args.fingerprint.as_deref());
    work.remember(trusted.as_ref().err().map(Error::code))?;
    super::done(trusted?)
}

fn trust(work: &mut Work, wanted: Option<&str>) -> Result<Trusted> {
    let target = work.app.target(&work.env)?;
    let key = ssh::shown_host_key(work.app.runner(), &target)?;
    let (shown, before) = (ssh::fingerprint(&key), target.pin.fingerprint);
    let name = work.env.name.clone();
    if shown == before {
        // An environment of an earlier version has the fingerprint alone.
        if let Some(host) = work.env.host.as_mut().filter(|host| host.public_key != key) {
            host.public_key = key;
            work.save()?;
        }
        return Ok(Trusted { name, host_key: shown, before, changed: false });
    }
    allow(work, wanted, &shown, &before)?;
    if let Some(host) = &mut work.env.host {
        (host.host_key, host.public_key) = (shown.clone(), key);
    }
    work.save()?;
    Ok(Trusted { name, host_key: shown, before, changed: true })
}

/// The user's word: a fingerprint that is the same, or a yes at the terminal.
fn allow(work: &Work, wanted: Option<&str>, shown: &str, before: &str) -> Result<()> {
    let (out, name) = (&work.app.out, &work.env.name);
    let hash = shown.split(' ').next().unwrap_or_default();
    let error = match wanted {
        Some(wanted) if wanted == shown || wanted == hash => return Ok(()),
        Some(wanted) => {
            let what = format!("the host shows {shown}, not {wanted}; nothing was changed");
            Error::new(Code::HostKeyChanged, what)
        }
        None if out.can_ask() => {
            let question = format!("The host shows {shown}; stored is {before}. Trust the new key?");
            if out.ask(&question, &work.app.interrupt)? {
                return Ok(());
            }
            Error::new(Code::Declined, "not trusted; nothing was changed")
        }
        None => Error::new(Code::Declined, format!("the host shows {shown}; stored is {before}"))
            .why("without a terminal the new key needs --fingerprint"),
    };
    Err(error
        .help("compare it at the host's own console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
        .help(format!("when it is the same: torrust-tracker-deployer trust {name} --fingerprint {hash}")))
}
