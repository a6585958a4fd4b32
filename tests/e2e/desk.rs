//! An operator's desk: a working directory, a key pair, and the program.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::host::Host;
use crate::{lab, lxd};

pub struct Desk {
    folder: TempDir,
    /// The name of its first environment.
    pub name: String,
    /// Set in the program's environment.
    pub variables: Vec<(&'static str, String)>,
}

impl Desk {
    pub fn new() -> Self {
        lab::ready();
        let folder = TempDir::with_prefix("e2e desk ").unwrap();
        let key = folder.path().join("id_ed25519");
        lab::run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
        Self { folder, name: lab::unique_name(), variables: vec![] }
    }

    pub fn public_key(&self) -> PathBuf {
        self.path("id_ed25519.pub")
    }

    /// What the environment's host is called at its provider.
    pub fn instance(&self) -> String {
        format!("torrust-tracker-vm-{}", self.name)
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// A UDP tracker, an HTTP tracker and the API, with images from the operator's own engine.
    pub fn config(&self) -> Value {
        json!({
            "environment": { "name": self.name },
            "ssh_credentials": { "private_key_path": "id_ed25519", "public_key_path": "id_ed25519.pub" },
            "provider": { "provider": "docker", "base_image": lab::BASE },
            "images": { "source": "local", "tracker": lab::TRACKER },
            "tracker": {
                "core": { "database": { "driver": "sqlite3", "database_name": "tracker.db" }, "private": false },
                "udp_trackers": [{ "bind_address": "0.0.0.0:6969" }],
                "http_trackers": [{ "bind_address": "0.0.0.0:7070" }],
                "http_api": { "bind_address": "0.0.0.0:1212", "admin_token": "vE4ixM2uTq0Zk9sLw7RbNcYd" },
            },
        })
    }

    /// Stores an environment.
    pub fn create(&self, config: &Value) {
        let file = self.write("environment.json", &config.to_string());
        self.run(&["create", "environment", "-f", &file]).ok();
    }

    /// Registers a host for the desk's environment.
    pub fn register(&self, host: &Host) -> Value {
        self.run(&["register", &self.name, "--instance-ip", &host.address]).ok()
    }

    /// Creates, registers and deploys.
    pub fn deploy_on(&self, host: &Host) {
        self.create(&self.config());
        self.register(host);
        self.deploy();
    }

    /// A desk with a running tracker, whose configuration was changed like this; and that configuration.
    pub fn with_running(change: impl FnOnce(&mut Value)) -> (Self, Host, Value) {
        let desk = Self::new();
        let host = Host::configured(&desk);
        let mut config = desk.config();
        change(&mut config);
        desk.create(&config);
        desk.register(&host);
        desk.deploy();
        (desk, host, config)
    }

    /// Deploys, which must work.
    pub fn deploy(&self) -> Value {
        self.run(&["deploy", &self.name]).ok()
    }

    fn command(&self, args: &[&str]) -> Command {
        self.plain(&[&["--output-format", "json", "--working-dir", "."], args].concat())
    }

    /// The program as people call it.
    pub fn plain(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torrust-tracker-deployer"));
        command.args(args).current_dir(self.folder.path());
        command.env("PATH", lab::path()).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Self::finish(self.command(args), args)
    }

    /// Runs the program with the text that people read.
    pub fn run_in_text(&self, args: &[&str]) -> Ran {
        Self::finish(self.plain(args), args)
    }

    fn finish(mut command: Command, args: &[&str]) -> Ran {
        let ran = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { args: args.join(" "), code: ran.status.code(), out: text(ran.stdout), err: text(ran.stderr) }
    }

    /// Starts the program; its log events tell where it is.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut child = self.command(args).args(["-v", "--log-output", "file-and-stderr"]).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Running { args: args.join(" "), child, lines, heard: String::new() }
    }

    /// What is stored about the desk's environment.
    pub fn stored(&self) -> Value {
        let file = self.path(&format!("data/{}/environment.json", self.name));
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }

    pub fn stage(&self) -> String {
        self.stored()["stage"].as_str().unwrap().to_owned()
    }

