//! Collection and storage: what the store takes and who holds how much of it, the collector, the check,
//! backups; what a collection would take; and why a digest is kept.
//!
//! | module | what it is |
//! |---|---|
//! | [`board`] | the screen of the tab |
//! | [`works`] | what is known of collector, check, store and backup, in words |
//! | [`jobs`] | what one starts here and waits for: forms, requests, results |
//! | [`usage`] | a row of a repository |
//! | [`plan`] | what a collection would take |
//! | [`why`] | what keeps a digest |

mod board;
mod jobs;
mod plan;
mod usage;
mod why;
mod works;

#[cfg(test)]
mod tests;

use super::Screen;
use crate::tui::app::place::Place;
use crate::tui::keys::{Action, Binding, Section, bind};

/// The keys of these screens.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "Collection and storage",
        bindings: KEYS,
    },
    Section {
        name: "What a collection would take",
        bindings: plan::KEYS,
    },
    Section {
        name: "Why something is kept",
        bindings: why::KEYS,
    },
];

const KEYS: &[Binding] = &[
    bind("c", Action::Run, "collect", "collect: what is due now"),
    bind(
        "C",
        Action::DryRun,
        "plan",
        "plan: what a collection would take now",
    ),
    bind(
        "p",
        Action::Pause,
        "pause",
        "pause or resume; it lasts over restarts",
    ),
    bind(
        "v",
        Action::Check,
        "check",
        "check: read all that is stored and compare it",
    ),
    bind(
        "b",
        Action::Backup,
        "backup",
        "back up, on the server's machine",
    ),
    bind(
        "x",
        Action::EmptyTrash,
        "empty-trash",
        "empty the trash: deletions become final",
    ),
];

/// The screen of one of their places.
pub(super) fn open(place: &Place) -> Box<dyn Screen> {
    match place {
        Place::Plan => Box::new(plan::Plan::new()),
        Place::Why { digest } => Box::new(why::Why::new(digest)),
        _ => Box::new(board::Board::new()),
    }
}
