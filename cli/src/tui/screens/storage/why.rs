//! [`Why`]: where the bytes of a digest lie, who holds it, and what keeps it there or when it goes.

use crate::output::{amount, count, time};
use crate::tui::app::context::Context;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, bind};
use crate::tui::message::{Event, Failure, Reply, Ticket};
use crate::tui::screens::Screen;
use crate::tui::text::{encoded, short, string};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, number, wide};
use crate::tui::widgets::list::Row;
use crate::tui::widgets::listing::{Item, Listing};
use crate::tui::widgets::textview::{Parts, TextView};
use crate::tui::widgets::{Browse, Cell, cell, pane};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use serde_json::Value;
use std::cmp::Ordering;

pub(super) const KEYS: &[Binding] = &[bind("y", Action::Copy, "copy", "copy: the digest")];

/// What keeps a digest.
#[derive(Debug)]
pub(super) struct Why {
    digest: String,
    /// Where the bytes lie, as soon as that is known, and how it is with them.
    place: Option<(String, Tone)>,
    holders: Listing<Holder>,
    /// What is to be said of the holder under the cursor.
    detail: TextView,
    is_in_detail: bool,
}

/// A repository that holds it.
#[derive(Debug)]
struct Holder {
    repository: String,
    standing: String,
    tone: Tone,
    keepers: u64,
    tags: usize,
    lines: Vec<Parts>,
}

// === impl Why ===

impl Why {
    pub(super) fn new(digest: &str) -> Self {
        Self {
            digest: digest.to_owned(),
            place: None,
            holders: Listing::new(format!("/digests/{}?", encoded(digest))).of("holders"),
            detail: TextView::default(),
            is_in_detail: false,
        }
    }

    fn show(&mut self) {
        let lines = self.holders.selected().map(|holder| holder.lines.clone());
        self.detail.replace(lines.unwrap_or_default());
    }
}

/// Where the bytes lie.
fn place(answer: &Value) -> (String, Tone) {
    let blob = &answer["blob"];
    if blob.is_null() {
        return ("a manifest, in the metadata".to_owned(), Tone::Plain);
    }
    let mut text = format!(
        "{} in {} file {}, from byte {}",
        amount(&blob["size"]),
        string(&blob["file"]),
        count(&blob["number"]),
        count(&blob["offset"])
    );
    if blob["damaged"] == true {
        text += "; its bytes are damaged and not served; pushing it again heals it";
        return (text, Tone::Bad);
    }
    (text, Tone::Plain)
}

impl Screen for Why {
    fn keys(&self) -> &'static [Binding] {
        KEYS
    }

    fn load(&mut self, cx: &mut Context<'_>) {
        self.holders.load(cx);
    }

    fn focused(&mut self) -> Option<&mut dyn Browse> {
        if self.is_in_detail {
            Some(&mut self.detail)
        } else {
            Some(&mut self.holders)
        }
    }

    fn act(&mut self, action: Action, _count: Option<usize>, cx: &mut Context<'_>) {
        match action {
            Action::NextPane | Action::PreviousPane => self.is_in_detail = !self.is_in_detail,
            Action::Copy => cx.copy(self.digest.as_str(), "the digest"),
            Action::Open | Action::Right => {
                if let Some(holder) = self.holders.selected() {
                    cx.enter(Place::Tags {
                        repository: holder.repository.clone(),
                    });
                }
            }
            Action::Left => cx.leave(),
            _ => {}
        }
    }

    fn retreats(&mut self) -> bool {
        std::mem::take(&mut self.is_in_detail)
    }

    fn moved(&mut self, _cx: &mut Context<'_>) {
        if !self.is_in_detail {
            self.show();
        }
    }

    fn answered(&mut self, ticket: Ticket, reply: Result<Reply, Failure>, cx: &mut Context<'_>) {
        if !self.holders.answered(ticket, &reply, cx) {
            return;
        }
        if let Ok(reply) = reply {
            self.place = Some(place(&reply.body));
        }
        self.show();
    }

    fn heard(&mut self, event: &Event, cx: &mut Context<'_>) {
        if matches!(
            event.kind.as_str(),
            "gc" | "push" | "tag" | "delete" | "repository"
        ) {
            self.holders.changed(cx);
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.holders.tick(cx);
    }

    fn is_loading(&self) -> bool {
        self.holders.is_loading()
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
        let look = paint.look;
        let head = if area.height > 8 { 2 } else { 0 };
        let [above, rest] =
            Layout::vertical([Constraint::Length(head), Constraint::Min(0)]).areas(area);
        let mut lines = vec![Line::from(crate::tui::widgets::span(
            look,
            &self.digest,
            Tone::Accent,
        ))];
        if let Some((text, tone)) = &self.place {
            lines.push(Line::from(crate::tui::widgets::span(look, text, *tone)));
        }
        frame.render_widget(ratatui::widgets::Paragraph::new(lines), above);
        let split = [Constraint::Ratio(1, 2); 2];
        let [list, detail] = if area.width >= 160 {
            Layout::horizontal(split).areas(rest)
        } else {
            Layout::vertical(split).areas(rest)
        };
        let title = self.holders.title("Held by");
        let inside = pane(frame, list, &title, look, !self.is_in_detail);
        self.holders
            .draw(frame, inside, paint, "no repository holds it");
        let inside = pane(
            frame,
            detail,
            "What keeps it there",
            look,
            self.is_in_detail,
        );
        self.detail.draw(frame, inside, look);
    }
}

