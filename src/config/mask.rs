//! Hides secrets in a text that is shown around a problem.
//!
//! The text may be broken JSON and its fields may be misspelt, so this reads words, not structure: a value is shown
//! only where the field before it is known to hold no secret.

use std::collections::HashSet;

use serde_json::Value as Json;

/// The names of all fields, by whether they hold a secret.
#[derive(Default)]
struct Names<'s> {
    plain: HashSet<&'s str>,
    secret: HashSet<&'s str>,
    /// Those of objects whose every value is a secret, under a name that the user chose.
    maps: HashSet<&'s str>,
}

impl Names<'_> {
    fn is_plain(&self, name: &str) -> bool {
        self.plain.contains(name) && !self.secret.contains(name)
    }
}

/// The text with every value hidden that is, or may be, a secret; every byte keeps its place.
pub fn mask(text: &str, schema: &Json, is_json: bool) -> String {
    let mut names = Names::default();
    names.collect(schema);
    let mut masked = String::with_capacity(text.len());
    if is_json {
        mask_values(text, &names, &mut masked);
    } else {
        let mut after_map = false;
        for line in text.split_inclusive('\n') {
            after_map |= names.maps.iter().any(|map| line.contains(map));
            mask_line(line, &names, after_map, &mut masked);
        }
    }
    masked
}

/// A text with user and password of every URL in it hidden: `mysql://***@db` of `mysql://user:password@db`, and `***@db` of
/// `user:password@db`.
pub fn hide_credentials(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, credentials, tail)) = next_credentials(rest) {
        hidden.push_str(head);
        hidden.push_str(if credentials.is_empty() { "" } else { super::MASK });
        rest = tail;
    }
    hidden + rest
}

/// Splits a text into what stands before the next user and password of a URL, with its scheme or without, these, and the rest.
fn next_credentials(text: &str) -> Option<(&str, &str, &str)> {
    let ends = |c: char| c.is_whitespace() || c == '`' || c == '"';
    let mut from = 0;
    loop {
        let first = from + text[from..].find('@')?;
        let end = first + text[first..].find(ends).unwrap_or(text.len() - first);
        let at = first + text[first..end].rfind('@').unwrap_or(0);
        let word = text[..at]
            .rfind(ends)
            .map_or(0, |end| end + text[end..].chars().next().map_or(1, char::len_utf8));
        let scheme = text[word..at].find("://").map(|scheme| word + scheme + 3);
        let credentials = &text[scheme.unwrap_or(word)..at];
        // `:` and `@` are parts of an image's reference with tag and digest, too.
        let secret = scheme.is_some() || (credentials.contains(':') && !text[at..].starts_with("@sha256:"));
        if secret && !credentials.is_empty() {
            return Some((&text[..at - credentials.len()], credentials, &text[at..]));
        }
        from = end;
    }
}

/// In JSON a value belongs to the last name before it.
fn mask_values(text: &str, names: &Names, masked: &mut String) {
    let mut hidden = false;
    let (mut depth, mut map) = (0, None);
    for (token, rest) in tokens(text) {
        let is_name = is_followed_by_colon(rest);
        match token {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                map = map.filter(|begin| depth > *begin);
            }
            _ if is_name => {
                hidden = map.is_some() || names.maps.contains(word(token)) || !names.is_plain(word(token));
                map = map.or_else(|| names.maps.contains(word(token)).then_some(depth));
            }
            _ => {}
        }
        push(masked, token, is_name || !hidden || is_open(token));
    }
}

/// In broken JSON a missing quote can turn names and values around: a line that is not clearly made of plain fields
/// shows nothing but names.
fn mask_line(line: &str, names: &Names, after_map: bool, masked: &mut String) {
    let clear = !after_map && is_clear(line, names);
    for (token, _) in tokens(line) {
        let is_name = names.plain.contains(word(token)) || names.secret.contains(word(token));
        push(masked, token, clear || is_name || is_open(token));
    }
}

/// Whether each value on a line stands right after the name of a plain field.
fn is_clear(line: &str, names: &Names) -> bool {
    let mut after_name = false;
    let mut before = "";
    for (token, rest) in tokens(line).filter(|(token, _)| !token.trim().is_empty()) {
        let is_closed = token.len() > 1 && token.ends_with('"');
        let fits = match token {
            "{" | "}" | "[" | "]" | "," | ":" => true,
            _ if token.starts_with('"') && is_followed_by_colon(rest) => {
                after_name = names.is_plain(word(token));
                after_name
            }
            _ => {
                let is_value =
                    token.starts_with('"') && is_closed || is_open(token) || token.parse::<f64>().is_ok();
                std::mem::take(&mut after_name) && before == ":" && is_value
            }
        };
        if !fits {
            return false;
        }
        before = token;
    }
    true
}

fn push(masked: &mut String, token: &str, shown: bool) {
    let quoted = token.strip_prefix('"');
    let inner = quoted.map_or(token, |inner| inner.strip_suffix('"').unwrap_or(inner));
    if inner.is_empty() {
        return masked.push_str(token);
    }
    if shown {
        let mut rest = token;
        while let Some((head, credentials, tail)) = next_credentials(rest) {
            masked.push_str(head);
            masked.push_str(&"*".repeat(credentials.len()));
            rest = tail;
        }
        return masked.push_str(rest);
    }
    let (head, tail) = (usize::from(quoted.is_some()), token.len() - inner.len());
    masked.push_str(&token[..head]);
    masked.push_str(&"*".repeat(inner.len()));
    masked.push_str(&token[token.len() + head - tail..]);
}

fn word(token: &str) -> &str {
    token.trim_matches('"')
}

fn is_followed_by_colon(rest: &str) -> bool {
    rest.trim_start().starts_with(':')
}

/// The tokens of a text, each with what follows it.
fn tokens(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let token = next_token(rest)?;
        rest = &rest[token.len()..];
        Some((token, rest))
    })
}

/// Marks and words that tell nothing.
fn is_open(token: &str) -> bool {
    token.starts_with(|c: char| c.is_whitespace() || "{}[]:,".contains(c))
        || ["true", "false", "null", "\"\""].contains(&token)
}

/// The next text in quotes (to the end of its line, if it is never closed), mark, run of blanks or other word.
fn next_token(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let mark = |c: char| c.is_whitespace() || "{}[]:,\"".contains(c);
    let length = match first {
        '"' => quoted_length(text),
        _ if first.is_whitespace() => text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len()),
        _ if mark(first) => 1,
        _ => text.find(mark).unwrap_or(text.len()),
    };
    Some(&text[..length])
}

fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return index,
            '"' if !escaped => return index + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

impl<'s> Names<'s> {
    /// Reads the names out of the schema.
    fn collect(&mut self, schema: &'s Json) {
        match schema {
            Json::Object(keywords) => {
                if let Some(Json::Object(properties)) = keywords.get("properties") {
                    for (name, property) in properties {
                        let names = if holds_secret(property) { &mut self.secret } else { &mut self.plain };
                        names.insert(name);
                        if property.get("additionalProperties").is_some_and(holds_secret) {
                            self.maps.insert(name);
                        }
                    }
                }
                keywords.values().for_each(|inner| self.collect(inner));
            }
            Json::Array(items) => items.iter().for_each(|inner| self.collect(inner)),
            _ => {}
        }
    }
}

fn holds_secret(property: &Json) -> bool {
    let refers = |schema: &Json| schema.get("$ref").is_some_and(|name| name == "#/$defs/Secret");
    let variants = property.get("anyOf").and_then(Json::as_array);
    refers(property) || variants.is_some_and(|variants| variants.iter().any(refers))
}
