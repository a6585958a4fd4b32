//! Hosts on which other people have something, or which had a bad day: nothing of theirs is lost, and one command is enough.

use std::fs;

use crate::desk::Desk;
use crate::host::{Host, eventually};
use crate::lab;

#[test]
fn repaired_crash_loop_runs_after_one_deploy() {
    let (desk, host, _) = Desk::with_running(|_| {});
    host.exec("cd /opt/torrust && echo '[[broken' >>storage/tracker/etc/tracker.toml && docker compose restart tracker");
    // By then Docker waits for more than ten seconds before each start.
    let restarts = || host.exec("docker inspect --format '{{.RestartCount}}' $(docker ps --all --quiet)");
    eventually("the tracker ended seven times", || restarts().parse::<u32>().unwrap() >= 7);
    assert_eq!(desk.deploy()["changed"], true);
    assert_eq!(restarts(), "0");
    desk.test();
    assert_eq!(desk.deploy()["changed"], false, "nothing is restarted without a cause");
}

/// Somebody's own Compose project with the services `index` and `tracker`, up.
fn project_of_others(host: &Host, name: &str) -> String {
    let service =
        |name: &str| format!("  {name}:\n    image: {}\n    entrypoint: [sleep, inf]\n", lab::TRACKER);
    let compose = format!("name: {name}\nservices:\n{}{}", service("index"), service("tracker"));
    host.exec(&format!("mkdir -p /root/theirs && cat >/root/theirs/compose.yaml <<'END'\n{compose}END\ncd /root/theirs && docker compose up --detach"));
    theirs(host)
}

/// Their containers, with their starts.
fn theirs(host: &Host) -> String {
    host.exec("docker ps --all --quiet --filter label=com.docker.compose.project.working_dir=/root/theirs | xargs docker inspect --format '{{.Name}} {{.Id}} {{.State.Running}} {{.State.StartedAt}}' | sort")
}

#[test]
fn project_of_others_is_left_alone() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let before = project_of_others(&host, "torrust");
    assert_eq!(before.lines().count(), 2);
    desk.deploy_on(&host);
    desk.test();
    desk.run(&["destroy", &desk.name, "--force"]).ok();
    assert_eq!(theirs(&host), before);
    assert_eq!(host.exec("docker ps --all --format '{{.Names}}' | grep -c ^torrust-deployer || :"), "0");
}

#[test]
fn names_of_the_stack_that_others_use_are_refused() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    let before = project_of_others(&host, "torrust-deployer-stack");
    desk.create(&desk.config());
    desk.register(&host);
    desk.run(&["deploy", &desk.name])
        .fails("state_refused")
        .says(&[
            "the container torrust-deployer-stack-index-1 of /root/theirs",
            "torrust-deployer-stack-tracker-1",
            "neither they nor the release in place were changed",
        ])
        .helps("cd '/root/theirs' && sudo docker compose down");
    assert_eq!(theirs(&host), before);
    assert!(!host.succeeds("ls /opt/torrust/docker-compose.yml"));
    host.exec("cd /root/theirs && docker compose down");
    desk.deploy();
    // One that comes later is seen by `run` alone.
    let name = "torrust-deployer-stack-index-1";
    host.exec(&format!("docker create --name {name} --entrypoint sleep {} 9", lab::TRACKER));
    desk.run(&["run", &desk.name]).fails("state_refused").helps(&format!("docker rename '{name}' NAME"));
    host.exec(&format!("docker rm {name}"));
    desk.run(&["run", &desk.name]).ok();
}

/// What the stack is called on the host: containers, networks and their bridges.
fn names(host: &Host) -> String {
    host.exec(
        "docker ps --all --format '{{.Names}}'; docker network ls --format '{{.Name}}' | grep ^torrust; \
         ip -o link show type bridge | grep -o 'br-torrust[0-9]*'",
    )
}

/// Has the next release of the desk's environment in a Compose project of this name.
fn name_project(desk: &Desk, name: &str) {
    let template = include_str!("../../templates/docker-compose/docker-compose.yml.j2");
    let text = template.replace("\nname: torrust-deployer-stack\n", &format!("\nname: {name}\n"));
    fs::create_dir_all(desk.path("own/docker-compose")).unwrap();
    desk.write("own/docker-compose/docker-compose.yml.j2", &text);
    let mut stored = desk.stored();
    stored["choices"]["templates"] = desk.path("own").display().to_string().into();
    desk.write(&format!("data/{}/environment.json", desk.name), &stored.to_string());
}

const OLD: &str = "torrust-tracker-1\ntorrust_tracker\nbr-torrust1";
const NEW: &str = "torrust-deployer-stack-tracker-1\ntorrust-deployer-stack_tracker\nbr-torrust1";

#[test]
fn host_of_an_older_project_name_moves_there_and_back() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    desk.create(&desk.config());
    name_project(&desk, "torrust");
    desk.register(&host);
    desk.deploy();
    assert_eq!(names(&host), OLD);
    let database = |sql: &str| {
        let file = "/opt/torrust/storage/tracker/lib/database/tracker.db";
        host.exec(&format!("python3 -c \"import sqlite3; db = sqlite3.connect('{file}'); print(*db.execute('{sql}')); db.commit()\""))
    };
    database("CREATE TABLE kept (number)");
    database("INSERT INTO kept VALUES (7)");
    host.exec(&format!(
        "docker run --detach --name spy --network torrust_tracker --entrypoint sleep {} 1000",
        lab::TRACKER
    ));
    name_project(&desk, "torrust-deployer-stack");
    desk.run(&["deploy", &desk.name])
        .fails("state_refused")
        .says(&["the container spy on the network torrust_tracker"])
        .helps("sudo docker network disconnect 'torrust_tracker' 'spy'");
    assert_eq!(names(&host), format!("spy\n{OLD}"));
    host.exec("docker rm --force spy");
    let well = |name: &str| {
        assert_eq!((names(&host).as_str(), database("SELECT * FROM kept").as_str()), (name, "(7,)"));
        assert_eq!(desk.run(&["status", &desk.name]).ok()["bad"], 0);
        desk.test();
    };
    desk.deploy();
    well(NEW);
    desk.run(&["rollback", &desk.name]).ok();
    well(OLD);
}

