//! `Bring the images`: the host pulls what it lacks, or is sent it. One session tells what the images are.

use std::time::Duration;

use super::host::{foreign, on_the_host};
use super::schema;
use crate::config::ImageSource;
use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Ran, Stream};
use crate::render::Templates;
use crate::services;
use crate::services::tracker::published;
use crate::store::Environment;
use crate::story::Work;
use crate::tools::docker::{self, docker};

/// How long the images, or a release that pulls some again, may take, over a slow line as well.
pub(super) const DEADLINE: Duration = Duration::from_hours(4);

/// An image on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// As the configuration names it.
    pub reference: String,
    /// Its id; `missing` where the host has none under that name.
    pub id: String,
    /// The digest by which a registry has it, as `NAME@sha256:…`; `-` where none is known to.
    digest: String,
    architecture: String,
    /// The same in every engine.
    print: String,
}

/// What `images.sh` is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Look,
    Pull,
    Refresh,
    Load,
}

/// What `images.sh` found in the tracker's image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The schema of its default configuration.
    pub default_file: Option<String>,
    /// Its version label.
    pub label: Option<String>,
}

/// What `images.sh` reported.
#[derive(Default)]
pub struct Told {
    /// The images that were asked for, in that order.
    pub images: Vec<Image>,
    /// The host's architecture.
    host: String,
    /// What is in the tracker's image, where that was not known yet.
    seen: Option<Seen>,
    /// What the registry was asked for.
    pulled: Vec<String>,
    /// The ids of earlier images, by the references that another image was brought for; `missing` where there was none.
    before: Vec<(String, String)>,
    /// The image that its registry did not give.
    unavailable: Option<String>,
    /// The environment whose release is on the host, when it is another one.
    foreign: Option<String>,
}

impl Image {
    fn read(line: &str) -> Self {
        let mut fields = line.splitn(5, ' ').map(str::to_owned);
        let mut field = |default: &str| fields.next().unwrap_or_else(|| default.to_owned());
        let (reference, id, digest) = (field(""), field("missing"), field("-"));
        Self { reference, id, digest, architecture: field(""), print: field("") }
    }

    /// Whether the host has it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.id != "missing"
    }

    /// As a release keeps it.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {} {}", self.reference, self.id, self.digest)
    }
}

impl Told {
    fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "image" => self.images.push(Image::read(rest)),
            "pulling" => self.pulled.push(rest.to_owned()),
            "schema" => {
                let (file, label) = rest.split_once(' ').unwrap_or((rest, "-"));
                let there = |word: &str| (word != "-").then(|| word.to_owned());
                self.seen = Some(Seen { default_file: there(file), label: there(label) });
            }
            "host" => rest.clone_into(&mut self.host),
            "before" => {
                self.before.extend(rest.split_once(' ').map(|(image, id)| (image.into(), id.into())));
            }
            "foreign" => self.foreign = Some(rest.to_owned()),
            "image-unavailable" => self.unavailable = Some(rest.to_owned()),
            _ => {}
        }
    }

    /// Takes over what was reported of images that were sent. What is known of the tracker's image on the host says nothing
    /// about one that replaces it.
    fn replace(&mut self, sent: Self, tracker: &str) {
        for image in sent.images {
            if image.reference == tracker {
                self.seen.clone_from(&sent.seen);
            }
            let old = self.images.iter_mut().filter(|old| old.reference == image.reference);
            old.for_each(|old| *old = image.clone());
        }
    }

    /// An image of another architecture would start, and fail with the kernel's words.
    fn check_architectures(&self) -> Result<()> {
        let host = match self.host.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let other = |image: &&Image| {
            let architecture = image.architecture.as_str();
            matches!(architecture, "amd64" | "arm64") && architecture != host
        };
        let Some(image) = self.images.iter().find(other) else { return Ok(()) };
        let what =
            format!("the image {} is for {}, and the host is {host}", image.reference, image.architecture);
        Err(Error::new(Code::HostUnsupported, what)
            .help(format!("name an image for {host} in the configuration's section images"))
            .help("or use another host"))
    }

    /// What was done to have the images there.
    fn note(&self, how: How) -> String {
        if how != How::Refresh {
            return if self.pulled.is_empty() {
                "the host has them".into()
            } else {
                format!("pulled {}", self.pulled.join(", "))
            };
        }
        let id = |reference: &str| {
            let found = self.images.iter().find(|image| image.reference == reference);
            found.map_or("", |image| image.id.as_str())
        };
        let newer: Vec<String> = self
            .before
            .iter()
            .map(|(image, before)| match before.as_str() {
                "missing" => format!("{image} pulled: {}", short(id(image))),
                before => format!("{image} changed: {} -> {}", short(before), short(id(image))),
            })
            .collect();
        match (&newer[..], &self.pulled[..]) {
            ([], []) => "all are named by a digest: nothing to ask for".into(),
            ([], _) => "asked the registry: no other images under these names".into(),
            (newer, _) => newer.join("; "),
        }
    }
}

