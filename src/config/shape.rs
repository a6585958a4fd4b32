//! Checks a document's shape against the schema, and finds every fault in one walk.
//!
//! Only the keywords that the schema of our own types uses are known here; a property test compares the verdict
//! with a full validator's.

use std::collections::HashSet;

use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use serde_json::Value as Json;

use super::document::{repeated, underline};
use super::formats;
use super::problems::Report;

/// Checks the whole document.
pub fn check(schema: &Json, report: &mut Report) {
    let document = report.document;
    Walk { root: schema, report }.value(schema, document.root(), "");
}

struct Walk<'w, 'd, 'a> {
    root: &'w Json,
    report: &'w mut Report<'d, 'a>,
}

impl<'w> Walk<'w, '_, '_> {
    fn value(&mut self, schema: &'w Json, value: &Value, path: &str) {
        let schema = self.resolved(schema);
        if let Some(variants) = alternatives(schema, "anyOf") {
            return self.nullable(variants, value, path);
        }
        if let Some(variants) = alternatives(schema, "oneOf").filter(|_| schema.get("properties").is_none()) {
            return self.variant(variants, value, path);
        }
        if !types(schema).any(|name| is_of_type(value, name)) {
            return self.wrong_type(types(schema), value, path);
        }
        match value {
            Value::Object(object) => self.object(schema, object, path),
            Value::Array(list) => self.list(schema, &list.elements, value, path),
            Value::StringLit(literal) => self.text(schema, &literal.value, value, path),
            Value::NumberLit(literal) => self.number(schema, literal.value, value, path),
            Value::BooleanLit(_) | Value::NullKeyword(_) => {}
        }
    }

