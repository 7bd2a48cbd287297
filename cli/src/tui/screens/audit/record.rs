//! [`Record`]: one line of the audit log, and how it is told.

use crate::tui::text::{ago, moment, string};
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, column, number, wide};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::textview::Parts;
use crate::tui::widgets::{Cell, cell};
use serde_json::Value;
use std::cmp::Ordering;

/// One record.
#[derive(Debug)]
pub(super) struct Record {
    key: String,
    pub(super) sequence: u64,
    pub(super) at: u64,
    pub(super) actor: String,
    pub(super) action: String,
    object: String,
    used_key: String,
    from: String,
    result: u64,
    detail: String,
    request_id: String,
}

// === impl Record ===

impl Record {
    /// Reads one; none when it has no number.
    pub(super) fn read(item: &Value) -> Option<Self> {
        let sequence = item["sequence"].as_u64()?;
        Some(Self {
            key: sequence.to_string(),
            sequence,
            at: item["at"].as_u64().unwrap_or_default(),
            actor: string(&item["actor"]),
            action: string(&item["action"]),
            object: string(&item["object"]),
            used_key: string(&item["key"]),
            from: string(&item["from"]),
            result: item["result"].as_u64().unwrap_or_default(),
            detail: string(&item["detail"]),
            request_id: string(&item["request_id"]),
        })
    }

    /// As it came.
    pub(super) fn json(&self) -> String {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let record = serde_json::json!({
            "sequence": self.sequence,
            "at": self.at,
            "actor": self.actor,
            "key": given(&self.used_key),
            "from": given(&self.from),
            "action": self.action,
            "object": self.object,
            "result": self.result,
            "detail": given(&self.detail),
            "request_id": given(&self.request_id),
        });
        record.to_string()
    }

    fn tone(&self) -> Tone {
        match self.result {
            0..400 => Tone::Good,
            400..500 => Tone::Warning,
            _ => Tone::Bad,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.result {
            0..400 => "done",
            400..500 => "refused",
            _ => "failed",
        }
    }

    /// Everything of it, a line each, cut into parts of this width.
    pub(super) fn lines(&self, now: u64, width: usize) -> Vec<Parts> {
        let given = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{name}{text}"),
        };
        let who = format!(
            "{}{}{}",
            self.actor,
            given(", key ", &self.used_key),
            given(", from ", &self.from)
        );
        let result = format!(
            "{} {}{}",
            self.result,
            self.verdict(),
            given(": ", &self.detail)
        );
        let request = format!(
            "{}record {}",
            given("", &self.request_id) + "  ",
            self.sequence
        );
        let all = [
            (
                "time",
                format!("{}, {}", moment(self.at), ago(self.at, now)),
                Tone::Plain,
            ),
            ("who", who, Tone::Accent),
            ("action", self.action.clone(), Tone::Plain),
            ("object", self.object.clone(), Tone::Accent),
            ("result", result, self.tone()),
            ("request", request, Tone::Dim),
        ];
        let room = width.saturating_sub(LABEL).max(8);
        all.into_iter().flat_map(|said| cut(said, room)).collect()
    }
}

/// What a label and a text come to, a line for each part that has room.
fn cut((label, text, tone): (&str, String, Tone), room: usize) -> Vec<Parts> {
    let text = if text.is_empty() { "-" } else { &text };
    let letters: Vec<char> = text.chars().collect();
    let label = |place| if place == 0 { label } else { "" };
    let line = |(place, part): (usize, &[char])| {
        vec![
            (format!("{:<LABEL$}", label(place)), Tone::Dim),
            (part.iter().collect(), tone),
        ]
    };
    letters.chunks(room).enumerate().map(line).collect()
}

/// Room for a label.
const LABEL: usize = 9;

impl Row for Record {
    const COLUMNS: &'static [Column] = &[
        column("time", 11, 0),
        column("at", 19, 5),
        column("actor", 16, 0),
        column("key", 13, 4),
        column("from", 15, 3),
        column("action", 18, 0),
        wide("object", 0),
        number("result", 6, 1),
        wide("detail", 2),
    ];

    fn key(&self) -> &str {
        &self.key
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        vec![
            cell(ago(self.at, now), Tone::Dim),
            cell(moment(self.at), Tone::Dim),
            cell(self.actor.as_str(), Tone::Accent),
            cell(self.used_key.as_str(), Tone::Dim),
            cell(self.from.as_str(), Tone::Dim),
            cell(self.action.as_str(), Tone::Plain),
            cell(self.object.as_str(), Tone::Plain),
            cell(self.result.to_string(), self.tone()),
            cell(self.detail.as_str(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 | 1 => self.sequence.cmp(&other.sequence),
            2 => self.actor.cmp(&other.actor),
            3 => self.used_key.cmp(&other.used_key),
            4 => self.from.cmp(&other.from),
            5 => self.action.cmp(&other.action),
            6 => self.object.cmp(&other.object),
            7 => self.result.cmp(&other.result),
            _ => self.detail.cmp(&other.detail),
        }
    }

    fn matches(&self, text: &str) -> bool {
        let all = [
            &self.actor,
            &self.action,
            &self.object,
            &self.detail,
            &self.used_key,
            &self.from,
            &self.request_id,
        ];
        all.into_iter().any(|part| contains(part, text)) || self.result.to_string() == text
    }
}
