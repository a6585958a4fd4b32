//! Brings a `BitTorrent` tracker from a JSON description to running on a host.

mod app;
mod bundle;
mod checks;
mod cli;
mod commands;
mod compose;
mod config;
mod digest;
mod error;
mod input;
mod interrupt;
mod output;
mod probe;
mod process;
mod providers;
mod render;
mod services;
mod stack;
mod state;
mod store;
mod story;
mod tools;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use app::App;
use cli::Cli;
use commands::Ending;
use error::{Code, Error, Result};
use output::Out;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return wrong_usage(&error, &args),
    };
    let style = cli.global.style();
    let done = App::new(cli.global).map(|app| {
        // What follows `--` is a command of the user's own: it may hold secrets that nobody told us of.
        let ours = args.iter().skip(1).map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--");
        let line = ours.collect::<Vec<_>>().join(" ");
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "begins: {line}");
        let done = run(&app, cli.command);
        match &done {
            Ok(code) => tracing::info!(code, "done: {line}"),
            Err(error) => app.out.error(error),
        }
        done.unwrap_or_else(|error| error.code().exit_code())
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            Out::new(style).error(&error);
            ExitCode::from(error.code().exit_code())
        }
    }
}

/// Runs the command, says its result, and gives the exit code. A result that is itself a failure (failed checks) is
/// said, then the error.
fn run(app: &App, command: commands::Command) -> Result<u8> {
    match commands::run(app, command)? {
        Ending::Said(code) => Ok(code),
        Ending::Result(outcome) => {
            app.out.result(outcome.as_ref()).map_err(output::unwritable)?;
            outcome.failure().map_or(Ok(0), Err)
        }
    }
}

/// `--help` and `--version` are results; anything else is an error with exit code 2.
fn wrong_usage(error: &clap::Error, args: &[std::ffi::OsString]) -> ExitCode {
    let out = Out::new(cli::style_of_broken(args));
    let text = error.render();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = output::print_out(text.to_string().trim_end());
        return ExitCode::SUCCESS;
    }
    let text = text.to_string();
    let mut parts = text.trim_end().splitn(2, "\n\n");
    let message = parts.next().unwrap_or_default().trim_start_matches("error: ").trim_end();
    let mut usage = Error::new(Code::Usage, message);
    if let Some(help) = parts.next() {
        usage = usage.help(help.trim());
    }
    out.error(&usage);
    ExitCode::from(Code::Usage.exit_code())
}
