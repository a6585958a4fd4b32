//! The part of a text that a problem is drawn on: a few lines, each cut to a width that a terminal can show.
//!
//! The drawing library pads with formatting widths, which panic above 65,535 columns, so it never sees a longer line.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::output::clean::is_hidden;

/// Lines up to this many characters are shown whole.
const WIDTH: usize = 200;
/// How much of a longer line is shown before the problem.
const BEFORE: usize = 60;
/// Stands for the part of a line that is not shown; ASCII, for every terminal.
const CUT: &str = "...";

/// Where each line of a text starts, found once for all problems.
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// The lines of a text.
    pub fn of(text: &str) -> Self {
        let after_break = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(after_break).collect() }
    }

    /// The line, from 0, that a byte of the text is in.
    pub fn index(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of a line, without its line break.
    pub fn range(&self, text: &str, index: usize) -> Range<usize> {
        let start = self.starts.get(index).copied().unwrap_or(text.len());
        let end = self.starts.get(index + 1).map_or(text.len(), |next| next - 1);
        start..start + text[start..end].trim_end_matches('\r').len()
    }

    fn count(&self) -> usize {
        self.starts.len()
    }
}

/// A problem's line with its neighbours, as the drawing library reads a source.
pub struct Excerpt {
    name: String,
    text: String,
    /// The number, from 0, of the first line in `text`.
    first_line: usize,
    /// The column, from 0, that the heading shows: the problem's column in the whole line.
    column: usize,
    /// The problem's place in `text`.
    pub span: Range<usize>,
}

impl Excerpt {
    /// Cuts the excerpt for a span of `text`; `column` is the span's, in characters from 0.
    pub fn new(name: &str, text: &str, lines: &Lines, span: Range<usize>, column: usize) -> Self {
        let line = lines.index(span.start);
        let first_line = line.saturating_sub(1);
        let mut excerpt = Self { name: name.into(), text: String::new(), first_line, column, span: 0..0 };
        for index in first_line..lines.count().min(line + 2) {
            let range = lines.range(text, index);
            if index == line {
                excerpt.add_marked(&text[range.clone()], span.start - range.start, span.end - range.start);
            } else {
                excerpt.text += &head(&text[range]);
            }
            excerpt.text += if index + 1 < lines.count() { "\n" } else { "" };
        }
        excerpt
    }

    /// Adds the problem's own line; of a long one the part around the problem.
    fn add_marked(&mut self, line: &str, start: usize, end: usize) {
        let end = end.clamp(start, line.len());
        let is_long = line.chars().nth(WIDTH).is_some();
        let from = if is_long { back(line, start, BEFORE) } else { 0 };
        let to = if is_long { forward(line, from, WIDTH) } else { line.len() };
        let prefix = if from > 0 { CUT } else { "" };
        let offset = self.text.len() + prefix.len();
        self.text += prefix;
        self.text += &visible(&line[from..to]);
        self.text += if to < line.len() { CUT } else { "" };
        self.span = offset + start - from..offset + end.min(to) - from;
    }
}

/// The beginning of a line.
fn head(line: &str) -> String {
    let end = forward(line, 0, WIDTH);
    visible(&line[..end]) + if end < line.len() { CUT } else { "" }
}

/// The text without what could command a terminal; every byte keeps its place.
fn visible(text: &str) -> String {
    let stand_in = |character: char| match (is_hidden(character), character.len_utf8()) {
        (false, _) => character,
        (true, 1) => '?',
        (true, 2) => '\u{b7}',
        (true, _) => '\u{fffd}',
    };
    text.chars().map(stand_in).collect()
}

/// The place so many characters after `from`, or the line's end.
fn forward(line: &str, from: usize, characters: usize) -> usize {
    line[from..].char_indices().nth(characters).map_or(line.len(), |(at, _)| from + at)
}

/// The place so many characters before `from`, or the line's start.
fn back(line: &str, from: usize, characters: usize) -> usize {
    line[..from].char_indices().rev().take(characters).last().map_or(from, |(at, _)| at)
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        // The library reads without context where it wants to know the problem's own place.
        let column = if before + after == 0 { self.column } else { read.column() };
        let line = read.line() + self.first_line;
        let (data, span, count) = (read.data(), *read.span(), read.line_count());
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), data, span, line, column, count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, span: Range<usize>) -> Excerpt {
        Excerpt::new("x.json", text, &Lines::of(text), span, 0)
    }

    #[test]
    fn short_lines_are_shown_whole_with_their_neighbours() {
        let text = "a\nbé\nc\nd";
        let shown = excerpt(text, 2..3);
        assert_eq!((shown.text.as_str(), shown.span), ("a\nbé\nc\n", 2..3));
        assert_eq!(excerpt(text, 8..8).text, "c\nd");
        assert_eq!(excerpt("", 0..0).text, "");
    }

    #[test]
    fn a_long_line_is_cut_around_the_problem() {
        let text = format!("{}\n{}X{}", "n".repeat(500), "é".repeat(70_000), "ü".repeat(70_000));
        let at = text.find('X').unwrap();
        let shown = excerpt(&text, at..at + 1);
        assert_eq!(&shown.text[shown.span.clone()], "X");
        assert!(shown.text.chars().count() < 3 * WIDTH, "{}", shown.text.len());
        // A problem that is longer than what is shown ends with it.
        let shown = excerpt(&text, at..text.len());
        assert!(
            shown.text[shown.span.clone()].starts_with("Xü") && shown.text.is_char_boundary(shown.span.end)
        );
    }
}
