//! `ansible/deploy.yml`, as somebody without the program would use it.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use crate::desk::Desk;
use crate::host::Host;
use crate::lab;

/// Runs the playbook in the rendered folder, as its head says; whether it came through, and what it said.
fn play(desk: &Desk) -> (bool, String) {
    let mut command = Command::new("ansible-playbook");
    command.args(["-i", "inventory.yml", "deploy.yml"]).current_dir(desk.path("by hand/ansible"));
    let ran = command.env("PATH", lab::path()).output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}

#[test]
fn a_deployment_by_hand_is_one_of_the_program() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.create(&desk.config());
    let folder = ["--instance-ip", &host.address, "--output-dir", "by hand"];
    desk.run(&[&["render", "--env-name", &desk.name], &folder[..]].concat()).ok();

    let (came_through, said) = play(&desk);
    assert!(came_through && said.contains("healthy: tracker"), "{said}");
    assert!(!said.contains("vE4ixM2uTq0Zk9sLw7RbNcYd"), "the token is in what Ansible says: {said}");
    let running = host.tracker();

    // The program finds all as it would have made it.
    desk.register(&host);
    let deployed = desk.deploy();
    assert_eq!(deployed["changed"], false, "{deployed:#}");
    assert_eq!(host.tracker(), running);
    desk.test();

    let (came_through, said) = play(&desk);
    assert!(came_through && said.contains("changed=0 "), "{said}");

    let toml = desk.path("by hand/tracker/etc/tracker.toml");
    OpenOptions::new().append(true).open(toml).unwrap().write_all(b"# by hand\n").unwrap();
    let (came_through, said) = play(&desk);
    assert!(!came_through && said.contains("tracker.toml changed after it was rendered"), "{said}");
    assert_eq!(host.tracker(), running);
}

#[test]
fn a_host_without_the_images_or_of_another_environment_is_told() {
    let desk = Desk::new();
    let host = Host::without_images(&desk, &[]);
    desk.create(&desk.config());
    let folder = ["--instance-ip", &host.address, "--output-dir", "by hand"];
    desk.run(&[&["render", "--env-name", &desk.name], &folder[..]].concat()).ok();
    let (came_through, said) = play(&desk);
    let lacking = format!("image {} missing", lab::TRACKER);
    assert!(!came_through && said.contains(&lacking) && said.contains("docker save IMAGE"), "{said}");

    // An empty image of that name will do: the environment is compared before anything is started.
    host.exec(&format!("tar -cT /dev/null | docker import - {}", lab::TRACKER));
    host.exec("mkdir -p /opt/torrust && echo somebody >/opt/torrust/environment");
    let (came_through, said) = play(&desk);
    assert!(!came_through && said.contains("another environment (foreign somebody)"), "{said}");
}
