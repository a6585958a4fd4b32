//! What the tracker's database holds, asked on the host and not of the tracker.

use crate::config::{Config, Database, Sqlite};
use crate::probe::swarm::InfoHash;
use crate::services::{HostCheck, external, in_container, mysql, postgresql};
use crate::tools::ssh::sh_quote;

/// What opens an SQLite file becomes the owner of the tracker's folder first: who owns it could plant a link in it, which root
/// must not follow; and SQLite creates files next to a database, which the tracker must be able to open.
macro_rules! as_owner {
    ($then:literal) => {
        concat!(
            "import os, pathlib, sqlite3, sys
path = pathlib.Path(sys.argv[1]).absolute()
owner = path.parents[1].lstat().st_uid
if os.geteuid() == 0 and owner != 0:
    os.setgroups([])
    os.setgid(owner)
    os.setuid(owner)
",
            $then
        )
    };
}

/// Asks an SQLite file, which is only read.
const SQLITE: &str = as_owner!(
    "database = sqlite3.connect(path.as_uri() + \"?mode=ro\", uri=True, timeout=10)
print(*database.execute(sys.argv[2]).fetchone())"
);

/// Changes an SQLite file that is there.
const SQLITE_WRITE: &str = as_owner!(
    "database = sqlite3.connect(path.as_uri() + \"?mode=rw\", uri=True, timeout=10)
with database:
    database.execute(sys.argv[2])
database.close()"
);

/// A value in the database that a check wrote, and removes again.
#[derive(Clone, Debug)]
pub enum Value {
    /// On the whitelist.
    Torrent(InfoHash),
    /// A key of a private tracker.
    Key(String),
}

/// What begins the info-hashes of this check: it finds what an earlier run left that was cut off.
const MARK: [u8; 8] = *b"deplprob";

/// A torrent for the whitelist that no real one is.
#[must_use]
pub fn marked() -> InfoHash {
    let InfoHash(mut bytes) = InfoHash::random();
    bytes[..MARK.len()].copy_from_slice(&MARK);
    InfoHash(bytes)
}

/// A command for `bash` in `/opt/torrust` that prints how often the database has this value.
#[must_use]
pub fn count_of(config: &Config, value: &Value) -> String {
    let question = match value {
        Value::Torrent(torrent) => format!("SELECT COUNT(*) FROM whitelist WHERE info_hash = '{torrent}'"),
        Value::Key(key) => {
            let (table, column) = (named(config, "keys"), named(config, "key"));
            // Its beginning is enough to find it: whoever sees the command must not be able to use the key.
            let key: String = key.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
            format!("SELECT COUNT(*) FROM {table} WHERE {column} LIKE '{key}%'")
        }
    };
    command(config, SQLITE, &question)
}

/// A command that puts a torrent on the whitelist in the database itself: every tracker has the table, and one that is not
/// `listed` does not read it.
#[must_use]
pub fn insert(config: &Config, torrent: InfoHash) -> String {
    change(config, &format!("INSERT INTO whitelist (info_hash) VALUES ('{torrent}')"))
}

/// A command that removes what this check and earlier ones wrote.
#[must_use]
pub fn remove(config: &Config) -> String {
    let torrent = marked().to_string();
    let mark = &torrent[..MARK.len() * 2];
    change(config, &format!("DELETE FROM whitelist WHERE info_hash LIKE '{mark}%'"))
}

fn change(config: &Config, statement: &str) -> String {
    command(config, SQLITE_WRITE, statement)
}

/// Where the tracker has no database, nobody asks.
fn command(config: &Config, script: &str, statement: &str) -> String {
    match &config.tracker.core.database {
        Some(database) if database.is_external() => external::ask(statement),
        Some(Database::Sqlite3(sqlite)) => python(script, sqlite, statement),
        Some(Database::Mysql(_)) => in_container(mysql::NAME, &mysql::client(statement)),
        Some(Database::Postgresql(_)) => in_container(postgresql::NAME, &postgresql::client(statement)),
        None => "false".into(),
    }
}

/// A name that SQL knows as a word of its own.
fn named(config: &Config, name: &str) -> String {
    match &config.tracker.core.database {
        Some(Database::Mysql(_)) => format!("`{name}`"),
        _ => format!("\"{name}\""),
    }
}

fn ask(sqlite: &Sqlite, question: &str) -> String {
    python(SQLITE, sqlite, question)
}

fn python(script: &str, sqlite: &Sqlite, statement: &str) -> String {
    format!("python3 -c {} {} {}", sh_quote(script), sh_quote(&file_of(sqlite)), sh_quote(statement))
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
    use crate::config::{self, ProviderKind};

    #[test]
    fn written_row_is_found_and_removed_with_earlier_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("storage/tracker/lib/database")).unwrap();
        let config =
            config::template(ProviderKind::Docker, &"demo".parse().unwrap(), std::path::Path::new("/k"))
                .unwrap();
        let run = |command: &str| {
            let ran = Command::new("bash").args(["-c", command]).current_dir(&folder).output().unwrap();
            (
                ran.status.success(),
                String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap(),
            )
        };
        let (torrent, other, users) = (marked(), marked(), InfoHash::random());
        assert!(!run(&insert(&config, torrent)).0, "a database is not created by a check");
        // The tables as the tracker makes them.
        let tables = "CREATE TABLE whitelist (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE);\
            CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, valid_until INTEGER);\
            INSERT INTO keys (key) VALUES ('YZSl4lMZupRuOpSRC3krIKR5BPB14nrJ')";
        let make = format!(
            "python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])' \
             storage/tracker/lib/database/tracker.db {}",
            sh_quote(tables)
        );
        assert_eq!(run(&make), (true, String::new()));
        for one in [torrent, other, users] {
            assert_eq!(run(&insert(&config, one)), (true, String::new()));
        }
        let count = |value: &Value| run(&count_of(&config, value)).1;
        assert_eq!(count(&Value::Torrent(torrent)), "1\n");
        assert_eq!(count(&Value::Key("YZSl4lMZupRuOpSRC3krIKR5BPB14nrJ".into())), "1\n");
        assert_eq!(run(&remove(&config)), (true, String::new()));
        let left = [torrent, other, users].map(|one| count(&Value::Torrent(one)));
        assert_eq!(left, ["0\n", "0\n", "1\n"], "entries of users stay");
    }

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
