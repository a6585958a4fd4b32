//! `validate`: all problems of a configuration file in one run.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::App;
use crate::config::{EnvironmentName, Loaded, Problem};
use crate::input;

/// Options of `validate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file; `-` is standard input
    #[arg(short, long, alias = "env-file", value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "scripts ask for .valid")]
struct Valid {
    valid: bool,
    file: PathBuf,
    name: EnvironmentName,
    /// References, whose secrets are looked up when they are used: JSON pointers.
    unchecked_secrets: Vec<String>,
    /// In the form of `error.problems`.
    warnings: Vec<serde_json::Value>,
}

impl std::fmt::Display for Valid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = if self.file.as_os_str() == input::STANDARD_INPUT {
            "standard input".into()
        } else {
            self.file.display().to_string()
        };
        write!(f, "{file} is valid: environment {}", self.name)?;
        match self.unchecked_secrets.len() {
            0 => Ok(()),
            1 => write!(f, "\n1 secret is a reference, and is looked up when it is used"),
            count => write!(f, "\n{count} secrets are references, and are looked up when they are used"),
        }
    }
}

/// Reads the file and checks every rule; nothing is stored.
pub fn run(app: &App, args: &Args) -> super::Done {
    let Loaded { config, warnings, .. } = app.read_config_with_warnings(&args.file)?;
    let references = config.secrets().into_iter().filter(|(_, secret)| secret.literal().is_none());
    let unchecked_secrets = references.map(|(pointer, _)| pointer).collect();
    super::done(Valid {
        valid: true,
        file: args.file.clone(),
        name: config.environment.name,
        unchecked_secrets,
        warnings: warnings.iter().map(Problem::to_json).collect(),
    })
}
