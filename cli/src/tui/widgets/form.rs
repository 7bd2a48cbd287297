//! [`Form`]: fields that are filled in, each a line of text, a secret, a choice, a switch, one of many
//! names, or the scopes of a key.
//!
//! What was filled in is kept until the server has taken it: a refusal is shown in the form, and what is
//! wrong can be mended there.
//!
//! Invariants:
//! 1. The focus is on a field there is.

use super::input::Input;
use super::pick::Pick;
use super::scopes::{Scope, Scopes, Step};
use super::{span, window};
use crate::tui::theme::{Look, Tone};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

/// Fields to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    title: String,
    fields: Vec<Field>,
    focus: usize,
    /// What the server said to it.
    pub(crate) error: Option<String>,
    /// Whether the server has not answered yet.
    pub(crate) is_sent: bool,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    label: &'static str,
    /// What may be filled in, in a few words.
    hint: String,
    value: Value,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(Input),
    Choice(Vec<String>, usize),
    Switch(bool),
    Pick(Pick),
    Scopes(Scopes),
}

/// What a key did to a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Something within it.
    Within,
    /// It is to be sent.
    Submitted,
    /// It is to be thrown away.
    Cancelled,
}

// === impl Field ===

impl Field {
    /// A line of text.
    pub(crate) fn text(label: &'static str, text: &str, hint: impl Into<String>) -> Self {
        Self::new(label, hint, Value::Text(Input::new(text)))
    }

    /// A line that is not shown.
    pub(crate) fn secret(label: &'static str, hint: impl Into<String>) -> Self {
        Self::new(label, hint, Value::Text(Input::secret()))
    }

    /// One of several texts.
    pub(crate) fn choice(
        label: &'static str,
        options: Vec<String>,
        chosen: usize,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(label, hint, Value::Choice(options, chosen))
    }

    /// Yes or no.
    pub(crate) fn switch(label: &'static str, is_on: bool, hint: impl Into<String>) -> Self {
        Self::new(label, hint, Value::Switch(is_on))
    }

    /// One of many texts, which is found by typing a part of it.
    pub(crate) fn pick(label: &'static str, options: Vec<String>, hint: impl Into<String>) -> Self {
        Self::new(label, hint, Value::Pick(Pick::new(options)))
    }

    /// What a key may; none: all that its owner may.
    pub(crate) fn scopes(label: &'static str, scopes: Option<&[Scope]>) -> Self {
        Self::new(label, "", Value::Scopes(Scopes::new(scopes)))
    }

    fn new(label: &'static str, hint: impl Into<String>, value: Value) -> Self {
        Self {
            label,
            hint: hint.into(),
            value,
        }
    }

    fn key(&mut self, key: KeyEvent) {
        if let Value::Pick(pick) = &mut self.value {
            return pick.key(key);
        }
        match (&mut self.value, key.code) {
            (Value::Text(input), _) => {
                input.key(key);
            }
            (
                Value::Switch(is_on),
                KeyCode::Char(' ' | 'h' | 'l') | KeyCode::Left | KeyCode::Right,
            ) => {
                *is_on = !*is_on;
            }
            (Value::Choice(options, chosen), KeyCode::Char(' ' | 'l') | KeyCode::Right) => {
                *chosen = (*chosen + 1) % options.len().max(1);
            }
            (Value::Choice(options, chosen), KeyCode::Char('h') | KeyCode::Left) => {
                *chosen = (*chosen + options.len().saturating_sub(1)) % options.len().max(1);
            }
            _ => {}
        }
    }

    /// Whether a line below it says what may be filled in.
    const fn has_hint(&self) -> bool {
        !matches!(self.value, Value::Scopes(_))
    }

    /// How many lines it has.
    fn height(&self) -> usize {
        match &self.value {
            Value::Scopes(scopes) => scopes.height(),
            _ => 1,
        }
    }

    /// The first and the last of its lines that have to be seen when it has the focus.
    fn focused_lines(&self) -> (usize, usize) {
        match &self.value {
            Value::Scopes(scopes) => scopes.focused_lines(),
            _ => (0, 0),
        }
    }

    fn lines(&self, width: usize, look: Look, has_focus: bool) -> Vec<Line<'static>> {
        match &self.value {
            Value::Scopes(scopes) => scopes.lines(width, look, has_focus),
            _ => vec![self.line(width, look, has_focus)],
        }
    }

    fn line(&self, width: usize, look: Look, has_focus: bool) -> Line<'static> {
        let tone = if has_focus { Tone::Accent } else { Tone::Plain };
        match &self.value {
            Value::Text(input) => input.line(width, look, has_focus),
            Value::Pick(pick) => pick.line(look, has_focus),
            Value::Scopes(_) => Line::default(),
            Value::Switch(is_on) => {
                Line::from(span(look, if *is_on { "[x] yes" } else { "[ ] no" }, tone))
            }
            Value::Choice(options, chosen) => {
                let chosen = options.get(*chosen).map_or("", String::as_str);
                Line::from(span(look, &format!("< {chosen} >"), tone))
            }
        }
    }
}

