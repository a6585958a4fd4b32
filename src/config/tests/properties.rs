//! What must hold for any file: nothing panics, no secret is shown, and our verdict is as strict as the schema's.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::config::mask::mask;

/// A change at a place chosen by chance.
#[derive(Clone, Debug)]
enum Change {
    Remove(Index),
    Replace(Index, Json),
    Add(Index, String, Json),
}

fn any_value() -> impl Strategy<Value = Json> {
    let values = [
        Json::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(70_000),
        json!(5_000_000_000_i64),
        json!(""),
        json!("x"),
        json!("a b"),
        json!("0.0.0.0:1"),
        json!("${X}"),
        json!("mysql"),
        json!("container"),
        json!([]),
        json!({}),
        json!([1]),
        json!({"x": 1}),
        json!({"file": "x"}),
        json!({"file": "x", "command": ["x"]}),
        json!({"provider": "lxd"}),
        json!({"driver": "sqlite3", "database_name": "x"}),
        json!("x".repeat(300)),
    ];
    select(values.to_vec())
}

fn any_change() -> impl Strategy<Value = Change> {
    let names = ["x", "caddy", "database_name", "domain", "use_tls_proxy", "config", "network", "port", "ca"];
    let names = select(names.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), any_value()).prop_map(|(place, value)| Change::Replace(place, value)),
        (any::<Index>(), names, any_value()).prop_map(|(place, name, value)| Change::Add(place, name, value)),
    ]
}

fn pointers(value: &Json, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Json::Object(object) => {
            object.iter().for_each(|(name, inner)| pointers(inner, &format!("{here}/{name}"), all));
        }
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(i, inner)| pointers(inner, &format!("{here}/{i}"), all));
        }
        _ => {}
    }
}

fn apply(document: &mut Json, change: &Change) {
    let mut all = vec![];
    pointers(document, "", &mut all);
    let at = |place: &Index| all[place.index(all.len())].as_str();
    match change {
        Change::Remove(place) => {
            let Some((parent, name)) = at(place).rsplit_once('/') else { return };
            if let Some(object) = document.pointer_mut(parent).and_then(Json::as_object_mut) {
                object.remove(name);
            }
        }
        Change::Replace(place, value) => *document.pointer_mut(at(place)).unwrap() = value.clone(),
        Change::Add(place, name, value) => {
            if let Some(object) = document.pointer_mut(at(place)).and_then(Json::as_object_mut) {
                object.insert(name.clone(), value.clone());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_schema_refuses_is_refused(
        file in select(vec!["minimal.json", "older-core.json", "full-https.json", "hetzner.json", "settings.json"]),
        changes in prop::collection::vec(any_change(), 1..4),
    ) {
        let folder = folder();
        let mut document = valid(file);
        for change in &changes {
            apply(&mut document, change);
        }
        let fits = jsonschema::is_valid(schema(), &document);
        match parse(&document.to_string(), "x.json", folder.path()) {
            Ok(_) => prop_assert!(fits, "taken against the schema: {document}"),
            Err(error) => {
                prop_assert!(!error.drawing().contains("p@ss"), "{}", error.drawing());
                prop_assert!(!error.drawing().contains("no strict JSON"), "the walk missed it: {document}");
            }
        }
    }

    #[test]
    fn broken_text_panics_nowhere_and_shows_no_secret(cut in any::<Index>(), length in 0usize..4, insert in "[\\PC\n]{0,3}") {
        // It would make `addre@ss` of a field's name.
        prop_assume!(!insert.contains('@'));
        let text = serde_json::to_string_pretty(&valid("full-https.json")).unwrap();
        let start = cut.index(text.len());
        let broken = format!("{}{insert}{}", &text[..start], &text[(start + length).min(text.len())..]);
        // Its beginning and its end, which nothing else can become: a key may be broken to pass'word.
        let secret = ["@ss", "$x `y"];
        if let Err(error) = parse(&broken, "x.json", folder().path()) {
            prop_assert!(!secret.iter().any(|part| error.drawing().contains(part)), "{}", error.drawing());
        }
        prop_assert_eq!(mask(&broken, schema(), false).len(), broken.len());
    }
}
