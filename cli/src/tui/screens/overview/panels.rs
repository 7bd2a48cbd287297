//! Drawing the overview: what is where, by how much room there is, and what stands in it.
//!
//! Invariants:
//! 1. Everything has its place whether or not there is something to tell, so that nothing jumps.

use super::figures::TENTHS;
use super::happened::doing;
use super::{ADMINISTRATORS, Overview};
use crate::tui::screens::uploads::{per_second, together};
use crate::tui::text::{ago, bytes, span as time};
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::columns::fitted;
use crate::tui::widgets::series::{Series, sparkline};
use crate::tui::widgets::{Browse as _, gauge, pane, panel, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use serde_json::Value;

/// The least size at which things stand beside one another, and the least width for three of them.
const ROOMY: (u16, u16) = (60, 17);
const WIDE: u16 = 120;

/// Lines of the panels of storage, collector and check, with their borders.
const FACTS: u16 = 8;

/// Columns of a rate: name, value, highest.
const RATE: (usize, usize, usize) = (9, 11, 11);

/// Lines with the name of what each tells.
type Facts = Vec<(&'static str, String, Tone)>;

/// Draws all of it.
pub(super) fn draw(overview: &Overview, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
    let lines = match area.height {
        0..28 => 1,
        28..36 => 2,
        36..44 => 3,
        _ => 5,
    };
    let traffic = 2 + 3 * lines;
    let is_roomy = area.width >= ROOMY.0 && area.height >= ROOMY.1;
    if !is_roomy {
        let rows = [traffic, FACTS, FACTS].map(Constraint::Length);
        let [first, second, third] = Layout::vertical(rows).areas(area);
        draw_traffic(overview, frame, first, paint);
        let shown = first.height + second.height;
        let rest = area.height.saturating_sub(shown + FACTS);
        draw_facts(frame, second, ("Storage", &storage(overview)), paint.look);
        let third = Rect {
            height: third.height.min(area.height.saturating_sub(shown)),
            ..third
        };
        draw_facts(frame, third, (WORKS, &works(overview, paint)), paint.look);
        let below = Rect::new(area.x, area.y + area.height - rest, area.width, rest);
        return draw_events(overview, frame, below, paint);
    }
    let rows = [
        Constraint::Length(traffic),
        Constraint::Length(FACTS),
        Constraint::Fill(1),
    ];
    let [above, middle, below] = Layout::vertical(rows).areas(area);
    draw_traffic(overview, frame, above, paint);
    draw_middle(overview, frame, middle, paint);
    let shares = if area.width < WIDE { (5, 3) } else { (2, 1) };
    let columns = [Constraint::Fill(shares.0), Constraint::Fill(shares.1)];
    let [left, right] = Layout::horizontal(columns).areas(below);
    draw_events(overview, frame, left, paint);
    draw_uploads(overview, frame, right, paint.look);
}

const WORKS: &str = "Collection and check";

fn draw_middle(overview: &Overview, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
    let look = paint.look;
    if area.width < WIDE {
        let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
        draw_facts(frame, left, ("Storage", &storage(overview)), look);
        return draw_facts(frame, right, (WORKS, &works(overview, paint)), look);
    }
    let [left, middle, right] = Layout::horizontal([Constraint::Fill(1); 3]).areas(area);
    draw_facts(frame, left, ("Storage", &storage(overview)), look);
    let room = usize::from(middle.width);
    let collection = collection(overview, paint, room);
    draw_facts(frame, middle, ("Collection", &collection), look);
    draw_facts(frame, right, ("Check", &check(overview, look, room)), look);
}

fn draw_lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_facts(frame: &mut Frame<'_>, area: Rect, (title, facts): (&str, &Facts), look: Look) {
    let inside = panel(frame, area, title, look);
    let width = facts.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let room = inside.width.saturating_sub(narrow(width + 2));
    let line = |(name, text, tone): &(&str, String, Tone)| {
        Line::from(vec![
            span(look, &format!("{name:width$}  "), Tone::Dim),
            span(look, &fitted(text, room, look), *tone),
        ])
    };
    draw_lines(frame, inside, facts.iter().map(line).collect());
}

fn narrow(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

// --- traffic ---

fn draw_traffic(overview: &Overview, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
    let look = paint.look;
    let inside = panel(frame, area, &server(overview, paint.now), look);
    let figures = &overview.figures;
    if figures.status.is_null() {
        let why = overview.status.failure.as_deref().unwrap_or_default();
        let line = Line::from(span(look, &fitted(why, inside.width, look), Tone::Bad));
        return draw_lines(frame, inside, vec![line]);
    }
    let tenths = |value: u64| format!("{}.{}/s", value / TENTHS, value % TENTHS);
    let written: [(&str, &dyn Fn(u64) -> String); 3] = [
        ("requests", &tenths),
        ("received", &per_second),
        ("sent", &per_second),
    ];
    let lines = usize::from(inside.height / 3).max(1);
    let mut drawn = Vec::new();
    for (place, (name, write)) in written.into_iter().enumerate() {
        if let Some(series) = figures.series(place) {
            let size = (usize::from(inside.width), lines);
            drawn.extend(rate(series, (name, write), size, look));
        }
    }
    draw_lines(frame, inside, drawn);
}

/// A rate: its name, what it is, the highest, and how it was.
fn rate(
    series: &Series,
    (name, write): (&str, &dyn Fn(u64) -> String),
    (width, height): (usize, usize),
    look: Look,
) -> Vec<Line<'static>> {
    let value = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), write);
    let (latest, highest) = (value(series.latest()), value(series.highest()));
    let mut parts = vec![
        span(look, &format!("{name:0$}", RATE.0), Tone::Dim),
        span(look, &format!("{latest:>0$}", RATE.1), Tone::Plain),
        span(look, "  max ", Tone::Dim),
        span(look, &format!("{highest:>0$}", RATE.2), Tone::Plain),
        Span::raw("  "),
    ];
    let taken: usize = parts.iter().map(Span::width).sum();
    let bars = sparkline(series, (width.saturating_sub(taken), height), look);
    let mut lines = Vec::new();
    for line in bars {
        parts.push(Span::styled(line, look.style(Tone::Accent)));
        lines.push(Line::from(std::mem::take(&mut parts)));
        parts.push(Span::raw(" ".repeat(taken)));
    }
    lines
}

