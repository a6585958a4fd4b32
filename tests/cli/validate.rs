//! `validate`: all problems of a file at once, and no side effect.

use crate::world::{World, snapshot};

#[test]
fn a_good_file_is_called_valid() {
    let world = World::new();
    world.config("env.json", |_| {});
    snapshot!(world, &["validate", "-f", "env.json"]);
    assert!(!world.path("data").exists());
}

#[test]
fn four_mistakes_are_reported_in_one_run_with_their_places() {
    let world = World::new();
    world.config("unused.json", |_| {});
    world.write("env.json", include_str!("../configs/invalid/four-mistakes.json"));
    let output = snapshot!(world, &["validate", "-f", "env.json"]);
    assert!(!output.stderr.contains("s3cr3t-in-the-file"));
    let output = world.run(&["validate", "-f", "env.json", "--output-format", "json"]);
    let error = &output.json()["error"];
    assert_eq!((output.code, &error["code"]), (Some(1), &"config_invalid".into()));
    let problems = error["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem["line"].is_u64() && problem["help"].is_string()));
    assert!(!output.stdout.contains("s3cr3t-in-the-file"));
}

#[test]
fn a_corrected_file_passes() {
    let world = World::new();
    world.config("env.json", |config| config["tracker"]["core"]["privat"] = true.into());
    let refusal = world.refusal(&["validate", "-f", "env.json"]);
    assert_eq!(refusal.code, "config_invalid");
    world.config("env.json", |_| {});
    world.ok(&["validate", "-f", "env.json"]);
}
