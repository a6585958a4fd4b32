//! The command line: global options here, each command's own options with the command.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser};

use crate::commands::{self, Command};
use crate::config::EnvironmentName;
use crate::output::log::{self, LogFormat, Target};
use crate::output::{Format, Style};
use crate::tools::tofu;

/// Brings a BitTorrent tracker from a JSON description to running on a host
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, infer_subcommands = false, after_help = AFTER_HELP)]
pub struct Cli {
    /// The global options.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
From nothing to a tracker that answers:
  torrust-tracker-deployer create demo
  torrust-tracker-deployer deploy demo
  torrust-tracker-deployer test demo

Exit codes: 0 done; 1 failed; 2 wrong usage; 130 interrupted.";

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
#[allow(clippy::doc_markdown, reason = "the texts are help for a terminal")]
pub struct Global {
    /// The folder that holds data/ and build/
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub working_dir: PathBuf,
    /// How the result is written to standard output
    #[arg(long, global = true, value_enum, default_value_t, env = FORMAT_VARIABLE)]
    pub output_format: Format,
    /// The program for OpenTofu: another path, or terraform; by default tofu, else terraform, on PATH
    #[arg(long, global = true, value_name = "PATH", env = tofu::VARIABLE)]
    pub tofu_bin: Option<PathBuf>,
    /// Say more: -v what each step is doing, -vv the programs that are started, -vvv every line they write
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but the result, warnings and errors
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// One environment among several: the program starts itself with this, once for each of them
    #[arg(long, hide = true, value_name = "ENV", value_parser = commands::name)]
    pub only: Option<EnvironmentName>,
    /// No colours (NO_COLOR does the same)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// The folder of the log file deployer.log; by default the environment's own below data/, and no file for a
    /// command that does not work on one
    #[arg(long, global = true, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Where log events go; RUST_LOG filters them
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_output: Target,
    /// How the log file is written
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_file_format: LogFormat,
    /// How log events are written to standard error
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_stderr_format: LogFormat,
}

const FORMAT_VARIABLE: &str = "TORRUST_TD_OUTPUT_FORMAT";

impl Global {
    /// How much is said, and how.
    #[must_use]
    pub fn style(&self) -> Style {
        Style {
            // What is one of several is told by the one that started it.
            format: if self.only.is_some() { Format::Json } else { self.output_format },
            quiet: self.quiet,
            verbose: self.verbose,
            color: colors(self.no_color),
        }
    }

    /// Where the log goes, and how it is written.
    #[must_use]
    pub fn log_style(&self) -> log::Style {
        log::Style {
            target: self.log_output,
            in_file: self.log_file_format,
            on_stderr: self.log_stderr_format,
        }
    }
}

/// Colours are for terminals, and for people who want them (<https://no-color.org>).
fn colors(refused: bool) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && !no_color && std::io::IsTerminal::is_terminal(&std::io::stderr())
}

/// The style that a command line asks for which cannot be parsed: a script that wants JSON gets its error as JSON.
#[must_use]
pub fn style_of_broken(args: &[OsString]) -> Style {
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let after = words.windows(2).find(|pair| pair[0] == "--output-format").map(|pair| pair[1].to_string());
    let joined = words.iter().find_map(|word| word.strip_prefix("--output-format=").map(str::to_owned));
    let wanted = after.or(joined).or_else(|| std::env::var(FORMAT_VARIABLE).ok());
    let format = if wanted.as_deref() == Some("json") { Format::Json } else { Format::Text };
    Style { format, quiet: false, verbose: 0, color: colors(words.iter().any(|word| word == "--no-color")) }
}
