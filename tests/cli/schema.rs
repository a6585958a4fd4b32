//! The schema of the tracker's configuration: the one that its image wants.

use std::fs;

use crate::api;
use crate::deploy::{TOKEN, api_only};
use crate::world::{World, snapshot};

/// A running tracker, whose image wants what `images.sh` would report so.
fn running(schema: &str) -> World {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    image_wants(&world, schema);
    world.ok(&["deploy", "-f", "env.json"]);
    world
}

fn image_wants(world: &World, schema: &str) {
    fs::write(world.path("../schema"), format!("schema {schema}\n")).unwrap();
}

fn stored(world: &World) -> (String, String) {
    let image = &world.state("minimal")["tracker_image"];
    let text = |field: &str| image[field].as_str().unwrap_or_default().to_owned();
    (text("schema"), text("found"))
}

#[test]
fn the_image_decides_before_its_tag_does() {
    for (told, schema, found) in [
        ("2.0.0 develop", "2.0.0", "default_file"),
        ("3.0.0 3.0.0", "3.0.0", "default_file"),
        ("- 3.0.0", "2.0.0", "version_label"),
        ("- develop", "3.0.0", "reference"),
        ("- -", "3.0.0", "reference"),
    ] {
        let world = running(told);
        assert_eq!(stored(&world), (schema.into(), found.into()), "{told}");
    }
}

#[test]
fn a_second_release_does_not_ask_the_image_again() {
    let world = running("- -");
    let id = world.state("minimal")["tracker_image"]["id"].as_str().unwrap().to_owned();
    world.forget_transcript();
    snapshot!(world, &["release", "minimal"]);
    assert_eq!(world.calls(&format!("deployer 'minimal' 'pull' '{id}'")), 1, "{}", world.transcript());
}

#[test]
fn an_unknown_schema_is_one_error_before_anything_changes() {
    let world = running("2.0.0 3.0.0");
    let before = world.state("minimal");
    image_wants(&world, "9.0.0 9.0.0");
    world.forget_transcript();
    snapshot!(world, &["release", "minimal", "--image-tag", "9.0.0"]);
    assert_eq!(world.calls("releases/.incoming"), 0, "{}", world.transcript());
    let after = world.state("minimal");
    for field in ["choices", "tracker_image", "release", "stage"] {
        assert_eq!(before.get(field), after.get(field), "{field}");
    }
}

#[test]
fn an_own_file_of_another_schema_is_refused_before_anything_changes() {
    for (told, own) in [("3.0.0 develop", "2.0.0"), ("2.0.0 3.0.0", "3.0.0")] {
        let world = running(told);
        world.write("own.toml", &format!("[metadata]\nschema_version = \"{own}\"\n"));
        world.forget_transcript();
        let refusal = world.refusal(&["release", "minimal", "--config", "own.toml"]);
        assert_eq!(refusal.code, "config_invalid");
        let wants = format!("has schema {own}, and the image torrust/tracker:develop wants schema");
        assert!(refusal.message.contains(&wants), "{}", refusal.message);
        assert!(refusal.help.contains("--config generated"), "{}", refusal.help);
        assert_eq!(world.calls("releases/.incoming"), 0);
        assert!(world.state("minimal")["choices"].get("tracker_toml").is_none());
    }
}

#[test]
fn an_own_file_that_is_kept_must_fit_a_later_image_too() {
    let world = running("2.0.0 3.0.0");
    world.write("own.toml", "[metadata]\nschema_version = \"2.0.0\"\n");
    world.ok(&["release", "minimal", "--config", "own.toml"]);
    world.ok(&["update", "minimal", "--image-tag", "4.0.0"]);
    image_wants(&world, "3.0.0 4.0.0");
    world.forget_transcript();
    let refusal = world.refusal(&["deploy", "minimal"]);
    assert_eq!(refusal.code, "config_invalid");
    assert!(refusal.message.contains("torrust/tracker:4.0.0 wants schema 3.0.0"), "{}", refusal.message);
    assert_eq!(world.calls("releases/.incoming"), 0);
}

