//! Tools that are missing or refuse: the messages are the tools' own.

use crate::world::{Refusal, World, snapshot};

fn provision_with(docker: &str) -> (World, Refusal) {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.fake("docker", docker);
    let refusal = world.refusal(&["provision", "demo"]);
    assert_eq!(refusal.exit, Some(1));
    assert_eq!(world.state("demo")["stage"], "created");
    assert_eq!(world.state("demo")["attempt"]["command"], "provision");
    (world, refusal)
}

fn works_again(world: &World) {
    world.fake("docker", include_str!("fakes/docker"));
    world.fake("ansible-playbook", include_str!("fakes/ansible-playbook"));
    world.ok(&["provision", "demo"]);
    world.ok(&["configure", "demo"]);
    assert!(world.state("demo").get("attempt").is_none());
}

#[test]
fn an_engine_that_is_down() {
    for said in [
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
        "error during connect: Get \"http://10.0.0.1:2375/v1.47/version\": dial tcp 10.0.0.1:2375: connect: connection refused",
    ] {
        let (world, refusal) = provision_with(&format!("cat >&2 <<'END'\n{said}\nEND\nexit 1"));
        assert_eq!(refusal.code, "docker_unreachable");
        assert_eq!(refusal.message, "no Docker Engine answers");
        assert!(refusal.causes.contains(said), "{}", refusal.causes);
        assert!(refusal.help.contains("sudo systemctl start docker"), "{}", refusal.help);
        works_again(&world);
    }
}

#[test]
fn a_socket_that_refuses_the_user() {
    for said in [
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.47/version\": dial unix /var/run/docker.sock: connect: permission denied",
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
    ] {
        let (world, refusal) = provision_with(&format!("cat >&2 <<'END'\n{said}\nEND\nexit 1"));
        assert_eq!(refusal.code, "docker_permission");
        assert!(refusal.help.contains("sudo usermod -aG docker $USER"), "{}", refusal.help);
        works_again(&world);
    }
}

/// An engine without the base image, and a registry that answers the pull with this.
fn no_image(said: &str) -> String {
    let pull = format!("pull*) echo '{said}' >&2; exit 1 ;;");
    let missing = "'image inspect') echo \"Error response from daemon: No such image: $5\" >&2; exit 1 ;;";
    include_str!("fakes/docker")
        .replace("'image inspect') echo", &format!("{pull}\n  {missing}\n  'never') echo"))
}

#[test]
fn an_image_that_cannot_be_had() {
    for said in [
        "Error response from daemon: manifest for debian:trixie not found: manifest unknown: manifest unknown",
        "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
    ] {
        let (world, refusal) = provision_with(&no_image(said));
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("image_unavailable", "the image debian:trixie cannot be had")
        );
        assert!(refusal.causes.contains(said), "{}", refusal.causes);
        assert!(refusal.help.contains("docker pull debian:trixie"), "{}", refusal.help);
        works_again(&world);
    }
}

#[test]
fn a_user_reads_what_is_wrong_with_docker() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    world.fake("docker", "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1");
    snapshot!(world, &["deploy", "demo"]);
    world.fake("docker", &no_image("Error response from daemon: manifest unknown"));
    snapshot!(world, &["deploy", "demo"]);
}

#[test]
fn docker_that_is_not_installed() {
    let world = World::with_tools();
    world.ok(&["create", "demo"]);
    std::fs::remove_file(world.path("../bin/docker")).unwrap();
    let refusal = world.refusal(&["provision", "demo"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "tool_missing"));
    assert_eq!(refusal.message, "docker is not installed, or not on PATH");
    works_again(&world);
}

#[test]
fn ansible_that_is_not_installed() {
    let world = World::with_tools();
    world.environment("demo", "provisioned");
    std::fs::remove_file(world.path("../bin/ansible-playbook")).unwrap();
    snapshot!(world, &["configure", "demo"]);
    let refusal = world.refusal(&["configure", "demo"]);
    assert_eq!((refusal.exit, refusal.code.as_str()), (Some(1), "tool_missing"));
    assert_eq!(world.state("demo")["stage"], "provisioned");
    world.fake("ansible-playbook", include_str!("fakes/ansible-playbook"));
    world.ok(&["configure", "demo"]);
}

#[test]
fn a_playbook_that_fails_names_its_task() {
    let world = World::with_tools();
    world.environment("demo", "provisioned");
    world.fake(
        "ansible-playbook",
        r#"echo 'TASK [Install docker.io] ***'; echo 'fatal: [tracker]: FAILED! => {"changed": false, "msg": "E: Unable to locate package"}'; exit 2"#,
    );
    snapshot!(world, &["configure", "demo"]);
    world.fake("ansible-playbook", "echo 'PLAY RECAP'");
    let refusal = world.refusal(&["configure", "demo"]);
    assert_eq!(refusal.code, "ansible_failed", "a playbook that reached no host is no success");
    world.fake("ansible-playbook", include_str!("fakes/ansible-playbook"));
    world.ok(&["configure", "demo"]);
}
