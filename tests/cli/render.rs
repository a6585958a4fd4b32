//! `render`: the bytes of a deployment in a folder, all or nothing, and nothing else touched.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::world::{World, snapshot};

const BY_FILE: &[&str] = &["render", "-f", "env.json", "--instance-ip", "192.0.2.7", "--output-dir", "tree"];
const BY_NAME: &[&str] =
    &["render", "--env-name", "minimal", "--instance-ip", "192.0.2.7", "--output-dir", "tree"];

fn with_force(args: &[&'static str]) -> Vec<&'static str> {
    [args, &["--force"]].concat()
}

/// No tool is there, but a configuration.
fn world() -> World {
    let world = World::new();
    world.config("env.json", |_| {});
    world
}

/// The files below a folder, by their paths in it.
fn tree(world: &World, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let root = world.path(folder);
    let inner = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
        Some((path.strip_prefix(&root).ok()?.display().to_string(), bytes))
    };
    world.files().into_iter().filter_map(inner).collect()
}

#[test]
fn a_file_is_rendered_without_any_tool_and_leaves_no_trace() {
    let world = world();
    snapshot!(world, BY_FILE);
    assert!(
        !world.path("data").exists() && !world.path("build").exists() && !world.path("tree.new").exists()
    );
    for group in ["tofu", "prometheus", "grafana", "caddy", "backup"] {
        assert_eq!(fs::read_dir(world.path("tree").join(group)).unwrap().count(), 0, "{group}");
    }
    let mode = |path: &str| fs::metadata(world.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        [mode("tree"), mode("tree/docker-compose"), mode("tree/docker-compose/.env")],
        [0o700, 0o700, 0o600]
    );
}

#[test]
fn an_environment_is_rendered_at_any_stage_and_stays_as_it_is() {
    let world = World::with_tools();
    world.config("env.json", |_| {});
    world.ok(&["create", "environment", "-f", "env.json"]);
    let before = tree(&world, "data");
    world.ok(BY_NAME);
    assert_eq!(tree(&world, "data"), before);
    assert_eq!(world.transcript(), "", "no tool was called");
}

#[test]
fn the_bytes_are_those_that_configure_and_release_use() {
    let world = World::with_tools();
    world.config("env.json", |config| config["images"] = json!({ "source": "registry" }));
    world.ok(&["create", "environment", "-f", "env.json"]);
    world.ok(&["register", "minimal", "--instance-ip", "192.0.2.7"]);
    world.ok(&["deploy", "minimal", "--skip-run"]);
    world.ok(BY_NAME);

    let rendered = tree(&world, "tree");
    for (path, bytes) in tree(&world, "build/minimal/ansible") {
        // The way to the host is another one without the deployer's connection.
        assert!(path == "inventory.yml" || rendered[&format!("ansible/{path}")] == bytes, "{path}");
    }
    let places = [
        (".env", "docker-compose/.env"),
        ("docker-compose.yml", "docker-compose/docker-compose.yml"),
        ("storage/tracker/etc/tracker.toml", "tracker/etc/tracker.toml"),
    ];
    let mut received = tar::Archive::new(fs::File::open(world.path("../received.tar")).unwrap());
    let mut count = 0;
    for entry in received.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        let place = places.iter().find(|(sent, _)| *sent == path).unwrap().1;
        assert!(rendered[place] == bytes, "{path}");
        count += 1;
    }
    assert_eq!(count, places.len());
}

