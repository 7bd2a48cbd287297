//! Columns of tables: which have room, how wide they are, and how a cell, or a line, is fitted into its room.

use super::Cell;
use crate::tui::text::clean;
use crate::tui::theme::{Look, Tone};
use ratatui::layout::Alignment;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) name: &'static str,
    /// How wide it is; `None`: what is left.
    pub(crate) width: Option<u16>,
    /// How wide it is at least.
    least: u16,
    /// Whether its texts stand at its right side.
    pub(crate) is_right: bool,
    /// 0 is always there; the higher, the earlier it goes when the screen is narrow.
    pub(crate) rank: u8,
}

/// Shortens tables of columns.
pub(crate) const fn column(name: &'static str, width: u16, rank: u8) -> Column {
    Column {
        name,
        width: Some(width),
        least: width,
        is_right: false,
        rank,
    }
}

/// A column of numbers.
pub(crate) const fn number(name: &'static str, width: u16, rank: u8) -> Column {
    Column {
        name,
        width: Some(width),
        least: width,
        is_right: true,
        rank,
    }
}

/// A column that takes what is left.
pub(crate) const fn wide(name: &'static str, rank: u8) -> Column {
    roomy(name, LEAST, rank)
}

/// A column that takes what is left, before which others go that would leave it less than this.
pub(crate) const fn roomy(name: &'static str, least: u16, rank: u8) -> Column {
    Column {
        name,
        width: None,
        least,
        is_right: false,
        rank,
    }
}

/// The least a column has that takes what is left.
const LEAST: u16 = 12;

/// A cell's text at its side of the column, cut with a mark when it is too long.
pub(super) fn aligned(cell: &Cell, column: &Column, width: u16, look: Look) -> Line<'static> {
    let text = fitted(&cell.text, width, look);
    let line = Line::from(Span::styled(text, look.style(cell.tone)));
    let side = if column.is_right {
        Alignment::Right
    } else {
        Alignment::Left
    };
    line.alignment(side)
}

/// `text`, harmless, and with a mark at its end if it is wider than `width`.
pub(crate) fn fitted(text: &str, width: u16, look: Look) -> String {
    let text = clean(text);
    let width = usize::from(width);
    if Span::raw(text.as_ref()).width() <= width {
        return text.into_owned();
    }
    let mut cut = String::new();
    for letter in text.chars() {
        cut.push(letter);
        if Span::raw(cut.as_str()).width() >= width {
            cut.pop();
            break;
        }
    }
    cut + look.ellipsis()
}

/// A line in at most `room` columns: with a mark in place of its middle if it is wider, as what tells lines
/// apart stands at their ends.
pub(crate) fn without_middle(
    parts: Vec<Span<'static>>,
    room: usize,
    look: Look,
) -> Vec<Span<'static>> {
    if parts.iter().map(Span::width).sum::<usize>() <= room {
        return parts;
    }
    let Some(kept) = room.checked_sub(1) else {
        return Vec::new();
    };
    let letters = parts
        .iter()
        .flat_map(|part| part.styled_graphemes(Style::default()))
        .map(|letter| Span::styled(letter.symbol.to_owned(), letter.style))
        .collect::<Vec<_>>();
    let half = kept / 2;
    let mut line = fitting(letters.iter(), half);
    let mut end = fitting(letters.iter().rev(), kept - half);
    line.push(Span::styled(look.ellipsis(), look.style(Tone::Dim)));
    end.reverse();
    line.extend(end);
    line
}

/// The first of these letters that have room.
fn fitting<'a>(
    letters: impl Iterator<Item = &'a Span<'static>>,
    mut room: usize,
) -> Vec<Span<'static>> {
    let fitting = letters.take_while(|letter| {
        let left = room.checked_sub(letter.width());
        room = left.unwrap_or(0);
        left.is_some()
    });
    fitting.cloned().collect()
}

/// The columns that have room, in their order, and how wide each is.
pub(super) fn columns(all: &[Column], width: u16) -> Vec<(usize, u16)> {
    let mut kept: Vec<usize> = (0..all.len()).collect();
    loop {
        let needed: u16 = kept.iter().map(|place| all[*place].least + 2).sum();
        let least = kept
            .iter()
            .copied()
            .max_by_key(|place| (all[*place].rank, *place));
        match least {
            Some(place) if needed > width.saturating_add(2) && all[place].rank > 0 => {
                kept.retain(|other| *other != place);
            }
            _ => break,
        }
    }
    let taken: u16 = kept
        .iter()
        .map(|place| all[*place].width.unwrap_or(0) + 2)
        .sum();
    let left = width.saturating_add(2).saturating_sub(taken);
    let sharing = kept
        .iter()
        .filter(|place| all[**place].width.is_none())
        .count();
    let share = left / u16::try_from(sharing).unwrap_or(1).max(1);
    let wide = |place: usize| all[place].width.unwrap_or(share).min(width);
    kept.into_iter().map(|place| (place, wide(place))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_go_by_their_rank_when_it_is_narrow() {
        const ALL: &[Column] = &[column("a", 10, 2), wide("b", 0), number("c", 10, 1)];
        const ROOMY: &[Column] = &[column("a", 10, 1), roomy("b", 20, 0)];
        assert_eq!(columns(ALL, 60), [(0, 10), (1, 36), (2, 10)]);
        assert_eq!(columns(ALL, 30), [(1, 18), (2, 10)]);
        assert_eq!(columns(ALL, 13), [(1, 13)]);
        assert_eq!(columns(ALL, 3), [(1, 3)]);
        assert_eq!(columns(ALL, 0), [(1, 0)]);
        assert_eq!(columns(ROOMY, 32), [(0, 10), (1, 20)]);
        assert_eq!(columns(ROOMY, 31), [(1, 31)]);
    }
}
