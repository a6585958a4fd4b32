//! One command at a time on one environment.

use crate::world::{World, finish, snapshot};

/// An environment whose `provision` waits until the file `go` is there.
fn at_work(world: &World) -> std::process::Child {
    world.fake(
        "docker",
        "touch started; n=0; until [ -e go ] || [ $n -gt 500 ]; do sleep 0.02; n=$((n + 1)); done; exit 1",
    );
    let child = world.command(&["provision", "demo"]).spawn().unwrap();
    world.wait_for("started");
    child
}

#[test]
fn a_second_command_is_told_who_is_at_work_and_since_when() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    let first = at_work(&world);
    let pid = first.id();
    snapshot!(world, &["deploy", "demo"]);
    for command in ["provision", "configure", "destroy"] {
        let refusal = world.refusal(&[command, "demo"]);
        assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "environment_locked"), "{command}");
        assert!(refusal.causes.starts_with("provision holds it since "), "{}", refusal.causes);
        assert!(refusal.causes.contains(&format!("process {pid}")), "{}", refusal.causes);
    }
    assert_eq!(world.refusal(&["purge", "demo", "--force"]).code, "environment_locked");
    assert_eq!(world.ok(&["show", "demo"]).code, Some(0), "looking is free");
    world.write("go", "");
    assert_eq!(finish(first).code, Some(1));
    assert_ne!(world.refusal(&["provision", "demo"]).code, "environment_locked");
}

#[test]
fn another_environment_is_not_concerned() {
    let world = World::new();
    world.ok(&["create", "demo"]);
    let first = at_work(&world);
    world.ok(&["create", "other"]);
    world.ok(&["destroy", "other"]);
    world.write("go", "");
    finish(first);
}

#[test]
fn the_lock_of_a_killed_holder_is_free() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    let mut first = at_work(&world);
    first.kill().unwrap();
    first.wait().unwrap();
    world.fake("docker", include_str!("fakes/docker"));
    world.ok(&["provision", "demo"]);
    world.write("go", "");
    assert_eq!(world.state("demo")["stage"], "provisioned");
}

#[test]
fn of_two_that_create_the_same_name_at_once_one_wins() {
    let world = World::new();
    let children: Vec<_> = (0..4).map(|_| world.command(&["create", "demo"]).spawn().unwrap()).collect();
    let codes: Vec<_> = children.into_iter().map(|child| finish(child).code).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    world.ok(&["show", "demo"]);
}
