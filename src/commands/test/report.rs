//! What `test` found, in its three forms.

use std::fmt::Write as _;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use super::Suite;
use super::performance::Load;
use crate::checks::{self, Answer, Checked};
use crate::config::EnvironmentName;
use crate::error::{Code, Error};
use crate::output::Outcome;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A line for each check
    Text,
    /// One document
    Json,
    /// What CI servers read
    Xml,
}

/// What `test` found.
#[derive(Serialize)]
pub struct Report {
    environment: EnvironmentName,
    suite: Suite,
    /// When it was asked for.
    time: Timestamp,
    passed: usize,
    failed: usize,
    skipped: usize,
    warnings: usize,
    checks: Vec<Checked>,
    /// The figures of the suite `performance`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    loads: Vec<Load>,
    #[serde(skip)]
    format: ReportFormat,
}

impl Report {
    /// A report of what was asked from `time` on.
    pub fn new(
        environment: &EnvironmentName,
        (suite, time): (Suite, Timestamp),
        checks: Vec<Checked>,
        loads: Vec<Load>,
        format: ReportFormat,
    ) -> Self {
        let [passed, failed, skipped, warnings] = checks::tally(&checks);
        let environment = environment.clone();
        Self { environment, suite, time, passed, failed, skipped, warnings, checks, loads, format }
    }

    fn lines(&self) -> String {
        let mut text = format!("{} ({} suite)\n", self.environment, self.suite.word());
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

    /// The report that CI servers read: elements and their order are those of the schema of Jenkins' xUnit plugin.
    fn junit(&self) -> String {
        let seconds: f64 = self.checks.iter().map(|checked| checked.seconds).sum();
        let name = format!("{} ({})", self.environment, self.suite.word());
        // The schema wants thousands with a comma, which not every reader takes for a number.
        let time = if seconds < 1000.0 { format!(" time=\"{seconds:.3}\"") } else { String::new() };
        let (tests, failed, skipped) = (self.checks.len(), self.failed, self.skipped);
        let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\"{time} timestamp=\"{}\">",
            self.time.strftime("%Y-%m-%dT%H:%M:%S")
        );
        let _ = writeln!(
            xml,
            "    <properties><property name=\"torrust-tracker-deployer\" value=\"{}\"/></properties>",
            env!("CARGO_PKG_VERSION")
        );
        for checked in &self.checks {
            xml += &self.testcase(checked);
        }
        xml + "  </testsuite>\n</testsuites>"
    }

    fn testcase(&self, Checked { name, answer, seconds }: &Checked) -> String {
        let inside = match answer {
            Answer::Passed { seen } => format!("<system-out>{}</system-out>", xml_escape(seen)),
            Answer::Warning { seen } => format!("<system-out>warning: {}</system-out>", xml_escape(seen)),
            Answer::Failed(fault) => {
                format!("<failure type=\"check\" message=\"{}\"/>", xml_escape(&fault.to_string()))
            }
            Answer::Skipped { reason } => format!("<skipped message=\"{}\"/>", xml_escape(reason)),
        };
        format!(
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\">{inside}</testcase>\n",
            self.environment,
            xml_escape(name)
        )
    }
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
        let typed = |command: &str| format!("torrust-tracker-deployer {command} {}", self.environment);
        let error = checks::blame(error, &self.checks)
            .help(format!("bring it back to what was configured: {}", typed("deploy")))
            .help(format!("see what else is wrong, and what to type: {}", typed("status")));
        Some(
            error.problems(
                self.checks.iter().map(|checked| serde_json::json!(checked)).collect(),
                String::new(),
            ),
        )
    }
}

/// Text for XML (1.0, section 2.4), in an attribute or between tags; what XML cannot hold becomes a question mark.
fn xml_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(' '),
            control if control.is_control() => escaped.push('?'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Fault;

    #[test]
    fn junit_escapes_what_xml_cannot_hold() {
        assert_eq!(xml_escape("a<b & \"c\"\u{1}]]>\u{ffff}"), "a&lt;b &amp; &quot;c&quot;?]]&gt;?");
    }

    #[test]
    fn the_three_forms_of_one_report() {
        let answers = [
            Answer::Passed { seen: "interval 120 s".into() },
            Answer::Warning { seen: "12 days left".into() },
            Answer::Failed(Fault::new("HTTP 200", "answered HTTP 500, \"<down>\"")),
            Answer::Skipped { reason: "no IPv6 route".into() },
        ];
        let checks = answers.into_iter().enumerate().map(|(number, answer)| Checked {
            name: format!("check {number} & co"),
            answer,
            seconds: 0.25,
        });
        let (checks, name) = (checks.collect::<Vec<_>>(), "demo".parse().unwrap());
        let time = "2026-01-31T03:00:00.5Z".parse().unwrap();
        let [text, xml] = [ReportFormat::Text, ReportFormat::Xml]
            .map(|format| Report::new(&name, (Suite::Full, time), checks.clone(), vec![], format).text());
        insta::assert_snapshot!(format!("{text}\n---\n{xml}"));
    }
}
