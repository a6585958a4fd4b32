//! `create`: templates, the schema, environments from a file and in the short form.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::world::{World, snapshot};

#[test]
fn a_template_of_each_provider_is_valid_but_for_its_key() {
    for provider in ["docker", "lxd", "hetzner"] {
        let world = World::new();
        let text = world.ok(&["create", "template", "--provider", provider]).stdout;
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["provider"]["provider"], provider);
        world.ok(&["create", "template", "env.json", "--provider", provider]);
        std::fs::create_dir(world.path("../home/.ssh")).unwrap();
        let key = world.path("../home/.ssh/id_ed25519");
        assert!(Command::new("ssh-keygen").args(["-q", "-N", "", "-f"]).arg(key).status().unwrap().success());
        let valid = world.json(&["validate", "-f", "env.json"]);
        assert_eq!(valid["valid"], true, "{provider}");
    }
}

/// A template of today must not keep its user on the images of today.
#[test]
fn template_names_images_only_when_asked() {
    let world = World::new();
    let template = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&world.ok(&[&["create", "template"], args].concat()).stdout).unwrap()
    };
    assert!(template(&[]).get("images").is_none());
    let images = template(&["--images"])["images"].clone();
    assert_eq!(images["tracker"], "torrust/tracker:develop");
    assert_eq!(images.as_object().unwrap().len(), 7, "where they come from, and six references: {images}");
    world.ok(&["create", "demo"]);
    assert!(world.state("demo")["config"].get("images").is_none(), "nor is what the program chose stored");
}

#[test]
fn every_template_has_its_own_secret_and_is_closed_to_others() {
    let world = World::new();
    let token = |text: &str| {
        let config: serde_json::Value = serde_json::from_str(text).unwrap();
        config["tracker"]["http_api"]["admin_token"].as_str().unwrap().to_owned()
    };
    world.ok(&["create", "template", "env.json"]);
    let (one, other) = (token(&world.read("env.json")), token(&world.ok(&["create", "template"]).stdout));
    assert!(one.len() >= 32 && one != other);
    assert_eq!(world.path("env.json").metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    let world = World::new();
    world.write("env.json", "mine");
    snapshot!(world, &["create", "template", "env.json"]);
    assert_eq!(world.refusal(&["create", "schema", "env.json"]).code, "storage_failed");
    assert_eq!(world.read("env.json"), "mine");
}

#[test]
fn the_schema_goes_to_standard_output_or_to_a_file() {
    let world = World::new();
    let schema = world.ok(&["create", "schema"]).stdout;
    let parsed: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(parsed["$schema"], "https://json-schema.org/draft/2020-12/schema");
    world.ok(&["create", "schema", "schema.json"]);
    assert_eq!(world.read("schema.json"), schema);
}

#[test]
fn the_short_form_makes_a_key_of_its_own() {
    let world = World::new();
    snapshot!(world, &["create", "demo"]);
    let mode = |path: &str| world.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/demo"), 0o700);
    assert_eq!(mode("data/demo/environment.json"), 0o600);
    assert_eq!(mode("data/demo/id_ed25519"), 0o600);
    assert!(world.read("data/demo/id_ed25519.pub").starts_with("ssh-ed25519 "));
    let key = world.state("demo")["config"]["ssh_credentials"]["private_key_path"].clone();
    assert!(key.as_str().unwrap().ends_with("/work/data/demo/id_ed25519"), "absolute: {key}");
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_first_one_stays() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    let before = world.read("data/demo/environment.json");
    snapshot!(world, &["create", "demo"]);
    world.config("env.json", |config| config["environment"]["name"] = "demo".into());
    for args in [&["create", "demo"][..], &["create", "environment", "-f", "env.json"]] {
        assert_eq!(world.refusal(args).code, "environment_exists");
    }
    assert_eq!(world.read("data/demo/environment.json"), before);
}

#[test]
fn a_name_that_breaks_the_rules_is_answered_with_one_that_does_not() {
    let world = World::new();
    snapshot!(world, &["create", "My_Env"]);
    let refusal = world.refusal(&["create", "My_Env"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"));
    for name in ["-x", "a--b", "a-", "1a", "", "../a", &"x".repeat(64)] {
        let refusal = world.refusal(&["create", "--", name]);
        assert_eq!(refusal.exit, Some(2), "{name}: {refusal:?}");
    }
    assert!(!world.path("data").exists(), "nothing was written");
}

#[test]
fn an_own_key_is_used_and_a_missing_one_is_refused_until_it_is_there() {
    let world = World::new();
    let refusal = world.refusal(&["create", "demo", "--ssh-key", "id_ed25519"]);
    assert_eq!(refusal.code, "config_invalid");
    world.config("unused.json", |_| {});
    world.ok(&["create", "demo", "--ssh-key", "id_ed25519"]);
    assert!(!world.path("data/demo/id_ed25519").exists(), "no key is made beside the user's own");
}

#[test]
fn without_ssh_keygen_no_key_can_be_made_and_with_it_the_same_command_works() {
    let world = World::new();
    let tool = world.path("../real/ssh-keygen");
    let aside = world.path("../home/ssh-keygen");
    std::fs::rename(&tool, &aside).unwrap();
    let refusal = world.refusal(&["create", "demo"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "tool_missing"));
    assert!(refusal.help.contains("apt-get install openssh-client"), "{}", refusal.help);
    assert_eq!(world.ok(&["exists", "demo"]).stdout, "false\n");
    std::fs::rename(&aside, &tool).unwrap();
    world.ok(&["create", "demo"]);
}

#[test]
fn an_environment_comes_from_a_file() {
    let world = World::new();
    world.config("env.json", |_| {});
    snapshot!(world, &["create", "environment", "--env-file", "env.json"]);
    assert_eq!(world.state("minimal")["stage"], "created");
    assert_eq!(world.refusal(&["create", "environment", "-f", "nowhere.json"]).code, "config_invalid");
}

#[test]
fn an_own_template_that_takes_no_ones_place_is_refused_with_the_nearest_name() {
    let world = World::new();
    world.write("own/tracker/tracker-3.0.0.toml.j2", "");
    world.write("own/.git/config", "");
    world.write("own/tracker.toml", "");
    world.write("own/zzzzzz", "");
    let refusal = world.refusal(&["create", "demo", "--template", "own"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"));
    assert_eq!(refusal.causes, "tracker.toml\nzzzzzz");
    assert_eq!(
        refusal.help,
        "did you mean tracker/tracker-3.0.0.toml.j2 instead of tracker.toml?\nremove zzzzzz"
    );
    assert!(!world.path("data").exists(), "nothing was written");
    for file in ["own/tracker.toml", "own/zzzzzz"] {
        std::fs::remove_file(world.path(file)).unwrap();
    }
    world.ok(&["create", "demo", "--template", "own"]);
}

#[test]
fn a_path_with_a_space_is_one_word_in_what_to_type() {
    let world = World::new();
    let refusal = world.refusal(&["create", "schema", "no folder/schema.json"]);
    assert!(refusal.help.ends_with("ls -ld 'no folder/schema.json'"), "{}", refusal.help);
    world.write("my data/data", "in the way");
    let refusal = world.refusal(&["list", "--working-dir", "my data"]);
    assert!(refusal.help.contains("ls -ld 'my data/data'"), "{}", refusal.help);
    world.config("env.json", |config| {
        config["ssh_credentials"]["private_key_path"] = "~/my keys/id".into();
    });
    let output = world.run(&["validate", "-f", "env.json"]);
    assert!(output.stderr.contains("-f ~/'my keys/id'"), "{}", output.stderr);
}
