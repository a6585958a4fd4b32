//! What the tracker is given: its `tracker.toml`, in the schema of its image, and its environment variables.

use std::net::SocketAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::listener::families;
use super::schema::{Reason, Schema};
use super::{DATABASE_FOLDER, ETC_INSIDE, USER_ID};
use crate::config::{self, Config, Database, HttpApi, Server, lacks, lacks_with_own_file};
use crate::error::{Code, Error, Result};
use crate::render::Templates;
use crate::services::mysql;
use crate::store::Environment;

/// The tracker's configuration file: the user's own, or one made of the environment's configuration.
///
/// # Errors
/// The image's schema cannot do what is configured, or the template does not fit.
pub(super) fn tracker_toml(env: &Environment) -> Result<Vec<u8>> {
    fits(env)?;
    if let Some(own) = &env.choices.tracker_toml {
        return Ok(own.clone().into_bytes());
    }
    let schema = env.schema();
    refuse_older_template(env, schema)?;
    Templates::of(env)?.render(&format!("tracker/tracker-{schema}.toml.j2"), &values(env))
}

/// Refuses what the image's schema cannot do: release 3.0.0 would silently ignore what it does not know.
///
/// # Errors
/// `config_invalid`, with all that does not fit.
pub fn fits(env: &Environment) -> Result<()> {
    let (schema, own) = (env.schema(), env.choices.tracker_toml.is_some());
    let lacks = if own { lacks_with_own_file(&env.config, schema) } else { lacks(&env.config, schema) };
    if lacks.is_empty() {
        return Ok(());
    }
    let image = env.tracker_reference();
    let what = format!("the image {image} has schema {schema}, which does not fit the configuration");
    let error = Error::new(Code::ConfigInvalid, what);
    let error = lacks.iter().fold(error, |error, lack| error.why(format!("{}: {}", lack.path, lack.what)));
    let mut helps: Vec<&str> = lacks.iter().map(|lack| lack.fix.as_str()).collect();
    helps.dedup();
    let error = helps.into_iter().fold(error, Error::help);
    Err(who_decides(env).into_iter().fold(error, Error::help))
}

/// What else than the image's name in the configuration decides the schema, and how to have it otherwise.
fn who_decides(env: &Environment) -> Option<String> {
    let (image, name) = (env.tracker_reference(), &env.name);
    match (env.schema_and_reason().1, &env.choices.image_tag) {
        (Reason::Configured, _) => {
            Some("tracker.schema decides the schema here: \"auto\" takes what the image wants".into())
        }
        (_, Some(tag)) => Some(format!(
            "the tag is that of --image-tag {tag}; that of the configuration holds again with --image-tag configured"
        )),
        (Reason::Image(_), None) => Some(format!(
            "the host's copy of {image} has that schema; if a newer one has the tag by now: torrust-tracker-deployer deploy {name} --pull"
        )),
        (Reason::Reference, None) => None,
    }
}

/// A user's own copy from when there was one template for all images: it must not be passed over in silence.
fn refuse_older_template(env: &Environment, schema: Schema) -> Result<()> {
    let older = env.choices.templates.as_ref().map(|folder| folder.join("tracker/tracker.toml.j2"));
    let Some(older) = older.filter(|older| older.is_file()) else { return Ok(()) };
    let what = format!("the template {} takes no template's place any more", older.display());
    let newer = older.with_file_name(format!("tracker-{schema}.toml.j2"));
    Err(Error::new(Code::ConfigInvalid, what)
        .why("each schema of the tracker's configuration has a template of its own")
        .help(format!(
            "rename it, and compare it with the built-in one: mv {} {}",
            older.display(),
            newer.display()
        )))
}

