//! `release`: the tracker's files and images on the host, in one SSH session. Nothing changed means nothing sent.

mod defaults;
mod difference;
pub mod host;
pub mod images;
pub mod schema;
pub mod upgrade;

use std::path::PathBuf;

use crate::app::App;
use crate::bundle::Bundle;
use crate::config::EnvironmentName;
use crate::digest::sha256;
use crate::error::{Code, Error, Result};
use crate::input;
use crate::render::Templates;
use crate::services::prometheus;
use crate::state::Stage;
use crate::store::Release;
use crate::story::{Phase, Step, Work};
use host::{Asked, converse, not_in_place};
use images::Image;

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
    #[arg(long, value_name = "TAG", value_parser = crate::config::tag)]
    image_tag: Option<String>,
    /// Pull images again whose tags may lead to other images by now
    #[arg(long, conflicts_with = "dry_run")]
    pull: bool,
    /// Do everything but the change, and print what would change
    #[arg(long)]
    dry_run: bool,
}

/// The steps of `release`.
pub const RELEASE: Phase = Phase {
    command: "release",
    reaches: Stage::Released,
    steps: &[
        Step { title: "Bring the images", run: images::bring },
        Step { title: "Render the files", run: render_files },
        Step { title: "Upgrade the database", run: upgrade::upgrade },
        Step { title: "Put the files on the host", run: put_files },
    ],
};

/// Releases.
pub fn run(app: &App, args: &Args) -> super::Done {
    let mut work = Work::begin(app, &args.name, "release", Stage::Configured)?;
    let (choices, tracker_image) = (work.env.choices.clone(), work.env.tracker_image.clone());
    choose(&mut work, args)?;
    work.env.pull |= args.pull;
    if args.dry_run {
        return super::done(difference::difference(&mut work)?);
    }
    if let Err(error) = work.walk(&[&RELEASE]) {
        // A tag that does not exist must not be in the way of the next release.
        if error.code() != Code::Interrupted {
            work.env.choices = choices;
            work.env.tracker_image = tracker_image;
            work.env.pull = false;
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
    let text = input::read_text(file).map_err(|error| {
        Error::new(Code::ConfigInvalid, format!("cannot read {}", file.display()))
            .why(error)
            .help("name a regular file, or \"generated\" for the one that the program makes")
    })?;
    text.parse::<toml::Table>().map_err(|error| {
        Error::new(Code::ConfigInvalid, format!("{} is no tracker configuration", file.display()))
            .why(error)
            .help("begin with the one that the program makes: torrust-tracker-deployer render --help")
    })?;
    if schema::of_toml(&text).is_none() {
        return Err(Error::new(
            Code::ConfigInvalid,
            format!("{} has no metadata.schema_version", file.display()),
        )
        .why("the tracker refuses a configuration without it")
        .help("name the schema that the file is written for: [metadata], schema_version = \"3.0.0\""));
    }
    work.env.choices.tracker_toml = Some(text);
    Ok(())
}

/// Renders everything, before a file on the host is touched.
fn render_files(work: &mut Work) -> Result<String> {
    if let Some(warning) = prometheus::warning(&work.env) {
        work.app.out.warn(&warning);
    }
    let bundle = Bundle::of(work.revealed()?)?;
    defaults::announce(work);
    let note = format!("{} files, {}", bundle.files.len(), schema::note(&work.env));
    work.bundle = Some(bundle);
    Ok(note)
}

fn bundle<'w>(work: &'w Work) -> Result<&'w Bundle> {
    work.bundle.as_ref().ok_or_else(|| Error::new(Code::Internal, "the files are not rendered yet"))
}

fn images<'w>(work: &'w Work) -> Result<&'w [Image]> {
    work.images.as_deref().ok_or_else(|| Error::new(Code::Internal, "the images are not brought yet"))
}

/// Puts the files there. What the release is made from is kept before it is on the host, so that none is ever without.
fn put_files(work: &mut Work) -> Result<String> {
    let script = Templates::of(&work.env)?.owner_script("release.sh")?;
    let (bundle, images) = (bundle(work)?.clone(), images(work)?.to_vec());
    let manifest = bundle.manifest();
    let mut release = Release::of(&work.env, sha256(&manifest)).with_secrets(&work.revealed()?.config);
    work.ssh()?;
    let (ssh, env, store) = work.parts()?;
    let stage = env.stage;
    let asked = Asked::of(ssh, &bundle, &images, env.config.images.source);
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
    env.pull = false;
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
