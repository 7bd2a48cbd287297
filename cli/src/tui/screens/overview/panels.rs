//! Drawing the overview: what is where, by how much room there is, and what stands in it.
//!
//! Invariants:
//! 1. Everything has its place whether or not there is something to tell, so that nothing jumps.

use super::Overview;
use super::facts::{Facts, check, collection, count, number, refused, storage, works};
use super::figures::TENTHS;
use crate::tui::screens::uploads::{per_second, together};
use crate::tui::text::{ago, bytes, span as time};
use crate::tui::theme::{Look, Paint, Tone};
use crate::tui::widgets::columns::fitted;
use crate::tui::widgets::series::{Series, sparkline};
use crate::tui::widgets::{Browse as _, pane, panel, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// The least size at which things stand beside one another, and the least width for three of them.
const ROOMY: (u16, u16) = (60, 17);
const WIDE: u16 = 120;

/// Lines of the panels of storage, collector and check, with their borders.
const FACTS: u16 = 8;

/// Columns of a rate: name, value, highest.
const RATE: (usize, usize, usize) = (9, 11, 11);

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
        return draw_stacked(overview, frame, (area, traffic), paint);
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

/// One below the other, as far as there is room.
fn draw_stacked(
    overview: &Overview,
    frame: &mut Frame<'_>,
    (area, traffic): (Rect, u16),
    paint: Paint,
) {
    let mut left = area;
    let mut next = |wanted: u16| {
        let height = wanted.min(left.height);
        let drawn = Rect { height, ..left };
        left.y += height;
        left.height -= height;
        drawn
    };
    draw_traffic(overview, frame, next(traffic), paint);
    draw_facts(
        frame,
        next(FACTS),
        ("Storage", &storage(overview)),
        paint.look,
    );
    draw_facts(
        frame,
        next(FACTS),
        (WORKS, &works(overview, paint)),
        paint.look,
    );
    draw_events(overview, frame, next(u16::MAX), paint);
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

// --- events and uploads ---

fn draw_events(overview: &Overview, frame: &mut Frame<'_>, area: Rect, paint: Paint) {
    let look = paint.look;
    let (seen, all) = (overview.events.len(), overview.events.rows().len());
    let filter = overview.events.filtered();
    let mut title = format!("Events {all}");
    if !filter.is_empty() {
        title = format!("Events {seen} of {all}  filter: {filter}");
    } else if !overview.is_browsing && all > 0 {
        title.push_str("; Tab or Enter browses");
    } else if all > 0 {
        title.push_str("; Enter goes there");
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

/// A name, without its beginning where it is too long: names of one project begin alike.
fn tail(name: &str, room: usize, look: Look) -> String {
    let letters = name.chars().count();
    if letters <= room {
        return fitted(name, narrow(room), look);
    }
    let end = name.chars().skip((letters - room).saturating_add(1));
    let end: String = look.ellipsis().chars().chain(end).collect();
    fitted(&end, narrow(room), look)
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
            let name = tail(&upload.repository, room, look);
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
