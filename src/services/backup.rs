//! Regular backups of database and configuration, made by the host's systemd.

use serde_json::{Value, json};

use super::{Folder, HostCheck, HostFile, Kind, Service, external, mysql, postgresql, tracker};
use crate::config::{Config, Database, schedule};
use crate::error::{Code, Error, Result};
use crate::render::Templates;
use crate::store::Environment;
use crate::tools::ssh::sh_quote;

/// The backups, where the configuration asks for them.
pub const KIND: Kind = Kind {
    name: "backup",
    image: None,
    wanted: |config| config.backup.is_some(),
    service,
    ports: |_| vec![],
    endpoints: |_| vec![],
    checks: |_, _, _| Ok(vec![]),
    host_checks,
    full_checks: |_, _, _, _| Ok(vec![]),
    full_host_checks,
};

/// Where the backups are.
const FOLDER: &str = "storage/backup";
/// The program is started by its units, so that a link to each is all that systemd needs.
const UNITS: [&str; 2] = ["backup/torrust-tracker-backup.service", "backup/torrust-tracker-backup.timer"];

/// The program, its settings and its units, as `templates/backup/` has them.
fn service(env: &Environment) -> Result<Service> {
    let files = Templates::of(env)?.folder("backup", &values(&env.config)?)?;
    let host_file = |file: crate::render::File| HostFile {
        mode: if file.bytes.starts_with(b"#!") { "0755" } else { "0644" },
        path: format!("backup/{}", file.path),
        owner: 0,
        bytes: file.bytes,
    };
    Ok(Service {
        folders: vec![Folder { path: FOLDER, owner: 0, mode: "0700" }],
        files: files.into_iter().map(host_file).collect(),
        units: UNITS.map(Into::into).to_vec(),
        ..Service::default()
    })
}

/// The programs with their settings, for a call from here: they travel with it, so that a host without regular backups has
/// them, too.
///
/// # Errors
/// A template does not fit.
pub fn tools(env: &Environment) -> Result<Vec<HostFile>> {
    let Service { files, units, .. } = service(env)?;
    Ok(files.into_iter().filter(|file| !units.contains(&file.path)).collect())
}

fn values(config: &Config) -> Result<Value> {
    let backup = config.backup.clone().unwrap_or_default();
    let calendars = schedule::on_calendar(&backup.schedule)
        .map_err(|why| Error::new(Code::ConfigInvalid, "backup.schedule is no schedule").why(why))?;
    let (driver, data, owner, database) = match &config.tracker.core.database {
        Some(Database::Sqlite3(sqlite)) => {
            ("sqlite3", tracker::stored::file_of(sqlite), tracker::USER_ID, None)
        }
        Some(Database::Mysql(server)) => {
            ("mysql", mysql::DATA.into(), mysql::USER_ID, Some(sh_quote(&server.database_name)))
        }
        Some(Database::Postgresql(_)) => ("postgresql", postgresql::DATA.into(), postgresql::USER_ID, None),
        // What there is of an earlier database can be listed and fetched.
        None => ("none", String::new(), 0, None),
    };
    Ok(json!({
        "schedule": backup.schedule,
        "calendars": calendars,
        // Nobody asked for backups to be removed where none are made regularly.
        "retention_days": config.backup.as_ref().map(|backup| backup.retention_days),
        "environment": config.environment.name,
        "driver": driver,
        "data": sh_quote(&data),
        "owner": owner,
        "database": database,
        "image": external::image(config),
    }))
}

/// Whether the last one came about, and when the next one will.
fn host_checks(_: &Config) -> Vec<HostCheck> {
    vec![HostCheck {
        name: "backups: the last and the next".into(),
        command: "backup/check.sh".into(),
        awaited: false,
        quick: true,
    }]
}

/// Makes one, as the timer does, and restores it in a scratch place.
fn full_host_checks(_: &Config) -> Vec<HostCheck> {
    vec![HostCheck {
        name: "backups: one is made and can be restored".into(),
        command: include_str!("backup/drill.sh").into(),
        awaited: false,
        quick: false,
    }]
}

#[cfg(test)]
mod tests;
