//! `validate`: all problems of a configuration file in one run.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::App;
use crate::config::EnvironmentName;

/// Options of `validate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file
    #[arg(short, long, alias = "env-file", value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "scripts ask for .valid")]
struct Valid {
    valid: bool,
    file: PathBuf,
    name: EnvironmentName,
}

impl std::fmt::Display for Valid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is valid: environment {}", self.file.display(), self.name)
    }
}

/// Reads the file and checks every rule; nothing is stored.
pub fn run(app: &App, args: &Args) -> super::Done {
    let config = app.read_config(&args.file)?;
    super::done(Valid { valid: true, file: args.file.clone(), name: config.environment.name })
}
