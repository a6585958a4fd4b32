//! A host made from nothing by the provider docker, and removed again.

use serde_json::json;

use crate::desk::{Desk, assert_checks};
use crate::lab::{docker, remove, try_run, unique_name};

fn exists(kind: &str, name: &str) -> bool {
    try_run("docker", &[kind, "inspect", name]).is_ok()
}

/// All volumes of a container, also those without a name of their own.
fn volumes(container: &str) -> Vec<String> {
    let names = docker(&["inspect", "--format", "{{range .Mounts}}{{println .Name}}{{end}}", container]);
    names.lines().filter(|name| !name.is_empty()).map(Into::into).collect()
}

fn exec(container: &str, script: &str) -> String {
    docker(&["exec", container, "bash", "-c", script])
}

#[test]
fn from_nothing_to_a_tracker_that_answers_and_back() {
    let desk = Desk::new();
    let instance = format!("torrust-tracker-vm-{}", desk.name);
    desk.create(&desk.config());
    assert_eq!(desk.deploy()["state"], "running");
    let report = desk.test();
    assert_eq!(report["skipped"], 1, "the health check listens on loopback: {report:#}");
    assert_checks(&report, "UDP tracker 6969 over IPv4", "passed", 1);
    assert_checks(&report, "UDP tracker 6969 over IPv6", "passed", 1);
    assert_checks(&report, "HTTP tracker 7070", "passed", 2);
    assert_checks(&report, "API 1212", "passed", 3);

    // Again: nothing to do, and nothing was sent or restarted.
    let look = "docker ps --all --no-trunc --format '{{.ID}} {{.CreatedAt}}'; \
                docker inspect --format '{{.State.StartedAt}}' torrust-deployer-stack-tracker-1; \
                find /opt/torrust -path '*/lib' -prune -o -path '*/log' -prune -o -type f ! -name .lock -printf '%p %T@\\n' | sort";
    let before = exec(&instance, look);
    assert_eq!(desk.deploy()["changed"], false);
    assert_eq!(before, exec(&instance, look));

    let mut made = volumes(&instance);
    assert!(made.len() >= 3, "{made:?}");
    destroy_and_forget(&desk, &instance);
    made.retain(|volume| exists("volume", volume));
    assert!(made.is_empty(), "{made:?}");
}

/// What was made goes, and all that is known about it; a second time there is nothing to do.
fn destroy_and_forget(desk: &Desk, instance: &str) {
    let all = [
        format!("container {instance}"),
        format!("network {instance}"),
        format!("volume {instance}-storage"),
    ];
    assert_eq!(desk.run(&["destroy", &desk.name]).ok()["removed"], json!(all));
    assert!(!exists("container", instance) && !exists("network", instance));
    assert_eq!(desk.run(&["destroy", &desk.name]).ok()["removed"], json!([]));
    desk.run(&["purge", &desk.name, "--force"]).ok();
    assert_eq!(desk.run(&["exists", &desk.name]).ok(), false);
    for folder in ["data", "build"] {
        assert!(!desk.path(&format!("{folder}/{}", desk.name)).exists(), "{folder}");
    }
}

#[test]
fn neighbours_come_and_go_side_by_side() {
    let desk = Desk::new();
    let neighbour = unique_name();
    let mut config = desk.config();
    desk.create(&config);
    config["environment"]["name"] = json!(neighbour);
    desk.create(&config);
    desk.run(&["provision", &desk.name]).ok();
    desk.run(&["provision", &neighbour]).ok();
    destroy_and_forget(&desk, &format!("torrust-tracker-vm-{}", desk.name));
    let again = desk.run(&["provision", &neighbour]).ok();
    assert_eq!(again["state"], "provisioned", "the neighbour's host still answers: {again:#}");
    assert!(exists("network", &format!("torrust-tracker-vm-{neighbour}")));
}

#[test]
fn kept_data_is_there_for_the_next_host() {
    let desk = Desk::new();
    let instance = format!("torrust-tracker-vm-{}", desk.name);
    let storage = format!("{instance}-storage");
    desk.create(&desk.config());
    desk.run(&["provision", &desk.name]).ok();
    exec(&instance, "echo precious >/opt/torrust/storage/data");
    let destroyed = desk.run(&["destroy", &desk.name, "--keep-data"]).ok();
    assert_eq!(destroyed["removed"], json!([format!("container {instance}"), format!("network {instance}")]));
    assert!(exists("volume", &storage));

    desk.run(&["purge", &desk.name, "--force"]).ok();
    desk.create(&desk.config());
    desk.run(&["provision", &desk.name]).ok();
    assert_eq!(exec(&instance, "cat /opt/torrust/storage/data"), "precious");
    desk.run(&["destroy", &desk.name]).ok();
    assert!(!exists("volume", &storage));
}

#[test]
fn what_others_made_is_not_touched() {
    let desk = Desk::new();
    let network = format!("torrust-tracker-vm-{}", desk.name);
    docker(&["network", "create", &network]);
    desk.create(&desk.config());
    let failure = desk.run(&["provision", &desk.name]).fails("provider_failed");
    failure.says(&[&network, "did not make"]).helps("instance_name");
    desk.run(&["destroy", &desk.name]).ok();
    assert!(exists("network", &network));
    remove("network", &network);
}
