//! The way out: without it clients of other networks get no answers, and the host no updates.

use std::net::IpAddr;

use super::{Line, Topic, Wanted};
use crate::commands::status::facts::Network;

/// A line about routes, and one about names.
pub fn judge(network: &Network, wanted: &Wanted) -> [Line; 2] {
    [route(network, wanted), names(network, wanted)]
}

fn route(network: &Network, wanted: &Wanted) -> Line {
    let ways = [("IPv4", network.route_v4), ("IPv6", network.route_v6)];
    let told: Vec<String> =
        ways.iter().filter_map(|(family, from)| Some(format!("{family} from {}", (*from)?))).collect();
    let seen = if told.is_empty() { "none".to_owned() } else { told.join(", ") };
    let line = Line::ok(Topic::Host, "route to other networks", seen);
    let lost = |address: &&IpAddr| ways[usize::from(address.is_ipv6())].1.is_none();
    match wanted.addresses.iter().find(lost) {
        Some(address) => {
            let (family, option) = if address.is_ipv6() { ("IPv6", "-6 ") } else { ("IPv4", "") };
            let (expected, help) =
                (format!("one over {family}"), wanted.on_host(&format!("ip {option}route")));
            // In a network of its own a host may do without.
            if is_private(*address) { line.warning(expected, help) } else { line.bad(expected, help) }
        }
        None if told.is_empty() => line.bad("one", wanted.on_host("ip route")),
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
    let that = |are_found: bool| {
        let names = network.names.iter().filter(|(_, address)| address.is_some() == are_found);
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (that(true), that(false)) {
        (found, lost) if found.is_empty() && lost.is_empty() => {
            line("apt's archives have no names".into()).skipped()
        }
        (found, lost) if lost.is_empty() => line(format!("{found} found")),
        (_, lost) => line(format!("{lost} not found"))
            .warning("the addresses of apt's archives", wanted.on_host("cat /etc/resolv.conf")),
    }
}
