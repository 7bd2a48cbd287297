//! [`Input`]: one line of text that is being typed, with a cursor.
//!
//! Invariants:
//! 1. The cursor is at the boundary of a letter, at most behind the last.
//! 2. No control character gets in, not by pasting either, and no more than [`MAX`] bytes.
//! 3. A secret is drawn as dots and never printed.

use crate::tui::text::clean;
use crate::tui::theme::{Look, Tone};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::text::{Line, Span};
use std::fmt;

/// Bytes of the longest text.
const MAX: usize = 4096;

/// A line that is being typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Input {
    text: String,
    cursor: usize,
    is_secret: bool,
}

// === impl Input ===

impl Input {
    /// One with a text in it already, the cursor behind it.
    pub(crate) fn new(text: &str) -> Self {
        let mut input = Self::default();
        input.paste(text);
        input
    }

    /// An empty one for a secret.
    pub(crate) fn secret() -> Self {
        Self {
            is_secret: true,
            ..Self::default()
        }
    }

    /// What was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Takes a key; whether it meant something here.
    pub(crate) fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let (before, behind) = self.text.split_at_checked(self.cursor).unwrap_or_default();
        let previous = before.chars().next_back().map_or(0, char::len_utf8);
        let next = behind.chars().next().map_or(0, char::len_utf8);
        match (key.code, control) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.cursor = 0,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.cursor = self.text.len(),
            (KeyCode::Char('u'), true) => self.cut(0, self.cursor),
            (KeyCode::Char('k'), true) => self.cut(self.cursor, self.text.len()),
            (KeyCode::Char('w'), true) => {
                let word = before
                    .trim_end()
                    .rfind([' ', '/', '-', '.'])
                    .map_or(0, |at| at + 1);
                self.cut(word, self.cursor);
            }
            (KeyCode::Left, _) => self.cursor -= previous,
            (KeyCode::Right, _) => self.cursor += next,
            (KeyCode::Char('h'), true) | (KeyCode::Backspace, _) => {
                self.cut(self.cursor - previous, self.cursor);
            }
            (KeyCode::Delete, _) => self.cut(self.cursor, self.cursor + next),
            (KeyCode::Char(letter), false) => self.insert(letter),
            _ => return false,
        }
        true
    }

    /// Takes a text that was pasted.
    pub(crate) fn paste(&mut self, text: &str) {
        // The line end that came along with what was copied.
        for letter in text.trim_end_matches(['\r', '\n']).chars() {
            self.insert(letter);
        }
    }

    fn insert(&mut self, letter: char) {
        if letter.is_control() || self.text.len() + letter.len_utf8() > MAX {
            return;
        }
        self.text.insert(self.cursor, letter);
        self.cursor += letter.len_utf8();
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    /// How it looks in `width` columns, with the cursor when keys go to it.
    pub(crate) fn line(&self, width: usize, look: Look, has_focus: bool) -> Line<'static> {
        let (before, behind) = self.text.split_at_checked(self.cursor).unwrap_or_default();
        let (before, behind) = if self.is_secret {
            let dots = |text: &str| "*".repeat(text.chars().count());
            (dots(before), dots(behind))
        } else {
            (clean(before).into_owned(), clean(behind).into_owned())
        };
        // The end of what is before the cursor is always to be seen.
        let mut seen = before.as_str();
        while Span::raw(seen).width() + 1 > width && !seen.is_empty() {
            let mut letters = seen.chars();
            letters.next();
            seen = letters.as_str();
        }
        let style = look.style(Tone::Plain);
        if !has_focus {
            return Line::from(Span::styled(format!("{seen}{behind}"), style));
        }
        let mut letters = behind.chars();
        let under = letters.next().unwrap_or(' ').to_string();
        let cursor = style.add_modifier(ratatui::style::Modifier::REVERSED);
        Line::from(vec![
            Span::styled(seen.to_owned(), style),
            Span::styled(under, cursor),
            Span::styled(letters.as_str().to_owned(), style),
        ])
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even what is no secret: a password may be typed into the wrong line.
        write!(f, "Input({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn press(code: KeyCode, control: bool) -> KeyEvent {
        let held = if control {
            KeyModifiers::CONTROL
        } else {
            KeyModifiers::NONE
        };
        KeyEvent::new(code, held)
    }

    #[test]
    fn a_line_is_edited_as_in_a_shell() {
        let mut input = Input::new("team/app one");
        input.key(press(KeyCode::Char('w'), true));
        assert_eq!(input.text(), "team/app ");
        input.key(press(KeyCode::Backspace, false));
        input.key(press(KeyCode::Char('w'), true));
        assert_eq!(input.text(), "team/");
        input.key(press(KeyCode::Char('a'), true));
        input.key(press(KeyCode::Char('x'), false));
        assert_eq!(input.text(), "xteam/");
        input.key(press(KeyCode::Char('k'), true));
        assert_eq!(input.text(), "x");
    }

    #[test]
    fn a_secret_is_neither_drawn_nor_printed() {
        let mut input = Input::secret();
        input.paste("swordfish\n");
        assert_eq!(input.text(), "swordfish");
        let line = input.line(40, Look::default(), true);
        assert!(!format!("{line:?}{input:?}").contains("sword"));
    }

    proptest! {
        #[test]
        fn whatever_is_typed_the_cursor_stays_at_a_letter(keys in prop::collection::vec((0..9_u8, any::<char>()), 0..40)) {
            let mut input = Input::default();
            for (key, letter) in keys {
                let code = match key {
                    0 => KeyCode::Left,
                    1 => KeyCode::Right,
                    2 => KeyCode::Backspace,
                    3 => KeyCode::Delete,
                    4 => KeyCode::Home,
                    5 => KeyCode::End,
                    _ => KeyCode::Char(letter),
                };
                input.key(press(code, key == 8));
                prop_assert!(input.text.is_char_boundary(input.cursor));
                prop_assert!(!input.text.contains(char::is_control));
                drop(input.line(5, Look::default(), true));
            }
        }
    }
}
