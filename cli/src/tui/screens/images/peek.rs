//! [`Peek`]: the pane about the manifest under the cursor. It is asked for when the cursor has rested,
//! and given up when the cursor moves on.
//!
//! Invariants:
//! 1. At most one question waits, and at most [`KNOWN`] manifests are remembered.

use super::manifest_path;
use super::parts::Shown;
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::textview::TextView;
use crate::tui::widgets::{Browse, pane};
use ratatui::Frame;
use ratatui::layout::Rect;
use std::collections::VecDeque;

/// How long the cursor rests before a manifest is asked for, in milliseconds.
const REST: u64 = 150;

/// Manifests that are remembered.
const KNOWN: usize = 32;

/// The pane.
#[derive(Debug)]
pub(super) struct Peek {
    repository: String,
    /// Its digest, and since when the cursor has been on it.
    wanted: Option<(String, u64)>,
    asked: Option<Ticket>,
    known: VecDeque<(String, TextView)>,
    /// Whether the one that is seen may not be so any more.
    is_stale: bool,
}

// === impl Peek ===

impl Peek {
    pub(super) fn new(repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            wanted: None,
            asked: None,
            known: VecDeque::new(),
            is_stale: false,
        }
    }

    /// The cursor is on this manifest.
    pub(super) fn look_at(&mut self, digest: Option<String>, cx: &mut Context<'_>) {
        let before = self.wanted.as_ref().map(|(digest, _)| digest);
        if before != digest.as_ref() {
            self.give_up(cx);
            self.wanted = digest.map(|digest| (digest, cx.now));
            self.is_stale = false;
        }
        let Some((digest, since)) = &self.wanted else {
            return;
        };
        let is_wanted = self.is_stale || self.view().is_none();
        if self.asked.is_none() && is_wanted && since + REST <= cx.now {
            let path = manifest_path(&self.repository, digest);
            self.asked = Some(cx.ask(Request::get(path)));
        }
    }

    fn give_up(&mut self, cx: &mut Context<'_>) {
        if let Some(ticket) = self.asked.take() {
            cx.give_up(ticket);
        }
    }

    /// What was remembered may not be so any more; what is seen stays until it is read anew.
    pub(super) fn forget(&mut self, cx: &mut Context<'_>) {
        self.give_up(cx);
        if let Some((wanted, since)) = &mut self.wanted {
            *since = cx.now;
            self.known.retain(|(digest, _)| digest == wanted);
        }
        self.is_stale = true;
    }

    /// Takes an answer if it is for this; whether it was.
    pub(super) fn answered(&mut self, ticket: Ticket, reply: &Result<Reply, Failure>) -> bool {
        if self.asked != Some(ticket) {
            return false;
        }
        self.asked = None;
        let lines = match reply {
            Ok(reply) => Shown::read(&reply.body).brief(),
            Err(failure) => vec![vec![(failure.to_string(), Tone::Bad)]],
        };
        self.is_stale = false;
        if let Some((wanted, _)) = &self.wanted {
            let before = self.known.iter().position(|(digest, _)| digest == wanted);
            let before = before.and_then(|place| self.known.remove(place));
            let (digest, mut view) =
                before.unwrap_or_else(|| (wanted.clone(), TextView::default()));
            view.replace(lines);
            self.known.truncate(KNOWN - 1);
            self.known.push_front((digest, view));
        }
        true
    }

    fn view(&self) -> Option<&TextView> {
        let (wanted, _) = self.wanted.as_ref()?;
        let mut known = self.known.iter();
        known
            .find(|(digest, _)| digest == wanted)
            .map(|(_, view)| view)
    }

    /// The pane to be moved about in.
    pub(super) fn browse(&mut self) -> Option<&mut dyn Browse> {
        let (wanted, _) = self.wanted.as_ref()?;
        let mut known = self.known.iter_mut();
        let found = known.find(|(digest, _)| digest == wanted);
        found.map(|(_, view)| view as &mut dyn Browse)
    }

    /// Whether there is something that is not known yet.
    pub(super) fn is_loading(&self) -> bool {
        self.wanted.is_some() && (self.is_stale || self.view().is_none())
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint, has_focus: bool) {
        let inside = pane(frame, area, "Manifest", paint.look, has_focus);
        if let Some(view) = self.view() {
            view.draw_beside(frame, inside, paint.look, has_focus);
        }
    }
}
