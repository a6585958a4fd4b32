//! The host's address: an IP address or a DNS name. Everything else that `ssh` accepts is pointed out.

use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use crate::config::{EnvironmentName, formats};
use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Runner};

/// How long `ssh` may take to read its configuration, which can run programs (`Match exec`).
const PATIENCE: Duration = Duration::from_secs(20);

/// The parts of what `ssh` accepts as a destination.
struct Parts<'a> {
    scheme: Option<&'a str>,
    user: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
}

/// Checks the text of `--instance-ip`. Whether a name is one that DNS knows is checked later, see [`refuse_alias`].
///
/// # Errors
/// What is too much in it, and what to type instead.
pub fn parse(text: &str) -> std::result::Result<String, String> {
    let parts = split(text);
    let host = checked(parts.host)?;
    let extras = [
        parts.scheme.map(|scheme| format!("the scheme `{scheme}://`")),
        parts.user.map(|user| format!("the user `{user}`")),
        parts.port.map(|port| format!("the port `{port}`")),
    ];
    let extras: Vec<String> = extras.into_iter().flatten().collect();
    if extras.is_empty() {
        return Ok(host);
    }
    let port = parts.port.map(|port| format!(" --ssh-port {port}")).unwrap_or_default();
    let user = parts.user.map(|user| {
        format!("; set the user in the configuration: \"ssh_credentials\": {{ \"username\": \"{user}\" }}")
    });
    let user = user.unwrap_or_default();
    Err(format!(
        "an IP address or a DNS name is expected, without {}; type: --instance-ip {host}{port}{user}",
        extras.join(" and ")
    ))
}

fn split(text: &str) -> Parts<'_> {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let rest = if scheme.is_some() { rest.split('/').next().unwrap_or_default() } else { rest };
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    // `user:password@` is a form of URLs: a password is not repeated.
    let user = user.and_then(|user| user.split(':').next());
    let number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if number(port) && (host.ends_with(']') || !host.contains(':')) => {
            (host, Some(port))
        }
        _ => (rest, None),
    };
    Parts { scheme, user, host, port }
}

/// The host alone: an IP address of one machine, or a word that can be a name.
fn checked(text: &str) -> std::result::Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return formats::one_host(bare).map(|_| bare.to_owned());
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if numeric || text.starts_with('-') || !text.chars().all(plain) {
        return Err(
            "it is neither an IP address nor a DNS name; type one such as 203.0.113.7, 2001:db8::7 or \
                    tracker.example.com"
                .into(),
        );
    }
    Ok(text.to_owned())
}

/// A name that only the user's SSH configuration knows would appear in announce URLs, and reach nothing there.
///
/// # Errors
/// The name is an alias, or no DNS name.
pub fn refuse_alias(runner: Runner, name: &EnvironmentName, host: &str, own_port: u16) -> Result<()> {
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let ran = runner.run(&Cmd::new("ssh", ["-G", "--", host]).deadline(PATIENCE))?;
    let setting = |key: &str| {
        ran.stdout
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(word, _)| *word == key)
            .map(|at| at.1)
    };
    let valid = formats::check("hostname", host);
    // A configuration that ssh cannot read is reported when it connects.
    let meant = setting("hostname").filter(|meant| ran.ok() && !meant.eq_ignore_ascii_case(host));
    let Some(meant) = meant else {
        return valid.map_err(|flaw| Error::new(Code::Usage, flaw.what).help(flaw.fix));
    };
    if valid.is_ok() && is_resolvable(host) {
        return Ok(());
    }
    let port = setting("port").filter(|port| *port != "22" && *port != own_port.to_string());
    let port = port.map(|port| format!(" --ssh-port {port}")).unwrap_or_default();
    let error =
        Error::new(Code::Usage, format!("`{host}` is an alias in your SSH configuration, not a DNS name"))
            .why(format!("ssh resolves it to {meant}"))
            .help(format!("torrust-tracker-deployer register {name} --instance-ip {meant}{port}"));
    let jumps =
        ["proxyjump", "proxycommand"].iter().any(|key| setting(key).is_some_and(|value| value != "none"));
    Err(if jumps {
        error.help(format!(
            "to keep its ProxyJump or ProxyCommand, name the address in that section of ~/.ssh/config: Host {host} {meant}"
        ))
    } else {
        error
    })
}

fn is_resolvable(name: &str) -> bool {
    (name, 22).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_taken() {
        for (text, host) in [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("tracker.example.com", "tracker.example.com"),
            ("server-1", "server-1"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(host), "{text}");
        }
    }

    #[test]
    fn user_scheme_and_port_are_pointed_out() {
        for (text, extras, typed) in [
            ("torrust@192.0.2.7", "the user `torrust`;", "--instance-ip 192.0.2.7; set the user"),
            (
                "ssh://192.0.2.7:22",
                "the scheme `ssh://` and the port `22`;",
                "--instance-ip 192.0.2.7 --ssh-port 22",
            ),
            (
                "ssh://a:secret@h.example/x",
                "the scheme `ssh://` and the user `a`;",
                "--instance-ip h.example; set",
            ),
            ("[2001:db8::7]:2222", "the port `2222`;", "--instance-ip 2001:db8::7 --ssh-port 2222"),
            ("tracker.example.com:22", "the port `22`;", "--instance-ip tracker.example.com --ssh-port 22"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(
                said.contains(extras) && said.contains(typed) && !said.contains("secret"),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn what_is_neither_address_nor_name_is_refused() {
        for text in [
            "",
            "-oProxyCommand=x",
            "192.0.2.700",
            "1234",
            "192.0.2.0/24",
            "a b",
            "fe80::1%eth0",
            "[192.0.2.7",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:0.0.0.0",
            "ssh://",
            "user@",
            "a;b",
            "host:port",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