/// What both templates are rendered from; what is null keeps the tracker's own default.
fn values(env: &Environment) -> Value {
    let tracker = &env.config.tracker;
    let core = &tracker.core;
    let external_ip = tracker.external_ips().next().flatten();
    json!({
        "logging": { "filter": tracker.logging.filter, "style": tracker.logging.style },
        "core": {
            "listed": core.listed,
            "private": core.private,
            "tracker_usage_statistics": core.tracker_usage_statistics.unwrap_or(true),
            "inactive_peer_cleanup_interval": core.inactive_peer_cleanup_interval,
            "check_keys_expiration": core.private_mode.check_keys_expiration,
        },
        "announce_policy": {
            "interval": core.announce_policy.interval(),
            "interval_min": core.announce_policy.interval_min(),
            "max_peers_per_announce": core.announce_policy.max_peers_per_announce,
        },
        "tracker_policy": {
            "persistent_torrent_completed_stat": core.counts_completed(),
            "max_peer_timeout": core.tracker_policy.max_peer_timeout,
            "remove_peerless_torrents": core.tracker_policy.remove_peerless_torrents,
        },
        // Schema 2.0.0 has one setting for all listeners.
        "net": {
            "on_reverse_proxy": tracker.http_trackers.iter().any(config::HttpTracker::on_reverse_proxy),
            "external_ip": external_ip,
        },
        "database": core.database.as_ref().map(database),
        "udp_tracker_server": {
            "connection_id_validation": tracker.udp_tracker_server.connection_id_validation,
            "max_connection_id_errors_per_ip": tracker.udp_tracker_server.max_connection_id_errors_per_ip,
            "ip_bans_reset_interval_in_secs": tracker.udp_tracker_server.ip_bans_reset_interval_in_secs,
        },
        "udp_trackers": tracker.udp_trackers.iter().flat_map(|udp| udp_listeners(udp, env)).collect::<Vec<_>>(),
        "http_trackers": tracker.http_trackers.iter().flat_map(|http| http_listeners(http, env)).collect::<Vec<_>>(),
        "http_api": tracker.http_api.as_ref().map(HttpApi::in_container),
        "health_check_api": tracker.health_check_api.bind_address,
    })
}

/// The password is not here: it comes by an environment variable.
fn database(database: &Database) -> Value {
    match database {
        Database::Sqlite3(sqlite) => json!({
            "driver": database.driver(),
            "path": format!("{DATABASE_FOLDER}/{}", sqlite.database_name),
            "host": null,
        }),
        Database::Mysql(server) | Database::Postgresql(server) => json!({
            "driver": database.driver(),
            // Schema 2.0.0 wants a valid address here, too.
            "path": mysql::url(server, "PASSWORD"),
            "host": server.address(),
            "port": server.port,
            "user": server.username,
            "database": server.database_name,
        }),
    }
}

/// A listener as the tracker has it: one for each family.
#[derive(Serialize)]
struct Listener<T> {
    bind_address: SocketAddr,
    ipv6_v6only: bool,
    #[serde(flatten)]
    settings: T,
}

fn each_family(address: SocketAddr, env: &Environment, settings: &Value) -> Vec<Value> {
    let listener = |bind_address: SocketAddr| {
        json!(Listener { bind_address, ipv6_v6only: bind_address.is_ipv6(), settings })
    };
    families(address, env.has_ipv6()).into_iter().map(listener).collect()
}

fn udp_listeners(udp: &config::UdpTracker, env: &Environment) -> Vec<Value> {
    let port = udp.bind_address.port();
    let settings = json!({
        "cookie_lifetime_in_secs": udp.cookie_lifetime_in_secs,
        "external_ip": udp.network.external_ip,
        "public_url": udp.domain.as_ref().map(|domain| format!("udp://{domain}:{port}/announce")),
    });
    each_family(udp.bind_address, env, &settings)
}

fn http_listeners(http: &config::HttpTracker, env: &Environment) -> Vec<Value> {
    let port = http.bind_address.port();
    let public_url = |domain: &String| match (http.tls(), http.on_reverse_proxy()) {
        (true, _) => Some(format!("https://{domain}/announce")),
        (false, false) => Some(format!("http://{domain}:{port}/announce")),
        // Only its owner knows the address of a proxy that is not ours.
        (false, true) => None,
    };
    let settings = json!({
        "on_reverse_proxy": http.on_reverse_proxy(),
        "external_ip": http.network.external_ip,
        "use_ip_from_query_string": http.use_ip_from_query_string,
        "public_url": http.domain.as_ref().and_then(public_url),
    });
    each_family(http.bind_address, env, &settings)
}