    /// The basic suite's report, in which nothing may have failed.
    pub fn test(&self) -> Value {
        let report = self.run(&["test", &self.name]).ok();
        assert_eq!(report["failed"], 0, "{report:#}");
        report
    }
}

impl Drop for Desk {
    /// What the provider made for environments of this desk goes with it.
    fn drop(&mut self) {
        let Ok(environments) = fs::read_dir(self.path("data")) else { return };
        for name in environments.flatten().map(|entry| entry.file_name()) {
            let instance = format!("torrust-tracker-vm-{}", name.display());
            lab::remove("container", &instance);
            lab::remove("network", &instance);
            lab::remove("volume", &format!("{instance}-storage"));
            if self.path("build").join(&name).join("tofu").exists() {
                lxd::remove(&instance);
            }
        }
    }
}

/// The checks of a report by the start of their names: all must have this status.
#[track_caller]
pub fn assert_checks(report: &Value, name: &str, status: &str, count: usize) {
    let checks = report["checks"].as_array().unwrap();
    let found: Vec<_> =
        checks.iter().filter(|check| check["name"].as_str().unwrap().starts_with(name)).collect();
    assert_eq!(found.len(), count, "{name}: {report:#}");
    assert!(found.iter().all(|check| check["status"] == status), "{name} is not {status}: {report:#}");
}

/// What a run of the program gave.
pub struct Ran {
    args: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// An error as the user reads it.
pub struct Failure {
    /// Message and causes.
    pub what: String,
    pub help: String,
}

impl Ran {
    /// It must have worked; its document.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.shown());
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.shown()))
    }

    /// It must have failed with this word.
    #[track_caller]
    pub fn fails(self, word: &str) -> Failure {
        let wanted = match word {
            "interrupted" => 130,
            "usage" => 2,
            _ => 1,
        };
        assert_eq!(self.code, Some(wanted), "{}", self.shown());
        let document: Value =
            serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.shown()));
        let error = &document["error"];
        assert_eq!(error["code"], word, "{}", self.shown());
        let lines = |field: &str| {
            error[field].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned())
        };
        let message = error["message"].as_str().unwrap().to_owned();
        let failure = Failure {
            what: [message].into_iter().chain(lines("causes")).collect::<Vec<_>>().join("\n"),
            help: lines("help").collect::<Vec<_>>().join("\n"),
        };
        assert!(!failure.help.is_empty(), "an error without help: {}", failure.what);
        failure
    }

    fn shown(&self) -> String {
        format!("{}: exit code {:?}\n{}\n{}", self.args, self.code, self.out, self.err)
    }
}

impl Failure {
    /// The message or its causes hold each of these texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.what.contains(text), "{text:?} is not in: {}", self.what);
        }
        self
    }

    #[track_caller]
    pub fn helps(self, text: &str) -> Self {
        assert!(self.help.contains(text), "{text:?} is not in: {}", self.help);
        self
    }
}

/// A run in progress.
pub struct Running {
    args: String,
    child: Child,
    lines: Receiver<String>,
    heard: String,
}

impl Running {
    /// Waits for a line with this text on standard error.
    #[track_caller]
    pub fn hear(&mut self, text: &str) {
        let started = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_mins(2).saturating_sub(started.elapsed()))
        {
            self.heard += &(line.clone() + "\n");
            if line.contains(text) {
                return;
            }
        }
        panic!("{}: {text:?} was not heard in:\n{}", self.args, self.heard);
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let process = Pid::from_child(&self.child);
        kill_process(process, signal).unwrap();
    }

    /// Its end.
    pub fn end(mut self) -> Ran {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code();
        self.heard.extend(self.lines.iter().map(|line| line + "\n"));
        Ran { args: self.args, code, out, err: self.heard }
    }

    /// `kill -9`, this long after the text was heard.
    #[track_caller]
    pub fn kill_after(mut self, text: &str, delay: Duration) {
        self.hear(text);
        thread::sleep(delay);
        self.signal(Signal::KILL);
        let ran = self.end();
        assert_eq!(ran.code, None, "it ended before it was killed, {delay:?} after {text:?}: {}", ran.err);
    }
}