#[test]
fn an_own_file_without_a_schema_version_is_refused() {
    let world = running("3.0.0 develop");
    world.write("own.toml", "[logging]\nthreshold = \"info\"\n");
    world.forget_transcript();
    let refusal = world.refusal(&["release", "minimal", "--config", "own.toml"]);
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("config_invalid", "own.toml has no metadata.schema_version")
    );
    assert_eq!(world.transcript(), "");
}

#[test]
fn a_rollback_has_the_schema_of_its_release() {
    let world = running("2.0.0 3.0.0");
    image_wants(&world, "3.0.0 develop");
    world.ok(&["update", "minimal", "--image-tag", "newer"]);
    world.ok(&["deploy", "minimal"]);
    assert_eq!(stored(&world).0, "3.0.0");
    world.ok(&["rollback", "minimal"]);
    assert_eq!(stored(&world), ("2.0.0".into(), "default_file".into()));
    world.ok(&["rollback", "minimal", "--to", "2"]);
    assert_eq!(stored(&world).0, "3.0.0");
    assert_eq!(world.json(&["deploy", "minimal"])["changed"], false);
}

#[test]
fn a_schema_that_contradicts_the_image_is_a_warning_of_validate_and_release() {
    let world = running("3.0.0 develop");
    let mut config = world.state("minimal")["config"].clone();
    config["tracker"]["schema"] = "2.0.0".into();
    world.write("other.json", &config.to_string());
    let warned = world.ok(&["validate", "-f", "other.json"]).stderr;
    assert!(warned.contains("the image torrust/tracker:develop wants schema 3.0.0"), "{warned}");
    world.ok(&["update", "minimal", "-f", "other.json"]);
    let warning = "tracker.schema is \"2.0.0\", and the image torrust/tracker:develop wants schema 3.0.0";
    for _ in 0..2 {
        let said = world.ok(&["release", "minimal"]).stderr;
        assert!(said.contains(warning), "{said}");
    }
    // One that is not known may read what the user says.
    image_wants(&world, "9.0.0 -");
    let said = world.ok(&["release", "minimal", "--image-tag", "9"]).stderr;
    assert!(said.contains("wants schema 9.0.0: unless it reads 2.0.0, too"), "{said}");
}

#[test]
fn an_own_file_hides_no_lack_of_the_database() {
    let world = running("3.0.0 develop");
    let mut config = world.state("minimal")["config"].clone();
    config["tracker"]["core"]["database"] = serde_json::json!({
        "driver": "mysql", "host": "db.example.org", "port": 3306, "database_name": "a", "username": "b%41c", "password": "x",
    });
    config["tracker"]["schema"] = "2.0.0".into();
    config["images"]["tracker"] = "lab/tracker:1".into();
    world.write("other.json", &config.to_string());
    world.ok(&["update", "minimal", "-f", "other.json"]);
    world.edit_state("minimal", |state| state["config"]["tracker"]["schema"] = "auto".into());
    world.write("own.toml", "[metadata]\nschema_version = \"3.0.0\"\n");
    let refusal = world.refusal(&["release", "minimal", "--config", "own.toml"]);
    assert_eq!(refusal.code, "config_invalid");
    assert!(refusal.causes.contains("tracker.core.database.username"), "{}", refusal.causes);
}

#[test]
fn a_rendering_says_the_schema_of_its_bytes() {
    let world = World::with_tools();
    world.environment("demo", "created");
    world.edit_state("demo", |state| {
        state["choices"]["tracker_toml"] = "[metadata]\nschema_version = \"2.0.0\"\n".into();
    });
    let render = ["render", "--env-name", "demo", "--instance-ip", "192.0.2.7", "--output-dir"];
    let rendered = world.json(&[&render[..], &["one"]].concat());
    assert_eq!((&rendered["tracker_schema"], &rendered["image_schema"]), (&"2.0.0".into(), &"3.0.0".into()));
    let said = world.ok(&[&render[..], &["two"]].concat()).stdout;
    assert!(said.contains("has schema 2.0.0; wanted is 3.0.0: by the name of"), "{said}");
}
