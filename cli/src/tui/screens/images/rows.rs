//! The rows of a repository: [`Tag`] and [`Listed`], a manifest.
//!
//! Invariants:
//! 1. A row is small: 100,000 of them are loaded at once. A digest is its bytes, a usual type a number.

use crate::tui::text::{ago, bytes, short, strings};
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, column, number, wide};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::listing::Item;
use crate::tui::widgets::{Cell, cell};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

/// Tags that are written into a row of a manifest.
const TAGS: usize = 20;

/// A digest in little room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Digest {
    /// What nearly all are.
    Sha256([u8; 32]),
    /// Another, or what the server sent instead.
    Other(Box<str>),
}

/// What kind of manifest something is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// An index, in either dialect.
    Index,
    /// An image or artifact, in either dialect.
    Image,
    /// Another media type.
    Other(Box<str>),
}

/// One tag.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: Box<str>,
    pub(super) digest: Digest,
    kind: Kind,
    size: u64,
    updated: u64,
    /// 0: not known.
    last_pull: u64,
}

/// One manifest.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) digest: Box<str>,
    kind: Kind,
    artifact: Option<Box<str>>,
    /// The first of its tags, with spaces between; empty: it has none.
    tags: Box<str>,
    size: u64,
    pushed: u64,
}

/// The byte that two digits say, in the only way in which digests are written.
fn byte_of(pair: &[u8]) -> Option<u8> {
    let digit = |letter: &u8| match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    };
    let [high, low] = pair else {
        return None;
    };
    Some(digit(high)? << 4 | digit(low)?)
}

// === impl Digest ===

impl Digest {
    pub(super) fn read(text: &str) -> Self {
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
        let decoded = hex.and_then(|hex| {
            let mut bytes = [0; 32];
            for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
                *byte = byte_of(pair)?;
            }
            Some(bytes)
        });
        decoded.map_or_else(|| Self::Other(text.into()), Self::Sha256)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(bytes) => {
                f.write_str("sha256:")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

// === impl Kind ===

impl Kind {
    pub(super) fn of(media_type: &str) -> Self {
        match media_type {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Self::Image,
            other => Self::Other(other.into()),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Index => "index",
            Self::Image => "image",
            Self::Other(media_type) => media_type,
        }
    }
}

/// A moment, or that there was none.
fn when(moment: u64, now: u64) -> String {
    if moment == 0 {
        "-".to_owned()
    } else {
        ago(moment, now)
    }
}

// === impl Tag ===

impl Row for Tag {
    const COLUMNS: &'static [Column] = &[
        wide("tag", 0),
        column("digest", 19, 0),
        column("type", 8, 1),
        column("set", 12, 0),
        column("last pull", 12, 2),
        number("manifest", 10, 3),
    ];

    fn key(&self) -> &str {
        &self.name
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        vec![
            cell(&*self.name, Tone::Accent),
            cell(short(&self.digest.to_string()), Tone::Plain),
            cell(self.kind.name(), Tone::Dim),
            cell(when(self.updated, now), Tone::Plain),
            cell(when(self.last_pull, now), Tone::Dim),
            cell(bytes(self.size), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.name.cmp(&other.name),
            1 => self.digest.cmp(&other.digest),
            2 => self.kind.cmp(&other.kind),
            3 => self.updated.cmp(&other.updated),
            4 => self.last_pull.cmp(&other.last_pull),
            _ => self.size.cmp(&other.size),
        }
    }
}

impl Item for Tag {
    fn read(item: &Value) -> Option<Self> {
        let number = |name: &str| item[name].as_u64().unwrap_or_default();
        Some(Self {
            name: item["name"].as_str()?.into(),
            digest: Digest::read(item["digest"].as_str()?),
            kind: Kind::of(item["media_type"].as_str().unwrap_or_default()),
            size: number("size_bytes"),
            updated: number("updated"),
            last_pull: number("last_pull"),
        })
    }
}

// === impl Listed ===

impl Row for Listed {
    const COLUMNS: &'static [Column] = &[
        column("digest", 19, 0),
        wide("tags", 0),
        column("type", 8, 1),
        column("pushed", 12, 0),
        number("manifest", 10, 3),
        column("artifact type", 40, 4),
    ];

    fn key(&self) -> &str {
        &self.digest
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let tags = if self.tags.is_empty() {
            cell("no tag", Tone::Warning)
        } else {
            cell(&*self.tags, Tone::Accent)
        };
        vec![
            cell(short(&self.digest), Tone::Plain),
            tags,
            cell(self.kind.name(), Tone::Dim),
            cell(when(self.pushed, now), Tone::Plain),
            cell(bytes(self.size), Tone::Dim),
            cell(self.artifact.as_deref().unwrap_or_default(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.digest.cmp(&other.digest),
            1 => self.tags.cmp(&other.tags),
            2 => self.kind.cmp(&other.kind),
            3 => self.pushed.cmp(&other.pushed),
            4 => self.size.cmp(&other.size),
            _ => self.artifact.cmp(&other.artifact),
        }
    }

    fn matches(&self, text: &str) -> bool {
        // What one sees of those without a tag can be filtered by as well.
        let tags = if self.tags.is_empty() {
            "no tag"
        } else {
            &self.tags
        };
        let artifact = self.artifact.as_deref().unwrap_or_default();
        contains(&self.digest, text) || contains(tags, text) || contains(artifact, text)
    }
}

impl Item for Listed {
    fn read(item: &Value) -> Option<Self> {
        let all = strings(&item["tags"]);
        let mut tags = all.iter().take(TAGS).cloned().collect::<Vec<_>>().join(" ");
        if item["more_tags"] == true || all.len() > TAGS {
            tags.push_str(" and more");
        }
        let artifact = item["artifact_type"].as_str();
        Some(Self {
            digest: item["digest"].as_str()?.into(),
            kind: Kind::of(item["media_type"].as_str().unwrap_or_default()),
            artifact: artifact.map(Into::into),
            tags: tags.into(),
            size: item["size_bytes"].as_u64().unwrap_or_default(),
            pushed: item["pushed"].as_u64().unwrap_or_default(),
        })
    }
}
