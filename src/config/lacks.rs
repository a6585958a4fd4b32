//! What of a configuration a schema of the tracker cannot do. `validate` and `release` ask the same.

use super::{Config, Database, HttpTracker};
use crate::services::tracker::schema::Schema;

/// Something that a schema cannot do.
#[derive(Debug, PartialEq, Eq)]
pub struct Lack {
    /// Where it stands in the configuration.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// What holds also with a tracker.toml of the user's own: the tracker gets its database from the configuration all the same,
/// unless it has none.
#[must_use]
pub fn lacks_with_own_file(config: &Config, schema: Schema) -> Vec<Lack> {
    let mut all = lacks(config, schema);
    all.retain(|lack| lack.path.starts_with("tracker.core.database."));
    all
}

const NEWER_IMAGE: &str =
    "remove it, or take an image of schema 3.0.0 in images.tracker, such as torrust/tracker:develop";

/// All that this schema cannot do of a configuration.
#[must_use]
pub fn lacks(config: &Config, schema: Schema) -> Vec<Lack> {
    match schema {
        Schema::V2 => {
            let mut all = unknown(config);
            all.extend(no_such_database(config));
            all.extend(proxies_differ(config));
            all.extend(external_ips_differ(config));
            all
        }
        Schema::V3 => {
            let mut all = unfit_for_the_server(config);
            all.extend(another_file(config));
            all
        }
    }
}

/// Settings that release 3.0.0 does not know.
fn unknown(config: &Config) -> Vec<Lack> {
    let tracker = &config.tracker;
    let server = &tracker.udp_tracker_server;
    let mut given: Vec<(bool, String)> = vec![
        (tracker.logging.style.is_some(), "logging.style".into()),
        (
            tracker.core.announce_policy.max_peers_per_announce.is_some(),
            "core.announce_policy.max_peers_per_announce".into(),
        ),
        (server.connection_id_validation.is_some(), "udp_tracker_server.connection_id_validation".into()),
        (
            server.max_connection_id_errors_per_ip.is_some(),
            "udp_tracker_server.max_connection_id_errors_per_ip".into(),
        ),
        (
            server.ip_bans_reset_interval_in_secs.is_some(),
            "udp_tracker_server.ip_bans_reset_interval_in_secs".into(),
        ),
    ];
    let udp = tracker.udp_trackers.iter().enumerate();
    given.extend(udp.map(|(index, udp)| {
        (udp.cookie_lifetime_in_secs.is_some(), format!("udp_trackers[{index}].cookie_lifetime_in_secs"))
    }));
    let http = tracker.http_trackers.iter().enumerate();
    given.extend(http.map(|(index, http)| {
        (http.use_ip_from_query_string.is_some(), format!("http_trackers[{index}].use_ip_from_query_string"))
    }));
    let lack = |path: String| Lack {
        path: format!("tracker.{path}"),
        what: "release 3.0.0 (schema 2.0.0) has no such setting and would ignore it".into(),
        fix: NEWER_IMAGE.into(),
    };
    given.into_iter().filter_map(|(given, path)| given.then(|| lack(path))).collect()
}

fn no_such_database(config: &Config) -> Option<Lack> {
    let (path, what) = match &config.tracker.core.database {
        None => ("tracker.core.database", "release 3.0.0 (schema 2.0.0) always has a database"),
        Some(Database::Postgresql(_)) => {
            ("tracker.core.database.driver", "release 3.0.0 (schema 2.0.0) has no driver for PostgreSQL")
        }
        Some(_) => return None,
    };
    let fix = "choose another database, or take an image of schema 3.0.0 in images.tracker, such as torrust/tracker:develop";
    Some(Lack { path: path.into(), what: what.into(), fix: fix.into() })
}

fn proxies_differ(config: &Config) -> Option<Lack> {
    let trackers = &config.tracker.http_trackers;
    let with = trackers.iter().position(HttpTracker::on_reverse_proxy)?;
    let without = trackers.iter().position(|http| !http.on_reverse_proxy())?;
    // The field that makes the difference stands at the one behind a proxy.
    let (field, proxy) = if trackers[with].tls() {
        ("use_tls_proxy", "the TLS proxy")
    } else {
        ("network.on_reverse_proxy", "a proxy of your own")
    };
    Some(Lack {
        path: format!("tracker.http_trackers[{with}].{field}"),
        what: format!(
            "this HTTP tracker is behind {proxy}, and tracker.http_trackers[{without}] is behind none; release 3.0.0 (schema 2.0.0) has one setting for all"
        ),
        fix: "put all HTTP trackers behind a proxy (`use_tls_proxy`, or `network.on_reverse_proxy` for your own) or none, or take an image of schema 3.0.0 in images.tracker, such as torrust/tracker:develop".into(),
    })
}

fn external_ips_differ(config: &Config) -> Option<Lack> {
    let tracker = &config.tracker;
    let udp = tracker.udp_trackers.len();
    let place = |index: usize| match index.checked_sub(udp) {
        None => format!("tracker.udp_trackers[{index}]"),
        Some(http) => format!("tracker.http_trackers[{http}]"),
    };
    let ips: Vec<_> = tracker.external_ips().collect();
    let one = ips.iter().position(Option::is_some)?;
    let other = ips.iter().position(|ip| *ip != ips[one])?;
    let said = |index: usize| ips[index].map_or("none".to_owned(), |ip| ip.to_string());
    Some(Lack {
        path: format!("{}.network.external_ip", place(one)),
        what: format!(
            "this tracker has {}, and {} has {}; release 3.0.0 (schema 2.0.0) has one address for all",
            said(one), place(other), said(other)
        ),
        fix: "give all UDP and HTTP trackers the same `network.external_ip`, or take an image of schema 3.0.0 in images.tracker, such as torrust/tracker:develop".into(),
    })
}

/// What a URL's path has as it stands (`pchar` of RFC 3986, 3.3): the client for MySQL takes the path without decoding it.
fn fits_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c)
}

