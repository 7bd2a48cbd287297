//! [`List`]: rows with columns, a cursor, a filter, a search and an order. However many rows there are,
//! only those that are seen are drawn.
//!
//! Invariants:
//! 1. `view` has each row that passes the filter once, in order; the cursor is within it, or 0.
//! 2. The row under the cursor stays under it when rows come, go or are sorted anew.

use super::columns::{Column, aligned, columns};
use super::{Browse, Cell, Motion};
use crate::tui::theme::{Look, Paint, Tone};
use ratatui::Frame;
use ratatui::layout::{Constraint, Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Row as Drawn, Table};
use std::cell::Cell as Slot;
use std::cmp::Ordering;

/// One thing in a list.
pub(crate) trait Row {
    /// The columns, the most important first in `rank`, not in place.
    const COLUMNS: &'static [Column];

    /// What tells it from all others.
    fn key(&self) -> &str;

    /// What stands in each column; `now` is in milliseconds since the epoch.
    fn cells(&self, now: u64) -> Vec<Cell>;

    /// The same for a screen that looks like this; for cells that have more than text in them.
    fn drawn(&self, paint: Paint) -> Vec<Cell> {
        self.cells(paint.now)
    }

    /// Which comes first by this column.
    fn compare(&self, other: &Self, column: usize) -> Ordering;

    /// Whether `text`, which is in lower case, is in it.
    fn matches(&self, text: &str) -> bool {
        contains(self.key(), text)
    }
}

/// Whether `text`, which is in lower case, is in `whole`, in any case.
pub(crate) fn contains(whole: &str, text: &str) -> bool {
    if text.is_empty() || whole.contains(text) {
        return true;
    }
    whole.bytes().any(|byte| byte.is_ascii_uppercase()) && whole.to_ascii_lowercase().contains(text)
}

/// Rows, and how one looks at them.
#[derive(Debug)]
pub(crate) struct List<R> {
    rows: Vec<R>,
    view: Vec<u32>,
    cursor: usize,
    filter: String,
    search: String,
    order: Option<(usize, bool)>,
    /// The row that was the first when it was last drawn, and where that was: a window moves only when
    /// the cursor leaves it.
    top: Slot<usize>,
    area: Slot<Rect>,
}

// === impl List ===

impl<R> Default for List<R> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            view: Vec::new(),
            cursor: 0,
            filter: String::new(),
            search: String::new(),
            order: None,
            top: Slot::new(0),
            area: Slot::new(Rect::ZERO),
        }
    }
}

impl<R: Row> List<R> {
    /// An empty one that is sorted by a column.
    pub(crate) fn sorted(column: usize, is_descending: bool) -> Self {
        Self {
            order: Some((column, is_descending)),
            ..Self::default()
        }
    }

    /// All rows, as they came.
    pub(crate) fn rows(&self) -> &[R] {
        &self.rows
    }

    /// How many are to be seen.
    pub(crate) fn len(&self) -> usize {
        self.view.len()
    }

    /// The row under the cursor.
    pub(crate) fn selected(&self) -> Option<&R> {
        self.at(self.cursor)
    }

    fn at(&self, place: usize) -> Option<&R> {
        let row = *self.view.get(place)?;
        self.rows.get(row as usize)
    }

    /// Takes these rows instead of those there are.
    pub(crate) fn replace(&mut self, rows: Vec<R>) {
        let under = self.selected().map(|row| row.key().to_owned());
        self.put_back(rows, under.as_deref());
    }

    /// Takes these rows, the cursor where the row of this key is. For what is built from the rows there
    /// are: [`List::take`] gives them, and with them what is under the cursor.
    pub(crate) fn put_back(&mut self, rows: Vec<R>, under: Option<&str>) {
        self.rows = rows;
        self.arrange(under);
    }

    /// Gives all rows away, and the key of the one under the cursor.
    pub(crate) fn take(&mut self) -> (Vec<R>, Option<String>) {
        let under = self.selected().map(|row| row.key().to_owned());
        self.view.clear();
        (std::mem::take(&mut self.rows), under)
    }

