//! `show`: what is known about an environment, from local data alone.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::app::App;
use crate::config::EnvironmentName;
use crate::services;
use crate::state::{Attempt, Stage};
use crate::store::{Environment, Origin};

#[derive(Serialize)]
struct Shown {
    name: EnvironmentName,
    state: Stage,
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<Attempt>,
    /// Whether the attempt is going on right now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    at_work: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<ShownHost>,
    /// Where the tracker answers; from `released` on.
    services: Vec<ShownService>,
    next: String,
}

#[derive(Serialize)]
struct ShownHost {
    address: String,
    address_v6: Option<String>,
    ssh_port: u16,
    ssh_user: String,
    ssh_key: String,
    host_key: String,
    system: String,
    registered: bool,
    ssh_command: String,
}

#[derive(Serialize)]
struct ShownService {
    kind: &'static str,
    url: String,
    /// What brings it here, when only the host reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<String>,
}

/// Shows the environment.
pub fn run(app: &App, name: &EnvironmentName) -> super::Done {
    let env = app.store.load(name)?;
    let host = env.host.as_ref().map(|host| {
        let target = app.target_at(&env, host);
        ShownHost {
            address: host.address.clone(),
            address_v6: host.address_v6.clone(),
            ssh_port: host.port,
            ssh_user: target.user.clone(),
            ssh_key: target.key.display().to_string(),
            host_key: host.host_key.clone(),
            system: host.system.clone(),
            registered: host.origin == Origin::Registered,
            ssh_command: target.shown(),
        }
    });
    // Those that are there until an update is deployed.
    let stands = app.store.as_it_stands(env.clone())?;
    let services = match &env.host {
        Some(host) if stands.stage >= Stage::Released => services::endpoints(&stands.config)
            .iter()
            .map(|endpoint| ShownService {
                kind: endpoint.kind,
                url: endpoint.url(endpoint.address(host)),
                forward: endpoint.forward(&app.target_at(&env, host).shown()),
            })
            .collect(),
        _ => vec![],
    };
    super::done(Shown {
        name: env.name.clone(),
        state: env.stage,
        provider: env.config.provider.kind().to_string(),
        next: next(&env),
        at_work: env.attempt.is_some() && app.store.at_work(name),
        attempt: env.attempt,
        host,
        services,
    })
}

/// What to type next.
fn next(env: &Environment) -> String {
    let begun = env.attempt.as_ref().map(|attempt| &attempt.command);
    let command = begun.or(env.again.first()).map_or(env.stage.next_command(), String::as_str);
    let needed = match command {
        "purge" => " --force",
        "register" => " --instance-ip ADDRESS",
        _ => "",
    };
    format!("torrust-tracker-deployer {command} {}{needed}", env.name)
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment: {}\nState: {}\nProvider: {}", self.name, self.state, self.provider)?;
        if let Some(host) = &self.host {
            write!(f, "\n\n{host}")?;
        }
        if !self.services.is_empty() {
            write!(f, "\n\nServices:")?;
            for service in &self.services {
                write!(f, "\n  {:<13} {}", format!("{}:", service.kind), service.url)?;
                if let Some(forward) = &service.forward {
                    write!(f, " (on the host only)\n{:>16}{forward}", "")?;
                }
            }
        }
        if let (Some(attempt), true) = (&self.attempt, self.at_work) {
            return write!(
                f,
                "\n\nAt work: {}, in \"{}\", since {:.0}",
                attempt.command, attempt.step, attempt.since
            );
        }
        if let Some(attempt) = &self.attempt {
            let error = attempt.error.as_deref().unwrap_or("it was cut off");
            write!(f, "\n\nLast attempt: {} ended in \"{}\": {error}", attempt.command, attempt.step)?;
        }
        write!(f, "\n\nNext: {}", self.next)
    }
}

impl Display for ShownHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Host{}:", if self.registered { " (registered; never removed)" } else { "" })?;
        writeln!(f, "  Address:  {}", self.address)?;
        if let Some(address) = &self.address_v6 {
            writeln!(f, "  IPv6:     {address}")?;
        }
        writeln!(f, "  System:   {}", self.system)?;
        writeln!(f, "  SSH:      {}", self.ssh_command)?;
        write!(f, "  Host key: {}", self.host_key)
    }
}
