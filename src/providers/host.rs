//! The first look at a host, whoever made it: does it answer, and can a tracker live there?

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::keys;
use crate::error::{Code, Error, Result};
use crate::process::Ran;
use crate::render;
use crate::services::tracker::published;
use crate::state::Stage;
use crate::store::Environment;
use crate::story::Work;
use crate::tools::ssh;

/// How long a new host may take to answer, unless the user says otherwise.
const SSH_DEADLINE: Duration = Duration::from_mins(5);
/// How long its first start may take after that; cloud images may bring updates.
const CLOUD_INIT_DEADLINE: Duration = Duration::from_mins(10);
/// Images, releases and a young database need this much, in KiB.
const DISK_NEEDED: u64 = 2 * 1024 * 1024;

/// Waits until SSH answers; for a host that was just made a refused connection is no failure yet.
///
/// # Errors
/// As [`ssh::Ssh::connect`], the last one seen when the deadline passes.
pub fn wait_for_ssh(work: &mut Work) -> Result<String> {
    wait(work, &[Code::SshUnreachable])
}

/// As [`wait_for_ssh`]; a host at its first start may answer before cloud-init has made the user.
///
/// # Errors
/// As [`wait_for_ssh`].
pub fn wait_for_first_ssh(work: &mut Work) -> Result<String> {
    wait(work, &[Code::SshUnreachable, Code::SshAuth])
}

/// Waits while the failure is one of these, which a host in the making has.
fn wait(work: &mut Work, passing: &[Code]) -> Result<String> {
    let started = Instant::now();
    let deadline = work.options.provision.ssh_timeout.map_or(SSH_DEADLINE, Duration::from_secs);
    loop {
        match work.ssh().map(|_| ()) {
            Ok(()) => return remember_host_key(work),
            Err(error) if !passing.contains(&error.code()) => return Err(error),
            Err(error) if started.elapsed() > deadline => return Err(gave_up(&error, deadline)),
            Err(error) => work.app.out.doing(error.message()),
        }
        work.app.runner().pause(Duration::from_millis(200))?;
    }
}

/// What would help with a host that is there for long does not help with a new one, which is about to be removed again.
fn gave_up(error: &Error, deadline: Duration) -> Error {
    let seconds = deadline.as_secs();
    let given_up = Error::new(error.code(), format!("the new host cannot be reached: {error}"));
    error.causes().iter().fold(given_up, Error::why).why(format!("waited {seconds} s")).help(
        "look at it from its provider's side: provision with --keep-on-failure; or give it more time: --ssh-timeout SECONDS",
    )
}

/// Shows the host key and keeps it: from the first contact on it must stay the same.
pub fn remember_host_key(work: &mut Work) -> Result<String> {
    let key = work.ssh()?.target.pin.key.clone();
    let fingerprint = ssh::fingerprint(&key);
    if let Some(host) = work.host_mut() {
        host.host_key.clone_from(&fingerprint);
        host.public_key = key;
    }
    Ok(format!("host key {fingerprint}"))
}

/// A new host has a new host key; and whatever an earlier one held is gone with it.
///
/// # Errors
/// When the state cannot be saved.
pub fn forget_earlier(work: &mut Work) -> Result<()> {
    work.app.forget_host_key(&work.env.name);
    work.env.host = None;
    work.env.stage = Stage::Created;
    // What was on it is gone with it.
    (work.env.release, work.env.healthy) = (None, None);
    work.app.store.forget_releases_but(&work.env.name, &[])?;
    work.save()
}

/// The user's public key, which a new host gets.
///
/// # Errors
/// The file cannot be read, or is not that of the private key: no one could log in to the new host.
pub fn public_key(env: &Environment) -> Result<String> {
    let path = &env.config.ssh_credentials.public_key_path;
    keys::check_pair(&env.config.ssh_credentials.private_key_path, path)?;
    let key = crate::input::read_text(path).map_err(|error| {
        Error::new(Code::ConfigInvalid, format!("cannot read {}", path.display())).why(error).help(
            "put the public key back; it is made from the private one with: ssh-keygen -y -f PRIVATE_KEY",
        )
    })?;
    Ok(key.trim().to_owned())
}

/// Waits until cloud-init has come to its end on the host.
///
/// # Errors
/// `provider_failed` with what cloud-init says went wrong; `timed_out`.
pub fn wait_for_cloud_init(work: &mut Work) -> Result<String> {
    let script = render::Templates::of(&work.env)?.text("host/cloud-init.sh")?;
    let runner = work.app.runner();
    let deadline = work.options.provision.cloud_init_timeout.map_or(CLOUD_INIT_DEADLINE, Duration::from_secs);
    let ssh = work.ssh()?;
    let (mut end, mut at) = (None, "its start".to_owned());
    let ran = runner.talk(&ssh.root(&script, &[]).deadline(deadline), |_, line, input| {
        input.close();
        match line.split_once('=') {
            Some(("stage", stage)) => {
                runner.out.doing(&format!("cloud-init is in {stage}"));
                stage.clone_into(&mut at);
            }
            Some(("end", state)) => end = Some(state.to_owned()),
            _ => {}
        }
        Ok(())
    });
    let ran = ran.map_err(|error| match error.code() {
        Code::TimedOut => endless_cloud_init(&at, deadline),
        _ => error,
    })?;
    let ran = ssh.judge(ran)?;
    match end.as_deref() {
        Some("absent") => Ok("not installed on this host".into()),
        Some(state) if ran.ok() => Ok(state.to_owned()),
        _ => Err(cloud_init_failed(&ran)),
    }
}

