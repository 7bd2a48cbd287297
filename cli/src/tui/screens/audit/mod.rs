//! The audit log: who did what, the newest first; read page by page as one scrolls, never as a whole.
//!
//! Invariants:
//! 1. At most [`MOST`] records are kept; what is older is reached by narrowing the time.
//! 2. New records are put above the others: the cursor stays on its record, unless it is on the first.
//! 3. Reading the log is written to the log as well. Such records are left out unless they are asked
//!    for by their action: who follows would see nothing else. The title says so.

mod narrowed;
mod record;

#[cfg(test)]
mod tests;

use super::Screen;
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, Section, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::dialog::{Dialog, Notice};
use crate::tui::widgets::list::List;
use crate::tui::widgets::textview::TextView;
use crate::tui::widgets::{Browse, Motion, pane, span};
use narrowed::Narrowed;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Paragraph, Wrap};
use record::Record;
use serde_json::{Value, json};
use std::cell::Cell as Slot;

/// The keys of this screen.
pub(super) const SECTIONS: &[Section] = &[Section {
    name: "Audit",
    bindings: KEYS,
}];

const KEYS: &[Binding] = &[
    bind(
        "e",
        Action::Edit,
        "narrow",
        "narrow: ask the server for some records only",
    ),
    bind("F", Action::ClearFilter, "all", "all: every record again"),
    bind(
        "t",
        Action::Follow,
        "follow",
        "follow: new records appear by themselves",
    ),
    bind(
        "v",
        Action::Verify,
        "verify",
        "verify: whether anything was changed or removed",
    ),
    bind("y", Action::Copy, "copy", "copy: the record, as JSON"),
];

/// The screen of the tab.
pub(super) fn open(_place: &Place) -> Box<dyn Screen> {
    Box::new(Audit::default())
}

/// Records that are kept.
const MOST: usize = 10_000;

/// Records of a page.
const PAGE: usize = 200;

/// How many rows before the end the next page is asked for.
const AHEAD: usize = 50;

/// How often a follower asks for what is new, and how long it waits after an event for more.
const BEATS: (u64, u64) = (5_000, 500);

/// Pages that are read at once in search of a record there is something to see of: a page of a narrowed
/// log may be empty.
const EMPTY_PAGES: usize = 20;

/// The action of asking for the log.
const READ: &str = "audit_read";

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// All from the beginning, in place of what there is.
    Beginning,
    /// What is older.
    Older,
    /// What is newer.
    Newer,
}

/// The audit log.
#[derive(Debug, Default)]
struct Audit {
    records: List<Record>,
    narrowed: Narrowed,
    asked: Option<(Ticket, For)>,
    /// Where the next page begins; none: there is no other.
    next: Option<u64>,
    is_read: bool,
    /// Pages in a row in which there was nothing to be seen.
    empty_pages: usize,
    unreadable: u64,
    failure: Option<String>,
    is_following: bool,
    /// When to ask for what is new.
    due_at: Option<u64>,
    verifying: Option<Ticket>,
    detail: TextView,
    is_in_detail: bool,
    /// How wide it was drawn, and for which width it was written.
    detail_width: Slot<u16>,
    shown_width: u16,
}

// === impl Audit ===

impl Audit {
    fn ask(&mut self, what: For, cx: &mut Context<'_>) {
        if let Some((ticket, _)) = self.asked.take() {
            cx.give_up(ticket);
        }
        let mut path = format!("{}n={PAGE}", self.narrowed.path());
        if let (For::Older, Some(next)) = (what, self.next) {
            path += &["&last=", &next.to_string()].concat();
        }
        self.asked = Some((cx.ask(Request::get(path)), what));
    }

    /// Reads other records.
    fn narrow(&mut self, narrowed: Narrowed, cx: &mut Context<'_>) {
        self.narrowed = narrowed;
        self.records.replace(Vec::new());
        self.is_read = false;
        self.unreadable = 0;
        self.ask(For::Beginning, cx);
        self.show(cx);
    }

    /// Asks for the next page when the cursor comes near the end.
    fn reach_on(&mut self, cx: &mut Context<'_>) {
        let is_near = self.records.cursor() + AHEAD >= self.records.len();
        let is_full = self.records.rows().len() >= MOST;
        let may_go_on = self.empty_pages < EMPTY_PAGES;
        if is_near && !is_full && may_go_on && self.next.is_some() && self.asked.is_none() {
            self.ask(For::Older, cx);
        }
    }

