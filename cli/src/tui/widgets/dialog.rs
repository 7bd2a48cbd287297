//! [`Dialog`]: what stands over a screen until it is answered: a form, a question, or a notice.
//!
//! Invariants:
//! 1. What cannot be undone is asked for by typing its name, never by one key.

use super::form::{Form, Typed};
use super::input::Input;
use super::{span, window};
use crate::tui::theme::{Look, Tone};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

/// What stands over a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialog {
    /// Fields to be filled in.
    Form(Form),
    /// Yes or no.
    Question(Question),
    /// Something to be read.
    Notice(Notice),
}

/// Whether to do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    title: String,
    text: String,
    /// What has to be typed, if a `y` is not enough, and what was.
    name: Option<(String, Input)>,
    /// What the server said to it.
    pub(crate) error: Option<String>,
    /// Whether the server has not answered yet.
    pub(crate) is_sent: bool,
}

/// Something to be read; it may have a secret in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What it is about.
    pub(crate) title: String,
    /// What it says, a line each.
    pub(crate) lines: Vec<String>,
    /// What `y` puts into the clipboard.
    pub(crate) copied: Option<Copied>,
}

/// A text to be copied; it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Copied(pub(crate) String);

impl std::fmt::Debug for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Copied")
    }
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Notice({:?})", self.title)
    }
}

/// What a key did to a dialog.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Something within it.
    Within,
    /// Yes, or what was filled in.
    Submitted,
    /// No.
    Cancelled,
    /// This is to be copied.
    Copy(Copied),
}

// === impl Question ===

impl Question {
    /// One that `y` answers.
    pub(crate) fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            name: None,
            error: None,
            is_sent: false,
        }
    }

    /// One that is answered by typing `name`.
    pub(crate) fn typed(title: impl Into<String>, text: impl Into<String>, name: &str) -> Self {
        Self {
            name: Some((name.to_owned(), Input::default())),
            ..Self::new(title, text)
        }
    }

    fn key(&mut self, key: KeyEvent) -> Answer {
        let is_letter = !key.modifiers.contains(KeyModifiers::CONTROL);
        match (&mut self.name, key.code) {
            (_, KeyCode::Esc) => Answer::Cancelled,
            _ if self.is_sent => Answer::Within,
            (Some((name, input)), KeyCode::Enter) => {
                if input.text() == *name {
                    return Answer::Submitted;
                }
                self.error = Some(format!("that is not {name}"));
                Answer::Within
            }
            (Some((_, input)), _) => {
                input.key(key);
                Answer::Within
            }
            (None, KeyCode::Char('y' | 'Y')) if is_letter => Answer::Submitted,
            (None, KeyCode::Char('n' | 'N' | 'q')) if is_letter => Answer::Cancelled,
            (None, _) => Answer::Within,
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: Look) {
        let mut lines = vec![
            Line::from(span(look, &self.text, Tone::Plain)),
            Line::default(),
        ];
        match &self.name {
            _ if self.is_sent => lines.push(Line::from(span(
                look,
                "waiting for the server; Esc: stop",
                Tone::Dim,
            ))),
            Some((name, input)) => {
                let ask = format!("Type {name} and Enter; Esc: leave it");
                lines.push(Line::from(span(look, &ask, Tone::Warning)));
                lines.push(input.line(64, look, true));
            }
            None => lines.push(Line::from(span(
                look,
                "y: do it   n, Esc: leave it",
                Tone::Warning,
            ))),
        }
        if let Some(error) = &self.error {
            lines.push(Line::from(span(look, error, Tone::Bad)));
        }
        text_window(frame, area, &self.title, lines, look);
    }
}

// === impl Notice ===

impl Notice {
    /// One with these lines.
    pub(crate) fn new(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self {
            title: title.into(),
            lines,
            copied: None,
        }
    }

    /// The same, with a text that `y` copies.
    pub(crate) fn with_copy(mut self, text: impl Into<String>) -> Self {
        self.copied = Some(Copied(text.into()));
        self
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: Look) {
        let mut lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| Line::from(span(look, line, Tone::Plain)))
            .collect();
        lines.push(Line::default());
        let foot = if self.copied.is_some() {
            "y: copy   Enter, Esc: close"
        } else {
            "Enter, Esc: close"
        };
        lines.push(Line::from(span(look, foot, Tone::Dim)));
        text_window(frame, area, &self.title, lines, look);
    }
}

