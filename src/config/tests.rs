//! Whole files: what loads, what is refused, and what the user reads then.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::problems::draw;
use super::template::random_secret;
use super::*;

mod files;
mod fuzz;
mod properties;
mod refusals;

/// Checks a text, and draws its problems in the plain style.
fn parse(text: &str, file_name: &str, base: &Path) -> Result<Loaded> {
    super::parse(text, file_name, base, Style::default())
}

/// A folder with the files that the test configurations name.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "id_ed25519",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNza\n-----END OPENSSH PRIVATE KEY-----\n",
    );
    write("id_ed25519.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA tester\n");
    write("root.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    fs::set_permissions(folder.path().join("id_ed25519"), fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

fn configs(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty());
    files
}

pub fn valid(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/valid").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn in_snapshots(check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../tests/configs/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(check);
}

#[test]
fn every_valid_file_loads_and_survives_a_round_trip() {
    let folder = folder();
    for path in configs("valid") {
        let text = fs::read_to_string(&path).unwrap();
        let loaded =
            parse(&text, "x.json", folder.path()).unwrap_or_else(|e| panic!("{path:?}:\n{}", e.drawing()));
        assert!(loaded.config.ssh_credentials.private_key_path.is_absolute());
        let stored = serde_json::to_string_pretty(&loaded.config).unwrap();
        let again = parse(&stored, "x.json", Path::new("/nowhere")).unwrap();
        assert_eq!(again.config, loaded.config, "{path:?}");
        assert_eq!(serde_json::from_str::<Config>(&stored).unwrap(), loaded.config);
    }
}

#[test]
fn every_field_keeps_its_value() {
    let folder = folder();
    let given = valid("full-https.json");
    let config = parse(&given.to_string(), "x.json", folder.path()).unwrap().config;
    let mut expected = given;
    for pointer in [
        "/ssh_credentials/private_key_path",
        "/ssh_credentials/public_key_path",
        "/https/ca_root",
        "/grafana/admin_password/file",
    ] {
        let place = expected.pointer_mut(pointer).unwrap();
        *place = json!(folder.path().join(place.as_str().unwrap()));
    }
    assert_eq!(serde_json::to_value(&config).unwrap(), expected);
}

#[test]
fn every_setting_of_the_tracker_keeps_its_value() {
    let given = valid("settings.json");
    let config = parse(&given.to_string(), "x.json", folder().path()).unwrap().config;
    let stored = serde_json::to_value(&config).unwrap();
    assert_eq!(stored["tracker"], given["tracker"]);
    assert_eq!(config.secrets().len(), 3);
}

#[test]
fn no_database_and_no_api_have_to_be_asked_for() {
    let mut document = valid("minimal.json");
    document["tracker"]["core"]["database"] = Json::Null;
    document["tracker"]["http_api"] = Json::Null;
    let config: Config = serde_json::from_value(document.clone()).unwrap();
    assert!(config.tracker.core.database.is_none() && config.tracker.http_api.is_none());
    assert_eq!(serde_json::to_value(&config).unwrap()["tracker"]["core"]["database"], Json::Null);
    for (section, field) in [("core", "database"), ("", "http_api")] {
        let mut document = document.clone();
        let tracker = &mut document["tracker"];
        let inner = if section.is_empty() { tracker } else { &mut tracker[section] };
        inner.as_object_mut().unwrap().remove(field);
        assert!(serde_json::from_value::<Config>(document).is_err(), "{field}");
    }
}

#[test]
fn a_token_is_shown_under_no_label() {
    let broken = |text: &str| parse(text, "x.json", folder().path()).unwrap_err().drawing().to_owned();
    let mut document = valid("settings.json");
    document["tracker"]["http_api"]["access_tokens"]["domain"] = json!("Xu3Kf8sTq0Zk9s\n");
    let text = serde_json::to_string_pretty(&document).unwrap();
    assert!(!broken(&text).contains("Xu3K"), "{}", broken(&text));
    let cut = text.replace("  \"health_check_api\"", "  health_check_api\"");
    assert!(!broken(&cut).contains("Xu3K"), "{}", broken(&cut));
}