/// An id as people compare it.
fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// The step: afterwards the host has every image, and it is known which ones.
pub fn bring(work: &mut Work) -> Result<String> {
    published::check_host(&work.env.tracker_reference(), work.env.host()?.architecture())?;
    // A secret that is not available must fail before an image is brought.
    work.revealed()?;
    let (told, note) = match work.env.config.images.source {
        ImageSource::Registry => pull(work)?,
        ImageSource::Local => send_lacking(work)?,
    };
    told.check_architectures()?;
    settle(work, &told)?;
    work.images = Some(told.images);
    Ok(note)
}

/// Notes which schema the tracker's image wants.
///
/// # Errors
/// As [`schema::settle`].
pub fn settle(work: &mut Work, told: &Told) -> Result<()> {
    let tracker = work.env.tracker_reference();
    let image = told.images.iter().find(|image| image.reference == tracker);
    let image = image.ok_or_else(|| Error::new(Code::Internal, "the tracker has no image"))?;
    if let Some(warning) = schema::settle(&mut work.env, image, told.seen.as_ref())? {
        work.app.out.warn(&warning);
    }
    Ok(())
}

fn pull(work: &mut Work) -> Result<(Told, String)> {
    let how = if work.env.pull { How::Refresh } else { How::Pull };
    let told = ask(work, how, &services::images(&work.env), None)?;
    let note = told.note(how);
    Ok((told, note))
}

/// Streams the images that the host lacks, or has otherwise, from the operator's own engine.
fn send_lacking(work: &mut Work) -> Result<(Told, String)> {
    let (mut told, lacking) = compare(work)?;
    let tracker = work.env.tracker_reference();
    for image in &lacking {
        work.app.out.doing(&format!("sending {image}"));
        let sent = ask(work, How::Load, std::slice::from_ref(image), Some(docker(["save", image])))?;
        told.replace(sent, &tracker);
    }
    let asked = if work.env.pull { "; no registry is asked, as images.source is \"local\"" } else { "" };
    let note = match &lacking[..] {
        [] if work.env.pull => "the host has those of the local Docker Engine".into(),
        [] => "the host has them".into(),
        lacking => format!("sent {}", lacking.join(", ")),
    };
    Ok((told, note + asked))
}

/// What the host has; and which of the images it lacks, where they are those of the operator's own engine, or has
/// otherwise. Nothing is brought.
///
/// # Errors
/// The host or the engine does not answer.
pub fn compare(work: &mut Work) -> Result<(Told, Vec<String>)> {
    let told = ask(work, How::Look, &services::images(&work.env), None)?;
    let is_there = |image: &Image| image.is_there();
    let missing = told.images.iter().filter(|image| !is_there(image)).map(|image| image.reference.clone());
    if work.env.config.images.source == ImageSource::Registry {
        let missing = missing.collect();
        return Ok((told, missing));
    }
    let names: Vec<&str> = told.images.iter().map(|image| image.reference.as_str()).collect();
    let here = docker::image_fingerprints(work.app.runner(), &names)?;
    let mut lacking = vec![];
    for (image, here) in told.images.iter().zip(here) {
        let here = here.ok_or_else(|| not_here(&image.reference))?;
        if here != image.print {
            lacking.push(image.reference.clone());
        }
    }
    Ok((told, lacking))
}

/// The images that the next release asks the registry for, although the host has them.
#[must_use]
pub fn pulled_again(env: &Environment, told: &Told) -> Vec<String> {
    if !env.pull || env.config.images.source == ImageSource::Local {
        return vec![];
    }
    let asked = told.images.iter().filter(|image| image.is_there() && !image.reference.contains('@'));
    asked.map(|image| image.reference.clone()).collect()
}

