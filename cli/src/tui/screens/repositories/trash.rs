//! What was deleted and can be restored: repositories, or the manifests of one.

use super::super::Screen;
use crate::tui::app::context::Context;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::text::{ago, bytes, encoded, moment, short, span, string, strings};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, column, number, roomy, wide};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::listing::{Item, Listing};
use crate::tui::widgets::{Browse, Cell, cell, panel};
use ratatui::Frame;
use ratatui::layout::Rect;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// The keys of these screens.
pub(super) const KEYS: &[Binding] = &[
    bind("u", Action::Undo, "undelete", "restore it; Enter does too"),
    bind("y", Action::Copy, "copy", "copy its name, or its digest"),
];

/// How old what is shown becomes before it is read anew: what is left of the time to restore it counts
/// from then. In milliseconds.
const FRESH: u64 = 60_000;

/// The screen of what was deleted.
pub(super) fn open(repository: Option<&str>) -> Box<dyn Screen> {
    match repository {
        None => Box::new(Trash::<Repository>::new(
            "/deleted?".to_owned(),
            "Deleted repositories",
        )),
        Some(name) => {
            let path = format!("/deleted?repository={}&", encoded(name));
            Box::new(Trash::<Manifest>::new(path, "Deleted manifests"))
        }
    }
}

/// Something that was deleted.
trait Deleted: Item {
    /// What is told when there is nothing.
    const NONE: &'static str;

    /// What restores it.
    fn undelete(&self) -> Value;

    /// What it is called.
    fn name(&self) -> &str {
        self.key()
    }
}

/// What was deleted.
#[derive(Debug)]
struct Trash<R> {
    listing: Listing<R>,
    title: &'static str,
    read_at: u64,
}

/// When something was deleted, and how long it can be restored.
#[derive(Debug)]
struct Times {
    deleted: u64,
    left: u64,
}

/// A deleted repository.
#[derive(Debug)]
struct Repository {
    name: String,
    times: Times,
}

/// A deleted manifest.
#[derive(Debug)]
struct Manifest {
    repository: String,
    digest: String,
    tags: String,
    media_type: String,
    size: u64,
    times: Times,
}

// === impl Trash ===

impl<R: Deleted> Trash<R> {
    fn new(path: String, title: &'static str) -> Self {
        Self {
            listing: Listing::new(path),
            title,
            read_at: 0,
        }
    }
}

impl<R: Deleted> Screen for Trash<R> {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.read_at = cx.now;
        self.listing.load(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        Some(&mut self.listing)
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        let Some(item) = self.listing.selected() else {
            return;
        };
        match action {
            Action::Undo | Action::Open => {
                let said = format!("{} is restored", short(item.name()));
                cx.change(Request::post("/undelete", item.undelete()), said);
            }
            Action::Copy => cx.copy(item.name(), item.name()),
            _ => {}
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        self.listing.answered(ticket, &reply, cx);
    }

    fn changed(&mut self, _ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        let taken = strings(&reply.body["taken_tags"]);
        let missing = strings(&reply.body["missing_blobs"]);
        if !missing.is_empty() {
            cx.warn(format!(
                "restored, but {} of its blobs are gone",
                missing.len()
            ));
        } else if !taken.is_empty() {
            let taken = taken.join(" ");
            cx.warn(format!(
                "restored, but these tags name others by now: {taken}"
            ));
        }
        self.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if matches!(&*event.kind, "repository" | "delete" | "gc" | "missed") {
            self.listing.changed(cx);
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.listing.tick(cx);
        let is_old = self.read_at + FRESH <= cx.now;
        if is_old && !self.listing.is_loading() && !self.listing.is_refused() {
            self.load(cx);
        }
    }

    fn is_loading(&self) -> bool {
        self.listing.is_loading()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let inside = panel(frame, area, &self.listing.title(self.title), paint.look);
        self.listing.draw(frame, inside, paint, R::NONE);
    }
}

// === impl Times ===

impl Times {
    fn read(item: &Value) -> Self {
        let number = |name: &str| item[name].as_u64().unwrap_or_default();
        Self {
            deleted: number("deleted"),
            left: number("restorable_for_ms"),
        }
    }

    fn cells(&self, now: u64) -> [Cell; 3] {
        let until = now.saturating_add(self.left);
        [
            cell(ago(self.deleted, now), Tone::Plain),
            cell(span(self.left), Tone::Plain),
            cell(moment(until), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.deleted.cmp(&other.deleted),
            _ => self.left.cmp(&other.left),
        }
    }
}

// === impl Repository ===

impl Row for Repository {
    const COLUMNS: &'static [Column] = &[
        roomy("repository", 24, 0),
        column("deleted", 12, 0),
        column("restorable for", 14, 0),
        column("until (UTC)", 19, 1),
    ];

    fn key(&self) -> &str {
        &self.name
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let mut cells = vec![cell(self.name.as_str(), Tone::Accent)];
        cells.extend(self.times.cells(now));
        cells
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.name.cmp(&other.name),
            column => self.times.compare(&other.times, column - 1),
        }
    }
}

impl Item for Repository {
    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            name: item["repository"].as_str()?.to_owned(),
            times: Times::read(item),
        })
    }
}

impl Deleted for Repository {
    const NONE: &'static str = "no deleted repository can be restored";

    fn undelete(&self) -> Value {
        json!({ "repository": self.name })
    }
}

// === impl Manifest ===

impl Row for Manifest {
    const COLUMNS: &'static [Column] = &[
        column("digest", 19, 0),
        roomy("tags it had", 16, 0),
        number("size", 10, 3),
        column("deleted", 12, 0),
        column("restorable for", 14, 0),
        column("until (UTC)", 19, 2),
        wide("media type", 4),
    ];

    fn key(&self) -> &str {
        &self.digest
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let [deleted, left, until] = self.times.cells(now);
        vec![
            cell(short(&self.digest), Tone::Accent),
            cell(self.tags.as_str(), Tone::Plain),
            cell(bytes(self.size), Tone::Plain),
            deleted,
            left,
            until,
            cell(self.media_type.as_str(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.digest.cmp(&other.digest),
            1 => self.tags.cmp(&other.tags),
            2 => self.size.cmp(&other.size),
            6 => self.media_type.cmp(&other.media_type),
            column => self.times.compare(&other.times, column - 3),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.digest, text) || contains(&self.tags, text)
    }
}

impl Item for Manifest {
    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            repository: item["repository"].as_str()?.to_owned(),
            digest: item["digest"].as_str()?.to_owned(),
            tags: strings(&item["tags"]).join(" "),
            media_type: string(&item["media_type"]),
            size: item["size"].as_u64().unwrap_or_default(),
            times: Times::read(item),
        })
    }
}

impl Deleted for Manifest {
    const NONE: &'static str = "no deleted manifest of it can be restored";

    fn undelete(&self) -> Value {
        json!({ "repository": self.repository, "reference": self.digest })
    }
}
