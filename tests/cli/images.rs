//! The images of a release: which ones, for which host, and when a registry is asked again.

use std::fs;

use serde_json::json;

use crate::api;
use crate::deploy::{TOKEN, api_only};
use crate::world::{World, snapshot};

const IMAGE: &str = "torrust/tracker:develop";
const OTHER: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";

fn running() -> World {
    let world = World::with_tools();
    api_only(&world, api::start(TOKEN));
    world.ok(&["deploy", "-f", "env.json"]);
    world
}

/// The images of the release on the fake host.
fn released(world: &World, number: u32) -> String {
    world.read(&format!("../images.{number}"))
}

#[test]
fn pull_asks_for_other_images_of_the_same_name_and_plain_commands_do_not() {
    let world = running();
    assert!(released(&world, 1).starts_with(&format!("{IMAGE} sha256:")), "{}", released(&world, 1));
    fs::write(world.path("../registry"), format!("{IMAGE} {OTHER}\n")).unwrap();
    assert_eq!(world.json(&["deploy", "minimal"])["changed"], false);
    snapshot!(world, &["release", "minimal", "--pull"]);
    assert_eq!(released(&world, 2), format!("{IMAGE} {OTHER} torrust/tracker@sha256:0\n"));
    assert!(world.state("minimal").get("pull").is_none());
    assert_eq!(world.refusal(&["release", "minimal", "--pull", "--dry-run"]).code, "usage");
}

#[test]
fn pull_without_a_registry_changes_nothing_and_is_not_asked_for_again() {
    let world = running();
    fs::write(world.path("../registry"), format!("{IMAGE}\n")).unwrap();
    snapshot!(world, &["deploy", "minimal", "--pull"]);
    assert_eq!(world.state("minimal")["release"], 1);
    fs::remove_file(world.path("../registry")).unwrap();
    world.forget_transcript();
    assert_eq!(world.json(&["deploy", "minimal"])["changed"], false);
    assert_eq!(world.calls("'refresh'"), 0, "{}", world.transcript());
}

#[test]
fn an_update_keeps_the_wish_to_pull_until_the_next_release() {
    let world = running();
    snapshot!(world, &["update", "minimal", "--pull"]);
    assert_eq!(world.state("minimal")["pull"], true);
    let said = world.ok(&["release", "minimal", "--dry-run"]).stdout;
    let asks = format!("would ask the registry again for {IMAGE}, as update --pull wants it\n");
    assert!(said.contains(&asks) && !said.contains("nothing would change"), "{said}");
    assert_eq!(world.state("minimal")["pull"], true);
    world.forget_transcript();
    world.ok(&["deploy", "minimal"]);
    assert_eq!(world.calls("'refresh'"), 1);
    assert!(world.state("minimal").get("pull").is_none());
}

#[test]
fn an_update_of_the_tag_is_stored_and_deployed() {
    let world = running();
    snapshot!(world, &["update", "minimal", "--image-tag", "3.0.0"]);
    let state = world.state("minimal");
    assert_eq!((&state["choices"]["image_tag"], &state["stage"]), (&json!("3.0.0"), &json!("configured")));
    world.ok(&["deploy", "minimal"]);
    assert!(released(&world, 2).starts_with("torrust/tracker:3.0.0 "));
    let back = world.json(&["update", "minimal", "--image-tag", "configured"]);
    assert_eq!(back["changes"][0]["new"], IMAGE, "{back}");
    assert_eq!(world.json(&["update", "minimal", "--image-tag", "configured"])["changed"], false);
    assert_eq!(world.refusal(&["update", "minimal"]).code, "usage");
}

#[test]
fn an_image_of_another_architecture_is_refused() {
    let world = running();
    fs::write(world.path("../architecture"), "arm64\n").unwrap();
    let refusal = world.refusal(&["release", "minimal"]);
    assert_eq!(refusal.code, "host_unsupported");
    assert_eq!(refusal.message, format!("the image {IMAGE} is for arm64, and the host is amd64"));
}

#[test]
fn the_published_image_is_refused_on_arm64_before_anything_is_pulled() {
    let world = World::with_tools();
    world.environment("demo", "configured");
    world.edit_state("demo", |state| state["host"]["system"] = "debian 13 aarch64".into());
    let refusal = world.refusal(&["release", "demo"]);
    assert_eq!(refusal.code, "host_unsupported");
    assert_eq!(
        refusal.message,
        format!("the image {IMAGE} is published for amd64 alone, and the host is arm64")
    );
    assert!(refusal.help.contains("images.tracker"), "{}", refusal.help);
    assert_eq!(world.transcript(), "", "nothing was asked of the host");
    let items = world.run(&["check", "--output-format", "json"]).json()["error"]["problems"].clone();
    let text = items.to_string();
    assert!(text.contains("tracker image of demo") && text.contains("published for amd64 alone"), "{text}");

    world.ok(&["create", "second"]);
    let arm = include_str!("fakes/ssh").replace("arch=x86_64", "arch=aarch64");
    world.fake("ssh", &arm);
    let refusal = world.refusal(&["register", "second", "--instance-ip", "192.0.2.8"]);
    assert_eq!(refusal.code, "host_unsupported");
    assert!(world.state("second").get("host").is_none());
}

#[test]
fn run_refuses_another_image_under_the_name_of_the_released_one() {
    let world = running();
    let ssh = include_str!("fakes/ssh").replace(
        "  *'docker compose up'*)",
        &format!("  *'docker compose up'*)\n    echo other-image 1 {IMAGE}; read -r word; exit 1"),
    );
    world.fake("ssh", &ssh);
    snapshot!(world, &["run", "minimal"]);
}

#[test]
fn what_is_no_tag_is_refused_and_not_stored() {
    let world = World::with_tools();
    world.environment("demo", "configured");
    let before = world.state("demo");
    let long = "x".repeat(129);
    for tag in
        ["a b", "", "a/b", "a:b", "3.0.0@sha256:00", &long, "$(id)${HOME}", "a\nb", ".a", "-a", "\u{e9}"]
    {
        let option = format!("--image-tag={tag}");
        for command in ["update", "release"] {
            let refusal = world.refusal(&[command, "demo", &option]);
            assert_eq!((refusal.exit, refusal.code.as_str()), (Some(2), "usage"), "{command} {tag:?}");
        }
    }
    assert_eq!((world.state("demo"), world.transcript().as_str()), (before, ""));
    let most = format!("--image-tag=_{}", "x".repeat(127));
    assert_eq!(world.json(&["update", "demo", &most])["changed"], true);
}

#[test]
fn a_tag_whose_schema_does_not_fit_is_refused_as_a_file_is() {
    let world = World::with_tools();
    world.environment("demo", "configured");
    world.edit_state("demo", |state| state["config"]["tracker"]["logging"] = json!({ "style": "json" }));
    let before = world.state("demo");
    let refusal = world.refusal(&["update", "demo", "--image-tag", "3.0.0"]);
    assert_eq!(refusal.code, "config_invalid");
    assert!(refusal.causes.contains("tracker.logging.style: release 3.0.0"), "{}", refusal.causes);
    assert_eq!(world.state("demo"), before);
    world.edit_state("demo", |state| {
        state["config"]["tracker"]["logging"] = json!({});
        state["config"]["tracker"]["core"]["database"] = json!(null);
    });
    let refusal = world.refusal(&["update", "demo", "--image-tag", "v3"]);
    assert!(refusal.causes.contains("always has a database"), "{}", refusal.causes);
    assert_eq!(world.json(&["update", "demo", "--image-tag", "later"])["changed"], true);
}
