//! What is rendered, judged by the tools that will read it: `lab/judge.sh`.

use std::fs;
use std::process::Command;

use crate::desk::Desk;
use crate::lab;

/// The judges' lines on these folders of the desk.
fn judged(desk: &Desk, folders: &[String]) -> (bool, String) {
    let mut command = Command::new("lab/judge.sh");
    command.args(folders.iter().map(|folder| desk.path(folder))).current_dir(lab::project());
    let ran = command.env("PATH", lab::path()).output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}

fn render(desk: &Desk, what: [&str; 2], folder: &str) {
    desk.run(&["render", what[0], what[1], "--instance-ip", "203.0.113.7", "--output-dir", folder]).ok();
}

#[test]
fn every_stack_passes_every_judge() {
    let desk = Desk::new();
    let mut stacks = vec![];
    for entry in fs::read_dir(lab::project().join("tests/configs/stacks")).unwrap().flatten() {
        let file = desk.write("stack.json", &fs::read_to_string(entry.path()).unwrap());
        let stack = entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        render(&desk, ["-f", &file], &stack);
        stacks.push(stack);
    }
    assert!(!stacks.is_empty());
    let (good, said) = judged(&desk, &stacks);
    assert!(good, "{said}");
    for stack in stacks {
        let line = format!("ok      {stack}: the tracker starts");
        assert!(said.contains(&line), "{stack}: {said}");
    }
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
    ];
    for (path, text) in broken {
        fs::create_dir_all(desk.path("own").join(path).parent().unwrap()).unwrap();
        desk.write(&format!("own/{path}"), text);
    }
    desk.run(&["create", &desk.name, "--provider", "hetzner", "--template", "own"]).ok();
    render(&desk, ["--env-name", &desk.name], "broken");
    let (good, said) = judged(&desk, &["broken".into()]);
    let bad = said.lines().filter(|line| line.starts_with("bad ")).count();
    assert!(!good && bad == 8 && !said.contains("ok      "), "{said}");
}
