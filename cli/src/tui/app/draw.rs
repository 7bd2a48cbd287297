//! Drawing: the frame around the screens: where one is, the tabs, the line below. From state alone.
//!
//! Invariants:
//! 1. Whatever was drawn is harmless when it leaves here: see [`scrub`].

use super::entry::NEVER;
use super::{App, Link};
use crate::tui::keys::{Action, Binding, EVERYWHERE, Tab};
use crate::tui::text::{scrub, span as time_span};
use crate::tui::theme::{Look, Tone};
use crate::tui::widgets::columns::without_middle;
use crate::tui::widgets::span;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Block;

/// The least height at which there are lines around the screen.
const ROOMY: u16 = 8;

// === impl App ===

impl App {
    /// Draws everything.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let paint = self.paint();
        let ground = Block::new().style(paint.look.style(Tone::Plain));
        frame.render_widget(ground, area);
        let row = |y: u16| Rect::new(area.x, area.y + y, area.width, 1);
        let (above, below) = match area.height {
            0..3 => (0, 0),
            3..ROOMY => (0, 1),
            _ => (2, 1),
        };
        if above > 0 {
            frame.render_widget(self.title(area.width), row(0));
            self.tabs_drawn.set(row(1));
            frame.render_widget(self.tabs(), row(1));
        }
        let body = Rect::new(
            area.x,
            area.y + above,
            area.width,
            area.height - above - below,
        );
        if let Some(here) = self.here() {
            here.screen.draw(frame, body, paint);
        }
        if below > 0 {
            frame.render_widget(self.foot(area.width), row(area.height - 1));
        }
        if let Some((_, dialog)) = &self.dialog {
            dialog.draw(frame, area, paint.look);
        }
        paint.look.readable(frame.buffer_mut());
        scrub(frame.buffer_mut(), paint.look.ascii);
    }

    /// Whom one asks, where one is, and how the connection is.
    fn title(&self, width: u16) -> Line<'static> {
        let look = self.look;
        let server = self
            .server
            .as_ref()
            .map_or("no server", |server| server.name.as_str());
        let mut parts = vec![
            span(look, " floundr ", Tone::Heading),
            span(look, server, Tone::Plain),
        ];
        let places = self.stacks.get(&(self.tab as usize)).into_iter().flatten();
        for open in places {
            parts.push(Span::styled(look.separator(), look.style(Tone::Dim)));
            parts.push(span(look, &open.place.title(), Tone::Accent));
        }
        let (text, tone) = self.state();
        let state = format!("{text} ");
        let width = usize::from(width);
        let state_width = Span::raw(state.as_str()).width();
        // Why there is no connection may be long, and is cut off at its end.
        let room = width.saturating_sub(state_width.min(width / 2) + 1);
        let mut parts = without_middle(parts, room, look);
        let used: usize = parts.iter().map(Span::width).sum();
        let gap = width.saturating_sub(used + state_width).max(1);
        parts.push(Span::raw(" ".repeat(gap)));
        parts.push(span(look, &state, tone));
        Line::from(parts)
    }

    /// Who one is and how the connection is.
    fn state(&self) -> (String, Tone) {
        let spinner = self.look.spinner(self.now);
        match &self.link {
            Link::Up if self.asked.is_empty() => {
                let me = if self.me.name.is_empty() {
                    &self.me.kind
                } else {
                    &self.me.name
                };
                (me.clone(), Tone::Good)
            }
            Link::Up => (spinner.to_owned(), Tone::Accent),
            Link::Connecting => (format!("{spinner} connecting"), Tone::Warning),
            Link::Down { why, retry_at } if *retry_at == NEVER => (why.clone(), Tone::Bad),
            Link::Down { why, retry_at } => {
                // What may be cut off stands at the end.
                let left = retry_at.saturating_sub(self.now);
                let left = time_span(left.next_multiple_of(1_000));
                (
                    format!("{spinner} not connected, again in {left}: {why}"),
                    Tone::Bad,
                )
            }
        }
    }

    fn tabs(&self) -> Line<'static> {
        let look = self.look;
        let mut parts = vec![Span::raw(" ")];
        for tab in Tab::ALL {
            let name = format!("{} ", tab.name());
            if tab == self.tab {
                let style = look.style(Tone::Heading).patch(look.style(Tone::Selected));
                parts.push(Span::styled(format!(" {name}"), style));
            } else {
                parts.extend(lettered(look, &format!(" {name}"), tab));
            }
        }
        Line::from(parts)
    }

    /// The tab that was drawn there.
    pub(super) fn tab_at(&self, at: Position) -> Option<Tab> {
        let area = self.tabs_drawn.get();
        if !area.contains(at) {
            return None;
        }
        let mut x = area.x + 1;
        for tab in Tab::ALL {
            let width = u16::try_from(tab.name().len()).unwrap_or(0) + 2;
            if (x..x + width).contains(&at.x) {
                return Some(tab);
            }
            x += width;
        }
        None
    }

    /// The line below: what is being typed, what was told, or the keys that count here.
    fn foot(&self, width: u16) -> Line<'static> {
        let look = self.look;
        if let Some(prompt) = &self.prompt {
            let mark = prompt.kind.mark();
            let mut parts = vec![span(look, mark, Tone::Accent)];
            let room = usize::from(width).saturating_sub(mark.len());
            parts.extend(prompt.input.line(room, look, true).spans);
            return Line::from(parts);
        }
        let typed = self.reader.shown();
        if !typed.is_empty() {
            return Line::from(span(look, &format!(" {typed}"), Tone::Accent));
        }
        if let Some(said) = &self.said {
            return Line::from(span(look, &format!(" {}", said.text), said.tone));
        }
        let own = self.here().map_or(&[][..], |here| here.screen.keys());
        keys(own, width, look)
    }
}