/// The client for PostgreSQL decodes the path, of which it drops slashes at the start; `.` and `..` between slashes are resolved
/// when the URL is made (RFC 3986, 5.2.4).
fn is_decoded_as_it_was(name: &str) -> bool {
    !has_escape(name) && !name.starts_with('/') && !name.split('/').any(|part| [".", ".."].contains(&part))
}

/// The tracker makes a URL of user and password without encoding `%`, and its client decodes it.
fn unfit_for_the_server(config: &Config) -> Vec<Lack> {
    let Some(server) = config.tracker.core.database.as_ref().and_then(Database::server) else {
        return vec![];
    };
    let password = server.password.literal();
    let lack = |field: &str, what: &str, fix: &str| Lack {
        path: format!("tracker.core.database.{field}"),
        what: what.into(),
        fix: fix.into(),
    };
    let username =
        has_escape(&server.username).then(|| lack("username", CHANGED, "choose a user's name without `%`"));
    let password = password.and_then(unfit_password).map(|(what, fix)| lack("password", what, fix));
    let survives = match config.tracker.core.database {
        Some(Database::Postgresql(_)) => is_decoded_as_it_was(&server.database_name),
        _ => server.database_name.chars().all(fits_path),
    };
    let database = (!survives).then(|| {
        let what = "a tracker of schema 3.0.0 makes the name a part of a URL, and another text would reach the server";
        let fix = "choose a name of ASCII letters, digits, `_`, `-` and `.`, such as torrust_tracker";
        lack("database_name", what, fix)
    });
    database.into_iter().chain(username).chain(password).collect()
}

/// The tracker makes a URL of the file's path without encoding it.
fn another_file(config: &Config) -> Option<Lack> {
    let Some(Database::Sqlite3(sqlite)) = &config.tracker.core.database else { return None };
    sqlite.database_name.contains(['?', '%']).then(|| Lack {
        path: "tracker.core.database.database_name".into(),
        what: "a tracker of schema 3.0.0 reads the name as part of a URL, where `?` begins options and `%` another character: the database would be another file, or in memory alone".into(),
        fix: "choose a name without `?` and `%`, such as tracker.db".into(),
    })
}

const CHANGED: &str = "a tracker of schema 3.0.0 takes `%` and two hexadecimal digits for one character: another text would reach the server";

/// Why a database password does not reach the server through a tracker of schema 3.0.0, and what to do. A reference is
/// judged when it is resolved.
pub fn unfit_password(password: &str) -> Option<(&'static str, &'static str)> {
    if has_escape(password) {
        return Some((CHANGED, "choose a password without `%`"));
    }
    let blank = password.trim().is_empty();
    blank.then_some((
        "a tracker of schema 3.0.0 takes no password of blanks alone",
        "make a better one: openssl rand -hex 24",
    ))
}

/// Whether a text has `%` and two hexadecimal digits somewhere.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|part| part[0] == b'%' && part[1..].iter().all(u8::is_ascii_hexdigit))
}
