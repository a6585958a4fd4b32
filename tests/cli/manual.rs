//! `docs`, `completions`, `man` and `--help`: everything is described.

use serde_json::Value;

use crate::world::World;

#[test]
fn every_command_and_every_option_has_a_help_text() {
    let world = World::new();
    let docs = world.ok(&["docs"]).json();
    let mut seen = 0;
    let mut without = vec![];
    look_at(&docs, "", &mut seen, &mut without);
    assert!(seen > 100, "only {seen} texts were looked at");
    assert!(without.is_empty(), "without a help text: {without:?}");
}

fn look_at(command: &Value, path: &str, seen: &mut usize, without: &mut Vec<String>) {
    let path = format!("{path} {}", command["name"].as_str().unwrap());
    *seen += 1;
    if command["about"].as_str().is_none_or(str::is_empty) {
        without.push(path.clone());
    }
    for option in command["options"].as_array().unwrap() {
        *seen += 1;
        if option["help"].as_str().is_none_or(str::is_empty) {
            without.push(format!("{path} {}", option["name"]));
        }
    }
    for inner in command["commands"].as_array().unwrap() {
        look_at(inner, &path, seen, without);
    }
}

#[test]
fn docs_go_to_a_file_too() {
    let world = World::new();
    world.ok(&["docs", "docs.json"]);
    assert_eq!(world.read("docs.json"), world.ok(&["docs"]).stdout);
}

#[test]
fn every_shell_has_its_completions() {
    let world = World::new();
    for (shell, sign) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef torrust-tracker-deployer"),
        ("fish", "complete -c torrust-tracker-deployer"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = world.ok(&["completions", shell]).stdout;
        assert!(script.contains(sign) && script.contains("provision"), "{shell}");
    }
    assert_eq!(world.refusal(&["completions", "tcsh"]).exit, Some(2));
}

#[test]
fn every_command_has_a_man_page() {
    let world = World::new();
    assert!(world.ok(&["man"]).stdout.contains(".TH torrust-tracker-deployer 1"));
    world.ok(&["man", "pages"]);
    let docs = world.ok(&["docs"]).json();
    for command in docs["commands"].as_array().unwrap() {
        let page =
            world.read(&format!("pages/torrust-tracker-deployer-{}.1", command["name"].as_str().unwrap()));
        assert!(page.contains(".SH SYNOPSIS"), "{}", command["name"]);
    }
}

#[test]
fn help_and_version_are_results() {
    let world = World::new();
    let help = world.ok(&["--help"]);
    assert!(help.stdout.contains("torrust-tracker-deployer deploy demo") && help.stderr.is_empty());
    let version = world.ok(&["--version"]);
    assert_eq!(version.stdout, format!("torrust-tracker-deployer {}\n", env!("CARGO_PKG_VERSION")));
    for command in world.ok(&["docs"]).json()["commands"].as_array().unwrap() {
        let help = world.ok(&[command["name"].as_str().unwrap(), "--help"]);
        assert!(help.stdout.contains(command["about"].as_str().unwrap()), "{}", command["name"]);
    }
}

#[test]
fn bash_completes_the_options_of_a_command() {
    let script = World::new().ok(&["completions", "bash"]).stdout;
    let asked = format!(
        "{script}\nCOMP_WORDS=(torrust-tracker-deployer release --); COMP_CWORD=2\n\
         $(complete -p torrust-tracker-deployer | sed 's/.*-F \\([^ ]*\\).*/\\1/') torrust-tracker-deployer -- release\n\
         echo \"${{COMPREPLY[@]}}\""
    );
    let said = std::process::Command::new("bash").args(["-c", &asked]).output().unwrap();
    let words = String::from_utf8(said.stdout).unwrap();
    assert!(words.contains("--image-tag") && words.contains("--dry-run"), "{words}");
}
