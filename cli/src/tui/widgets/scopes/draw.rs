//! How scopes look while they are filled in: the choice above, a line for each row, and below the one with
//! the focus what its pattern matches.
//!
//! Invariants:
//! 1. There are as many lines as [`Scopes::height`] says, wherever the focus is.

use super::{PERMISSIONS, Row, Scopes, literal};
use crate::tui::theme::{Look, Tone};
use crate::tui::widgets::columns::fitted;
use crate::tui::widgets::span;
use floundr_frontend::accounts::On;
use ratatui::text::{Line, Span};

// === impl Scopes ===

impl Scopes {
    /// How many lines it has with the focus, so that a window does not change while one moves about.
    pub(crate) fn height(&self) -> usize {
        if self.is_all { 2 } else { self.rows.len() + 4 }
    }

    /// Its lines.
    pub(crate) fn lines(&self, width: usize, look: Look, has_focus: bool) -> Vec<Line<'static>> {
        let is_here = has_focus && self.line == 0;
        let tone = if is_here { Tone::Accent } else { Tone::Plain };
        let choice = if self.is_all {
            "< all that the owner may >"
        } else {
            "< only these repositories >"
        };
        let mut lines = vec![Line::from(span(look, choice, tone))];
        if self.is_all {
            let hint = "space switches; or only some repositories: Ctrl-o";
            lines.push(Line::from(span(look, hint, Tone::Dim)));
            return lines;
        }
        let keys = "Ctrl-o: add a row  Ctrl-x: remove it  Tab: next  space: switch";
        let (told, tone) = self.told();
        let told = [(told, tone), (self.offered(), Tone::Dim)];
        let line = |(text, tone): &(String, Tone)| {
            let text = fitted(text, u16::try_from(width).unwrap_or(u16::MAX), look);
            Line::from(Span::styled(text, look.style(*tone)))
        };
        for (place, row) in self.rows.iter().enumerate() {
            let is_here = has_focus && self.line == place + 1;
            lines.push(row.line(width, look, is_here.then_some(self.column)));
            if self.line == place + 1 {
                // Below the row that it is about.
                lines.extend(told.iter().map(line));
            }
        }
        if self.row().is_none() {
            lines.extend(told.iter().map(line));
        }
        lines.push(line(&(keys.to_owned(), Tone::Dim)));
        lines
    }

    /// The first and the last of the lines that have to be seen where the focus is.
    pub(crate) fn focused_lines(&self) -> (usize, usize) {
        let told = if self.row().is_some() { 2 } else { 0 };
        (self.line, self.line + told)
    }

    /// What the pattern under the cursor matches.
    fn told(&self) -> (String, Tone) {
        let Some(row) = self.row() else {
            let help = "a pattern is a name, or has * (any but /) or ** (any) in it";
            return (help.to_owned(), Tone::Dim);
        };
        let typed = row.on.text().trim();
        if typed.is_empty() {
            let help = "a repository, or a pattern such as team/** or library/*";
            return (help.to_owned(), Tone::Dim);
        }
        let on: On = match typed.parse() {
            Ok(on) => on,
            Err(error) => return (format!("{error}"), Tone::Bad),
        };
        let known = self.known.as_ref();
        let Some(known) = known.filter(|known| known.filter == literal(typed)) else {
            return ("looking what it matches".to_owned(), Tone::Dim);
        };
        let matched = known.names.iter().filter(|name| on.matches(name));
        let matched: Vec<_> = matched.map(String::as_str).collect();
        let least = if known.is_whole { "" } else { "at least " };
        match matched.len() {
            0 if known.is_whole => ("matches no repository yet".to_owned(), Tone::Warning),
            count => {
                let names = matched.join(", ");
                (format!("matches {least}{count}: {names}"), Tone::Good)
            }
        }
    }

    /// What may be typed, and how to take it.
    fn offered(&self) -> String {
        if self.line == 0 || self.column != 0 || self.suggestions.is_empty() {
            return String::new();
        }
        let offered = self.suggestions.iter().enumerate().map(|(place, text)| {
            if self.chosen == Some(place) {
                format!("[{text}]")
            } else {
                text.clone()
            }
        });
        format!("Ctrl-n: {}", offered.collect::<Vec<_>>().join("  "))
    }
}

// === impl Row ===

impl Row {
    /// The pattern and its switches; `column` has the focus.
    fn line(&self, width: usize, look: Look, column: Option<usize>) -> Line<'static> {
        let switches: usize = PERMISSIONS.iter().map(|name| name.len() + 5).sum();
        let room = width.saturating_sub(switches).max(8);
        let mut parts = if column == Some(0) {
            self.on.line(room, look, true).spans
        } else {
            let room = u16::try_from(room).unwrap_or(u16::MAX);
            let text = match self.on.text() {
                "" => "(no pattern)",
                text => text,
            };
            vec![Span::styled(
                fitted(text, room, look),
                look.style(Tone::Plain),
            )]
        };
        let used: usize = parts.iter().map(Span::width).sum();
        parts.push(Span::raw(" ".repeat(room.saturating_sub(used))));
        for (place, name) in PERMISSIONS.into_iter().enumerate() {
            let mark = if self.permissions[place] { "x" } else { " " };
            let tone = match (column == Some(place + 1), self.permissions[place]) {
                (true, _) => Tone::Accent,
                (false, true) => Tone::Plain,
                (false, false) => Tone::Dim,
            };
            let mut style = look.style(tone);
            if column == Some(place + 1) {
                style = style.patch(look.style(Tone::Selected));
            }
            parts.push(Span::raw(" "));
            parts.push(Span::styled(format!("[{mark}] {name}"), style));
        }
        Line::from(parts)
    }
}