/// Draws a window that is as high as its text.
fn text_window(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    lines: Vec<Line<'static>>,
    look: Look,
) {
    // A little wider where that keeps a line whole: a key has 85 letters.
    let longest = lines.iter().map(Line::width).max().unwrap_or(0);
    let width = if (83..=98).contains(&longest) {
        100
    } else {
        84
    };
    let width = width.min(area.width);
    let inner = usize::from(width.saturating_sub(2)).max(1);
    let rows: usize = lines
        .iter()
        .map(|line| line.width().div_ceil(inner).max(1))
        .sum();
    let height = u16::try_from(rows + 3).unwrap_or(u16::MAX);
    let inside = window(frame, area, (width, height), title, look);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inside);
}

// === impl Dialog ===

impl Dialog {
    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Answer {
        match self {
            Self::Form(form) => match form.key(key) {
                Typed::Within => Answer::Within,
                Typed::Submitted => Answer::Submitted,
                Typed::Cancelled => Answer::Cancelled,
            },
            Self::Question(question) => question.key(key),
            Self::Notice(notice) => match (key.code, &notice.copied) {
                (KeyCode::Char('y'), Some(text)) => Answer::Copy(text.clone()),
                (KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q'), _) => Answer::Cancelled,
                _ => Answer::Within,
            },
        }
    }

    /// Takes a text that was pasted.
    pub(crate) fn paste(&mut self, text: &str) {
        match self {
            Self::Form(form) => form.paste(text),
            Self::Question(Question {
                name: Some((_, input)),
                ..
            }) => input.paste(text),
            _ => {}
        }
    }

    /// Whether it was sent, and the server has not answered.
    pub(crate) const fn is_sent(&self) -> bool {
        match self {
            Self::Form(form) => form.is_sent,
            Self::Question(question) => question.is_sent,
            Self::Notice(_) => false,
        }
    }

    /// It was sent, and the server has not answered.
    pub(crate) fn sent(&mut self) {
        match self {
            Self::Form(form) => (form.is_sent, form.error) = (true, None),
            Self::Question(question) => (question.is_sent, question.error) = (true, None),
            Self::Notice(_) => {}
        }
    }

    /// What the server said instead of doing it.
    pub(crate) fn refused(&mut self, why: &str) {
        match self {
            Self::Form(form) => (form.is_sent, form.error) = (false, Some(why.to_owned())),
            Self::Question(question) => {
                (question.is_sent, question.error) = (false, Some(why.to_owned()));
            }
            Self::Notice(_) => {}
        }
    }

    /// Draws it over what is there.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: Look) {
        match self {
            Self::Form(form) => form.draw(frame, area, look),
            Self::Question(question) => question.draw(frame, area, look),
            Self::Notice(notice) => notice.draw(frame, area, look),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(dialog: &mut Dialog, code: KeyCode) -> Answer {
        dialog.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn what_cannot_be_undone_is_done_only_when_its_name_was_typed() {
        let mut dialog = Dialog::Question(Question::typed("Delete", "It goes.", "team/app"));
        assert_eq!(press(&mut dialog, KeyCode::Char('y')), Answer::Within);
        assert_eq!(press(&mut dialog, KeyCode::Enter), Answer::Within);
        press(&mut dialog, KeyCode::Backspace);
        dialog.paste("team/app");
        assert_eq!(press(&mut dialog, KeyCode::Enter), Answer::Submitted);
        dialog.sent();
        assert_eq!(press(&mut dialog, KeyCode::Enter), Answer::Within);
        assert_eq!(press(&mut dialog, KeyCode::Esc), Answer::Cancelled);
    }

    #[test]
    fn a_key_is_copied_and_not_printed() {
        let notice = Notice::new("Key", vec!["flr_x".to_owned()]).with_copy("flr_x");
        let mut dialog = Dialog::Notice(notice);
        assert!(!format!("{dialog:?}").contains("flr_x"));
        assert_eq!(
            press(&mut dialog, KeyCode::Char('y')),
            Answer::Copy(Copied("flr_x".to_owned()))
        );
        assert_eq!(press(&mut dialog, KeyCode::Enter), Answer::Cancelled);
    }
}
