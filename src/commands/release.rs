//! `release`: the tracker's files and images on the host, in one SSH session. Nothing changed means nothing sent.

mod difference;

use std::path::PathBuf;

use crate::app::App;
use crate::bundle::Bundle;
use crate::config::{EnvironmentName, ImageSource};
use crate::error::{Code, Error, Result};
use crate::process::{Input, Ran, Runner};
use crate::render::Templates;
use crate::state::Stage;
use crate::story::{Phase, Step, Work};
use crate::tools::docker::{self, docker};
use crate::tools::ssh::Ssh;

/// Options of `release`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment's name
    #[arg(value_name = "ENV", value_parser = super::name)]
    name: EnvironmentName,
    /// Your own tracker.toml; kept for later releases, until "generated" is given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The tracker image's tag; kept for later releases, until "configured" is given
    #[arg(long, value_name = "TAG")]
    image_tag: Option<String>,
    /// Do everything but the change, and print what would change
    #[arg(long)]
    dry_run: bool,
}

/// The steps of `release`.
pub const RELEASE: Phase = Phase {
    command: "release",
    reaches: Stage::Released,
    steps: &[
        Step { title: "Render the files", run: render_files },
        Step { title: "Bring the images", run: bring_images },
        Step { title: "Put the files on the host", run: put_files },
    ],
};

/// Releases.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "release", Stage::Configured)?;
    let choices = work.env.choices.clone();
    choose(&mut work, args)?;
    if args.dry_run {
        return super::done(difference::difference(&mut work)?);
    }
    if let Err(error) = work.walk(&[&RELEASE]) {
        // A tag that does not exist must not be in the way of the next release.
        if error.code() != Code::Interrupted {
            work.env.choices = choices;
            work.save()?;
        }
        return Err(error);
    }
    let what =
        if work.changed { "is released" } else { "is released already: nothing changed, nothing sent" };
    let text = format!("{} {what}\nnext: torrust-tracker-deployer run {0}", args.name);
    super::done(super::Moved::new(&work, text))
}

/// Takes over the options that hold for later releases too.
fn choose(work: &mut Work, args: &Args) -> Result<()> {
    if let Some(tag) = &args.image_tag {
        work.env.choices.image_tag = (tag != "configured").then(|| tag.clone());
    }
    let Some(file) = &args.config else { return Ok(()) };
    if file.as_os_str() == "generated" {
        work.env.choices.tracker_toml = None;
        return Ok(());
    }
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::new(Code::ConfigInvalid, format!("cannot read {}", file.display()))
            .why(error)
            .help("name a file, or \"generated\" for the one that the program makes")
    })?;
    text.parse::<toml::Table>().map_err(|error| {
        Error::new(Code::ConfigInvalid, format!("{} is no tracker configuration", file.display()))
            .why(error)
            .help("begin with the one that the program makes: torrust-tracker-deployer render --help")
    })?;
    work.env.choices.tracker_toml = Some(text);
    Ok(())
}

/// Renders everything, before anything is touched.
fn render_files(work: &mut Work) -> Result<String> {
    let bundle = Bundle::of(work.revealed()?)?;
    let note = format!("{} files", bundle.files.len());
    work.bundle = Some(bundle);
    Ok(note)
}

fn bundle<'w>(work: &'w Work) -> Result<&'w Bundle> {
    work.bundle.as_ref().ok_or_else(|| Error::new(Code::Internal, "the files are not rendered yet"))
}

/// Streams the images that the host lacks from the operator's own engine, when the configuration says so.
fn bring_images(work: &mut Work) -> Result<String> {
    if work.env.config.images.source == ImageSource::Registry {
        return Ok("the host pulls what it lacks".into());
    }
    let lacking = lacking_images(work)?;
    if lacking.is_empty() {
        return Ok("the host has them".into());
    }
    // A container of the old image may run: should we be killed now, run must follow again.
    work.env.stage = work.env.stage.min(Stage::Configured);
    work.save()?;
    work.changed = true;
    for image in &lacking {
        send_image(work.app.runner(), work.ssh()?, image)?;
    }
    Ok(format!("sent {}", lacking.join(", ")))
}

