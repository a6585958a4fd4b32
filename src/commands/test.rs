//! `test`: the stack as its clients see it, and what only the host itself can tell.

mod full;
pub mod host;
mod performance;
mod ports;
mod report;
mod restart;

use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use super::many::{self, Names};
use crate::app::App;
use crate::checks::{self, Check, Checked};
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::output::{Format, Outcome as _};
use crate::probe::http::Relay;
use crate::render::Templates;
use crate::services::tracker::silence;
use crate::services::{self, Container, HostCheck};
use crate::state::{self, Stage};
use crate::store::Environment;
use crate::tools::relay;
use crate::tools::ssh::Ssh;
use report::{Report, ReportFormat};

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    names: Names,
    /// Which checks
    #[arg(long, value_enum, default_value_t)]
    suite: Suite,
    /// How long one check may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// How the report is written; by default as --output-format says. xml is JUnit's
    #[arg(long, value_enum)]
    report: Option<ReportFormat>,
    /// Of the suite performance: announces a second at each tracker [default: 500 over UDP, 100 over HTTP]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// Of the suite performance: for how long at each tracker [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Suite {
    /// Every endpoint answers as it should
    #[default]
    Basic,
    /// Basic, and: the host and its files are as `status` wants them, peers find each other, no port is open that
    /// should not be, a backup can be read back, data survives a restart. It restarts the stack: the tracker is away for some seconds
    Full,
    /// A bounded load of announces: rates, latencies, errors, compared with the last time
    Performance,
}

impl Suite {
    fn word(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Full => "full",
            Self::Performance => "performance",
        }
    }

    /// How far an environment must have come.
    fn needs(self) -> Stage {
        if self == Self::Basic { Stage::Configured } else { Stage::Running }
    }
}

/// What the suites share.
struct Test<'a> {
    app: &'a App,
    /// With its secrets.
    env: Environment,
    ssh: Ssh<'a>,
    relay: Relay,
    timeout: Duration,
}

/// Asks everything and reports.
pub fn run(app: &App, args: &Args) -> super::Done {
    refuse_what_does_not_fit(app, args)?;
    match args.names.one(app, "test")? {
        Some(name) => ask(app, args, name),
        None if args.report.is_some() => many::refuse("--report"),
        None => many::run(app, &args.names, "test", &["--suite", args.suite.word()], tell),
    }
}

/// A report in a few words.
fn tell(report: &serde_json::Value) -> String {
    format!("{} passed, {} skipped", report["passed"], report["skipped"])
}

fn ask(app: &App, args: &Args, name: &EnvironmentName) -> super::Done {
    let (suite, began) = (args.suite, Timestamp::now());
    let env = app.store.as_it_stands(app.store.load(name)?)?;
    state::require(name.as_str(), env.stage, "test", suite.needs())?;
    // What changes the host must not do so under a suite that restarts or loads it, nor the other way round.
    let _lock = (suite != Suite::Basic).then(|| app.store.lock(name, "test")).transpose()?;
    app.log_for(name)?;
    let test = Test::begin(app, &env, Duration::from_secs(args.timeout))?;
    let (checked, loads) = match suite {
        Suite::Basic => (test.basic()?, vec![]),
        Suite::Full => (full::ask(&test)?, vec![]),
        Suite::Performance => performance::ask(&test, args.rate, args.seconds)?,
    };
    let json_wanted = app.out.format() == Format::Json;
    let format = args.report.unwrap_or(if json_wanted { ReportFormat::Json } else { ReportFormat::Text });
    let report = Report::new(name, (suite, began), checked, loads, format);
    let failure = report.failure();
    // The report is worth having even where nothing can be written.
    let _ = app.store.remember(name, "test", began, failure.as_ref().map(Error::code), &[]);
    match failure {
        // In JSON a failure is one document, which holds the report.
        Some(failure) if json_wanted => Err(failure),
        _ => super::done(report),
    }
}

fn refuse_what_does_not_fit(app: &App, args: &Args) -> Result<()> {
    if let Some(ReportFormat::Text | ReportFormat::Xml) = args.report {
        app.out.refuse_beside_json("another --report")?;
    }
    if args.suite != Suite::Performance && (args.rate.is_some() || args.seconds.is_some()) {
        return Err(Error::new(Code::Usage, "--rate and --seconds are of the suite performance alone")
            .help("torrust-tracker-deployer test ENV --suite performance"));
    }
    Ok(())
}

impl<'a> Test<'a> {
    fn begin(app: &'a App, env: &Environment, timeout: Duration) -> Result<Self> {
        let mut env = app.reveal(env)?;
        let ssh = Ssh::connect(app.runner(), app.target(&env)?)?;
        host::learn_own_root(&ssh, &mut env.config)?;
        let relay = relay::over(&ssh);
        Ok(Self { app, env, ssh, relay, timeout })
    }

    /// What clients see, and what the host alone can tell.
    fn basic(&self) -> Result<Vec<Checked>> {
        let env = &self.env;
        let mut on_host = host::machine();
        if env.stage >= Stage::Released {
            on_host.extend(host_checks(env)?);
        }
        let mut checked = self.ask_host(&on_host, self.timeout * 3)?;
        let outside = if env.stage >= Stage::Released {
            services::checks(&env.config, env.host()?, &self.relay)?
        } else {
            vec![Check::skipped(
                "the services",
                &format!("nothing is released yet: {} is {}", env.name, env.stage),
            )]
        };
        let mut outside = checks::ask_all(self.app.runner(), outside, self.timeout)?;
        silence::explain(env, &mut outside);
        checked.extend(outside);
        Ok(checked)
    }

    /// One SSH session.
    fn ask_host(&self, checks: &[HostCheck], deadline: Duration) -> Result<Vec<Checked>> {
        host::ask(&self.ssh, &self.script("test.sh")?, checks, Duration::ZERO, deadline)
    }

    /// A script of the templates for the host.
    fn script(&self, name: &str) -> Result<String> {
        Templates::of(&self.env)?.text(&format!("host/{name}"))
    }
}

/// Each container's own question about its health, and what services ask on the host.
fn host_checks(env: &Environment) -> Result<Vec<HostCheck>> {
    let health = |container: Container| HostCheck {
        name: format!("{}: the container's health check", container.name),
        command: services::in_container(container.name, &container.health) + " && echo healthy",
        // Compose tells `run`.
        awaited: false,
        quick: false,
    };
    let containers = services::all(env)?.into_iter().filter_map(|service| service.container);
    Ok(containers.map(health).chain(services::host_checks(&env.config)).collect())
}