    /// Takes these rows in the order they have, which is said to be by a column; for who sorts and
    /// filters them in another way.
    pub(crate) fn replace_as_they_are(&mut self, rows: Vec<R>, order: (usize, bool)) {
        let under = self.selected().map(|row| row.key().to_owned());
        self.view = (0..rows.len()).map(narrow).collect();
        self.rows = rows;
        self.order = Some(order);
        self.cursor = self.cursor.min(self.view.len().saturating_sub(1));
        if let Some(key) = under {
            self.select(&key);
        }
    }

    /// Takes more rows.
    pub(crate) fn append(&mut self, more: Vec<R>) {
        let before = self.rows.len();
        let under = self.view.get(self.cursor).copied();
        self.rows.extend(more);
        let text = self.filter.to_ascii_lowercase();
        let fresh = self.rows.iter().enumerate().skip(before);
        let fresh = fresh.filter(|(_, row)| row.matches(&text));
        self.view.extend(fresh.map(|(row, _)| narrow(row)));
        if self.order.is_some() {
            // Those before are in order: the sort merges what came into them, and does not begin anew.
            self.order_view();
            let place = self.view.iter().position(|row| Some(*row) == under);
            self.cursor = place.unwrap_or(self.cursor);
        }
    }

    /// Puts a row in the place of the one of its key; a new one where its key is in the order of keys.
    pub(crate) fn put(&mut self, row: R) {
        let under = self.selected().map(|row| row.key().to_owned());
        let present = self.rows.iter_mut().find(|other| other.key() == row.key());
        if let Some(present) = present {
            *present = row;
        } else {
            let place = self.rows.partition_point(|other| other.key() < row.key());
            self.rows.insert(place, row);
        }
        self.arrange(under.as_deref());
    }

    /// Takes rows out; the cursor goes to the row behind when its own goes.
    pub(crate) fn remove(&mut self, mut is_gone: impl FnMut(&R) -> bool) {
        let rows = &self.rows;
        let behind = self.view.iter().skip(self.cursor);
        let behind = behind.filter_map(|row| rows.get(*row as usize));
        let mut kept = behind.filter(|row| !is_gone(row));
        let under = kept.next().map(|row| row.key().to_owned());
        let before = self.rows.len();
        self.rows.retain(|row| !is_gone(row));
        if self.rows.len() != before {
            self.arrange(under.as_deref());
        }
    }

    /// Changes rows where they are, but for their keys.
    pub(crate) fn each(&mut self, change: impl FnMut(&mut R)) {
        let under = self.selected().map(|row| row.key().to_owned());
        self.rows.iter_mut().for_each(change);
        self.arrange(under.as_deref());
    }

    /// Puts the cursor on the row of this key; whether it is to be seen.
    pub(crate) fn select(&mut self, key: &str) -> bool {
        let rows = &self.rows;
        let is_it = |row: &u32| rows.get(*row as usize).is_some_and(|row| row.key() == key);
        let place = self.view.iter().position(is_it);
        self.cursor = place.unwrap_or(self.cursor);
        place.is_some()
    }

