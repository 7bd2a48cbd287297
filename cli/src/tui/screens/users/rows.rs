//! What the server tells of users, grants, roles and keys, as rows of lists.
//!
//! Invariants:
//! 1. A member that is missing, or is something else than it should be, is shown as nothing.

use crate::tui::text::{ago, string, strings};
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, column, number, wide};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::listing::Item;
use crate::tui::widgets::{Cell, cell};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// What somebody may do with a repository.
pub(super) const PERMISSIONS: [&str; 4] = ["pull", "push", "delete", "administer"];

/// A user.
#[derive(Debug, Clone, Default)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) switches: Switches,
    pub(super) groups: Vec<String>,
    pub(super) created: u64,
    pub(super) keys: u64,
}

/// What is either so or not about a user.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of its own in JSON"
)]
pub(super) struct Switches {
    pub(super) is_administrator: bool,
    pub(super) is_disabled: bool,
    pub(super) must_change: bool,
    pub(super) has_password: bool,
}

/// To whom something is granted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grantee {
    User(String),
    Group(String),
}

/// A grant.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) id: u64,
    key: String,
    pub(super) to: Grantee,
    pub(super) role: String,
    pub(super) on: String,
    created: u64,
}

/// A role.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) permissions: Vec<String>,
    pub(super) is_built_in: bool,
}

/// An API key of a user.
#[derive(Debug)]
pub(super) struct Key {
    id: String,
    name: String,
    scopes: Option<usize>,
    expires: Option<u64>,
    last_used: Option<u64>,
}

fn yes(is_so: bool, tone: Tone) -> Cell {
    if is_so {
        cell("yes", tone)
    } else {
        cell("-", Tone::Dim)
    }
}

// === impl User ===

impl User {
    /// Whether they are let in.
    pub(super) fn state(&self) -> (&'static str, Tone) {
        if self.switches.is_disabled {
            ("disabled", Tone::Bad)
        } else {
            ("active", Tone::Good)
        }
    }

    /// How it is with their password.
    pub(super) fn password(&self) -> (&'static str, Tone) {
        match (self.switches.has_password, self.switches.must_change) {
            (_, true) => ("must change", Tone::Warning),
            (true, false) => ("set", Tone::Dim),
            (false, false) => ("none", Tone::Dim),
        }
    }
}

impl Row for User {
    const COLUMNS: &'static [Column] = &[
        wide("name", 0),
        column("admin", 6, 0),
        column("state", 8, 0),
        column("password", 11, 1),
        wide("groups", 2),
        number("keys", 5, 1),
        column("made", 10, 3),
    ];

    fn key(&self) -> &str {
        &self.name
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let (state, state_tone) = self.state();
        let (password, password_tone) = self.password();
        vec![
            cell(self.name.as_str(), Tone::Accent),
            yes(self.switches.is_administrator, Tone::Warning),
            cell(state, state_tone),
            cell(password, password_tone),
            cell(self.groups.join(", "), Tone::Plain),
            cell(self.keys.to_string(), Tone::Plain),
            cell(ago(self.created, now), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let (one, two) = (&self.switches, &other.switches);
        match column {
            1 => two.is_administrator.cmp(&one.is_administrator),
            2 => two.is_disabled.cmp(&one.is_disabled),
            3 => self.password().0.cmp(other.password().0),
            4 => self.groups.cmp(&other.groups),
            5 => self.keys.cmp(&other.keys),
            6 => self.created.cmp(&other.created),
            _ => self.name.cmp(&other.name),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.name, text) || self.groups.iter().any(|group| contains(group, text))
    }
}

impl Item for User {
    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            name: item["name"].as_str()?.to_owned(),
            switches: Switches {
                is_administrator: item["administrator"] == true,
                is_disabled: item["disabled"] == true,
                must_change: item["must_change"] == true,
                has_password: item["has_password"] == true,
            },
            groups: strings(&item["groups"]),
            created: item["created"].as_u64().unwrap_or_default(),
            keys: item["keys"].as_u64().unwrap_or_default(),
        })
    }
}

// === impl Grantee ===

impl Grantee {
    /// Whether it is a user or a group.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Group(name) => name,
        }
    }

    /// What is sent to have them granted a role on the repositories of a pattern.
    pub(super) fn grant(&self, role: &str, on: &str) -> Value {
        json!({ (self.kind()): self.name(), "role": role, "on": on })
    }
}

impl std::fmt::Display for Grantee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, "the group {name}"),
        }
    }
}

// === impl Grant ===

