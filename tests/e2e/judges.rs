//! What is rendered, judged by the tools that will read it: `lab/judge.sh`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::lab;

/// The judges' lines on these folders of the desk.
fn judged(desk: &Desk, options: &[&str], folders: &[String]) -> (bool, String) {
    let mut command = Command::new("lab/judge.sh");
    command.args(options).args(folders.iter().map(|folder| desk.path(folder))).current_dir(lab::project());
    let ran = command.env("PATH", lab::path()).output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}

fn render(desk: &Desk, what: [&str; 2], folder: &str) {
    desk.run(&["render", what[0], what[1], "--instance-ip", "203.0.113.7", "--output-dir", folder]).ok();
}

/// Renders the stacks for the tracker, and has them judged.
fn stacks_pass(tracker: &str, options: &[&str], fits: impl Fn(&Value) -> bool) {
    let desk = Desk::new();
    let mut stacks = vec![];
    for (stack, mut config) in lab::stacks().into_iter().filter(|(_, config)| fits(config)) {
        config["images"]["tracker"] = json!(tracker);
        let file = desk.write("stack.json", &config.to_string());
        render(&desk, ["-f", &file], &stack);
        stacks.push(stack);
    }
    assert!(!stacks.is_empty());
    let (good, said) = judged(&desk, options, &stacks);
    assert!(good, "{said}");
    for stack in stacks {
        let line = format!("ok      {stack}: the tracker starts");
        assert!(said.contains(&line), "{stack}: {said}");
    }
}

#[test]
fn every_stack_passes_every_judge() {
    stacks_pass(lab::TRACKER_3, &[], |_| true);
}

/// Only the tracker's own files differ. Release 3.0.0 needs a database, and knows no other servers than `MySQL`.
#[test]
fn release_3_0_0_starts_with_the_files_of_every_stack() {
    stacks_pass(lab::TRACKER, &["--tracker"], |config| {
        let driver = &config["tracker"]["core"]["database"]["driver"];
        driver == "sqlite3" || driver == "mysql"
    });
}

/// A judge that finds nothing wrong here would find nothing wrong anywhere.
#[test]
fn every_judge_finds_what_is_broken() {
    let mut desk = Desk::new();
    desk.variables.push(("HCLOUD_TOKEN", "never used".into()));
    let unit = "ansible/files/root/etc/systemd/system/torrust-tracker-receive-steering.service";
    let broken = [
        ("docker-compose/docker-compose.yml.j2", "services: { tracker: { image: x, nonsense: true } }\n"),
        ("ansible/deploy.yml", "- hosts: tracker\n  tasks:\n - x\n"),
        ("host/run.sh", "#!/bin/bash\necho $1\n"),
        (unit, "[Service]\nExecStart=/nowhere\n"),
        ("tofu/hetzner/main.tf", "locals {\nx= 1\n}\n"),
        ("tofu/cloud-init.yml.j2", "#cloud-config\nusers: 7\n"),
        ("prometheus/prometheus.yml.j2", "global: { scrape_interval: often }\n"),
        ("prometheus/rules.yml.j2", "groups: [{ name: x, rules: [{ alert: X, expr: 'up ==' }] }]\n"),
        ("caddy/Caddyfile.j2", "example.com {\n\tnonsense\n}\n"),
    ];
    for (path, text) in broken {
        fs::create_dir_all(desk.path("own").join(path).parent().unwrap()).unwrap();
        desk.write(&format!("own/{path}"), text);
    }
    desk.run(&["create", &desk.name, "--provider", "hetzner", "--template", "own"]).ok();
    // The short form has no option for these sections.
    let mut stored = desk.stored();
    stored["config"]["prometheus"] = json!({});
    stored["config"]["https"] = json!({ "admin_email": "admin@lab.test", "ca": "internal" });
    for (field, value) in [("domain", json!("api.lab.test")), ("use_tls_proxy", json!(true))] {
        stored["config"]["tracker"]["http_api"][field] = value;
    }
    desk.write(&format!("data/{}/environment.json", desk.name), &stored.to_string());
    render(&desk, ["--env-name", &desk.name], "broken");
    let (good, said) = judged(&desk, &[], &["broken".into()]);
    let bad = said.lines().filter(|line| line.starts_with("bad ")).count();
    assert!(!good && bad == 11 && !said.contains("ok      "), "{said}");
}
