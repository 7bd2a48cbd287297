//! [`Upload`]: one upload as the server tells of it, and [`Paces`]: how fast each of them goes, from one
//! reading to the next.
//!
//! Invariants:
//! 1. A row is measured once, when it has come: a row that stays to be seen is no new reading.
//! 2. Only uploads that the last reading had are remembered.

use crate::tui::text::{ago, bytes, span, string};
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, column, number, roomy};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::listing::Item;
use crate::tui::widgets::{Cell, cell};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Readings that a pace is the mean of: servers write progress down in jumps.
const READINGS: usize = 6;

/// Milliseconds between readings below which nothing can be said about a pace.
const LEAST: u64 = 500;

/// Milliseconds without a reading after which a pace begins anew.
const MOST: u64 = 30_000;

/// One upload.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(super) id: String,
    /// Empty when the server cannot read its record.
    pub(crate) repository: String,
    pub(crate) offset: u64,
    started: Option<u64>,
    updated: Option<u64>,
    expires_in: Option<u64>,
    pub(crate) is_active: bool,
    is_measured: bool,
    /// Bytes in a second, when it is known.
    pub(crate) pace: Option<u64>,
}

/// How fast uploads go.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    /// By upload: when, and how many bytes had come.
    readings: BTreeMap<String, VecDeque<(u64, u64)>>,
}

/// Whether anything happens to uploads, by what the status says of them.
#[derive(Debug, Default)]
pub(crate) struct Stir {
    /// How many they were, and their bytes.
    known: Option<(u64, u64)>,
}

// === impl Stir ===

impl Stir {
    /// Whether they are to be read anew when the server says this of itself.
    pub(crate) fn is_felt(&mut self, status: &Value, uploads: &[Upload]) -> bool {
        let told = (
            status["uploads"].as_u64().unwrap_or_default(),
            status["store"]["upload_bytes"].as_u64().unwrap_or_default(),
        );
        let is_other = self.known.replace(told).unwrap_or_default() != told;
        is_other || uploads.iter().any(|upload| upload.is_active)
    }
}

// === impl Paces ===

impl Paces {
    /// Notes how far an upload is at `now`, if it has not been, and tells it how fast that is.
    pub(crate) fn measure(&mut self, upload: &mut Upload, now: u64) {
        if upload.is_measured {
            return;
        }
        upload.is_measured = true;
        let readings = self.readings.entry(upload.id.clone()).or_default();
        if let Some((at, offset)) = readings.back().copied() {
            let is_anew = offset > upload.offset || now < at || now - at > MOST;
            if is_anew {
                readings.clear();
            }
        }
        let is_soon = readings.back().is_some_and(|(at, _)| now - at < LEAST);
        if !is_soon {
            readings.push_back((now, upload.offset));
        }
        if readings.len() > READINGS {
            readings.pop_front();
        }
        upload.pace = pace(readings);
    }

    /// Forgets all uploads but these.
    pub(crate) fn keep<'a>(&mut self, uploads: impl Iterator<Item = &'a Upload>) {
        let there: BTreeSet<&str> = uploads.map(|upload| upload.id.as_str()).collect();
        self.readings.retain(|id, _| there.contains(id.as_str()));
    }
}

fn pace(readings: &VecDeque<(u64, u64)>) -> Option<u64> {
    let ((from, was), (to, is)) = (readings.front()?, readings.back()?);
    let passed = u128::from(to.checked_sub(*from)?);
    let more = u128::from(is.checked_sub(*was)?) * 1000;
    u64::try_from(more.checked_div(passed)?).ok()
}

/// How fast all of them go together, when it is known of any.
pub(crate) fn together<'a>(uploads: impl Iterator<Item = &'a Upload>) -> Option<u64> {
    let paces = uploads.filter_map(|upload| upload.pace);
    paces.reduce(u64::saturating_add)
}

/// A pace, as a person reads it.
pub(crate) fn per_second(pace: u64) -> String {
    format!("{}/s", bytes(pace))
}

// === impl Upload ===

impl Row for Upload {
    const COLUMNS: &'static [Column] = &[
        roomy("repository", 24, 0),
        number("received", 11, 0),
        number("rate", 12, 0),
        column("started", 12, 1),
        column("last bytes", 12, 2),
        column("expires in", 10, 3),
        column("state", 6, 1),
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
        let since = |moment: Option<u64>| moment.map_or(String::new(), |at| ago(at, now));
        vec![
            if self.repository.is_empty() {
                cell("unreadable", Tone::Warning)
            } else {
                cell(self.repository.as_str(), Tone::Accent)
            },
            cell(bytes(self.offset), Tone::Plain),
            cell(self.pace.map(per_second).unwrap_or_default(), Tone::Plain),
            cell(since(self.started), Tone::Dim),
            cell(since(self.updated), Tone::Plain),
            cell(self.expires_in.map(span).unwrap_or_default(), Tone::Dim),
            cell(state, tone),
            cell(self.id.as_str(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.repository.cmp(&other.repository),
            1 => self.offset.cmp(&other.offset),
            2 => self.pace.cmp(&other.pace),
            3 => self.started.cmp(&other.started),
            4 => self.updated.cmp(&other.updated),
            5 => self.expires_in.cmp(&other.expires_in),
            6 => self.is_active.cmp(&other.is_active),
            _ => self.id.cmp(&other.id),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.repository, text) || contains(&self.id, text)
    }
}

impl Item for Upload {
    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            id: item["id"].as_str()?.to_owned(),
            repository: string(&item["repository"]),
            offset: item["offset_bytes"].as_u64().unwrap_or_default(),
            started: item["started"].as_u64(),
            updated: item["updated"].as_u64(),
            expires_in: item["expires_in_ms"].as_u64(),
            is_active: item["active"] == true,
            is_measured: false,
            pace: None,
        })
    }
}
