//! `configure`: the host's operating system, by one run of one Ansible playbook.

use clap::ArgAction;
use serde_json::json;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::render::{self, File, Templates};
use crate::services;
use crate::state::Stage;
use crate::store::Environment;
use crate::story::{Phase, Step, Work};
use crate::tools::ansible::{self, Observed};
use crate::tools::ssh::{self, Target};

/// Options of `configure`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// Do not install security updates now
    #[arg(long)]
    skip_updates: bool,
    /// Whether the firewall is set up; kept for later calls [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    configure_firewall: Option<bool>,
    #[command(flatten)]
    others: Others,
    /// Whether an agent for the host's metrics is installed; kept for later calls [default: false]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    install_monitoring: Option<bool>,
}

/// What becomes of the ports that other programs listen on: of every command that may configure the host.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Others {
    /// Let the firewall cut off what other programs on the host listen on
    #[arg(long)]
    close_others: bool,
    /// A port that stays open, such as 80 or 53/udp; kept for later calls, which add to it; "none" empties the list first
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = port)]
    keep_open: Vec<String>,
}

impl Others {
    /// Has the environment keep these ports open, and asks for `configure` where anything is said of them.
    pub fn ask(&self, env: &mut Environment) {
        keep_open(&mut env.choices.keep_open, &self.keep_open);
        if self.close_others || !self.keep_open.is_empty() {
            env.ask_again(CONFIGURE.command);
        }
    }

    /// The same for a command that is at work.
    pub fn take_over(&self, work: &mut Work) {
        work.options.configure.close_others |= self.close_others;
        self.ask(&mut work.env);
    }
}

/// Adds ports to those of earlier calls. Where one were dropped, the firewall would close it in silence.
fn keep_open(kept: &mut Vec<String>, wanted: &[String]) {
    if wanted.iter().any(|port| port == "none") {
        kept.clear();
    }
    kept.extend(wanted.iter().filter(|port| *port != "none").cloned());
    let mut seen = std::collections::HashSet::new();
    kept.retain(|port| seen.insert(port.clone()));
}

/// What holds for one call only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    skip_updates: bool,
    close_others: bool,
}

/// What became of the firewall's rules.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rules {
    added: Vec<String>,
    removed: Vec<String>,
}

impl std::fmt::Display for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [("added", &self.added), ("removed", &self.removed)];
        let parts = parts.iter().filter(|(_, rules)| !rules.is_empty());
        f.write_str(
            &parts.map(|(word, rules)| format!("{word} {}", rules.join(", "))).collect::<Vec<_>>().join("; "),
        )
    }
}

/// `80` and `80/tcp` are `80/tcp`.
fn port(text: &str) -> std::result::Result<String, String> {
    if text == "none" {
        return Ok(text.into());
    }
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match number.parse::<u16>() {
        Ok(number @ 1..) if matches!(protocol, "tcp" | "udp") => Ok(format!("{number}/{protocol}")),
        _ => Err("a port is a number from 1 to 65535, with /tcp (default) or /udp".into()),
    }
}

/// The steps of `configure`.
pub const CONFIGURE: Phase = Phase {
    command: "configure",
    reaches: Stage::Configured,
    steps: &[
        Step { title: "Render the playbook", run: render_playbook },
        Step { title: "Connect to the host", run: connect },
        Step { title: "Configure the operating system", run: run_playbook },
    ],
};

/// Configures the host.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "configure", Stage::Provisioned)?;
    work.options.configure.skip_updates = args.skip_updates;
    args.others.take_over(&mut work);
    if args.configure_firewall.is_some() {
        work.env.choices.firewall = args.configure_firewall;
    }
    if let Some(wanted) = args.install_monitoring {
        work.env.choices.monitoring = wanted;
    }
    work.walk(&[&CONFIGURE])?;
    let text = format!("{} is configured\nnext: {}", args.name, super::deploy::next(&work));
    super::done(super::Moved::new(&work, text))
}

fn render_playbook(work: &mut Work) -> Result<String> {
    let target = work.app.target(&work.env)?;
    let folder = work.app.build_folder(&work.env.name).join("ansible");
    let options = work.options.configure;
    render::write(&folder, &playbook(&work.env, &Templates::of(&work.env)?, &target, options)?)?;
    Ok(folder.display().to_string())
}

