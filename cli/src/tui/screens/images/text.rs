//! [`Text`]: a text, line by line: the bytes of a manifest.
//!
//! Invariants:
//! 1. What is shown is bounded: lines, and letters of a line.

use crate::tui::app::context::Context;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::screens::Screen;
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::textview::{Parts, TextView};
use crate::tui::widgets::{Browse, panel};
use ratatui::Frame;
use ratatui::layout::Rect;

/// The keys of this screen.
pub(super) const KEYS: &[Binding] = &[bind("y", Action::Copy, "copy", "copy the text")];

/// Lines and letters of a line that are shown.
const MOST: (usize, usize) = (50_000, 2_000);

/// A text.
#[derive(Debug)]
pub(super) struct Text {
    whole: String,
    view: TextView,
}

/// The lines of a text, as many and as long as are shown.
fn lines(text: &str) -> Vec<Parts> {
    let line = |line: &str| -> Parts {
        let mut letters = line.chars();
        let mut shown = vec![(letters.by_ref().take(MOST.1).collect(), Tone::Plain)];
        let left = letters.count();
        if left > 0 {
            shown.push((format!(" ({left} letters more)"), Tone::Warning));
        }
        shown
    };
    let mut all: Vec<Parts> = text.lines().take(MOST.0).map(line).collect();
    let left = text.lines().skip(MOST.0).count();
    if left > 0 {
        let more = format!("({left} lines more; y copies all)");
        all.push(vec![(more, Tone::Warning)]);
    }
    all
}

// === impl Text ===

impl Text {
    pub(super) fn new(text: &str) -> Self {
        Self {
            whole: text.to_owned(),
            view: TextView::new(lines(text)),
        }
    }
}

impl Screen for Text {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, _cx: &mut Context<'_>) {
        // It is all there.
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.view)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::Copy => cx.copy(self.whole.as_str(), "the text"),
            Action::Left => cx.leave(),
            _ => {}
        }
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let inside = panel(frame, area, "Text", paint.look);
        self.view.draw(frame, inside, paint.look);
    }
}