    /// Works the view out anew, with the cursor where the row `under` it is.
    fn arrange(&mut self, under: Option<&str>) {
        let text = self.filter.to_ascii_lowercase();
        let passing = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.matches(&text));
        self.view = passing.map(|(row, _)| narrow(row)).collect();
        self.order_view();
        self.cursor = self.cursor.min(self.view.len().saturating_sub(1));
        if let Some(key) = under {
            self.select(key);
        }
    }

    fn order_view(&mut self) {
        let Some((column, is_descending)) = self.order else {
            return;
        };
        let rows = &self.rows;
        self.view.sort_by(|a, b| {
            let (a, b) = (&rows[*a as usize], &rows[*b as usize]);
            let order = a.compare(b, column);
            if is_descending {
                order.reverse()
            } else {
                order
            }
        });
    }

    /// How many rows are seen at once.
    fn height(&self) -> usize {
        usize::from(self.area.get().height.saturating_sub(1)).max(1)
    }

    /// Draws the head and the rows around the cursor.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let look = paint.look;
        self.area.set(area);
        if area.height == 0 || area.width == 0 {
            return;
        }
        let seen = self.height();
        let top = self.top.get().min(self.view.len().saturating_sub(seen));
        let top = top.clamp((self.cursor + 1).saturating_sub(seen), self.cursor);
        self.top.set(top);
        let columns = columns(R::COLUMNS, area.width);
        let head = columns
            .iter()
            .map(|(place, width)| self.head(*place, *width, look));
        let head = Drawn::new(head.collect::<Vec<_>>());
        let search = self.search.to_ascii_lowercase();
        let rows = (top..self.view.len().min(top + seen)).filter_map(|place| {
            let row = self.at(place)?;
            let cells = row.drawn(paint);
            let drawn = columns.iter().map(|(place, width)| {
                let cell = cells.get(*place).cloned().unwrap_or_default();
                aligned(&cell, &R::COLUMNS[*place], *width, look)
            });
            let drawn = Drawn::new(drawn.collect::<Vec<_>>());
            let is_match = !search.is_empty() && row.matches(&search);
            let tone = match (place == self.cursor, is_match) {
                (true, _) => Some(Tone::Selected),
                (false, true) => Some(Tone::Match),
                (false, false) => None,
            };
            Some(drawn.style(tone.map(|tone| look.style(tone)).unwrap_or_default()))
        });
        let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
        let table = Table::new(rows.collect::<Vec<_>>(), widths)
            .header(head)
            .column_spacing(2);
        frame.render_widget(table, area);
    }

    fn head(&self, place: usize, width: u16, look: Look) -> Line<'static> {
        let column = &R::COLUMNS[place];
        let mark = match self.order {
            Some((by, is_descending)) if by == place => look.order(is_descending),
            _ => "",
        };
        let cell = super::cell(format!("{}{mark}", column.name), Tone::Dim);
        aligned(&cell, column, width, look)
    }

    fn find(&mut self, mut places: impl Iterator<Item = usize>) {
        let text = self.search.to_ascii_lowercase();
        let is_match = |place: &usize| self.at(*place).is_some_and(|row| row.matches(&text));
        if let Some(place) = places.find(is_match) {
            self.cursor = place;
        }
    }
}

