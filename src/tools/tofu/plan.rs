//! A plan, as `show -json` prints it: <https://opentofu.org/docs/internals/json-format/>.

use serde::Deserialize;
use serde_json::Value;

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed where it is.
    Update,
    /// It is removed.
    Delete,
    /// It is removed and made anew.
    Replace,
    /// It is there already, and taken over.
    Adopt,
}

/// A planned change of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What happens.
    pub action: Action,
    /// The resource's type, such as `hcloud_server`.
    pub kind: String,
    /// Where it stands in the files, such as `hcloud_server.host`.
    pub address: String,
    /// The provider's id of what is taken over.
    pub import_id: Option<String>,
    /// Its values, after the change or, when there are none, before it.
    pub values: Value,
}

impl Change {
    /// The resource as `TYPE NAME`.
    #[must_use]
    pub fn named(&self) -> String {
        format!("{} {}", self.kind, self.text("name"))
    }

    /// A value that is a text; empty where it is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.values[name].as_str().unwrap_or_default()
    }
}

/// What will be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The changes, in OpenTofu's order.
    pub changes: Vec<Change>,
    /// The types of resources that somebody else removed.
    pub vanished: Vec<String>,
}

impl Plan {
    /// Reads `show -json PLAN`.
    ///
    /// # Errors
    /// It is no plan.
    pub fn read(shown: &Value) -> Result<Self, serde_json::Error> {
        let shown = Shown::deserialize(shown)?;
        let managed = |list: Vec<Resource>| list.into_iter().filter(|resource| resource.mode == "managed");
        let changes =
            managed(shown.resource_changes).filter_map(|Resource { address, r#type, change, .. }| {
                let import_id = change.importing.map(|importing| importing.id);
                let planned = action(&change.actions);
                let action = if import_id.is_some() && planned != Some(Action::Replace) {
                    Action::Adopt
                } else {
                    planned?
                };
                let values = if change.after.is_null() { change.before } else { change.after };
                Some(Change { action, kind: r#type, address, import_id, values })
            });
        let gone = |resource: &Resource| action(&resource.change.actions) == Some(Action::Delete);
        let vanished = managed(shown.resource_drift).filter(gone).map(|resource| resource.r#type);
        Ok(Self { changes: changes.collect(), vanished: vanished.collect() })
    }
}

fn action(actions: &[String]) -> Option<Action> {
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    match actions[..] {
        ["create"] => Some(Action::Create),
        ["update"] => Some(Action::Update),
        ["delete"] => Some(Action::Delete),
        ["delete", "create"] | ["create", "delete"] => Some(Action::Replace),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    resource_changes: Vec<Resource>,
    #[serde(default)]
    resource_drift: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    mode: String,
    address: String,
    r#type: String,
    change: Body,
}

#[derive(Deserialize)]
struct Body {
    actions: Vec<String>,
    before: Value,
    after: Value,
    importing: Option<Importing>,
}

#[derive(Deserialize)]
struct Importing {
    id: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_read() {
        let change = |kind: &str, actions: &[&str], before: Value, after: Value| json!({ "mode": "managed", "address": "a", "type": kind, "change": { "actions": actions, "before": before, "after": after } });
        let shown = json!({
            "resource_changes": [
                change("lxd_profile", &["no-op"], json!({ "name": "p" }), json!({ "name": "p" })),
                change("lxd_instance", &["delete", "create"], json!({ "name": "i" }), json!({ "name": "i" })),
                change("lxd_image", &["delete"], json!({ "name": "x" }), Value::Null),
                json!({ "mode": "managed", "address": "lxd_profile.b", "type": "lxd_profile",
                        "change": { "actions": ["update"], "importing": { "id": "b" }, "before": null, "after": { "name": "b" } } }),
            ],
            "resource_drift": [
                change("lxd_instance", &["delete"], json!({ "name": "i" }), Value::Null),
                change("lxd_profile", &["update"], json!({}), json!({})),
            ],
        });
        let plan = Plan::read(&shown).unwrap();
        let changes: Vec<(Action, String)> =
            plan.changes.iter().map(|change| (change.action, change.named())).collect();
        let expected = [
            (Action::Replace, "lxd_instance i".to_owned()),
            (Action::Delete, "lxd_image x".to_owned()),
            (Action::Adopt, "lxd_profile b".to_owned()),
        ];
        assert_eq!((changes, plan.vanished), (expected.to_vec(), vec!["lxd_instance".to_owned()]));
        assert_eq!(Plan::read(&json!({})).unwrap(), Plan::default());
    }
}
