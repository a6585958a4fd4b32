//! `docs`, `completions`, `man`: the command line described, from its one definition.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::error::{Code, Error, Result};
use crate::output::{Outcome, shown_path};

/// Options of `docs`.
#[derive(Debug, clap::Args)]
pub struct DocsArgs {
    /// The file to write; standard output when there is none
    path: Option<PathBuf>,
}

/// Options of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Options of `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder for one page per command; without it the main page goes to standard output
    folder: Option<PathBuf>,
}

/// Text that is the same in both formats' eyes; as JSON it is one string.
struct Text(String);

impl Outcome for Text {
    fn json(&self) -> Value {
        self.0.clone().into()
    }
    fn text(&self) -> String {
        self.0.trim_end().to_owned()
    }
}

/// The command line as JSON.
pub fn docs(args: &DocsArgs) -> super::Done {
    let mut cli = Cli::command();
    cli.build();
    let text = format!("{:#}", describe(&cli));
    match &args.path {
        Some(path) => {
            write(path, format!("{text}\n").as_bytes())?;
            super::done(Text(format!("wrote {}", path.display())))
        }
        None => super::done(Document(describe(&cli))),
    }
}

struct Document(Value);

impl Outcome for Document {
    fn json(&self) -> Value {
        self.0.clone()
    }
    fn text(&self) -> String {
        format!("{:#}", self.0)
    }
}

fn describe(command: &Command) -> Value {
    let visible = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    let options: Vec<Value> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .map(|arg| {
            json!({
                "name": arg.get_long().map_or_else(|| arg.get_id().to_string(), |long| format!("--{long}")),
                "short": arg.get_short().map(|short| format!("-{short}")),
                "help": arg.get_help().map(ToString::to_string),
                "required": arg.is_required_set(),
                "takes_value": arg.get_action().takes_values(),
                "default": arg.get_default_values().first().map(|value| value.to_string_lossy()),
                "values": arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "name": command.get_name(),
        "about": command.get_about().map(ToString::to_string),
        "options": options,
        "commands": command.get_subcommands().filter(visible).map(describe).collect::<Vec<_>>(),
    })
}

/// A completion script.
pub fn completions(args: &CompletionsArgs) -> super::Done {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "torrust-tracker-deployer", &mut script);
    // The generator has two ways to write a name with dashes, and then does not find its own words for bash.
    let script = String::from_utf8_lossy(&script)
        .replace("torrust__subcmd__tracker__subcmd__deployer", "torrust__tracker__deployer");
    super::done(Text(script))
}

/// Man pages.
pub fn man(args: &ManArgs) -> super::Done {
    let mut cli = Cli::command();
    cli.build();
    let Some(folder) = &args.folder else {
        let page = page(&cli)?;
        return super::done(Text(String::from_utf8_lossy(&page).into_owned()));
    };
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let count = write_pages(&cli, "", folder)?;
    super::done(Text(format!("wrote {count} pages to {}", folder.display())))
}

fn write_pages(command: &Command, prefix: &str, folder: &Path) -> Result<usize> {
    let name = format!("{prefix}{}", command.get_name());
    // clap asks for a name that lives as long as the program; these few do.
    let named = command.clone().name(&*name.clone().leak());
    write(&folder.join(format!("{name}.1")), &page(&named)?)?;
    let mut count = 1;
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        count += write_pages(inner, &format!("{name}-"), folder)?;
    }
    Ok(count)
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = vec![];
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    rendered.map_err(|error| Error::new(Code::Internal, "the man page cannot be written").why(error))?;
    Ok(page)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::StorageFailed, format!("cannot write {}", path.display()))
        .why(error)
        .help(format!("see who may write there: ls -ld {}", shown_path(path)))
}
