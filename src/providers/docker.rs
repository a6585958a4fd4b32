//! The embedded default: a system container (systemd, sshd, Docker inside) on the operator's own Docker Engine.
//!
//! What it makes carries the label [`OWNER`] with the environment's folder, so that it removes exactly its own.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Extent, host};
use crate::config::{Docker, Provider};
use crate::digest::sha256;
use crate::error::{Code, Error, Result};
use crate::render;
use crate::state::Stage;
use crate::store::{Host, Origin};
use crate::story::{Step, Work};
use crate::tools::docker::{self, docker};

/// Makes the host.
pub const STEPS: &[Step] = &[
    Step { title: "Look for the Docker Engine", run: find_engine_and_ask },
    Step { title: "Build the host's image", run: build_image },
    Step { title: "Create the network and the host", run: create_host },
    Step { title: "Wait for SSH", run: host::wait_for_ssh },
    Step { title: "Look at the host", run: host::inspect },
];

/// How long something may take to be found that the engine says is there already.
const LATE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const ROUND: Duration = Duration::from_millis(500);

/// The label of everything we make in the engine.
const OWNER: &str = "org.torrust.deployer.environment";

/// The options of `docker run`; the file says what each is for.
const RUN_OPTIONS: &str = "docker/run.options";

/// The engine's version.
///
/// # Errors
/// As [`docker::must`].
pub fn find_engine(work: &mut Work) -> Result<String> {
    let version = docker(["version", "--format", "{{.Server.Version}}"]);
    let ran = docker::must(
        work.app.runner(),
        &version,
        Code::DockerUnreachable,
        "the Docker Engine gives no version",
    )?;
    Ok(format!("Docker Engine {}", ran.stdout.trim()))
}

fn find_engine_and_ask(work: &mut Work) -> Result<String> {
    let engine = find_engine(work)?;
    // A host that exists already is only looked after.
    if work.env.host.is_none() {
        work.approve(&format!("Make the host {} with the provider docker?", instance(work)))?;
    }
    Ok(engine)
}

fn build_image(work: &mut Work) -> Result<String> {
    let runner = work.app.runner();
    let (image, context) = host_image(work)?;
    if docker::image_fingerprint(runner, &image)?.is_some() {
        return Ok(format!("{image} is there"));
    }
    let base = provider(work)?.base_image.clone();
    if docker::image_fingerprint(runner, &base)?.is_none() {
        docker::pull(runner, &base)?;
    }
    let folder = work.app.build_folder(&work.env.name).join("docker");
    render::write(&folder, &context)?;
    let argument = format!("BASE_IMAGE={base}");
    let args = ["build", "--build-arg", &argument, "-t", &image].map(Into::into);
    let build = docker(args.into_iter().chain([folder.into_os_string()]));
    let what = format!("the host's image cannot be built on {base}");
    docker::must(runner, &build, Code::ImageUnavailable, &what).map_err(|error| {
        error.help("the base must be Debian 12, Debian 13 or Ubuntu 24.04 and reach its package archive")
    })?;
    Ok(format!("{image} from {base}"))
}

/// The build context, and the image's name: the same context on the same base is the same image, for all environments.
fn host_image(work: &Work) -> Result<(String, Vec<render::File>)> {
    let context = render::Templates::of(&work.env)?.folder("docker", &Value::Null)?;
    let mut all = provider(work)?.base_image.clone().into_bytes();
    for file in &context {
        all.extend_from_slice(file.path.as_bytes());
        all.extend_from_slice(&file.bytes);
    }
    Ok((format!("torrust-tracker-deployer/host:{}", &sha256(all)[..12]), context))
}

/// What a call that was killed had begun goes on in the engine, and may be there before ours is: then it is found.
fn create_host(work: &mut Work) -> Result<String> {
    let until = Instant::now() + LATE;
    loop {
        match find_or_make(work) {
            Err(error) if is_there_already(&error) && Instant::now() < until => thread::sleep(ROUND),
            made => return made,
        }
    }
}

fn is_there_already(error: &Error) -> bool {
    let said = |text| error.causes().iter().any(|cause| cause.contains(text));
    said("already exists") || said("is already in use by container")
}

