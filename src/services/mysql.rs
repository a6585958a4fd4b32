//! The MySQL server: the tracker's alone, in a network of their own, without a published port.
//!
//! The image's own set-up is not used (`templates/mysql/start.sh` says why): the server reads its accounts from a file
//! at each start, so that a password is quoted in one place, here, and a changed one takes effect.

use std::fmt::Write as _;

use serde_json::json;

use super::{Container, Folder, HostCheck, HostFile, Kind, Mount, Service};
use crate::config::{Config, MYSQL_PASSWORD_LIMIT, Revealed, Secret, Server};
use crate::error::{Code, Error, Result};
use crate::render::Templates;
use crate::store::Environment;

/// The database server, of an environment whose database is MySQL.
pub const KIND: Kind = Kind {
    name: NAME,
    image: Some(|env| env.config.images.mysql.to_string()),
    wanted: |config| config.tracker.core.mysql().is_some(),
    service,
    ports: |_| vec![],
    endpoints: |_| vec![],
    checks: |_, _, _| Ok(vec![]),
    host_checks,
    full_checks: |_, _, _, _| Ok(vec![]),
    full_host_checks: |_| vec![],
};

/// Its name in the stack, and so in the network that it shares with the tracker.
pub const NAME: &str = "mysql";
/// The user `mysql` of the image.
pub const USER_ID: u32 = 999;
const SETTINGS: &str = "storage/mysql/etc";
const SETTINGS_INSIDE: &str = "/etc/torrust/mysql";
/// Where the server keeps its data.
pub const DATA: &str = "storage/mysql/data";

fn service(env: &Environment) -> Result<Service> {
    let Some(mysql) = env.config.tracker.core.mysql() else { return Ok(Service::default()) };
    Ok(Service {
        container: Some(container(&env.config)),
        folders: vec![Folder::of_files(SETTINGS), Folder { path: DATA, owner: USER_ID, mode: "0750" }],
        files: files(mysql, &Templates::of(env)?)?,
        ..Service::default()
    })
}

fn container(config: &Config) -> Container {
    Container {
        name: NAME,
        image: config.images.mysql.to_string(),
        user: Some(format!("{USER_ID}:{USER_ID}")),
        command: vec!["sh".into(), format!("{SETTINGS_INSIDE}/start.sh")],
        networks: vec!["database"],
        mounts: vec![
            Mount { host: DATA, container: "/var/lib/mysql", read_only: false },
            Mount { host: SETTINGS, container: SETTINGS_INSIDE, read_only: true },
        ],
        // Not whether the server answers: whether the tracker's user gets in and has its database.
        health: client("SELECT 1"),
        memory: "640m",
        stop_grace: Some("1m"),
        read_only: true,
        ..Container::default()
    }
}

/// A question to the server, asked in its container by the tracker's user.
pub(super) fn client(question: &str) -> Vec<String> {
    let defaults = format!("--defaults-file={SETTINGS_INSIDE}/client.cnf");
    ["mysql", &defaults, "--skip-column-names", "--execute", question].map(Into::into).to_vec()
}

/// A password that the server takes; one in the configuration itself was checked there.
fn taken(password: &Secret) -> Result<Revealed> {
    let revealed = password.resolve()?;
    if revealed.expose().len() <= MYSQL_PASSWORD_LIMIT {
        return Ok(revealed);
    }
    let what =
        format!("MySQL takes passwords of at most {MYSQL_PASSWORD_LIMIT} bytes, and one of them is longer");
    Err(Error::new(Code::ConfigInvalid, what).help("shorten it where the reference leads"))
}

pub(super) fn files(mysql: &Server, templates: &Templates) -> Result<Vec<HostFile>> {
    let Server { port, database_name, username, .. } = mysql;
    let password = taken(&mysql.password)?;
    let root_password = mysql.root_password.as_ref().map(taken).transpose()?;
    let server = json!({ "port": port });
    let user = sql_text(username);
    let accounts = json!({
        "create_database": sql_text(&format!(
            "CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4",
            sql_name(database_name)
        )),
        "grant": sql_text(&format!("GRANT ALL ON {}.* TO {user}@'%'", sql_name(&without_wildcards(database_name)))),
        "user": user,
        "password": sql_text(password.expose()),
        "root_password": root_password.map_or(String::new(), |root| sql_text(root.expose())),
    });
    let client = json!({
        "port": port,
        "database": option(database_name),
        "user": option(username),
        "password": option(password.expose()),
    });
    let file = |name: &str, mode, bytes| HostFile {
        path: format!("{SETTINGS}/{name}"),
        mode,
        owner: USER_ID,
        bytes,
    };
    Ok(vec![
        file("start.sh", "0640", templates.text("mysql/start.sh")?.into_bytes()),
        file("my.cnf", "0640", templates.render("mysql/my.cnf.j2", &server)?),
        file("accounts.sql", "0600", templates.render("mysql/accounts.sql.j2", &accounts)?),
        file("client.cnf", "0600", templates.render("mysql/client.cnf.j2", &client)?),
    ])
}

/// The database as the tracker addresses it: <https://docs.rs/mysql/25.0.1/mysql/#url-based-connection-options>.
#[must_use]
pub fn url(mysql: &Server, password: &str) -> String {
    let Server { port, database_name, username, .. } = mysql;
    let host = mysql.address();
    let [user, password, database] = [username, password, database_name].map(url_part);
    format!("mysql://{user}:{password}@{host}:{port}/{database}")
}

/// A part of a URL, with all encoded that is not a letter, a digit or one of `-_~`.
fn url_part(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn sql_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// GRANT takes a database's name as a pattern.
fn without_wildcards(name: &str) -> String {
    name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// A value of an option file: <https://dev.mysql.com/doc/refman/8.4/en/option-files.html>.
pub(super) fn option(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn host_checks(_: &Config) -> Vec<HostCheck> {
    let question = "SELECT CONCAT('MySQL ', VERSION(), ', ', COUNT(*), ' tables') \
                    FROM information_schema.tables WHERE table_schema = DATABASE()";
    vec![HostCheck {
        name: "MySQL: the tracker's user reads its database".into(),
        command: super::in_container(NAME, &client(question)),
        awaited: true,
        quick: false,
    }]
}

#[cfg(test)]
mod tests;
