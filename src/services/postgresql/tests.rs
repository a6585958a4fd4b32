use std::path::Path;

use super::*;
use crate::bundle::Bundle;
use crate::config::{self, Database, ProviderKind};
use crate::store::Choices;

mod real_server;

/// The short form's environment, with this database and a token that is the same in every run.
fn environment(server: Server) -> Environment {
    let name = "demo".parse().unwrap();
    let mut config =
        config::template(ProviderKind::Docker, &name, Path::new("/home/me/.ssh/id_ed25519")).unwrap();
    config.tracker.http_api.as_mut().unwrap().admin_token = Secret::Literal("MyAccessToken".into());
    config.tracker.core.database = Some(Database::Postgresql(server));
    Environment::new(config, Choices::default())
}

fn database(username: &str, database_name: &str, password: &str) -> Server {
    Server {
        host: NAME.into(),
        port: 5432,
        database_name: database_name.into(),
        username: username.into(),
        password: Secret::Literal(password.into()),
        root_password: None,
    }
}

fn bundle(server: Server) -> Bundle {
    Bundle::of(&environment(server)).unwrap()
}

fn text_of(bundle: &Bundle, path: &str) -> String {
    let file = bundle.files.iter().find(|file| file.path == path).unwrap();
    String::from_utf8(file.bytes.clone()).unwrap()
}

#[test]
fn the_files_of_postgresql() {
    let server = database("tracker_user", "torrust_tracker", r#"p@s:s/w#o'r"d\ $x 100%é"#);
    let files = service(&environment(server)).unwrap().files;
    let show = |file: &HostFile| {
        let text = String::from_utf8_lossy(&file.bytes);
        format!("==> {} {} {} <==\n{text}", file.path, file.mode, file.owner)
    };
    insta::assert_snapshot!(files.iter().map(show).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_password_is_only_in_files_that_their_owner_reads() {
    let mut server = database("tracker_user", "torrust_tracker", "Zk9sLw7RbNcYdvE4");
    server.root_password = Some(Secret::Literal("ixM2uTq0Zk9sLw7R".into()));
    let bundle = bundle(server);
    let holding = |secret: &str| -> Vec<_> {
        let files = bundle.files.iter().filter(|file| String::from_utf8_lossy(&file.bytes).contains(secret));
        files.map(|file| (file.path.as_str(), file.mode)).collect()
    };
    let (accounts, client) = ("storage/postgresql/etc/accounts.sql", "storage/postgresql/etc/password");
    assert_eq!(holding("Zk9sLw7RbNcYdvE4"), [(".env", "0600"), (accounts, "0600"), (client, "0600")]);
    assert_eq!(holding("ixM2uTq0Zk9sLw7R"), [(accounts, "0600")]);
}

#[test]
fn a_changed_password_recreates_the_container() {
    let with = |password| bundle(database("tracker_user", "torrust_tracker", password));
    assert_ne!(text_of(&with("one"), "docker-compose.yml"), text_of(&with("two"), "docker-compose.yml"));
}
