//! Why a connection was not to be had, from what `ssh` said: each cause with a message of its own.

use super::{CONNECT_SECONDS, Target};
use crate::error::{Code, Error};
use crate::output::shown_path;

/// An error's word, what happened, and what to do about it.
type Told = (Code, String, String);

/// A cause, by the words of `ssh` that give it away.
struct Cause {
    says: &'static [&'static str],
    tell: fn(&Target) -> Told,
}

/// The first that fits counts.
const CAUSES: &[Cause] = &[
    // A key that was passed over ends in "Permission denied" too.
    Cause { says: &["UNPROTECTED PRIVATE KEY", "bad permissions"], tell: open_key },
    Cause { says: &["Load key"], tell: unusable_key },
    Cause { says: &["Permission denied", "Too many authentication failures"], tell: wrong_key },
    Cause { says: &["Connection refused"], tell: refused },
    Cause { says: &["timed out"], tell: silent },
    Cause { says: &["Could not resolve", "Name or service not known"], tell: unknown_name },
    Cause { says: &["No route to host", "Network is unreachable"], tell: no_route },
];

/// The error for what `ssh` said.
pub fn explain(target: &Target, said: &str) -> Error {
    let unknown_type = said.contains("host key is known for") && said.contains("strict checking");
    if said.contains("IDENTIFICATION HAS CHANGED") || unknown_type {
        let seen = said.lines().find(|line| line.contains("SHA256:")).unwrap_or_default();
        return changed_key(target, seen.trim().trim_end_matches('.'));
    }
    let fits = |cause: &&Cause| cause.says.iter().any(|text| said.contains(text));
    let tell = CAUSES.iter().find(fits).map_or(other as fn(&Target) -> Told, |cause| cause.tell);
    let (code, what, help) = tell(target);
    Error::new(code, what)
        .why(said)
        .help(help)
        .help(format!("then repeat the command for {}", target.environment))
}

fn wrong_key(target: &Target) -> Told {
    let Target { host, port, user, key, .. } = target;
    let public = shown_path(&key.with_added_extension("pub"));
    (
        Code::SshAuth,
        format!("{user}@{host} port {port} does not accept the key {}", key.display()),
        format!(
            "put the public key on the host: ssh-copy-id -i {public} -p {port} {}\nor, when the key has a passphrase: ssh-add {}",
            target.destination(),
            shown_path(key)
        ),
    )
}

fn open_key(Target { key, .. }: &Target) -> Told {
    let close = format!("close it to others: chmod 600 {}", shown_path(key));
    (Code::SshAuth, format!("ssh refuses the key {}: others may read it", key.display()), close)
}

fn unusable_key(Target { key, .. }: &Target) -> Told {
    let look = format!("see whether it is a whole private key: ssh-keygen -y -f {}", shown_path(key));
    (Code::SshAuth, format!("the key {} cannot be used", key.display()), look)
}

fn refused(Target { host, port, .. }: &Target) -> Told {
    (
        Code::SshUnreachable,
        format!("{host} refuses connections on port {port}"),
        "nothing listens there: is sshd running, and is it that port (--ssh-port)?".to_owned(),
    )
}

fn silent(Target { host, port, .. }: &Target) -> Told {
    (
        Code::SshUnreachable,
        format!("{host} port {port} did not answer within {CONNECT_SECONDS} s"),
        "is the host up, is the address right, does a firewall in between drop the packets?".to_owned(),
    )
}

fn unknown_name(Target { host, .. }: &Target) -> Told {
    (
        Code::SshUnreachable,
        format!("the name {host} is unknown to DNS"),
        "check the name, or use the address".to_owned(),
    )
}

fn no_route(Target { host, .. }: &Target) -> Told {
    (
        Code::SshUnreachable,
        format!("there is no way from here to {host}"),
        "is this machine online, and is the address right?".to_owned(),
    )
}

fn other(target: &Target) -> Told {
    let Target { host, port, user, .. } = target;
    (
        Code::SshUnreachable,
        format!("no SSH connection to {user}@{host} port {port}"),
        format!("try it by hand: {}", target.shown()),
    )
}

/// The host shows another key, of this fingerprint, than the stored one.
pub fn changed_key(target: &Target, seen: &str) -> Error {
    let Target { host, environment, pin, .. } = target;
    let message = format!("{host} shows another host key than at first contact; nothing was sent");
    let seen = if seen.is_empty() { "a key of another type" } else { seen };
    let error = Error::new(Code::HostKeyChanged, message).why(format!("it shows {seen}"));
    let error = if pin.fingerprint.is_empty() {
        error
    } else {
        error.why(format!("the stored one is {}", pin.fingerprint))
    };
    error
        .help(
            "somebody may stand in between: compare with what the host itself says: \
             ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        )
        .help(format!(
            "only when you know why it changed (the host was reinstalled): torrust-tracker-deployer trust {environment}"
        ))
}
