//! `test`: the stack as its clients see it, and what only the host itself can tell.

pub mod host;

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use super::many::{self, Names};
use crate::app::App;
use crate::checks::{self, Answer, Check, Checked};
use crate::config::EnvironmentName;
use crate::error::{Code, Error, Result};
use crate::output::{Format, Outcome};
use crate::render::Templates;
use crate::services::{self, Container, HostCheck};
use crate::state::{self, Stage};
use crate::store::Environment;
use crate::tools::ssh::Ssh;

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
}

#[derive(Clone, Copy, Debug, Default, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Suite {
    /// Every endpoint answers as it should
    #[default]
    Basic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReportFormat {
    Text,
    Json,
    Xml,
}

#[derive(Serialize)]
struct Report {
    environment: EnvironmentName,
    suite: Suite,
    passed: usize,
    failed: usize,
    skipped: usize,
    warnings: usize,
    checks: Vec<Checked>,
    #[serde(skip)]
    format: ReportFormat,
}

/// Asks everything and reports.
pub fn run(app: &App, args: &Args) -> super::Done {
    if let Some(ReportFormat::Text | ReportFormat::Xml) = args.report {
        app.out.refuse_beside_json("another --report")?;
    }
    match args.names.one(app, "test")? {
        Some(name) => ask(app, args, name),
        None if args.report.is_some() => many::refuse("--report"),
        None => many::run(app, &args.names, "test", tell),
    }
}

fn ask(app: &App, args: &Args, name: &EnvironmentName) -> super::Done {
    let env = app.store.load(name)?;
    state::require(name.as_str(), env.stage, "test", Stage::Configured)?;
    app.log_for(name)?;
    let mut env = app.reveal(&env)?;
    let (began, timeout) = (Timestamp::now(), Duration::from_secs(args.timeout));
    let mut checked = ask_host(app, &mut env, timeout)?;
    let outside = if env.stage >= Stage::Released {
        services::checks(&env.config, env.host()?)?
    } else {
        vec![Check::skipped(
            "the services",
            &format!("nothing is released yet: {} is {}", env.name, env.stage),
        )]
    };
    checked.extend(checks::ask_all(app.runner(), outside, timeout)?);
    let [passed, failed, skipped, warnings] = checks::tally(&checked);
    let json_wanted = app.out.format() == Format::Json;
    let report = Report {
        environment: name.clone(),
        suite: args.suite,
        passed,
        failed,
        skipped,
        warnings,
        checks: checked,
        format: args.report.unwrap_or(if json_wanted { ReportFormat::Json } else { ReportFormat::Text }),
    };
    let failure = report.failure();
    // The report is worth having even where nothing can be written.
    let _ = app.store.remember(name, "test", began, failure.as_ref().map(Error::code), &[]);
    match failure {
        // In JSON a failure is one document, which holds the report.
        Some(failure) if json_wanted => Err(failure),
        _ => super::done(report),
    }
}

/// A report in a few words.
fn tell(report: &serde_json::Value) -> String {
    format!("{} passed, {} skipped", report["passed"], report["skipped"])
}

/// One SSH session: cloud-init, Docker, Compose, each container's own health check.
fn ask_host(app: &App, env: &mut Environment, timeout: Duration) -> Result<Vec<Checked>> {
    let ssh = Ssh::connect(app.runner(), app.target(env)?)?;
    let script = Templates::of(env)?.text("host/test.sh")?;
    let checks = match env.stage {
        Stage::Released | Stage::Running => host_checks(env)?,
        _ => vec![],
    };
    let facts = host::ask(&ssh, &script, &checks, Duration::ZERO, timeout * 3)?;
    host::learn_root(&ssh, &mut env.config)?;
    Ok(facts)
}

/// Each container's own question about its health, and what services ask on the host.
fn host_checks(env: &Environment) -> Result<Vec<HostCheck>> {
    let health = |container: Container| HostCheck {
        name: format!("{}: health inside the container", container.name),
        command: services::in_container(container.name, &container.health) + " && echo healthy",
        // Compose tells `run`.
        awaited: false,
    };
    let containers = services::all(env)?.into_iter().filter_map(|service| service.container);
    Ok(containers.map(health).chain(services::host_checks(&env.config)).collect())
}

impl Outcome for Report {
    fn json(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn text(&self) -> String {
        match self.format {
            ReportFormat::Text => self.lines(),
            ReportFormat::Json => format!("{:#}", self.json()),
            ReportFormat::Xml => self.junit(),
        }
    }

    fn failure(&self) -> Option<Error> {
        if self.failed == 0 {
            return None;
        }
        let total = self.checks.len();
        let error = Error::new(Code::TestFailed, format!("{} of {total} checks failed", self.failed));
        let error = checks::blame(error, &self.checks).help(format!(
            "bring it back to what was configured: torrust-tracker-deployer deploy {}",
            self.environment
        ));
        Some(
            error.problems(
                self.checks.iter().map(|checked| serde_json::json!(checked)).collect(),
                String::new(),
            ),
        )
    }
}

impl Report {
    fn lines(&self) -> String {
        let mut text = format!("{} ({} suite)\n", self.environment, "basic");
        for Checked { name, answer, seconds } in &self.checks {
            let _ = match answer {
                Answer::Passed { seen } => writeln!(text, "  ok      {name}: {seen} ({seconds:.2} s)"),
                Answer::Warning { seen } => writeln!(text, "  warning {name}: {seen} ({seconds:.2} s)"),
                Answer::Failed(fault) => writeln!(text, "  FAILED  {name}: {fault} ({seconds:.2} s)"),
                Answer::Skipped { reason } => writeln!(text, "  skipped {name}: {reason}"),
            };
        }
        let _ = write!(text, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        if self.warnings > 0 {
            let _ = write!(text, ", {} with a warning", self.warnings);
        }
        text
    }

    /// The report that CI servers read.
    fn junit(&self) -> String {
        let seconds: f64 = self.checks.iter().map(|checked| checked.seconds).sum();
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{seconds:.3}\">\n",
            xml_escape(self.environment.as_str()),
            self.checks.len(),
            self.failed,
            self.skipped
        );
        for Checked { name, answer, seconds } in &self.checks {
            let _ = write!(
                xml,
                "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\"",
                self.environment,
                xml_escape(name)
            );
            let _ = match answer {
                Answer::Passed { .. } => writeln!(xml, "/>"),
                Answer::Warning { seen } => {
                    writeln!(xml, "><system-out>warning: {}</system-out></testcase>", xml_escape(seen))
                }
                Answer::Failed(fault) => {
                    writeln!(xml, "><failure message=\"{}\"/></testcase>", xml_escape(&fault.to_string()))
                }
                Answer::Skipped { reason } => {
                    writeln!(xml, "><skipped message=\"{}\"/></testcase>", xml_escape(reason))
                }
            };
        }
        xml + "  </testsuite>\n</testsuites>"
    }
}

/// Text for an XML attribute (XML 1.0, section 2.4); what XML cannot hold becomes a question mark.
fn xml_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(' '),
            control if control.is_control() => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_escapes_what_xml_cannot_hold() {
        assert_eq!(xml_escape("a<b & \"c\"\u{1}"), "a&lt;b &amp; &quot;c&quot;?");
    }
}
