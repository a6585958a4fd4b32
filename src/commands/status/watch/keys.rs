//! The keys, and what ends a watch.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::error::{Code, Error};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The end.
    Quit,
    /// A whole look at once.
    Refresh,
    /// The keys, or no longer.
    Help,
    /// The next container.
    Next,
    /// The one before.
    Previous,
}

/// The keys, for people.
pub const KEYS: [(&str, &str); 4] = [
    ("down, j / up, k", "choose a service"),
    ("r", "look now"),
    ("?", "show, hide this"),
    ("q, Esc, Ctrl-C", "quit"),
];

/// What this key asks for.
#[must_use]
pub fn wish(key: KeyEvent) -> Option<Wish> {
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Wish::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Wish::Quit,
        KeyCode::Char('r') => Wish::Refresh,
        KeyCode::Char('?') => Wish::Help,
        KeyCode::Char('j') | KeyCode::Down => Wish::Next,
        KeyCode::Char('k') | KeyCode::Up => Wish::Previous,
        _ => return None,
    })
}

/// A signal came.
#[must_use]
pub fn ended() -> Error {
    Error::new(Code::Interrupted, "the watch was ended")
        .help("a single look: the same command without --watch")
}
