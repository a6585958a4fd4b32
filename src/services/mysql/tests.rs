use std::path::Path;

use super::*;
use crate::bundle::Bundle;
use crate::config::{self, Database, ProviderKind};
use crate::store::Choices;

mod real_server;

/// The short form's environment, with this database and a token that is the same in every run.
fn environment(mysql: Server) -> Environment {
    let name = "demo".parse().unwrap();
    let mut config =
        config::template(ProviderKind::Docker, &name, Path::new("/home/me/.ssh/id_ed25519")).unwrap();
    let api = config.tracker.http_api.as_mut().unwrap();
    api.admin_token = Secret::Literal("MyAccessToken".into());
    api.bind_address = "0.0.0.0:1212".parse().unwrap();
    config.tracker.core.database = Some(Database::Mysql(mysql));
    Environment::new(config, Choices::default())
}

fn database(username: &str, database_name: &str, password: &str) -> Server {
    Server {
        host: NAME.into(),
        port: 3306,
        database_name: database_name.into(),
        username: username.into(),
        password: Secret::Literal(password.into()),
        root_password: None,
    }
}

fn bundle(mysql: Server) -> Bundle {
    Bundle::of(&environment(mysql)).unwrap()
}

fn text_of(bundle: &Bundle, path: &str) -> String {
    let file = bundle.files.iter().find(|file| file.path == path).unwrap();
    String::from_utf8(file.bytes.clone()).unwrap()
}

#[test]
fn the_release_with_mysql() {
    let bundle = bundle(database("tracker_user", "torrust_tracker", r#"p@s:s/w#o'r"d\ $x 100%é"#));
    let show = |file: &HostFile| {
        let text = String::from_utf8_lossy(&file.bytes);
        format!("==> {} {} {} <==\n{text}", file.path, file.mode, file.owner)
    };
    insta::assert_snapshot!(bundle.files.iter().map(show).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_password_is_only_where_its_owner_alone_may_read() {
    let mut mysql = database("tracker_user", "torrust_tracker", "Zk9sLw7RbNcYdvE4");
    mysql.root_password = Some(Secret::Literal("ixM2uTq0Zk9sLw7R".into()));
    let bundle = bundle(mysql);
    let holding = |secret: &str| -> Vec<_> {
        let files = bundle.files.iter().filter(|file| String::from_utf8_lossy(&file.bytes).contains(secret));
        files.map(|file| (file.path.as_str(), file.mode)).collect()
    };
    let (accounts, client) = ("storage/mysql/etc/accounts.sql", "storage/mysql/etc/client.cnf");
    assert_eq!(holding("Zk9sLw7RbNcYdvE4"), [(".env", "0600"), (accounts, "0600"), (client, "0600")]);
    assert_eq!(holding("ixM2uTq0Zk9sLw7R"), [(accounts, "0600")]);
}

#[test]
fn another_password_makes_another_container() {
    let with = |password| bundle(database("tracker_user", "torrust_tracker", password));
    assert_ne!(text_of(&with("one"), "docker-compose.yml"), text_of(&with("two"), "docker-compose.yml"));
}

#[test]
fn the_url_holds_no_character_with_a_meaning() {
    let mysql = database("a@b", "c/d", "");
    assert_eq!(url(&mysql, "e:f?g#h%é \\"), "mysql://a%40b:e%3Af%3Fg%23h%25%C3%A9%20%5C@mysql:3306/c%2Fd");
}
