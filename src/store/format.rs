//! The version of `environment.json`: a newer one is refused, and what this program does not know in one stays there.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Code, Error};

/// The format that this program writes. One more whenever an older program would lose or misread something.
pub const FORMAT: u32 = 1;

/// Of a file, whatever else is in it.
#[derive(Deserialize)]
struct Formatted {
    #[serde(default)]
    format: u32,
}

/// The error for a file of a newer program.
pub fn newer(bytes: &[u8], file: &Path) -> Option<Error> {
    let format = serde_json::from_slice::<Formatted>(bytes).ok()?.format;
    (format > FORMAT).then(|| {
        let what = format!("{} was written by a newer version of this program", file.display());
        Error::new(Code::StateNewer, what)
            .why(format!(
                "its format is {format}; version {} reads up to {FORMAT}",
                env!("CARGO_PKG_VERSION")
            ))
            .help("use that version here, too; which one it was is in history.jsonl beside the file")
    })
}

/// What a file has that this program does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown(Vec<(String, Place)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Whole(Value),
    Within(Unknown),
}

impl Unknown {
    /// What is in `raw` and not in what was understood of it.
    pub fn of(raw: &Map<String, Value>, known: &Map<String, Value>) -> Self {
        let place = |(name, value): (&String, &Value)| match (value, known.get(name)) {
            // What is left out when it is empty, is null.
            (Value::Null, None) => None,
            (value, None) => Some((name.clone(), Place::Whole(value.clone()))),
            (Value::Object(raw), Some(Value::Object(known))) => {
                let within = Self::of(raw, known);
                (!within.0.is_empty()).then(|| (name.clone(), Place::Within(within)))
            }
            _ => None,
        };
        Self(raw.iter().filter_map(place).collect())
    }

    /// Puts it back where its place still exists.
    pub fn add_to(&self, object: &mut Map<String, Value>) {
        for (name, place) in &self.0 {
            match (place, object.get_mut(name)) {
                (Place::Whole(value), None) => drop(object.insert(name.clone(), value.clone())),
                (Place::Within(within), Some(Value::Object(object))) => within.add_to(object),
                _ => {}
            }
        }
    }
}