// === impl Holder ===

/// How it is with a digest in a repository.
fn standing(holder: &Value) -> (String, Tone) {
    if holder["deleted"] == true {
        let text = "the repository was deleted; it goes when that cannot be restored any more";
        return (text.to_owned(), Tone::Warning);
    }
    if let Some(media_type) = holder["manifest"].as_str() {
        let text = format!("stays until it is deleted, a manifest of type {media_type}");
        return (text, Tone::Good);
    }
    if let Some(left) = holder["restorable_for_ms"].as_u64() {
        return (
            format!("a deleted manifest, to be restored for {}", time(left)),
            Tone::Warning,
        );
    }
    let garbage = &holder["garbage"];
    if garbage.is_null() {
        let text = match holder["edges_that_keep"].as_u64() {
            Some(1) => "kept by one manifest".to_owned(),
            _ => format!(
                "kept in {} places of manifests",
                count(&holder["edges_that_keep"])
            ),
        };
        return (text, Tone::Good);
    }
    let goes = match garbage["due_in_ms"].as_u64() {
        Some(0) | None => "goes with the next collection".to_owned(),
        Some(left) => format!("goes in {}", time(left)),
    };
    let lease = match garbage["leased_for_ms"].as_u64() {
        Some(0) | None => String::new(),
        Some(left) => format!(" (clients may rely on it for {})", time(left)),
    };
    let since = time(garbage["unlinked_for_ms"].as_u64().unwrap_or_default());
    (
        format!("{goes}{lease}; nothing has linked it for {since}"),
        Tone::Warning,
    )
}

/// A manifest that leads to it.
fn edge(edge: &Value) -> Parts {
    let source = string(&edge["source"]);
    let mut parts = vec![
        (short(&source).to_owned(), Tone::Accent),
        (
            format!(
                " has {} as {}",
                short(&string(&edge["target"])),
                string(&edge["reason"])
            ),
            Tone::Plain,
        ),
    ];
    if edge["keeps"] == false {
        parts.push((", which keeps nothing".to_owned(), Tone::Dim));
    }
    if let Some(left) = edge["source_restorable_for_ms"].as_u64() {
        let text = format!(" (it was deleted, and can be restored for {})", time(left));
        parts.push((text, Tone::Warning));
    } else if edge["source_deleted"] == true {
        let text = " (it was deleted, and its rows are about to go)";
        parts.push((text.to_owned(), Tone::Warning));
    }
    if edge["damaged"] == true {
        parts.push((" (this row is damaged)".to_owned(), Tone::Bad));
    }
    parts
}

fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Row for Holder {
    const COLUMNS: &'static [Column] = &[
        wide("repository", 0),
        wide("how long it stays", 0),
        number("kept by", 7, 2),
        number("tags", 6, 3),
    ];

    fn key(&self) -> &str {
        &self.repository
    }

    fn cells(&self, _now: u64) -> Vec<Cell> {
        vec![
            cell(self.repository.as_str(), Tone::Accent),
            cell(self.standing.as_str(), self.tone),
            cell(self.keepers.to_string(), Tone::Dim),
            cell(self.tags.to_string(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.repository.cmp(&other.repository),
            1 => self.standing.cmp(&other.standing),
            2 => self.keepers.cmp(&other.keepers),
            _ => self.tags.cmp(&other.tags),
        }
    }
}

impl Item for Holder {
    fn read(item: &Value) -> Option<Self> {
        let repository = item["repository"].as_str()?.to_owned();
        let (standing, tone) = standing(item);
        let mut lines = vec![
            vec![(repository.clone(), Tone::Heading)],
            vec![(standing.clone(), tone)],
        ];
        lines.extend(entries(&item["edges"]).map(edge));
        if item["more_edges"] == true {
            lines.push(vec![("and more manifests".to_owned(), Tone::Dim)]);
        }
        for tag in entries(&item["tags"]) {
            let manifest = string(&tag["manifest"]);
            lines.push(vec![
                ("tag ".to_owned(), Tone::Plain),
                (string(&tag["tag"]), Tone::Accent),
                (format!(" names {}", short(&manifest)), Tone::Plain),
            ]);
        }
        if item["more_tags"] == true {
            lines.push(vec![("and more tags".to_owned(), Tone::Dim)]);
        }
        Some(Self {
            repository,
            standing,
            tone,
            keepers: item["edges_that_keep"].as_u64().unwrap_or_default(),
            tags: entries(&item["tags"]).count(),
            lines,
        })
    }
}
