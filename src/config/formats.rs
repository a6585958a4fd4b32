//! The texts that have a form: how the schema names each, and what makes one valid.

use std::net::SocketAddr;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::{name, schedule, secret};

/// What is wrong with a text, and what to write instead.
#[derive(Debug)]
pub struct Flaw {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// A check's verdict.
type Verdict = Result<(), Flaw>;

fn flaw(what: impl Into<String>, fix: impl Into<String>) -> Verdict {
    Err(Flaw { what: what.into(), fix: fix.into() })
}

/// Makes the functions that `schema_with` names: the text's format, and a null for what may be absent.
macro_rules! schemas {
    ($($function:ident: $format:literal $(or $null:literal)?, $more:tt;)*) => {$(
        pub(super) fn $function(_: &mut SchemaGenerator) -> Schema {
            let mut schema = json_schema!($more);
            schema.insert("type".into(), schemas!(@type $($null)?));
            schema.insert("format".into(), $format.into());
            schema
        }
    )*};
    (@type) => { "string".into() };
    (@type $null:literal) => { vec!["string", $null].into() };
}

schemas! {
    bind_address: "ip-port", { "examples": ["0.0.0.0:6969", "[::]:6969"] };
    domain: "hostname" or "null", { "maxLength": 253 };
    email: "email", {};
    schedule: "cron", { "examples": ["0 3 * * *"] };
    image: "image-reference", {};
    size: "size", { "examples": ["2GB"] };
    path: "path", { "minLength": 1 };
    optional_path: "path" or "null", { "minLength": 1 };
    authority: "certificate-authority" or "null", { "examples": ["letsencrypt", "internal", "https://acme.example.com/directory"] };
    instance_name: "instance-name" or "null", { "pattern": "^[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$", "maxLength": 63 };
    username: "user-name", { "pattern": "^[a-z_][a-z0-9_-]*$", "maxLength": 32 };
    grafana_user: "grafana-user", { "minLength": 1 };
    sqlite_name: "file-name", { "pattern": "^[^/]+$", "maxLength": 255 };
    mysql_host: "mysql-host", { "const": "mysql" };
    mysql_database: "mysql-database", { "minLength": 1, "maxLength": 64 };
    mysql_user: "mysql-user", { "minLength": 1, "maxLength": 32 };
}

/// DNS knows no capitals, and who compares a domain with what came by the network, such as the TLS proxy, has small letters.
///
/// # Errors
/// It is no text.
pub(super) fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Deserialize::deserialize(deserializer)?;
    Ok(text.map(|text| text.to_ascii_lowercase()))
}

/// Checks a text against its format; a format without a rule of its own takes every text.
pub fn check(format: &str, text: &str) -> Verdict {
    match format {
        "environment-name" => name::check(text),
        "secret" => check_secret(text),
        "ip-port" => check_bind_address(text),
        "hostname" => check_host(text),
        "email" => check_email(text),
        "cron" => check_schedule(text),
        "image-reference" => check_image(text),
        "size" => check_size(text),
        "certificate-authority" => check_authority(text),
        "instance-name" => check_instance_name(text),
        "user-name" => check_username(text),
        "grafana-user" => check_grafana_user(text),
        "file-name" => check_file_name(text),
        "mysql-host" => check_mysql_host(text),
        "mysql-database" => check_mysql_database(text),
        "mysql-user" => check_mysql_user(text),
        _ => Ok(()),
    }
}

fn check_secret(text: &str) -> Verdict {
    if text.starts_with("${") && text.ends_with('}') && secret::variable_of(text).is_none() {
        return flaw(
            "this looks like a reference, but has no variable's name between `${` and `}`",
            "write \"${NAME}\" with letters, digits and _; a secret that is this very text goes into a file: {\"file\": \"path\"}",
        );
    }
    if text.chars().any(char::is_control) {
        return flaw(
            "a secret must not have line breaks or other control characters",
            "use printable characters only",
        );
    }
    Ok(())
}

fn check_bind_address(text: &str) -> Verdict {
    let Ok(address) = text.parse::<SocketAddr>() else {
        return flaw(
            format!("`{text}` is no address with a port"),
            "write IP:PORT, such as \"0.0.0.0:6969\"",
        );
    };
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

fn check_host(text: &str) -> Verdict {
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
    } else if text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        Some("an address or number is no name".to_owned())
    } else {
        text.split('.').find_map(label_flaw)
    };
    match broken {
        Some(why) => flaw(format!("`{text}` is no DNS name: {why}"), host_fix(text)),
        None => Ok(()),
    }
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

fn check_email(text: &str) -> Verdict {
    let valid = text.split_once('@').is_some_and(|(local, host)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
        !local.is_empty() && local.len() <= 64 && local.chars().all(plain) && check_host(host).is_ok()
    });
    if valid {
        return Ok(());
    }
    flaw(format!("`{text}` is no e-mail address"), "write one such as admin@example.com")
}

fn check_schedule(text: &str) -> Verdict {
    let fix =
        "write minute, hour, day of month, month and day of week, such as \"0 3 * * *\": every day at 03:00";
    schedule::on_calendar(text).map(drop).or_else(|what| flaw(what, fix))
}

