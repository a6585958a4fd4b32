//! Why a connection was not to be had, from what `ssh` said: each cause with a message of its own.

use super::{CONNECT_SECONDS, Target};
use crate::error::{Code, Error};
use crate::output::shown_path;
use crate::process::Ran;

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
    // PAM's words, which the host sends as a banner before it closes the connection.
    Cause { says: &["Your account has expired"], tell: expired_account },
    Cause {
        says: &["not permitted to log in", "System is going down", "System is booting up"],
        tell: nobody_yet,
    },
    Cause { says: &["kex_exchange_identification"], tell: no_greeting },
    Cause { says: &["with partial success"], tell: second_factor },
    Cause { says: &["Permission denied", "Too many authentication failures"], tell: wrong_key },
    Cause { says: &["Connection refused"], tell: refused },
    Cause { says: &["timed out"], tell: silent },
    Cause { says: &["Could not resolve", "Name or service not known"], tell: unknown_name },
    Cause { says: &["No route to host", "Network is unreachable"], tell: no_route },
    Cause { says: &["Connection closed by", "Connection reset by"], tell: closed },
];

/// The error for what `ssh` said.
pub fn explain(target: &Target, said: &str) -> Error {
    let unknown_type = said.contains("host key is known for") && said.contains("strict checking");
    if said.contains("IDENTIFICATION HAS CHANGED") || unknown_type {
        let seen = said.lines().find(|line| line.contains("SHA256:")).unwrap_or_default();
        return changed_key(target, seen.trim().trim_end_matches('.'));
    }
    let said = &without_noise(said);
    let fits = |cause: &&Cause| cause.says.iter().any(|text| said.contains(text));
    let tell = CAUSES.iter().find(fits).map_or(other as fn(&Target) -> Told, |cause| cause.tell);
    let tell = if takes_no_keys(said) { no_keys } else { tell };
    let (code, what, help) = tell(target);
    Error::new(code, what)
        .why(said)
        .help(help)
        .help(format!("then repeat the command for {}", target.environment))
}

/// What `ssh` reports at its level VERBOSE about itself.
fn without_noise(said: &str) -> String {
    let noise = |line: &&str| line.starts_with("Warning: Permanently added");
    said.lines().filter(|line| !noise(line)).collect::<Vec<_>>().join("\n")
}

/// The methods that the host would accept are in the brackets of its refusal.
fn takes_no_keys(said: &str) -> bool {
    let methods = said.lines().find_map(|line| line.split_once("Permission denied (")?.1.split(')').next());
    methods.is_some_and(|methods| !methods.contains("publickey") && !said.contains("with partial success"))
}

/// A session that the host opened and ended without running anything in it.
pub fn of_session(target: &Target, ran: &Ran) -> Option<Error> {
    let Target { host, user, .. } = target;
    let (what, help) = if ran.stderr.contains("Password change required") {
        let lift = format!("sudo chage --lastday \"$(date +%F)\" --maxdays -1 '{user}'");
        (format!("the password of {user} on {host} has expired"), format!("on the host: {lift}"))
    } else if ran.code == 1 && ran.stdout.contains("This account is currently not available") {
        (no_shell(target), give_shell(user))
    } else {
        return None;
    };
    let said = format!("{}\n{}", ran.stdout.trim(), ran.stderr.trim());
    Some(Error::new(Code::SshAuth, what).why(said.trim()).help(help))
}

/// A session in which the first script printed nothing at all.
pub fn silent_session(target: &Target, ran: &Ran) -> Error {
    Error::new(Code::SshAuth, no_shell(target))
        .why(format!("a script there ended with exit code {} and printed nothing", ran.code))
        .help(give_shell(&target.user))
        .help("if its shell is one: see whether sshd has a ForceCommand: sudo sshd -T | grep -i forcecommand")
}

fn no_shell(Target { host, user, .. }: &Target) -> String {
    format!("{user} may log in on {host}, but its login shell runs no commands")
}

fn give_shell(user: &str) -> String {
    format!("on the host: sudo usermod --shell /bin/bash '{user}'; its present shell: getent passwd '{user}'")
}

fn expired_account(Target { host, user, .. }: &Target) -> Told {
    let help = format!(
        "on the host, if the account is to be used again: sudo chage --expiredate -1 --inactive -1 '{user}'"
    );
    (Code::SshAuth, format!("the account {user} on {host} has expired"), help)
}

/// A host that boots says the same, so the code is one that a new host is waited with.
fn nobody_yet(Target { host, user, .. }: &Target) -> Told {
    (
        Code::SshUnreachable,
        format!("{host} lets only root log in at present, not {user}"),
        "if it is not just starting or stopping: on the host, see why the file is there, then: sudo rm -f /etc/nologin /run/nologin"
            .to_owned(),
    )
}

/// sshd does so with who was refused several times, and with everybody while too many log in at once.
fn no_greeting(Target { host, port, .. }: &Target) -> Told {
    (
        Code::SshUnreachable,
        format!("{host} closes connections on port {port} before any login"),
        "after refused logins sshd turns an address away for a while: wait a minute\n\
         if it stays so, the host's log says why: sudo journalctl -u ssh -n 20"
            .to_owned(),
    )
}

/// PAM refuses so, with the text of /etc/nologin or, where it is empty and for /etc/security/access.conf, with none.
fn closed(Target { host, user, .. }: &Target) -> Told {
    (
        Code::SshUnreachable,
        format!("{host} closes the connection while {user} logs in"),
        "if the host has a file /etc/nologin that nobody needs: sudo rm -f /etc/nologin /run/nologin\n\
         if it has none, its log says why: sudo journalctl -u ssh -n 20"
            .to_owned(),
    )
}

fn second_factor(Target { host, port, user, .. }: &Target) -> Told {
    (
        Code::SshAuth,
        format!("{user}@{host} port {port} accepts the key and wants a second login method"),
        format!(
            "let the key suffice for this user, in /etc/ssh/sshd_config on the host: Match User {user}, then below it: \
             AuthenticationMethods publickey\nthen: sudo systemctl reload ssh"
        ),
    )
}

fn no_keys(Target { host, port, user, .. }: &Target) -> Told {
    (
        Code::SshAuth,
        format!("sshd on {host} port {port} accepts no keys for {user}"),
        "set PubkeyAuthentication yes in /etc/ssh/sshd_config on the host, then: sudo systemctl reload ssh"
            .to_owned(),
    )
}

fn wrong_key(target: &Target) -> Told {
    let Target { host, port, user, key, .. } = target;
    let public = shown_path(&key.with_added_extension("pub"));
    (
        Code::SshAuth,
        format!("{user}@{host} port {port} does not accept the key {}", key.display()),
        format!(
            "put the public key on the host: ssh-copy-id -i {public} -p {port} {}\nor, when the key has a passphrase: ssh-add {}\n\
             if neither is it, the host's log says why: sudo journalctl -u ssh -n 20",
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
