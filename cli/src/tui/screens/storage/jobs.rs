//! [`Jobs`]: what is started here and takes its time: a collection, a check, a backup. The screen stays
//! usable meanwhile; what came of it is kept to be read.
//!
//! Invariants:
//! 1. One of each kind at a time.
//! 2. What the server refused is kept with the form, so that nothing has to be typed again.

use crate::config::values;
use crate::output::{amount, count};
use crate::tui::app::context::Context;
use crate::tui::message::{Failure, Reply, Request, Ticket};
use crate::tui::text::{string, strings};
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Collection,
    Check,
    Backup,
}

/// What came of one, a line each, the first a summary.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) lines: Vec<String>,
    pub(super) tone: Tone,
}

/// Those that go on, and what came of those before.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    running: BTreeMap<Kind, (Ticket, u64)>,
    told: BTreeMap<Kind, Told>,
    /// What was filled in last, and refused.
    refused: BTreeMap<Kind, Form>,
}

// === impl Kind ===

impl Kind {
    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Check => "check",
            Self::Backup => "backup",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Collection => "/gc",
            Self::Check => "/check",
            Self::Backup => "/backup",
        }
    }

    fn fresh_form(self) -> Form {
        match self {
            Self::Collection => Form::new(
                "Collect what is due now",
                vec![
                    Field::text(
                        "grace",
                        "",
                        "such as 1h or 0; empty: the server's own gc_grace",
                    ),
                    Field::switch(
                        "empty trash",
                        false,
                        "make all deletions final first: asked for once more",
                    ),
                ],
            ),
            Self::Check => Form::new(
                "Check all that is stored",
                vec![
                    Field::switch("repair", false, "write anew what follows from other rows"),
                    Field::text(
                        "rate",
                        "",
                        "bytes a second, such as 50MiB; empty: unbounded",
                    ),
                ],
            ),
            Self::Backup => Form::new(
                "Back up on the server's machine",
                vec![
                    Field::text(
                        "directory",
                        "",
                        "an absolute path there, empty or with a backup",
                    ),
                    Field::switch(
                        "hard links",
                        false,
                        "instead of copies; same file system only",
                    ),
                    Field::switch("verify", false, "read what is there already as well"),
                ],
            ),
        }
    }

    /// What to send for a form, or what is wrong with it.
    fn body(self, form: &Form) -> Result<Value, String> {
        match self {
            Self::Collection => {
                let grace = form.given("grace").map(values::duration).transpose();
                let grace = grace.map_err(|why| format!("grace is {why}"))?;
                let grace = grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
                Ok(collection(grace, form.is_on("empty trash")))
            }
            Self::Check => {
                let rate = form.given("rate").map(values::size).transpose();
                let rate = rate.map_err(|why| format!("rate is {why}"))?;
                Ok(json!({ "repair": form.is_on("repair"), "bytes_per_second": rate.unwrap_or(0) }))
            }
            Self::Backup => {
                let directory = form
                    .given("directory")
                    .ok_or("a backup needs a directory")?;
                Ok(json!({
                    "directory": directory,
                    "hard_links": form.is_on("hard links"),
                    "verify": form.is_on("verify"),
                }))
            }
        }
    }

    /// What the server's answer says.
    fn result(self, answer: &Value) -> Told {
        match self {
            Self::Collection => collected(answer),
            Self::Check => checked(answer),
            Self::Backup => backed_up(answer),
        }
    }
}

/// What `POST /gc` takes.
pub(super) fn collection(grace: Option<u64>, empties_trash: bool) -> Value {
    json!({ "grace_ms": grace, "empty_trash": empties_trash, "dry_run": false })
}

/// What a collection did.
pub(super) fn collected(report: &Value) -> Told {
    let mut lines = vec![format!(
        "{} blobs removed, {} given back",
        count(&report["removed"]),
        amount(&report["bytes"])
    )];
    let others = [
        ("blobs that left a repository", "unlinked"),
        ("uploads that had expired", "expired_uploads"),
        ("deletions made final", "purged_manifests"),
        ("files without a record", "orphan_files"),
        ("rows that cannot be read", "damaged"),
        ("failed, to be tried again", "failed"),
    ];
    for (name, field) in others {
        if report[field].as_u64().is_some_and(|number| number > 0) {
            lines.push(format!("{name}: {}", count(&report[field])));
        }
    }
    if report["held"] == true {
        lines.push("a backup runs: the space comes back by itself when it has ended".to_owned());
    }
    if report["complete"] == false {
        lines.push("it was paused in between; the rest goes when it is resumed".to_owned());
    }
    if report["unlinked"] == 0 && report["removed"] == 0 {
        lines.push("a blob that nothing links stays for gc_grace and its lease first".to_owned());
    }
    let is_well = report["failed"] == 0 && report["damaged"] == 0;
    Told {
        lines,
        tone: if is_well { Tone::Good } else { Tone::Warning },
    }
}

