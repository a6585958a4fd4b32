//! Problems of a configuration file, with their places: as data, and drawn with the source.

use std::fmt::{self, Write as _};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, ThemeCharacters, ThemeStyles,
};
use serde_json::json;

use super::document::{Document, Span};
use super::excerpt::{Excerpt, Lines};
use super::mask::hide_credentials;
use crate::output::clean::clean;

/// So many problems are shown; of the others only the count.
const SHOWN: usize = 50;
/// The longest message, in characters: a message may quote a name of any length.
const MESSAGE_LIMIT: usize = 400;

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
    /// A problem of a text whose lines are known. The column is counted by [`Problem::place`], once for those shown.
    pub fn within(
        text: &str,
        lines: &Lines,
        path: impl Into<String>,
        span: Span,
        what: impl Into<String>,
    ) -> Self {
        let start = text.floor_char_boundary(span.start);
        Self {
            path: path.into(),
            line: lines.index(start) + 1,
            column: 0,
            span: start..text.floor_char_boundary(span.end).max(start),
            what: what.into(),
            fix: None,
            warning: false,
        }
    }

    /// The only problem of a text.
    pub fn at(text: &str, path: impl Into<String>, span: Span, what: impl Into<String>) -> Self {
        let lines = Lines::of(text);
        let mut problem = Self::within(text, &lines, path, span, what);
        problem.place(text, &lines);
        problem
    }

    /// Counts the column, and makes what quotes the file fit to be shown.
    fn place(&mut self, text: &str, lines: &Lines) {
        let line = lines.range(text, self.line - 1).start;
        self.column = text[line..self.span.start].chars().count() + 1;
        let texts = [&mut self.path, &mut self.what].into_iter().chain(&mut self.fix);
        for text in texts {
            *text = clean(&shortened(hide_credentials(&std::mem::take(text)))).into_owned();
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

/// A text that is too long to be read, without its middle.
fn shortened(text: String) -> String {
    let total = text.chars().count();
    if total <= MESSAGE_LIMIT {
        return text;
    }
    let at = |character: usize| text.char_indices().nth(character).map_or(text.len(), |(at, _)| at);
    let half = MESSAGE_LIMIT / 2;
    format!("{} ... {}", &text[..at(half)], &text[at(total - half)..])
}

/// All problems of a text, the first of them ready to be shown.
#[derive(Debug, Default)]
pub struct Problems {
    /// In the order of their places, at most [`SHOWN`].
    pub shown: Vec<Problem>,
    /// How many errors there are, shown or not.
    pub errors: usize,
    /// How many problems are not shown.
    pub hidden: usize,
}

impl Problems {
    /// Sorts what was found by its place and keeps what is shown.
    pub fn of(text: &str, lines: &Lines, mut found: Vec<Problem>) -> Self {
        let errors = found.iter().filter(|problem| !problem.warning).count();
        let hidden = found.len().saturating_sub(SHOWN);
        found.sort_by_key(|problem| problem.span.start);
        // An error must not be hidden by warnings before it.
        if hidden > 0 && found.iter().take(SHOWN).all(|problem| problem.warning) && errors > 0 {
            found.retain(|problem| !problem.warning);
        }
        found.truncate(SHOWN);
        for problem in &mut found {
            problem.place(text, lines);
        }
        Self { shown: found, errors, hidden }
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
        let document = self.document;
        self.problems.push(Problem::within(document.text(), document.lines(), path, span, what).fix(fix));
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
pub fn draw(style: Style, problems: &Problems, file_name: &str, text: &str) -> String {
    let theme = match style {
        // The terminal's own sixteen colours, as the user has set them.
        Style::Colour => {
            GraphicalTheme { characters: ThemeCharacters::unicode(), styles: ThemeStyles::ansi() }
        }
        Style::Unicode => GraphicalTheme::unicode_nocolor(),
        Style::Ascii => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_wrap_lines(false)
        .with_context_lines(1)
        .with_links(false);
    let (lines, file_name) = (Lines::of(text), &clean(file_name));
    let mut drawing = String::new();
    for (index, problem) in problems.shown.iter().enumerate() {
        drawing.push_str(if index == 0 { "" } else { "\n" });
        let excerpt = Excerpt::new(file_name, text, &lines, problem.span.clone(), problem.column - 1);
        // Writing to a string does not fail.
        let _ = handler.render_report(&mut drawing, &Drawn { problem, excerpt });
    }
    if problems.hidden > 0 {
        let _ = writeln!(drawing, "\n  ... and {} more problems", problems.hidden);
    }
    drawing
}

/// A problem as miette wants it.
struct Drawn<'p> {
    problem: &'p Problem,
    excerpt: Excerpt,
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
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.excerpt.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}
