//! The rules about the tracker's settings: what needs what, and which numbers do not go together.

use super::super::Images;
use super::super::problems::Report;
use super::address;
use crate::services::tracker::schema::Schema;

/// Every rule about the settings; each notes what it finds.
pub const RULES: &[fn(&mut Report)] = &[
    what_needs_a_database,
    keys_need_a_private_tracker,
    lists_need_the_api,
    intervals_fit,
    connection_ids_last,
    tls_proxy_is_a_reverse_proxy,
    panels_have_their_figures,
    private_trackers_have_no_udp,
    clients_reach_the_trackers,
    schema_is_that_of_the_image,
];

const CORE: &str = "tracker.core";

fn is_null(report: &Report, path: &str) -> bool {
    report.document.find(path).is_some_and(|value| value.as_null_keyword().is_some())
}

fn number(report: &Report, path: &str) -> Option<u64> {
    report.document.find(path)?.as_number_lit()?.value.parse().ok()
}

fn what_needs_a_database(report: &mut Report) {
    if !is_null(report, "tracker.core.database") {
        return;
    }
    for (field, why) in [
        ("listed", "the whitelist is kept in the database, and there is none"),
        ("private", "the keys are kept in the database, and there is none"),
        (
            "tracker_policy.persistent_torrent_completed_stat",
            "completed downloads are counted in the database, and there is none",
        ),
    ] {
        let path = format!("{CORE}.{field}");
        if report.document.is_true(&path) {
            report.error(&path, why, "set it to false, or give tracker.core.database");
        }
    }
}

fn keys_need_a_private_tracker(report: &mut Report) {
    let path = "tracker.core.private_mode.check_keys_expiration";
    if report.document.has(path) && !report.document.is_true("tracker.core.private") {
        report.error(
            path,
            "only a private tracker has keys, and the tracker refuses to start with this otherwise",
            "remove `private_mode`, or set \"private\": true",
        );
    }
}

/// The API is the only door to the keys and to the whitelist.
fn lists_need_the_api(report: &mut Report) {
    let path = "tracker.http_api";
    if !is_null(report, path) {
        return;
    }
    for (field, what) in [
        ("private", "without the API no key can be made: nobody new may announce"),
        ("listed", "without the API no torrent can be listed: only those in the database are served"),
    ] {
        if report.document.is_true(&format!("{CORE}.{field}")) {
            report.warning(path, what, format!("give `http_api`, or set `core.{field}` to false"));
        }
    }
}

fn intervals_fit(report: &mut Report) {
    let (longest, shortest) =
        ("tracker.core.announce_policy.interval", "tracker.core.announce_policy.interval_min");
    let interval = number(report, longest).unwrap_or(300);
    if number(report, shortest).is_some_and(|least| least > interval) {
        report.warning(
            shortest,
            format!("it is longer than `interval`, {interval} s: clients are asked for what they may not do"),
            format!("write a number from 1 to {interval}"),
        );
    }
    let timeout = "tracker.core.tracker_policy.max_peer_timeout";
    let kept = number(report, timeout).unwrap_or(900);
    if kept <= interval {
        let path = if report.document.has(timeout) { timeout } else { longest };
        report.warning(
            path,
            format!("peers are forgotten after {kept} s, before they announce again after {interval} s"),
            "make tracker_policy.max_peer_timeout longer than announce_policy.interval",
        );
    }
}

fn connection_ids_last(report: &mut Report) {
    for index in 0..report.document.count("tracker.udp_trackers") {
        let path = format!("tracker.udp_trackers[{index}].cookie_lifetime_in_secs");
        if number(report, &path).is_some_and(|secs| secs < 60) {
            report.warning(
                &path,
                "clients use a connection id for up to 60 s (BEP 15): later ones would be refused, and counted for a ban",
                "write 60 at least, or remove it: the tracker's default is 120",
            );
        }
    }
}

fn tls_proxy_is_a_reverse_proxy(report: &mut Report) {
    for index in 0..report.document.count("tracker.http_trackers") {
        let tracker = format!("tracker.http_trackers[{index}]");
        let path = format!("{tracker}.network.on_reverse_proxy");
        if report.document.is_false(&path) && report.document.is_true(&format!("{tracker}.use_tls_proxy")) {
            report.error(
                &path,
                "behind the TLS proxy each peer would have the proxy's address",
                "remove it: `use_tls_proxy` sets it",
            );
        }
    }
}

/// Prometheus reads the swarm's figures, which this setting switches off.
fn panels_have_their_figures(report: &mut Report) {
    let path = "tracker.core.tracker_usage_statistics";
    if report.document.is_false(path) && report.document.has("prometheus") {
        let what = "without it Prometheus gets no figures of torrents, peers and completed downloads";
        report.warning(path, what, "remove it, or remove `prometheus`");
    }
}

/// Loopback is that of the tracker's own container: nothing outside reaches it, not even a proxy on the host.
fn clients_reach_the_trackers(report: &mut Report) {
    for list in ["tracker.udp_trackers", "tracker.http_trackers"] {
        for index in 0..report.document.count(list) {
            let tracker = format!("{list}[{index}]");
            let field = format!("{tracker}.bind_address");
            let Some(address) = address(report, &field).filter(|address| address.ip().is_loopback()) else {
                continue;
            };
            // For the TLS proxy there is a rule of its own.
            if list.ends_with("http_trackers") && report.document.is_true(&format!("{tracker}.use_tls_proxy"))
            {
                continue;
            }
            let open = format!("set it to \"0.0.0.0:{}\"", address.port());
            if report.document.is_true(&format!("{tracker}.network.on_reverse_proxy")) {
                report.error(
                    &field,
                    "your proxy cannot reach it: loopback is that of the tracker's container, and the port is not published",
                    format!("{open}, and let only the proxy reach that port (docs/settings.md)"),
                );
            } else {
                report.warning(
                    &field,
                    "no client can reach it: loopback is that of the tracker's container, and the port is not published",
                    format!("{open}, or remove this tracker"),
                );
            }
        }
    }
}

/// Whether a schema that the file names is another one than the image's name stands for. An image of the user's own may have
/// either; `release` looks into the image itself.
fn schema_is_that_of_the_image(report: &mut Report) {
    let chosen = match report.document.string("tracker.schema") {
        Some("2.0.0") => Schema::V2,
        Some("3.0.0") => Schema::V3,
        _ => return,
    };
    let default = Images::default().tracker.to_string();
    let image = report.document.string("images.tracker").unwrap_or(&default).to_owned();
    let published = image.trim_start_matches("docker.io/").starts_with("torrust/tracker:")
        // It is release 3.0.0 today, and the next release one day.
        && !image.ends_with(":latest")
        // What a digest stands for only the image itself tells.
        && !image.contains('@');
    let wants = Schema::of_reference(&image);
    if wants != chosen && published {
        report.warning(
            "tracker.schema",
            format!("the image {image} wants schema {wants}: a tracker refuses to start with another one"),
            "remove it: \"auto\" takes what the image wants",
        );
    }
}

fn private_trackers_have_no_udp(report: &mut Report) {
    let path = "tracker.udp_trackers";
    if report.document.is_true("tracker.core.private") && report.document.count(path) > 0 {
        let what = "a private tracker starts no UDP tracker: UDP announces cannot carry a key";
        report.warning(path, what, "write an empty list, or set `private` to false");
    }
}
