//! `render`: everything that a deployment would use, as files in a folder. Nothing is asked, touched or stored.

mod place;

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::ArgGroup;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use self::place::Place;
use super::configure;
use super::release::schema;
use crate::app::App;
use crate::bundle::Bundle;
use crate::config::{EnvironmentName, formats};
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::providers;
use crate::render::{File, Templates};
use crate::services;
use crate::services::tracker::schema::{Found, Reason, Schema};
use crate::store::{Choices, Environment, Host, Origin};
use crate::tools::ssh::{Pin, Target};

/// The folders of a rendering; one whose service is not in the configuration is empty.
const GROUPS: [&str; 8] =
    ["tofu", "ansible", "docker-compose", "tracker", "prometheus", "grafana", "caddy", "backup"];

/// The scripts of `templates/host/` that the playbook `deploy.yml` runs on the host, as `release` and `run` do.
const SCRIPTS: [&str; 4] = ["images.sh", "owner.sh", "release.sh", "run.sh"];

/// Options of `render`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP, group = ArgGroup::new("what").args(["env_name", "file"]).required(true))]
pub struct Args {
    /// The environment's name
    #[arg(long, value_name = "ENV", value_parser = super::name)]
    env_name: Option<EnvironmentName>,
    /// A configuration file, of which nothing is stored; `-` is standard input
    #[arg(short, long, alias = "env-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The host's address in what is rendered; it is not contacted
    #[arg(long, value_name = "IP", value_parser = formats::one_host)]
    instance_ip: IpAddr,
    /// The folder for the files
    #[arg(long, value_name = "DIR")]
    output_dir: PathBuf,
    /// Replace what an earlier rendering left in that folder; what else is there stays
    #[arg(long)]
    force: bool,
}

const AFTER_HELP: &str = "\
The folder gets eight groups, with the bytes that provision, configure and release would use:
  tofu/             the host, for OpenTofu; empty for the provider docker, which needs none
  ansible/          configure.yml, and deploy.yml, which configures, releases and runs:
                    cd DIR/ansible && ansible-playbook -i inventory.yml deploy.yml
  docker-compose/   docker-compose.yml, its .env with the secrets, and what has no group of its own
  tracker/ prometheus/ grafana/ caddy/ backup/
                    each service's files; empty when the configuration is without it
With images.source \"local\" deploy.yml takes images that the host has: docker save IMAGE | ssh HOST sudo docker load";

#[derive(Serialize)]
struct Rendered {
    name: EnvironmentName,
    instance_ip: IpAddr,
    folder: PathBuf,
    /// The schema of the tracker's configuration file, as the file says it.
    tracker_schema: String,
    /// The schema that the image wants.
    image_schema: Schema,
    /// Why it is that one.
    tracker_schema_from: Reason,
    files: Vec<String>,
    #[serde(skip)]
    image: String,
}

impl Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, instance_ip, folder, files, .. } = self;
        writeln!(f, "{name} is rendered for {instance_ip}, in {}:", folder.display())?;
        for group in GROUPS {
            let count = files.iter().filter(|path| group_of(path) == Some(group)).count();
            writeln!(f, "  {:<16} {count} file{}", format!("{group}/"), if count == 1 { "" } else { "s" })?;
        }
        let (written, wanted, why) = (&self.tracker_schema, self.image_schema, self.why());
        if *written == wanted.to_string() {
            writeln!(f, "tracker.toml has schema {written}: {why}")?;
        } else {
            writeln!(
                f,
                "tracker.toml, or its template, is your own, and has schema {written}; wanted is {wanted}: {why}"
            )?;
        }
        let ansible = shown_path(&folder.join("ansible"));
        write!(f, "by hand: cd {ansible} && ansible-playbook -i inventory.yml deploy.yml")
    }
}

impl Rendered {
    fn why(&self) -> String {
        let image = &self.image;
        match self.tracker_schema_from {
            Reason::Configured => "tracker.schema says so".into(),
            Reason::Image(Found::Reference) => {
                format!(
                    "by the name of {image}, which has neither a default configuration nor a version label"
                )
            }
            Reason::Image(_) => format!("the host's image {image} wants it"),
            Reason::Reference => {
                format!("by the name of {image}; release asks the image itself, tracker.schema overrides it")
            }
        }
    }
}

/// Renders into the folder, all or nothing.
pub fn run(app: &App, args: &Args) -> super::Done {
    let env = environment(app, args)?;
    let place = Place::at(&args.output_dir, args.force)?;
    let files = artefacts(&app.reveal(&env)?)?;
    place.put(&files)?;
    let (image_schema, tracker_schema_from) = env.schema_and_reason();
    let toml = files.iter().find(|file| file.path == "tracker/etc/tracker.toml");
    let written = toml.and_then(|file| schema::of_toml(&String::from_utf8_lossy(&file.bytes)));
    super::done(Rendered {
        tracker_schema: written.unwrap_or_else(|| "unknown".into()),
        image_schema,
        tracker_schema_from,
        image: env.tracker_reference(),
        name: env.name,
        instance_ip: args.instance_ip,
        folder: args.output_dir.clone(),
        files: files.into_iter().map(|file| file.path).collect(),
    })
}

