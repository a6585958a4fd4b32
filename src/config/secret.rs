//! Secrets: a literal, or a reference that is stored as one and looked up when the secret is used.
//!
//! A text is a reference only as a whole: `"${NAME}"`. A `${` inside a longer text is that text.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Code, Error, Result};
use crate::input;

/// Long enough to type the password of a password store.
const COMMAND_DEADLINE: Duration = Duration::from_mins(2);
/// What is shown in the place of a secret.
pub const MASK: &str = "***";

/// A secret as the configuration has it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret itself.
    Literal(String),
    /// The environment variable that holds it: `"${NAME}"`.
    Variable(String),
    /// The file that holds it: `{"file": "path"}`.
    File(PathBuf),
    /// The command that prints it: `{"command": ["pass", "show", "x"]}`.
    Command(Vec<String>),
}

/// A secret's value. It prints as a mask; `expose` gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed(String);

impl Revealed {
    /// The secret's text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// The secret's value, from wherever the reference says.
    pub fn resolve(&self) -> Result<Revealed> {
        let value = match self {
            Self::Literal(text) => text.clone(),
            Self::Variable(name) => from_variable(name)?,
            Self::File(path) => from_file(path)?,
            Self::Command(words) => from_command(words)?,
        };
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() {
            return Err(unavailable(format!("{self} is empty"))
                .help("give it a value, then run the same command again"));
        }
        if value.contains(|c: char| c.is_control()) {
            return Err(unavailable(format!("{self} holds more than one line, or control characters"))
                .help("a password or token is one line of printable characters"));
        }
        Ok(Revealed(value.to_owned()))
    }

    /// The text of a literal; a reference has none before it is resolved.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            _ => None,
        }
    }
}

/// The variable's name when a text is a reference to one.
pub fn variable_of(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    is_variable_name(name).then_some(name)
}

/// Whether a shell could set a variable of this name.
pub fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::new(Code::SecretUnavailable, message)
}

fn from_variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|cause| {
        unavailable(format!("the secret in the environment variable `{name}` cannot be had"))
            .why(cause)
            .help(format!("set it first: read -rs {name} && export {name}"))
    })
}

fn from_file(path: &Path) -> Result<String> {
    input::read_text(path).map_err(|cause| {
        unavailable(format!("the secret in the file `{}` cannot be read", path.display()))
            .why(cause)
            .help(format!("put it there: install -m 600 /dev/stdin '{}'", path.display()))
    })
}

fn from_command(words: &[String]) -> Result<String> {
    let shown = words.join(" ");
    let failed = || unavailable(format!("the command `{shown}` gave no secret"));
    let (program, arguments) = words.split_first().ok_or_else(|| failed().help("name a program"))?;
    // Standard input stays the user's: a password store may have to ask for its own password.
    let printed = input::printed_by(Command::new(program).args(arguments), COMMAND_DEADLINE);
    let printed = printed.map_err(|cause| match cause.kind() {
        ErrorKind::Interrupted => crate::interrupt::error(),
        ErrorKind::TimedOut => failed()
            .why(format!("it did not end within {} s", COMMAND_DEADLINE.as_secs()))
            .help(format!("run it yourself to see what it waits for: {shown}")),
        ErrorKind::FileTooLarge => failed().why(cause).help("a password or token is one line"),
        _ => failed().why(cause).help(format!("check that `{program}` is installed and in PATH")),
    })?;
    if !printed.status.success() {
        return Err(failed()
            .why(printed.status)
            .why(String::from_utf8_lossy(&printed.err))
            .help(format!("run it yourself to see why: {shown}")));
    }
    String::from_utf8(printed.out).map_err(|_| failed().why("what it printed is not UTF-8 text"))
}

/// Names the reference, never a value.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str(MASK),
            Self::Variable(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Command(words) => write!(f, "the output of `{}`", words.join(" ")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    File(FileForm),
    Command(CommandForm),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandForm {
    command: Vec<String>,
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let form = match self.clone() {
            Self::Literal(text) => Form::Text(text),
            Self::Variable(name) => Form::Text(format!("${{{name}}}")),
            Self::File(file) => Form::File(FileForm { file }),
            Self::Command(command) => Form::Command(CommandForm { command }),
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => match variable_of(&text) {
                Some(name) => Self::Variable(name.to_owned()),
                None => Self::Literal(text),
            },
            Form::File(form) => Self::File(form.file),
            Form::Command(form) => Self::Command(form.command),
        })
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret: its text, `${NAME}` for an environment variable, a file or a command.",
            "type": ["string", "object"],
            "format": "secret",
            "minLength": 1,
            "properties": {
                "file": {
                    "description": "The file that holds the secret; `~` is your home folder.",
                    "type": "string",
                    "format": "path",
                    "minLength": 1,
                },
                "command": {
                    "description": "The command that prints the secret, one word an element.",
                    "type": "array",
                    "items": { "type": "string" },
                    "minItems": 1,
                },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_json(text: &str) -> Secret {
        serde_json::from_str(text).unwrap()
    }

    fn refusal(secret: &Secret) -> Error {
        let error = secret.resolve().unwrap_err();
        assert_eq!(error.code(), Code::SecretUnavailable);
        error
    }

    #[test]
    fn each_form_survives_a_round_trip() {
        let forms = [r#""plain""#, r#""${NAME}""#, r#"{"file":"/x"}"#, r#"{"command":["pass","show","x"]}"#];
        for form in forms {
            assert_eq!(serde_json::to_string(&from_json(form)).unwrap(), form);
        }
    }

    #[test]
    fn only_a_whole_reference_is_one() {
        assert_eq!(from_json(r#""${A_1}""#), Secret::Variable("A_1".into()));
        for literal in ["a${B}", "${B}c", "${}", "${1A}", "$A", "${a b}"] {
            assert_eq!(from_json(&format!("{literal:?}")), Secret::Literal(literal.into()));
        }
    }

    #[test]
    fn a_literal_is_shown_nowhere() {
        let secret = Secret::Literal("hunter2".into());
        let shown = format!("{secret} {secret:?} {:?}", secret.resolve().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.resolve().unwrap().expose(), "hunter2");
    }

    #[test]
    fn a_variable_gives_its_value_or_its_name() {
        assert_eq!(
            Secret::Variable("PATH".into()).resolve().unwrap().expose(),
            std::env::var("PATH").unwrap()
        );
        assert!(
            refusal(&Secret::Variable("NO_SUCH_VARIABLE_1".into())).message().contains("NO_SUCH_VARIABLE_1")
        );
    }

    #[test]
    fn a_file_loses_its_last_line_break_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secret = Secret::File(path.clone());
        assert!(refusal(&secret).causes()[0].contains("No such file"));
        for (content, expected) in [("a b \n", "a b "), ("x\r\n", "x"), ("y", "y")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(secret.resolve().unwrap().expose(), expected);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(refusal(&secret).message().ends_with("is empty"));
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let refused = refusal(&secret);
        assert!(refused.message().contains("more than one line") && !refused.message().contains("two"));
    }

    #[test]
    fn a_command_gives_its_output_or_its_end() {
        let shell = |script: &str| Secret::Command(vec!["sh".into(), "-c".into(), script.into()]);
        assert_eq!(shell("echo x").resolve().unwrap().expose(), "x");
        let failed = refusal(&shell("echo locked >&2; exit 3"));
        assert_eq!(failed.causes(), ["exit status: 3", "locked"]);
        assert!(refusal(&Secret::Command(vec!["no-such-program".into()])).helps()[0].contains("PATH"));
    }
}