/// The playbook with its inventory and variables.
///
/// # Errors
/// A template does not fit.
pub fn playbook(
    env: &Environment,
    templates: &Templates,
    target: &Target,
    options: Options,
) -> Result<Vec<File>> {
    let values = json!({
        "host": {
            "alias": target.environment,
            "address": target.host,
            "port": target.port,
            "user": target.user,
            "private_key": target.key,
            "known_hosts": target.known_hosts,
            "control_path": target.control,
            "overrides": ssh::OVERRIDES,
        },
        "skip_updates": options.skip_updates,
        "close_others": options.close_others,
        "keep_open": env.choices.keep_open,
        "configure_firewall": env.choices.firewall.unwrap_or(true),
        "install_monitoring": env.choices.monitoring,
        "published_ports": services::published(&env.config)
            .iter()
            .map(|port| json!({ "port": port.number, "protocol": port.protocol }))
            .collect::<Vec<_>>(),
    });
    templates.folder("ansible", &values)
}

/// Ansible then travels over this connection; and it needs Python on the host.
fn connect(work: &mut Work) -> Result<String> {
    let python = "command -v python3 >/dev/null || { export DEBIAN_FRONTEND=noninteractive; \
                  apt-get update -qq && apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends python3; } >&2; python3 --version";
    let ran = work.ssh()?.run_root(python, &[])?;
    if ran.ok() {
        return Ok(ran.stdout.trim().to_owned());
    }
    Err(Error::new(Code::AnsibleFailed, "Python, which Ansible needs on the host, cannot be installed there")
        .why(ran.complaint())
        .help("install it by hand on the host: apt-get install python3"))
}

/// What others listen on is cut off by nobody but the user.
fn run_playbook(work: &mut Work) -> Result<String> {
    let played = play(work);
    let Some(listeners) = played.as_ref().err().and_then(cut_off) else { return played };
    let question = format!("The firewall will cut off what listens on the host: {listeners}. Continue?");
    if !work.app.out.can_ask() || !work.app.out.ask(&question, &work.app.interrupt)? {
        return Err(would_cut_off(&work.typed(), work.env.name.as_str(), &listeners));
    }
    work.options.configure.close_others = true;
    render_playbook(work)?;
    play(work)
}

/// The listeners that the playbook names when it refuses.
fn cut_off(error: &Error) -> Option<String> {
    error
        .causes()
        .iter()
        .flat_map(|cause| cause.lines())
        .find_map(|line| line.strip_prefix("CUT-OFF "))
        .map(Into::into)
}

fn would_cut_off(typed: &str, name: &str, listeners: &str) -> Error {
    let ports: Vec<&str> = listeners.split(", ").filter_map(|one| one.split(' ').next()).collect();
    Error::new(
        Code::StateRefused,
        format!("the firewall would cut off what listens on the host: {listeners}"),
    )
    .why("nothing was changed")
    .help(format!("keep these ports open: {typed} --keep-open {}", ports.join(",")))
    .help(format!("or close them: {typed} --close-others"))
    .help(format!(
        "or leave the firewall to you: torrust-tracker-deployer configure {name} --configure-firewall=false"
    ))
}

fn play(work: &mut Work) -> Result<String> {
    let folder = work.app.build_folder(&work.env.name).join("ansible");
    let observed = ansible::run(work.app.runner(), &ansible::playbook(&folder, "configure.yml"))?;
    let rules = observed.iter().find(|seen| !seen.added.is_empty() || !seen.removed.is_empty());
    work.options.firewall =
        rules.map(|seen| Rules { added: seen.added.clone(), removed: seen.removed.clone() });
    for Observed { what, state, detail, .. } in &observed {
        if matches!(state.as_str(), "not permitted" | "skipped") || work.app.out.verbose() > 0 {
            work.app.out.note(&format!("  {what}: {state}: {detail}"));
        }
    }
    let count = |wanted: &str| observed.iter().filter(|seen| seen.state == wanted).count();
    work.changed |= count("changed") > 0;
    let (ok, changed) = (count("ok"), count("changed"));
    Ok(format!(
        "{ok} as they should be, {changed} changed, {} not permitted by the host",
        count("not permitted")
    ))
}
