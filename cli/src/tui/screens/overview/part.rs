//! [`Part`]: one answer of the server that the overview shows a part of.
//!
//! Invariants:
//! 1. One question is under way at a time; one whose answer got lost is asked again after [`LOST`].
//! 2. What was refused is not asked again by itself; see [`Failure::again_at`].

use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use serde_json::Value;

/// After how long an answer does not come any more, in milliseconds.
const LOST: u64 = 30_000;

/// One answer.
#[derive(Debug)]
pub(super) struct Part {
    path: &'static str,
    /// What was answered last; null before that.
    pub(super) body: Value,
    /// Why there is no answer, in a word or in the server's.
    pub(super) failure: Option<String>,
    asked: Option<(Ticket, u64)>,
    not_before: u64,
}

// === impl Part ===

impl Part {
    /// What is at this path, below `/api/v1`.
    pub(super) const fn new(path: &'static str) -> Self {
        Self {
            path,
            body: Value::Null,
            failure: None,
            asked: None,
            not_before: 0,
        }
    }

    /// Asks for it, whatever was answered before.
    pub(super) fn load(&mut self, cx: &mut Context<'_>) {
        if let Some((ticket, _)) = self.asked.take() {
            cx.give_up(ticket);
        }
        self.not_before = 0;
        self.ask(cx);
    }

    /// Asks for it, unless that is under way or was refused.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>) {
        let is_under_way = self.asked.is_some_and(|(_, at)| cx.now < at + LOST);
        if is_under_way || cx.now < self.not_before {
            return;
        }
        let ticket = cx.ask(Request::get(self.path));
        self.asked = Some((ticket, cx.now));
    }

    /// Takes an answer if it is for this; whether it was.
    pub(super) fn answered(
        &mut self,
        ticket: Ticket,
        reply: &Result<Reply, Failure>,
        now: u64,
    ) -> bool {
        if self.asked.is_none_or(|(asked, _)| asked != ticket) {
            return false;
        }
        self.asked = None;
        match reply {
            Ok(reply) => {
                self.body.clone_from(&reply.body);
                self.failure = None;
            }
            Err(failure) => {
                self.not_before = failure.again_at(now);
                self.failure = Some(match failure.status() {
                    Some(403) => super::ADMINISTRATORS.to_owned(),
                    _ => failure.to_string(),
                });
            }
        }
        true
    }

    /// Whether it was answered or refused.
    pub(super) fn is_known(&self) -> bool {
        !self.body.is_null() || self.failure.is_some()
    }
}
