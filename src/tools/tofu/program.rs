//! Which program is used: OpenTofu, or Terraform, or what the user names.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::process::{Cmd, Runner};

/// The oldest version that has all we use: `plan -json`, `show -json`, `apply -json` of a saved plan.
pub const MINIMUM: (u32, u32) = (1, 6);
/// The environment variable beside `--tofu-bin`.
pub const VARIABLE: &str = "TORRUST_TD_TOFU_BIN";
/// It answers at once, or is none.
const PATIENCE: Duration = Duration::from_secs(5);
/// In the order of preference.
const PROGRAMS: [&str; 2] = ["tofu", "terraform"];

/// The two that read the same files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenTofu.
    OpenTofu,
    /// Terraform.
    Terraform,
}

impl Kind {
    /// The registry that it gets providers from.
    #[must_use]
    pub fn registry(self) -> &'static str {
        match self {
            Self::OpenTofu => "registry.opentofu.org",
            Self::Terraform => "registry.terraform.io",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::OpenTofu { "OpenTofu" } else { "Terraform" })
    }
}

/// A program that does the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What is started.
    pub path: String,
    /// Which of the two it says that it is.
    pub kind: Kind,
    /// Its whole version, such as `1.12.6`.
    pub release: String,
    /// The first two numbers of that.
    pub version: (u32, u32),
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.release)
    }
}

impl Program {
    /// This program, if it can go on with that state: Terraform knows nothing of what OpenTofu's registry gave. The
    /// other way round is no trouble.
    ///
    /// # Errors
    /// `tool_missing`: OpenTofu is needed.
    pub fn for_state(self, state: &Path) -> Result<Self> {
        let of_opentofu =
            || std::fs::read_to_string(state).is_ok_and(|text| text.contains(Kind::OpenTofu.registry()));
        if self.kind == Kind::OpenTofu || !of_opentofu() {
            return Ok(self);
        }
        Err(Error::new(
            Code::ToolMissing,
            format!("the host was made with OpenTofu, and {self} cannot go on with it"),
        )
        .help("put tofu on PATH, or say where it is: --tofu-bin PATH"))
    }
}

/// The program named by the user, or else the first on PATH that is new enough.
///
/// # Errors
/// `tool_missing`: there is none, or only ones that are too old.
pub fn find(runner: Runner, named: Option<&Path>) -> Result<Program> {
    if let Some(path) = named {
        let program = look(runner, &path.display().to_string())?;
        return if program.version >= MINIMUM { Ok(program) } else { Err(too_old(&program)) };
    }
    let mut older = None;
    for program in PROGRAMS {
        match look(runner, program) {
            Ok(found) if found.version >= MINIMUM => return Ok(found),
            Ok(found) => older = older.or(Some(found)),
            Err(error) if error.code() == Code::ToolMissing => {}
            Err(error) => return Err(error),
        }
    }
    Err(older.map_or_else(|| crate::tools::missing(PROGRAMS[0]), |older| too_old(&older)))
}

fn too_old(program: &Program) -> Error {
    let (major, minor) = MINIMUM;
    Error::new(Code::ToolMissing, format!("{program} is too old: {major}.{minor} or newer is needed"))
        .help("install OpenTofu: https://opentofu.org/docs/intro/install/, or: torrust-tracker-deployer check --fix")
        .help(format!("or name another program: --tofu-bin PATH (or {VARIABLE}=PATH)"))
}

fn look(runner: Runner, program: &str) -> Result<Program> {
    let version = Cmd::new(program, ["version"]).deadline(PATIENCE);
    // A broken configuration file is told by whoever needs it.
    let version = version.env("CHECKPOINT_DISABLE", "1").env("TF_CLI_CONFIG_FILE", "");
    let ran = runner.run(&version)?;
    let read = ran.stdout.lines().find_map(|line| read_version(program, line));
    read.filter(|_| ran.ok()).ok_or_else(|| {
        Error::new(Code::ToolFailed, format!("{program} does not say that it is OpenTofu or Terraform"))
            .why(ran.complaint())
            .help(format!("look: {program} version"))
    })
}

/// `OpenTofu v1.12.6`.
fn read_version(path: &str, line: &str) -> Option<Program> {
    let (name, release) = line.split_once(" v")?;
    let kind = [Kind::OpenTofu, Kind::Terraform].into_iter().find(|kind| kind.to_string() == name)?;
    let mut numbers = release.split('.').map(str::parse);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Program { path: path.to_owned(), kind, release: release.to_owned(), version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_what_it_says() {
        let program = read_version("tf", "Terraform v1.12.6").unwrap();
        assert_eq!(
            (program.kind, program.version, program.to_string().as_str()),
            (Kind::Terraform, (1, 12), "Terraform 1.12.6")
        );
        assert!(program.version > MINIMUM);
        assert!(read_version("tofu", "OpenTofu v1.5.7-beta1").unwrap().version < MINIMUM);
        assert_eq!((read_version("tofu", "on linux_amd64"), read_version("x", "Other v1.9.0")), (None, None));
    }

    #[test]
    fn terraform_does_not_go_on_with_a_state_of_opentofu() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let terraform = read_version("terraform", "Terraform v1.11.4").unwrap();
        assert!(terraform.clone().for_state(&state).is_ok(), "there is none yet");
        std::fs::write(&state, r#"{"provider": "provider[\"registry.opentofu.org/terraform-lxd/lxd\"]"}"#)
            .unwrap();
        let refused = terraform.for_state(&state).unwrap_err();
        assert_eq!(
            refused.message(),
            "the host was made with OpenTofu, and Terraform 1.11.4 cannot go on with it"
        );
        assert!(read_version("tofu", "OpenTofu v1.12.6").unwrap().for_state(&state).is_ok());
    }
}
