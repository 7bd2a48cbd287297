//! [`Listing`]: a [`List`] that is read from the server page by page, and read anew when something
//! changed.
//!
//! Invariants:
//! 1. One page is asked for at a time; the first is small, so that something is seen at once.
//! 2. While rows are read anew the ones before stay to be seen; they are replaced in one step.

use super::list::{List, Row};
use super::{Browse, Motion, span};
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::encoded;
use crate::tui::theme::{Paint, Tone};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use serde_json::Value;

/// Rows of the first page, and of all others.
const PAGES: (usize, usize) = (100, 1000);

/// How long it waits for more to happen before it reads anew, in milliseconds.
const PATIENCE: u64 = 300;

/// A row that the server sends.
pub(crate) trait Item: Row + Sized {
    /// Reads one of the listing's items; none when it lacks what it must have.
    fn read(item: &Value) -> Option<Self>;
}

/// A list of the server.
#[derive(Debug)]
pub(crate) struct Listing<R> {
    /// The path below `/api/v1`, ending in `?` or in parameters and `&`.
    path: String,
    /// The member of a page that has the rows.
    member: &'static str,
    list: List<R>,
    asked: Option<Ticket>,
    /// What came of a list that is read anew.
    fresh: Option<Vec<R>>,
    is_complete: bool,
    failure: Option<String>,
    /// Whether that was for want of a right.
    is_refused: bool,
    /// When to read anew, since something changed.
    stale_at: Option<u64>,
    /// What to put the cursor on as soon as it is there.
    wanted: Option<String>,
}

// === impl Listing ===

