//! [`Plan`]: what a collection would take now, in its order. Nothing is removed by looking.

use super::jobs::{collected, collection};
use crate::output::time;
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Request, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::{bytes, string};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, column, number, wide};
use crate::tui::widgets::dialog::{Dialog, Question};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::listing::{Item, Listing};
use crate::tui::widgets::{Browse, Cell, cell, pane};
use ratatui::Frame;
use ratatui::layout::Rect;
use serde_json::Value;
use std::cmp::Ordering;

pub(super) const KEYS: &[Binding] = &[
    bind("c", Action::Run, "collect", "collect: now, what is listed"),
    bind(
        "w",
        Action::Why,
        "why",
        "why: since when it goes, and who else holds it",
    ),
    bind("y", Action::Copy, "copy", "copy: the digest"),
];

/// What a collection would take.
#[derive(Debug)]
pub(super) struct Plan {
    listing: Listing<Planned>,
    /// The collection that was started from here.
    collecting: Option<Ticket>,
    /// How many rows the sums are of, what they come to, and what of it comes back.
    sums: (usize, u64, u64),
}

/// One blob that would go from one repository.
#[derive(Debug)]
struct Planned {
    key: String,
    repository: String,
    digest: String,
    size: u64,
    frees: bool,
    is_of_deleted: bool,
    unlinked_for: u64,
    due_for: u64,
}

// === impl Plan ===

impl Plan {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new("/gc/plan?"),
            collecting: None,
            sums: (0, 0, 0),
        }
    }

    fn sum_up(&mut self) {
        let rows = self.listing.rows();
        let sum = |only_freed: bool| {
            let rows = rows.iter().filter(|row| row.frees || !only_freed);
            rows.fold(0_u64, |sum, row| sum.saturating_add(row.size))
        };
        self.sums = (rows.len(), sum(false), sum(true));
    }
}

impl Screen for Plan {
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
        if action == Action::Run {
            let (rows, _, freed) = self.sums;
            let text = format!(
                "Collect what is due now? {rows} entries are listed, which give back {}.",
                bytes(freed)
            );
            cx.question(Question::new("Collect", text));
            return;
        }
        let Some(row) = self.listing.selected() else {
            return;
        };
        match action {
            Action::Why | Action::Open | Action::Right => cx.enter(Place::Why {
                digest: row.digest.clone(),
            }),
            Action::Copy => cx.copy(row.digest.as_str(), "the digest"),
            _ => {}
        }
    }

    fn submitted(&mut self, _dialog: &Dialog, cx: &mut Context<'_>) {
        let request = Request::post("/gc", collection(None, false));
        self.collecting = Some(cx.change(request, "collected what was due"));
        // It may take long: one looks elsewhere meanwhile.
        cx.close_dialog();
        cx.say("the collection goes on while you look elsewhere; Ctrl-c ends it");
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if self.listing.answered(ticket, &reply, cx) {
            self.sum_up();
        }
    }

    fn changed(&mut self, ticket: Ticket, reply: &Reply, cx: &mut Context<'_>) {
        if self.collecting == Some(ticket) {
            cx.say(format!(
                "collection: {}",
                collected(&reply.body).lines.join("; ")
            ));
        }
        self.load(cx);
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if matches!(event.kind.as_str(), "gc" | "delete" | "push" | "repository") {
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
        let mut title = self.listing.title("A collection would take");
        let (_, all, freed) = self.sums;
        title = format!(
            "{title}: {}, of which {} come back",
            bytes(all),
            bytes(freed)
        );
        let inside = pane(frame, area, &title, paint.look, true);
        let none = "nothing is due: what nothing links stays for gc_grace and its lease first";
        self.listing.draw(frame, inside, paint, none);
    }
}

// === impl Planned ===

impl Planned {
    fn why(&self) -> String {
        if self.is_of_deleted {
            return "the repository was deleted".to_owned();
        }
        format!("nothing has linked it for {}", time(self.unlinked_for))
    }
}

impl Row for Planned {
    const COLUMNS: &'static [Column] = &[
        number("size", 10, 0),
        column("comes back", 18, 2),
        wide("repository", 0),
        column("digest", 19, 1),
        column("why", 34, 3),
        column("due for", 8, 4),
    ];

    fn key(&self) -> &str {
        &self.key
    }

    fn cells(&self, _now: u64) -> Vec<Cell> {
        let (frees, tone) = if self.frees {
            ("yes", Tone::Good)
        } else {
            ("no, others hold it", Tone::Dim)
        };
        let due = if self.is_of_deleted {
            String::new()
        } else {
            time(self.due_for)
        };
        let repository = if self.repository.is_empty() {
            cell("(its name cannot be read)", Tone::Bad)
        } else {
            cell(self.repository.as_str(), Tone::Accent)
        };
        vec![
            cell(bytes(self.size), Tone::Plain),
            cell(frees, tone),
            repository,
            cell(crate::tui::text::short(&self.digest), Tone::Plain),
            cell(self.why(), Tone::Dim),
            cell(due, Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.size.cmp(&other.size),
            1 => self.frees.cmp(&other.frees),
            2 => self.repository.cmp(&other.repository),
            3 => self.digest.cmp(&other.digest),
            4 => self.unlinked_for.cmp(&other.unlinked_for),
            _ => self.due_for.cmp(&other.due_for),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.repository, text) || contains(&self.digest, text)
    }
}

impl Item for Planned {
    fn read(item: &Value) -> Option<Self> {
        let number = |name: &str| item[name].as_u64().unwrap_or_default();
        let repository = string(&item["repository"]);
        let digest = item["digest"].as_str()?.to_owned();
        Some(Self {
            key: format!("{repository}@{digest}"),
            repository,
            digest,
            size: number("size"),
            frees: item["frees"] == true,
            is_of_deleted: item["reason"] == "repository-deleted",
            unlinked_for: number("unlinked_for_ms"),
            due_for: number("due_for_ms"),
        })
    }
}
