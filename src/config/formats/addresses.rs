//! Names and addresses of the network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Flaw, Verdict, flaw};

pub(super) fn check_bind_address(text: &str) -> Verdict {
    let Ok(address) = text.parse::<SocketAddr>() else {
        return flaw(
            format!("`{text}` is no address with a port"),
            "write IP:PORT, such as \"0.0.0.0:6969\"",
        );
    };
    if text.contains('%') {
        return flaw(
            "a zone after `%` is an interface of one machine, and the container that binds it has others",
            format!("write \"[::]:{}\"", address.port()),
        );
    }
    if address.port() == 0 {
        return flaw("port 0 means any free port: peers could not find it", "choose a port from 1 to 65535");
    }
    if !address.ip().is_unspecified() && !address.ip().is_loopback() {
        let any = if address.is_ipv4() { "0.0.0.0" } else { "[::]" };
        return flaw(
            format!("the container that binds it has no address {}", address.ip()),
            format!("write \"{any}:{}\"; the host publishes the port on all its addresses", address.port()),
        );
    }
    Ok(())
}

pub(super) fn check_host(text: &str) -> Verdict {
    let label_flaw = |label: &str| {
        if label.is_empty() {
            Some("a part between two dots is empty".to_owned())
        } else if label.len() > 63 {
            Some(format!("the part `{label}` is longer than 63 characters"))
        } else if label.starts_with('-') || label.ends_with('-') {
            Some(format!("the part `{label}` starts or ends with `-`"))
        } else {
            let stray = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-');
            stray.map(|c| format!("{c:?} is not allowed in it"))
        }
    };
    let broken = if text.is_empty() {
        Some("it is empty".to_owned())
    } else if text.ends_with('.') {
        Some("a dot is at its end".to_owned())
    } else if text.len() > 253 {
        Some("it is longer than 253 characters".to_owned())
    } else if text.rsplit('.').next().is_some_and(is_number) {
        Some("an address or number is no name".to_owned())
    } else {
        text.split('.').find_map(label_flaw)
    };
    match broken {
        Some(why) => flaw(format!("`{text}` is no DNS name: {why}"), host_fix(text)),
        None => Ok(()),
    }
}

/// Whether a resolver takes a name with this last part for an address: `127.1` and `0x7f000001` are some.
fn is_number(last: &str) -> bool {
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn host_fix(text: &str) -> String {
    if text.contains("://") || text.contains('/') {
        "write the name alone, without https:// and without a path".into()
    } else if text.contains(':') {
        "write the name alone; the port is part of bind_address".into()
    } else if !text.is_ascii() {
        "write it in its ASCII form (punycode, xn--…), as your registrar shows it".into()
    } else {
        "write a name such as tracker.example.com".into()
    }
}

/// A server's name or address: the stack's own, or one of the user's.
pub(super) fn check_database_host(text: &str) -> Verdict {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) if bare != text => {
            flaw("an IPv4 address has no brackets", format!("write \"{bare}\""))
        }
        Ok(ip) if ip.to_canonical().is_loopback() || ip.to_canonical().is_unspecified() => {
            own_container(text)
        }
        Ok(ip) if is_of_many(ip.to_canonical()) => flaw(
            format!("{ip} is no address of one server"),
            "write the server's DNS name, or an address that the host reaches it at",
        ),
        Ok(IpAddr::V6(ip)) if ip.is_unicast_link_local() => flaw(
            format!("{ip} is known on one network interface only, and the container has others"),
            "write the server's DNS name, or an address that routers pass on",
        ),
        Ok(_) => Ok(()),
        Err(_) if is_called_localhost(text) => own_container(text),
        Err(_) => check_host(text).map_err(|why| Flaw {
            what: why.what.replace("no DNS name", "no server's name or address"),
            fix: "write its DNS name or IP address alone; the port has a field of its own".into(),
        }),
    }
}

/// The value of an option that names a host by its address.
///
/// # Errors
/// It is no IP address, or not that of one host.
pub fn one_host(text: &str) -> Result<IpAddr, String> {
    let ip: IpAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is no IP address; type one such as 203.0.113.7 or 2001:db8::7"))?;
    if ip.to_canonical().is_unspecified() || is_of_many(ip.to_canonical()) {
        return Err(format!("{ip} is not the address of one host"));
    }
    Ok(ip)
}

/// Whether an address stands for many machines.
fn is_of_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// Whether no router passes it on: link-local, "this network" and what is reserved.
fn is_of_no_network(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.octets()[0] == 0 || ip.octets()[0] >= 240,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Whether every container takes that name for itself.
fn is_called_localhost(text: &str) -> bool {
    let name = text.to_ascii_lowercase();
    let names = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];
    names.contains(&name.as_str()) || name.ends_with(".localhost")
}

fn own_container(text: &str) -> Verdict {
    flaw(
        format!("in the tracker's container `{text}` is that container itself, where no server runs"),
        "write the server's DNS name, or an address that the host reaches it at",
    )
}

pub(super) fn check_external_ip(text: &str) -> Verdict {
    let unreachable =
        |ip: IpAddr| ip.is_unspecified() || ip.is_loopback() || is_of_many(ip) || is_of_no_network(ip);
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some_and(|ip| !unreachable(ip.into())) => flaw(
            format!("{ip} is an IPv4 address in the form of IPv6, which no peer can reach"),
            format!("write \"{}\"", IpAddr::V6(ip).to_canonical()),
        ),
        Ok(ip) if unreachable(ip.to_canonical()) => flaw(
            format!("{ip} is no address that a peer could reach"),
            "write the address that the network knows the host by, or remove the field",
        ),
        Ok(_) => Ok(()),
        Err(_) => flaw(
            format!("`{text}` is no IP address"),
            "write one such as \"203.0.113.7\" or \"2001:db8::7\", without a port",
        ),
    }
}
