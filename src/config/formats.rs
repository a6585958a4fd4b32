//! The texts that have a form: how the schema names each, and what makes one valid.

mod addresses;
mod image;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::{name, schedule, secret};
pub use addresses::one_host;
use addresses::{check_bind_address, check_database_host, check_external_ip, check_host};
use image::check_image;
pub use image::{parts as image_parts, tag};

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
    username: "user-name", { "pattern": "^[A-Za-z0-9._][A-Za-z0-9._-]*[$]?$", "maxLength": 32 };
    grafana_user: "grafana-user", { "minLength": 1 };
    sqlite_name: "file-name", { "pattern": "^[^/]+$", "maxLength": 200 };
    database_host: "database-host", { "minLength": 1, "examples": ["mysql", "postgresql", "db.example.com"] };
    database_name: "database-name", { "minLength": 1, "maxLength": 64 };
    database_user: "database-user", { "minLength": 1, "maxLength": 63 };
    external_ip: "external-ip" or "null", { "examples": ["203.0.113.7", "2001:db8::7"] };
}

/// More tokens of the API, by their labels.
pub(super) fn access_tokens(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", "not": { "const": "admin" }, "maxLength": 63, "format": "token-label" },
        "additionalProperties": generator.subschema_for::<secret::Secret>(),
    })
}

/// The schema of a section that must be given, and may be null.
pub(super) struct Nullable<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// A section that must be given, and may be null: without this an absent one would be null, too.
///
/// # Errors
/// It is no such section.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
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
        "database-host" => check_database_host(text),
        "database-name" => check_database_name(text),
        "database-user" => check_database_user(text),
        "external-ip" => check_external_ip(text),
        "token-label" => check_token_label(text),
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
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // A machine account of Samba ends in `$`.
    let stem = text.strip_suffix('$').unwrap_or(text);
    let number = stem.chars().all(|c| c.is_ascii_digit());
    let special = text.starts_with('-') || [".", ".."].contains(&text);
    if text.len() > 32 || special || number || !stem.chars().all(inner) {
        return flaw(
            format!("`{text}` is no Linux user name"),
            "use 1 to 32 letters, digits, `.`, `_` and `-`, not only digits and not starting with `-`",
        );
    }
    // Words of sudo's rules: a rule for a user of that name would hold for everyone, or be no rule.
    if text == "ALL" || text == "Defaults" || text.ends_with("_Alias") {
        return flaw(
            format!("sudo reads `{text}` as a word of its own, not as a user name"),
            "use another user",
        );
    }
    Ok(())
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

/// Of the 255 bytes that a file system has, some are for the endings of the files beside it, such as `-journal`.
const LONGEST_FILE_NAME: usize = 200;

fn check_file_name(text: &str) -> Verdict {
    let special = ["", ".", ".."].contains(&text) || text.starts_with('-');
    if special || text.len() > LONGEST_FILE_NAME || text.contains('/') || text.chars().any(char::is_control) {
        return flaw(
            format!("`{text}` is no plain file name"),
            "write a name without folders, such as tracker.db; the deployer chooses the folder",
        );
    }
    Ok(())
}

fn check_database_name(text: &str) -> Verdict {
    if text.contains("://") {
        return flaw(
            "this is a URL, and the name of a database is wanted",
            "write the name alone; host, port, user and password have fields of their own",
        );
    }
    if text.chars().any(char::is_control) {
        return flaw("a database's name has no control characters", "use a name such as torrust_tracker");
    }
    Ok(())
}

fn check_database_user(text: &str) -> Verdict {
    if text.chars().any(char::is_control) {
        return flaw("a user's name has no control characters", "use a name such as tracker_user");
    }
    Ok(())
}

/// The label is part of an environment variable's name, where two `_` would begin another level and capitals are lost.
fn check_token_label(text: &str) -> Verdict {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let valid =
        text.len() <= 63 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('_').all(part);
    if !valid {
        return flaw(
            format!("`{text}` is no label for a token"),
            "use 1 to 63 of a-z, 0-9 and single _ between them, starting with a letter, such as \"index\"",
        );
    }
    if text == "admin" {
        return flaw("the label `admin` is that of admin_token", "choose another label");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_that_useradd_makes_are_taken() {
        for name in
            ["torrust", "John.Doe", "ADMIN", "1abc", "_x", "a.", ".abc", "svc$", "a-b_c", &"a".repeat(32)]
        {
            assert!(check("user-name", name).is_ok(), "{name}");
        }
    }
}