/// Has `images.sh` do it for these images.
fn ask(work: &mut Work, how: How, images: &[String], input: Option<Cmd>) -> Result<Told> {
    let script = Templates::of(&work.env)?.owner_script("images.sh")?;
    let tracker = work.env.tracker_reference();
    let known = work.env.tracker_image.as_ref().map_or("-".to_owned(), |known| known.id.clone());
    let environment = work.env.name.to_string();
    let mut args = vec![environment.as_str(), how.word(), &known, &tracker];
    args.extend(images.iter().map(String::as_str));
    let ssh = work.ssh()?;
    let mut cmd = ssh.root(&script, &args).deadline(DEADLINE);
    if let Some(input) = input {
        cmd = cmd.reading(input);
    }
    let mut told = Told::default();
    let runner = ssh.runner();
    let ran = runner.talk(&cmd, |stream, line, input| {
        input.close();
        if stream == Stream::Out {
            told.hear(line);
        }
        if line.starts_with("pulling ") || line.starts_with("waiting ") {
            runner.out.doing(line);
        }
        Ok(())
    })?;
    let ran = ssh.judge(ran)?;
    if let Some(other) = &told.foreign {
        return Err(foreign(other, ssh));
    }
    if ran.ok() && told.images.len() == images.len() {
        return Ok(told);
    }
    // What no registry gives must not be asked for by the next command, too.
    work.env.pull = false;
    Err(failed(how, &told, &ran, work.env.name.as_str()))
}

fn failed(how: How, told: &Told, ran: &Ran, name: &str) -> Error {
    let Some(image) = &told.unavailable else {
        return on_the_host(ran, "the host does not tell which images it has");
    };
    match how {
        How::Load => on_the_host(ran, &format!("the image {image} did not get onto the host")),
        How::Refresh => Error::new(
            Code::ImageUnavailable,
            format!("the host cannot pull the image {image} again"),
        )
        .why(ran.complaint())
        .help("does the host reach the registry? --pull asks it for every image")
        .help(format!(
            "without asking, the images that the host has stay: torrust-tracker-deployer deploy {name}"
        )),
        How::Look | How::Pull => not_pulled(image, ran),
    }
}

/// The host's registry did not give an image.
#[must_use]
pub fn not_pulled(image: &str, ran: &Ran) -> Error {
    Error::new(Code::ImageUnavailable, format!("the host cannot pull the image {image}"))
        .why(ran.complaint())
        .help("is the name right, and does the host reach the registry?")
        .help("without a registry: images.source = \"local\" sends the images from your own Docker Engine")
}

fn not_here(image: &str) -> Error {
    Error::new(
        Code::ImageUnavailable,
        format!("images.source is local, but the local Docker Engine has no image {image}"),
    )
    .help(format!("get it: docker pull {image}"))
    .help("or let the host pull it: images.source = \"registry\"")
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Pull => "pull",
            Self::Refresh => "refresh",
            Self::Load => "load",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Told {
        let mut told = Told::default();
        for line in lines {
            told.hear(line);
        }
        told
    }

    #[test]
    fn the_schema_of_an_image_is_not_that_of_the_one_it_replaces() {
        let on_host = || {
            told(&["image tracker sha256:1 - amd64 a", "image caddy sha256:2 - amd64 b", "schema 2.0.0 -"])
        };
        // The sent one is known already, so that nothing is asked of it.
        let mut seen = on_host();
        seen.replace(told(&["image tracker sha256:3 - amd64 c"]), "tracker");
        assert_eq!((seen.seen.as_ref(), seen.images[0].id.as_str()), (None, "sha256:3"));
        // Another image says nothing about the tracker's.
        let mut seen = on_host();
        seen.replace(told(&["image caddy sha256:4 - amd64 d"]), "tracker");
        assert_eq!(seen.seen.unwrap().default_file.as_deref(), Some("2.0.0"));
    }

    #[test]
    fn a_refresh_notes_what_changed_and_what_was_missing() {
        let image = "image a sha256:1 - amd64 x";
        for (lines, note) in [
            (&["pulling a", image][..], "asked the registry: no other images under these names"),
            (&["pulling a", "before a missing", image], "a pulled: 1"),
            (&["pulling a", "before a sha256:0", image], "a changed: 0 -> 1"),
            (&[image], "all are named by a digest: nothing to ask for"),
        ] {
            assert_eq!(told(lines).note(How::Refresh), note);
        }
    }
}
