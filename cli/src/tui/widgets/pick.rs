//! [`Pick`]: one of many texts, which is found by typing a part of it.
//!
//! Invariants:
//! 1. What is chosen has in it what was typed; when nothing has, nothing is chosen.

use super::input::Input;
use super::list::contains;
use super::span;
use crate::tui::theme::{Look, Tone};
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::text::Line;

/// One of many texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pick {
    options: Vec<String>,
    typed: Input,
    /// A place among those that have in them what was typed.
    chosen: usize,
}

// === impl Pick ===

impl Pick {
    /// One of these, the first.
    pub(crate) fn new(options: Vec<String>) -> Self {
        Self {
            options,
            typed: Input::default(),
            chosen: 0,
        }
    }

    fn fitting(&self) -> Vec<&str> {
        let typed = self.typed.text().to_ascii_lowercase();
        let all = self.options.iter().map(String::as_str);
        let mut fitting: Vec<_> = all.filter(|text| contains(text, &typed)).collect();
        if !typed.is_empty() {
            // What is typed whole comes before what has it in it; else the order stays.
            fitting.sort_by_key(|text| (**text != typed, !text.starts_with(&typed)));
        }
        fitting
    }

    /// The chosen one; empty when nothing has in it what was typed.
    pub(crate) fn chosen(&self) -> &str {
        self.fitting().get(self.chosen).copied().unwrap_or_default()
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) {
        let all = self.fitting().len().max(1);
        match key.code {
            KeyCode::Right | KeyCode::Char(' ') => self.chosen = (self.chosen + 1) % all,
            KeyCode::Left => self.chosen = (self.chosen + all - 1) % all,
            _ => {
                let before = self.typed.text().len();
                self.typed.key(key);
                if self.typed.text().len() != before {
                    self.chosen = 0;
                }
            }
        }
    }

    /// Takes a text that was pasted.
    pub(crate) fn paste(&mut self, text: &str) {
        self.typed.paste(text.trim());
        self.chosen = 0;
    }

    /// Offers other texts; what was chosen stays chosen, also when it is not among them any more: nothing
    /// else is chosen by itself.
    pub(crate) fn offer(&mut self, options: Vec<String>) {
        let chosen = self.chosen().to_owned();
        self.options = options;
        if !chosen.is_empty() && !self.options.contains(&chosen) {
            self.options.push(chosen.clone());
        }
        let place = self.fitting().iter().position(|text| *text == chosen);
        self.chosen = place.unwrap_or(0);
    }

    /// How it looks.
    pub(crate) fn line(&self, look: Look, has_focus: bool) -> Line<'static> {
        let fitting = self.fitting();
        let tone = if has_focus { Tone::Accent } else { Tone::Plain };
        let Some(chosen) = fitting.get(self.chosen) else {
            let text = format!("nobody has {:?} in the name", self.typed.text());
            return Line::from(span(look, &text, Tone::Bad));
        };
        let mut parts = vec![span(look, &format!("< {chosen} >"), tone)];
        if fitting.len() > 1 || !self.typed.text().is_empty() {
            let place = format!("   {} of {}", self.chosen + 1, fitting.len());
            let typed = match self.typed.text() {
                "" => String::new(),
                typed => format!(" with {typed:?}"),
            };
            let place = place + &typed;
            parts.push(span(look, &place, Tone::Dim));
        }
        Line::from(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyModifiers;

    #[test]
    fn a_part_of_a_name_finds_it_and_arrows_go_through_those_that_have_it() {
        let mut pick = Pick::new(["me", "ann", "hanna", "jo"].map(str::to_owned).to_vec());
        assert_eq!(pick.chosen(), "me");
        pick.paste("Ann");
        assert_eq!(pick.chosen(), "ann");
        pick.key(KeyEvent::new(KeyCode::Right, KeyModifiers::NONE));
        assert_eq!(pick.chosen(), "hanna");
        pick.offer(["hanna", "anna", "ann"].map(str::to_owned).to_vec());
        assert_eq!(pick.chosen(), "hanna");
        pick.offer(vec!["hannah".to_owned()]);
        assert_eq!(pick.chosen(), "hanna");
        pick.paste("x");
        assert_eq!(pick.chosen(), "");
    }
}
