//! Root's rights on the host: the user is root already, or `sudo` gives them without a question.

use std::fmt::Write as _;

use super::{Target, sh_quote};
use crate::error::{Code, Error};
use crate::process::Ran;

/// What the host's shell runs so that bash runs a script as root. A host where only root logs in may have no sudo.
/// What programs say must read the same on every host, whatever language the user speaks.
pub fn as_root(script: &str, args: &[&str]) -> String {
    let run = sh_quote(r#"[ "$(id -u)" != 0 ] || exec "$@"; exec sudo -n "$@""#);
    let mut remote =
        format!("LC_ALL=C sh -c {run} as-root env LC_ALL=C.UTF-8 bash -c {} deployer", sh_quote(script));
    for arg in args {
        let _ = write!(remote, " {}", sh_quote(arg));
    }
    remote
}

/// `sudo` warns on lines that begin alike, so its refusals are known by their words.
pub fn refuses(ran: &Ran) -> bool {
    const REFUSALS: [&str; 6] = [
        "must have a tty",
        "password is required",
        "terminal is required",
        "not allowed",
        "not in the sudoers",
        "may not run sudo",
    ];
    (ran.code == 1 && REFUSALS.iter().any(|words| ran.stderr.contains(words))) || is_missing(ran)
}

/// 127 is what the shell ends with when it finds no program of that name.
fn is_missing(ran: &Ran) -> bool {
    ran.code == 127 && ran.stderr.contains("sudo")
}

/// The error for a host on which sudo is missing, or refuses the user.
pub fn refused(target: &Target, ran: &Ran) -> Error {
    let Target { user, host, .. } = target;
    // sudo ignores files with a dot in their names, which a user's name may have.
    let file = "/etc/sudoers.d/torrust-tracker-deployer";
    let allow =
        format!("on the host, as root: echo '{user} ALL=(ALL) NOPASSWD:ALL' > {file} && chmod 440 {file}");
    if is_missing(ran) {
        return Error::new(
            Code::SudoRefused,
            format!("sudo is not installed on {host}, and {user} is not root"),
        )
        .why(&ran.stderr)
        .help("install it on the host, as root: apt-get update && apt-get install sudo")
        .help(allow)
        .help("or log in as root: \"ssh_credentials\": { \"username\": \"root\" }");
    }
    Error::new(Code::SudoRefused, format!("{user} may not become root on {host} by sudo"))
        .why(&ran.stderr)
        .help(allow)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Runs the line as a host's shell on which `id -u` prints this, and `sudo` says that it was called.
    fn on_a_host(uid: &str, with_sudo: bool) -> Ran {
        let folder = tempfile::tempdir().unwrap();
        let fake = |name: &str, script: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        fake("id", &format!("echo {uid}"));
        fake("env", "shift; exec \"$@\"");
        fake("sh", "exec /bin/sh \"$@\"");
        fake("bash", "exec /bin/sh \"$@\"");
        if with_sudo {
            fake("sudo", "echo sudo \"$1\"; shift; exec \"$@\"");
        }
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &as_root("printf '%s|' \"$0\" \"$@\"", &["a  b", "it's", ""])])
            .env("PATH", folder.path())
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            by_signal: false,
        }
    }

    #[test]
    fn root_needs_no_sudo_and_others_use_it() {
        assert_eq!(on_a_host("0", false).stdout, "deployer|a  b|it's||");
        assert_eq!(on_a_host("0", true).stdout, "deployer|a  b|it's||");
        assert_eq!(on_a_host("1000", true).stdout, "sudo -n\ndeployer|a  b|it's||");
    }

    #[test]
    fn a_missing_sudo_is_told_apart_from_one_that_refuses() {
        let missing = on_a_host("1000", false);
        assert!(refuses(&missing), "{missing:?}");
        let target = Target { user: "John.Doe".into(), ..Target::for_tests() };
        let error = refused(&target, &missing);
        assert_eq!(error.message(), "sudo is not installed on 192.0.2.7, and John.Doe is not root");
        assert!(error.helps().join("\n").contains("apt-get install sudo"), "{error:?}");
        let refusing = Ran { code: 1, stderr: "sudo: a password is required".into(), ..missing };
        let error = refused(&target, &refusing);
        assert_eq!(error.message(), "John.Doe may not become root on 192.0.2.7 by sudo");
        let help = error.helps().join("\n");
        assert!(
            help.contains("'John.Doe ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/torrust-tracker-deployer &&"),
            "{help}"
        );
        assert!(!help.contains("install"), "{help}");
    }
}