/// What a check found.
fn checked(report: &Value) -> Told {
    let read = format!(
        "read {} rows, {} blobs of {} together, and compared {} files",
        count(&report["rows"]),
        count(&report["blobs"]),
        amount(&report["bytes"]),
        count(&report["files"])
    );
    if report["clean"] == true {
        let lines = vec!["everything is as it was put".to_owned(), read];
        return Told {
            lines,
            tone: Tone::Good,
        };
    }
    let found = report["found"].as_u64().unwrap_or_default();
    let mut lines = vec![
        format!(
            "found {found}, repaired {}, not served {}",
            count(&report["repaired"]),
            count(&report["quarantined"])
        ),
        read,
    ];
    let findings = report["findings"].as_array().map_or(&[][..], Vec::as_slice);
    for finding in findings.iter().take(FINDINGS) {
        let done = match finding["done"].as_str() {
            Some("quarantined") => "not served any more",
            Some("known") => "not served",
            Some("repaired") => "repaired",
            Some("removed") => "removed",
            _ => "left as it is",
        };
        let (place, what) = (string(&finding["place"]), string(&finding["what"]));
        lines.push(format!("{place}: {what} ({done})"));
    }
    let more = found.saturating_sub(findings.len().min(FINDINGS) as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Told {
        lines,
        tone: Tone::Bad,
    }
}

/// Findings that are told one by one.
const FINDINGS: usize = 20;

/// What is in a backup.
fn backed_up(report: &Value) -> Told {
    let directory = string(&report["directory"]);
    let mut lines = vec![
        format!("complete in {directory}"),
        format!(
            "{} repositories, {} tags, {} manifests, {} blobs",
            count(&report["repositories"]),
            count(&report["tags"]),
            count(&report["manifests"]),
            count(&report["blobs"])
        ),
        format!(
            "copied {}, linked {}, already there {}, metadata {}",
            amount(&report["copied_bytes"]),
            amount(&report["linked_bytes"]),
            amount(&report["kept_bytes"]),
            amount(&report["metadata_bytes"])
        ),
    ];
    let damaged = strings(&report["damaged"]);
    let tone = if damaged.is_empty() {
        Tone::Good
    } else {
        lines.push("damaged in the store, and not in the backup; push them again:".to_owned());
        lines.extend(damaged.into_iter().take(FINDINGS));
        Tone::Bad
    };
    lines.push(format!(
        "to make a store of it: floundr restore {directory} --home-dir NEW-HOME"
    ));
    Told { lines, tone }
}

// === impl Jobs ===

impl Jobs {
    /// Puts up the form of a kind, with what was refused before.
    pub(super) fn ask_for(&self, kind: Kind, cx: &mut Context<'_>) {
        let form = self.refused.get(&kind).cloned();
        cx.fill_in(form.unwrap_or_else(|| kind.fresh_form()));
    }

    /// What a form that was filled in asks for; what is wrong with it is said in it.
    pub(super) fn read(&mut self, kind: Kind, form: &Form, cx: &mut Context<'_>) -> Option<Value> {
        match kind.body(form) {
            Ok(body) => {
                self.refused.insert(kind, form.clone());
                Some(body)
            }
            Err(why) => {
                cx.refuse(why);
                None
            }
        }
    }

    /// Starts one.
    pub(super) fn start(&mut self, kind: Kind, body: Value, cx: &mut Context<'_>) {
        cx.close_dialog();
        if self.is_running(kind) {
            cx.warn(format!("a {} that was started here goes on", kind.name()));
            return;
        }
        let ticket = cx.ask(Request::post(kind.path(), body));
        self.told.remove(&kind);
        self.running.insert(kind, (ticket, cx.now));
        cx.say(format!(
            "the {} goes on while you look elsewhere; Ctrl-c ends it",
            kind.name()
        ));
    }

    /// Takes an answer if it is for one of them; of which.
    pub(super) fn answered(
        &mut self,
        ticket: Ticket,
        reply: &Result<Reply, Failure>,
        cx: &mut Context<'_>,
    ) -> Option<Kind> {
        let found = self.running.iter().find(|(_, (known, _))| *known == ticket);
        let kind = found.map(|(kind, _)| *kind)?;
        self.running.remove(&kind);
        let told = match reply {
            Ok(reply) => {
                self.refused.remove(&kind);
                kind.result(&reply.body)
            }
            Err(failure) => self.failed(kind, failure),
        };
        let text = format!("{}: {}", kind.name(), told.lines.join("; "));
        if told.tone == Tone::Good {
            cx.say(text);
        } else {
            cx.warn(text);
        }
        self.told.insert(kind, told);
        Some(kind)
    }

    fn failed(&mut self, kind: Kind, failure: &Failure) -> Told {
        let text = match failure {
            Failure::Refused { detail, .. } => detail.clone(),
            Failure::Unreachable(why) => format!(
                "{why}: the server ends a {} whose client goes away; what it had done is so",
                kind.name()
            ),
        };
        match self.refused.get_mut(&kind) {
            Some(form) if failure.status().is_some() => form.error = Some(text.clone()),
            _ => {}
        }
        Told {
            lines: vec![text],
            tone: Tone::Bad,
        }
    }

    /// Whether one of this kind, started here, goes on.
    pub(super) fn is_running(&self, kind: Kind) -> bool {
        self.running.contains_key(&kind)
    }

    /// Since when it does.
    pub(super) fn since(&self, kind: Kind) -> Option<u64> {
        self.running.get(&kind).map(|(_, since)| *since)
    }

    /// What came of the last one.
    pub(super) fn told(&self, kind: Kind) -> Option<&Told> {
        self.told.get(&kind)
    }
}
