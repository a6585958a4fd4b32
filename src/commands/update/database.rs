//! What a change of the database means for the data that the tracker has.

use crate::config::{Config, Database};
use crate::services::{mysql, tracker};

/// Where a database is, for people.
fn place(database: &Database) -> String {
    match database {
        Database::Sqlite3(sqlite) => format!("{} on the host", tracker::stored::file_of(sqlite)),
        Database::Mysql(server) | Database::Postgresql(server) if database.is_external() => {
            format!("the database {} on {}:{}", server.database_name, server.address(), server.port)
        }
        Database::Mysql(_) => format!("{} on the host", mysql::DATA),
        Database::Postgresql(_) => "storage/postgresql/data on the host".into(),
    }
}

/// What is lost and what is left alone, where the tracker goes to another database, to none, or from none to one.
#[must_use]
pub fn note(old: &Config, new: &Config) -> Option<String> {
    let (old, new) = (&old.tracker.core.database, &new.tracker.core.database);
    match (old, new) {
        (Some(old), None) => Some(format!(
            "the tracker stores nothing from now on: no keys, no whitelist, no counts over a restart; {} stays as it is, unread",
            place(old)
        )),
        (None, Some(new)) => Some(format!(
            "the tracker stores its data in {} from now on; what it holds in memory is lost when it restarts",
            place(new)
        )),
        (Some(old), Some(new)) if new.is_external() && place(old) != place(new) => Some(format!(
            "the tracker uses {} from now on; nothing is copied there from {}, which stays as it is",
            place(new),
            place(old)
        )),
        _ => None,
    }
}

/// Whether the tracker would leave its data for an empty database. A server of the user's holds what the user put there.
#[must_use]
pub fn begins_empty(old: &Config, new: &Config) -> bool {
    let (old, new) = (&old.tracker.core.database, &new.tracker.core.database);
    old.is_some() && new.as_ref().is_some_and(|new| !new.is_external())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ProviderKind, Secret, Server, Sqlite, template};

    fn config(database: Option<Database>) -> Config {
        let mut config = template(ProviderKind::Docker, &"demo".parse().unwrap(), Path::new("/k")).unwrap();
        config.tracker.core.database = database;
        config
    }

    fn file() -> Database {
        Database::Sqlite3(Sqlite { database_name: "tracker.db".into() })
    }

    fn on(host: &str, name: &str) -> Database {
        let (host, database_name, username) = (host.into(), name.into(), "tracker".into());
        let password = Secret::Literal("secret".into());
        Database::Mysql(Server { host, port: 3306, database_name, username, password, root_password: None })
    }

    #[test]
    fn what_becomes_of_the_data_is_told() {
        let told = |old: Option<Database>, new| note(&config(old), &config(new)).unwrap_or_default();
        let gone = told(Some(file()), None);
        let words = ["stores nothing", "database/tracker.db on the host stays"];
        assert!(words.iter().all(|words| gone.contains(words)), "{gone}");
        assert!(told(None, Some(file())).contains("what it holds in memory is lost"));
        let moved = told(Some(on("mysql", "torrust")), Some(on("db.example.org", "torrust")));
        assert!(moved.contains("nothing is copied there from storage/mysql/data on the host"), "{moved}");
        let other = told(Some(on("db.example.org", "a")), Some(on("db.example.org", "b")));
        assert!(other.contains("the database b on db.example.org"), "{other}");
        assert_eq!(told(Some(file()), Some(file())), "");
    }

    #[test]
    fn only_a_database_of_ours_begins_empty() {
        let empty = |old, new| begins_empty(&config(old), &config(new));
        assert!(empty(Some(file()), Some(on("mysql", "a"))));
        assert!(empty(Some(on("db.example.org", "a")), Some(on("mysql", "a"))));
        assert!(!empty(Some(file()), None) && !empty(None, Some(file())));
        assert!(!empty(Some(file()), Some(on("db.example.org", "a"))));
    }
}
