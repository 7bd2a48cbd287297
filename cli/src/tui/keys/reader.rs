//! [`Reader`]: keys that come one after the other, with counts before them.
//!
//! Invariants:
//! 1. A count is bounded.

use super::{Action, Binding};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The largest count that is read.
const MAX_COUNT: usize = 999_999;

/// One key, with what was held down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Press {
    code: KeyCode,
    control: bool,
}

/// Reads keys that come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    count: Option<usize>,
    before: Vec<Press>,
}

/// What a key meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// This is to be done, so many times if a count was typed.
    Action(Action, Option<usize>),
    /// Another key is to come.
    More,
    /// Nothing.
    Unknown,
}

/// The keys that a text such as `gg` or `<c-d>` names.
pub(super) fn presses(text: &str) -> Vec<Press> {
    let mut presses = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (press, behind) = match named {
            Some((name, behind)) if !name.is_empty() => (Press::named(name), behind),
            _ => (
                Press::of(KeyCode::Char(first)),
                rest.get(first.len_utf8()..).unwrap_or(""),
            ),
        };
        presses.push(press);
        rest = behind;
    }
    presses
}

// === impl Press ===

impl Press {
    const fn of(code: KeyCode) -> Self {
        Self {
            code,
            control: false,
        }
    }

    fn named(name: &str) -> Self {
        let code = match name {
            "esc" => KeyCode::Esc,
            "enter" => KeyCode::Enter,
            "tab" => KeyCode::Tab,
            "s-tab" => KeyCode::BackTab,
            "backspace" => KeyCode::Backspace,
            "space" => KeyCode::Char(' '),
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pageup" => KeyCode::PageUp,
            "pagedown" => KeyCode::PageDown,
            "del" => KeyCode::Delete,
            name => {
                let letter = name.strip_prefix("c-").and_then(|rest| rest.chars().next());
                return Self {
                    code: KeyCode::Char(letter.unwrap_or('\0')),
                    control: true,
                };
            }
        };
        Self::of(code)
    }

    /// As the terminal reported it.
    pub(crate) fn reported(key: KeyEvent) -> Self {
        Self {
            code: key.code,
            control: key.modifiers.contains(KeyModifiers::CONTROL),
        }
    }
}

// === impl Reader ===

impl Reader {
    /// What `key` means together with those before it. Of bindings with the same keys the first counts.
    pub(crate) fn read<'a>(
        &mut self,
        key: KeyEvent,
        bindings: &(impl Iterator<Item = &'a Binding> + Clone),
    ) -> Read {
        let press = Press::reported(key);
        if let (KeyCode::Char(digit @ '0'..='9'), false, true) =
            (press.code, press.control, self.before.is_empty())
            && (digit != '0' || self.count.is_some())
        {
            let digit = digit.to_digit(10).unwrap_or(0) as usize;
            let count = self
                .count
                .unwrap_or(0)
                .saturating_mul(10)
                .saturating_add(digit);
            self.count = Some(count.min(MAX_COUNT));
            return Read::More;
        }
        self.before.push(press);
        let typed = &self.before;
        let found = bindings
            .clone()
            .find(|binding| binding.ways().any(|way| way == *typed));
        if let Some(binding) = found {
            let count = self.count;
            self.forget();
            return Read::Action(binding.action, count);
        }
        let begins = |way: Vec<Press>| way.starts_with(&self.before);
        if bindings.clone().any(|binding| binding.ways().any(begins)) {
            return Read::More;
        }
        self.forget();
        Read::Unknown
    }

    /// Whether keys were typed that mean nothing yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.count.is_some() || !self.before.is_empty()
    }

    /// Forgets them.
    pub(crate) fn forget(&mut self) {
        self.count = None;
        self.before.clear();
    }

    /// What was typed and means nothing yet.
    pub(crate) fn shown(&self) -> String {
        let mut text = self
            .count
            .map(|count| count.to_string())
            .unwrap_or_default();
        for press in &self.before {
            if let KeyCode::Char(letter) = press.code {
                text.push(letter);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EVERYWHERE, LISTS};
    use super::*;

    fn keys(reader: &mut Reader, typed: &str) -> Vec<Read> {
        let bindings = || LISTS.iter().chain(EVERYWHERE);
        let read = |letter| {
            let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
            reader.read(key, &bindings())
        };
        typed.chars().map(read).collect()
    }

    #[test]
    fn a_count_and_keys_of_two_letters_are_read_together() {
        let mut reader = Reader::default();
        assert_eq!(keys(&mut reader, "j"), [Read::Action(Action::Down, None)]);
        let read = keys(&mut reader, "12j");
        assert_eq!(read[2], Read::Action(Action::Down, Some(12)));
        let read = keys(&mut reader, "5gg");
        assert_eq!(read[1], Read::More);
        assert_eq!(read[2], Read::Action(Action::First, Some(5)));
        assert_eq!(keys(&mut reader, "gx")[1], Read::Unknown);
        assert!(!reader.is_waiting());
        let read = keys(&mut reader, "99999999999999999999999j");
        assert_eq!(
            read.last(),
            Some(&Read::Action(Action::Down, Some(MAX_COUNT)))
        );
        assert_eq!(keys(&mut reader, "0"), [Read::Unknown]);
    }
}
