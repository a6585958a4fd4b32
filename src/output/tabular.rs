//! `--format`: a result as a table for people, or as data.

use std::fmt::Display;

use clap::ValueEnum;
use serde::Serialize;

use super::{Format, Out, Outcome};
use crate::error::{Code, Error, Result};

/// The values of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

impl TableFormat {
    /// The one that was asked for, by this option or by `--output-format`.
    ///
    /// # Errors
    /// `usage`, when the two exclude each other.
    pub fn chosen(option: Option<Self>, out: &Out) -> Result<Self> {
        let format = option.unwrap_or(match out.format() {
            Format::Json => Self::Json,
            Format::Text => Self::Table,
        });
        if format != Self::Json {
            out.refuse_beside_json("another --format")?;
        }
        Ok(format)
    }

    /// The result in this format, as a command's outcome.
    ///
    /// # Errors
    /// As [`TableFormat::write`].
    pub fn outcome(self, data: &impl Serialize, table: impl FnOnce() -> String) -> Result<Tabular> {
        Ok(Tabular { text: self.write(data, table)?, json: serde_json::json!(data) })
    }

    /// The result in this format.
    ///
    /// # Errors
    /// `internal`, when the data cannot be written so.
    pub fn write(self, data: &impl Serialize, table: impl FnOnce() -> String) -> Result<String> {
        Ok(match self {
            Self::Table => table(),
            Self::Json => serde_json::to_string_pretty(data).map_err(not_written)?,
            Self::Yaml => serde_saphyr::to_string(data).map_err(not_written)?.trim_end().to_owned(),
        })
    }
}

/// A result that was written in the format that was asked for.
pub struct Tabular {
    json: serde_json::Value,
    text: String,
}

impl Outcome for Tabular {
    fn json(&self) -> serde_json::Value {
        self.json.clone()
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}

fn not_written(error: impl Display) -> Error {
    Error::new(Code::Internal, "the result cannot be written in this format").why(error)
}