#[test]
fn only_a_rendering_is_replaced_and_only_with_force() {
    let world = world();
    world.write("tree/mine/notes", "mine");
    world.write("tree/backup/my-only-copy", "mine");
    world.write("tree/tracker/etc/tracker.toml", "of somebody who says --force");
    let before = tree(&world, "tree");
    snapshot!(world, BY_FILE);
    assert_eq!(tree(&world, "tree"), before);

    world.ok(&with_force(BY_FILE));
    // OpenTofu and Ansible leave something in a rendering that they worked with.
    let of_tools = ["tofu/terraform.tfstate", "tofu/.terraform/providers", "ansible/known_hosts"];
    for path in of_tools {
        world.write(&format!("tree/{path}"), "of a tool");
    }
    world.config("env.json", |config| config["prometheus"] = json!({}));
    world.ok(&with_force(BY_FILE));
    assert!(tree(&world, "tree").contains_key("prometheus/etc/prometheus.yml"));
    world.config("env.json", |config| drop(config.as_object_mut().unwrap().remove("prometheus")));
    world.ok(&with_force(BY_FILE));

    let after = tree(&world, "tree");
    assert_eq!((&after["mine/notes"][..], &after["backup/my-only-copy"][..]), (&b"mine"[..], &b"mine"[..]));
    assert!(of_tools.iter().all(|path| after[*path] == b"of a tool"), "{:?}", after.keys());
    assert!(world.read("tree/tracker/etc/tracker.toml").contains("[core]"));
    assert!(!after.contains_key("prometheus/etc/prometheus.yml"));
    assert!(!world.path("tree.new").exists());
}

/// Fails in that way, and compares the folder.
fn fails_and_leaves_the_old(world: &World, code: &str) {
    let before = tree(world, "tree");
    assert!(!before.is_empty());
    assert_eq!(world.refusal(&with_force(BY_FILE)).code, code);
    assert_eq!(tree(world, "tree"), before);
}

#[test]
fn a_failed_rendering_leaves_the_old_one_whole() {
    let mut world = world();
    world.set("TOKEN", "vE4ixM2uTq0Zk9sLw7RbNcYd");
    world.config("env.json", |config| config["tracker"]["http_api"]["admin_token"] = "${TOKEN}".into());
    world.ok(BY_FILE);
    assert!(world.read("tree/docker-compose/.env").contains("vE4ixM2uTq0Zk9sLw7RbNcYd"));

    world.unset("TOKEN");
    fails_and_leaves_the_old(&world, "secret_unavailable");
    world.set("TOKEN", "another");
    world.write("tree.new", "in the way");
    fails_and_leaves_the_old(&world, "storage_failed");
    fs::remove_file(world.path("tree.new")).unwrap();
    world.write("tree.new/mine", "not of a rendering");
    fails_and_leaves_the_old(&world, "storage_failed");
    assert_eq!(world.read("tree.new/mine"), "not of a rendering");
}

#[test]
fn what_a_killed_rendering_left_is_not_in_the_way() {
    let world = world();
    // Before it was moved into its place, and after.
    world.write("tree.new/.rendered", "tracker/etc/tracker.toml\n");
    world.write("tree.new/tracker/etc/tracker.toml", "half a fi");
    world.ok(BY_FILE);
    assert!(!world.path("tree.new").exists());
    assert!(world.read("tree/tracker/etc/tracker.toml").contains("[core]"));
    world.write("tree.new/.rendered", "tracker/etc/tracker.toml\n");
    world.write("tree.new/tracker/mine", "mine");
    world.ok(&with_force(BY_FILE));
    assert!(!world.path("tree.new").exists());
    assert_eq!(world.read("tree/tracker/mine"), "mine");
}

#[test]
fn a_folder_that_is_no_folder_is_refused() {
    let world = world();
    world.write("tree", "a file");
    assert_eq!(world.refusal(BY_FILE).code, "storage_failed");
    assert_eq!(world.read("tree"), "a file");
}

#[test]
fn wrong_usage_is_refused_before_anything() {
    let world = world();
    let (ip, folder) = (["--instance-ip", "192.0.2.7"], ["--output-dir", "tree"]);
    for args in [
        [&["render"], &ip[..], &folder].concat(),
        [&["render", "-f", "env.json", "--env-name", "minimal"], &ip[..], &folder].concat(),
        [&["render", "-f", "env.json", "--instance-ip", "192.0.2.700"], &folder[..]].concat(),
        [&["render", "-f", "env.json"], &ip[..]].concat(),
    ] {
        assert_eq!(world.run(&args).code, Some(2), "{args:?}");
    }
    assert!(!Path::exists(&world.path("tree")));
}
