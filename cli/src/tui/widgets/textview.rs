//! [`TextView`]: lines to be read, scrolled and searched: raw JSON, a plan, a help page.
//!
//! Invariants:
//! 1. Only the lines that are seen are drawn.

use super::{Browse, Motion, span};
use crate::tui::theme::{Look, Tone};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use std::cell::Cell as Slot;

/// Lines, each in parts with a meaning.
pub(crate) type Parts = Vec<(String, Tone)>;

/// Lines to be read.
#[derive(Debug, Default)]
pub(crate) struct TextView {
    all: Vec<Parts>,
    /// Places in `all` that pass the filter.
    view: Vec<usize>,
    cursor: usize,
    filter: String,
    search: String,
    top: Slot<usize>,
    area: Slot<Rect>,
    /// Into how many columns it was drawn.
    columns: Slot<u16>,
}

// === impl TextView ===

impl TextView {
    /// A view of these lines.
    pub(crate) fn new(lines: Vec<Parts>) -> Self {
        let view = (0..lines.len()).collect();
        Self {
            all: lines,
            view,
            ..Self::default()
        }
    }

    /// Takes other lines; filter, search and place stay.
    pub(crate) fn replace(&mut self, lines: Vec<Parts>) {
        self.all = lines;
        self.arrange();
    }

    /// Which line the cursor is on, counted without a filter.
    pub(crate) fn selected(&self) -> Option<usize> {
        self.view.get(self.cursor).copied()
    }

    /// The line the cursor is on.
    pub(crate) fn line(&self) -> String {
        let line = self.selected().and_then(|place| self.all.get(place));
        let parts = line.into_iter().flatten();
        parts.map(|(part, _)| part.as_str()).collect()
    }

    fn arrange(&mut self) {
        let text = self.filter.to_lowercase();
        let passing = (0..self.all.len()).filter(|place| self.has(*place, &text));
        self.view = passing.collect();
        self.cursor = self.cursor.min(self.view.len().saturating_sub(1));
    }

    fn has(&self, place: usize, text: &str) -> bool {
        if text.is_empty() {
            return true;
        }
        let whole: String = self.all[place]
            .iter()
            .map(|(part, _)| part.as_str())
            .collect();
        whole.to_lowercase().contains(text)
    }

    fn find(&mut self, mut places: impl Iterator<Item = usize>) {
        let text = self.search.to_lowercase();
        let is_match = |place: &usize| {
            self.view
                .get(*place)
                .is_some_and(|line| self.has(*line, &text))
        };
        if let Some(place) = places.find(is_match) {
            self.cursor = place;
        }
    }

    /// How many lines are seen at once.
    fn seen(&self) -> usize {
        usize::from(self.area.get().height) * usize::from(self.columns.get().max(1))
    }

    /// Draws the lines around the cursor.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: Look) {
        self.drawn(frame, area, (1, true), look);
    }

    /// The same in one of several panes: the cursor is shown where keys go to.
    pub(crate) fn draw_beside(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        look: Look,
        has_focus: bool,
    ) {
        self.drawn(frame, area, (1, has_focus), look);
    }

    /// The same in columns, each of which goes on where the one before ends.
    pub(crate) fn draw_in(&self, frame: &mut Frame<'_>, area: Rect, columns: u16, look: Look) {
        self.drawn(frame, area, (columns, true), look);
    }

    fn drawn(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        (columns, has_focus): (u16, bool),
        look: Look,
    ) {
        self.area.set(area);
        self.columns.set(columns.max(1));
        let seen = self.seen();
        if seen == 0 {
            return;
        }
        let top = self.top.get().min(self.view.len().saturating_sub(seen));
        let top = top.clamp((self.cursor + 1).saturating_sub(seen), self.cursor);
        self.top.set(top);
        let search = self.search.to_lowercase();
        let lines = self
            .view
            .iter()
            .enumerate()
            .skip(top)
            .take(seen)
            .map(|(place, line)| {
                let parts = self.all[*line]
                    .iter()
                    .map(|(part, tone)| span(look, part, *tone));
                let drawn = Line::from(parts.collect::<Vec<_>>());
                let is_match = !search.is_empty() && self.has(*line, &search);
                match (has_focus && place == self.cursor, is_match) {
                    (true, _) => drawn.style(look.style(Tone::Selected)),
                    (false, true) => drawn.style(look.style(Tone::Match)),
                    _ => drawn,
                }
            });
        let lines: Vec<_> = lines.collect();
        let width = area.width / columns.max(1);
        for (column, lines) in (0..).zip(lines.chunks(usize::from(area.height))) {
            let part = Rect {
                x: area.x + width * column,
                width,
                ..area
            };
            frame.render_widget(Paragraph::new(lines.to_vec()), part);
        }
    }
}

impl Browse for TextView {
    fn moved(&mut self, motion: Motion, count: Option<usize>) {
        let last = self.view.len().saturating_sub(1);
        let seen = self.seen();
        self.cursor = motion.from(self.cursor, count, (last, seen));
    }

    fn filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter);
        self.arrange();
    }

    fn filtered(&self) -> &str {
        &self.filter
    }

    fn search(&mut self, text: &str, from: usize) {
        text.clone_into(&mut self.search);
        if !text.is_empty() {
            self.find((from..self.view.len()).chain(0..from));
        }
    }

    fn searched(&self) -> &str {
        &self.search
    }

    fn next_match(&mut self, is_forward: bool) {
        let (here, all) = (self.cursor, self.view.len());
        if is_forward {
            self.find((here + 1..all).chain(0..=here));
        } else {
            self.find((0..here).rev().chain((here..all).rev()));
        }
    }

    fn sort(&mut self, _is_reverse: bool) {
        // Lines of a text have their order.
    }

    fn cursor(&self) -> usize {
        self.cursor
    }

    fn click(&mut self, at: Position) -> bool {
        let area = self.area.get();
        let width = (area.width / self.columns.get().max(1)).max(1);
        let column = usize::from(at.x.saturating_sub(area.x) / width);
        let row = usize::from(at.y.saturating_sub(area.y));
        let place = self.top.get() + column * usize::from(area.height) + row;
        let is_there = area.contains(at) && place < self.view.len();
        if is_there {
            self.cursor = place;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn a_click_in_the_second_column_finds_its_line() {
        let lines: Vec<String> = (0..30).map(|line| format!("line {line}")).collect();
        let mut view = TextView::new(
            lines
                .iter()
                .map(|line| vec![(line.clone(), Tone::Plain)])
                .collect(),
        );
        let mut terminal = Terminal::new(TestBackend::new(40, 10)).unwrap();
        let draw = |frame: &mut Frame<'_>| view.draw_in(frame, frame.area(), 2, Look::default());
        terminal.draw(draw).unwrap();
        assert!(view.click(Position::new(3, 4)));
        assert_eq!(view.cursor(), 4);
        assert!(view.click(Position::new(25, 4)));
        assert_eq!(view.cursor(), 14);
        view.moved(Motion::Halves(1), None);
        assert_eq!(view.cursor(), 24);
    }
}
