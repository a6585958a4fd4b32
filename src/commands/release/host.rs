//! The conversation with `release.sh`, which puts releases in place, new ones and kept ones.

use std::path::Path;

use super::images::{DEADLINE, Image, not_pulled};
use crate::bundle::Bundle;
use crate::config::{EnvironmentName, ImageSource};
use crate::error::{Code, Error, Result};
use crate::output::shown_path;
use crate::process::{Input, Ran};
use crate::stack::{self, InTheWay};
use crate::tools::ssh::{Ssh, sh_quote};

/// What `release.sh` tells before it asks what to do.
#[derive(Default)]
pub struct Told {
    /// The number of the release in place; 0 when there is none.
    pub release: u64,
    /// Files that are not as they should be.
    pub changes: Vec<String>,
    /// Contents of the files on the host, for a comparison.
    pub contents: Vec<(String, String)>,
    /// The number of the new release.
    pub released: Option<u64>,
    /// The numbers of the releases that the host keeps, once there is a new one.
    pub kept: Vec<u64>,
    /// The checksum of the manifest of the release to be put back.
    pub manifest: Option<String>,
    /// The release to be put back is not kept.
    pub unknown: bool,
    /// The files are as they should be, but no release has them and these images on its list: the images are others, or
    /// an earlier call was cut off.
    unrecorded: bool,
    /// The files were being moved into place.
    pub installing: bool,
    /// The environment whose release is on the host, when it is another one.
    foreign: Option<String>,
    /// Files and folders that no release put in the place of the first one.
    theirs: Vec<String>,
    /// Files that somebody had changed, below the folder that has the copies.
    replaced: Vec<String>,
    /// Things of others that are in the way.
    in_the_way: Vec<InTheWay>,
    /// The image that cannot be had.
    pub unavailable: Option<String>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "release" => self.release = rest.parse().unwrap_or_default(),
            "missing" | "differs" => self.changes.push(rest.to_owned()),
            "content" => {
                self.contents.extend(rest.split_once(' ').map(|(path, text)| (path.into(), text.into())));
            }
            "released" => self.released = rest.parse().ok(),
            "kept" => self.kept.extend(rest.parse::<u64>()),
            "manifest" => self.manifest = Some(rest.to_owned()),
            "unknown" => self.unknown = true,
            "unrecorded" => self.unrecorded = true,
            "installing" => self.installing = true,
            "theirs" => self.theirs.push(rest.to_owned()),
            "replaced" => self.replaced.extend(
                rest.split_once(' ')
                    .map(|(number, path)| format!("/opt/torrust/releases/{number}/replaced/{path}")),
            ),
            "stranger" | "attached" => self.in_the_way.extend(InTheWay::read(line)),
            "foreign" => self.foreign = Some(rest.to_owned()),
            "image-unavailable" => self.unavailable = Some(rest.to_owned()),
            _ => {}
        }
    }

    /// Whether files, images and units are as they should be.
    #[must_use]
    pub fn nothing_to_do(&self) -> bool {
        self.changes.is_empty() && !self.unrecorded
    }
}

/// What `release.sh` is asked for: its arguments, and the manifest.
pub struct Asked {
    args: Vec<String>,
    manifest: String,
}

impl Asked {
    /// A new release, of these images and no others that have their names by then.
    #[must_use]
    pub fn of(ssh: &Ssh, bundle: &Bundle, images: &[Image], source: ImageSource) -> Self {
        let manifest = bundle.manifest();
        let lines = manifest.lines().count().to_string();
        let images = images.iter().map(Image::line);
        Self { args: begin(ssh, source).into_iter().chain([lines]).chain(images).collect(), manifest }
    }

    /// One that the host keeps; with files, its images with these in the place of its own.
    #[must_use]
    pub fn back(ssh: &Ssh, number: u64, source: ImageSource, files: Option<&Bundle>) -> Self {
        let manifest = files.map(Bundle::manifest);
        let lines = manifest.as_ref().map(|manifest| manifest.lines().count().to_string());
        let back = ["back".to_owned(), number.to_string()];
        let args = begin(ssh, source).into_iter().chain(back).chain(lines).collect();
        Self { args, manifest: manifest.unwrap_or_default() }
    }
}

