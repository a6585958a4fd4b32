//! Where two configurations differ: field by field, with secrets masked.

use serde::Serialize;
use serde_json::Value;

use crate::config::{Config, MASK, Secret};
use crate::error::{Code, Error, Result};

/// A field that has another value. A field of a list is `tracker.udp_trackers[0].domain`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Where it stands in the file.
    pub path: String,
    /// What is stored; null where it is not given.
    pub old: Value,
    /// What takes its place; null where it is taken away.
    pub new: Value,
}

/// A value with its place: a scalar, an empty list, or a secret in whatever form.
#[derive(Clone)]
struct Leaf {
    path: String,
    value: Value,
    secret: bool,
}

impl Leaf {
    /// A reference is shown as it stands in the file.
    fn shown(&self) -> Value {
        let literal = self.secret
            && serde_json::from_value::<Secret>(self.value.clone())
                .is_ok_and(|secret| secret.literal().is_some());
        if literal { MASK.into() } else { self.value.clone() }
    }
}

/// All fields that differ: those of the new configuration in its order, then those that it has not.
///
/// # Errors
/// A configuration that cannot be written as JSON.
pub fn difference(old: &Config, new: &Config) -> Result<Vec<Change>> {
    let (old, new) = (leaves(old)?, leaves(new)?);
    let (old, new) = (with_sections(&new, &old), with_sections(&old, &new));
    let find = |leaves: &[Leaf], path: &str| leaves.iter().position(|leaf| leaf.path == path);
    let mut changes = vec![];
    for leaf in &new {
        let before = find(&old, &leaf.path).map(|index| &old[index]);
        if before.is_none_or(|before| before.value != leaf.value) {
            let old = before.map_or(Value::Null, Leaf::shown);
            changes.push(Change { path: leaf.path.clone(), old, new: leaf.shown() });
        }
    }
    let gone = old.iter().filter(|leaf| find(&new, &leaf.path).is_none());
    changes.extend(gone.map(|leaf| Change { path: leaf.path.clone(), old: leaf.shown(), new: Value::Null }));
    changes.retain(|change| !(change.old.is_null() && change.new.is_null()));
    Ok(changes)
}

/// Where the other configuration has null for a whole section, the section is one value.
fn with_sections(other: &[Leaf], leaves: &[Leaf]) -> Vec<Leaf> {
    let mut whole: Vec<Leaf> = vec![];
    for leaf in leaves {
        let is_above = |path: &str| leaf.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let Some(section) = other.iter().find(|other| other.value.is_null() && is_above(&other.path)) else {
            whole.push(leaf.clone());
            continue;
        };
        if whole.last().is_none_or(|last| last.path != section.path) {
            let value = Value::Object(serde_json::Map::new());
            whole.push(Leaf { path: section.path.clone(), value, secret: false });
        }
        if let Some(last) = whole.last_mut() {
            let names = leaf.path[section.path.len() + 1..].split('.');
            *names.fold(&mut last.value, |value, name| &mut value[name]) = leaf.shown();
        }
    }
    whole
}

fn leaves(config: &Config) -> Result<Vec<Leaf>> {
    let secrets: Vec<String> = config
        .secrets()
        .iter()
        .map(|(pointer, _)| pointer.trim_start_matches('/').replace('/', "."))
        .collect();
    let document = serde_json::to_value(config).map_err(|error| {
        Error::new(Code::Internal, "the configuration cannot be written as JSON").why(error)
    })?;
    let mut leaves = vec![];
    collect(&document, "", &secrets, &mut leaves);
    Ok(leaves)
}

fn collect(value: &Value, path: &str, secrets: &[String], leaves: &mut Vec<Leaf>) {
    let secret = secrets.iter().any(|secret| secret == path);
    match value {
        Value::Object(fields) if !fields.is_empty() && !secret => {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(field, &path, secrets, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{index}]"), secrets, leaves);
            }
        }
        _ => leaves.push(Leaf { path: path.to_owned(), value: value.clone(), secret }),
    }
}