#[test]
fn folder_of_others_is_refused_and_what_was_changed_is_kept() {
    let desk = Desk::new();
    let host = Host::configured(&desk);
    host.exec("cd /opt/torrust && echo PASSWORD=only-here >.env && printf 'services: {}\\n' >compose.yaml && mkdir releases && echo 1 >releases/1");
    desk.create(&desk.config());
    desk.register(&host);
    let failure = desk
        .run(&["deploy", &desk.name])
        .fails("state_refused")
        .says(&["files that no release put there: .env, compose.yaml, releases", "nothing was changed"]);
    assert_eq!(
        host.exec("cd /opt/torrust && cat .env compose.yaml releases/1; ls"),
        "PASSWORD=only-here\nservices: {}\n1\ncompose.yaml\nreleases\nstorage"
    );
    // What the help says works.
    for line in failure.help.lines().filter_map(|line| line.split_once(" sudo ")) {
        host.exec(line.1);
    }
    desk.deploy();
    assert_eq!(host.exec("cat /opt/torrust.before/.env"), "PASSWORD=only-here");

    host.exec("cd /opt/torrust && echo '# mine' >>storage/tracker/etc/tracker.toml");
    let ran = desk.run(&["deploy", &desk.name]);
    assert!(ran.err.contains("releases/2/replaced/storage/tracker/etc/tracker.toml"), "{}", ran.err);
    ran.ok();
    let kept = "tail -n 1 /opt/torrust/releases/2/replaced/storage/tracker/etc/tracker.toml; stat -c '%a %u' /opt/torrust/releases/2/replaced/storage/tracker/etc/tracker.toml";
    assert!(host.exec(kept).starts_with("# mine\n"), "{}", host.exec(kept));
    desk.test();
}

/// systemd refuses the fourth start of docker.service within a minute: for the tests' own restarts that does not hold.
const RESTART_DOCKER: &str = "systemctl reset-failed docker; systemctl restart docker";

/// A host with a Docker that somebody else installed and set up like this.
fn with_docker_settings(settings: &str) -> (Desk, Host) {
    let desk = Desk::new();
    let host = Host::pristine(&desk);
    let packages = "docker.io docker-cli docker-compose logrotate unattended-upgrades";
    host.exec(&format!("apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {packages}"));
    host.exec(&format!("echo '{settings}' >/etc/docker/daemon.json; {RESTART_DOCKER}"));
    desk.create(&desk.config());
    desk.register(&host);
    (desk, host)
}

#[test]
fn docker_settings_of_others_hold() {
    let (desk, host) = with_docker_settings(r#"{"iptables": false}"#);
    for settings in [r#"{"iptables": false}"#, r#"{"experimental": false}"#] {
        host.exec(&format!("echo '{settings}' >/etc/docker/daemon.json; {RESTART_DOCKER}"));
        desk.run(&["configure", &desk.name, "--skip-updates"]).ok();
        let file: serde_json::Value =
            serde_json::from_str(&host.exec("cat /etc/docker/daemon.json")).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(settings).unwrap();
        for (key, value) in theirs.as_object().unwrap() {
            assert_eq!(&file[key], value);
        }
        assert_eq!(file["live-restore"], true);
        assert!(host.succeeds("docker info"));
    }
    host.exec(&format!("echo 'DOCKER_OPTS=\"--log-driver=json-file --live-restore\"' >/etc/default/docker; rm /etc/docker/daemon.json; {RESTART_DOCKER}"));
    desk.run(&["configure", &desk.name, "--skip-updates"]).ok();
    assert!(host.succeeds("docker info && ! grep -E 'log-driver|live-restore' /etc/docker/daemon.json"));
}

#[test]
fn docker_that_refuses_new_settings_gets_its_old_ones_back() {
    let theirs = r#"{"debug": false}"#;
    let (desk, host) = with_docker_settings(theirs);
    host.exec(
        "mkdir /etc/systemd/system/docker.service.d; cat >/etc/systemd/system/docker.service.d/own.conf <<'END'\n[Service]\n\
         ExecStartPre=/bin/sh -c '! grep -q max-size /etc/docker/daemon.json || { echo failed to start daemon: no max-size here; exit 1; }'\n\
         END\nsystemctl daemon-reload",
    );
    for _ in 0..2 {
        desk.run(&["configure", &desk.name, "--skip-updates"]).fails("ansible_failed").says(&[
            "failed to start daemon: no max-size here",
            "The earlier file is back, and Docker works with it",
        ]);
        assert_eq!(host.exec("cat /etc/docker/daemon.json; docker info >/dev/null"), theirs);
    }
    host.exec("rm -r /etc/systemd/system/docker.service.d; systemctl daemon-reload");
    desk.run(&["configure", &desk.name, "--skip-updates"]).ok();
}