impl<R: Item> Listing<R> {
    /// A listing at `path`, below `/api/v1`, ending in `?` or in parameters and `&`.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self::with(path, List::default())
    }

    /// The same, with a list that is sorted.
    pub(crate) fn with(path: impl Into<String>, list: List<R>) -> Self {
        Self {
            path: path.into(),
            member: "items",
            list,
            asked: None,
            fresh: None,
            is_complete: false,
            failure: None,
            is_refused: false,
            stale_at: None,
            wanted: None,
        }
    }

    /// The same of rows that are in another member of a page than `items`.
    pub(crate) fn of(mut self, member: &'static str) -> Self {
        self.member = member;
        self
    }

    /// Reads it, anew when it was read before.
    pub(crate) fn load(&mut self, cx: &mut Context<'_>) {
        self.give_up(cx);
        self.stale_at = None;
        self.is_refused = false;
        self.fresh = Some(Vec::new());
        self.asked = Some(cx.ask(Request::get(format!("{}n={}", self.path, PAGES.0))));
    }

    /// Reads it anew soon: what happens in between needs no reading of its own.
    /// What was refused for want of a right is not: each refusal is in the audit log.
    pub(crate) fn changed(&mut self, cx: &Context<'_>) {
        if self.stale_at.is_none() && !self.is_refused {
            // A long list is read less often: reading it takes a while.
            let rows = self.list.rows().len() as u64;
            self.stale_at = Some(cx.now + PATIENCE + rows / 5);
        }
    }

    /// Time has gone by.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        let is_due = self.stale_at.is_some_and(|at| at <= cx.now);
        if is_due && self.asked.is_none() {
            self.load(cx);
        }
    }

    /// Stops reading.
    pub(crate) fn give_up(&mut self, cx: &mut Context<'_>) {
        if let Some(ticket) = self.asked.take() {
            cx.give_up(ticket);
        }
    }

    /// Takes an answer if it is for this; whether it was.
    pub(crate) fn answered(
        &mut self,
        ticket: Ticket,
        reply: &Result<Reply, Failure>,
        cx: &mut Context<'_>,
    ) -> bool {
        if self.asked != Some(ticket) {
            return false;
        }
        self.asked = None;
        match reply {
            Ok(reply) => self.take(&reply.body, cx),
            Err(failure) => {
                self.fresh = None;
                self.is_refused = matches!(failure.status(), Some(401 | 403));
                self.failure = Some(failure.to_string());
            }
        }
        true
    }

    fn take(&mut self, page: &Value, cx: &mut Context<'_>) {
        self.failure = None;
        let items = page[self.member].as_array().into_iter().flatten();
        let rows: Vec<R> = items.filter_map(R::read).collect();
        // What was never seen whole is filled as it comes; else it is replaced at once at the end.
        match &mut self.fresh {
            Some(fresh) if self.is_complete => fresh.extend(rows),
            Some(_) => {
                self.fresh = None;
                self.list.replace(rows);
            }
            None => self.list.append(rows),
        }
        let last = match &page["next"] {
            Value::String(next) => encoded(next),
            Value::Number(next) => next.to_string(),
            _ => {
                self.is_complete = true;
                if let Some(fresh) = self.fresh.take() {
                    self.list.replace(fresh);
                }
                self.find_wanted();
                return;
            }
        };
        self.find_wanted();
        let path = format!("{}n={}&last={last}", self.path, PAGES.1);
        self.asked = Some(cx.ask(Request::get(path)));
    }

    /// Puts the cursor on the row of this key, as soon as it is there.
    pub(crate) fn select(&mut self, key: &str) {
        self.wanted = Some(key.to_owned());
        if self.asked.is_none() && self.stale_at.is_none() {
            self.find_wanted();
        }
    }

    fn find_wanted(&mut self) {
        if let Some(key) = &self.wanted
            && self.list.select(key)
        {
            self.wanted = None;
        }
    }

    /// Puts one row that the server has into its place: instead of the one of its key, or as a new one.
    /// What lies behind the rows that came is left to the page it is on.
    pub(crate) fn put(&mut self, row: R) {
        let last = self.list.rows().last();
        if self.is_complete || last.is_some_and(|last| row.key() <= last.key()) {
            self.list.put(row);
        }
    }

    /// Takes rows out that the server has no more.
    pub(crate) fn remove(&mut self, is_gone: impl FnMut(&R) -> bool) {
        self.list.remove(is_gone);
    }

    /// The row under the cursor.
    pub(crate) fn selected(&self) -> Option<&R> {
        self.list.selected()
    }

    /// The rows that came.
    pub(crate) fn rows(&self) -> &[R] {
        self.list.rows()
    }

    /// Changes rows where they are, but for their keys.
    pub(crate) fn each(&mut self, change: impl FnMut(&mut R)) {
        self.list.each(change);
    }

    /// Whether it was refused for want of a right.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Whether rows are still to come.
    pub(crate) fn is_loading(&self) -> bool {
        self.asked.is_some()
    }

    /// How many there are, for a title: `Users 12`, `Tags 3 of 100 ...`.
    pub(crate) fn title(&self, name: &str) -> String {
        let (seen, all) = (self.list.len(), self.list.rows().len());
        let more = if self.is_complete || all == 0 {
            ""
        } else {
            "+"
        };
        let mut title = if seen == all {
            format!("{name} {all}{more}")
        } else {
            format!("{name} {seen} of {all}{more}")
        };
        if !self.list.filtered().is_empty() {
            title = format!("{title}  filter: {}", self.list.filtered());
        }
        // Rows that are seen hide what is said where there are none.
        if let (Some(failure), 1..) = (&self.failure, seen) {
            title = format!("{title}, as it was before: {failure}");
        }
        title
    }

    /// Draws it, or why there is nothing to be drawn; `none` says so in the words of the screen.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint, none: &str) {
        let look = paint.look;
        if self.list.len() > 0 {
            self.list.draw(frame, area, paint);
            return;
        }
        let (text, tone) = match &self.failure {
            Some(failure) => (failure.as_str(), Tone::Bad),
            None if !self.is_complete => ("", Tone::Dim),
            None if !self.list.filtered().is_empty() => ("nothing has this in it", Tone::Dim),
            None => (none, Tone::Dim),
        };
        let text = ratatui::widgets::Paragraph::new(span(look, text, tone))
            .wrap(ratatui::widgets::Wrap { trim: true });
        frame.render_widget(text, area);
    }
}

impl<R: Item> Browse for Listing<R> {
    fn moved(&mut self, motion: Motion, count: Option<usize>) {
        self.list.moved(motion, count);
    }

    fn filter(&mut self, text: &str) {
        self.list.filter(text);
    }

    fn filtered(&self) -> &str {
        self.list.filtered()
    }

    fn search(&mut self, text: &str, from: usize) {
        self.list.search(text, from);
    }

    fn searched(&self) -> &str {
        self.list.searched()
    }

    fn next_match(&mut self, is_forward: bool) {
        self.list.next_match(is_forward);
    }

    fn sort(&mut self, is_reverse: bool) {
        self.list.sort(is_reverse);
    }

    fn cursor(&self) -> usize {
        self.list.cursor()
    }

    fn click(&mut self, at: Position) -> bool {
        self.list.click(at)
    }
}
