//! What cannot be done with the environment's database, and what to do instead.

use crate::config::{Database, Server};
use crate::error::{Code, Error, Result};
use crate::store::Environment;

/// Refuses a command that needs a database, where there is none, and a restore into a server of the user's.
///
/// # Errors
/// `state_refused`, with the commands for a restore by hand.
pub fn require(env: &Environment, command: &str) -> Result<()> {
    let works_on_data = matches!(command, "backup create" | "backup restore" | "backup verify");
    match &env.config.tracker.core.database {
        None if works_on_data => Err(without_database(env)),
        Some(database) if command == "backup restore" && database.is_external() => Err(database
            .server()
            .map_or_else(|| without_database(env), |server| by_hand(env, database, server))),
        _ => Ok(()),
    }
}

/// The tracker keeps nothing: its configuration is here, in the description.
pub fn without_database(env: &Environment) -> Error {
    let name = &env.name;
    Error::new(Code::StateRefused, format!("{name} has no database: there is nothing to back up or restore"))
        .why("tracker.core.database is null; the configuration is made from the description that is stored here")
        .help(format!("backups of an earlier database: torrust-tracker-deployer backup {name} list"))
        .help(format!("to keep data from now on: set tracker.core.database, then: torrust-tracker-deployer deploy {name} -f FILE"))
}

/// A server of the user's has other databases, users and rules: nothing in it is replaced.
fn by_hand(env: &Environment, database: &Database, server: &Server) -> Error {
    let (name, Server { host, port, username, .. }) = (&env.name, server);
    let bare = host.trim_matches(['[', ']']);
    let (dump, load) = match database {
        Database::Postgresql(_) => (
            "storage/postgresql/dump.sql",
            format!(
                "psql --host {bare} --port {port} --username {username} --set ON_ERROR_STOP=1 --single-transaction NEW"
            ),
        ),
        _ => (
            "storage/mysql/dump.sql",
            format!("mysql --host {bare} --port {port} --user {username} --password NEW"),
        ),
    };
    let what =
        format!("the database of {name} is on the server {host}, which is yours: nothing there is replaced");
    Error::new(Code::StateRefused, what)
        .why("a restore would have to rename or drop tables on a server that this program did not make")
        .help(format!("fetch the backup: torrust-tracker-deployer backup {name} fetch ID"))
        .help(format!("on the server, create an empty database NEW in which {username} has all rights"))
        .help(format!("load it: tar -xzO -f backups/{name}/ID.tar.gz {dump} | {load}"))
        .help(format!("set database_name to NEW, then: torrust-tracker-deployer deploy {name} -f FILE"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ProviderKind, Secret, template};
    use crate::store::Choices;

    fn environment(database: Option<Database>) -> Environment {
        let mut config = template(ProviderKind::Docker, &"demo".parse().unwrap(), Path::new("/k")).unwrap();
        config.tracker.core.database = database;
        Environment::new(config, Choices::default())
    }

    fn on(host: &str) -> Server {
        Server {
            host: host.into(),
            port: 5432,
            database_name: "torrust".into(),
            username: "tracker".into(),
            password: Secret::Literal("secret".into()),
            root_password: None,
        }
    }

    #[test]
    fn without_a_database_only_list_and_fetch_work() {
        let env = environment(None);
        for command in ["backup create", "backup restore", "backup verify"] {
            assert_eq!(require(&env, command).unwrap_err().code(), Code::StateRefused, "{command}");
        }
        assert!(require(&env, "backup fetch").is_ok());
    }

    #[test]
    fn a_restore_into_a_user_s_server_is_typed_by_hand() {
        let env = environment(Some(Database::Postgresql(on("[2001:db8::7]"))));
        assert!(require(&env, "backup create").is_ok());
        let helps = require(&env, "backup restore").unwrap_err().helps().join("\n");
        assert!(
            helps.contains(
                "tar -xzO -f backups/demo/ID.tar.gz storage/postgresql/dump.sql | psql --host 2001:db8::7"
            ),
            "{helps}"
        );
        assert!(!helps.contains("secret"));
        let own = environment(Some(Database::Mysql(on("mysql"))));
        assert!(require(&own, "backup restore").is_ok());
    }
}
