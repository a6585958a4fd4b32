//! OpenTofu, or Terraform, in one folder with its state elsewhere.
//!
//! `plan`, `apply` and `destroy` speak JSON lines with `-json`: <https://opentofu.org/docs/internals/machine-readable-ui/>.

mod answer;
mod plan;
mod program;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Ran, Runner};
pub use answer::Remedy;
pub use plan::{Action, Change, Plan};
pub use program::{Kind, MINIMUM, Program, VARIABLE, find};

/// How long another one's hold on the state is waited for.
const LOCK_TIMEOUT: &str = "-lock-timeout=30s";
/// After Ctrl-C it lets the provider come to an end and writes down what is there; killed, it could not.
const GRACE: Duration = Duration::from_mins(5);
const PLAN: &str = "host.plan";

/// Environment variables: names and values.
pub type Variables = Vec<(String, String)>;

/// A folder of OpenTofu files, and what is needed to work in it.
pub struct Tofu {
    /// The program.
    pub program: Program,
    /// Where the files are.
    pub folder: PathBuf,
    /// The file that holds the state.
    pub state: PathBuf,
    /// Environment variables with the provider's secrets.
    pub secrets: Variables,
    /// What helps when this provider refuses something.
    pub remedies: &'static [Remedy],
}

impl Tofu {
    fn cmd(&self, args: &[&str]) -> Cmd {
        let mut cmd = Cmd::new(&self.program.path, args.iter().copied())
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1")
            .grace(GRACE);
        // What the user set for other work would change what is done here, or write a log that nobody masks.
        for name in [
            "TF_DATA_DIR",
            "TF_LOG",
            "TF_LOG_CORE",
            "TF_LOG_PROVIDER",
            "TF_REATTACH_PROVIDERS",
            "TF_WORKSPACE",
        ] {
            cmd = cmd.env(name, "");
        }
        let command = args.first().copied().unwrap_or_default();
        cmd = cmd.env("TF_CLI_ARGS", "").env(&format!("TF_CLI_ARGS_{command}"), "");
        // It runs in another folder than the user named the file from.
        if let Some(file) = std::env::var_os("TF_CLI_CONFIG_FILE").filter(|file| !file.is_empty()) {
            let file = std::path::absolute(&file).unwrap_or_else(|_| file.into());
            cmd = cmd.env("TF_CLI_CONFIG_FILE", file.display().to_string());
        }
        cmd.env.extend(self.secrets.iter().cloned());
        cmd.folder = Some(self.folder.clone());
        cmd
    }

    /// A command that holds the state meanwhile, and says in JSON what it does.
    fn change(&self, command: &str, more: &[&str]) -> Cmd {
        self.cmd(&[&[command, "-json", LOCK_TIMEOUT], more].concat())
    }

    /// Gets the provider's program and opens the state.
    ///
    /// # Errors
    /// `tofu_failed`, when the provider cannot be had.
    pub fn init(&self, runner: Runner) -> Result<()> {
        let state = format!("-backend-config=path={}", self.state.display());
        let cmd = self.cmd(&["init", "-no-color", "-reconfigure", &state]);
        let ran = runner.talk(&cmd, |_, line, input| {
            input.close();
            if let Some(doing) = line.strip_prefix("- ") {
                runner.out.doing(doing);
            }
            Ok(())
        })?;
        if ran.ok() { Ok(()) } else { Err(answer::init_failed(self, &ran)) }
    }

    /// Plans, and keeps the plan for [`Tofu::apply`].
    ///
    /// # Errors
    /// `tofu_failed`, with the provider's words.
    pub fn plan(&self, runner: Runner) -> Result<Plan> {
        let out = format!("-out={PLAN}");
        self.watch(runner, "plan", &self.change("plan", &[&out]))?;
        let shown = self.read(runner, &["show", "-json", PLAN])?;
        Plan::read(&shown).map_err(|error| unreadable("plan", error))
    }

    /// The plan as people read it.
    ///
    /// # Errors
    /// `tofu_failed`.
    pub fn plan_text(&self, runner: Runner) -> Result<String> {
        Ok(self.ask(runner, &["show", "-no-color", PLAN])?.stdout)
    }

