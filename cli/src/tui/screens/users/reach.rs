//! [`Reach`]: the grants that reach a user: their own, and those of the groups they are in.
//!
//! Invariants:
//! 1. One page is asked for at a time; what was there stays to be seen until all was read anew.

use super::rows::{Grant, Grantee};
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::encoded;
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::list::List;
use crate::tui::widgets::listing::Item as _;
use crate::tui::widgets::{Browse as _, span};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};
use serde_json::Value;
use std::collections::VecDeque;

/// The grants that reach a user.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) list: List<Grant>,
    /// Whose grants are read, the first now.
    left: VecDeque<Grantee>,
    asked: Option<Ticket>,
    fresh: Vec<Grant>,
    is_read: bool,
    failure: Option<String>,
}

// === impl Reach ===

impl Reach {
    /// Reads them, anew when they were read before.
    pub(super) fn load(&mut self, user: &str, groups: &[String], cx: &mut Context<'_>) {
        if let Some(ticket) = self.asked.take() {
            cx.give_up(ticket);
        }
        let groups = groups.iter().cloned().map(Grantee::Group);
        self.left = groups.collect();
        self.left.push_front(Grantee::User(user.to_owned()));
        self.fresh.clear();
        self.ask("", cx);
    }

    /// Asks for the page behind `last`, if anything is left to be read.
    fn ask(&mut self, last: &str, cx: &mut Context<'_>) {
        if let Some(to) = self.left.front() {
            let whose = format!("{}={}", to.kind(), encoded(to.name()));
            let request = Request::get(format!("/grants?{whose}&n=1000{last}"));
            self.asked = Some(cx.ask(request));
        }
    }

    /// Takes an answer if it is for this; whether it was.
    pub(super) fn answered(
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
            Err(failure) => self.failure = Some(failure.to_string()),
        }
        true
    }

    fn take(&mut self, page: &Value, cx: &mut Context<'_>) {
        let items = page["items"].as_array().into_iter().flatten();
        self.fresh.extend(items.filter_map(Grant::read));
        let last = match &page["next"] {
            Value::String(next) => format!("&last={}", encoded(next)),
            Value::Number(next) => format!("&last={next}"),
            _ => {
                self.left.pop_front();
                String::new()
            }
        };
        if self.left.is_empty() {
            self.failure = None;
            self.is_read = true;
            self.list.replace(std::mem::take(&mut self.fresh));
        }
        self.ask(&last, cx);
    }

    pub(super) fn is_loading(&self) -> bool {
        self.asked.is_some()
    }

    /// How many there are, for a title.
    pub(super) fn title(&self) -> String {
        let (seen, all) = (self.list.len(), self.list.rows().len());
        match self.list.filtered() {
            "" => format!("Grants {all}"),
            filter => format!("Grants {seen} of {all}  filter: {filter}"),
        }
    }

    /// Draws them, or why there are none.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        if self.list.len() > 0 {
            return self.list.draw(frame, area, paint);
        }
        let is_filtered = !self.list.filtered().is_empty();
        let (text, tone) = match &self.failure {
            Some(failure) => (failure.as_str(), Tone::Bad),
            None if !self.is_read => ("", Tone::Dim),
            None if is_filtered => ("nothing has this in it", Tone::Dim),
            None => ("nothing is granted to them; i grants a role", Tone::Dim),
        };
        words(frame, area, paint.look, text, tone);
    }
}

/// Draws a text that is wrapped.
pub(super) fn words(frame: &mut Frame<'_>, area: Rect, look: Look, text: &str, tone: Tone) {
    let text = Paragraph::new(span(look, text, tone)).wrap(Wrap { trim: true });
    frame.render_widget(text, area);
}
