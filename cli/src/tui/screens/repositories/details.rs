//! [`Details`]: what is told of the repository under the cursor, beside the tree.
//!
//! Invariants:
//! 1. It is asked for only where there is room to show it, when the cursor has rested a while, and no
//!    longer wanted when the cursor moves on.

use super::repository::Shown;
use super::settings::Settings;
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::{bytes, encoded, moment};
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::{panel, span};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use std::cell::Cell as Slot;

/// How long the cursor rests before something is asked, in milliseconds.
const REST: u64 = 200;

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

    /// Takes an answer if it is for this.
    pub(super) fn answered(&mut self, ticket: Ticket, reply: &Result<Reply, Failure>) {
        if self.asked != Some(ticket) {
            return;
        }
        self.asked = None;
        self.is_stale = false;
        let name = self.about.clone().unwrap_or_default();
        self.told = Some(match reply {
            Ok(reply) => Ok(Settings::read(&name, reply)),
            Err(failure) => Err(failure.to_string()),
        });
    }

    /// Whether something of it is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.has_room.get() && self.about.is_some() && self.is_stale
    }

    /// There is no room for it.
    pub(super) fn hide(&self) {
        self.has_room.set(false);
    }

    /// Draws it.
    pub(super) fn draw(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        row: Option<&Shown>,
        paint: Paint,
    ) {
        self.has_room.set(true);
        let inside = panel(frame, area, "Details", paint.look);
        let Some(row) = row else {
            return;
        };
        let mut lines = figures(row, paint.look);
        if row.is_repository() {
            lines.push(Line::default());
            lines.extend(self.settings(paint.look));
        }
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inside);
    }

    fn settings(&self, look: Look) -> Vec<Line<'static>> {
        let settings = match &self.told {
            Some(Ok(settings)) => settings,
            Some(Err(why)) => return vec![Line::from(span(look, why, Tone::Bad))],
            None => return vec![Line::from(span(look, "asking for its settings", Tone::Dim))],
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
        let tags = list(&settings.immutable_tags, "none by its own rule");
        let rules = list(&settings.rules, "none");
        let may = list(&settings.permissions, "nothing");
        vec![
            pair(look, "public", public),
            pair(look, "quota", &settings.quota_said()),
            pair(look, "immutable", &tags),
            pair(look, "rules", &rules),
            pair(look, "you may", &may),
        ]
    }
}

/// A name and what there is to tell by it.
pub(super) fn pair(look: Look, name: &str, text: &str) -> Line<'static> {
    let name = span(look, &format!("{name:<11}"), Tone::Dim);
    Line::from(vec![name, span(look, text, Tone::Plain)])
}

fn figures(row: &Shown, look: Look) -> Vec<Line<'static>> {
    let figures = &row.figures;
    let when = |at: Option<u64>| match at {
        Some(at) => format!("{} UTC", moment(at)),
        None => "not known".to_owned(),
    };
    let mut lines = vec![
        Line::from(span(look, &figures.name, Tone::Heading)),
        Line::default(),
    ];
    if let Some((count, _)) = row.group {
        lines.push(pair(look, "below", &format!("{count} repositories")));
    }
    lines.push(pair(look, "tags", &figures.tags.to_string()));
    lines.push(pair(look, "manifests", &figures.manifests.to_string()));
    lines.push(pair(look, "own size", &bytes(figures.own_bytes)));
    if let Some(shared) = figures.shared_bytes {
        let text = format!("{} with others", bytes(shared));
        lines.push(pair(look, "shared", &text));
    }
    lines.push(pair(look, "last push", &when(figures.last_push)));
    lines.push(pair(look, "last pull", &when(figures.last_pull)));
    lines
}
