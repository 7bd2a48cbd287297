//! [`Scopes`]: what a key may: all that its owner may, or only these patterns of repositories, each with
//! its permissions. A field of a [`Form`](super::form::Form).
//!
//! Which repositories there are is not known here: whoever put the form up asks the server for those that
//! have [`Scopes::unknown`] in their names and tells them by [`Scopes::know`].
//!
//! Invariants:
//! 1. The focus is on a line there is: the choice above, or a row.
//! 2. Taking the last row away does not allow all: it leaves a list without scopes, which is refused.

mod draw;
#[cfg(test)]
mod tests;

use super::input::Input;
use crate::tui::text::{string, strings};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The permissions, as the server calls them.
pub(crate) const PERMISSIONS: [&str; 4] = ["pull", "push", "delete", "administer"];

/// How many suggestions are offered.
const OFFERED: usize = 8;

/// A part of what a key may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scope {
    /// A pattern of repositories.
    pub(crate) on: String,
    /// Which of [`PERMISSIONS`].
    pub(crate) permissions: [bool; 4],
}

/// What a key may, as it is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes {
    is_all: bool,
    rows: Vec<Row>,
    /// 0: the choice above; else a row, from 1 on.
    line: usize,
    /// 0: the pattern; else a permission, from 1 on.
    column: usize,
    known: Option<Known>,
    suggestions: Vec<String>,
    /// Which suggestion was taken, while one goes through them.
    chosen: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    on: Input,
    permissions: [bool; 4],
}

/// What the server has told of repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    filter: String,
    names: Vec<String>,
    /// Whether there are no others.
    is_whole: bool,
}

/// Where a key leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It stays within the field.
    Stay,
    /// To the field below.
    Next,
    /// To the field above.
    Previous,
}

// === impl Scope ===

impl Scope {
    /// Reads one of an answer.
    pub(crate) fn read(value: &Value) -> Self {
        let named = strings(&value["permissions"]);
        Self {
            on: string(&value["on"]),
            permissions: PERMISSIONS.map(|permission| named.iter().any(|name| name == permission)),
        }
    }

    /// As the server wants it.
    pub(crate) fn json(&self) -> Value {
        json!({ "on": self.on, "permissions": self.named() })
    }

    /// The names of its permissions.
    pub(crate) fn named(&self) -> Vec<&'static str> {
        let all = PERMISSIONS.into_iter().zip(self.permissions);
        all.filter(|(_, is_on)| *is_on)
            .map(|(name, _)| name)
            .collect()
    }
}

/// The longest part of a pattern that stands for itself, which all names have that it matches.
fn literal(pattern: &str) -> &str {
    // A slash beside `**` may stand for nothing.
    let parts = pattern.split(['*', '?']).map(|part| part.trim_matches('/'));
    parts.max_by_key(|part| part.len()).unwrap_or_default()
}

/// What a pattern that begins like `typed` may become, of repositories with these names.
fn suggested(typed: &str, names: &[String]) -> Vec<String> {
    let mut parents = BTreeSet::new();
    for name in names {
        let slashes = name.char_indices().filter(|(_, letter)| *letter == '/');
        parents.extend(slashes.filter_map(|(at, _)| name.get(..=at)));
    }
    let parents = parents.into_iter().map(|parent| format!("{parent}**"));
    let (first, other): (Vec<_>, Vec<_>) = parents
        .chain(names.iter().cloned())
        .filter(|text| text != typed && text.contains(literal(typed)))
        .partition(|text| text.starts_with(typed));
    first.into_iter().chain(other).take(OFFERED).collect()
}

// === impl Row ===

impl Row {
    fn new(scope: &Scope) -> Self {
        Self {
            on: Input::new(&scope.on),
            permissions: scope.permissions,
        }
    }
}

// === impl Scopes ===

impl Scopes {
    /// These scopes; none: all that the owner may.
    pub(crate) fn new(scopes: Option<&[Scope]>) -> Self {
        Self {
            is_all: scopes.is_none(),
            rows: scopes.unwrap_or_default().iter().map(Row::new).collect(),
            line: 0,
            column: 0,
            known: None,
            suggestions: Vec::new(),
            chosen: None,
        }
    }

    /// What was filled in; none: all that the owner may.
    ///
    /// # Errors
    /// When something lacks, in words for the user.
    pub(crate) fn filled_in(&self) -> Result<Option<Vec<Scope>>, String> {
        if self.is_all {
            return Ok(None);
        }
        if self.rows.is_empty() {
            return Err("there is no scope: Ctrl-o adds one, or choose all".to_owned());
        }
        let scope = |(place, row): (usize, &Row)| {
            let (on, permissions) = (row.on.text().trim().to_owned(), row.permissions);
            let place = place + 1;
            if on.is_empty() {
                return Err(format!(
                    "scope {place} has no pattern; Ctrl-x takes it away"
                ));
            }
            if permissions == [false; 4] {
                return Err(format!("scope {place} allows nothing; space switches"));
            }
            Ok(Scope { on, permissions })
        };
        let scopes: Result<_, _> = self.rows.iter().enumerate().map(scope).collect();
        scopes.map(Some)
    }

    /// Whether it allows nothing at all.
    pub(crate) fn is_none(&self) -> bool {
        !self.is_all && self.rows.is_empty()
    }

