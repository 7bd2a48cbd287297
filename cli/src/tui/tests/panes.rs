//! Screens with more than one pane: the focus goes from one to the next, and back before one leaves.

use super::pilot::{Pilot, not_there};
use crate::tui::theme::Theme;

/// What leads to each of them.
const SCREENS: [&str; 7] = [
    "gr",
    ":open team/app<enter>",
    ":user jo<enter>",
    "gk",
    "gs",
    ":why sha256:00<enter>",
    "ga",
];

#[test]
fn back_leads_from_another_pane_to_the_first_and_then_away() {
    for screen in SCREENS {
        for back in ["<esc>", "q", "<backspace>"] {
            let mut pilot = Pilot::on((120, 40), Theme::Dark, not_there);
            pilot.keys(screen);
            let before = pilot.picture();
            pilot.keys("<tab>");
            assert_ne!(pilot.picture(), before, "{screen}: the focus moves");
            pilot.keys(back);
            assert_eq!(pilot.picture(), before, "{screen} {back}");
            let place = |pilot: &Pilot| pilot.screen().lines().next().map(str::to_owned);
            let was = place(&pilot);
            pilot.keys(back);
            assert_ne!(place(&pilot), was, "{screen} {back}");
        }
    }
}
