//! The documentation tells the truth: its console blocks are run, and its lists are complete.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const DEPLOYER: &str = env!("CARGO_BIN_EXE_torrust-tracker-deployer");

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap()
}

/// Standard output of the program, which must succeed.
fn deployer(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(DEPLOYER).current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What stands between backticks in the text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A folder with what the pages take for granted: a file with mistakes, and the key that it names.
fn folder_of_a_reader() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    deployer(elsewhere.path(), &["create", "key"]);
    for (from, to) in [
        (project("tests/configs/invalid/four-mistakes.json"), "mistakes.json"),
        (elsewhere.path().join("data/key/id_ed25519"), "id_ed25519"),
        (elsewhere.path().join("data/key/id_ed25519.pub"), "id_ed25519.pub"),
    ] {
        std::fs::copy(from, folder.path().join(to)).unwrap();
    }
    folder
}

/// `TRYCMD=overwrite cargo test --test docs` writes what is really printed.
#[test]
fn console_blocks_print_what_they_say() {
    for page in ["README.md", "docs/errors.md"] {
        let folder = folder_of_a_reader();
        // Pages are run one after the other, each in a folder of its own.
        std::env::set_current_dir(folder.path()).unwrap();
        let blocks = trycmd::TestCases::new();
        blocks.env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8").env("TORRUST_TD_OUTPUT_FORMAT", "text");
        blocks.case(project(page)).run();
    }
}

/// Each whole description in the operators' pages is one; what it refers to is there.
#[test]
fn descriptions_in_the_pages_are_valid() {
    let mut found = 0;
    for entry in std::fs::read_dir(project("docs")).unwrap().flatten() {
        let page = std::fs::read_to_string(entry.path()).unwrap();
        for block in page.split("```json\n").skip(1) {
            let folder = folder_of_a_reader();
            std::fs::write(folder.path().join("my-tracker.json"), block.split("```").next().unwrap())
                .unwrap();
            deployer(folder.path(), &["validate", "-f", "my-tracker.json"]);
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn every_error_code_is_explained_and_no_other() {
    let source = text("src/error.rs");
    let codes = source.split("pub enum Code {").nth(1).unwrap().split('}').next().unwrap();
    let codes = codes.lines().filter_map(|line| line.trim().strip_suffix(','));
    let codes: BTreeSet<String> = codes.map(snake_case).collect();
    let page = text("docs/errors.md");
    let explained = page.lines().filter(|line| line.starts_with("## ")).flat_map(quoted);
    assert_eq!(explained.map(str::to_owned).collect::<BTreeSet<_>>(), codes);
}

fn snake_case(name: &str) -> String {
    let mut word = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(character.to_ascii_lowercase());
    }
    word
}

#[test]
fn every_command_is_in_the_readme_and_no_other() {
    let docs = deployer(&std::env::temp_dir(), &["docs"]);
    let docs: serde_json::Value = serde_json::from_str(&docs).unwrap();
    let commands = docs["commands"].as_array().unwrap().iter();
    let commands: BTreeSet<_> = commands.map(|command| command["name"].as_str().unwrap()).collect();
    let readme = text("README.md");
    let table = readme.split("## Commands").nth(1).unwrap().split("\n## ").next().unwrap();
    let first_cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let told = first_cells.flat_map(quoted).filter_map(|usage| usage.split(' ').next());
    assert_eq!(told.collect::<BTreeSet<_>>(), commands);
}

/// The transcript of a deployment needs a host to make; its steps must be those of this program.
#[test]
fn the_readme_s_transcript_has_the_steps_of_deploy() {
    let folder = tempfile::tempdir().unwrap();
    deployer(folder.path(), &["create", "demo"]);
    let plan = deployer(folder.path(), &["deploy", "demo", "--dry-run"]);
    let planned = plan.lines().filter(|line| line.starts_with('['));
    let planned: Vec<_> = planned.filter_map(|line| Some(line.get(19..)?.to_owned())).collect();
    let readme = text("README.md");
    let done = readme.lines().filter_map(|line| line.strip_prefix("✓ [")?.split_once("] "));
    let done: Vec<_> = done.map(|(_, rest)| rest.split(" (").next().unwrap().to_owned()).collect();
    assert_eq!(done, planned);
}
