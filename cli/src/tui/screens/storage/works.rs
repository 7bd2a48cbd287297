//! [`Works`]: what is known of the collector, the check, the store and the backup, and how that is said.
//!
//! It comes from each one's own request, and every two seconds, in part, from the server's `status`.

use crate::output::{amount, count, time};
use crate::tui::message::{Failure, Reply};
use crate::tui::text::{ago, bytes, string};
use crate::tui::theme::{Look, Tone};
use crate::tui::widgets::gauge;
use crate::tui::widgets::textview::Parts;
use serde_json::Value;

/// One answer, or why there is none.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) body: Value,
    pub(super) failure: Option<String>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Works {
    pub(super) collector: Known,
    pub(super) check: Known,
    pub(super) store: Value,
    pub(super) backup: Known,
    /// When the collector's last run ended, by our clock.
    ended: Option<u64>,
    /// Bytes that the check had read at a time, and how many it reads in a second.
    read: Option<(u64, u64)>,
    rate: Option<u64>,
}

/// A line: a name, and what is to be said of it.
fn said(name: &str, text: impl Into<String>, tone: Tone) -> Parts {
    vec![(format!("{name:<9}"), Tone::Dim), (text.into(), tone)]
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

// === impl Known ===

impl Known {
    /// Takes an answer.
    pub(super) fn take(&mut self, reply: Result<Reply, Failure>) {
        match reply {
            Ok(reply) => (self.body, self.failure) = (reply.body, None),
            Err(failure) => self.failure = Some(failure.to_string()),
        }
    }

    /// Takes some members over what is known.
    fn merge(&mut self, news: &Value) {
        let Some(news) = news.as_object() else {
            return;
        };
        if !self.body.is_object() {
            self.body = Value::Object(serde_json::Map::new());
        }
        if let Some(known) = self.body.as_object_mut() {
            known.extend(
                news.iter()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
    }

    /// Why nothing can be said, if so.
    fn nothing(&self) -> Option<Vec<Parts>> {
        if self.body.is_object() {
            return None;
        }
        let line = self.failure.as_ref();
        Some(
            line.map(|why| vec![(why.clone(), Tone::Bad)])
                .into_iter()
                .collect(),
        )
    }
}

// === impl Works ===

impl Works {
    /// Takes what the server tells every two seconds.
    pub(super) fn beat(&mut self, status: &Value, now: u64) {
        self.collector.merge(&status["gc"]);
        if let Some(passed) = status["gc"]["last_ended_ms_ago"].as_u64() {
            self.ended = Some(now.saturating_sub(passed));
        }
        self.check.merge(&status["check"]);
        self.measure(now);
        if status["store"].is_object() {
            self.store = status["store"].clone();
        }
    }

    /// The collector's own answer came.
    pub(super) fn collector_came(&mut self, reply: Result<Reply, Failure>, now: u64) {
        self.collector.take(reply);
        let passed = self.collector.body["last_run"]["ended_ms_ago"].as_u64();
        self.ended = passed
            .map(|passed| now.saturating_sub(passed))
            .or(self.ended);
    }

    /// The check's own answer came.
    pub(super) fn check_came(&mut self, reply: Result<Reply, Failure>, now: u64) {
        self.check.take(reply);
        self.measure(now);
    }

    /// How fast the check reads.
    fn measure(&mut self, now: u64) {
        let check = &self.check.body;
        if check["running"] != true {
            (self.read, self.rate) = (None, None);
            return;
        }
        let bytes = number(&check["bytes"]);
        if let Some((before, at)) = self.read {
            let passed = now.saturating_sub(at);
            if passed < 500 {
                return;
            }
            let more = u128::from(bytes.saturating_sub(before)) * 1000 / u128::from(passed);
            self.rate = u64::try_from(more).ok();
        }
        self.read = Some((bytes, now));
    }

    /// Whether the collector removes nothing.
    pub(super) fn is_paused(&self) -> bool {
        self.collector.body["paused"] == true
    }

    /// Whether the collector does something.
    pub(super) fn is_collecting(&self) -> bool {
        let phase = self.collector.body["phase"].as_str();
        phase.is_some_and(|phase| phase != "idle")
    }

    /// What there is to say of the collector, the most important first.
    pub(super) fn collector_lines(&self, now: u64) -> Vec<Parts> {
        let status = &self.collector.body;
        if let Some(lines) = self.collector.nothing() {
            return lines;
        }
        let (state, tone) = state(status);
        let queues = format!(
            "{} unlinked, {} waiting",
            count(&status["candidates"]),
            count(&status["waiting"])
        );
        let mut lines = vec![
            said("state", state, tone),
            said("blobs", queues, Tone::Plain),
        ];
        let damaged = number(&status["damaged"]);
        if damaged > 0 {
            let text = format!("unreadable rows: {damaged}");
            lines.push(said("damage", text, Tone::Bad));
        }
        lines.push(said("last run", self.last_run(now), Tone::Plain));
        if let Some(error) = status["last_error"].as_str() {
            lines.push(said("error", error, Tone::Bad));
        }
        if damaged == 0 {
            lines.push(said("damage", "none met", Tone::Good));
        }
        let mut pace = Vec::new();
        if let Some(blobs) = status["blobs_per_second"].as_u64() {
            pace.push(format!("{blobs} blobs/s"));
        }
        if let Some(most) = status["bytes_per_second"].as_u64() {
            pace.push(format!("{}/s", bytes(most)));
        }
        if !pace.is_empty() {
            lines.push(said("at most", pace.join(", "), Tone::Dim));
        }
        if status["orphans_searched"] == true {
            let orphans = count(&status["orphan_files"]);
            lines.push(said(
                "files",
                format!("{orphans} without a record removed"),
                Tone::Dim,
            ));
        }
        lines
    }

    fn last_run(&self, now: u64) -> String {
        let Some(ended) = self.ended else {
            return "none by itself yet".to_owned();
        };
        let report = &self.collector.body["last_run"]["report"];
        let when = ago(ended, now);
        if report.is_null() {
            return when;
        }
        format!(
            "{when}: {} blobs, {}",
            count(&report["removed"]),
            amount(&report["bytes"])
        )
    }

    /// The rows that cannot be read.
    pub(super) fn damage(&self) -> Vec<String> {
        let rows = self.collector.body["damaged_rows"].as_array();
        let line = |row: &Value| {
            format!(
                "damaged: {} {}: {}",
                string(&row["table"]),
                string(&row["key"]),
                string(&row["why"])
            )
        };
        rows.into_iter().flatten().map(line).collect()
    }

    /// What there is to say of the check in the background, in a box of this width.
    pub(super) fn check_lines(&self, look: Look, width: u16) -> Vec<Parts> {
        let check = &self.check.body;
        if let Some(lines) = self.check.nothing() {
            return lines;
        }
        let (done, all) = (number(&check["blobs_done"]), number(&check["blobs"]));
        let mut lines = Vec::new();
        if check["running"] == true {
            let bar = usize::from(width).saturating_sub(17).clamp(4, 40);
            let tone = if check["paused"] == true {
                Tone::Warning
            } else {
                Tone::Good
            };
            lines.push(said("progress", gauge(look, done, all, bar), tone));
            let mut pace = Vec::new();
            if check["paused"] == true {
                pace.push("paused".to_owned());
            }
            pace.extend(self.rate.map(|rate| format!("{}/s", bytes(rate))));
            let left = check["remaining_ms"].as_u64();
            pace.extend(left.map(|left| format!("{} to go", time(left))));
            pace.push(format!("{done} of {all} blobs"));
            pace.push(amount(&check["bytes"]));
            lines.push(said("pace", pace.join(", "), Tone::Plain));
        } else {
            lines.push(said("state", "not running", Tone::Dim));
        }
        let (found, bad) = (number(&check["found"]), number(&check["quarantined"]));
        let tone = if found + bad == 0 {
            Tone::Good
        } else {
            Tone::Bad
        };
        lines.push(said("found", format!("{found}, not served {bad}"), tone));
        lines
    }

    /// What there is to say of the store.
    pub(super) fn store_lines(&self) -> Vec<Parts> {
        let store = &self.store;
        if !store.is_object() {
            return Vec::new();
        }
        let garbage = number(&store["garbage_bytes"]);
        let tone = if garbage > 0 {
            Tone::Warning
        } else {
            Tone::Good
        };
        let mut lines = vec![
            said("stored", amount(&store["stored_bytes"]), Tone::Plain),
            said(
                "unlinked",
                format!("{}, to be collected", bytes(garbage)),
                tone,
            ),
        ];
        if let Some(free) = store["free_bytes"].as_u64() {
            lines.push(said(
                "free",
                format!("{} on the disk", bytes(free)),
                Tone::Plain,
            ));
        }
        let uploads = format!(
            "{} in {}",
            amount(&store["upload_bytes"]),
            count(&store["uploads"])
        );
        lines.push(said("uploads", uploads, Tone::Plain));
        let logical = format!(
            "{} counted in each repository",
            amount(&store["logical_bytes"])
        );
        lines.push(said("together", logical, Tone::Dim));
        let waiting = format!("{} about to be given back", amount(&store["waiting_bytes"]));
        lines.push(said("waiting", waiting, Tone::Dim));
        lines
    }

    /// How far the backup is that runs, if one does.
    pub(super) fn backup_line(&self) -> Option<Parts> {
        let backup = &self.backup.body;
        let phase = backup["phase"].as_str().filter(|phase| *phase != "idle")?;
        let text = format!(
            "{phase}: {} of {} blobs, {} moved, {} kept",
            count(&backup["blobs"]),
            count(&backup["all_blobs"]),
            amount(&backup["moved_bytes"]),
            amount(&backup["kept_bytes"])
        );
        Some(said("backup", text, Tone::Accent))
    }
}

/// What the collector does.
fn state(status: &Value) -> (String, Tone) {
    if status["paused"] == true {
        return ("paused; p resumes".to_owned(), Tone::Warning);
    }
    let doing = match status["phase"].as_str() {
        Some("uploads") => "removing uploads that have expired",
        Some("trash") => "making deletions final",
        Some("rows") => "removing rows of what was deleted",
        Some("space") => "giving space back",
        Some("blobs") => {
            let (done, due) = (count(&status["done"]), count(&status["due"]));
            let left = status["eta_ms"].as_u64();
            let left = left
                .map(|left| format!(", {} to go", time(left)))
                .unwrap_or_default();
            return (format!("{done} of {due} blobs{left}"), Tone::Accent);
        }
        _ => return ("waiting for what is due".to_owned(), Tone::Good),
    };
    (doing.to_owned(), Tone::Accent)
}
