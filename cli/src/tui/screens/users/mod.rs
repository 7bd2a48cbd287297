//! Users, roles and grants: who may log in, what they may do, and why.
//!
//! | module | what it is |
//! |---|---|
//! | [`people`] | the list of users, or for who is no administrator: oneself |
//! | [`forms`] | the forms of users, and what they send |
//! | [`person`] | one user: the grants that reach them, their keys, their rights |
//! | [`reach`] | the grants that reach a user |
//! | [`rights`] | what a user may do with a repository, and why |
//! | [`roles`], [`grants`] | all roles, all grants |
//! | [`granting`] | making, changing and taking back a grant |
//! | [`rows`] | what the server tells of all this |
//!
//! Invariants:
//! 1. What takes two requests and had only the first done stays to be read: see [`Remark`].

mod forms;
mod granting;
mod grants;
mod people;
mod person;
mod reach;
mod rights;
mod roles;
mod rows;
#[cfg(test)]
mod tests;

use super::Screen;
use crate::tui::app::place::Place;
use crate::tui::keys::Section;
use crate::tui::message::Event;
use crate::tui::theme::{Look, Tone};
use crate::tui::widgets::span;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};

/// The keys of these screens.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "Users",
        bindings: people::KEYS,
    },
    Section {
        name: "A user",
        bindings: person::KEYS,
    },
    Section {
        name: "Roles",
        bindings: roles::KEYS,
    },
    Section {
        name: "Grants",
        bindings: grants::KEYS,
    },
];

/// The screen of one of their places.
pub(super) fn open(place: &Place) -> Box<dyn Screen> {
    match place {
        Place::User { name } => Box::new(person::Person::new(name)),
        Place::Roles => Box::new(roles::Roles::new()),
        Place::Grants => Box::new(grants::Grants::new()),
        _ => Box::new(people::Users::new()),
    }
}

/// Whether an event is one of these kinds, or says that some were missed.
fn is_about(event: &Event, kinds: &[&str]) -> bool {
    event.kind == "missed" || kinds.contains(&event.kind.as_str())
}

/// What has to be read by the user even if they look away for a while: it stays until their next action.
#[derive(Debug, Default)]
struct Remark(Option<String>);

// === impl Remark ===

impl Remark {
    /// Draws it at the bottom of an area; what is left above.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: Look) -> Rect {
        let Some(text) = &self.0 else {
            return area;
        };
        let text = span(look, text, Tone::Bad);
        let lines = text.width().div_ceil(usize::from(area.width).max(1));
        let height = u16::try_from(lines)
            .unwrap_or(u16::MAX)
            .min(area.height / 2);
        let above = area.height - height;
        let below = Rect::new(area.x, area.y + above, area.width, height);
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), below);
        Rect::new(area.x, area.y, area.width, above)
    }
}
