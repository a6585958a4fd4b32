//! `create`: an environment, from a file or in the short form; or an example configuration, or the schema.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use crate::app::App;
use crate::config::{self, Config, EnvironmentName, ProviderKind};
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::render::Templates;
use crate::store::{Choices, Environment};
use crate::tools::ssh;

/// Options of `create`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    short: Short,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a complete example configuration, with fresh random secrets
    Template(Template),
    /// Write the configuration's JSON Schema
    Schema(Target),
    /// Create an environment from a configuration file
    Environment(FromFile),
}

#[derive(Debug, clap::Args)]
struct Template {
    #[command(flatten)]
    target: Target,
    /// Where the host will run
    #[arg(long, value_enum, default_value = "docker")]
    provider: ProviderKind,
    /// Name the container images of this version too; without it each version of the program has its own
    #[arg(long)]
    images: bool,
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The file to write; standard output when there is none
    path: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct FromFile {
    /// The configuration file; `-` is standard input
    #[arg(short, long, alias = "env-file", value_name = "FILE")]
    file: PathBuf,
}

/// The short form: good defaults for everything.
#[derive(Debug, clap::Args)]
struct Short {
    /// The new environment's name
    #[arg(required = true, value_parser = super::name)]
    name: Option<EnvironmentName>,
    /// Where the host will run
    #[arg(long, value_enum, default_value = "docker")]
    provider: ProviderKind,
    /// Your private key, with the public key beside it as PATH.pub; a new pair is made without it
    #[arg(long, value_name = "PATH")]
    ssh_key: Option<PathBuf>,
    /// A folder with your own copies of templates: only the files present there replace the built-in ones
    #[arg(long, value_name = "DIR")]
    template: Option<PathBuf>,
}

#[derive(Serialize)]
struct Written {
    path: PathBuf,
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "wrote {}", self.path.display())
    }
}

#[derive(Serialize)]
struct Created {
    name: EnvironmentName,
    state: &'static str,
    provider: String,
    folder: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// The host is a container with few limits, so that systemd and a Docker Engine run in it.
const DOCKER_NOTE: &str =
    "a host of the provider docker is no boundary: root in it can become root on this machine";

impl std::fmt::Display for Created {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, provider, note, .. } = self;
        writeln!(f, "environment {name} is created (provider {provider})")?;
        if let Some(note) = note {
            writeln!(f, "note: {note}")?;
        }
        write!(f, "next: torrust-tracker-deployer deploy {name}")
    }
}

/// Creates what was asked for.
pub fn run(app: &App, args: Args) -> super::Done {
    match (args.what, args.short) {
        (Some(What::Template(args)), _) => {
            let name: EnvironmentName = "my-tracker".parse()?;
            let mut example = config::template(args.provider, &name, Path::new("~/.ssh/id_ed25519"))?;
            if args.images {
                example.images = example.images.pinned();
            }
            let json = serde_json::to_value(example).map_err(not_json)?;
            write(args.target.path.as_deref(), json)
        }
        (Some(What::Schema(args)), _) => write(args.path.as_deref(), config::schema().clone()),
        (Some(What::Environment(args)), _) => {
            let config = app.read_config(&args.file)?;
            create(app, config, Choices::default())
        }
        (None, Short { name: Some(name), provider, ssh_key, template }) => {
            create_short(app, &name, provider, ssh_key, template)
        }
        (None, Short { name: None, .. }) => Err(Error::new(Code::Usage, "create needs a name")),
    }
}

/// Stores a new environment. The lock keeps two of the same name apart.
pub fn create(app: &App, config: Config, choices: Choices) -> super::Done {
    let name = config.environment.name.clone();
    let _lock = app.store.lock_new(&name, "create")?;
    refuse_taken(app, &name)?;
    store(app, config, choices)
}

fn create_short(
    app: &App,
    name: &EnvironmentName,
    provider: ProviderKind,
    ssh_key: Option<PathBuf>,
    template: Option<PathBuf>,
) -> super::Done {
    let templates = template.map(|folder| own_templates(&folder)).transpose()?;
    let _lock = app.store.lock_new(name, "create")?;
    refuse_taken(app, name)?;
    let key = match ssh_key {
        Some(key) => key,
        None => make_key(app, name)?,
    };
    let example = config::template(provider, name, &key)?;
    let text = format!("{:#}", serde_json::to_value(&example).map_err(not_json)?);
    // Through the same rules as a file: a key that cannot be read is found here, not at the host.
    let config = app.check_config(&text, "short form")?;
    store(app, config, Choices { templates, ..Choices::default() })
}

fn store(app: &App, config: Config, choices: Choices) -> super::Done {
    let mut env = Environment::new(config, choices);
    app.store.save(&mut env)?;
    app.store.remember(&env.name, "create", env.created, None, &[])?;
    let kind = env.config.provider.kind();
    super::done(Created {
        provider: kind.to_string(),
        note: (kind == ProviderKind::Docker).then_some(DOCKER_NOTE),
        folder: app.store.folder(&env.name),
        state: env.stage.as_str(),
        name: env.name,
    })
}

fn refuse_taken(app: &App, name: &EnvironmentName) -> Result<()> {
    if !app.store.exists(name)? {
        return Ok(());
    }
    Err(Error::new(Code::EnvironmentExists, format!("the environment {name} exists already"))
        .help("choose another name")
        .help(format!(
            "or remove the old one: torrust-tracker-deployer destroy {name}, then purge {name} --force"
        )))
}

/// A key pair of the environment's own; one left by a cut-off call is used again.
fn make_key(app: &App, name: &EnvironmentName) -> Result<PathBuf> {
    let key = app.store.folder(name).join("id_ed25519");
    let public = key.with_extension("pub");
    if !public.exists() {
        let _ = std::fs::remove_file(&key);
        ssh::make_key(app.runner(), &key, &format!("torrust-tracker-deployer {name}"))?;
    }
    std::path::absolute(&key)
        .map_err(|error| Error::new(Code::StorageFailed, format!("cannot find {}", key.display())).why(error))
}

fn own_templates(folder: &Path) -> Result<PathBuf> {
    let absolute = folder.canonicalize().map_err(|error| {
        Error::new(Code::StorageFailed, format!("cannot read the template folder {}", folder.display()))
            .why(error)
            .help(format!("see what is there: ls -ld {}", shown_path(folder)))
    })?;
    Templates::check_own(&absolute)?;
    Ok(absolute)
}

/// To standard output, or to a file that is not there yet: an example may have been edited.
fn write(path: Option<&Path>, json: serde_json::Value) -> super::Done {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let Some(path) = path else { return super::done(Document(json)) };
    let failed = |error: std::io::Error| {
        let error_of =
            Error::new(Code::StorageFailed, format!("cannot write {}", path.display())).why(&error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                error_of.help("choose another path, or remove the file first")
            }
            _ => error_of.help(format!("see who may write there: ls -ld {}", shown_path(path))),
        }
    };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(failed)?;
    writeln!(file, "{json:#}").map_err(failed)?;
    super::done(Written { path: path.to_owned() })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Document(serde_json::Value);

impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
fn not_json(error: serde_json::Error) -> Error {
    Error::new(Code::Internal, "the configuration cannot be written as JSON").why(error)
}
