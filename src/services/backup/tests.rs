use std::path::Path;

use super::*;
use crate::config::{self, Backup, ProviderKind, Secret};
use crate::store::Choices;

fn environment(schedule: &str) -> Environment {
    let name = "demo".parse().unwrap();
    let mut config =
        config::template(ProviderKind::Docker, &name, Path::new("/home/me/.ssh/id_ed25519")).unwrap();
    config.tracker.http_api.as_mut().unwrap().admin_token = Secret::Literal("MyAccessToken".into());
    config.backup = Some(Backup { schedule: schedule.into(), retention_days: 14 });
    Environment::new(config, Choices::default())
}

fn rendered(env: &Environment, path: &str) -> String {
    let file = service(env).unwrap().files.into_iter().find(|file| file.path == path).unwrap();
    String::from_utf8(file.bytes).unwrap()
}

#[test]
fn the_files_that_depend_on_the_configuration() {
    let env = environment("0 3 13 * fri");
    insta::assert_snapshot!(
        rendered(&env, "backup/torrust-tracker-backup.timer") + &rendered(&env, "backup/settings")
    );
}

#[test]
fn a_databases_name_is_one_word_of_the_settings() {
    let mut env = environment("0 3 * * *");
    let Some(Database::Sqlite3(sqlite)) = &mut env.config.tracker.core.database else { panic!("not SQLite") };
    sqlite.database_name = "it's $(mine).db".into();
    let settings = rendered(&env, "backup/settings");
    assert!(settings.contains(r"data='storage/tracker/lib/database/it'\''s $(mine).db'"), "{settings}");
}

#[test]
fn every_unit_is_a_file_and_what_runs_may_run() {
    let service = service(&environment("0 3 * * *")).unwrap();
    let mode = |path: &str| service.files.iter().find(|file| file.path == path).unwrap().mode;
    assert!(service.units.iter().all(|unit| mode(unit) == "0644"));
    assert_eq!((mode("backup/backup.sh"), mode("backup/check.sh")), ("0755", "0755"));
    assert_eq!(service.folders[0].mode, "0700");
}