impl Change {
    /// Whether it is this field, one below it, or the whole section that has it.
    #[must_use]
    pub fn is_in(&self, path: &str) -> bool {
        let below = self.path.strip_prefix(path);
        let field = path.strip_prefix(&self.path).and_then(|rest| rest.strip_prefix('.'));
        let has = |field: &str| {
            let pointer = format!("/{}", field.replace('.', "/"));
            [&self.old, &self.new].iter().any(|value| value.pointer(&pointer).is_some())
        };
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])) || field.is_some_and(has)
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let section = self.old.is_object() || self.new.is_object();
        let shown = |value: &Value| match value {
            Value::Null if section => "null".to_owned(),
            Value::Null => "(not given)".to_owned(),
            value if *value == MASK => MASK.to_owned(),
            value => value.to_string(),
        };
        let another = if self.old == MASK && self.new == MASK { "another " } else { "" };
        write!(f, "{}: {} -> {another}{}", self.path, shown(&self.old), shown(&self.new))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Grafana, ProviderKind, template};

    fn config() -> Config {
        template(ProviderKind::Docker, &"demo".parse().unwrap(), Path::new("/k")).unwrap()
    }

    fn lines(old: &Config, new: &Config) -> Vec<String> {
        difference(old, new).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_has_no_difference() {
        let config = config();
        assert!(difference(&config, &config.clone()).unwrap().is_empty());
    }

    #[test]
    fn a_secret_is_masked_and_a_reference_is_shown() {
        let old = config();
        let mut new = old.clone();
        new.tracker.http_api.as_mut().unwrap().admin_token =
            Secret::Literal("an-other-token-1234567890".into());
        assert_eq!(lines(&old, &new), ["tracker.http_api.admin_token: *** -> another ***"]);
        new.tracker.http_api.as_mut().unwrap().admin_token = Secret::Variable("TOKEN".into());
        assert_eq!(lines(&old, &new), [r#"tracker.http_api.admin_token: *** -> "${TOKEN}""#]);
        new.tracker.http_api.as_mut().unwrap().admin_token = Secret::File("/x".into());
        assert_eq!(lines(&old, &new), [r#"tracker.http_api.admin_token: *** -> {"file":"/x"}"#]);
    }

    #[test]
    fn a_null_section_is_told_with_what_it_replaces() {
        let old = config();
        let mut new = old.clone();
        (new.tracker.core.database, new.tracker.http_api) = (None, None);
        let told = lines(&old, &new);
        let database = r#"tracker.core.database: {"driver":"sqlite3","database_name":"tracker.db"} -> null"#;
        assert!(told.iter().any(|line| line == database), "{told:?}");
        let api = told.iter().find(|line| line.starts_with("tracker.http_api: ")).unwrap();
        assert!(api.contains(r#""admin_token":"***""#) && api.ends_with("} -> null"), "{api}");
        assert_eq!(told.len(), 2);
        let back = lines(&new, &old);
        assert!(back.iter().any(|line| line.starts_with(r#"tracker.core.database: null -> {""#)), "{back:?}");
        for change in difference(&old, &new).unwrap() {
            assert_ne!(change.old, change.new);
            let of_database = change.path == "tracker.core.database";
            assert_eq!(change.is_in("tracker.core.database.driver"), of_database);
            assert!(change.is_in("tracker") && !change.is_in("tracker.core.database.host"));
        }
    }

    #[test]
    fn lists_and_sections_are_told_field_by_field() {
        let mut old = config();
        (old.prometheus, old.grafana, old.backup) = (None, None, None);
        let mut new = old.clone();
        new.tracker.udp_trackers[0].bind_address = "0.0.0.0:6868".parse().unwrap();
        new.grafana = Some(Grafana {
            admin_user: "me".into(),
            admin_password: Secret::Literal("a-secret".into()),
            domain: None,
            use_tls_proxy: None,
        });
        let there = [
            r#"tracker.udp_trackers[0].bind_address: "0.0.0.0:6969" -> "0.0.0.0:6868""#,
            r#"grafana.admin_user: (not given) -> "me""#,
            "grafana.admin_password: (not given) -> ***",
        ];
        assert_eq!(lines(&old, &new), there);
        assert_eq!(lines(&new, &old)[2], "grafana.admin_password: *** -> (not given)");
    }

    #[test]
    fn a_change_is_in_its_section_and_in_no_other_of_a_like_name() {
        let change = Change { path: "tracker.core.private".into(), old: Value::Null, new: Value::Null };
        assert!(change.is_in("tracker") && change.is_in("tracker.core.private"));
        assert!(!change.is_in("tracker.core.priv"));
    }
}
