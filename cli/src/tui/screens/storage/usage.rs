//! [`Usage`]: what one repository holds.

use crate::tui::text::bytes;
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, number, wide};
use crate::tui::widgets::list::Row;
use crate::tui::widgets::listing::Item;
use crate::tui::widgets::{Cell, cell};
use serde_json::Value;
use std::cmp::Ordering;

/// The place of the column with the sum, by which one sorts at first.
pub(super) const BY_SIZE: usize = 1;

/// What a repository holds.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) name: String,
    blobs: u64,
    manifests: u64,
    tags: u64,
    own: u64,
    shared: u64,
    garbage: u64,
    unreadable: u64,
}

// === impl Usage ===

impl Usage {
    /// What it holds, shared or not.
    pub(super) fn total(&self) -> u64 {
        self.own.saturating_add(self.shared)
    }

    /// Rows of it that could not be read and are in no sum.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// A line about it.
    pub(super) fn summary(&self) -> String {
        format!(
            "{}: {} blobs, {} manifests, {} tags; {} its own, {} shared with others, {} that nothing links",
            self.name,
            self.blobs,
            self.manifests,
            self.tags,
            bytes(self.own),
            bytes(self.shared),
            bytes(self.garbage)
        )
    }
}

impl Row for Usage {
    const COLUMNS: &'static [Column] = &[
        wide("repository", 0),
        number("holds", 10, 0),
        number("own", 10, 0),
        number("shared", 10, 1),
        number("nothing links", 13, 3),
        number("blobs", 8, 2),
        number("manifests", 9, 4),
        number("tags", 8, 2),
        number("unreadable", 10, 5),
    ];

    fn key(&self) -> &str {
        &self.name
    }

    fn cells(&self, _now: u64) -> Vec<Cell> {
        let garbage = if self.garbage > 0 {
            Tone::Warning
        } else {
            Tone::Dim
        };
        let unreadable = if self.unreadable > 0 {
            Tone::Bad
        } else {
            Tone::Dim
        };
        vec![
            cell(self.name.as_str(), Tone::Accent),
            cell(bytes(self.total()), Tone::Plain),
            cell(bytes(self.own), Tone::Plain),
            cell(bytes(self.shared), Tone::Dim),
            cell(bytes(self.garbage), garbage),
            cell(self.blobs.to_string(), Tone::Dim),
            cell(self.manifests.to_string(), Tone::Dim),
            cell(self.tags.to_string(), Tone::Dim),
            cell(self.unreadable.to_string(), unreadable),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.name.cmp(&other.name),
            BY_SIZE => self.total().cmp(&other.total()),
            2 => self.own.cmp(&other.own),
            3 => self.shared.cmp(&other.shared),
            4 => self.garbage.cmp(&other.garbage),
            5 => self.blobs.cmp(&other.blobs),
            6 => self.manifests.cmp(&other.manifests),
            7 => self.tags.cmp(&other.tags),
            _ => self.unreadable.cmp(&other.unreadable),
        }
    }
}

impl Item for Usage {
    fn read(item: &Value) -> Option<Self> {
        let number = |name: &str| item[name].as_u64().unwrap_or_default();
        Some(Self {
            name: item["name"].as_str()?.to_owned(),
            blobs: number("blobs"),
            manifests: number("manifests"),
            tags: number("tags"),
            own: number("own_bytes"),
            shared: number("shared_bytes"),
            garbage: number("garbage_bytes"),
            unreadable: number("unreadable"),
        })
    }
}