impl Row for Grant {
    const COLUMNS: &'static [Column] = &[
        column("to", 5, 0),
        wide("name", 0),
        wide("role", 0),
        wide("pattern", 0),
        column("granted", 10, 1),
        number("id", 6, 3),
    ];

    fn key(&self) -> &str {
        &self.key
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        vec![
            cell(self.to.kind(), Tone::Dim),
            cell(self.to.name(), Tone::Accent),
            cell(self.role.as_str(), Tone::Plain),
            cell(self.on.as_str(), Tone::Plain),
            cell(ago(self.created, now), Tone::Dim),
            cell(self.key.as_str(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => other.to.kind().cmp(self.to.kind()),
            1 => self.to.name().cmp(other.to.name()),
            2 => self.role.cmp(&other.role),
            3 => self.on.cmp(&other.on),
            4 => self.created.cmp(&other.created),
            _ => self.id.cmp(&other.id),
        }
    }

    fn matches(&self, text: &str) -> bool {
        [self.to.name(), &self.role, &self.on, self.to.kind()]
            .iter()
            .any(|part| contains(part, text))
    }
}

impl Item for Grant {
    fn read(item: &Value) -> Option<Self> {
        let id = item["id"].as_u64()?;
        let to = match (item["user"].as_str(), item["group"].as_str()) {
            (Some(user), _) => Grantee::User(user.to_owned()),
            (None, Some(group)) => Grantee::Group(group.to_owned()),
            (None, None) => return None,
        };
        Some(Self {
            id,
            key: id.to_string(),
            to,
            role: string(&item["role"]),
            on: string(&item["on"]),
            created: item["created"].as_u64().unwrap_or_default(),
        })
    }
}

// === impl Role ===

impl Role {
    /// Its name and what it allows.
    pub(super) fn label(&self) -> String {
        format!("{}: {}", self.name, self.permissions.join(", "))
    }

    pub(super) fn allows(&self, permission: &str) -> bool {
        self.permissions.iter().any(|known| known == permission)
    }

    /// The roles of the answer to a listing.
    pub(super) fn all(body: &Value) -> Vec<Self> {
        let items = body["items"].as_array().into_iter().flatten();
        items.filter_map(Self::read).collect()
    }
}

impl Row for Role {
    const COLUMNS: &'static [Column] = &[
        column("role", 25, 0),
        column("pull", 6, 0),
        column("push", 6, 0),
        column("delete", 8, 0),
        column("administer", 11, 0),
        wide("kind", 0),
    ];

    fn key(&self) -> &str {
        &self.name
    }

    fn cells(&self, _now: u64) -> Vec<Cell> {
        let mut cells = vec![cell(self.name.as_str(), Tone::Accent)];
        let allowed = PERMISSIONS
            .iter()
            .map(|permission| yes(self.allows(permission), Tone::Good));
        cells.extend(allowed);
        let kind = if self.is_built_in { "built in" } else { "own" };
        cells.push(cell(kind, Tone::Dim));
        cells
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let permission = column.checked_sub(1).and_then(|at| PERMISSIONS.get(at));
        match (column, permission) {
            (_, Some(permission)) => other.allows(permission).cmp(&self.allows(permission)),
            (0, None) => self.name.cmp(&other.name),
            _ => self.is_built_in.cmp(&other.is_built_in),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.name, text) || self.permissions.iter().any(|one| contains(one, text))
    }
}

impl Item for Role {
    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            name: item["name"].as_str()?.to_owned(),
            permissions: strings(&item["permissions"]),
            is_built_in: item["built_in"] == true,
        })
    }
}

// === impl Key ===

impl Row for Key {
    const COLUMNS: &'static [Column] = &[
        wide("key", 0),
        column("may", 12, 0),
        column("last used", 10, 1),
        column("expires", 10, 1),
        column("id", 16, 3),
    ];

    fn key(&self) -> &str {
        &self.id
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let may = match self.scopes {
            None => "all they may".to_owned(),
            Some(1) => "1 scope".to_owned(),
            Some(scopes) => format!("{scopes} scopes"),
        };
        let used = self.last_used.map(|used| ago(used, now));
        let (expires, tone) = match self.expires {
            None => ("never".to_owned(), Tone::Dim),
            Some(at) if at <= now => ("expired".to_owned(), Tone::Bad),
            Some(at) => (crate::tui::text::until(at, now), Tone::Plain),
        };
        vec![
            cell(self.name.as_str(), Tone::Accent),
            cell(may, Tone::Plain),
            cell(used.as_deref().unwrap_or("never"), Tone::Dim),
            cell(expires, tone),
            cell(self.id.as_str(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            0 => self.name.cmp(&other.name),
            1 => self.scopes.cmp(&other.scopes),
            2 => self.last_used.cmp(&other.last_used),
            3 => self.expires.cmp(&other.expires),
            _ => self.id.cmp(&other.id),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.name, text) || contains(&self.id, text)
    }
}

impl Item for Key {
    fn read(item: &Value) -> Option<Self> {
        Some(Self {
            id: item["id"].as_str()?.to_owned(),
            name: string(&item["name"]),
            scopes: item["scopes"].as_array().map(Vec::len),
            expires: item["expires"].as_u64(),
            last_used: item["last_used"].as_u64(),
        })
    }
}