fn find_or_make(work: &mut Work) -> Result<String> {
    let (name, owner) = (instance(work), owner(work)?);
    let there = inspect(work, "container", &name)?;
    let made = if let Some(container) = there {
        check_owner(&container["Config"]["Labels"], &owner, "container", &name)?;
        let start = docker(["start", &name]);
        docker::must(
            work.app.runner(),
            &start,
            Code::ProviderFailed,
            &format!("the container {name} does not start"),
        )?;
        "found"
    } else {
        let network = create_network(work, &owner)?;
        create_storage(work, &owner)?;
        if work.env.stage > Stage::Created {
            work.app.out.warn(&format!("the host of {} is gone; making a new one", work.env.name));
        }
        host::forget_earlier(work)?;
        run_container(work, &name, &network, &owner)?;
        "created"
    };
    let host = read_host(work, &name)?;
    let note = format!("{made} {name}, {}", host.addresses_shown());
    work.env.host = Some(host);
    work.save()?;
    Ok(note)
}

/// The network's name: the user's own, or one made for this environment.
fn create_network(work: &mut Work, owner: &str) -> Result<String> {
    if let Some(network) = &provider(work)?.network {
        return Ok(network.clone());
    }
    let name = instance(work);
    if let Some(network) = inspect(work, "network", &name)? {
        check_owner(&network["Labels"], owner, "network", &name)?;
        return Ok(name);
    }
    let (label, subnet) = (format!("{OWNER}={owner}"), ipv6_subnet(owner));
    let create = docker(["network", "create", "--ipv6", "--subnet", &subnet, "--label", &label, &name]);
    docker::must(
        work.app.runner(),
        &create,
        Code::ProviderFailed,
        &format!("the network {name} cannot be created"),
    )?;
    work.made.push(format!("network {name}"));
    Ok(name)
}

/// The volume for the tracker's data, which an earlier host of this environment may have left.
fn create_storage(work: &mut Work, owner: &str) -> Result<()> {
    let name = storage(&instance(work));
    if let Some(volume) = inspect(work, "volume", &name)? {
        return check_owner(&volume["Labels"], owner, "volume", &name);
    }
    let create = docker(["volume", "create", "--label", &format!("{OWNER}={owner}"), &name]);
    let what = format!("the volume {name} cannot be created");
    docker::must(work.app.runner(), &create, Code::ProviderFailed, &what)?;
    work.made.push(format!("volume {name}"));
    Ok(())
}

/// A unique local prefix (RFC 4193) of the environment's own.
fn ipv6_subnet(owner: &str) -> String {
    let id = sha256(owner);
    format!("fd{}:{}:{}:1::/64", &id[..2], &id[2..6], &id[6..10])
}

fn run_container(work: &mut Work, name: &str, network: &str, owner: &str) -> Result<()> {
    let (user, key) = (&work.env.config.ssh_credentials.username, host::public_key(&work.env)?);
    let (image, _) = host_image(work)?;
    let options = render::Templates::of(&work.env)?.text(RUN_OPTIONS)?;
    let mut args: Vec<String> = ["run", "--detach"].map(Into::into).into();
    args.extend(options.lines().filter(|line| line.starts_with("--")).map(Into::into));
    args.extend(["--name", name, "--hostname", name, "--network", network].map(Into::into));
    args.extend(["--label".into(), format!("{OWNER}={owner}")]);
    args.push(format!("--volume={}:/opt/torrust/storage", storage(name)));
    args.push(format!("--env=DEPLOYER_USER={user}"));
    args.push(format!("--env=DEPLOYER_PUBLIC_KEY={key}"));
    args.push(image);
    // Made even when it does not start.
    work.made.push(format!("container {name}"));
    docker::must(
        work.app.runner(),
        &docker(args),
        Code::ProviderFailed,
        &format!("the container {name} does not start"),
    )?;
    Ok(())
}

