//! Problems of a configuration file, with their places: as data, and drawn with the source.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, ThemeCharacters,
    ThemeStyles,
};
use serde_json::json;

use super::document::{Document, Span};

/// How problems are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Lines of Unicode, with colours.
    Colour,
    /// Lines of Unicode.
    #[default]
    Unicode,
    /// ASCII alone.
    Ascii,
}

impl Style {
    /// The style for a terminal with or without colours; ASCII where the locale says that there is no Unicode.
    pub fn for_terminal(colour: bool) -> Self {
        let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find(|name| set(name))
            .and_then(|name| std::env::var(name).ok());
        let unicode = locale.is_none_or(|locale| locale.to_ascii_lowercase().contains("utf"));
        match (unicode, colour) {
            (false, _) => Self::Ascii,
            (true, true) => Self::Colour,
            (true, false) => Self::Unicode,
        }
    }
}

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place in the configuration: `tracker.http_trackers[1].bind_address`; empty for the file as a whole.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in the text, in bytes.
    pub span: Span,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: Option<String>,
    /// Whether it only deserves attention: the configuration can be deployed.
    pub warning: bool,
}

impl Problem {
    /// A problem at a place of the text.
    pub fn at(text: &str, path: impl Into<String>, span: Span, what: impl Into<String>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        Self {
            path: path.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span: start..span.end.clamp(start, text.len()),
            what: what.into(),
            fix: None,
            warning: false,
        }
    }

    /// What serde's reader of JSON refuses, where the walk over the document found no fault.
    pub fn unexpected(text: &str, cause: &serde_json::Error) -> Self {
        let line_start: usize =
            text.split_inclusive('\n').take(cause.line().saturating_sub(1)).map(str::len).sum();
        let start = (line_start + cause.column().saturating_sub(1)).min(text.len());
        // Its message may quote the value, which may be a secret: the place has to do.
        Self::at(text, "", start..start + 1, "this is no strict JSON")
            .fix("write numbers without a leading zero, and line breaks and tabs in a text as \\n and \\t")
    }

    /// Adds what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The problem as data.
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "severity": if self.warning { "warning" } else { "error" },
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.what,
            "help": self.fix,
        })
    }
}

/// Collects the problems of one document.
pub struct Report<'d, 'a> {
    /// The document that is checked.
    pub document: &'d Document<'a>,
    /// What was found.
    pub problems: Vec<Problem>,
}

impl Report<'_, '_> {
    /// Notes what is wrong at a path.
    pub fn error(&mut self, path: &str, what: impl Into<String>, fix: impl Into<String>) {
        let span = self.document.span(path);
        self.error_at(path, span, what, fix);
    }

    /// Notes what is wrong at a place that has no path of its own.
    pub fn error_at(&mut self, path: &str, span: Span, what: impl Into<String>, fix: impl Into<String>) {
        self.problems.push(Problem::at(self.document.text(), path, span, what).fix(fix));
    }

    /// Notes what deserves attention at a path.
    pub fn warning(&mut self, path: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.error(path, what, fix);
        if let Some(last) = self.problems.last_mut() {
            last.warning = true;
        }
    }
}

/// Draws problems one below the other.
pub fn draw(style: Style, problems: &[Problem], file_name: &str, text: &str) -> String {
    let theme = match style {
        // The terminal's own sixteen colours, as the user has set them.
        Style::Colour => {
            GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::ansi() }
        }
        Style::Unicode => GraphicalTheme::unicode_nocolor(),
        Style::Ascii => GraphicalTheme::none(),
    };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(100).with_context_lines(1).with_links(false);
    let mut drawing = String::new();
    for (index, problem) in problems.iter().enumerate() {
        drawing.push_str(if index == 0 { "" } else { "\n" });
        let report = Drawn { problem, source: NamedSource::new(file_name, text.to_owned()) };
        // Writing to a string does not fail.
        let _ = handler.render_report(&mut drawing, &report);
    }
    drawing
}

/// A problem as miette wants it.
struct Drawn<'p> {
    problem: &'p Problem,
    source: NamedSource<String>,
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.problem.path.is_empty() {
            write!(f, "{}: ", self.problem.path)?;
        }
        f.write_str(&self.problem.what)
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(if self.problem.warning { Severity::Warning } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.fix.as_ref().map(|fix| Box::new(fix) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}
