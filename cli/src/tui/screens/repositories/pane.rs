//! [`Pane`]: the tree of repositories one moves about in, read page by page.
//!
//! Invariants:
//! 1. What is to be seen is worked out when repositories, filter, order or folds change, never to draw.
//! 2. The cursor stays on its row, or goes to the prefix that hides it.

use super::forest::{Forest, View};
use super::repository::{ORDERS, Repository, Shown};
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Ticket};
use crate::tui::theme::Paint;
use crate::tui::widgets::list::{List, Row as _};
use crate::tui::widgets::listing::Listing;
use crate::tui::widgets::{Browse, Motion};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tree of repositories.
#[derive(Debug)]
pub(super) struct Pane {
    listing: Listing<Arc<Repository>>,
    forest: Forest,
    list: List<Shown>,
    /// Which prefixes the user opened or closed.
    folds: BTreeMap<String, bool>,
    order: (usize, bool),
    /// What to put the cursor on as soon as it is there.
    wanted: Option<String>,
}

// === impl Pane ===

impl Pane {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/repositories?"),
            forest: Forest::default(),
            list: List::default(),
            folds: BTreeMap::new(),
            order: ORDERS[0],
            wanted: None,
        }
    }

    pub(super) fn load(&mut self, cx: &mut Context<'_>) {
        self.listing.load(cx);
    }

    /// Something changed on the server.
    pub(super) fn changed(&mut self, cx: &Context<'_>) {
        self.listing.changed(cx);
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        self.listing.tick(cx);
    }

    pub(super) fn is_loading(&self) -> bool {
        self.listing.is_loading()
    }

    /// Takes an answer if it is for this; whether it was.
    pub(super) fn answered(
        &mut self,
        ticket: Ticket,
        reply: &Result<Reply, Failure>,
        cx: &mut Context<'_>,
    ) -> bool {
        let is_mine = self.listing.answered(ticket, reply, cx);
        if is_mine && !self.forest.is_of(self.listing.rows()) {
            self.forest = Forest::new(self.listing.rows().to_vec());
            self.forest.sort(self.order);
            self.arrange();
        }
        if is_mine {
            self.find_wanted();
        }
        is_mine
    }

    /// The row under the cursor.
    pub(super) fn selected(&self) -> Option<&Shown> {
        self.list.selected()
    }

    /// The repository under the cursor; none when that is a prefix.
    pub(super) fn repository(&self) -> Option<&Repository> {
        let row = self.selected().filter(|row| row.is_repository());
        row.map(|row| row.figures.as_ref())
    }

    /// Puts the cursor on a repository as soon as it is there.
    pub(super) fn select(&mut self, name: &str) {
        self.wanted = Some(name.to_owned());
    }

    fn find_wanted(&mut self) {
        let Some(name) = &self.wanted else {
            return;
        };
        let is_there = |row: &Arc<Repository>| row.name == *name;
        if !self.listing.rows().iter().any(is_there) {
            return;
        }
        if let Some(name) = self.wanted.take() {
            self.show(&name);
        }
    }

    /// Opens what a repository is below, and puts the cursor on it.
    fn show(&mut self, name: &str) {
        self.forest.open_above(&mut self.folds, name);
        self.arrange();
        self.list.select(name);
    }

    /// Opens the prefix under the cursor, or closes it; whether there was one that was not so.
    pub(super) fn fold(&mut self, is_open: bool) -> bool {
        let row = self.selected();
        let Some((row, (_, was_open))) = row.and_then(|row| Some((row, row.group?))) else {
            return false;
        };
        // While something is looked for, all that leads to it is open.
        if was_open == is_open || !self.filtered().is_empty() {
            return false;
        }
        let name = row.figures.name.clone();
        self.folds.insert(name, is_open);
        self.arrange();
        true
    }

    /// Opens all prefixes or closes them.
    pub(super) fn fold_all(&mut self, is_open: bool) {
        self.forest.fold_all(&mut self.folds, is_open);
        self.arrange();
    }

    /// Goes to the prefix that the cursor's row is below.
    pub(super) fn go_up(&mut self) {
        if let Some(row) = self.selected()
            && let Some(prefix) = row.figures.name.get(..row.label_at)
        {
            let prefix = prefix.to_owned();
            self.list.select(&prefix);
        }
    }

    /// Works out what is to be seen.
    fn arrange(&mut self) {
        let under = self.selected().map(|row| row.figures.name.clone());
        let view = View {
            folds: &self.folds,
            filter: self.listing.filtered().to_ascii_lowercase(),
        };
        let rows = self.forest.rows(&view);
        self.list.replace_as_they_are(rows, self.order);
        let under = under.unwrap_or_default();
        if self
            .list
            .selected()
            .is_some_and(|row| row.figures.name == under)
        {
            return;
        }
        for (at, _) in under.rmatch_indices('/') {
            if under
                .get(..=at)
                .is_some_and(|prefix| self.list.select(prefix))
            {
                return;
            }
        }
    }

    pub(super) fn title(&self) -> String {
        self.listing.title("Repositories")
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        if self.list.len() > 0 {
            self.list.draw(frame, area, paint);
            return;
        }
        let none = "there is no repository yet; i makes one, and so does a push";
        self.listing.draw(frame, area, paint, none);
    }
}

impl Browse for Pane {
    fn moved(&mut self, motion: Motion, count: Option<usize>) {
        self.list.moved(motion, count);
    }

    fn filter(&mut self, text: &str) {
        self.listing.filter(text);
        self.arrange();
        // What is looked for are repositories, not what leads to them.
        let is_prefix = self.selected().is_some_and(|row| !row.is_repository());
        if is_prefix && !text.is_empty() {
            let found = self.list.rows().iter().find(|row| row.is_repository());
            if let Some(name) = found.map(|row| row.figures.name.clone()) {
                self.list.select(&name);
            }
        }
    }

    fn filtered(&self) -> &str {
        self.listing.filtered()
    }

    fn search(&mut self, text: &str, from: usize) {
        self.list.search(text, from);
        let text = text.to_ascii_lowercase();
        if self.selected().is_some_and(|row| row.matches(&text)) {
            return;
        }
        // Nothing that is to be seen has it in it: what has it below a closed prefix comes to be seen.
        let hidden = self.listing.rows().iter().find(|row| row.matches(&text));
        if let Some(name) = hidden.map(|row| row.name.clone()) {
            self.show(&name);
        }
    }

    fn searched(&self) -> &str {
        self.list.searched()
    }

    fn next_match(&mut self, is_forward: bool) {
        self.list.next_match(is_forward);
    }

    fn sort(&mut self, is_reverse: bool) {
        let (column, is_descending) = self.order;
        self.order = if is_reverse {
            (column, !is_descending)
        } else {
            let here = ORDERS.iter().position(|(other, _)| *other == column);
            ORDERS[here.map_or(0, |here| here + 1) % ORDERS.len()]
        };
        self.forest.sort(self.order);
        self.arrange();
    }

    fn cursor(&self) -> usize {
        self.list.cursor()
    }

    fn click(&mut self, at: Position) -> bool {
        self.list.click(at)
    }
}
