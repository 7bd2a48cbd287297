//! What screens are made of: lists that are paged from the server, forms, dialogs, texts, gauges.
//!
//! A widget keeps its own state, says what a key did to it, and is drawn from its state alone.

pub(crate) mod columns;
pub(crate) mod dialog;
pub(crate) mod form;
pub(crate) mod input;
pub(crate) mod list;
pub(crate) mod listing;
pub(crate) mod pick;
pub(crate) mod scopes;
pub(crate) mod series;
pub(crate) mod textview;

use crate::tui::text::clean;
use crate::tui::theme::{Look, Tone};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

/// What can be moved about, searched, filtered and sorted; a screen says which of its panes keys go to.
pub(crate) trait Browse {
    /// Moves the cursor.
    fn moved(&mut self, motion: Motion, count: Option<usize>);
    /// Shows only what has `text` in it; all for an empty one.
    fn filter(&mut self, text: &str);
    /// What it shows only.
    fn filtered(&self) -> &str;
    /// Goes to the first match of `text` at or behind `from`; searches for nothing when it is empty.
    fn search(&mut self, text: &str, from: usize);
    /// What is searched for.
    fn searched(&self) -> &str;
    /// Goes to another match.
    fn next_match(&mut self, is_forward: bool);
    /// Sorts by the next column, or the other way round.
    fn sort(&mut self, is_reverse: bool);
    /// Where the cursor is.
    fn cursor(&self) -> usize;
    /// Puts the cursor where the mouse points; whether that is on a row.
    fn click(&mut self, at: Position) -> bool;
}

/// How the cursor moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    /// By rows.
    By(isize),
    /// By halves of what is seen.
    Halves(isize),
    /// To the first row, or to the one that the count says.
    First,
    /// To the last row, or to the one that the count says.
    Last,
}

impl Motion {
    /// Where it leads from a row, when there is a `last` row and so many are `seen` at once.
    fn from(self, row: usize, count: Option<usize>, (last, seen): (usize, usize)) -> usize {
        let half = (seen / 2).max(1).cast_signed();
        let times = count.unwrap_or(1).cast_signed();
        let by = |steps: isize| row.saturating_add_signed(steps.saturating_mul(times));
        let there = match (self, count) {
            (Self::By(steps), _) => by(steps),
            (Self::Halves(halves), _) => by(halves.saturating_mul(half)),
            (Self::First | Self::Last, Some(row)) => row.saturating_sub(1),
            (Self::First, None) => 0,
            (Self::Last, None) => last,
        };
        there.min(last)
    }
}

/// A text with its meaning, for a place in a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    /// What is written.
    pub(crate) text: String,
    /// What it means.
    pub(crate) tone: Tone,
}

/// A cell.
pub(crate) fn cell(text: impl Into<String>, tone: Tone) -> Cell {
    Cell {
        text: text.into(),
        tone,
    }
}

/// Text that came from anywhere, made harmless.
pub(crate) fn span(look: Look, text: &str, tone: Tone) -> Span<'static> {
    Span::styled(clean(text).into_owned(), look.style(tone))
}

/// Draws a box with a title; what is left inside.
pub(crate) fn panel(frame: &mut Frame<'_>, area: Rect, title: &str, look: Look) -> Rect {
    pane(frame, area, title, look, false)
}

/// The same, and whether keys go to it.
pub(crate) fn pane(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    look: Look,
    has_focus: bool,
) -> Rect {
    let tone = if has_focus { Tone::Accent } else { Tone::Dim };
    let title = Line::from(vec![
        Span::raw(" "),
        span(
            look,
            title,
            if has_focus {
                Tone::Heading
            } else {
                Tone::Plain
            },
        ),
        Span::raw(" "),
    ]);
    let block = Block::bordered()
        .border_set(look.border())
        .border_style(look.style(tone))
        .style(look.style(Tone::Plain))
        .title(title);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

/// Draws an empty box over what is there, in the middle; what is left inside.
pub(crate) fn window(
    frame: &mut Frame<'_>,
    area: Rect,
    (width, height): (u16, u16),
    title: &str,
    look: Look,
) -> Rect {
    let width = width.min(area.width);
    let height = height.min(area.height);
    let around = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, around);
    pane(frame, around, title, look, true)
}

/// A gauge as text: `####----  50 %`, `width` letters for the bar.
pub(crate) fn gauge(look: Look, part: u64, whole: u64, width: usize) -> String {
    let (full, empty) = look.gauge();
    let share = if whole == 0 {
        0
    } else {
        u128::from(part) * 1000 / u128::from(whole)
    };
    // More than the whole is said in numbers; there is no room to draw it.
    let filled = (share.min(1000) as usize * width + 500) / 1000;
    format!(
        "{}{} {:>3} %",
        full.repeat(filled),
        empty.repeat(width - filled),
        share / 10
    )
}
