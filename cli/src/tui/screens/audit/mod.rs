//! The audit log.

use super::{Screen, help};
use crate::tui::app::place::Place;
use crate::tui::keys::Section;

/// The keys of these screens.
pub(super) const SECTIONS: &[Section] = &[];

/// The screen of one of their places.
pub(super) fn open(_place: &Place) -> Box<dyn Screen> {
    Box::new(help::Help::new())
}
