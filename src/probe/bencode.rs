//! Bencode, the encoding of tracker answers over HTTP (BEP 3, "bencoding").
//!
//! Strict: what BEP 3 calls invalid is refused, and so are nesting and numbers beyond any tracker's need, as the
//! bytes come from the network.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// Deep enough for every answer (a dictionary in a list in a dictionary), and no danger to the stack.
const MAX_DEPTH: usize = 16;

/// A decoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `i42e`
    Integer(i64),
    /// `4:spam`
    Bytes(Vec<u8>),
    /// `l…e`
    List(Vec<Value>),
    /// `d…e`
    Dictionary(BTreeMap<Vec<u8>, Value>),
}

impl Value {
    /// The entry of a dictionary.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Self> {
        match self {
            Self::Dictionary(entries) => entries.get(key.as_ref()),
            _ => None,
        }
    }

    /// The number, if this is one that fits.
    #[must_use]
    pub fn integer<T: TryFrom<i64>>(&self) -> Option<T> {
        match self {
            Self::Integer(number) => T::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The bytes, if this is a string.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// What is wrong, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    what: &'static str,
    at: usize,
}

impl Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// Decodes one value that fills the whole input.
///
/// # Errors
///
/// The first byte that breaks a rule of BEP 3, or a bound of this parser.
pub fn decode(input: &[u8]) -> Result<Value, Malformed> {
    let mut parser = Parser { input, at: 0 };
    let value = parser.value(0)?;
    if parser.at == input.len() { Ok(value) } else { Err(parser.malformed("more bytes than one value")) }
}

struct Parser<'i> {
    input: &'i [u8],
    at: usize,
}

impl<'i> Parser<'i> {
    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        if depth > MAX_DEPTH {
            return Err(self.malformed("too deep a nesting"));
        }
        match self.peek() {
            Some(b'i') => self.integer(),
            Some(b'0'..=b'9') => self.bytes().map(Value::Bytes),
            Some(b'l') => self.list(depth),
            Some(b'd') => self.dictionary(depth),
            Some(_) => Err(self.malformed("no value starts like this")),
            None => Err(self.malformed("the input ends")),
        }
    }

    fn integer(&mut self) -> Result<Value, Malformed> {
        let start = self.at;
        self.at += 1;
        let text = self.until(b'e')?;
        let digits = text.strip_prefix("-").unwrap_or(text);
        if text == "-0" || !canonical(digits) {
            return Err(Malformed { what: "not a number", at: start });
        }
        text.parse().map(Value::Integer).map_err(|_| Malformed { what: "a number beyond 64 bits", at: start })
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let start = self.at;
        let text = self.until(b':')?;
        if !canonical(text) {
            return Err(Malformed { what: "not the length of a string", at: start });
        }
        let length = text.parse::<usize>().ok();
        let bytes = length.and_then(|length| self.input[self.at..].get(..length));
        let bytes = bytes.ok_or(Malformed { what: "a string longer than the input", at: start })?;
        self.at += bytes.len();
        Ok(bytes.to_vec())
    }

    fn list(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.at += 1;
        let mut items = Vec::new();
        while self.peek() != Some(b'e') {
            items.push(self.value(depth + 1)?);
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.at += 1;
        let mut entries = BTreeMap::new();
        while self.peek() != Some(b'e') {
            let start = self.at;
            let key = self.bytes()?;
            if entries.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Malformed { what: "a key out of order", at: start });
            }
            entries.insert(key, self.value(depth + 1)?);
        }
        self.at += 1;
        Ok(Value::Dictionary(entries))
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// The text up to the end mark, which is consumed too. No number is longer than 20 characters, so no more is looked at.
    fn until(&mut self, end: u8) -> Result<&'i str, Malformed> {
        let rest = &self.input[self.at..];
        let length = rest.iter().take(21).position(|&byte| byte == end);
        let length = length.ok_or_else(|| self.malformed("a number without an end"))?;
        let text = str::from_utf8(&rest[..length]).map_err(|_| self.malformed("not a number"))?;
        self.at += length + 1;
        Ok(text)
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }
}

/// Digits without a leading zero: every number has one spelling.
fn canonical(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
        && !digits.is_empty()
}

#[cfg(test)]
mod tests;
