//! Help: every key, from the one table, to be searched and filtered; in two columns where there is room. The
//! keys of the screen one came from are the first.

use super::Screen;
use crate::tui::app::context::Context;
use crate::tui::keys::{Action, Binding, sections};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::textview::{Parts, TextView};
use crate::tui::widgets::{Browse, panel};
use ratatui::Frame;
use ratatui::layout::Rect;

/// Columns of a line: keys, command.
const WIDTHS: (usize, usize) = (20, 14);

/// Room that a line needs at most.
const COLUMN: u16 = 94;

/// Every key.
#[derive(Debug)]
pub(super) struct Help {
    view: TextView,
}

// === impl Help ===

impl Help {
    pub(super) fn new() -> Self {
        Self {
            view: TextView::new(lines(&[])),
        }
    }
}

/// Every key, those of a section with these bindings before the others.
fn lines(first: &[Binding]) -> Vec<Parts> {
    let mut sections = sections();
    // Those of a screen without keys of its own are the general ones, which come first anyhow.
    sections.sort_by_key(|section| first.is_empty() || section.bindings != first);
    let mut lines: Vec<Parts> = Vec::new();
    for section in sections {
        lines.push(vec![(section.name.to_owned(), Tone::Heading)]);
        for binding in section.bindings {
            let command = match binding.command {
                "" => String::new(),
                command => format!(":{command}"),
            };
            lines.push(vec![
                (format!("  {:1$}", binding.keys, WIDTHS.0), Tone::Accent),
                (format!("{command:0$}", WIDTHS.1), Tone::Dim),
                (binding.help.to_owned(), Tone::Plain),
            ]);
        }
        lines.push(Parts::new());
    }
    lines
}

impl Screen for Help {
    fn entered_from(&mut self, keys: &'static [Binding]) {
        self.view = TextView::new(lines(keys));
    }

    fn load(&mut self, _cx: &mut Context<'_>) {}

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.view)
    }

    fn act(&mut self, _action: Action, _count: Option<usize>, _cx: &mut Context<'_>) {}

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let inside = panel(frame, area, "Every key; f filters, / searches", paint.look);
        let columns = inside.width / COLUMN;
        self.view
            .draw_in(frame, inside, columns.clamp(1, 2), paint.look);
    }
}