fn endless_cloud_init(stage: &str, deadline: Duration) -> Error {
    let seconds = deadline.as_secs();
    Error::new(
        Code::TimedOut,
        format!("cloud-init has not come to its end within {seconds} s; it is in {stage}"),
    )
    .help("look at the host: provision with --keep-on-failure, then there: sudo cloud-init status --long")
}

fn cloud_init_failed(ran: &Ran) -> Error {
    let said = ran.stdout.lines().filter_map(|line| line.strip_prefix("error="));
    let error = Error::new(Code::ProviderFailed, "cloud-init failed at the host's first start");
    let said: Vec<&str> = said.collect();
    let error =
        if said.is_empty() { error.why(ran.complaint()) } else { said.iter().fold(error, Error::why) };
    error.help("look at the host: provision with --keep-on-failure, then there: sudo cat /var/log/cloud-init-output.log")
}

/// Looks at operating system, architecture, disk and sudo, and refuses what cannot work.
///
/// # Errors
/// `sudo_refused`, `host_unsupported`, `host_disk_full`.
pub fn inspect(work: &mut Work) -> Result<String> {
    let script = render::Templates::of(&work.env)?.text("host/inspect.sh")?;
    let session = work.ssh()?;
    let ran = session.run_root(&script, &[])?;
    if !ran.ok() && ran.stdout.is_empty() && ran.stderr.trim().is_empty() {
        return Err(ssh::silent_session(&session.target, &ran));
    }
    if !ran.ok() {
        return Err(Error::new(Code::HostUnsupported, "the host does not answer the first questions")
            .why(ran.complaint()));
    }
    let facts: HashMap<&str, &str> = ran.stdout.lines().filter_map(|line| line.split_once('=')).collect();
    let fact = |name: &str| facts.get(name).copied().unwrap_or_default();
    let system = check_system(fact("os"), fact("version"), fact("arch"))?;
    published::check_host(&work.env.tracker_reference(), fact("arch"))?;
    check_disk(fact("disk_free_kib"))?;
    if let Some(host) = work.host_mut() {
        host.system.clone_from(&system);
        host.without_ipv6 = fact("ipv6_in_kernel") == "no";
        if host.address_v6.is_none() {
            host.address_v6 = Some(fact("ipv6").to_owned()).filter(|address| !address.is_empty());
        }
    }
    let free = fact("disk_free_kib").parse::<u64>().unwrap_or_default() / 1024 / 1024;
    let rights = if fact("sudo") == "no" { "logged in as root" } else { "sudo works" };
    Ok(format!("{system}, {free} GiB free, {rights}"))
}

fn check_system(os: &str, version: &str, arch: &str) -> Result<String> {
    let system = format!("{os} {version} {arch}");
    if !matches!((os, version), ("debian", "12" | "13") | ("ubuntu", "24.04")) {
        return Err(Error::new(
            Code::HostUnsupported,
            format!("the host runs {os} {version}, which is not supported"),
        )
        .help("use a host with Debian 12, Debian 13 or Ubuntu 24.04"));
    }
    if !matches!(arch, "x86_64" | "aarch64") {
        return Err(Error::new(
            Code::HostUnsupported,
            format!("the host's CPU architecture {arch} is not supported"),
        )
        .help("use a host with x86_64 or arm64"));
    }
    Ok(system)
}

fn check_disk(free_kib: &str) -> Result<()> {
    let Ok(free) = free_kib.parse::<u64>() else {
        return Err(Error::new(Code::HostUnsupported, "the host does not say how much disk is free")
            .help("look on the host: df -Pk /var/lib /opt"));
    };
    if free >= DISK_NEEDED {
        return Ok(());
    }
    let needed = DISK_NEEDED / 1024;
    Err(Error::new(
        Code::HostDiskFull,
        format!("the host has {} MiB of disk free and needs {needed} MiB", free / 1024),
    )
    .help("make room on the host; what fills it: sudo du -xh / --max-depth 2 | sort -h | tail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supported_systems_pass() {
        for (os, version, arch) in
            [("debian", "12", "x86_64"), ("debian", "13", "aarch64"), ("ubuntu", "24.04", "x86_64")]
        {
            assert!(check_system(os, version, arch).is_ok(), "{os} {version} {arch}");
        }
    }

    #[test]
    fn another_system_another_architecture_and_a_full_disk_are_three_errors() {
        let fedora = check_system("fedora", "43", "x86_64").unwrap_err();
        assert_eq!(fedora.message(), "the host runs fedora 43, which is not supported");
        let old = check_system("debian", "12", "i686").unwrap_err();
        assert_eq!(old.message(), "the host's CPU architecture i686 is not supported");
        let full = check_disk("1024").unwrap_err();
        assert_eq!(
            (full.code(), full.message()),
            (Code::HostDiskFull, "the host has 1 MiB of disk free and needs 2048 MiB")
        );
    }
}
