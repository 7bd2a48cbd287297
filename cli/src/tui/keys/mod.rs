//! Keys: what can be done ([`Action`]), by which keys and under which name ([`Binding`]), and how keys
//! that come one after the other are read ([`Reader`]).
//!
//! There is one table: [`EVERYWHERE`], [`LISTS`], [`SEARCHING`] and the `KEYS` of every screen, gathered
//! by [`sections`]. Dispatch, the help screen, the line at the bottom, the commands behind `:` and
//! `docs/tui.md` are made from it and from nothing else.
//!
//! Invariants:
//! 1. No key of a context is the beginning of another, so that nobody waits for a time-out.
//! 2. A count is bounded.

mod reader;
mod table;

pub(crate) use reader::{Read, Reader};
pub(crate) use table::{EVERYWHERE, LISTS, SEARCHING, sections};

use reader::{Press, presses};

/// What a key or a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    // Moving.
    Up,
    Down,
    Left,
    Right,
    First,
    Last,
    HalfUp,
    HalfDown,
    PageUp,
    PageDown,
    // Around.
    Open,
    Back,
    Close,
    Quit,
    Help,
    Command,
    Cancel,
    NextPane,
    PreviousPane,
    NextScreen,
    PreviousScreen,
    Go(Tab),
    // Finding.
    Search,
    NextMatch,
    PreviousMatch,
    Filter,
    Sort,
    ReverseSort,
    Refresh,
    // Doing.
    New,
    Edit,
    Delete,
    Undo,
    Copy,
    CopyOther,
    // Of single screens.
    Public,
    Trash,
    Why,
    Raw,
    History,
    Disable,
    Password,
    Roles,
    Grants,
    Explain,
    Rules,
    Run,
    DryRun,
    Pause,
    Check,
    EmptyTrash,
    Follow,
    Verify,
    Login,
    DeleteManifest,
    Manifests,
    Backup,
    ClearFilter,
    OpenAll,
    CloseAll,
}

/// The screens one can go to from anywhere, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Repositories,
    Users,
    Keys,
    Uploads,
    Storage,
    Audit,
    Servers,
    Help,
}

/// By which keys and under which name something is done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The keys, with spaces between those that do the same: `j <down>`, `gg`, `<c-d>`.
    pub(crate) keys: &'static str,
    /// What is done.
    pub(crate) action: Action,
    /// Its name behind `:`; empty: it has none.
    pub(crate) command: &'static str,
    /// What it does, in words that fit into half a line.
    pub(crate) help: &'static str,
}

/// Some bindings and where they count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    /// Where they count.
    pub(crate) name: &'static str,
    /// The bindings.
    pub(crate) bindings: &'static [Binding],
}

/// Shortens the tables.
pub(crate) const fn bind(
    keys: &'static str,
    action: Action,
    command: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        action,
        command,
        help,
    }
}

// === impl Tab ===

impl Tab {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Overview,
        Self::Repositories,
        Self::Users,
        Self::Keys,
        Self::Uploads,
        Self::Storage,
        Self::Audit,
        Self::Servers,
        Self::Help,
    ];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Repositories => "Repositories",
            Self::Users => "Users",
            Self::Keys => "Keys",
            Self::Uploads => "Uploads",
            Self::Storage => "Storage",
            Self::Audit => "Audit",
            Self::Servers => "Servers",
            Self::Help => "Help",
        }
    }

    /// The one so many steps away; behind the last comes the first.
    pub(crate) fn away(self, steps: isize) -> Self {
        let here = Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0);
        let there = here.cast_signed().saturating_add(steps);
        let there = there.rem_euclid(Self::ALL.len().cast_signed());
        Self::ALL[there.cast_unsigned()]
    }
}

// === impl Binding ===

impl Binding {
    /// The keys of each way to do it.
    pub(crate) fn ways(&self) -> impl Iterator<Item = Vec<Press>> {
        self.keys.split(' ').map(presses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tabs_go_round() {
        assert_eq!(Tab::Overview.away(-1), Tab::Help);
        assert_eq!(Tab::Help.away(1), Tab::Overview);
        assert_eq!(Tab::Users.away(9), Tab::Users);
    }
}
