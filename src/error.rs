//! Every failure the user can see: what happened, why, and what to type next.
//!
//! One value serves the whole program, so that the text of an error stands where the error occurs.

use std::fmt::{self, Display};

use serde::Serialize;

/// A result whose error can be shown to the user as it is.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable word for a kind of failure: `error.code` in JSON output. Scripts depend on it, so a word never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The configuration file has problems; all of them are listed.
    ConfigInvalid,
    /// A secret's reference (variable, file, command) gave no value.
    SecretUnavailable,
    /// The command does not fit the stage that the environment is in.
    StateRefused,
    /// A change of a stored configuration that needs a new host, or would lose data.
    ChangeRefused,
    /// The environment's file on disk cannot be read as one.
    StateDamaged,
    /// The environment's file was written by a newer version of this program.
    StateNewer,
    /// No environment of that name.
    EnvironmentNotFound,
    /// The name is taken.
    EnvironmentExists,
    /// Another command works on this environment.
    EnvironmentLocked,
    /// A name that breaks the rules for environment names.
    NameInvalid,
    /// A folder or file of ours cannot be read or written.
    StorageFailed,
    /// A program that the command needs is not installed.
    ToolMissing,
    /// A program that the command needs ended with an error that has no word of its own.
    ToolFailed,
    /// Nothing answers as SSH: refused, timed out, no route, unknown name.
    SshUnreachable,
    /// The host refuses the key or the user.
    SshAuth,
    /// The host's key is not the one stored at first contact.
    HostKeyChanged,
    /// The connection broke in the middle of the work.
    SshLost,
    /// The SSH user may not become root.
    SudoRefused,
    /// The host's operating system, architecture or disk does not fit.
    HostUnsupported,
    /// No Docker Engine answers.
    DockerUnreachable,
    /// The Docker Engine's socket refuses this user.
    DockerPermission,
    /// An image cannot be had.
    ImageUnavailable,
    /// The provider could not make or remove the host.
    ProviderFailed,
    /// `OpenTofu` ended with an error.
    TofuFailed,
    /// Ansible ended with an error.
    AnsibleFailed,
    /// The host's disk is full.
    HostDiskFull,
    /// The release could not be put on the host.
    ReleaseFailed,
    /// An option asks what the provider cannot do.
    NotSupported,
    /// No backup of that name, or none at all.
    BackupNotFound,
    /// An archive that must not be restored here: damaged, not ours, of another environment or database.
    BackupInvalid,
    /// A backup could not be made, or a restore did not come about and was undone.
    BackupFailed,
    /// The tracker's database has only some of its tables: no tracker would start with it.
    DatabaseRefused,
    /// A port that the stack needs is in use on the host.
    PortInUse,
    /// A container exits, restarts for ever or does not get healthy.
    ServiceUnhealthy,
    /// A check of the `test` command failed.
    TestFailed,
    /// A command for several environments failed for some of them.
    EnvironmentsFailed,
    /// Something that `status` looked at is not as it should be.
    StatusBad,
    /// A deadline passed.
    TimedOut,
    /// The user said no, or there was no one to ask.
    Declined,
    /// Ctrl-C, or a signal to end.
    Interrupted,
    /// Wrong usage of the command line.
    Usage,
    /// A fault in this program.
    Internal,
}

impl Code {
    /// The word itself.
    #[must_use]
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The process's exit code: 1 failed, 2 wrong usage, 130 interrupted.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Interrupted => 130,
            _ => 1,
        }
    }
}

/// What happened, why, and what to do next.
#[derive(Debug)]
pub struct Error(Box<Body>);

#[derive(Debug, Serialize)]
struct Body {
    code: Code,
    message: String,
    causes: Vec<String>,
    help: Vec<String>,
    /// Problems in a configuration file; empty for any other failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<serde_json::Value>,
    /// The report that the failure is the end of, where the result is one JSON document.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<serde_json::Value>,
    /// The problems drawn with their source, for the terminal.
    #[serde(skip)]
    drawing: String,
}

impl Error {
    /// An error that says what happened.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Body {
            code,
            message: message.into(),
            causes: vec![],
            help: vec![],
            problems: vec![],
            report: None,
            drawing: String::new(),
        }))
    }

    /// Adds a reason, from the nearest to the deepest.
    #[must_use]
    pub fn why(mut self, cause: impl Display) -> Self {
        let cause = cause.to_string();
        let cause = cause.trim();
        if !cause.is_empty() {
            self.0.causes.push(cause.to_owned());
        }
        self
    }

    /// Adds what to do next, best with the exact command to type.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help.push(help.into());
        self
    }

    /// Adds a file's problems: as data, and drawn with their source.
    #[must_use]
    pub fn problems(mut self, problems: Vec<serde_json::Value>, drawing: String) -> Self {
        self.0.problems = problems;
        self.0.drawing = drawing;
        self
    }

    /// Adds the report that the failure is the end of.
    #[must_use]
    pub fn report(mut self, report: serde_json::Value) -> Self {
        self.0.report = Some(report);
        self
    }

    /// The stable word.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened, in one sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The reasons, nearest first.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// What to do next.
    #[must_use]
    pub fn helps(&self) -> &[String] {
        &self.0.help
    }

    /// A configuration file's problems with their source, drawn; empty for any other error.
    #[must_use]
    pub fn drawing(&self) -> &str {
        &self.0.drawing
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