/// The server in one line.
fn server(overview: &Overview, now: u64) -> String {
    let (status, heard) = (&overview.figures.status, overview.figures.heard);
    if status.is_null() {
        return "Server".to_owned();
    }
    let version = status["version"].as_str().unwrap_or_default();
    let mut title = format!(
        "Server {version}, up {}, {}, {} in flight, {} answered",
        time(number(&status["uptime_ms"])),
        count(number(&status["connections"]), "connection"),
        number(&status["requests_in_flight"]),
        count(number(&status["requests_total"]), "request"),
    );
    let old = now.saturating_sub(heard);
    if old >= 10_000 {
        title = format!("Server {version}, as it was {}", ago(heard, now));
    }
    title
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// `1 blob`, `2 blobs`.
fn count(number: u64, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

// --- storage ---

fn storage(overview: &Overview) -> Facts {
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
fn refused(failure: Option<&str>) -> (String, Tone) {
    match failure {
        Some(ADMINISTRATORS) => (ADMINISTRATORS.to_owned(), Tone::Dim),
        Some(failure) => (failure.to_owned(), Tone::Bad),
        None => (String::new(), Tone::Dim),
    }
}

// --- collection and check ---

/// The collector and the check where there is room for one panel.
fn works(overview: &Overview, paint: Paint) -> Facts {
    const ROOM: usize = 38;
    let mut facts = collection(overview, paint, ROOM);
    facts.truncate(2);
    facts.extend(check(overview, paint.look, ROOM));
    facts
}

fn collection(overview: &Overview, paint: Paint, room: usize) -> Facts {
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
        return "none since the start".to_owned();
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

fn check(overview: &Overview, look: Look, room: usize) -> Facts {
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

// --- events and uploads ---

fn draw_events(overview: &Overview, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
    let look = paint.look;
    let (seen, all) = (overview.events.len(), overview.events.rows().len());
    let filter = overview.events.filtered();
    let mut title = format!("Events {all}");
    if !filter.is_empty() {
        title = format!("Events {seen} of {all}  filter: {filter}");
    } else if !overview.is_browsing && all > 0 {
        title.push_str("; Tab browses, Enter goes there");
    }
    let inside = pane(frame, area, &title, look, overview.is_browsing);
    if seen > 0 {
        return overview.events.draw(frame, inside, paint);
    }
    let why = if all == 0 {
        "nothing has happened since you came"
    } else {
        "nothing has this in it"
    };
    let line = Line::from(span(look, &fitted(why, inside.width, look), Tone::Dim));
    draw_lines(frame, inside, vec![line]);
}

fn draw_uploads(overview: &Overview, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let pushing = &overview.pushing;
    let told = number(&overview.figures.status["uploads"]);
    let mut title = format!("Uploads {}", told.max(pushing.len() as u64));
    if let Some(pace) = together(pushing.iter()) {
        title = format!("{title}, {}", per_second(pace));
    }
    let inside = panel(frame, area, &title, look);
    if pushing.is_empty() {
        let (why, tone) = match overview.uploads.failure.as_deref() {
            None if told == 0 => ("nothing is being pushed".to_owned(), Tone::Dim),
            failure => refused(failure),
        };
        let line = Line::from(span(look, &fitted(&why, inside.width, look), tone));
        return draw_lines(frame, inside, vec![line]);
    }
    let (width, height) = (usize::from(inside.width), usize::from(inside.height));
    let has_room = pushing.len() <= height;
    let shown = if has_room {
        height
    } else {
        height.saturating_sub(1)
    };
    let mut lines: Vec<_> = pushing
        .iter()
        .take(shown)
        .map(|upload| {
            let pace = upload.pace.map_or_else(|| "-".to_owned(), per_second);
            let mut numbers = format!("  {pace:>11}");
            if width >= 48 {
                numbers = format!("  {:>10}{numbers}", bytes(upload.offset));
            }
            let room = width.saturating_sub(numbers.len());
            let name = fitted(&upload.repository, narrow(room), look);
            let gap = room.saturating_sub(Span::raw(name.as_str()).width());
            let tone = if upload.is_active {
                Tone::Accent
            } else {
                Tone::Dim
            };
            Line::from(vec![
                span(look, &name, tone),
                Span::raw(" ".repeat(gap)),
                span(look, &numbers, Tone::Plain),
            ])
        })
        .collect();
    if !has_room {
        let more = format!("and {} more; gp shows all", pushing.len() - shown);
        lines.push(Line::from(span(look, &more, Tone::Dim)));
    }
    draw_lines(frame, inside, lines);
}