fn read_host(work: &Work, name: &str) -> Result<Host> {
    let gone =
        || Error::new(Code::ProviderFailed, format!("the container {name} is not there after its start"));
    let container = inspect(work, "container", name)?.ok_or_else(gone)?;
    let networks = container["NetworkSettings"]["Networks"].as_object();
    let network = networks.and_then(|networks| networks.values().next()).unwrap_or(&Value::Null);
    let text = |field: &str| network[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let Some(address) = text("IPAddress") else {
        let logs = docker::run(work.app.runner(), &docker(["logs", "--tail", "10", name]))?;
        return Err(Error::new(
            Code::ProviderFailed,
            format!("the container {name} has no address: it does not run"),
        )
        .why(logs.complaint()));
    };
    // sshd in the container listens on 22, whatever port other hosts of this user may have.
    let before = work.env.host.as_ref().filter(|host| host.address == address);
    let host = Host { address_v6: text("GlobalIPv6Address"), ..Host::new(Origin::Created, address, 22) };
    Ok(host.known(before))
}

/// Removes the container, its network and its storage, as far as `extent` goes. See [`super::remove`].
pub fn remove(work: &mut Work, extent: Extent) -> Result<Vec<String>> {
    let (name, owner) = (instance(work), owner(work)?);
    let mut removed = vec![];
    for (kind, target, args) in [
        ("container", name.clone(), vec!["rm", "--force", "--volumes"]),
        ("network", name.clone(), vec!["network", "rm"]),
        ("volume", storage(&name), vec!["volume", "rm"]),
    ] {
        let thing = format!("{kind} {target}");
        if extent == Extent::MadeNow && !work.made.contains(&thing) {
            continue;
        }
        let Some(found) = inspect(work, kind, &target)? else { continue };
        let labels = if kind == "container" { &found["Config"]["Labels"] } else { &found["Labels"] };
        if labels[OWNER] != owner.as_str() {
            leave_alone(work, &thing, &labels[OWNER])?;
            continue;
        }
        if kind == "volume" && extent == Extent::AllButData {
            work.app.out.note(&format!("kept: the {thing} with the tracker's data"));
            continue;
        }
        let rm = docker(args.into_iter().chain([target.as_str()]));
        let what = format!("the {thing} cannot be removed and remains");
        docker::must(work.app.runner(), &rm, Code::ProviderFailed, &what)?;
        removed.push(thing);
    }
    Ok(removed)
}

/// Somebody else's thing of the same name. When this environment had a host, it is more likely its own under an
/// earlier path, and passing over it would leave it behind unsaid.
fn leave_alone(work: &Work, thing: &str, label: &Value) -> Result<()> {
    let whose = label.as_str().unwrap_or("nobody");
    if work.env.host.is_none() {
        work.app.out.note(&format!("left alone: the {thing}, which is of {whose}"));
        return Ok(());
    }
    Err(Error::new(Code::ProviderFailed, format!("the {thing} is labelled as one of {whose}"))
        .why("it was not made from this folder: was the folder moved, or does another one use the same name?")
        .help("put the folder back, or remove the thing yourself with docker"))
}

/// What the engine knows about a thing; nothing when it has none of that name.
fn inspect(work: &Work, kind: &str, name: &str) -> Result<Option<Value>> {
    let ran = docker::run(work.app.runner(), &docker([kind, "inspect", name]))?;
    let failed = |why: String| {
        Error::new(Code::ProviderFailed, format!("the {kind} {name} cannot be looked at")).why(why)
    };
    if !ran.ok() {
        let said = ran.stderr.to_lowercase();
        let absent = said.contains("no such") || said.contains("not found");
        return if absent { Ok(None) } else { Err(failed(ran.complaint())) };
    }
    let found: Vec<Value> = serde_json::from_str(&ran.stdout).map_err(|error| failed(error.to_string()))?;
    Ok(found.into_iter().next())
}

fn check_owner(labels: &Value, owner: &str, kind: &str, name: &str) -> Result<()> {
    if labels[OWNER] == owner {
        return Ok(());
    }
    Err(Error::new(
        Code::ProviderFailed,
        format!("there is a {kind} {name} that this environment did not make"),
    )
    .help("choose another environment.instance_name")
    .help(format!("or look at it: docker {kind} inspect {name}")))
}

fn provider<'w>(work: &'w Work) -> Result<&'w Docker> {
    match &work.env.config.provider {
        Provider::Docker(provider) => Ok(provider),
        _ => Err(Error::new(Code::Internal, "not an environment of the provider docker")),
    }
}

fn instance(work: &Work) -> String {
    work.env.config.instance_name()
}

fn storage(name: &str) -> String {
    format!("{name}-storage")
}

/// Two working directories may have an environment of the same name: the folder tells them apart.
fn owner(work: &Work) -> Result<String> {
    let folder = work.app.store.folder(&work.env.name);
    let folder = Path::new(&folder).canonicalize();
    folder.map(|folder| folder.display().to_string()).map_err(|error| {
        Error::new(Code::StorageFailed, "the environment's folder cannot be found").why(error)
    })
}
