//! What `render` writes for each of the stacks, whole. A change of a template shows here as what it changes for users.
//!
//! `INSTA_UPDATE=always cargo nextest run --test render` writes them anew; read the difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nnever used\n-----END OPENSSH PRIVATE KEY-----\n";
const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0bKCiwIWQ4r0rpbZ2oGrq3sN5VfJ0Jm2uPuEGHDDDe operator\n";

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder of an operator with this stack's configuration.
fn operator(stack: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(project(&format!("tests/configs/stacks/{stack}.json")), folder.path().join("stack.json"))
        .unwrap();
    let key = folder.path().join("id_ed25519");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(key.with_extension("pub"), PUBLIC_KEY).unwrap();
    folder
}

/// Without any program on PATH.
fn render(folder: &Path, address: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_torrust-tracker-deployer"))
        .args(["render", "-f", "stack.json", "--instance-ip", address, "--output-dir", "tree"])
        .env_clear()
        .current_dir(folder)
        .output()
        .unwrap()
}

/// The files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every file with its mode; one that is a template's very copy by that template's name.
fn shown(tree: &Path) -> String {
    let templates = project("templates");
    let copies: Vec<_> = files(&templates).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let show = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let name = path.strip_prefix(tree).unwrap().display();
        match copies.iter().find(|(copy, _)| *copy == bytes) {
            Some((_, from)) => {
                format!(
                    "==> {name} {mode:04o}: templates/{}\n",
                    from.strip_prefix(&templates).unwrap().display()
                )
            }
            None => format!("==> {name} {mode:04o} <==\n{}\n", String::from_utf8(bytes).unwrap()),
        }
    };
    // The list of the others.
    files(tree).into_iter().filter(|path| !path.ends_with(".rendered")).map(show).collect()
}

#[track_caller]
fn golden(stack: &str, address: &str) {
    let folder = operator(stack);
    let ran = render(folder.path(), address);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{said}");
    let tree = folder.path().join("tree");
    let root = folder.path().canonicalize().unwrap().display().to_string();
    let text = shown(&tree).replace(&root, "/home/operator");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(stack, text));

    let again = folder.path().join("again");
    fs::rename(&tree, &again).unwrap();
    assert!(render(folder.path(), address).status.success());
    assert_eq!(shown(&again), shown(&tree), "a second rendering has other bytes");
}

#[test]
fn minimal() {
    golden("minimal", "203.0.113.7");
}

#[test]
fn mysql() {
    golden("mysql", "203.0.113.7");
}

#[test]
fn postgresql() {
    golden("postgresql", "203.0.113.7");
}

#[test]
fn no_database() {
    golden("no-database", "203.0.113.7");
}

#[test]
fn monitoring() {
    golden("monitoring", "203.0.113.7");
}

#[test]
fn https() {
    golden("https", "203.0.113.7");
}

#[test]
fn everything() {
    golden("everything", "203.0.113.7");
}

#[test]
fn private_ipv6() {
    golden("private-ipv6", "2001:db8::7");
}

/// A stack without a test would never be looked at.
#[test]
fn every_stack_is_rendered_here() {
    let source = include_str!("main.rs");
    for file in files(&project("tests/configs/stacks")) {
        let stack = file.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(source.contains(&format!("golden(\"{stack}\"")), "{stack}");
    }
}
