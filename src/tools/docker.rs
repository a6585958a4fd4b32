//! The operator's own Docker Engine, by its command line.

use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Ran, Runner};

/// `docker` with these arguments.
#[must_use]
pub fn docker<A: Into<std::ffi::OsString>>(args: impl IntoIterator<Item = A>) -> Cmd {
    // The classic builder's output is lines; BuildKit, where it is installed, prints lines with this.
    Cmd::new("docker", args).env("BUILDKIT_PROGRESS", "plain")
}

/// Runs `docker`; an engine that does not answer is told apart from one that refuses us.
///
/// # Errors
/// `tool_missing`, `docker_unreachable`, `docker_permission`. Any other exit code is the caller's.
pub fn run(runner: Runner, cmd: &Cmd) -> Result<Ran> {
    judge(runner.run(cmd)?)
}

fn judge(ran: Ran) -> Result<Ran> {
    let said = &ran.stderr;
    if !ran.ok() && said.contains("permission denied") && said.contains("connect") {
        return Err(Error::new(Code::DockerPermission, "the Docker Engine's socket refuses this user")
            .why(ran.complaint())
            .help("join the group, then log in again: sudo usermod -aG docker $USER"));
    }
    let unreachable =
        ["Cannot connect to the Docker daemon", "error during connect", "failed to connect to the docker"];
    if !ran.ok() && unreachable.iter().any(|text| said.contains(text)) {
        return Err(Error::new(Code::DockerUnreachable, "no Docker Engine answers")
            .why(ran.complaint())
            .help("start it: sudo systemctl start docker")
            .help("or say where it is: export DOCKER_HOST=unix:///path/to/docker.sock"));
    }
    Ok(ran)
}

/// As [`run`] with its lines shown, and any other exit code than 0 is an error.
///
/// # Errors
/// As [`run`], and `code` with `what` when the command fails.
pub fn must(runner: Runner, cmd: &Cmd, code: Code, what: &str) -> Result<Ran> {
    let ran = judge(runner.talk(cmd, |_, line, input| {
        input.close();
        runner.out.doing(line);
        Ok(())
    })?)?;
    if ran.ok() { Ok(ran) } else { Err(Error::new(code, what).why(ran.complaint())) }
}

/// What tells two images apart whichever engine holds them: when it was made, and its layers.
pub const FINGERPRINT: &str = "{{.Created}} {{json .RootFS.Layers}}";

/// The fingerprint of an image that the engine has; nothing when it has not.
///
/// # Errors
/// As [`run`].
pub fn image_fingerprint(runner: Runner, image: &str) -> Result<Option<String>> {
    let ran = run(runner, &inspect(&[image]))?;
    Ok(ran.ok().then(|| ran.stdout.trim().to_owned()))
}

/// The same of several, in one call where none is missing.
///
/// # Errors
/// As [`image_fingerprint`].
pub fn image_fingerprints(runner: Runner, images: &[&str]) -> Result<Vec<Option<String>>> {
    let all = run(runner, &inspect(images))?;
    if all.ok() {
        return Ok(all.stdout.lines().map(|line| Some(line.to_owned())).collect());
    }
    images.iter().map(|image| image_fingerprint(runner, image)).collect()
}

fn inspect(images: &[&str]) -> Cmd {
    docker(["image", "inspect", "--format", FINGERPRINT].iter().chain(images).copied())
}

/// Gets an image that the engine lacks from its registry.
///
/// # Errors
/// `image_unavailable`, with the registry's words.
pub fn pull(runner: Runner, image: &str) -> Result<()> {
    let pulled = must(
        runner,
        &docker(["pull", image]),
        Code::ImageUnavailable,
        &format!("the image {image} cannot be had"),
    );
    pulled.map(|_| ()).map_err(|error| match error.code() {
        Code::ImageUnavailable => {
            error.help(format!("is the name right, is the registry reachable? try: docker pull {image}"))
        }
        _ => error,
    })
}
