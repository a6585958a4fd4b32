//! What the tracker's database holds, asked on the host and not of the tracker.

use crate::config::{Config, Database, Sqlite};
use crate::probe::swarm::InfoHash;
use crate::services::{HostCheck, external, in_container, mysql, postgresql};
use crate::tools::ssh::sh_quote;

/// Asks an SQLite file, which is only read.
const SQLITE: &str = "import pathlib, sqlite3, sys
place = pathlib.Path(sys.argv[1]).absolute().as_uri()
database = sqlite3.connect(place + \"?mode=ro\", uri=True, timeout=10)
print(*database.execute(sys.argv[2]).fetchone())";

/// A command for `bash` in `/opt/torrust` that prints how often the whitelist in the database has this torrent.
#[must_use]
pub fn count_of(config: &Config, torrent: InfoHash) -> String {
    let question = format!("SELECT COUNT(*) FROM whitelist WHERE info_hash = '{torrent}'");
    match &config.tracker.core.database {
        Some(database) if database.is_external() => external::ask(&question),
        Some(Database::Sqlite3(sqlite)) => ask(sqlite, &question),
        Some(Database::Mysql(_)) => in_container(mysql::NAME, &mysql::client(&question)),
        Some(Database::Postgresql(_)) => in_container(postgresql::NAME, &postgresql::client(&question)),
        // Its rule refuses such a configuration.
        None => "false".into(),
    }
}

fn ask(sqlite: &Sqlite, question: &str) -> String {
    format!("python3 -c {} {} {}", sh_quote(SQLITE), sh_quote(&file_of(sqlite)), sh_quote(question))
}

/// Where `SQLite`'s database is, below `/opt/torrust`.
#[must_use]
pub fn file_of(sqlite: &Sqlite) -> String {
    format!("storage/tracker/lib/database/{}", sqlite.database_name)
}

/// The tracker goes on from its memory for a while when its database file is none any more. A server's own service asks it.
#[must_use]
pub fn checks(config: &Config) -> Vec<HostCheck> {
    let Some(sqlite) = config.tracker.core.sqlite() else { return vec![] };
    vec![HostCheck {
        name: "SQLite: the database can be read".into(),
        command: ask(sqlite, "SELECT count(*) || ' tables and indexes' FROM sqlite_master"),
        awaited: false,
        quick: true,
    }]
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_database_is_read_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("storage/tracker/lib/database")).unwrap();
        for name in ["tracker.db", "it's #1?.db", "100%41.db"] {
            let sqlite = Sqlite { database_name: name.to_owned() };
            let make = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE keys (a)')";
            let run = |program: &str, args: &[&str]| {
                let ran = Command::new(program).args(args).current_dir(&folder).output().unwrap();
                String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap()
            };
            run("python3", &["-c", make, &file_of(&sqlite)]);
            let count = ask(&sqlite, "SELECT count(*) FROM sqlite_master");
            assert_eq!(run("bash", &["-c", &count]), "1\n", "{name}");
        }
    }
}
