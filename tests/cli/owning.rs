//! `templates/host/owner.sh`: what it takes for the stack's own on a host of others, and what it removes.

use std::process::Command;

use crate::world::World;

const OWNER: &str = include_str!("../../templates/host/owner.sh");

/// A host whose Docker has this: containers as NAMES|PROJECT|FOLDER|ID SERVICE, networks as NAME|PROJECT|BRIDGE|CONTAINERS,
/// volumes as NAME|PROJECT.
struct Host {
    world: World,
}

impl Host {
    fn with(containers: &str, networks: &str, volumes: &str) -> Self {
        let world = World::new();
        world.fake(
            "docker",
            r#"case $* in
                'ps '*) sed 's/^/container|/' "$FAKE/work/containers" ;;
                'network ls --quiet') echo 1 ;;
                'network inspect '*) sed 's/^/network|/' "$FAKE/work/networks" ;;
                'volume ls '*) sed 's/^/volume|/; s/$/||/' "$FAKE/work/volumes" ;;
            esac"#,
        );
        world.write("containers", containers);
        world.write("networks", networks);
        world.write("volumes", volumes);
        Self { world }
    }

    fn run(&self, call: &str) -> String {
        let path = format!("{}:{}", self.world.path("../bin").display(), std::env::var("PATH").unwrap());
        let ran = Command::new("bash")
            .args(["-c", &format!("set -euo pipefail\n{OWNER}\n{call}")])
            .env("PATH", path)
            .env("FAKE", self.world.path(".."))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }
}

const NAME: &str = "torrust-deployer-stack";

#[test]
fn own_things_and_projects_of_other_names_are_in_nobodys_way() {
    let host = Host::with(
        &format!(
            "{NAME}-tracker-1|{NAME}|/opt/torrust|1 tracker\ntorrust-tracker-1|torrust|/root/torrust|2 tracker\nweb|||3 \n"
        ),
        &format!(
            "bridge|||\n{NAME}_tracker|{NAME}|br-torrust1|{NAME}-tracker-1 \ntorrust_default|torrust||torrust-tracker-1 \n"
        ),
        "torrust_data|torrust\n0123|\n",
    );
    assert_eq!(host.run("strangers \"$project\""), "");
    assert_eq!(host.run("former \"$project\""), "");
}

#[test]
fn things_of_others_under_the_stacks_names_are_told() {
    let host = Host::with(
        &format!("{NAME}-index-1|{NAME}|/root/my index|1 index\n{NAME}-tracker-1|||2 \n{NAME}-tools|||3 \n"),
        &format!("{NAME}_default|{NAME}||\n{NAME}_tracker|||\n"),
        &format!("{NAME}_data|{NAME}\n"),
    );
    let told = host.run("strangers \"$project\"");
    let told: Vec<&str> = told.lines().map(str::trim_end).collect();
    assert_eq!(
        told,
        [
            format!("stranger container {NAME}-index-1 /root/my index"),
            format!("stranger container {NAME}-tracker-1"),
            format!("stranger network {NAME}_default"),
            format!("stranger network {NAME}_tracker"),
            format!("stranger volume {NAME}_data"),
        ]
    );
}

#[test]
fn an_older_name_is_left_with_its_networks_and_nothing_of_others_goes() {
    let host = Host::with(
        "torrust-tracker-1|torrust|/opt/torrust|1 tracker\ntorrust-mysql-1|torrust|/opt/torrust|2 mysql\ntorrust-index-1|torrust|/root/torrust|3 index\n",
        "torrust_tracker|torrust|br-torrust1|torrust-tracker-1 spy \ntorrust_default|torrust||torrust-index-1 \n",
        "",
    );
    assert_eq!(host.run("strangers \"$project\""), "attached spy torrust_tracker\n");
    host.run("remove_former \"$project\"");
    let calls = host.world.transcript();
    let told: Vec<&str> = calls
        .lines()
        .filter(|call| {
            ["docker stop", "docker rm", "docker network rm"].iter().any(|head| call.starts_with(head))
        })
        .map(str::trim_end)
        .collect();
    assert_eq!(
        told,
        ["docker stop 1", "docker stop 2", "docker rm 1 2", "docker network rm torrust_tracker"]
    );
    // Back at a release of the older name, the index of others is in its way.
    assert_eq!(
        host.run("strangers torrust").lines().next(),
        Some("stranger container torrust-index-1 /root/torrust")
    );
}

#[test]
fn a_docker_that_does_not_answer_is_no_host_without_containers() {
    let host = Host::with("", "", "");
    host.world.fake("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    for call in ["strangers \"$project\"", "former ''", "remove_former ''"] {
        let said =
            host.run(&format!("if found=$({call}); then echo \"known: $found\"; else echo unknown; fi"));
        assert_eq!(said, "unknown\n", "{call}");
    }
}

#[test]
fn a_compose_file_without_a_name_has_the_folders() {
    let host = Host::with("web|||1 \n", "bridge|||\n", "");
    host.world.write("docker-compose.yml", "services: {}\n");
    let file = host.world.path("docker-compose.yml");
    let project = host.run(&format!("project_in '{}'", file.display()));
    assert_eq!(project, "torrust\n");
    assert_eq!(host.run("strangers torrust"), "");
}
