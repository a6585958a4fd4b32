//! What a terminal may be given: hosts, trackers and files say what they like, and some of it would command the terminal.

use std::borrow::Cow;

/// Stands for a character that is not shown.
const HIDDEN: char = '\u{fffd}';
/// The longest text of an error, in characters; the log has the whole.
const LIMIT: usize = 4000;

/// The text without control characters but line break and tab, and without those that reorder what is read.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|character| if is_hidden(character) { HIDDEN } else { character }).collect()
}

/// The same, with colours left in: containers' logs have them.
pub fn clean_but_colors(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        cleaned += &clean(&rest[..at]);
        let color = color_at(&rest[at..]);
        match color {
            Some(length) => cleaned += &rest[at..at + length],
            None => cleaned.push(HIDDEN),
        }
        rest = &rest[at + color.unwrap_or(1)..];
    }
    cleaned + &clean(rest)
}

/// The length of a colour sequence (ECMA-48, "select graphic rendition") at the start of the text.
fn color_at(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

/// Whether a terminal would obey or reorder this character instead of showing it.
pub fn is_hidden(character: char) -> bool {
    let reorders = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reorders || character.is_control() && !matches!(character, '\n' | '\t')
}

/// The beginning of a text that is too long to be read.
pub fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => Cow::Owned(format!("{} ... (cut; {} bytes in all)", &text[..end], text.len())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_command_the_terminal() {
        let hostile = "a\u{1b}]0;title\u{7}b\u{1b}[2Jc\rd\u{9b}31me\u{202e}f\n\tg";
        let cleaned = clean(hostile);
        assert_eq!(cleaned, "a\u{fffd}]0;title\u{fffd}b\u{fffd}[2Jc\u{fffd}d\u{fffd}31me\u{fffd}f\n\tg");
        assert!(matches!(clean("plain é ✓\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_colours_are_left_in_a_log() {
        assert_eq!(
            clean_but_colors("\u{1b}[1;32mok\u{1b}[0m\u{1b}[2J\u{1b}"),
            "\u{1b}[1;32mok\u{1b}[0m\u{fffd}[2J\u{fffd}"
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(LIMIT + 1);
        assert!(cut(&long).ends_with("... (cut; 8002 bytes in all)"));
    }
}
