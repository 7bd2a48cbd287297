//! [`Details`]: what is told of the repository under the cursor, beside the tree.
//!
//! Invariants:
//! 1. It is asked for only where there is room to show it, when the cursor has rested a while, and no
//!    longer wanted when the cursor moves on.
//! 2. Its lines are written when something changes, for the width in which it was drawn last.

use super::repository::Shown;
use super::settings::Settings;
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::{bytes, encoded, moment, wrapped};
use crate::tui::theme::{Look, Tone};
use crate::tui::widgets::textview::{Parts, TextView};
use crate::tui::widgets::{Browse, pane, span};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use std::cell::Cell as Slot;

/// How long the cursor rests before something is asked, in milliseconds.
const REST: u64 = 200;

/// Letters of a line before it was drawn: what is left inside on a screen of 120 columns.
const USUAL: usize = 38;

/// Room for a name.
const LABEL: usize = 11;

/// The path of a repository, whose name is one segment.
pub(super) fn path_of(repository: &str) -> String {
    format!("/repositories/{}", encoded(repository))
}

/// What is told of the repository under the cursor.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// Which repository.
    about: Option<String>,
    /// Since when the cursor is on it.
    since: u64,
    asked: Option<Ticket>,
    told: Option<Result<Settings, String>>,
    /// Whether what was told may be different by now.
    is_stale: bool,
    view: TextView,
    /// Which row was written about, and for which width.
    written_of: String,
    written_for: u16,
    /// How wide it was drawn.
    width: Slot<u16>,
    /// Whether there was room for it when it was drawn.
    has_room: Slot<bool>,
}

// === impl Details ===

impl Details {
    /// The cursor is on this repository, or on none.
    pub(super) fn follow(&mut self, name: Option<&str>, cx: &mut Context<'_>) {
        if self.about.as_deref() == name {
            return;
        }
        self.give_up(cx);
        self.about = name.map(str::to_owned);
        self.since = cx.now;
        self.told = None;
        self.is_stale = true;
    }

    /// It may be different by now.
    pub(super) fn changed(&mut self, cx: &mut Context<'_>) {
        self.give_up(cx);
        self.since = cx.now;
        self.is_stale = true;
    }

    fn give_up(&mut self, cx: &mut Context<'_>) {
        if let Some(ticket) = self.asked.take() {
            cx.give_up(ticket);
        }
    }

    /// Time has gone by.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        if self.is_waiting() && self.asked.is_none() && self.since + REST <= cx.now {
            let path = self.about.as_deref().map(path_of);
            self.asked = path.map(|path| cx.ask(Request::get(path)));
        }
    }

    /// Takes an answer if it is for this; whether it was.
    pub(super) fn answered(&mut self, ticket: Ticket, reply: &Result<Reply, Failure>) -> bool {
        if self.asked != Some(ticket) {
            return false;
        }
        self.asked = None;
        self.is_stale = false;
        let name = self.about.clone().unwrap_or_default();
        self.told = Some(match reply {
            Ok(reply) => Ok(Settings::read(&name, reply)),
            Err(failure) => Err(failure.to_string()),
        });
        true
    }

    /// Whether something of it is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.has_room.get() && self.about.is_some() && self.is_stale
    }

    /// There is no room for it.
    pub(super) fn hide(&self) {
        self.has_room.set(false);
    }

    /// Whether it is to be seen.
    pub(super) fn is_seen(&self) -> bool {
        self.has_room.get()
    }

    /// Writes what there is to tell of a row, when it may be another one, or be told in other words.
    pub(super) fn write(&mut self, row: Option<&Shown>) {
        self.written_for = self.width.get();
        let room = match self.written_for {
            0 => USUAL,
            width => usize::from(width),
        };
        let mut lines = row.map(|row| figures(row, room)).unwrap_or_default();
        if row.is_some_and(Shown::is_repository) {
            lines.push(Parts::new());
            lines.extend(self.settings(room));
        }
        let name = row.map_or("", |row| &row.figures.name);
        if self.written_of == name {
            self.view.replace(lines);
        } else {
            name.clone_into(&mut self.written_of);
            self.view = TextView::new(lines);
        }
    }

    /// Whether it was drawn in another width than it was written for.
    pub(super) fn is_misfit(&self) -> bool {
        self.written_for != self.width.get()
    }

    /// To be moved about in.
    pub(super) fn browse(&mut self) -> &mut dyn Browse {
        &mut self.view
    }

    /// Draws it.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: Look, has_focus: bool) {
        self.has_room.set(true);
        let inside = pane(frame, area, "Details", look, has_focus);
        self.width.set(inside.width);
        self.view.draw_beside(frame, inside, look, has_focus);
    }

    fn settings(&self, room: usize) -> Vec<Parts> {
        let settings = match &self.told {
            Some(Ok(settings)) => settings,
            Some(Err(why)) => return paragraph(why, room, Tone::Bad),
            None => return paragraph("asking for its settings", room, Tone::Dim),
        };
        let list = |texts: &[String], none: &str| match texts {
            [] => none.to_owned(),
            texts => texts.join(" "),
        };
        let public = if settings.is_public {
            "yes, anybody may pull"
        } else {
            "no"
        };
        let pairs = [
            ("public", public.to_owned()),
            ("quota", settings.quota_said()),
            (
                "immutable",
                list(&settings.immutable_tags, "none by its own rule"),
            ),
            ("rules", list(&settings.rules, "none")),
            ("you may", list(&settings.permissions, "nothing")),
        ];
        told(&pairs, room)
    }
}

/// A name and what there is to tell by it.
pub(super) fn pair(look: Look, name: &str, text: &str) -> Line<'static> {
    let name = span(look, &format!("{name:<LABEL$}"), Tone::Dim);
    Line::from(vec![name, span(look, text, Tone::Plain)])
}

/// A text in as many lines as it needs.
fn paragraph(text: &str, room: usize, tone: Tone) -> Vec<Parts> {
    let lines = wrapped(text, room).into_iter();
    lines.map(|line| vec![(line, tone)]).collect()
}

/// Names and what there is to tell by each, in as many lines as that needs.
fn told(pairs: &[(&str, String)], room: usize) -> Vec<Parts> {
    let room = room.saturating_sub(LABEL).max(8);
    let lines = pairs.iter().flat_map(|(name, text)| {
        let lines = wrapped(text, room).into_iter().enumerate();
        lines.map(move |(place, line)| {
            let name = if place == 0 { name } else { "" };
            vec![(format!("{name:<LABEL$}"), Tone::Dim), (line, Tone::Plain)]
        })
    });
    lines.collect()
}

fn figures(row: &Shown, room: usize) -> Vec<Parts> {
    let figures = &row.figures;
    let when = |at: Option<u64>| match at {
        Some(at) => format!("{} UTC", moment(at)),
        None => "not known".to_owned(),
    };
    let mut lines = paragraph(&figures.name, room, Tone::Heading);
    lines.push(Parts::new());
    let mut pairs = Vec::new();
    if let Some((count, _)) = row.group {
        pairs.push(("below", format!("{count} repositories")));
    }
    pairs.push(("tags", figures.tags.to_string()));
    pairs.push(("manifests", figures.manifests.to_string()));
    pairs.push(("own size", bytes(figures.own_bytes)));
    if let Some(shared) = figures.shared_bytes {
        pairs.push(("shared", format!("{} with others", bytes(shared))));
    }
    pairs.push(("last push", when(figures.last_push)));
    pairs.push(("last pull", when(figures.last_pull)));
    lines.extend(told(&pairs, room));
    lines
}
