//! Overview: how the server is, at a glance: traffic, storage, the collector and the check, uploads, and
//! what happened.
//!
//! | module | what it is |
//! |---|---|
//! | `figures` | what the server says of itself every two seconds, and rates |
//! | `part` | an answer of the server, and when to ask for it again |
//! | `happened` | an event in words |
//! | `facts` | storage, collector and check in words |
//! | `panels` | drawing |
//!
//! Invariants:
//! 1. Beside the status, which comes by itself, something is asked only because it was told that it
//!    changed: an idle server is asked nothing.
//! 2. What only administrators may see nobody else asks for: a refusal would be in the audit log.

mod facts;
mod figures;
mod happened;
mod panels;
mod part;

#[cfg(test)]
mod tests;

use super::Screen;
use super::uploads::{Paces, Stir, Upload};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Section};
use crate::tui::message::{Event, Failure, Reply, Ticket};
use crate::tui::theme::Paint;
use crate::tui::widgets::Browse;
use crate::tui::widgets::list::List;
use crate::tui::widgets::listing::Item as _;
use figures::Figures;
use happened::Happened;
use part::Part;
use ratatui::Frame;
use ratatui::layout::Rect;
use serde_json::Value;
use std::cmp::Reverse;

/// The keys of these screens: the general ones are enough.
pub(super) const SECTIONS: &[Section] = &[];

/// Events that are remembered.
const EVENTS: usize = 200;

/// Why something is not there for everybody.
const ADMINISTRATORS: &str = "administrators only";

/// How often the repositories are counted at most, in milliseconds.
const COUNTING: u64 = 60_000;

/// The screen of one of their places.
pub(super) fn open(_place: &Place) -> Box<dyn Screen> {
    Box::new(Overview::new())
}

/// How the server is.
#[derive(Debug)]
struct Overview {
    figures: Figures,
    status: Part,
    gc: Part,
    usage: Part,
    uploads: Part,
    /// Those that were answered, the fastest first.
    pushing: Vec<Upload>,
    paces: Paces,
    stir: Stir,
    events: List<Happened>,
    /// How many events were heard.
    heard: u64,
    is_browsing: bool,
    /// What only administrators may see was not asked for yet: it is not known who asks.
    is_waiting: bool,
    /// What the repositories hold changed, and when they were counted.
    counting: (bool, u64),
}

// === impl Overview ===

impl Overview {
    fn new() -> Self {
        Self {
            figures: Figures::default(),
            status: Part::new("/status"),
            gc: Part::new("/gc"),
            usage: Part::new("/usage?n=1000"),
            uploads: Part::new("/uploads?n=100"),
            pushing: Vec::new(),
            paces: Paces::default(),
            stir: Stir::default(),
            events: List::default(),
            heard: 0,
            is_browsing: false,
            is_waiting: true,
            counting: (false, 0),
        }
    }

    /// Asks for what only administrators may see, or says why not; when it is known who asks.
    fn load_guarded(&mut self, cx: &mut Context<'_>) {
        self.is_waiting = cx.me.kind.is_empty();
        if self.is_waiting {
            return;
        }
        self.counting = (false, cx.now);
        for part in [&mut self.gc, &mut self.usage, &mut self.uploads] {
            if cx.me.is_administrator {
                part.load(cx);
            } else {
                part.failure = Some(ADMINISTRATORS.to_owned());
            }
        }
    }

    /// The server says how it is.
    fn told(&mut self, status: &Value, cx: &mut Context<'_>) {
        let is_other = self.figures.status["gc"]["phase"] != status["gc"]["phase"]
            || self.figures.status["gc"]["paused"] != status["gc"]["paused"];
        let is_collecting = status["gc"]["phase"]
            .as_str()
            .is_some_and(|phase| phase != "idle");
        self.figures.take(status, cx.now);
        let is_stirring = self.stir.is_felt(status, &self.pushing);
        if !cx.me.is_administrator || self.is_waiting {
            return;
        }
        if is_other || is_collecting {
            self.gc.ask(cx);
        }
        if is_stirring {
            self.uploads.ask(cx);
        }
    }

    fn take_uploads(&mut self, now: u64) {
        let items = self.uploads.body["items"].as_array().into_iter().flatten();
        self.pushing = items.filter_map(Upload::read).collect();
        for upload in &mut self.pushing {
            self.paces.measure(upload, now);
        }
        self.paces.keep(self.pushing.iter());
        self.pushing
            .sort_by_key(|upload| (!upload.is_active, Reverse(upload.pace)));
    }

    /// Puts an event before the others.
    fn happened(&mut self, event: &Event, now: u64) {
        self.heard += 1;
        let Some(happened) = Happened::read(event, self.heard, now) else {
            return;
        };
        let before = self.events.rows().iter().take(EVENTS - 1).cloned();
        let rows = std::iter::once(happened).chain(before).collect();
        self.events.replace(rows);
        if !self.is_browsing {
            self.events.moved(crate::tui::widgets::Motion::First, None);
        }
    }
}

impl Screen for Overview {
    fn load(&mut self, cx: &mut Context<'_>) {
        self.status.load(cx);
        self.load_guarded(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.events)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::NextPane | Action::PreviousPane => {
                self.is_browsing = !self.is_browsing;
                if !self.is_browsing {
                    self.events.moved(crate::tui::widgets::Motion::First, None);
                }
            }
            // The newest event may just have become another than the one that was meant.
            Action::Open | Action::Right if !self.is_browsing => {
                self.is_browsing = !self.events.rows().is_empty();
            }
            Action::Open | Action::Right => match self.events.selected() {
                Some(Happened {
                    place: Some(place), ..
                }) => cx.go(place.clone()),
                Some(_) => cx.warn("there is no place for this event"),
                None => {}
            },
            _ => {}
        }
    }

    fn retreats(&mut self) -> bool {
        let was_browsing = std::mem::take(&mut self.is_browsing);
        if was_browsing {
            self.events.moved(crate::tui::widgets::Motion::First, None);
        }
        was_browsing
    }

    fn moved(&mut self, _cx: &mut Context<'_>) {
        // Who moves about browses, without having said so.
        self.is_browsing |= self.events.cursor() > 0 || !self.events.searched().is_empty();
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.status.answered(ticket, &reply, cx.now) {
            if let Ok(reply) = &reply {
                self.told(&reply.body, cx);
            }
        } else if self.uploads.answered(ticket, &reply, cx.now) {
            if reply.is_ok() {
                self.take_uploads(cx.now);
            }
        } else {
            let _is_mine = self.gc.answered(ticket, &reply, cx.now)
                || self.usage.answered(ticket, &reply, cx.now);
        }
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if event.kind == "status" {
            return self.told(&event.data, cx);
        }
        self.happened(event, cx.now);
        if !cx.me.is_administrator || self.is_waiting {
            return;
        }
        match event.kind.as_str() {
            "push" | "tag" | "delete" | "repository" => self.counting.0 = true,
            "gc" => self.gc.ask(cx),
            "upload" => self.uploads.ask(cx),
            _ => {}
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        if self.is_waiting && !cx.me.kind.is_empty() {
            self.load_guarded(cx);
        }
        let (is_stale, counted) = self.counting;
        if is_stale && counted + COUNTING <= cx.now {
            self.counting = (false, cx.now);
            self.usage.ask(cx);
        }
    }

    fn is_loading(&self) -> bool {
        !self.status.is_known()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        panels::draw(self, frame, area, paint);
    }
}