/// Rows are counted in 32 bits: half the memory of a view.
fn narrow(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

impl<R: Row> Browse for List<R> {
    fn moved(&mut self, motion: Motion, count: Option<usize>) {
        let last = self.view.len().saturating_sub(1);
        self.cursor = motion.from(self.cursor, count, (last, self.height()));
    }

    fn filter(&mut self, text: &str) {
        let under = self.selected().map(|row| row.key().to_owned());
        text.clone_into(&mut self.filter);
        self.arrange(under.as_deref());
    }

    fn filtered(&self) -> &str {
        &self.filter
    }

    fn search(&mut self, text: &str, from: usize) {
        text.clone_into(&mut self.search);
        if text.is_empty() {
            return;
        }
        self.find((from..self.view.len()).chain(0..from));
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

    fn sort(&mut self, is_reverse: bool) {
        self.order = match (self.order, is_reverse) {
            (None, false) => Some((0, false)),
            (None, true) => Some((0, true)),
            (Some((column, is_descending)), true) => Some((column, !is_descending)),
            (Some((column, _)), false) => {
                let next = column + 1;
                (next < R::COLUMNS.len()).then_some((next, false))
            }
        };
        let under = self.selected().map(|row| row.key().to_owned());
        self.arrange(under.as_deref());
    }

    fn cursor(&self) -> usize {
        self.cursor
    }

    fn click(&mut self, at: Position) -> bool {
        let area = self.area.get();
        if !area.contains(at) || at.y == area.y {
            return false;
        }
        let place = self.top.get() + usize::from(at.y - area.y - 1);
        let is_there = place < self.view.len();
        if is_there {
            self.cursor = place;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::{number, wide};
    use super::*;
    use proptest::prelude::*;

    struct Word(String);

    impl Row for Word {
        const COLUMNS: &'static [Column] = &[wide("word", 0), number("length", 6, 1)];

        fn key(&self) -> &str {
            &self.0
        }

        fn cells(&self, _now: u64) -> Vec<Cell> {
            vec![super::super::cell(self.0.clone(), Tone::Plain)]
        }

        fn compare(&self, other: &Self, column: usize) -> Ordering {
            match column {
                0 => self.0.cmp(&other.0),
                _ => self.0.len().cmp(&other.0.len()),
            }
        }
    }

    fn list(words: &[&str]) -> List<Word> {
        let mut list = List::default();
        list.append(words.iter().map(|word| Word((*word).to_owned())).collect());
        list
    }

    fn under(list: &List<Word>) -> &str {
        list.selected().map_or("", |row| row.key())
    }

    #[test]
    fn the_cursor_stays_on_its_row_when_others_come_go_or_are_sorted() {
        let mut list = list(&["pear", "fig", "apple"]);
        list.moved(Motion::By(1), None);
        assert_eq!(under(&list), "fig");
        list.sort(false);
        assert_eq!(under(&list), "fig");
        list.append(vec![Word("banana".to_owned())]);
        assert_eq!(under(&list), "fig");
        assert_eq!(list.cursor(), 2);
        list.filter("F");
        assert_eq!((under(&list), list.len()), ("fig", 1));
        list.filter("");
        assert_eq!(list.len(), 4);
        list.replace(vec![Word("fig".to_owned())]);
        assert_eq!((under(&list), list.cursor()), ("fig", 0));
    }

    #[test]
    fn one_row_comes_changes_or_goes_and_the_cursor_stays() {
        let mut list = list(&["a", "c", "e"]);
        list.moved(Motion::By(1), None);
        list.put(Word("b".to_owned()));
        list.put(Word("c".to_owned()));
        let keys: Vec<_> = list.rows().iter().map(Row::key).collect();
        assert_eq!(keys, ["a", "b", "c", "e"]);
        assert_eq!((under(&list), list.cursor()), ("c", 2));
        list.remove(|row| row.key() == "a");
        assert_eq!((under(&list), list.cursor()), ("c", 1));
        list.remove(|row| row.key() == "c");
        assert_eq!((under(&list), list.len()), ("e", 2));
        list.remove(|_| true);
        assert_eq!((under(&list), list.len(), list.cursor()), ("", 0, 0));
    }

    #[test]
    fn rows_that_come_are_merged_into_the_order() {
        let mut list = list(&["pear", "fig"]);
        list.sort(false);
        list.append(vec![Word("grape".to_owned()), Word("apple".to_owned())]);
        let mut keys = Vec::new();
        for row in 1..5 {
            list.moved(Motion::First, Some(row));
            keys.push(under(&list).to_owned());
        }
        assert_eq!(keys, ["apple", "fig", "grape", "pear"]);
    }

    #[test]
    fn a_search_goes_round() {
        let mut list = list(&["aa", "b", "ab", "c"]);
        list.search("a", 1);
        assert_eq!(under(&list), "ab");
        list.next_match(true);
        assert_eq!(under(&list), "aa");
        list.next_match(false);
        assert_eq!(under(&list), "ab");
        list.search("x", 0);
        assert_eq!(under(&list), "ab");
    }

    proptest! {
        #[test]
        fn the_cursor_is_always_within_the_view(
            words in prop::collection::vec("[a-c]{0,3}", 0..20),
            steps in prop::collection::vec((0..7_u8, 0..30_usize, "[a-c]{0,2}"), 0..20),
        ) {
            let mut list = List::default();
            list.append(words.into_iter().map(Word).collect());
            for (step, count, text) in steps {
                match step {
                    0 => list.moved(Motion::By(1), Some(count)),
                    1 => list.moved(Motion::Halves(-1), Some(count)),
                    2 => list.moved(Motion::Last, Some(count)),
                    3 => list.filter(&text),
                    4 => list.search(&text, count),
                    5 => list.sort(count % 2 == 0),
                    _ => list.replace(vec![Word(text)]),
                }
                prop_assert!(list.cursor() < list.len().max(1));
                let text = list.filtered();
                prop_assert_eq!(list.len(), list.rows().iter().filter(|row| row.matches(text)).count());
                list.next_match(count % 2 == 0);
                prop_assert!(list.cursor() < list.len().max(1));
            }
        }
    }
}
