//! The surroundings of one test: a folder, a home, fakes of the tools, and a clean environment.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What fakes and the program may use of the machine's own programs; everything else is not on PATH.
const REAL: &[&str] = &[
    "sh",
    "bash",
    "cat",
    "sleep",
    "sed",
    "grep",
    "cut",
    "tr",
    "head",
    "wc",
    "rm",
    "mv",
    "mkdir",
    "touch",
    "env",
    "dd",
    "ssh-keygen",
    "sha256sum",
    "cmp",
];

/// The key that the fake host shows, and its fingerprint.
pub const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDJrTWq3nGm0J1n1nYkX7k2Q2b8kqk1C5gYt0Qv1Zk9c";
pub const HOST_KEY: &str = "SHA256:fjEO+CkN+c5TvSbwonJsZdYE3YOuWf7VC/m6r61ZNRM (ED25519)";

/// The folder, its fakes, and the variables that the program sees.
pub struct World {
    root: TempDir,
    variables: BTreeMap<String, String>,
}

/// How the program ended and what it wrote.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// No tool is there but `ssh-keygen`.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("cli-test-").tempdir().unwrap();
        for folder in ["home", "bin", "real", "work"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        for program in REAL {
            let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|folder| folder.join(program))
                .find(|path| path.is_file())
                .unwrap_or_else(|| panic!("{program} is not on PATH"));
            symlink(found, root.path().join("real").join(program)).unwrap();
        }
        let path = format!("{0}/bin:{0}/real", root.path().display());
        let variables = [
            ("PATH", path),
            ("HOME", root.path().join("home").display().to_string()),
            ("USER", "tester".into()),
            ("NO_COLOR", "1".into()),
            ("LANG", "C.UTF-8".into()),
            ("FAKE", root.path().display().to_string()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        Self { root, variables: variables.into() }
    }

    /// All tools are there as fakes that do what is expected of them.
    pub fn with_tools() -> Self {
        let world = Self::new();
        world.fake("ssh", include_str!("fakes/ssh"));
        world.fake("docker", include_str!("fakes/docker"));
        world.fake("ansible-playbook", include_str!("fakes/ansible-playbook"));
        world.fake("tofu", include_str!("fakes/tofu"));
        world
    }

    /// Puts a program on PATH that writes down its arguments, then runs this shell script.
    pub fn fake(&self, program: &str, script: &str) {
        let path = self.path("../bin").join(program);
        // Written at once: of two that are called together each has a line of its own.
        let record = format!(
            "line=$(for word in {program} \"$@\"; do printf '%s ' \"$word\"; done | tr '\\n' '~'); printf '%s\\n' \"$line\" >>\"$FAKE/transcript\""
        );
        let beside = path.with_extension("new");
        fs::write(&beside, format!("#!/bin/sh\n{record}\n{script}\n")).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
        // A script that is just being run keeps its old file.
        fs::rename(beside, path).unwrap();
    }

    /// Sets a variable for all later calls.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.into(), value.into());
    }

    /// Unsets a variable for all later calls.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// A path in the folder that the program runs in.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join("work").join(path)
    }

    /// Writes a file in that folder.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torrust-tracker-deployer"));
        command.args(args).env_clear().envs(&self.variables).current_dir(self.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        finish(self.command(args).spawn().unwrap())
    }

    /// Runs the program at a terminal where the user types this; what the terminal shows is its standard error.
    pub fn typing(&self, args: &[&str], typed: &str) -> Output {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).unwrap();
        let path = ptsname(&terminal, vec![]).unwrap().into_string().unwrap();
        let end = || fs::File::options().read(true).write(true).open(&path).unwrap();
        let child = self.command(args).stdin(end()).stderr(end()).spawn().unwrap();
        let mut terminal = fs::File::from(terminal);
        terminal.write_all(typed.as_bytes()).unwrap();
        let mut shown = vec![];
        // Its end is an error to the reader: nobody holds the terminal any more.
        let _ = terminal.read_to_end(&mut shown);
        Output { stderr: String::from_utf8(shown).unwrap(), ..finish(child) }
    }

    /// Runs the program, which must succeed.
    pub fn ok(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.code, Some(0), "{args:?}\n{}{}", output.stdout, output.stderr);
        output
    }

    /// The result of a command as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        self.ok(&[args, &["--output-format", "json"]].concat()).json()
    }

    /// The `error` of a command that must fail, from its JSON.
    pub fn refusal(&self, args: &[&str]) -> Refusal {
        let output = self.run(&[args, &["--output-format", "json"]].concat());
        assert_ne!(output.code, Some(0), "{args:?} succeeded: {}", output.stdout);
        let document = output.json();
        let mut refusal: Refusal = Refusal { exit: output.code, ..Refusal::from(&document["error"]) };
        refusal.hide(&self.root.path().display().to_string());
        refusal
    }

    /// What the fakes were called with, one call a line; line breaks in arguments are `~`.
    pub fn transcript(&self) -> String {
        fs::read_to_string(self.path("../transcript")).unwrap_or_default()
    }

    /// Forgets the calls so far.
    pub fn forget_transcript(&self) {
        let _ = fs::remove_file(self.path("../transcript"));
    }

    /// How many calls of the fakes contain these words.
    pub fn calls(&self, words: &str) -> usize {
        self.transcript().lines().filter(|line| line.contains(words)).count()
    }

    /// The stored state of an environment.
    pub fn state(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(&format!("data/{name}/environment.json"))).unwrap()
    }

    /// Changes the stored state of an environment.
    pub fn edit_state(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.state(name);
        edit(&mut state);
        self.write(&format!("data/{name}/environment.json"), &state.to_string());
    }

    /// An environment `name` in that stage, with a registered host from `provisioned` on.
    pub fn environment(&self, name: &str, stage: &str) {
        self.ok(&["create", name]);
        self.edit_state(name, |state| {
            state["stage"] = stage.into();
            if !matches!(stage, "created" | "destroyed") {
                state["host"] = json!({
                    "origin": "registered", "address": "192.0.2.7", "port": 22,
                    "host_key": HOST_KEY, "public_key": PUBLIC_KEY, "system": "debian 13 x86_64",
                });
            }
        });
    }

    /// The lines of an environment's history.
    pub fn history(&self, name: &str) -> Vec<Value> {
        let text = self.read(&format!("data/{name}/history.jsonl"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A valid configuration with a key of its own, changed by `edit` and written to `PATH`.
    pub fn config(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let key = self.path("id_ed25519");
        if !key.exists() {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
            assert!(made.unwrap().success());
        }
        let mut config: Value = serde_json::from_str(include_str!("../configs/valid/minimal.json")).unwrap();
        edit(&mut config);
        self.write(path, &format!("{config:#}\n"));
    }

    /// Waits until a fake has written the file.
    pub fn wait_for(&self, path: &str) {
        let started = Instant::now();
        while !self.path(path).exists() {
            assert!(started.elapsed() < Duration::from_secs(20), "{path} never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every regular file below the folder of this test, with its bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = vec![];
        collect(&self.path(""), &mut files);
        files
    }

    /// Text with everything replaced that differs from run to run.
    pub fn settled(&self, text: &str) -> String {
        text.replace(&self.root.path().canonicalize().unwrap().display().to_string(), "[TEST]")
            .replace(&self.root.path().display().to_string(), "[TEST]")
    }

    /// What a user would see, for a snapshot.
    pub fn seen(&self, args: &[&str], output: &Output) -> String {
        let section = |title: &str, text: &str| match text.trim_end() {
            "" => String::new(),
            text => format!("--- {title} ---\n{text}\n"),
        };
        let code = output.code.map_or("a signal".into(), |code| code.to_string());
        let text = format!("$ torrust-tracker-deployer {}\nexit code: {code}\n", args.join(" "));
        self.settled(&(text + &section("stdout", &output.stdout) + &section("stderr", &output.stderr)))
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            collect(&entry.path(), files);
        } else if kind.is_file() {
            files.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
}

/// Waits for a program's end.
pub fn finish(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Output {
    /// Standard output as exactly one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// An error as scripts see it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    pub exit: Option<i32>,
    pub code: String,
    pub message: String,
    pub causes: String,
    pub help: String,
}

impl Refusal {
    fn from(error: &Value) -> Self {
        let lines = |value: &Value| {
            value.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
        };
        Self {
            exit: None,
            code: error["code"].as_str().unwrap().to_owned(),
            message: error["message"].as_str().unwrap().to_owned(),
            causes: lines(&error["causes"]),
            help: lines(&error["help"]),
        }
    }

    fn hide(&mut self, root: &str) {
        for text in [&mut self.message, &mut self.causes, &mut self.help] {
            *text = text.replace(root, "[TEST]");
        }
    }
}

/// Compares what a user sees of one call with its snapshot.
macro_rules! snapshot {
    ($world:expr, $args:expr) => {{
        let (world, args): (&$crate::world::World, &[&str]) = (&$world, $args);
        let output = world.run(args);
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (pattern, shown) in $crate::world::FILTERS {
            settings.add_filter(pattern, *shown);
        }
        settings.bind(|| insta::assert_snapshot!(world.seen(args, &output)));
        output
    }};
}
pub(crate) use snapshot;

/// What differs from run to run.
pub const FILTERS: &[(&str, &str)] = &[
    (r"\(\d+\.\d s\)", "(0.0 s)"),
    (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:[FINGERPRINT]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
    (r"process \d+", "process [PID]"),
    (r"kill -INT \d+", "kill -INT [PID]"),
    (r"\(\d+ s ago\)", "([AGE] s ago)"),
    (r" *\d+ seconds? (ago|old)", " [AGE] $1"),
    (r"\d+\.\d\d s (ahead of|behind) this machine's, give or take \d+\.\d\d s", "[CLOCK]"),
    (r#""(admin_token)": "[A-Za-z0-9]{32}""#, r#""$1": "[SECRET]""#),
    (r"\b127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"deployer/host:[0-9a-f]{12}", "deployer/host:[CONTEXT]"),
    (r"API \d+:", "API [PORT]:"),
    (r"after \d+\.\d s", "after [SECONDS] s"),
];
