//! Logins that a host refuses after it took the key, and sessions in which nothing runs: the messages are OpenSSH's and PAM's own.

use crate::host::{REGISTER, register_with};
use crate::world::World;

/// What `ssh` says, and the error's code, message and a part of its help for it.
fn refused(cases: &[(&str, &str, &str, &str)]) {
    for &(said, code, message, help) in cases {
        let refusal = register_with(said);
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), (code, message));
        assert!(refusal.causes.contains(said) && refusal.help.contains(help), "{refusal:?}");
    }
}

#[test]
fn a_host_that_takes_the_key_and_refuses_has_its_own_words() {
    let denied = "torrust@192.0.2.7: Permission denied (keyboard-interactive).";
    let partial = format!("Authenticated using \"publickey\" with partial success.\n{denied}");
    let cases = [
        (
            "Maintenance until noon.\nSystem is going down. Unprivileged users are not permitted to log in anymore.\nConnection closed by 192.0.2.7 port 22",
            "ssh_unreachable",
            "192.0.2.7 lets only root log in at present, not torrust",
            "/etc/nologin",
        ),
        (
            "Your account has expired; please contact your system administrator.\nConnection closed by 192.0.2.7 port 22",
            "ssh_auth",
            "the account torrust on 192.0.2.7 has expired",
            "chage --expiredate -1 --inactive -1 'torrust'",
        ),
        (
            &partial,
            "ssh_auth",
            "torrust@192.0.2.7 port 22 accepts the key and wants a second login method",
            "AuthenticationMethods publickey",
        ),
        (
            denied,
            "ssh_auth",
            "sshd on 192.0.2.7 port 22 accepts no keys for torrust",
            "PubkeyAuthentication yes",
        ),
    ];
    refused(&cases);
}

#[test]
fn a_host_that_closes_the_connection_is_no_unknown_failure() {
    let cases = [
        (
            "Connection closed by 192.0.2.7 port 22",
            "ssh_unreachable",
            "192.0.2.7 closes the connection while torrust logs in",
            "journalctl -u ssh",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.7 port 22",
            "ssh_unreachable",
            "192.0.2.7 closes connections on port 22 before any login",
            "wait a minute",
        ),
    ];
    refused(&cases);
}

#[test]
fn sessions_in_which_nothing_runs_are_explained() {
    let expired = "echo 'WARNING: Your password has expired.' >&2; echo 'Password change required but no TTY available.' >&2; exit 1";
    let cases = [
        (expired, "the password of torrust on 192.0.2.7 has expired", "chage --lastday"),
        (
            "exit 1",
            "torrust may log in on 192.0.2.7, but its login shell runs no commands",
            "usermod --shell /bin/bash 'torrust'",
        ),
        (
            "echo 'This account is currently not available.'; exit 1",
            "torrust may log in on 192.0.2.7, but its login shell runs no commands",
            "usermod --shell /bin/bash 'torrust'",
        ),
    ];
    for (ends, message, help) in cases {
        let world = World::with_tools();
        world.ok(&["create", "demo"]);
        let session = format!("*os-release*) {ends} ;;\n  *never*)");
        world.fake("ssh", &include_str!("fakes/ssh").replace("*os-release*)", &session));
        let refusal = world.refusal(REGISTER);
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("ssh_auth", message));
        assert!(!refusal.causes.is_empty() && refusal.help.contains(help), "{refusal:?}");
    }
}
