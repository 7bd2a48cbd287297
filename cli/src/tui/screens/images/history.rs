//! [`History`]: what a tag named, the newest change first, and a way back.

use super::deeds::Deeds;
use super::{Asked, about, tag_path};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::{ago, moment, string};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, column, wide};
use crate::tui::widgets::dialog::Dialog;
use crate::tui::widgets::list::{List, Row, contains};
use crate::tui::widgets::{Browse, Cell, cell, panel, span};
use ratatui::Frame;
use ratatui::layout::Rect;
use serde_json::Value;
use std::cmp::Ordering;

/// The keys of this screen; `<enter>` is general.
pub(super) const KEYS: &[Binding] = &[
    bind(
        "e",
        Action::Edit,
        "set-back",
        "set back, the tag to this; as Enter",
    ),
    bind("u", Action::Undo, "undo", "undo, the last change made here"),
    bind("m", Action::Manifests, "manifest", "into this manifest"),
    bind("y", Action::Copy, "copy", "copy digest"),
    bind("w", Action::Why, "why", "why, what keeps this digest"),
];

/// What a tag named.
#[derive(Debug)]
pub(super) struct History {
    repository: String,
    tag: String,
    list: List<Change>,
    asked: Asked,
    failure: Option<String>,
    deeds: Deeds,
}

/// A change of it.
#[derive(Debug)]
struct Change {
    /// Its place and what it is; the same manifest may come more than once.
    key: String,
    event: String,
    digest: String,
    at: u64,
}

// === impl History ===

impl History {
    pub(super) fn new(repository: &str, tag: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            list: List::default(),
            asked: Asked::default(),
            failure: None,
            deeds: Deeds::new(repository),
        }
    }

    /// What the tag names now, as far as the newest change tells.
    fn present(&self) -> Option<String> {
        let newest = self.list.rows().first()?;
        let is_set = matches!(newest.event.as_str(), "set" | "moved" | "restored");
        is_set.then(|| newest.digest.clone())
    }

    fn set_back(&mut self, cx: &mut Context<'_>) {
        let present = self.present();
        let Some(change) = self.list.selected() else {
            return;
        };
        if present.as_ref() == Some(&change.digest) {
            return cx.warn(format!("{} names this already", self.tag));
        }
        self.deeds.set_back(&self.tag, &change.digest, present, cx);
    }
}

impl Screen for History {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        let path = format!("{}/history", tag_path(&self.repository, &self.tag));
        self.asked.ask(path, cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.list)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::Open | Action::Right | Action::Edit => return self.set_back(cx),
            Action::Undo => return self.deeds.undo(cx),
            Action::Left => return cx.leave(),
            _ => {}
        }
        let Some(change) = self.list.selected() else {
            return;
        };
        let digest = change.digest.clone();
        match action {
            Action::Copy => cx.copy(digest, "the digest"),
            Action::Why => cx.enter(Place::Why { digest }),
            Action::Manifests => cx.enter(Place::Manifest {
                repository: self.repository.clone(),
                reference: digest,
            }),
            _ => {}
        }
    }

    fn submitted(&mut self, dialog: &Dialog, cx: &mut Context<'_>) {
        self.deeds.submitted(dialog, cx);
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if !self.asked.is_answered(ticket) {
            self.deeds.answered(ticket, &reply, cx);
            return;
        }
        match reply {
            Ok(reply) => {
                self.failure = None;
                let items = reply.body["items"]
                    .as_array()
                    .map_or(&[][..], Vec::as_slice);
                // Counted from the oldest: a new change does not give the others new keys.
                let rows = items.iter().zip((0..items.len()).rev());
                let rows = rows.map(|(item, place)| Change::read(place, item));
                self.list.replace(rows.collect());
            }
            Err(failure) => {
                self.list.replace(Vec::new());
                self.failure = Some(failure.to_string());
            }
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        self.deeds.changed(ticket, reply, cx);
        self.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        let is_it =
            about(event, &self.repository).is_some_and(|rest| match rest.strip_prefix(':') {
                Some(tag) => tag == self.tag,
                None => true,
            });
        if is_it {
            self.load(cx);
        }
    }

    fn is_loading(&self) -> bool {
        self.asked.is_waiting()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let title = format!("{} of {}", self.tag, self.repository);
        let inside = panel(frame, area, &title, paint.look);
        match &self.failure {
            Some(failure) => frame.render_widget(span(paint.look, failure, Tone::Bad), inside),
            None => self.list.draw(frame, inside, paint),
        }
    }
}

// === impl Change ===

impl Change {
    fn read(place: usize, item: &Value) -> Self {
        let (event, digest) = (string(&item["event"]), string(&item["digest"]));
        let at = item["at"].as_u64().unwrap_or_default();
        Self {
            key: format!("{at} {event} {digest} {place}"),
            event,
            digest,
            at,
        }
    }
}

impl Row for Change {
    const COLUMNS: &'static [Column] = &[
        column("change", 16, 0),
        wide("digest", 0),
        column("when", 12, 1),
        column("at (UTC)", 19, 0),
    ];

    fn key(&self) -> &str {
        &self.key
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let tone = match self.event.as_str() {
            "deleted" | "manifest-deleted" => Tone::Bad,
            _ => Tone::Accent,
        };
        vec![
            cell(self.event.as_str(), tone),
            cell(self.digest.as_str(), Tone::Plain),
            cell(ago(self.at, now), Tone::Dim),
            cell(moment(self.at), Tone::Plain),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.event.cmp(&other.event),
            1 => self.digest.cmp(&other.digest),
            _ => self.at.cmp(&other.at),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.event, text) || contains(&self.digest, text)
    }
}