    fn resolved(&self, schema: &'w Json) -> &'w Json {
        let pointer =
            schema.get("$ref").and_then(Json::as_str).and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    /// A section that may be absent: the schema offers it, or a null.
    fn nullable(&mut self, variants: &'w [Json], value: &Value, path: &str) {
        let section = variants.iter().find(|variant| variant.get("type") != Some(&"null".into()));
        if let (None, Some(section)) = (value.as_null_keyword(), section) {
            self.value(section, value, path);
        }
    }

    /// One of several words, or one of several objects told apart by a word in them.
    fn variant(&mut self, variants: &'w [Json], value: &Value, path: &str) {
        let Some(tag) = variants.first().and_then(tag_of) else {
            let words =
                variants.iter().filter_map(|variant| variant.get("const")?.as_str()).collect::<Vec<_>>();
            return self.word(&words, value, path);
        };
        let Some(object) = value.as_object() else {
            return self.wrong_type(std::iter::once("object"), value, path);
        };
        let word = |variant: &'w Json| variant.get("properties")?.get(tag)?.get("const")?.as_str();
        let words = variants.iter().filter_map(word).collect::<Vec<_>>();
        let Some(given) = object.get(tag) else {
            return self.missing(tag, &format!("add \"{tag}\": one of {}", listed(&words)), object, path);
        };
        let chosen = given.value.as_string_lit().map(|literal| literal.value.as_ref());
        match variants.iter().find(|variant| chosen.is_some() && word(variant) == chosen) {
            Some(variant) => self.object(variant, object, path),
            None => self.word(&words, &given.value, &join(path, tag)),
        }
    }

    fn word(&mut self, words: &[&str], value: &Value, path: &str) {
        let Some(given) = value.as_string_lit() else {
            return self.wrong_type(std::iter::once("string"), value, path);
        };
        if !words.contains(&given.value.as_ref()) {
            let fix = match nearest(&given.value, words.iter().copied()) {
                Some(word) => format!("did you mean \"{word}\"? Known: {}", listed(words)),
                None => format!("write one of {}", listed(words)),
            };
            self.report.error_at(path, underline(value), format!("`{}` is not known here", given.value), fix);
        }
    }

    fn object(&mut self, schema: &'w Json, object: &Object, path: &str) {
        for (name, second, first) in repeated(object) {
            let line = self.report.document.lines().index(first.start) + 1;
            let what = format!("`{name}` is given twice, first in line {line}");
            self.report.error_at(&join(path, name), second, what, "remove one of the two");
        }
        let mut misspelt = HashSet::new();
        for property in &object.properties {
            misspelt.extend(self.field(schema, property, path));
        }
        let known = schema.get("properties");
        for name in strings(schema, "required").filter(|name| object.get(name).is_none()) {
            // A misspelt field is one mistake, not a stranger and a gap.
            if misspelt.contains(name) {
                continue;
            }
            let about = known.and_then(|known| known.get(name)?.get("description")?.as_str());
            let fix = about
                .map_or_else(|| "add it".to_owned(), |about| format!("add it: {}", decapitalised(about)));
            self.missing(name, &fix, object, path);
        }
        self.choice(schema, object, path);
    }

    /// Checks a field; of an unknown one it returns the known field that it was most likely meant to be.
    fn field(&mut self, schema: &'w Json, property: &ObjectProp, path: &str) -> Option<&'w str> {
        let name = property.name.as_str();
        let known = schema.get("properties").and_then(Json::as_object);
        let described =
            known.and_then(|known| known.get(name)).or_else(|| schema.get("additionalProperties"));
        match described {
            Some(Json::Bool(_)) => {
                let names = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                let near = nearest(name, names.iter().copied());
                let (span, fix) = (property.name.range(), unknown_fix(name, path, near, &names));
                let what = format!("there is no field `{name}`");
                self.report.error_at(&join(path, name), span.start..span.end, what, fix);
                return near;
            }
            Some(inner) => {
                self.name(schema, property, path);
                self.value(inner, &property.value, &join(path, name));
            }
            None => {}
        }
        None
    }

    /// Names that the user chooses have a form, too.
    fn name(&mut self, schema: &Json, property: &ObjectProp, path: &str) {
        let names = schema.get("propertyNames").and_then(|names| names.get("format")?.as_str());
        let name = property.name.as_str();
        if let Err(flaw) = formats::check(names.unwrap_or_default(), name) {
            let span = property.name.range();
            self.report.error_at(&join(path, name), span.start..span.end, flaw.what, flaw.fix);
        }
    }

    fn missing(&mut self, name: &str, fix: &str, object: &Object, path: &str) {
        let span = object.range.start..object.range.start + 1;
        self.report.error_at(&join(path, name), span, format!("the field `{name}` is missing"), fix);
    }

    /// Objects that must have exactly one of some fields.
    fn choice(&mut self, schema: &'w Json, object: &Object, path: &str) {
        let mut names: Vec<&str> = alternatives(schema, "oneOf")
            .into_iter()
            .flatten()
            .flat_map(|one| strings(one, "required"))
            .collect();
        if schema.get("maxProperties").is_some() {
            names = schema
                .get("properties")
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
                .map(|(n, _)| n.as_str())
                .collect();
        }
        let given = names.iter().filter(|name| object.get(name).is_some()).count();
        if !names.is_empty() && given != 1 {
            let count = if given == 0 { "none" } else { "more than one" };
            let what = format!("exactly one of {} is wanted, here is {count}", listed(&names));
            self.report.error_at(
                path,
                object.range.start..object.range.start + 1,
                what,
                format!("write {}", names.join(" or ")),
            );
        }
    }

    fn list(&mut self, schema: &'w Json, elements: &[Value], value: &Value, path: &str) {
        if elements.is_empty() && schema.get("minItems").is_some() {
            self.report.error_at(path, underline(value), "the list is empty", "write at least one element");
        }
        let Some(inner) = schema.get("items") else { return };
        for (index, element) in elements.iter().enumerate() {
            self.value(inner, element, &format!("{path}[{index}]"));
        }
    }

    fn text(&mut self, schema: &Json, text: &str, value: &Value, path: &str) {
        let limit = |name: &str| {
            schema.get(name).and_then(Json::as_u64).and_then(|limit| usize::try_from(limit).ok())
        };
        let length = text.chars().count();
        let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
        if limit("minLength").is_some_and(|least| length < least) {
            self.report.error_at(
                path,
                underline(value),
                "the text is empty",
                "write something, or remove the field where it may be absent",
            );
        } else if let Some(most) = limit("maxLength").filter(|most| length > *most) {
            let what = format!("the text has {length} characters, {most} are allowed");
            self.report.error_at(path, underline(value), what, "shorten it");
        } else if let Err(flaw) = formats::check(format, text) {
            self.report.error_at(path, underline(value), flaw.what, flaw.fix);
        }
    }

    fn number(&mut self, schema: &Json, digits: &str, value: &Value, path: &str) {
        let least = schema.get("minimum").and_then(Json::as_i64).unwrap_or(i64::MIN);
        let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
        let widest = if format == "uint32" { u32::MAX.into() } else { i64::MAX };
        let most = schema.get("maximum").and_then(Json::as_i64).unwrap_or(widest);
        if !digits.parse().is_ok_and(|number: i64| (least..=most).contains(&number)) {
            let fix = format!("write a number from {least} to {most}");
            self.report.error_at(path, underline(value), format!("{digits} is out of range"), fix);
        }
    }

    fn wrong_type<'t>(&mut self, expected: impl Iterator<Item = &'t str>, value: &Value, path: &str) {
        let expected: Vec<&str> = expected.filter(|name| *name != "null").collect();
        let wanted: Vec<&str> = expected.iter().map(|name| described(name)).collect();
        let what = format!("this is {}, but {} is wanted", described(type_of(value)), wanted.join(" or "));
        self.report.error_at(path, underline(value), what, type_fix(&expected, value));
    }
}

/// What to do about an unknown field.
fn unknown_fix(name: &str, path: &str, near: Option<&str>, known: &[&str]) -> String {
    let elsewhere = match (path, name.to_ascii_lowercase().as_str()) {
        ("", "caddy" | "tls" | "ssl" | "letsencrypt") => Some(
            "TLS is set up by the section `https` (with admin_email), and `domain` with \"use_tls_proxy\": true at each service",
        ),
        ("", "database" | "mysql" | "sqlite" | "sqlite3") => {
            Some("the database is described in tracker.core.database")
        }
        (path, "use_tls_proxy" | "tls") if path.starts_with("tracker.udp_trackers") => {
            Some("remove it: UDP has no TLS")
        }
        _ => None,
    };
    match (elsewhere, near) {
        (Some(advice), _) => advice.to_owned(),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => format!("remove it; known here: {}", known.join(", ")),
    }
}

/// The known word that is most like this one, if any is.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // No field's name is half as long: such a text is not like any of them, and comparing costs its length.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_lowercase();
    let likeness = |other: &str| strsim::normalized_damerau_levenshtein(&name, other);
    known
        .map(|other| (likeness(other), other))
        .filter(|(like, _)| *like >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

fn type_fix(expected: &[&str], value: &Value) -> String {
    let quoted = value.as_string_lit().map(|literal| literal.value.trim());
    let unquoted = match (expected, quoted) {
        (["integer"], Some(text)) => text.parse::<i64>().is_ok(),
        (["boolean"], Some(text)) => ["true", "false"].contains(&text),
        _ => false,
    };
    match value {
        _ if unquoted => "remove the quotes".into(),
        Value::NumberLit(_) | Value::BooleanLit(_) if expected.contains(&"string") => {
            "put it in double quotes".into()
        }
        Value::NullKeyword(_) => "write a value, or remove the field where it may be absent".into(),
        Value::Object(_) if expected == ["array"] => "put it in brackets: [ … ]".into(),
        _ => format!("write {}", expected.iter().map(|name| example(name)).collect::<Vec<_>>().join(" or ")),
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "object" => "{ … }",
        "array" => "[ … ]",
        "integer" => "a whole number without quotes",
        "boolean" => "true or false without quotes",
        _ => "text in double quotes",
    }
}

fn described(name: &str) -> &'static str {
    match name {
        "object" => "an object",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "null" => "null",
        _ => "text",
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::StringLit(_) => "string",
        Value::NumberLit(literal) if literal.value.contains(['.', 'e', 'E']) => "number",
        Value::NumberLit(_) => "integer",
        Value::BooleanLit(_) => "boolean",
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::NullKeyword(_) => "null",
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    type_of(value) == name
}

fn types(schema: &Json) -> impl Iterator<Item = &str> {
    let one = schema.get("type").and_then(Json::as_str);
    one.into_iter().chain(strings(schema, "type"))
}

fn strings<'s>(schema: &'s Json, keyword: &str) -> impl Iterator<Item = &'s str> + use<'s> {
    schema.get(keyword).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn alternatives<'s>(schema: &'s Json, keyword: &str) -> Option<&'s [Json]> {
    schema.get(keyword)?.as_array().map(Vec::as_slice)
}

/// The field that tells the variants of an object apart.
fn tag_of(variant: &Json) -> Option<&str> {
    let properties = variant.get("properties")?.as_object()?;
    properties.iter().find(|(_, schema)| schema.get("const").is_some()).map(|(name, _)| name.as_str())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn decapitalised(text: &str) -> String {
    let text = text.replace('\n', " ");
    let first = text.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let mut characters = first.chars();
    let head = characters.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    // An abbreviation such as TLS keeps its capitals.
    let keeps = characters.clone().next().is_some_and(char::is_uppercase);
    if keeps { first.to_owned() } else { head + characters.as_str() }
}