/// The stored environment, or what would be stored of the file; with a host at the given address.
fn environment(app: &App, args: &Args) -> Result<Environment> {
    let mut env = match (&args.env_name, &args.file) {
        (Some(name), _) => app.store.load(name)?,
        (None, Some(file)) => {
            let mut env = Environment::new(app.read_config(file)?, Choices::default());
            // The same file is to give the same bytes tomorrow: the host's mark is made of this time.
            env.created = Timestamp::UNIX_EPOCH;
            env
        }
        (None, None) => return Err(Error::new(Code::Usage, "render needs a name or a file")),
    };
    let port = env.host.as_ref().map_or(env.config.ssh_credentials.port, |host| host.port);
    let without_ipv6 = !env.has_ipv6();
    let host = Host::new(Origin::Registered, args.instance_ip.to_string(), port);
    env.host = Some(Host { without_ipv6, ..host });
    Ok(env)
}

/// All files, by their paths below the folder.
fn artefacts(env: &Environment) -> Result<Vec<File>> {
    let templates = Templates::of(env)?;
    let below = |group: &'static str| {
        move |file: File| File { path: format!("{group}/{}", file.path), bytes: file.bytes }
    };
    let mut files: Vec<File> = providers::files(env, &templates)?.into_iter().map(below("tofu")).collect();
    let bundle = Bundle::of(env)?;
    let mut ansible = configure::playbook(env, &templates, &by_hand(env)?, configure::Options::default())?;
    ansible.push(release(env, &bundle));
    for script in SCRIPTS {
        let bytes = templates.text(&format!("host/{script}"))?.into_bytes();
        ansible.push(File { path: format!("files/{script}"), bytes });
    }
    files.extend(ansible.into_iter().map(below("ansible")));
    files.extend(bundle.files.into_iter().map(|file| File { path: place_of(&file.path), bytes: file.bytes }));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The way to the host for somebody who works in the folder `ansible/`: the host's key is kept there at first contact,
/// and Ansible makes its connections as it likes.
fn by_hand(env: &Environment) -> Result<Target> {
    let (credentials, host) = (&env.config.ssh_credentials, env.host()?);
    Ok(Target {
        environment: env.name.to_string(),
        host: host.address.clone(),
        port: host.port,
        user: credentials.username.clone(),
        key: credentials.private_key_path.clone(),
        known_hosts: "known_hosts".into(),
        pin: Pin::default(),
        control: PathBuf::new(),
    })
}

/// What `deploy.yml` tells `release.sh`, and where the release's files lie.
fn release(env: &Environment, bundle: &Bundle) -> File {
    let from_ansible = |path: &String| (path.clone(), json!(format!("../{}", place_of(path))));
    let own = env.choices.tracker_toml.as_deref().and_then(schema::of_toml);
    let containers: Vec<&str> = bundle.containers().map(|container| container.name).collect();
    let release = json!({ "release": {
        "environment": env.name,
        "source": env.config.images.source,
        "tracker": env.tracker_reference(),
        // What images.sh need not look for: with tracker.schema the user's word holds.
        "known": if Schema::chosen(&env.config).is_some() { "any" } else { "-" },
        "schema": own.unwrap_or_else(|| env.schema().to_string()),
        "images": services::images(env),
        "containers": containers,
        "manifest": bundle.manifest().lines().collect::<Vec<_>>(),
        "files": bundle.files.iter().map(|file| from_ansible(&file.path)).collect::<serde_json::Map<_, _>>(),
    }});
    File { path: "release.json".into(), bytes: format!("{release:#}\n").into_bytes() }
}

/// Where a file of the host lies in a rendering: `GROUP/...` and `storage/GROUP/...` in the group, all others in
/// `docker-compose/`, which stands for `/opt/torrust`.
fn place_of(path: &str) -> String {
    let inner = path.strip_prefix("storage/").unwrap_or(path);
    if group_of(inner).is_some() { inner.to_owned() } else { format!("docker-compose/{path}") }
}

/// The group that a path begins with.
fn group_of(path: &str) -> Option<&'static str> {
    let first = Path::new(path).iter().next()?;
    GROUPS.into_iter().find(|group| *group == first)
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn a_file_lies_in_its_group_and_without_one_beside_the_compose_file() {
        for (path, place) in [
            ("storage/caddy/etc/Caddyfile", "caddy/etc/Caddyfile"),
            ("backup/backup.sh", "backup/backup.sh"),
            (".env", "docker-compose/.env"),
            ("storage/mysql/etc/my.cnf", "docker-compose/storage/mysql/etc/my.cnf"),
        ] {
            assert_eq!(place_of(path), place);
        }
    }
}