/// The keys of a screen, as many as there is room for, and behind them the general ones: help before the
/// others where there is not even room for these.
fn keys(own: &[Binding], width: u16, look: Look) -> Line<'static> {
    const GENERAL: [(&str, &str); 3] = [("/", "search"), (":", "command"), ("?", "help")];
    let length = |(key, what): &(&str, &str)| key.chars().count() + what.chars().count() + 3;
    // The two spaces behind the last are not missed.
    let mut room = usize::from(width) + 1;
    let mut general: Vec<_> = GENERAL.iter().rev().collect();
    general.retain(|entry| {
        let left = room.checked_sub(length(entry));
        room = left.unwrap_or(room);
        left.is_some()
    });
    let general = general.into_iter().rev().copied();
    let own = own.iter().map(|binding| {
        let key = binding.keys.split(' ').next().unwrap_or_default();
        let what = binding.help.split([';', ',', ':']).next();
        (key, what.unwrap_or_default())
    });
    let fitting = own.take_while(|entry| {
        let left = room.checked_sub(length(entry));
        room = left.unwrap_or(0);
        left.is_some()
    });
    let mut parts = vec![Span::raw(" ")];
    for (key, what) in fitting.chain(general) {
        parts.push(span(look, key, Tone::Accent));
        parts.push(span(look, &format!(" {what}  "), Tone::Dim));
    }
    Line::from(parts)
}

/// A tab's name, in which the letter stands out that leads there behind a `g`.
fn lettered(look: Look, name: &str, tab: Tab) -> Vec<Span<'static>> {
    let mut ways = EVERYWHERE
        .iter()
        .filter(|binding| binding.action == Action::Go(tab));
    let letter = ways.next().and_then(|binding| binding.keys.chars().nth(1));
    let place = letter.and_then(|letter| name.to_ascii_lowercase().find(letter));
    let Some((before, rest)) = place.and_then(|place| name.split_at_checked(place)) else {
        return vec![span(look, name, Tone::Dim)];
    };
    let (letter, behind) = rest.split_at_checked(1).unwrap_or((rest, ""));
    let style = look.style(Tone::Dim).add_modifier(Modifier::UNDERLINED);
    vec![
        span(look, before, Tone::Dim),
        Span::styled(letter.to_owned(), style),
        span(look, behind, Tone::Dim),
    ]
}