    fn take(&mut self, what: For, page: &Value, cx: &mut Context<'_>) {
        self.failure = None;
        let items = page["items"].as_array().into_iter().flatten();
        let shows_reads = self.narrowed.is_of(READ);
        let mut rows: Vec<Record> = items
            .filter_map(Record::read)
            .filter(|record| shows_reads || record.action != READ)
            .collect();
        self.empty_pages = if rows.is_empty() {
            self.empty_pages + 1
        } else {
            0
        };
        let unreadable = page["unreadable"].as_u64().unwrap_or_default();
        match what {
            For::Beginning => {
                self.records.replace(rows);
                self.next = page["next"].as_u64();
                self.unreadable = unreadable;
            }
            For::Older => {
                rows.truncate(MOST.saturating_sub(self.records.rows().len()));
                self.records.append(rows);
                self.next = page["next"].as_u64();
                self.unreadable = self.unreadable.saturating_add(unreadable);
            }
            For::Newer => self.put_above(rows, page),
        }
        self.is_read = true;
        self.reach_on(cx);
        self.show(cx);
    }

    /// Puts what is new above what there is. When more came than a page has, what lies between would be
    /// missing: then the page takes the place of all.
    fn put_above(&mut self, rows: Vec<Record>, page: &Value) {
        let newest = self.records.rows().first().map(|record| record.sequence);
        let was_first = self.records.cursor() == 0;
        let oldest_of_page = page["items"].as_array().and_then(|items| items.last());
        let oldest_of_page = oldest_of_page.and_then(|item| item["sequence"].as_u64());
        let is_gap = match (newest, oldest_of_page) {
            (Some(newest), Some(oldest)) => oldest > newest && !page["next"].is_null(),
            _ => true,
        };
        if is_gap {
            self.next = page["next"].as_u64();
            self.records.replace(rows);
            return;
        }
        let mut fresh: Vec<Record> = rows
            .into_iter()
            .filter(|record| Some(record.sequence) > newest)
            .collect();
        if fresh.is_empty() {
            return;
        }
        let (kept, under) = self.records.take();
        fresh.extend(kept);
        if fresh.len() > MOST {
            fresh.truncate(MOST);
            self.next = fresh.last().map(|record| record.sequence);
        }
        self.records.put_back(fresh, under.as_deref());
        if was_first {
            self.records.moved(Motion::First, None);
        }
    }

    /// Puts the record under the cursor into the details.
    fn show(&mut self, cx: &Context<'_>) {
        // Before it was drawn, what is left beside or below a list on most terminals.
        let width = match self.detail_width.get() {
            0 => 54,
            width => usize::from(width),
        };
        self.shown_width = self.detail_width.get();
        let lines = self
            .records
            .selected()
            .map(|record| record.lines(cx.now, width));
        self.detail.replace(lines.unwrap_or_default());
    }

    fn title(&self) -> String {
        let (seen, all) = (self.records.len(), self.records.rows().len());
        let more = if self.next.is_some() { "+" } else { "" };
        let mut title = if seen == all {
            format!("Audit {all}{more}")
        } else {
            format!("Audit {seen} of {all}{more}")
        };
        if self.is_following {
            title += ", following";
        }
        if !self.narrowed.is_all() {
            title += &[", only ", &self.narrowed.title()].concat();
        }
        if !self.records.filtered().is_empty() {
            title += &["  filter: ", self.records.filtered()].concat();
        }
        if self.unreadable > 0 {
            let count = self.unreadable.to_string();
            title += &["  ", &count, " lines unreadable: v verifies"].concat();
        }
        if !self.narrowed.is_of(READ) {
            title += "  (without reads of the log)";
        }
        title
    }

    fn draw_list(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let look = paint.look;
        let inside = pane(frame, area, &self.title(), look, !self.is_in_detail);
        let is_filtering = !self.records.filtered().is_empty();
        let (text, tone) = match &self.failure {
            _ if self.records.len() > 0 => return self.records.draw(frame, inside, paint),
            Some(failure) => (failure.as_str(), Tone::Bad),
            None if !self.is_read => ("", Tone::Dim),
            None if is_filtering => ("nothing that was read has this in it", Tone::Dim),
            None if self.next.is_some() => ("nothing among the newest; R looks again", Tone::Dim),
            None if self.narrowed.is_all() => ("nothing has been written down yet", Tone::Dim),
            None => (
                "no record is like this; e asks for others, F for all",
                Tone::Dim,
            ),
        };
        let text = Paragraph::new(span(look, text, tone)).wrap(Wrap { trim: true });
        frame.render_widget(text, inside);
    }
}