/// The images of the operator's own engine that the host has not, or has otherwise.
fn lacking_images(work: &mut Work) -> Result<Vec<String>> {
    let images: Vec<String> = bundle(work)?.images().into_iter().map(str::to_owned).collect();
    let script = format!(
        "for image in \"$@\"; do print=$(docker image inspect --format '{}' \"$image\" 2>/dev/null) || print=missing; echo \"$print\"; done",
        docker::FINGERPRINT
    );
    let args: Vec<&str> = images.iter().map(String::as_str).collect();
    let there = work.ssh()?.run_root(&script, &args)?;
    if !there.ok() || there.stdout.lines().count() != images.len() {
        return Err(on_the_host(&there, "the host does not tell which images it has"));
    }
    let mut lacking = vec![];
    for (image, on_host) in images.into_iter().zip(there.stdout.lines()) {
        let here = docker::image_fingerprint(work.app.runner(), &image)?.ok_or_else(|| not_here(&image))?;
        if here != on_host {
            lacking.push(image);
        }
    }
    Ok(lacking)
}

fn not_here(image: &str) -> Error {
    Error::new(
        Code::ImageUnavailable,
        format!("images.source is local, but the local Docker Engine has no image {image}"),
    )
    .help(format!("get it: docker pull {image}"))
    .help("or let the host pull it: images.source = \"registry\"")
}

fn send_image(runner: Runner, ssh: &Ssh, image: &str) -> Result<()> {
    runner.out.doing(&format!("sending {image}"));
    let load = ssh.root("docker load --quiet", &[]).reading(docker(["save", image]));
    let ran = ssh.judge(runner.run(&load)?)?;
    if ran.ok() {
        return Ok(());
    }
    Err(on_the_host(&ran, &format!("the image {image} did not get onto the host")))
}

/// What `release.sh` tells before it asks what to do.
#[derive(Default)]
struct Told {
    release: String,
    /// Files that are not as they should be.
    changes: Vec<String>,
    /// Images that the host lacks.
    images: Vec<String>,
    /// Contents of the files on the host, for a comparison.
    contents: Vec<(String, String)>,
    /// The number of the new release.
    released: Option<String>,
    /// The files are as they should be, but no release has them on its list: an earlier call was cut off.
    unrecorded: bool,
    /// The files were being moved into place.
    installing: bool,
    /// The environment whose release is on the host, when it is another one.
    foreign: Option<String>,
    unavailable: Option<String>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "release" => rest.clone_into(&mut self.release),
            "missing" | "differs" => self.changes.push(rest.to_owned()),
            "image" => self.images.extend(rest.strip_suffix(" missing").map(str::to_owned)),
            "content" => {
                self.contents.extend(rest.split_once(' ').map(|(path, text)| (path.into(), text.into())));
            }
            "released" => self.released = Some(rest.to_owned()),
            "unrecorded" => self.unrecorded = true,
            "installing" => self.installing = true,
            "foreign" => self.foreign = Some(rest.to_owned()),
            "image-unavailable" => self.unavailable = Some(rest.to_owned()),
            _ => {}
        }
    }

    fn nothing_to_do(&self) -> bool {
        self.changes.is_empty() && self.images.is_empty() && !self.unrecorded
    }
}

