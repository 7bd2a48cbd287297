//! Repositories, what was deleted, and rules.
//!
//! ```text
//! browse      the repositories: a tree, its keys and its forms
//! pane        the tree one moves about in, read page by page;  forest  how a tree is made of names
//! repository  a row;  details  what is told of the one under the cursor
//! settings    what can be set, as a form, for repositories and rules
//! trash, rules
//! ```

mod browse;
mod details;
mod forest;
mod pane;
mod repository;
mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod trash;

use super::Screen;
use crate::tui::app::place::Place;
use crate::tui::keys::Section;

/// The keys of these screens.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "Repositories",
        bindings: browse::KEYS,
    },
    Section {
        name: "Deleted repositories and manifests",
        bindings: trash::KEYS,
    },
    Section {
        name: "Rules",
        bindings: rules::KEYS,
    },
];

/// The screen of one of their places.
pub(super) fn open(place: &Place) -> Box<dyn Screen> {
    match place {
        Place::Trash { repository } => trash::open(repository.as_deref()),
        Place::Rules => Box::new(rules::Rules::new()),
        _ => Box::new(browse::Repositories::new()),
    }
}
