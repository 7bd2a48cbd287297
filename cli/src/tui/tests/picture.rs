//! A drawn screen as text: the letters, and below them which parts have which style.

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use std::fmt::Write as _;

/// The letters alone, a line each, without spaces at the ends.
pub(crate) fn letters(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let mut text = String::new();
    for row in buffer.content.chunks(width) {
        let mut line = String::new();
        let mut skipped = 0;
        for cell in row {
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skipped = ratatui::text::Span::raw(cell.symbol())
                .width()
                .saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The letters, and how they look: each style has a letter of its own, explained at the end.
pub(crate) fn whole(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let mut known: Vec<Style> = Vec::new();
    let mut text = letters(buffer);
    text.push_str("---\n");
    for row in buffer.content.chunks(width) {
        let mut line = String::new();
        for cell in row {
            let style = cell.style();
            let place = known.iter().position(|other| *other == style);
            let place = place.unwrap_or_else(|| {
                known.push(style);
                known.len() - 1
            });
            line.push(char::from(b'a' + u8::try_from(place.min(25)).unwrap_or(25)));
        }
        text.push_str(&runs(&line));
        text.push('\n');
    }
    text.push_str("---\n");
    for (place, style) in known.iter().enumerate() {
        let letter = char::from(b'a' + u8::try_from(place.min(25)).unwrap_or(25));
        let colour = |colour: Option<ratatui::style::Color>| {
            colour.map(|c| c.to_string()).unwrap_or_default()
        };
        let (front, ground) = (colour(style.fg), colour(style.bg));
        writeln!(
            text,
            "{letter}: {front} on {ground} {:?}",
            style.add_modifier
        )
        .unwrap();
    }
    text
}

/// `aaab` as `3ab`.
fn runs(line: &str) -> String {
    let mut text = String::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut times = 1;
        while letters.next_if_eq(&letter).is_some() {
            times += 1;
        }
        if times > 1 {
            text.push_str(&times.to_string());
        }
        text.push(letter);
    }
    text
}