/// Talks to `release.sh`: `decide` answers when it is ready.
fn converse(
    ssh: &Ssh,
    bundle: &Bundle,
    script: &str,
    source: ImageSource,
    mut decide: impl FnMut(&Told, &mut Input) -> Result<()>,
) -> Result<(Told, Ran)> {
    let manifest = bundle.manifest();
    let lines = manifest.lines().count().to_string();
    let source = if source == ImageSource::Local { "local" } else { "registry" };
    let mut args = vec![ssh.target.environment.as_str(), source, &lines];
    args.extend(bundle.images());
    let mut told = Told::default();
    let cmd = ssh.root(script, &args).input(manifest);
    let ran = ssh.runner().talk(&cmd, |_, line, input| {
        told.hear(line);
        if line == "ready" {
            return decide(&told, input);
        }
        if line.starts_with("pulling ") || line.starts_with("waiting ") {
            ssh.runner().out.doing(line);
        }
        Ok(())
    })?;
    let ran = ssh.judge(ran)?;
    match &told.foreign {
        Some(other) => Err(foreign(other, ssh)),
        None => Ok((told, ran)),
    }
}

fn foreign(other: &str, ssh: &Ssh) -> Error {
    let host = &ssh.target.host;
    Error::new(Code::StateRefused, format!("the host {host} has a release of the environment {other}"))
        .why("a second one would take its containers and its data over")
        .help(format!("use another host, or give it up first: torrust-tracker-deployer destroy {other}"))
        .help(format!("if {other} is no more: {} sudo rm /opt/torrust/environment", ssh.target.shown()))
}

fn put_files(work: &mut Work) -> Result<String> {
    let script = Templates::of(&work.env)?.text("host/release.sh")?;
    let source = work.env.config.images.source;
    let bundle = bundle(work)?.clone();
    work.ssh()?;
    let (ssh, env, store) = work.parts()?;
    let stage = env.stage;
    let (told, ran) = converse(ssh, &bundle, &script, source, |told, input| {
        if told.nothing_to_do() {
            input.send("stop\n");
        } else {
            // From here on the host is not what it was: should we be killed now, run must follow again.
            env.stage = env.stage.min(Stage::Configured);
            store.save(env)?;
            input.send("apply\n");
            input.send(bundle.tar(&told.changes)?);
        }
        input.close();
        Ok(())
    })?;
    if !ran.ok() && !told.installing {
        // The script came to its end before it moved a file: what was in place still is.
        env.stage = stage;
    }
    if !ran.ok() {
        return Err(not_in_place(&told, &ran));
    }
    if told.nothing_to_do() {
        return Ok(format!("release {} is in place, nothing sent", told.release));
    }
    work.changed = true;
    Ok(format!("release {}: sent {}", told.released.unwrap_or_default(), list(&told.changes)))
}

/// Why a release did not come about, and what is on the host now.
fn not_in_place(told: &Told, ran: &Ran) -> Error {
    if let Some(image) = &told.unavailable {
        return Error::new(Code::ImageUnavailable, format!("the host cannot pull the image {image}"))
            .why(ran.complaint())
            .help("is the name right, and does the host reach the registry?")
            .help(
                "without a registry: images.source = \"local\" sends the images from your own Docker Engine",
            );
    }
    let what = match (told.installing, told.release.as_str()) {
        (true, _) => "the release was not put in place whole".to_owned(),
        (false, "0") => "the release was not put in place; there was none before".to_owned(),
        (false, release) => format!("the release was not put in place; release {release} stays as it is"),
    };
    on_the_host(ran, &what)
}

fn list(paths: &[String]) -> String {
    if paths.is_empty() { "no files".into() } else { paths.join(", ") }
}

/// A failure on the host; a full disk has a word of its own.
fn on_the_host(ran: &Ran, message: &str) -> Error {
    let full =
        ran.stderr.contains("No space left on device") || ran.stderr.contains("no space left on device");
    if full {
        return Error::new(Code::HostDiskFull, format!("the host's disk is full: {message}"))
            .why(ran.complaint())
            .help("make room on the host (what fills it: sudo du -xh / --max-depth 2 | sort -h | tail), then repeat the command");
    }
    Error::new(Code::ReleaseFailed, message)
        .why(ran.complaint())
        .help("mend the cause, then repeat the command")
}