    fn row(&self) -> Option<&Row> {
        self.rows.get(self.line.checked_sub(1)?)
    }

    /// What to ask the server for: a part of the names of repositories.
    pub(crate) fn unknown(&self) -> Option<String> {
        let row = self.row().filter(|_| !self.is_all)?;
        let filter = literal(row.on.text().trim());
        let is_known = self
            .known
            .as_ref()
            .is_some_and(|known| known.filter == filter);
        (!is_known).then(|| filter.to_owned())
    }

    /// The repositories that have `filter` in their names; whether these are all.
    pub(crate) fn know(&mut self, filter: String, names: Vec<String>, is_whole: bool) {
        self.known = Some(Known {
            filter,
            names,
            is_whole,
        });
        if self.chosen.is_none() {
            self.suggest();
        }
    }

    fn suggest(&mut self) {
        self.chosen = None;
        let typed = self.row().map_or("", |row| row.on.text());
        let names = self.known.as_ref().map_or(&[][..], |known| &known.names);
        self.suggestions = suggested(typed, names);
    }

    /// It gets the focus, from above or from below.
    pub(crate) fn enter(&mut self, is_from_above: bool) {
        self.go(if is_from_above { 0 } else { self.last() });
    }

    fn last(&self) -> usize {
        if self.is_all { 0 } else { self.rows.len() }
    }

    fn go(&mut self, line: usize) {
        (self.line, self.column) = (line, 0);
        self.suggest();
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Step {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Char('o'), true) => self.add(),
            (KeyCode::Char('x'), true) => self.remove(),
            (KeyCode::Char('n'), true) => self.complete(true),
            (KeyCode::Char('p'), true) => self.complete(false),
            (KeyCode::Tab, _) if self.line > 0 && self.column < PERMISSIONS.len() => {
                self.column += 1;
            }
            (KeyCode::BackTab, _) if self.column > 0 => self.column -= 1,
            (KeyCode::Down | KeyCode::Enter | KeyCode::Tab, _) => {
                if self.line >= self.last() {
                    return Step::Next;
                }
                self.go(self.line + 1);
            }
            (KeyCode::Up | KeyCode::BackTab, _) => {
                let Some(line) = self.line.checked_sub(1) else {
                    return Step::Previous;
                };
                self.go(line);
            }
            _ => self.within(key),
        }
        Step::Stay
    }

    fn within(&mut self, key: KeyEvent) {
        if self.line == 0 {
            self.switch(key.code);
            return;
        }
        let column = self.column;
        let Some(row) = self.rows.get_mut(self.line - 1) else {
            return;
        };
        let Some(permission) = column.checked_sub(1) else {
            let before = row.on.text().to_owned();
            row.on.key(key);
            if row.on.text() != before {
                self.suggest();
            }
            return;
        };
        match key.code {
            KeyCode::Char(' ') => {
                if let Some(is_on) = row.permissions.get_mut(permission) {
                    *is_on = !*is_on;
                }
            }
            KeyCode::Char('h') | KeyCode::Left => self.column -= 1,
            KeyCode::Char('l') | KeyCode::Right => {
                self.column = (column + 1).min(PERMISSIONS.len());
            }
            _ => {}
        }
    }

    /// All, or only these.
    fn switch(&mut self, code: KeyCode) {
        if !matches!(
            code,
            KeyCode::Char(' ' | 'h' | 'l') | KeyCode::Left | KeyCode::Right
        ) {
            return;
        }
        self.is_all = !self.is_all;
        if self.rows.is_empty() {
            self.rows.push(Self::empty());
        }
    }

    /// A row to be filled in: most keys pull.
    fn empty() -> Row {
        Row {
            on: Input::default(),
            permissions: [true, false, false, false],
        }
    }

    fn add(&mut self) {
        if self.is_all {
            self.rows.retain(|row| !row.on.text().is_empty());
        }
        self.is_all = false;
        let place = self.line.min(self.rows.len());
        self.rows.insert(place, Self::empty());
        self.go(place + 1);
    }

    fn remove(&mut self) {
        if self.row().is_some() {
            self.rows.remove(self.line - 1);
            self.go(self.line.min(self.rows.len()));
        }
    }

    /// Takes a text that was pasted.
    pub(crate) fn paste(&mut self, text: &str) {
        let place = self.line.wrapping_sub(1);
        if let (Some(row), 0) = (self.rows.get_mut(place), self.column) {
            row.on.paste(text.trim());
            self.suggest();
        }
    }

    /// Puts the next suggestion, or the one before, in place of the pattern.
    fn complete(&mut self, is_forward: bool) {
        let all = self.suggestions.len();
        if all == 0 || self.column != 0 {
            return;
        }
        let place = match (self.chosen, is_forward) {
            (None, true) => 0,
            (None, false) => all - 1,
            (Some(place), true) => (place + 1) % all,
            (Some(place), false) => (place + all - 1) % all,
        };
        let row = self
            .line
            .checked_sub(1)
            .and_then(|row| self.rows.get_mut(row));
        if let (Some(text), Some(row)) = (self.suggestions.get(place), row) {
            row.on = Input::new(text);
            self.chosen = Some(place);
        }
    }
}