/// Tells what verifying the log came to.
fn verified(reply: &Result<Reply, Failure>, cx: &mut Context<'_>) {
    let answer = match reply {
        Ok(reply) => &reply.body,
        Err(failure) => return cx.warn(format!("not verified: {failure}")),
    };
    let count = answer["records"].as_u64().unwrap_or_default();
    match answer["broken_at"].as_u64() {
        None => cx.say(format!("unbroken: {count} records follow from one another")),
        Some(at) => cx.notice(Notice::new(
            "The audit log is broken",
            vec![
                format!("{count} records follow from one another; record {at} does not:"),
                "it, or one before it, was changed or removed.".to_owned(),
            ],
        )),
    }
}

impl Screen for Audit {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.empty_pages = 0;
        self.ask(For::Beginning, cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        if self.is_in_detail {
            Some(&mut self.detail)
        } else {
            Some(&mut self.records)
        }
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::NextPane | Action::PreviousPane => self.is_in_detail = !self.is_in_detail,
            Action::Open | Action::Right => self.is_in_detail = true,
            Action::Left => self.is_in_detail = false,
            Action::Edit => cx.fill_in(self.narrowed.form()),
            Action::ClearFilter => self.narrow(Narrowed::default(), cx),
            Action::Follow => {
                self.is_following = !self.is_following;
                if self.is_following {
                    cx.say("following: new records appear by themselves; t ends it");
                    self.due_at = Some(cx.now);
                } else {
                    cx.say("not following any more");
                }
            }
            Action::Verify if self.verifying.is_none() => {
                cx.say("reading the whole log");
                self.verifying = Some(cx.ask(Request::post("/audit/verify", json!({}))));
            }
            Action::Copy => {
                if let Some(record) = self.records.selected() {
                    cx.copy(record.json(), "the record");
                }
            }
            _ => {}
        }
    }

    fn retreats(&mut self) -> bool {
        std::mem::take(&mut self.is_in_detail)
    }

    fn moved(&mut self, cx: &mut Context<'_>) {
        if !self.is_in_detail {
            self.empty_pages = 0;
            self.reach_on(cx);
            self.show(cx);
        }
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        let Dialog::Form(form) = dialog else {
            return;
        };
        match Narrowed::read(form, cx.now) {
            Ok(narrowed) => {
                cx.close_dialog();
                self.narrow(narrowed, cx);
            }
            Err(why) => cx.refuse(why),
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.verifying == Some(ticket) {
            self.verifying = None;
            return verified(&reply, cx);
        }
        let Some((_, what)) = self.asked.take_if(|(asked, _)| *asked == ticket) else {
            return;
        };
        match reply {
            Ok(reply) => self.take(what, &reply.body, cx),
            Err(failure) => {
                if self.records.len() > 0 {
                    cx.warn(failure.to_string());
                }
                self.failure = Some(failure.to_string());
            }
        }
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        let is_news = event.kind != "status";
        if self.is_following && is_news {
            let soon = cx.now + BEATS.1;
            self.due_at = Some(self.due_at.map_or(soon, |at| at.min(soon)));
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        if self.detail_width.get() != self.shown_width {
            self.show(cx);
        }
        let is_due = self.due_at.is_some_and(|at| at <= cx.now);
        if self.is_following && is_due && self.asked.is_none() {
            self.due_at = Some(cx.now + BEATS.0);
            let what = if self.is_read {
                For::Newer
            } else {
                For::Beginning
            };
            self.ask(what, cx);
        }
    }

    fn is_loading(&self) -> bool {
        self.asked.is_some() || self.verifying.is_some()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let look = paint.look;
        let has_both = area.height >= 18;
        if !has_both {
            // Too low for both: the one that is looked at.
            if self.is_in_detail {
                let inside = pane(frame, area, "Record", look, true);
                self.detail_width.set(inside.width);
                self.detail.draw(frame, inside, look);
            } else {
                self.draw_list(frame, area, paint);
            }
            return;
        }
        let [list, detail] = if area.width >= 160 {
            Layout::horizontal([Constraint::Min(0), Constraint::Length(56)]).areas(area)
        } else {
            let detail = if area.height < 30 { 8 } else { 10 };
            Layout::vertical([Constraint::Min(0), Constraint::Length(detail)]).areas(area)
        };
        self.draw_list(frame, list, paint);
        let inside = pane(frame, detail, "Record", look, self.is_in_detail);
        self.detail_width.set(inside.width);
        self.detail.draw(frame, inside, look);
    }
}