fn begin(ssh: &Ssh, source: ImageSource) -> [String; 2] {
    let source = if source == ImageSource::Local { "local" } else { "registry" };
    [ssh.target.environment.clone(), source.to_owned()]
}

/// Talks to `release.sh`: `decide` answers when it is ready.
///
/// # Errors
/// The connection broke, the host is another environment's, or `decide` says so.
pub fn converse(
    ssh: &Ssh,
    script: &str,
    asked: &Asked,
    mut decide: impl FnMut(&Told, &mut Input) -> Result<()>,
) -> Result<(Told, Ran)> {
    let args: Vec<&str> = asked.args.iter().map(String::as_str).collect();
    let mut told = Told::default();
    let cmd = ssh.root(script, &args).input(asked.manifest.clone()).deadline(DEADLINE);
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
    for copy in &told.replaced {
        ssh.runner().out.warn(&format!(
            "a file of the release was changed on the host; the release's is in its place, the changed one is kept: {} {}",
            ssh.target.shown(),
            on_host(format!("sudo cat {}", shown_path(Path::new(copy))))
        ));
    }
    match &told.foreign {
        Some(other) => Err(foreign(other, ssh)),
        None if !told.theirs.is_empty() => Err(theirs(&told.theirs, ssh)),
        None if !told.in_the_way.is_empty() => Err(stack::refusal(&told.in_the_way)),
        None => Ok((told, ran)),
    }
}

/// A command as the last words of `ssh`: this machine's shell reads it, and then the host's.
fn on_host(command: String) -> String {
    if command.contains('\'') { sh_quote(&command) } else { command }
}

/// What is there may be the only copy.
fn theirs(paths: &[String], ssh: &Ssh) -> Error {
    let place = |path: &String| shown_path(&Path::new("/opt/torrust").join(path));
    let places = paths.iter().map(place).collect::<Vec<_>>().join(" ");
    let shown = ssh.target.shown();
    let moved = on_host(format!("sudo mv --backup=numbered {places} /opt/torrust.before/"));
    Error::new(
        Code::StateRefused,
        format!("the host's /opt/torrust has files that no release put there: {}", paths.join(", ")),
    )
    .why("a release would replace them or be mixed with them; nothing was changed")
    .help(format!("if nobody uses them, move them away: {shown} sudo mkdir /opt/torrust.before"))
    .help(format!("and: {shown} {moved}"))
    .help("or use another host")
}

/// Another environment has its release on the host.
#[must_use]
pub fn foreign(other: &str, ssh: &Ssh) -> Error {
    let host = &ssh.target.host;
    let error =
        Error::new(Code::StateRefused, format!("the host {host} has a release of the environment {other}"))
            .why("a second one would take its containers and its data over");
    // It goes into commands to type.
    let Ok(other) = other.parse::<EnvironmentName>() else { return error.help("use another host") };
    error
        .help(format!("use another host, or give it up first: torrust-tracker-deployer destroy {other}"))
        .help(format!("if {other} is no more: {} sudo rm /opt/torrust/environment", ssh.target.shown()))
}

/// Why a release did not come about, and what is on the host now.
#[must_use]
pub fn not_in_place(told: &Told, ran: &Ran) -> Error {
    if let Some(image) = &told.unavailable {
        return not_pulled(image, ran);
    }
    let what = match (told.installing, told.release) {
        (true, _) => "the release was not put in place whole".to_owned(),
        (false, 0) => "the release was not put in place; there was none before".to_owned(),
        (false, release) => format!("the release was not put in place; release {release} stays as it is"),
    };
    on_the_host(ran, &what)
}

/// A failure on the host; a full disk has a word of its own.
#[must_use]
pub fn on_the_host(ran: &Ran, message: &str) -> Error {
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
