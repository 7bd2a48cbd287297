//! [`Usage`]: what one repository holds.

use crate::tui::text::bytes;
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, column, number, wide};
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
    /// What all repositories hold, each for itself.
    all: u64,
}

/// The member of an item that says what all hold: a page says it once, see [`tell_all`].
const ALL: &str = "all_bytes";

/// Letters of the longest bar.
const BAR: u128 = 10;

/// Writes into each item of a page what all repositories hold, for its share.
pub(super) fn tell_all(page: &mut Value) {
    let all = page["store"]["logical_bytes"].clone();
    let items = page.get_mut("repositories").and_then(Value::as_array_mut);
    let items = items.into_iter().flatten();
    for item in items.filter_map(Value::as_object_mut) {
        item.insert(ALL.to_owned(), all.clone());
    }
}

// === impl Usage ===

impl Usage {
    /// What it holds, shared or not.
    pub(super) fn total(&self) -> u64 {
        self.own.saturating_add(self.shared)
    }

    /// Its share of what all hold, in percent and as a bar.
    fn share(&self) -> String {
        let total = u128::from(self.total().min(self.all));
        let all = u128::from(self.all.max(1));
        // What is not nothing has a bar that is seen.
        let bar = usize::try_from((total * BAR).div_ceil(all)).unwrap_or(0);
        format!("{:>3} % {}", total * 100 / all, "#".repeat(bar))
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
        column("share", 16, 1),
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
            cell(self.share(), Tone::Accent),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.name.cmp(&other.name),
            BY_SIZE | 9 => self.total().cmp(&other.total()),
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
            all: number(ALL),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_share_is_of_what_all_hold_and_never_more() {
        let share = |own: u64, all: Value| {
            let mut page = json!({
                "store": { "logical_bytes": all },
                "repositories": [{ "name": "a", "own_bytes": own, "shared_bytes": 10 }],
            });
            tell_all(&mut page);
            Usage::read(&page["repositories"][0]).unwrap().share()
        };
        assert_eq!(share(40, json!(100)), " 50 % #####");
        assert_eq!(share(0, json!(1_000)), "  1 % #");
        assert_eq!(share(u64::MAX, json!(20)), "100 % ##########");
        assert_eq!(share(5, Value::Null), "  0 % ");
    }
}
