//! `release`: the tracker's files and images on the host, in one SSH session. Nothing changed means nothing sent.

mod difference;
pub mod host;

use std::path::PathBuf;

use crate::app::App;
use crate::bundle::Bundle;
use crate::config::{EnvironmentName, ImageSource};
use crate::digest::sha256;
use crate::error::{Code, Error, Result};
use crate::process::Runner;
use crate::render::Templates;
use crate::state::Stage;
use crate::store::Release;
use crate::story::{Phase, Step, Work};
use crate::tools::docker::{self, docker};
use crate::tools::ssh::Ssh;
use host::{Asked, converse, not_in_place, on_the_host};

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
        "all=$(docker image inspect --format '{0}' \"$@\" 2>/dev/null) && echo \"$all\" && exit; \
         for image in \"$@\"; do print=$(docker image inspect --format '{0}' \"$image\" 2>/dev/null) || print=missing; echo \"$print\"; done",
        docker::FINGERPRINT
    );
    let args: Vec<&str> = images.iter().map(String::as_str).collect();
    let there = work.ssh()?.run_root(&script, &args)?;
    if !there.ok() || there.stdout.lines().count() != images.len() {
        return Err(on_the_host(&there, "the host does not tell which images it has"));
    }
    let here = docker::image_fingerprints(work.app.runner(), &args)?;
    let mut lacking = vec![];
    for ((image, here), on_host) in images.iter().zip(here).zip(there.stdout.lines()) {
        let here = here.ok_or_else(|| not_here(image))?;
        if here != on_host {
            lacking.push(image.clone());
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

/// Puts the files there. What the release is made from is kept before it is on the host, so that none is ever without.
fn put_files(work: &mut Work) -> Result<String> {
    let script = Templates::of(&work.env)?.text("host/release.sh")?;
    let bundle = bundle(work)?.clone();
    let manifest = bundle.manifest();
    let mut release = Release::of(&work.env, sha256(&manifest));
    work.ssh()?;
    let (ssh, env, store) = work.parts()?;
    let stage = env.stage;
    let asked = Asked::of(ssh, &bundle, env.config.images.source);
    let (told, ran) = converse(ssh, &script, &asked, |told, input| {
        if told.nothing_to_do() {
            input.send("stop\n");
        } else {
            release.number = told.release + 1;
            store.keep_release(&env.name, &release)?;
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
    let Some(number) = told.released else {
        env.release = Some(told.release);
        store.know_release(&env.name, Release { number: told.release, ..release })?;
        return Ok(format!("release {} is in place, nothing sent", told.release));
    };
    env.release = Some(number);
    store.forget_releases_but(&env.name, &told.kept)?;
    work.changed = true;
    Ok(format!("release {number}: sent {}", list(&told.changes)))
}

fn list(paths: &[String]) -> String {
    if paths.is_empty() { "no files".into() } else { paths.join(", ") }
}
