//! A JSON text with the place of every value in it.
//!
//! Paths are written as users read them: `tracker.http_trackers[1].bind_address`.

use std::collections::HashMap;
use std::ops::Range;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::{ParseError, ParseErrorKind as Kind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::excerpt::Lines;
use super::problems::Problem;

/// Where something stands in the text, in bytes.
pub type Span = Range<usize>;

/// A JSON document that keeps its text.
pub struct Document<'a> {
    text: &'a str,
    lines: Lines,
    root: Value<'a>,
}

/// Strict JSON: what the parser would also take is refused, since other tools would refuse it.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

impl<'a> Document<'a> {
    /// Parses a text, or says where it stops being JSON.
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        let parsed =
            parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|e| syntax_problem(text, &e))?;
        match parsed.value {
            Some(root) => {
                // That parser lets a few things pass that JSON has not, such as a line break inside of a text.
                let strict = serde_json::from_str::<serde_json::Value>(text);
                strict
                    .map(|_| Self { text, lines: Lines::of(text), root })
                    .map_err(|cause| Problem::unexpected(text, &cause))
            }
            None => Err(Problem::at(text, "", 0..0, "the file is empty")
                .fix("start from an example: torrust-tracker-deployer create template")),
        }
    }

    /// The document's text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Where the text's lines start.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// The document's outermost value.
    pub fn root(&self) -> &Value<'a> {
        &self.root
    }

    /// The value at a path.
    pub fn find(&self, path: &str) -> Option<&Value<'a>> {
        segments(path).try_fold(&self.root, |value, segment| match segment {
            Segment::Key(key) => value.as_object()?.get(key).map(|property| &property.value),
            Segment::Index(index) => value.as_array()?.elements.get(index),
        })
    }

    /// The text at a path, where there is one.
    pub fn string(&self, path: &str) -> Option<&str> {
        self.find(path)?.as_string_lit().map(|literal| literal.value.as_ref())
    }

    /// Whether `true` stands at a path.
    pub fn is_true(&self, path: &str) -> bool {
        self.find(path).and_then(Value::as_boolean_lit).is_some_and(|literal| literal.value)
    }

    /// Whether `false` stands at a path.
    pub fn is_false(&self, path: &str) -> bool {
        self.find(path).and_then(Value::as_boolean_lit).is_some_and(|literal| !literal.value)
    }

    /// Whether a section is there and is not `null`.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some_and(|value| value.as_null_keyword().is_none())
    }

    /// Whether the object at a path has this key, whatever characters are in it.
    pub fn has_key(&self, path: &str, key: &str) -> bool {
        self.find(path).and_then(Value::as_object).is_some_and(|object| object.get(key).is_some())
    }

    /// How many elements the list at a path has.
    pub fn count(&self, path: &str) -> usize {
        self.find(path).and_then(Value::as_array).map_or(0, |list| list.elements.len())
    }

    /// What to underline for a path: its value, or what is nearest to the place where it is missing.
    pub fn span(&self, path: &str) -> Span {
        match (self.find(path), path.rfind(['.', '['])) {
            (Some(value), _) => underline(value),
            (None, Some(end)) => self.span(&path[..end]),
            (None, None) => underline(&self.root),
        }
    }
}

/// What to underline for a value: a scalar as a whole, of anything that has lines its opening bracket.
pub fn underline(value: &Value) -> Span {
    let range = value.range();
    match value {
        Value::Object(_) | Value::Array(_) => range.start..range.start + 1,
        _ => range.start..range.end,
    }
}

/// The keys of an object that were there before, each with its place and that of the first.
pub fn repeated<'o>(object: &'o Object) -> Vec<(&'o str, Span, Span)> {
    let place = |range: jsonc_parser::common::Range| range.start..range.end;
    let mut firsts = HashMap::new();
    let mut repeated = vec![];
    for property in &object.properties {
        let (name, here) = (property.name.as_str(), place(property.name.range()));
        match firsts.get(name) {
            Some(first) => repeated.push((name, here, Span::clone(first))),
            None => drop(firsts.insert(name, here)),
        }
    }
    repeated
}

enum Segment<'p> {
    Key(&'p str),
    Index(usize),
}

fn segments(path: &str) -> impl Iterator<Item = Segment<'_>> {
    path.split(['.', '[']).filter(|part| !part.is_empty()).map(|part| {
        let index = part.strip_suffix(']').and_then(|digits| digits.parse().ok());
        index.map_or(Segment::Key(part), Segment::Index)
    })
}

fn syntax_problem(text: &str, error: &ParseError) -> Problem {
    let range = error.range();
    // What is never closed goes on to the end of the text: its beginning is the place to show.
    let line =
        text[range.start..].find(['\n', '{', '[']).map_or(text.len(), |length| range.start + length.max(1));
    let (what, fix) = match error.kind() {
        Kind::CommentsNotAllowed => {
            ("JSON has no comments", "remove it, or keep it in environment.description")
        }
        Kind::TrailingCommasNotAllowed | Kind::UnexpectedComma => {
            ("there is a comma too many", "remove the comma")
        }
        Kind::ExpectedComma => ("a comma is missing before this", "put a comma after the value before"),
        Kind::ExpectedColonAfterObjectKey => ("a colon is missing after the name", "write \"name\": value"),
        Kind::ExpectedObjectValue => ("the value is missing", "write \"name\": value"),
        Kind::UnterminatedObject => ("this `{` is never closed", "put the missing `}` in its place"),
        Kind::UnterminatedArray => ("this `[` is never closed", "put the missing `]` in its place"),
        Kind::UnexpectedCloseBrace => ("this `}` closes nothing", "remove it, or add the `{` that it closes"),
        Kind::UnexpectedCloseBracket => {
            ("this `]` closes nothing", "remove it, or add the `[` that it closes")
        }
        Kind::SingleQuotedStringsNotAllowed => ("JSON has no single quotes", "use double quotes"),
        Kind::ExpectedStringObjectProperty => ("a name must be in double quotes", "write \"name\": value"),
        Kind::UnexpectedWord => ("this is no JSON value", "put text in double quotes"),
        Kind::MultipleRootJsonValues => {
            ("there is something after the end", "remove all that follows the last `}`")
        }
        Kind::String(_) => {
            ("this text in quotes is broken", "close it on the same line, and write \\\\ for a backslash")
        }
        _ => ("this is no JSON", "compare with an example: torrust-tracker-deployer create template"),
    };
    Problem::at(text, "", range.start..range.end.min(line), what).fix(fix)
}
