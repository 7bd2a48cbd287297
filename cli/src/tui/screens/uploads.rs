//! Uploads: what is being pushed, how far and how fast, and a way to end it.

use super::Screen;
use crate::tui::app::context::Context;
use crate::tui::keys::{Action, Binding, Section, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::text::{ago, bytes, encoded, span, string};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, column, number, wide};
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::listing::{Item, Listing};
use crate::tui::widgets::{Browse, Cell, cell, panel};
use ratatui::Frame;
use ratatui::layout::Rect;
use serde_json::Value;
use std::cmp::Ordering;

/// The keys of this screen.
pub(super) const SECTIONS: &[Section] = &[Section {
    name: "Uploads",
    bindings: KEYS,
}];

const KEYS: &[Binding] = &[bind(
    "d <del>",
    Action::Delete,
    "cancel-upload",
    "end the upload; its bytes go",
)];

/// What is being pushed.
#[derive(Debug)]
pub(super) struct Uploads {
    listing: Listing<Upload>,
    /// Which one the question is about.
    asked_about: Option<String>,
}

/// One upload.
#[derive(Debug)]
struct Upload {
    id: String,
    repository: String,
    offset: u64,
    started: u64,
    updated: u64,
    expires_in: u64,
    is_active: bool,
}

// === impl Uploads ===

impl Uploads {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/uploads?"),
            asked_about: None,
        }
    }
}

impl Screen for Uploads {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.listing.load(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.listing)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        let (Action::Delete, Some(upload)) = (action, self.listing.selected()) else {
            return;
        };
        self.asked_about = Some(upload.id.clone());
        let text = format!(
            "End the upload of {} to {}? Its client has to begin anew.",
            bytes(upload.offset),
            upload.repository
        );
        cx.question(Question::new("End an upload", text));
    }

    fn submitted(&mut self, _dialog: &Dialog, cx: &mut Context<'_>) {
        if let Some(id) = self.asked_about.take() {
            let request = Request::delete(format!("/uploads/{}", encoded(&id)));
            cx.change(request, format!("upload {id} was ended"));
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        self.listing.answered(ticket, &reply, cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if event.kind == "upload" || event.kind == "status" {
            self.listing.changed(cx);
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.listing.tick(cx);
    }

    fn is_loading(&self) -> bool {
        self.listing.is_loading()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let inside = panel(frame, area, &self.listing.title("Uploads"), paint.look);
        self.listing
            .draw(frame, inside, paint, "nothing is being pushed");
    }
}

impl Row for Upload {
    const COLUMNS: &'static [Column] = &[
        wide("repository", 0),
        number("received", 11, 0),
        column("started", 12, 2),
        column("last bytes", 12, 1),
        column("expires in", 10, 3),
        column("state", 7, 2),
        column("id", 36, 4),
    ];

    fn key(&self) -> &str {
        &self.id
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let (state, tone) = if self.is_active {
            ("active", Tone::Good)
        } else {
            ("idle", Tone::Dim)
        };
        vec![
            cell(self.repository.as_str(), Tone::Accent),
            cell(bytes(self.offset), Tone::Plain),
            cell(ago(self.started, now), Tone::Dim),
            cell(ago(self.updated, now), Tone::Plain),
            cell(span(self.expires_in), Tone::Dim),
            cell(state, tone),
            cell(self.id.as_str(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.repository.cmp(&other.repository),
            1 => self.offset.cmp(&other.offset),
            2 => self.started.cmp(&other.started),
            3 => self.updated.cmp(&other.updated),
            4 => self.expires_in.cmp(&other.expires_in),
            5 => self.is_active.cmp(&other.is_active),
            _ => self.id.cmp(&other.id),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.repository, text) || contains(&self.id, text)
    }
}

impl Item for Upload {
    fn read(item: &Value) -> Option<Self> {
        let number = |name: &str| item[name].as_u64().unwrap_or_default();
        Some(Self {
            id: item["id"].as_str()?.to_owned(),
            repository: string(&item["repository"]),
            offset: number("offset_bytes"),
            started: number("started"),
            updated: number("updated"),
            expires_in: number("expires_in_ms"),
            is_active: item["active"] == true,
        })
    }
}