// === impl Form ===

impl Form {
    /// A form with these fields, the first to be filled in first.
    pub(crate) fn new(title: impl Into<String>, fields: Vec<Field>) -> Self {
        Self {
            title: title.into(),
            fields,
            focus: 0,
            error: None,
            is_sent: false,
        }
    }

    /// The same, with the focus on a field.
    pub(crate) fn at(mut self, label: &str) -> Self {
        let place = self.fields.iter().position(|field| field.label == label);
        self.focus = place.unwrap_or(0);
        self
    }

    /// What a text field holds, or which option is chosen; without the spaces around it, but for secrets.
    pub(crate) fn text(&self, label: &str) -> &str {
        let field = self.fields.iter().find(|field| field.label == label);
        match field.map(|field| &field.value) {
            Some(Value::Text(input)) if *input == Input::secret() => "",
            Some(Value::Text(input)) => input.text(),
            Some(Value::Choice(options, chosen)) => options.get(*chosen).map_or("", String::as_str),
            Some(Value::Pick(pick)) => pick.chosen(),
            _ => "",
        }
    }

    /// The same, none when it is empty.
    pub(crate) fn given(&self, label: &str) -> Option<&str> {
        Some(self.text(label)).filter(|text| !text.is_empty())
    }

    /// The parts of a text field, which are separated by spaces or commas.
    pub(crate) fn words(&self, label: &str) -> Vec<&str> {
        let words = self.text(label).split([' ', ',']);
        words.filter(|word| !word.is_empty()).collect()
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, label: &str) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|field| field.label == label && field.value == Value::Switch(true))
    }

    /// The scopes of a key that are being filled in.
    pub(crate) fn scopes(&self, label: &str) -> Option<&Scopes> {
        let field = self.fields.iter().find(|field| field.label == label)?;
        match &field.value {
            Value::Scopes(scopes) => Some(scopes),
            _ => None,
        }
    }

    /// The scopes that have the focus.
    pub(crate) fn focused_scopes(&mut self) -> Option<&mut Scopes> {
        match &mut self.fields.get_mut(self.focus)?.value {
            Value::Scopes(scopes) => Some(scopes),
            _ => None,
        }
    }

    /// Offers other texts in a field of many; what was chosen stays chosen.
    pub(crate) fn offer(&mut self, label: &str, options: Vec<String>) {
        let field = self.fields.iter_mut().find(|field| field.label == label);
        if let Some(Value::Pick(pick)) = field.map(|field| &mut field.value) {
            pick.offer(options);
        }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Typed {
        let is_last = self.focus + 1 >= self.fields.len();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let is_within = !self.is_sent
            && key.code != KeyCode::Esc
            && !(control && key.code == KeyCode::Char('s'));
        if is_within && let Some(scopes) = self.focused_scopes() {
            match scopes.key(key) {
                Step::Stay => {}
                Step::Next => self.go(1),
                Step::Previous => self.go(-1),
            }
            return Typed::Within;
        }
        match key.code {
            KeyCode::Esc => return Typed::Cancelled,
            _ if self.is_sent => return Typed::Within,
            KeyCode::Char('s') if control => return Typed::Submitted,
            KeyCode::Enter if is_last => return Typed::Submitted,
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => self.go(1),
            KeyCode::BackTab | KeyCode::Up => self.go(-1),
            _ => {
                if let Some(field) = self.fields.get_mut(self.focus) {
                    field.key(key);
                }
            }
        }
        Typed::Within
    }

    /// Takes a text that was pasted.
    pub(crate) fn paste(&mut self, text: &str) {
        let field = self.fields.get_mut(self.focus);
        match field.map(|field| &mut field.value) {
            Some(Value::Text(input)) => input.paste(text),
            Some(Value::Scopes(scopes)) => scopes.paste(text),
            Some(Value::Pick(pick)) => pick.paste(text),
            _ => {}
        }
    }

    fn go(&mut self, steps: isize) {
        let there = self.focus.cast_signed() + steps;
        let there = there.rem_euclid(self.fields.len().max(1).cast_signed());
        self.focus = there.cast_unsigned();
        if let Some(scopes) = self.focused_scopes() {
            scopes.enter(steps > 0);
        }
    }

    /// The lines of all fields, and the first and the last of those that have to be seen.
    fn lines(
        &self,
        (label, inner): (usize, usize),
        has_hints: bool,
        look: Look,
    ) -> (Vec<Line<'static>>, (usize, usize)) {
        let (mut lines, mut focused) = (Vec::new(), (0, 0));
        let room = inner.saturating_sub(label + 2);
        for (place, field) in self.fields.iter().enumerate() {
            let has_focus = place == self.focus && !self.is_sent;
            if place == self.focus {
                let (first, last) = field.focused_lines();
                focused = (lines.len() + first, lines.len() + last);
            }
            let tone = if has_focus { Tone::Accent } else { Tone::Dim };
            let mut name = field.label;
            for drawn in field.lines(room, look, has_focus) {
                let mut line = vec![span(look, &format!("{name:label$}  "), tone)];
                line.extend(drawn.spans);
                lines.push(Line::from(line));
                name = "";
            }
            if has_hints && field.has_hint() {
                let hint = format!("{:label$}  {}", "", field.hint);
                lines.push(Line::from(span(look, &hint, Tone::Dim)));
            }
        }
        (lines, focused)
    }

    /// Draws it over what is there.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: Look) {
        let labels = self.fields.iter().map(|field| field.label.len());
        let label = labels.max().unwrap_or(0);
        let error = self.error.as_deref().unwrap_or_default();
        let is_wide = self
            .fields
            .iter()
            .any(|field| matches!(field.value, Value::Scopes(_)));
        let width = if is_wide { 110 } else { 72 }.min(area.width);
        let inner = usize::from(width.saturating_sub(4)).max(1);
        let error_lines = error.len().div_ceil(inner).min(4);
        // On a small terminal the hints go before the fields do.
        let rows: usize = self.fields.iter().map(Field::height).sum();
        let hints = self.fields.iter().filter(|field| field.has_hint()).count();
        let around = error_lines + 3;
        let has_hints = rows + hints + around <= usize::from(area.height);
        let height = rows + if has_hints { hints } else { 0 } + around;
        let height = u16::try_from(height).unwrap_or(u16::MAX);
        let inside = window(frame, area, (width, height), &self.title, look);
        let (lines, focused) = self.lines((label, inner), has_hints, look);
        let room = usize::from(inside.height).saturating_sub(error_lines + 1);
        let last = focused.1 + 1 + usize::from(has_hints);
        let skipped = last.saturating_sub(room).min(focused.0);
        let mut shown: Vec<Line<'_>> = lines.into_iter().skip(skipped).take(room).collect();
        let foot = if self.is_sent {
            "waiting for the server; Esc: stop"
        } else {
            "Enter: next, at the end: send   Ctrl-s: send   Esc: throw away"
        };
        if !error.is_empty() {
            shown.push(Line::from(span(look, error, Tone::Bad)));
        }
        shown.push(Line::from(Span::styled(foot, look.style(Tone::Dim))));
        frame.render_widget(Paragraph::new(shown).wrap(Wrap { trim: false }), inside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form::new(
            "New",
            vec![
                Field::text("name", "jo", "a name"),
                Field::choice(
                    "role",
                    vec!["reader".to_owned(), "writer".to_owned()],
                    0,
                    "",
                ),
                Field::switch("public", false, ""),
                Field::secret("password", ""),
            ],
        )
    }

    fn typed(form: &mut Form, keys: &[KeyCode]) -> Typed {
        let mut last = Typed::Within;
        for code in keys {
            last = form.key(KeyEvent::new(*code, KeyModifiers::NONE));
        }
        last
    }

    #[test]
    fn fields_are_filled_in_by_keys_and_the_last_enter_sends() {
        let mut form = form();
        let keys = [
            KeyCode::Char('e'),
            KeyCode::Enter,
            KeyCode::Char('l'),
            KeyCode::Tab,
            KeyCode::Char(' '),
            KeyCode::Down,
        ];
        assert_eq!(typed(&mut form, &keys), Typed::Within);
        form.paste("swordfish\n");
        assert_eq!(typed(&mut form, &[KeyCode::Enter]), Typed::Submitted);
        assert_eq!(form.text("name"), "joe");
        assert_eq!(form.text("role"), "writer");
        assert!(form.is_on("public"));
        assert_eq!(form.text("password"), "swordfish");
        assert!(!format!("{form:?}").contains("swordfish"));
    }

    #[test]
    fn what_was_sent_is_not_changed_until_it_is_answered() {
        let mut form = form();
        form.is_sent = true;
        assert_eq!(typed(&mut form, &[KeyCode::Char('x')]), Typed::Within);
        assert_eq!(form.text("name"), "jo");
        assert_eq!(typed(&mut form, &[KeyCode::Esc]), Typed::Cancelled);
    }
}