    /// Applies that very plan.
    ///
    /// # Errors
    /// `tofu_failed`, with the provider's words.
    pub fn apply(&self, runner: Runner) -> Result<()> {
        let cmd = self.change("apply", &[PLAN]);
        self.watch(runner, "apply", &cmd.transcript(self.folder.join("apply.log")))
    }

    /// Takes over what a killed apply left, without making the rest.
    ///
    /// # Errors
    /// `tofu_failed`, with the provider's words.
    pub fn adopt(&self, runner: Runner) -> Result<()> {
        for change in self.plan(runner)?.changes {
            if let Some(id) = &change.import_id {
                self.ask(runner, &["import", "-no-color", LOCK_TIMEOUT, &change.address, id])?;
            }
        }
        Ok(())
    }

    /// Reads anew what is there, and changes nothing.
    ///
    /// # Errors
    /// `tofu_failed`, with the provider's words.
    pub fn refresh(&self, runner: Runner) -> Result<()> {
        self.watch(runner, "refresh", &self.change("apply", &["-refresh-only", "-auto-approve"]))
    }

    /// Removes everything that the state knows of.
    ///
    /// # Errors
    /// `tofu_failed`, with the provider's words.
    pub fn destroy(&self, runner: Runner) -> Result<()> {
        let cmd = self.change("apply", &["-destroy", "-auto-approve"]);
        self.watch(runner, "destroy", &cmd.transcript(self.folder.join("destroy.log")))
    }

    /// What the state knows of, each as `TYPE NAME`; nothing when there is no state yet.
    ///
    /// # Errors
    /// `tofu_failed`.
    pub fn made(&self, runner: Runner) -> Result<Vec<String>> {
        if !self.state.exists() {
            return Ok(vec![]);
        }
        let shown = self.read(runner, &["show", "-json"])?;
        Ok(answer::resources(&shown))
    }

    /// The outputs by name, without those that have no value.
    ///
    /// # Errors
    /// `tofu_failed`.
    pub fn outputs(&self, runner: Runner) -> Result<Variables> {
        let outputs = self.read(runner, &["output", "-json"])?;
        Ok(answer::outputs(&outputs))
    }

    /// Runs something that takes its time: what it is doing is said, what went wrong is kept.
    fn watch(&self, runner: Runner, doing: &str, cmd: &Cmd) -> Result<()> {
        let mut problems = vec![];
        let watched = runner.talk(cmd, |_, line, input| {
            input.close();
            match answer::event(line) {
                Some(answer::Event::Progress(text)) => runner.out.doing(&text),
                Some(answer::Event::Problem(problem)) => problems.push(problem),
                None => {}
            }
            Ok(())
        });
        self.close_to_others();
        let ran = watched?;
        if ran.ok() {
            return Ok(());
        }
        Err(answer::failed(&self.program, doing, &problems, &ran, self.remedies))
    }

    /// Removes the state, which must not know of anything any more.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget_state(&self) -> Result<()> {
        let _ = std::fs::remove_file(self.earlier_state());
        match std::fs::remove_file(&self.state) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::new(Code::StorageFailed, format!("cannot remove {}", self.state.display()))
                    .why(error))
            }
            _ => Ok(()),
        }
    }

    /// Where OpenTofu keeps the state before the last change.
    fn earlier_state(&self) -> PathBuf {
        self.state.with_extension("tfstate.backup")
    }

    /// OpenTofu writes its files for everybody to read. Their folders are closed; this is for whoever copies them.
    fn close_to_others(&self) {
        for file in [&self.state, &self.earlier_state(), &self.folder.join(PLAN)] {
            // Not every call makes all of them.
            let _ = std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600));
        }
    }

    fn ask(&self, runner: Runner, args: &[&str]) -> Result<Ran> {
        let ran = runner.run(&self.cmd(args))?;
        if ran.ok() {
            return Ok(ran);
        }
        Err(answer::failed(&self.program, args[0], &[], &ran, self.remedies))
    }

    fn read(&self, runner: Runner, args: &[&str]) -> Result<Value> {
        let ran = self.ask(runner, args)?;
        serde_json::from_str(&ran.stdout).map_err(|error| unreadable(args[0], error))
    }
}

fn unreadable(what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(Code::TofuFailed, format!("the {what} that OpenTofu printed cannot be read"))
        .why(error)
        .help("is it a version newer than this program knows? name another one: --tofu-bin PATH")
}
