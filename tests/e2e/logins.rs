//! Logins that a real sshd with PAM refuses: each error has the host's own words and a command that corrects it.

use crate::desk::Desk;
use crate::host::{Host, eventually};

/// How a host refuses, and what is said of it.
struct Case<'a> {
    /// Typed on the host as root.
    refuse: &'a str,
    code: &'a str,
    /// Parts of the message and its causes, the host's words among them.
    says: &'a [&'a str],
    help: &'a str,
    /// Typed on the host as root: what the help says, where it is a command.
    correct: &'a str,
}

/// Settings of sshd in force from here on. It must not turn the test away for its many refused logins.
fn sshd(settings: &str) -> String {
    format!(
        "printf '%s\\n' 'PerSourcePenalties no' {settings} >/etc/ssh/sshd_config.d/00-test.conf && systemctl reset-failed ssh && systemctl restart ssh"
    )
}

/// Refuses in each way, and takes it back as the help says.
fn refused_and_corrected(cases: &[Case]) {
    let desk = Desk::new();
    let host = Host::pristine(&desk);
    desk.create(&desk.config());
    let listens = || host.succeeds("ss -Hltn sport = :22 | grep -q .");
    host.exec(&sshd(""));
    for Case { refuse, code, says, help, correct } in cases {
        host.exec(refuse);
        eventually("sshd listens", listens);
        let register = desk.run(&["register", &desk.name, "--instance-ip", &host.address]);
        register.fails(code).says(says).helps(help);
        assert!(desk.stored()["host"].is_null(), "{refuse}");
        host.exec(correct);
        eventually("sshd listens", listens);
    }
    desk.register(&host);
}

#[test]
fn accounts_that_may_not_log_in_are_quoted() {
    refused_and_corrected(&[
        Case {
            refuse: "echo 'Maintenance until noon.' >/etc/nologin",
            code: "ssh_unreachable",
            says: &["closes the connection while torrust logs in", "Maintenance until noon."],
            help: "sudo rm -f /etc/nologin",
            correct: "rm -f /etc/nologin /run/nologin",
        },
        Case {
            refuse: ": >/etc/nologin",
            code: "ssh_unreachable",
            says: &["while torrust logs in", "Connection closed by"],
            help: "sudo journalctl -u ssh -n 20",
            correct: "rm -f /etc/nologin",
        },
        Case {
            refuse: "chage --expiredate 2020-01-01 torrust",
            code: "ssh_auth",
            says: &["the account torrust on ", "Your account has expired; please contact"],
            help: "sudo chage --expiredate -1 --inactive -1 'torrust'",
            correct: "chage --expiredate -1 --inactive -1 'torrust'",
        },
        Case {
            refuse: "chage --lastday 2020-01-01 --maxdays 30 torrust",
            code: "ssh_auth",
            says: &["the password of torrust on ", "Your password has expired", "Password change required"],
            help: "sudo chage --lastday \"$(date +%F)\" --maxdays -1 'torrust'",
            correct: "chage --lastday \"$(date +%F)\" --maxdays -1 'torrust'",
        },
    ]);
}

#[test]
fn shells_that_run_nothing_and_second_factors_are_quoted() {
    let plain = sshd("");
    let two =
        sshd("'KbdInteractiveAuthentication yes' 'AuthenticationMethods publickey,keyboard-interactive'");
    let no_keys = sshd("'PubkeyAuthentication no'");
    refused_and_corrected(&[
        Case {
            refuse: "usermod --shell /bin/false torrust",
            code: "ssh_auth",
            says: &["torrust may log in on ", "but its login shell runs no commands"],
            help: "sudo usermod --shell /bin/bash 'torrust'",
            correct: "usermod --shell /bin/bash 'torrust'",
        },
        Case {
            refuse: "usermod --shell /usr/sbin/nologin torrust",
            code: "ssh_auth",
            says: &["its login shell runs no commands", "This account is currently not available."],
            help: "sudo usermod --shell /bin/bash 'torrust'",
            correct: "usermod --shell /bin/bash 'torrust'",
        },
        Case {
            refuse: &two,
            code: "ssh_auth",
            says: &["wants a second login method", "Authenticated using \"publickey\" with partial success"],
            help: "AuthenticationMethods publickey",
            correct: &plain,
        },
        Case {
            refuse: &no_keys,
            code: "ssh_auth",
            says: &["accepts no keys for torrust", "Permission denied (password)"],
            help: "PubkeyAuthentication yes",
            correct: &plain,
        },
    ]);
}
