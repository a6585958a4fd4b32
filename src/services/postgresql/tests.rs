use std::path::Path;

use super::*;
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