fn check_image(text: &str) -> Verdict {
    let valid = || {
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        let hex = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let digest_fits = digest.is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(hex));
        // A colon before the last slash belongs to the registry's port.
        let (folders, last) = rest.rsplit_once('/').map_or(("", rest), |(folders, last)| (folders, last));
        let (image, tag) = last.split_once(':').map_or((last, None), |(image, tag)| (image, Some(tag)));
        let word = |part: &str, more: &str| {
            !part.is_empty()
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let lower = |part: &str| word(part, "._-") && !part.contains(|c: char| c.is_ascii_uppercase());
        let mut parts = folders.split('/').filter(|_| !folders.is_empty());
        let first_fits = parts.next().is_none_or(|first| word(first, "._-:"));
        let tag_fits = tag.is_none_or(|tag| tag.len() <= 128 && word(tag.trim_start_matches('_'), "._-"));
        digest_fits && first_fits && parts.all(lower) && lower(image) && tag_fits
    };
    if valid() {
        return Ok(());
    }
    flaw(
        format!("`{text}` is no image reference"),
        "write NAME:TAG, with a registry in front where it is not Docker Hub: \"registry.example.com/torrust/tracker:v3.0.0\"",
    )
}

fn check_size(text: &str) -> Verdict {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let known = ["B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"].contains(&unit);
    if known && number.parse::<u64>().is_ok_and(|number| number > 0) {
        return Ok(());
    }
    flaw(format!("`{text}` is no size"), "write a number and its unit, such as 2GB or 512MiB")
}

fn check_authority(text: &str) -> Verdict {
    let rest = text.strip_prefix("https://");
    let is_url = rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !text.contains(char::is_whitespace)
    });
    if is_url || text == "letsencrypt" || text == "internal" {
        return Ok(());
    }
    flaw(
        format!("`{text}` is no certificate authority"),
        "write \"letsencrypt\", \"internal\" or the https:// address of an ACME directory",
    )
}

fn check_instance_name(text: &str) -> Verdict {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let valid = text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(inner)
        && !text.ends_with('-');
    if valid {
        return Ok(());
    }
    flaw(
        format!("`{text}` is no host name"),
        "use 1 to 63 letters, digits and -, starting with a letter and not ending with -",
    )
}

fn check_username(text: &str) -> Verdict {
    let start = |c: char| c.is_ascii_lowercase() || c == '_';
    let inner = |c: char| start(c) || c.is_ascii_digit() || c == '-';
    if text.len() <= 32 && text.starts_with(start) && text.chars().all(inner) {
        return Ok(());
    }
    flaw(
        format!("`{text}` is no Linux user name"),
        "use 1 to 32 of a-z, 0-9, _ and -, starting with a letter or _",
    )
}

/// Grafana reads `$` as the start of a variable, and a login by HTTP ends the name at the first colon.
fn check_grafana_user(text: &str) -> Verdict {
    let stray = |c: char| c.is_control() || "$:".contains(c);
    if text.trim() == text && !text.contains(stray) {
        return Ok(());
    }
    flaw(
        format!("Grafana cannot let `{text}` in"),
        "use a name without `$` and `:`, and without a space at either end, such as admin",
    )
}

fn check_file_name(text: &str) -> Verdict {
    let special = ["", ".", ".."].contains(&text) || text.starts_with('-');
    if special || text.len() > 255 || text.contains('/') || text.chars().any(char::is_control) {
        return flaw(
            format!("`{text}` is no plain file name"),
            "write a name without folders, such as tracker.db; the deployer chooses the folder",
        );
    }
    Ok(())
}

/// The stack has its own server: another one would be neither backed up nor looked at.
fn check_mysql_host(text: &str) -> Verdict {
    if text == "mysql" {
        return Ok(());
    }
    flaw(
        format!("`{text}` is not the stack's own server, and the deployer deploys no other"),
        "write \"mysql\", the server's name in the stack's own network",
    )
}

/// What a name on the server cannot have.
fn unfit_for_a_name(c: char) -> bool {
    c.is_control() || c > '\u{ffff}'
}

fn check_mysql_database(text: &str) -> Verdict {
    if text.chars().any(unfit_for_a_name) || text.ends_with(' ') || [".", ".."].contains(&text) {
        return flaw(
            "MySQL takes no control characters and no emoji in a database's name, and no blank at its end",
            "use a name such as torrust_tracker",
        );
    }
    let systems = ["mysql", "sys", "information_schema", "performance_schema"];
    if systems.iter().any(|system| text.eq_ignore_ascii_case(system)) {
        return flaw(
            format!("`{text}` is a database of the MySQL server itself"),
            "use a name such as torrust_tracker",
        );
    }
    Ok(())
}

fn check_mysql_user(text: &str) -> Verdict {
    if text.chars().any(unfit_for_a_name) {
        return flaw(
            "MySQL takes no control characters and no emoji in a user's name",
            "use a name such as tracker_user",
        );
    }
    if text.eq_ignore_ascii_case("root") || text.starts_with("mysql.") {
        return flaw(
            format!("`{text}` is a user of the MySQL server itself"),
            "give the tracker a user of its own, such as tracker_user",
        );
    }
    Ok(())
}
