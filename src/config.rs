//! The configuration: the user's JSON file, checked as a whole.
//!
//! The types in `model`, `provider` and `tracker` give the schema; the schema gives the check of a document's shape;
//! the rules add what no single value can tell. All of them report into one list, so that one run shows everything.

mod advice;
mod document;
mod excerpt;
mod files;
pub mod formats;
mod images;
pub mod keys;
mod lacks;
mod mask;
mod model;
mod name;
mod problems;
mod provider;
mod rules;
pub mod schedule;
mod secret;
mod shape;
mod template;
mod tracker;

#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::LazyLock;

pub use advice::{MYSQL_PASSWORD_LIMIT, fits_grafana, fits_header};
use document::Document;
pub use formats::tag;
pub use images::*;
pub use lacks::{lacks, lacks_with_own_file, unfit_password};
pub use model::*;
pub use name::EnvironmentName;
pub use problems::{Problem, Style};
use problems::{Problems, Report};
pub use provider::*;
pub use secret::{MASK, Revealed, Secret};
pub use template::template;
pub use tracker::*;

use crate::error::{Code, Error, Result};
use crate::input;
use crate::services::tracker::schema::Schema;

/// A configuration that can be deployed, and what its user should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; every path in it is absolute.
    pub config: Config,
    /// What deserves attention.
    pub warnings: Vec<Problem>,
    /// The warnings drawn with their source, for the terminal.
    pub drawing: String,
}

const OTHER_FILE: &str = "name a regular file that you may read, or `-` for standard input: COMMAND | torrust-tracker-deployer validate -f -";
const NO_FILE: &str =
    "check the path; for a new file: torrust-tracker-deployer create template > my-env.json";

/// Reads and checks a configuration file, or standard input for `-`, and draws its problems in that style; relative paths in
/// it start from the current folder.
pub fn load(path: &Path, style: Style) -> Result<Loaded> {
    let from_input = path.as_os_str() == input::STANDARD_INPUT;
    let shown = if from_input { "standard input".to_owned() } else { path.display().to_string() };
    let unreadable =
        || Error::new(Code::ConfigInvalid, format!("the configuration file `{shown}` cannot be read"));
    let read = if from_input { input::standard_input() } else { input::read(path) };
    let bytes = read.map_err(|cause| match cause.kind() {
        ErrorKind::Interrupted => crate::interrupt::error(),
        ErrorKind::FileTooLarge => {
            unreadable().why(cause).help("is it the right file? an environment takes a few KiB")
        }
        _ if path.is_dir() => unreadable().why(cause).help("this is a folder; name the JSON file in it"),
        _ if path.exists() => unreadable().why(cause).help(OTHER_FILE),
        _ => unreadable().why(cause).help(NO_FILE),
    })?;
    let text = String::from_utf8(bytes).map_err(|cause| {
        let valid = &cause.as_bytes()[..cause.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        unreadable().why(format!("line {line} is not UTF-8 text")).help("save the file as UTF-8")
    })?;
    let folder = std::env::current_dir()
        .map_err(|cause| Error::new(Code::StorageFailed, "the current folder cannot be found").why(cause))?;
    parse(&text, &shown, &folder, style)
}

/// Checks a configuration's text; relative paths in it start from `base`.
pub fn parse(text: &str, file_name: &str, base: &Path, style: Style) -> Result<Loaded> {
    // Some editors put an invisible mark before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let schema = schema();
    let (config, problems, is_json) = match Document::parse(text) {
        Ok(document) => {
            let (config, found) = examine(&document, schema, base);
            (config, Problems::of(text, document.lines(), found), true)
        }
        Err(problem) => (None, Problems { errors: 1, hidden: 0, shown: vec![problem] }, false),
    };
    let drawing = match problems.shown[..] {
        [] => String::new(),
        _ => problems::draw(style, &problems, file_name, &mask::mask(text, schema, is_json)),
    };
    match config {
        Some(config) => Ok(Loaded { config, drawing, warnings: problems.shown }),
        None => Err(refusal(file_name, &problems, drawing)),
    }
}

/// The JSON Schema (draft 2020-12) of the configuration.
pub fn schema() -> &'static serde_json::Value {
    static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(|| {
        let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
        generator.into_root_schema_for::<Config>().to_value()
    });
    &SCHEMA
}

/// Collects a document's problems; without an error among them there is a configuration.
fn examine(document: &Document, schema: &serde_json::Value, base: &Path) -> (Option<Config>, Vec<Problem>) {
    let mut report = Report { document, problems: vec![] };
    shape::check(schema, &mut report);
    for rule in rules::RULES
        .iter()
        .chain(rules::database::RULES)
        .chain(rules::absent::RULES)
        .chain(rules::tracker::RULES)
        .chain(rules::wire::RULES)
        .chain(advice::RULES)
    {
        rule(&mut report);
    }
    for rule in files::RULES {
        rule(&mut report, base);
    }
    let mut problems = report.problems;
    let broken = problems.iter().any(|problem| !problem.warning);
    match serde_json::from_str::<Config>(document.text()) {
        Ok(mut config) => {
            files::make_absolute(&mut config, base);
            let mut report = Report { document, problems };
            let schema =
                Schema::chosen(&config).unwrap_or_else(|| Schema::of_reference(&config.images.tracker));
            for lack in lacks(&config, schema) {
                report.error(&lack.path, lack.what, lack.fix);
            }
            let fits = report.problems.iter().all(|problem| problem.warning);
            report.problems.sort_by_key(|problem| problem.span.start);
            (fits.then_some(config), report.problems)
        }
        // The reason is among them, in better words.
        Err(_) if broken => (None, problems),
        Err(cause) => {
            problems.push(Problem::unexpected(document.text(), &cause));
            (None, problems)
        }
    }
}

fn refusal(file_name: &str, problems: &Problems, drawing: String) -> Error {
    let errors = problems.errors;
    let count = if errors == 1 { "1 problem".to_owned() } else { format!("{errors} problems") };
    Error::new(Code::ConfigInvalid, format!("the configuration `{file_name}` has {count}"))
        .help("correct the file and run the same command again; every field is described by: torrust-tracker-deployer create schema")
        .problems(problems.shown.iter().map(Problem::to_json).collect(), drawing)
}
