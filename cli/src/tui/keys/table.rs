//! The table of keys that count on more than one screen, and [`sections`]: all of it.

use super::{Action, Binding, Section, Tab, bind};

/// What counts on every screen.
pub(crate) const EVERYWHERE: &[Binding] = &[
    bind("?", Action::Help, "help", "every key"),
    bind(
        ":",
        Action::Command,
        "",
        "a command by its name; Tab completes",
    ),
    bind("<esc> <backspace>", Action::Back, "back", "back"),
    bind(
        "q",
        Action::Close,
        "close",
        "back; from the overview: leave",
    ),
    bind(
        "<c-c>",
        Action::Cancel,
        "cancel",
        "stop waiting for the server; twice: leave",
    ),
    bind("ZZ", Action::Quit, "q", "leave at once"),
    bind(
        "<c-l> R",
        Action::Refresh,
        "refresh",
        "ask for everything again",
    ),
    bind("gt ]", Action::NextScreen, "next", "the next screen"),
    bind(
        "gT [",
        Action::PreviousScreen,
        "previous",
        "the screen before",
    ),
    bind("<tab>", Action::NextPane, "", "the next pane"),
    bind("<s-tab>", Action::PreviousPane, "", "the pane before"),
    bind("go", Action::Go(Tab::Overview), "overview", "overview"),
    bind(
        "gr",
        Action::Go(Tab::Repositories),
        "repositories",
        "repositories",
    ),
    bind(
        "gu",
        Action::Go(Tab::Users),
        "users",
        "users, roles and grants",
    ),
    bind("gk", Action::Go(Tab::Keys), "keys", "API keys"),
    bind(
        "gp",
        Action::Go(Tab::Uploads),
        "uploads",
        "uploads (pushes under way)",
    ),
    bind(
        "gs",
        Action::Go(Tab::Storage),
        "storage",
        "collection and storage",
    ),
    bind("ga", Action::Go(Tab::Audit), "audit", "audit log"),
    bind(
        "ge",
        Action::Go(Tab::Servers),
        "servers",
        "servers and logins",
    ),
    bind(
        "gl",
        Action::Login,
        "login",
        "log in, also as somebody else",
    ),
];

/// What counts where rows or lines are shown.
pub(crate) const LISTS: &[Binding] = &[
    bind("j <down>", Action::Down, "", "down; 5j: five rows"),
    bind("k <up>", Action::Up, "", "up"),
    bind(
        "gg <home>",
        Action::First,
        "first",
        "the first row; 5gg: the fifth",
    ),
    bind(
        "G <end>",
        Action::Last,
        "last",
        "the last row; 5G: the fifth",
    ),
    bind("<c-d>", Action::HalfDown, "", "half a page down"),
    bind("<c-u>", Action::HalfUp, "", "half a page up"),
    bind("<c-f> <pagedown>", Action::PageDown, "", "a page down"),
    bind("<c-b> <pageup>", Action::PageUp, "", "a page up"),
    bind("h <left>", Action::Left, "", "left, or close"),
    bind("l <right>", Action::Right, "", "right, or open"),
    bind("<enter>", Action::Open, "open", "into it"),
    bind("/", Action::Search, "", "search as you type; then n and N"),
    bind(
        "f",
        Action::Filter,
        "",
        "filter as you type; Esc shows all again",
    ),
    bind("s", Action::Sort, "sort", "sort by the next column"),
    bind(
        "S",
        Action::ReverseSort,
        "reverse",
        "sort the other way round",
    ),
];

/// What counts first while something is searched for.
pub(crate) const SEARCHING: &[Binding] = &[
    bind("n", Action::NextMatch, "", "the next match"),
    bind("N", Action::PreviousMatch, "", "the match before"),
];

/// The whole table.
pub(crate) fn sections() -> Vec<Section> {
    let general = [
        Section {
            name: "Everywhere",
            bindings: EVERYWHERE,
        },
        Section {
            name: "In lists and texts",
            bindings: LISTS,
        },
        Section {
            name: "While searching",
            bindings: SEARCHING,
        },
    ];
    let mut all = general.to_vec();
    all.extend(crate::tui::screens::sections());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a way to type one begins a way to type the other.
    fn hide(one: &Binding, other: &Binding) -> bool {
        let second: Vec<_> = other.ways().collect();
        one.ways().any(|way| {
            let is_hidden = |second: &Vec<_>| way.starts_with(second) || second.starts_with(&way);
            second.iter().any(is_hidden)
        })
    }

    #[test]
    fn no_key_of_a_context_is_the_beginning_of_another_nor_means_two_things() {
        for section in crate::tui::screens::sections() {
            let all: Vec<_> = section
                .bindings
                .iter()
                .chain(EVERYWHERE)
                .chain(LISTS)
                .collect();
            for (here, binding) in all.iter().enumerate() {
                let other = all[here + 1..].iter().find(|other| hide(binding, other));
                let other = other.map(|other| other.keys);
                assert_eq!(other, None, "{}: {}", section.name, binding.keys);
            }
        }
    }

    #[test]
    fn every_key_has_a_help_and_no_command_two_meanings() {
        for section in sections() {
            let mut commands = std::collections::BTreeSet::new();
            for binding in section.bindings {
                let (keys, command) = (binding.keys, binding.command);
                assert!(
                    !binding.help.is_empty() && binding.help.len() <= 60,
                    "{keys}"
                );
                assert!(command.is_empty() || commands.insert(command), "{command}");
                let are_short = binding.ways().all(|way| (1..=2).contains(&way.len()));
                assert!(are_short, "{keys}");
            }
        }
    }
}
