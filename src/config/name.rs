//! The environment's name: a folder's name, a host's name and a word on the command line at once.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::formats::Flaw;
use crate::error::{Code, Error, Result};

/// The longest name.
const LIMIT: usize = 63;

/// A valid environment name: 1 to 63 of `a-z 0-9 -`, starts with a letter, no `-` at the end or doubled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvironmentName(String);

impl EnvironmentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which rule a name breaks, and a name near it that breaks none.
pub fn check(text: &str) -> std::result::Result<(), Flaw> {
    let Some(what) = broken_rule(text) else { return Ok(()) };
    let fix = match corrected(text) {
        Some(better) => format!("use `{better}`"),
        None => "use 1 to 63 of a-z, 0-9 and -, starting with a letter, such as `my-tracker`".into(),
    };
    Err(Flaw { what: format!("`{text}` is no environment name: {what}"), fix })
}

fn broken_rule(text: &str) -> Option<String> {
    let stray = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-');
    if text.is_empty() {
        return Some("it is empty".into());
    }
    if let Some(c) = text.chars().find(stray) {
        let shown = if c.is_ascii_uppercase() { "capital letters" } else { "other characters" };
        return Some(format!("{c:?} is not allowed; only a-z, 0-9 and -, no {shown}"));
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("it must start with a letter".into());
    }
    if text.ends_with('-') {
        return Some("it must not end with `-`".into());
    }
    if text.contains("--") {
        return Some("`-` must not be doubled".into());
    }
    (text.len() > LIMIT).then(|| format!("it has {} characters, {LIMIT} are allowed", text.len()))
}

/// The nearest valid name, when enough of the text is usable.
fn corrected(text: &str) -> Option<String> {
    let replaced: String =
        text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = replaced.split('-').filter(|word| !word.is_empty()).collect();
    let joined = words.join("-");
    let from_letter = joined.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let cut = &from_letter[..from_letter.len().min(LIMIT)];
    let cut = cut.trim_end_matches('-');
    (!cut.is_empty()).then(|| cut.to_owned())
}

impl FromStr for EnvironmentName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match check(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(flaw) => Err(Error::new(Code::NameInvalid, flaw.what).help(flaw.fix)),
        }
    }
}

impl TryFrom<String> for EnvironmentName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<EnvironmentName> for String {
    fn from(name: EnvironmentName) -> Self {
        name.0
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<std::path::Path> for EnvironmentName {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl JsonSchema for EnvironmentName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EnvironmentName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "environment-name",
            "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
            "maxLength": LIMIT,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (String, Vec<String>) {
        let error = text.parse::<EnvironmentName>().unwrap_err();
        assert_eq!(error.code(), Code::NameInvalid);
        (error.message().to_owned(), error.helps().to_vec())
    }

    #[test]
    fn takes_every_form_the_rules_allow() {
        for good in ["a", "e2e-full", "a1", "my-tracker-2", &"x".repeat(63)] {
            assert_eq!(good.parse::<EnvironmentName>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn says_which_rule_is_broken_and_offers_a_name() {
        let cases = [
            ("", "it is empty", "such as `my-tracker`"),
            ("MyEnv", "no capital letters", "use `myenv`"),
            ("my_env", "'_' is not allowed", "use `my-env`"),
            ("../etc", "'.' is not allowed", "use `etc`"),
            ("1st", "must start with a letter", "use `st`"),
            ("-a", "must start with a letter", "use `a`"),
            ("a-", "must not end with", "use `a`"),
            ("a--b", "must not be doubled", "use `a-b`"),
            ("42", "must start with a letter", "such as `my-tracker`"),
            ("übung", "'ü' is not allowed", "use `bung`"),
        ];
        for (text, what, fix) in cases {
            let (message, help) = refusal(text);
            assert!(message.contains(what), "{text}: {message}");
            assert!(help[0].contains(fix), "{text}: {help:?}");
        }
        assert!(refusal(&"x".repeat(64)).0.contains("64 characters, 63 are allowed"));
    }

    proptest::proptest! {
        #[test]
        fn every_offered_name_is_valid(text in ".{0,80}") {
            if let Some(better) = corrected(&text) {
                proptest::prop_assert!(broken_rule(&better).is_none(), "{}", better);
            }
        }
    }
}
