//! [`Repository`]: what a listing tells of a repository, or of all below a prefix; and [`Shown`], a row of
//! the tree.

use crate::tui::text::{ago, bytes};
use crate::tui::theme::{Paint, Tone};
use crate::tui::widgets::columns::{Column, column, number, roomy, wide};
use crate::tui::widgets::list::Row;
use crate::tui::widgets::listing::Item;
use crate::tui::widgets::{Cell, cell};
use serde_json::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// The columns that rows are sorted by, one after the other, and whether the most comes first.
pub(super) const ORDERS: [(usize, bool); 5] =
    [(0, false), (3, true), (5, true), (6, true), (1, true)];

/// What is told of one repository, or of all below a prefix together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Repository {
    /// Its name; a prefix ends in `/`.
    pub(super) name: String,
    pub(super) tags: u64,
    pub(super) manifests: u64,
    pub(super) own_bytes: u64,
    /// Only administrators of the server are told.
    pub(super) shared_bytes: Option<u64>,
    pub(super) last_push: Option<u64>,
    pub(super) last_pull: Option<u64>,
    /// Of a prefix: whether any is.
    pub(super) is_public: bool,
}

/// A row of the tree.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) figures: Arc<Repository>,
    /// Where in its name that begins which is not written further up.
    pub(super) label_at: usize,
    pub(super) depth: usize,
    /// Of a prefix: how many repositories are below, and whether they are to be seen.
    pub(super) group: Option<(usize, bool)>,
}

// === impl Repository ===

impl Repository {
    /// Counts another one in.
    pub(super) fn add(&mut self, other: &Self) {
        self.tags = self.tags.saturating_add(other.tags);
        self.manifests = self.manifests.saturating_add(other.manifests);
        self.own_bytes = self.own_bytes.saturating_add(other.own_bytes);
        self.last_push = self.last_push.max(other.last_push);
        self.last_pull = self.last_pull.max(other.last_pull);
        self.is_public |= other.is_public;
    }

    /// Which comes first by this column; by the name if that says nothing.
    pub(super) fn ordered(&self, other: &Self, (column, is_descending): (usize, bool)) -> Ordering {
        let order = match column {
            1 => self.tags.cmp(&other.tags),
            2 => self.manifests.cmp(&other.manifests),
            3 => self.own_bytes.cmp(&other.own_bytes),
            4 => self.shared_bytes.cmp(&other.shared_bytes),
            5 => self.last_push.cmp(&other.last_push),
            6 => self.last_pull.cmp(&other.last_pull),
            7 => self.is_public.cmp(&other.is_public),
            _ => self.name.cmp(&other.name),
        };
        let order = if is_descending {
            order.reverse()
        } else {
            order
        };
        order.then_with(|| self.name.cmp(&other.name))
    }
}

impl Item for Arc<Repository> {
    fn read(item: &Value) -> Option<Self> {
        let number = |name: &str| item[name].as_u64();
        Some(Self::new(Repository {
            name: item["name"].as_str()?.to_owned(),
            tags: number("tags").unwrap_or_default(),
            manifests: number("manifests").unwrap_or_default(),
            own_bytes: number("own_bytes").unwrap_or_default(),
            shared_bytes: number("shared_bytes"),
            last_push: number("last_push"),
            last_pull: number("last_pull"),
            is_public: item["public"] == true,
        }))
    }
}

/// As it comes from the server, page by page; it is drawn as [`Shown`].
impl Row for Arc<Repository> {
    const COLUMNS: &'static [Column] = &[wide("name", 0)];

    fn key(&self) -> &str {
        &self.name
    }

    fn cells(&self, _now: u64) -> Vec<Cell> {
        vec![cell(self.name.as_str(), Tone::Accent)]
    }

    fn compare(&self, other: &Self, _column: usize) -> Ordering {
        self.name.cmp(&other.name)
    }
}

// === impl Shown ===

impl Shown {
    /// Whether it is a repository and no prefix of some.
    pub(super) const fn is_repository(&self) -> bool {
        self.group.is_none()
    }

    fn label(&self, mark: &str) -> String {
        let label = self.figures.name.get(self.label_at..).unwrap_or_default();
        let count = match self.group {
            Some((count, _)) => format!("  {count}"),
            None => String::new(),
        };
        // So deep that nothing could be seen of the name: the depth is told no further.
        let indent = self.depth.min(8) * 2;
        format!("{:indent$}{mark} {label}{count}", "")
    }

    fn figures(&self, mark: &str, now: u64) -> Vec<Cell> {
        let figures = &self.figures;
        let when = |moment: Option<u64>| moment.map(|moment| ago(moment, now)).unwrap_or_default();
        let tone = match self.group {
            Some(_) => Tone::Plain,
            None => Tone::Accent,
        };
        let name = cell(self.label(mark), tone);
        // What is below an open prefix is to be seen there.
        if let Some((_, true)) = self.group {
            return vec![name];
        }
        let public = match (figures.is_public, self.group) {
            (true, None) => "public",
            (true, Some(_)) => "some",
            (false, _) => "",
        };
        vec![
            name,
            cell(figures.tags.to_string(), Tone::Plain),
            cell(figures.manifests.to_string(), Tone::Plain),
            cell(bytes(figures.own_bytes), Tone::Plain),
            cell(
                figures.shared_bytes.map(bytes).unwrap_or_default(),
                Tone::Dim,
            ),
            cell(when(figures.last_push), Tone::Plain),
            cell(when(figures.last_pull), Tone::Dim),
            cell(public, Tone::Warning),
        ]
    }
}

impl Row for Shown {
    const COLUMNS: &'static [Column] = &[
        roomy("name", 28, 0),
        number("tags", 6, 2),
        number("manifests", 10, 4),
        number("own size", 10, 0),
        number("shared", 10, 5),
        column("last push", 11, 0),
        column("last pull", 11, 3),
        column("public", 7, 1),
    ];

    fn key(&self) -> &str {
        &self.figures.name
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        self.figures("", now)
    }

    fn drawn(&self, paint: Paint) -> Vec<Cell> {
        let mark = match self.group {
            Some((_, is_open)) => paint.look.fold(is_open),
            None => " ",
        };
        self.figures(mark, paint.now)
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        self.figures.ordered(&other.figures, (column, false))
    }
}
