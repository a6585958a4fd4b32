//! A database on a server of the user's own. Nothing of it is deployed: the host gets what checks it from the tracker's
//! place, with the tracker's user, in a container of the server's own kind of image.

use serde_json::json;

use super::{Folder, HostCheck, HostFile, Kind, Service, mysql, postgresql};
use crate::config::{Config, Database, Secret, Server};
use crate::error::Result;
use crate::render::Templates;
use crate::services::tracker::schema::Schema;
use crate::store::Environment;
use crate::tools::ssh::sh_quote;

/// The external database, where the configuration names one.
pub const KIND: Kind = Kind {
    name: "database",
    // Its client runs in no container of the stack.
    image: None,
    wanted: |config| of(config).is_some(),
    service,
    ports: |_| vec![],
    endpoints: |_| vec![],
    checks: |_, _, _| Ok(vec![]),
    host_checks: checks,
    full_checks: |_, _, _, _| Ok(vec![]),
    full_host_checks: |_| vec![],
};

/// Where its files are on the host. The client's container sees them where the stack's own server has its settings, under
/// the same names.
const FOLDER: &str = "database";
/// How the names of its checks begin.
pub const CHECK: &str = "external ";
/// The settings of the scratch server that a backup is tried out in.
const SCRATCH: &str = "database/scratch";

/// An external database: its kind and its server.
fn of(config: &Config) -> Option<(&Database, &Server)> {
    let database = config.tracker.core.external()?;
    Some((database, database.server()?))
}

/// The image whose client talks to it, where there is one.
#[must_use]
pub fn image(config: &Config) -> Option<&str> {
    of(config).map(|(database, _)| match database {
        Database::Postgresql(_) => config.images.postgresql.as_str(),
        _ => config.images.mysql.as_str(),
    })
}

fn service(env: &Environment) -> Result<Service> {
    let Some((database, server)) = of(&env.config) else { return Ok(Service::default()) };
    let templates = Templates::of(env)?;
    let file = |name: &str, mode, bytes| HostFile { path: format!("{FOLDER}/{name}"), mode, owner: 0, bytes };
    let image = image(&env.config).unwrap_or_default();
    let about = json!({
        "driver": database.driver(),
        "host": bare(&server.host),
        "port": server.port,
        "database": server.database_name,
        "user": server.username,
        "image": image,
        "tracker": env.tracker_reference(),
        // Images of schema 3.0.0 refuse three tables.
        "metrics": env.schema() == Schema::V3,
    });
    let mut files = vec![
        file("look.py", "0644", templates.text("database/look.py")?.into_bytes()),
        file("server.json", "0600", format!("{about:#}\n").into_bytes()),
    ];
    files.extend(credentials(database, server, &templates, &file)?);
    files.extend(scratch(database, server, &templates)?);
    Ok(Service { folders: vec![Folder::of_files(SCRATCH)], files, ..Service::default() })
}

/// The password, in the file that the server's own client reads, and what leads it to the server.
fn credentials(
    database: &Database,
    server: &Server,
    templates: &Templates,
    file: &dyn Fn(&str, &'static str, Vec<u8>) -> HostFile,
) -> Result<Vec<HostFile>> {
    let password = server.password.resolve()?;
    let Server { port, database_name, username, .. } = server;
    let host = bare(&server.host);
    if let Database::Postgresql(_) = database {
        let escaped = password.expose().replace('\\', "\\\\").replace(':', "\\:");
        let [host, user, database] = [host, username, database_name].map(sh_quote);
        let values = json!({ "host": host, "port": port, "user": user, "database": database });
        return Ok(vec![
            file("client.sh", "0600", templates.render("database/client.sh.j2", &values)?),
            file("password", "0600", format!("*:*:*:*:{escaped}\n").into_bytes()),
        ]);
    }
    let [host, database, user, password] =
        [host, database_name, username, password.expose()].map(mysql::option);
    let values =
        json!({ "host": host, "port": port, "database": database, "user": user, "password": password });
    Ok(vec![file("client.cnf", "0600", templates.render("database/client.cnf.j2", &values)?)])
}

/// The settings of the stack's own server, for one without a network: its password opens nothing else.
fn scratch(database: &Database, server: &Server, templates: &Templates) -> Result<Vec<HostFile>> {
    let password = Secret::Literal("scratch".into());
    let scratch = Server { host: database.driver().into(), password, root_password: None, ..server.clone() };
    let files = match database {
        Database::Postgresql(_) => postgresql::files(&scratch, templates)?,
        _ => mysql::files(&scratch, templates)?,
    };
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let moved = |file: HostFile| HostFile { path: format!("{SCRATCH}/{}", name(&file.path)), ..file };
    Ok(files.into_iter().map(moved).collect())
}

/// An IPv6 address without the brackets that a URL needs.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Whether the tracker reaches it, and finds its tables. A tracker that does not start is asked about it, too.
pub fn checks(config: &Config) -> Vec<HostCheck> {
    let Some((database, _)) = of(config) else { return vec![] };
    vec![HostCheck {
        name: format!("{CHECK}{}: the tracker's user finds its tables", called(database)),
        command: format!("python3 {FOLDER}/look.py"),
        awaited: true,
        // The slowest of those that `status` waits for.
        quick: true,
    }]
}

/// A command for `bash` in `/opt/torrust` that prints what the server answers.
#[must_use]
pub fn ask(statement: &str) -> String {
    format!("python3 {FOLDER}/look.py ask {}", sh_quote(statement))
}

fn called(database: &Database) -> &'static str {
    match database {
        Database::Postgresql(_) => "PostgreSQL",
        _ => "MySQL",
    }
}

#[cfg(test)]
mod tests;
