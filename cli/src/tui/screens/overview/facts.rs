//! What is told of storage, collector and check, line by line.

use super::happened::doing;
use super::{ADMINISTRATORS, Overview};
use crate::tui::screens::uploads::per_second;
use crate::tui::text::{bytes, span as time};
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::gauge;
use serde_json::Value;

/// Lines with the name of what each tells.
pub(super) type Facts = Vec<(&'static str, String, Tone)>;

/// A number of an answer.
pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// `1 blob`, `2 blobs`.
pub(super) fn count(number: u64, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

// --- storage ---

/// What the store takes.
pub(super) fn storage(overview: &Overview) -> Facts {
    let status = &overview.figures.status;
    if status.is_null() {
        return Facts::new();
    }
    let (store, gc) = (&status["store"], &status["gc"]);
    let size = |name: &str| bytes(number(&store[name]));
    let both =
        |name: &str, many: u64, what: &str| format!("{} in {}", size(name), count(many, what));
    let free = match &store["free_bytes"] {
        Value::Null => "not known".to_owned(),
        free => bytes(number(free)),
    };
    let (holdings, tone) = holdings(overview);
    vec![
        ("stored", size("stored_bytes"), Tone::Plain),
        ("by repository", size("logical_bytes"), Tone::Plain),
        ("free disk", free, Tone::Plain),
        (
            "reclaimable",
            both("garbage_bytes", number(&gc["candidates"]), "blob"),
            Tone::Plain,
        ),
        (
            "going now",
            both("waiting_bytes", number(&gc["waiting"]), "file"),
            Tone::Plain,
        ),
        ("repositories", holdings, tone),
    ]
}

/// How many repositories and manifests there are.
fn holdings(overview: &Overview) -> (String, Tone) {
    let usage = &overview.usage;
    if let Some(repositories) = usage.body["repositories"].as_array() {
        let more = if usage.body["next"].is_null() {
            ""
        } else {
            "+"
        };
        let manifests = repositories.iter().map(|each| number(&each["manifests"]));
        let manifests = manifests.fold(0, u64::saturating_add);
        let text = format!(
            "{}{more} with {}{more}",
            repositories.len(),
            count(manifests, "manifest")
        );
        return (text, Tone::Plain);
    }
    refused(usage.failure.as_deref())
}

/// Why something is not there.
pub(super) fn refused(failure: Option<&str>) -> (String, Tone) {
    match failure {
        Some(ADMINISTRATORS) => (ADMINISTRATORS.to_owned(), Tone::Dim),
        Some(failure) => (failure.to_owned(), Tone::Bad),
        None => (String::new(), Tone::Dim),
    }
}

// --- collection and check ---

/// The collector and the check where there is room for one panel.
pub(super) fn works(overview: &Overview, paint: Paint) -> Facts {
    const ROOM: usize = 38;
    let mut facts = collection(overview, paint, ROOM);
    facts.truncate(2);
    facts.extend(check(overview, paint.look, ROOM));
    facts
}

/// The collector, where there is `room` for it.
pub(super) fn collection(overview: &Overview, paint: Paint, room: usize) -> Facts {
    let (status, gc) = (&overview.figures.status, &overview.gc);
    if status.is_null() {
        return Facts::new();
    }
    let (phase, is_paused) = (&status["gc"]["phase"], status["gc"]["paused"] == true);
    let phase = phase.as_str().unwrap_or_default();
    let due = number(&gc.body["due"]);
    let mut facts = Facts::new();
    if is_paused {
        facts.push((
            "collector",
            "paused: nothing is removed".to_owned(),
            Tone::Warning,
        ));
    } else if phase == "blobs" && due > 0 {
        facts.push(progress(
            "collector",
            &gc.body["done"],
            due,
            (paint.look, room),
        ));
        let left = remaining(&gc.body["eta_ms"]);
        let told = format!("{} of {due}{left}", number(&gc.body["done"]));
        facts.push(("removed", told, Tone::Plain));
    } else {
        facts.push(("collector", doing(phase).to_owned(), Tone::Plain));
    }
    if let Some(error) = gc.body["last_error"].as_str() {
        facts.push(("failed", error.to_owned(), Tone::Bad));
    }
    let damaged = number(&gc.body["damaged"]);
    if damaged > 0 {
        let told = format!("{} cannot be read", count(damaged, "row"));
        facts.push(("damage", told, Tone::Bad));
    }
    facts.push(("last run", last_run(overview, paint.now), Tone::Plain));
    if gc.failure.as_deref() != Some(ADMINISTRATORS)
        && let Some(failure) = &gc.failure
    {
        facts.push(("details", failure.clone(), Tone::Bad));
    }
    facts
}

/// When the collector did something last, and what.
fn last_run(overview: &Overview, now: u64) -> String {
    let figures = &overview.figures;
    let Some(ended) = figures.status["gc"]["last_ended_ms_ago"].as_u64() else {
        return "none by itself yet".to_owned();
    };
    let ended = ended.saturating_add(now.saturating_sub(figures.heard));
    let report = &overview.gc.body["last_run"]["report"];
    if report.is_null() {
        return format!("{} ago", time(ended));
    }
    format!(
        "{} ago: {}, {}",
        time(ended),
        count(number(&report["removed"]), "blob"),
        bytes(number(&report["bytes"])),
    )
}

/// The check, where there is `room` for it.
pub(super) fn check(overview: &Overview, look: Look, room: usize) -> Facts {
    let check = &overview.figures.status["check"];
    if !check.is_object() {
        return Facts::new();
    }
    let (done, blobs) = (number(&check["blobs_done"]), number(&check["blobs"]));
    let mut facts = Facts::new();
    if check["running"] == true {
        facts.push(progress("check", &check["blobs_done"], blobs, (look, room)));
        let pace = match overview.figures.check_pace {
            _ if check["paused"] == true => "paused".to_owned(),
            Some(pace) => per_second(pace),
            None => "-".to_owned(),
        };
        let left = remaining(&check["remaining_ms"]);
        facts.push(("reading", format!("{pace}{left}"), Tone::Plain));
        let told = format!(
            "{done} of {}, {}",
            count(blobs, "blob"),
            bytes(number(&check["bytes"]))
        );
        facts.push(("read", told, Tone::Plain));
    } else {
        facts.push(("check", "does not run".to_owned(), Tone::Plain));
        if done > 0 {
            let told = format!("{done} of {}", count(blobs, "blob"));
            facts.push(("read", told, Tone::Plain));
        }
    }
    let (found, marked) = (number(&check["found"]), number(&check["quarantined"]));
    if found > 0 || marked > 0 {
        let told = format!("{found}, {} not served", count(marked, "blob"));
        // Before the rest: it is worth more.
        facts.insert(1, ("found", told, Tone::Bad));
    } else if done > 0 {
        facts.push(("found", "nothing".to_owned(), Tone::Good));
    }
    facts
}

/// A gauge that fits into so many columns, behind a name.
fn progress(
    name: &'static str,
    done: &Value,
    whole: u64,
    (look, room): (Look, usize),
) -> (&'static str, String, Tone) {
    // Borders, the longest name with its spaces, and the percents.
    let width = room.saturating_sub(2 + 11 + 6).clamp(4, 60);
    (name, gauge(look, number(done), whole, width), Tone::Accent)
}

fn remaining(ms: &Value) -> String {
    ms.as_u64()
        .map(|ms| format!(", {} to go", time(ms)))
        .unwrap_or_default()
}
