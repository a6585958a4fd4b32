//! The way out: without it clients of other networks get no answers, and the host no updates.

use std::net::IpAddr;

use super::{Line, Topic, Wanted};
use crate::commands::status::facts::Network;

/// Lines about routes, the firewall and names.
pub fn judge(network: &Network, wanted: &Wanted) -> Vec<Line> {
    let mut lines = vec![route(network, wanted)];
    lines.extend(wanted.firewall.then(|| firewall(network.firewall, wanted)));
    lines.push(names(network, wanted));
    lines
}

fn firewall(active: Option<bool>, wanted: &Wanted) -> Line {
    let line = |seen: &str| Line::ok(Topic::Host, "firewall", seen);
    let seen = match active {
        Some(true) => return line("ufw is active"),
        Some(false) => "ufw is inactive",
        None => "there is no ufw that answers",
    };
    line(seen).bad("an active one", wanted.typed("configure"))
}

fn route(network: &Network, wanted: &Wanted) -> Line {
    let told = [("IPv4", network.route_v4), ("IPv6", network.route_v6)]
        .into_iter()
        .filter_map(|(family, from)| Some(format!("{family} from {}", from?)))
        .collect::<Vec<_>>()
        .join(", ");
    let is_lost = |address: &&IpAddr| match address {
        IpAddr::V4(_) => network.route_v4.is_none(),
        IpAddr::V6(_) => network.route_v6.is_none(),
    };
    let has_none = told.is_empty();
    let seen = if has_none { "none".to_owned() } else { told };
    let line = Line::ok(Topic::Host, "route to other networks", seen);
    match wanted.addresses.iter().find(is_lost) {
        Some(address) => {
            let (family, option) = if address.is_ipv6() { ("IPv6", "-6 ") } else { ("IPv4", "") };
            let expected = format!("one over {family}");
            let help = wanted.on_host(&format!("ip {option}route"));
            // In a network of its own a host may do without.
            if is_private(*address) { line.warning(expected, help) } else { line.bad(expected, help) }
        }
        None if has_none => line.bad("one", wanted.on_host("ip route")),
        None => line,
    }
}

/// RFC 1918, RFC 4193, and addresses of a link or of the machine itself.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// A warning, as everywhere about DNS: what runs goes on, and some networks have none.
fn names(network: &Network, wanted: &Wanted) -> Line {
    let line = |seen: String| Line::ok(Topic::Host, "DNS on the host", seen);
    if network.names.is_empty() {
        return line("apt's archives have no names".into()).skipped();
    }
    let (found, lost): (Vec<_>, Vec<_>) = network.names.iter().partition(|(_, address)| address.is_some());
    let listed = |names: Vec<(&String, _)>| {
        names.into_iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if lost.is_empty() {
        return line(format!("{} found", listed(found)));
    }
    line(format!("{} not found", listed(lost)))
        .warning("the addresses of apt's archives", wanted.on_host("cat /etc/resolv.conf"))
}
