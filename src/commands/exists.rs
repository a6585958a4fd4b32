//! `exists`: whether an environment of this name is stored.

use crate::app::App;

/// Options of `exists`.
#[derive(Debug, clap::Args)]
pub struct Args {
    // Not parsed by clap: an invalid name is a failure (1) here, not wrong usage (2).
    /// The environment's name
    #[arg(value_name = "ENV")]
    name: String,
}

/// Prints `true` or `false`; both are a success.
pub fn run(app: &App, args: &Args) -> super::Done {
    super::done(app.store.exists(&args.name.parse()?)?)
}
