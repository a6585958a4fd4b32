//! The PostgreSQL server: only the tracker reaches it, in a network of their own, without a published port.
//!
//! The image's own set-up is not used (`templates/postgresql/start.sh` says why): the server updates its accounts from a
//! file at each start, so that a changed password takes effect.

use serde_json::json;

use super::{Container, Folder, HostCheck, HostFile, Kind, Mount, Service};
use crate::config::{Config, Secret, Server};
use crate::error::Result;
use crate::render::Templates;
use crate::store::Environment;
use crate::tools::ssh::sh_quote;

/// The database server, of an environment whose database is PostgreSQL in the stack.
pub const KIND: Kind = Kind {
    name: NAME,
    image: Some(|env| env.config.images.postgresql.to_string()),
    wanted: |config| config.tracker.core.postgresql().is_some(),
    service,
    ports: |_| vec![],
    endpoints: |_| vec![],
    checks: |_, _, _| Ok(vec![]),
    host_checks,
    full_checks: |_, _, _, _| Ok(vec![]),
    full_host_checks: |_| vec![],
};

/// Its name in the stack, and so in the network that it shares with the tracker.
pub const NAME: &str = "postgresql";
/// The user `postgres` of the Debian variants of the image.
pub const USER_ID: u32 = 999;
const SETTINGS: &str = "storage/postgresql/etc";
const SETTINGS_INSIDE: &str = "/etc/torrust/postgresql";
/// Where the server keeps its data.
pub const DATA: &str = "storage/postgresql/data";

fn service(env: &Environment) -> Result<Service> {
    let Some(server) = env.config.tracker.core.postgresql() else { return Ok(Service::default()) };
    Ok(Service {
        container: Some(container(&env.config)),
        folders: vec![Folder::of_files(SETTINGS), Folder { path: DATA, owner: USER_ID, mode: "0750" }],
        files: files(server, &Templates::of(env)?)?,
        ..Service::default()
    })
}

fn container(config: &Config) -> Container {
    Container {
        name: NAME,
        image: config.images.postgresql.to_string(),
        user: Some(format!("{USER_ID}:{USER_ID}")),
        command: vec!["sh".into(), format!("{SETTINGS_INSIDE}/start.sh")],
        networks: vec!["database"],
        mounts: vec![
            // The path of images up to version 17; the server is told it, so newer images work with it, too.
            Mount { host: DATA, container: "/var/lib/postgresql/data", read_only: false },
            Mount { host: SETTINGS, container: SETTINGS_INSIDE, read_only: true },
        ],
        // Not whether the server answers: whether the tracker's user can log in to its database.
        health: client("SELECT 1"),
        // Closes the connections; the default would wait for the clients to leave.
        stop_signal: Some("SIGINT"),
        stop_grace: Some("1m"),
        memory: "512m",
        read_only: true,
        ..Container::default()
    }
}

/// A question to the server, asked in its container by the tracker's user.
pub(super) fn client(question: &str) -> Vec<String> {
    let script = format!("{SETTINGS_INSIDE}/client.sh");
    let psql = ["psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", question];
    ["sh", &script].into_iter().chain(psql).map(Into::into).collect()
}

pub(super) fn files(server: &Server, templates: &Templates) -> Result<Vec<HostFile>> {
    let Server { port, database_name, username, .. } = server;
    let password = server.password.resolve()?;
    let root_password = server.root_password.as_ref().map(Secret::resolve).transpose()?;
    let accounts = json!({
        "user": sql_text(username),
        "user_name": sql_name(username),
        "password": sql_text(password.expose()),
        "database": sql_text(database_name),
        "database_name": sql_name(database_name),
        "root_password": root_password.map(|root| sql_text(root.expose())),
    });
    let client = json!({ "port": port, "user": sh_quote(username), "database": sh_quote(database_name) });
    let password = json!({ "password": in_password_file(password.expose()) });
    let file = |name: &str, mode, bytes| HostFile {
        path: format!("{SETTINGS}/{name}"),
        mode,
        owner: USER_ID,
        bytes,
    };
    let text = |name: &str| Ok(templates.text(&format!("postgresql/{name}"))?.into_bytes());
    let rendered = |name: &str, values| templates.render(&format!("postgresql/{name}.j2"), values);
    Ok(vec![
        file("start.sh", "0640", text("start.sh")?),
        file("postgresql.conf", "0640", rendered("postgresql.conf", &json!({ "port": port }))?),
        file("pg_hba.conf", "0640", text("pg_hba.conf")?),
        file("accounts.sql", "0600", rendered("accounts.sql", &accounts)?),
        file("tables.sql", "0640", text("tables.sql")?),
        file("client.sh", "0640", rendered("client.sh", &client)?),
        // The client ignores a password file that others may read.
        file("password", "0600", rendered("password", &password)?),
    ])
}

fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn sql_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A field of a password file: <https://www.postgresql.org/docs/17/libpq-pgpass.html>.
fn in_password_file(text: &str) -> String {
    text.replace('\\', "\\\\").replace(':', "\\:")
}

fn host_checks(_: &Config) -> Vec<HostCheck> {
    let question = "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1) || ', ' || count(*) || ' tables' \
                    FROM pg_tables WHERE schemaname = 'public'";
    vec![HostCheck {
        name: "PostgreSQL: the tracker's user reads its database".into(),
        command: super::in_container(NAME, &client(question)),
        awaited: true,
        quick: false,
    }]
}

#[cfg(test)]
mod tests;