#[test]
fn every_invalid_file_is_drawn_with_its_places() {
    let folder = folder();
    for path in configs("invalid") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let error = parse(&fs::read_to_string(&path).unwrap(), name, folder.path()).expect_err(name);
        assert_eq!(error.code(), Code::ConfigInvalid);
        in_snapshots(|| insta::assert_snapshot!(name, format!("{error}\n{}", error.drawing())));
    }
}

#[test]
fn problems_are_data_too() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/invalid/four-mistakes.json");
    let error = parse(&fs::read_to_string(path).unwrap(), "x.json", folder().path()).unwrap_err();
    in_snapshots(|| insta::assert_json_snapshot!("four-mistakes-data", error));
}

#[test]
fn a_drawing_can_do_without_colour_and_unicode() {
    let text = "{\n  \"a\": 1\n}\n";
    let problem = Problem::at(text, "a", 4..7, "there is no field `a`").fix("remove it");
    let problems = Problems { shown: vec![problem], errors: 1, hidden: 0 };
    let draw = |style| draw(style, &problems, "x.json", text);
    assert!(draw(Style::Ascii).is_ascii());
    assert!(draw(Style::Colour).contains('\u{1b}'));
    assert!(!draw(Style::Unicode).contains('\u{1b}') && draw(Style::Unicode).contains('╭'));
}

#[test]
fn warnings_do_not_stop_a_file() {
    let loaded = parse(&valid("older-core.json").to_string(), "x.json", folder().path()).unwrap();
    let places: Vec<&str> = loaded.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "tracker.http_api.bind_address",
            "tracker.http_api.admin_token",
            "grafana",
            "grafana.admin_password"
        ]
    );
    assert!(loaded.drawing.contains("openssl rand") && !loaded.drawing.contains("MyAccessToken"));
}

#[test]
fn the_templates_are_valid_and_their_secrets_their_own() {
    let (folder, name) = (folder(), "my-tracker".parse().unwrap());
    for kind in [ProviderKind::Docker, ProviderKind::Lxd, ProviderKind::Hetzner] {
        let config = template(kind, &name, &folder.path().join("id_ed25519")).unwrap();
        let text = serde_json::to_string_pretty(&config).unwrap();
        let loaded = parse(&text, "x.json", folder.path()).unwrap();
        assert_eq!((loaded.config, loaded.warnings), (config, vec![]));
    }
    let [one, other] = [(), ()].map(|()| random_secret().unwrap());
    assert!(one != other && one.literal().is_some_and(|text| text.len() == 32));
}

#[test]
fn every_secret_is_known_and_none_is_printed() {
    let config: Config = serde_json::from_value(valid("full-https.json")).unwrap();
    assert_eq!(config.secrets().len(), 4);
    assert!(!format!("{config:?}").contains("p@ss"));
}

#[test]
fn a_long_name_gives_a_host_name_that_fits_and_is_its_own() {
    let host = |name: &str| {
        let mut config: Config = serde_json::from_value(valid("minimal.json")).unwrap();
        config.environment.name = name.parse().unwrap();
        config.instance_name()
    };
    assert_eq!(host("a"), "torrust-tracker-vm-a");
    let (one, other) = (host(&"x".repeat(63)), host(&"x".repeat(62)));
    assert!(one.len() <= 63 && other.len() <= 63 && one != other, "{one} {other}");
}

#[test]
fn a_home_folder_is_found() {
    let mut document = valid("minimal.json");
    document["ssh_credentials"]["private_key_path"] = json!("~/no-such-folder/key");
    let error = parse(&document.to_string(), "x.json", folder().path()).unwrap_err();
    assert!(error.drawing().contains("ssh-keygen -t ed25519 -f ~/no-such-folder/key"), "{}", error.drawing());
    let mut config: Config = serde_json::from_value(document).unwrap();
    super::files::make_absolute(&mut config, Path::new("/base"));
    let home = std::env::home_dir().unwrap();
    assert_eq!(config.ssh_credentials.private_key_path, home.join("no-such-folder/key"));
    assert_eq!(config.ssh_credentials.public_key_path, Path::new("/base/id_ed25519.pub"));
}

#[test]
fn the_schema_is_one_and_takes_every_valid_file() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::validator_for(schema).unwrap();
    for path in configs("valid") {
        let document = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(validator.is_valid(&document), "{path:?}");
    }
    in_snapshots(|| insta::assert_json_snapshot!("schema", schema));
}