/// The container's environment variables, with all secrets.
///
/// # Errors
/// A secret has no value.
pub(super) fn variables(env: &Environment) -> Result<Vec<(String, String)>> {
    let config = &env.config;
    let mut variables = vec![
        ("USER_ID".into(), USER_ID.to_string()),
        ("TORRUST_TRACKER_CONFIG_TOML_PATH".into(), format!("{ETC_INSIDE}/tracker.toml")),
    ];
    let overrides = database_overrides(config, env.schema())?.into_iter().chain(token_overrides(config)?);
    variables
        .extend(overrides.map(|(name, value)| (format!("TORRUST_TRACKER_CONFIG_OVERRIDE_{name}"), value)));
    Ok(variables)
}

/// The driver is always sent, as some images have one of their own; of no database nothing is sent, as one field makes one.
fn database_overrides(config: &Config, schema: Schema) -> Result<Vec<(String, String)>> {
    let Some(database) = &config.tracker.core.database else { return Ok(vec![]) };
    let mut fields = vec![("DRIVER", database.driver().to_owned())];
    if let Some(server) = database.server() {
        let password = server.password.resolve()?;
        fields.extend(match schema {
            Schema::V2 => vec![("PATH", quoted(&mysql::url(server, password.expose())))],
            Schema::V3 => components(server, fit_password(password.expose())?),
        });
    }
    Ok(fields.into_iter().map(|(name, value)| (format!("CORE__DATABASE__{name}"), value)).collect())
}

/// A password that a reference led to is judged here; a literal one was refused with its place.
fn fit_password(password: &str) -> Result<&str> {
    let Some((what, fix)) = config::unfit_password(password) else { return Ok(password) };
    let why = format!("tracker.core.database.password: {what}");
    Err(Error::new(Code::ConfigInvalid, "the tracker cannot use its database password").why(why).help(fix))
}

fn components(server: &Server, password: &str) -> Vec<(&'static str, String)> {
    vec![
        ("HOST", quoted(&server.address())),
        ("PORT", server.port.to_string()),
        ("USER", quoted(&server.username)),
        ("PASSWORD", quoted(password)),
        ("DATABASE", quoted(&server.database_name)),
    ]
}

/// Without an API nothing is sent: a token alone would switch it on.
fn token_overrides(config: &Config) -> Result<Vec<(String, String)>> {
    let Some(api) = &config.tracker.http_api else { return Ok(vec![]) };
    let more = api.access_tokens.iter().map(|(label, token)| (label.to_uppercase(), token));
    let all = std::iter::once(("ADMIN".to_owned(), &api.admin_token)).chain(more);
    all.map(|(label, token)| {
        Ok((format!("HTTP_API__ACCESS_TOKENS__{label}"), quoted(token.resolve()?.expose())))
    })
    .collect()
}

/// The tracker parses what it finds in a variable: without quotes the token `true` or `0123` would not be text. Its parser
/// (figment 0.10.19) counts characters as bytes, so that one beyond ASCII before a `"` or `\` ends in a panic or another text.
fn quoted(value: &str) -> String {
    let escaped = value.chars().map(|character| match character {
        '\\' | '"' => format!("\\{character}"),
        ' '..='~' => character.to_string(),
        _ => format!("\\U{:08x}", u32::from(character)),
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().concat())
}

#[cfg(test)]
mod tests {
    use super::{fit_password, quoted};

    #[test]
    fn a_resolved_password_is_judged_too() {
        let refused = fit_password("a%41b").unwrap_err();
        assert!(refused.causes()[0].contains("two hexadecimal digits"), "{refused:?}");
        assert!(fit_password("  ").is_err());
        assert_eq!(fit_password("100% p@ss").unwrap(), "100% p@ss");
    }

    /// Both were tried on release 3.0.0: as `"é\"x"` the first one ends it in a panic.
    #[test]
    fn text_beyond_ascii_is_escaped_for_the_trackers_parser() {
        assert_eq!(quoted("é\"x"), r#""\U000000e9\"x""#);
        assert_eq!(quoted("a€\\b\u{1f980}"), r#""a\U000020ac\\b\U0001f980""#);
        assert_eq!(quoted("0123 ~$"), "\"0123 ~$\"");
    }
}
