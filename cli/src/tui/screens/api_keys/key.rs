//! [`Key`]: an API key as the server tells of it, as a row of the list and in words.

use crate::tui::text::{ago, moment, string, until};
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, column, wide};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::listing::Item;
use crate::tui::widgets::scopes::Scope;
use crate::tui::widgets::textview::Parts;
use crate::tui::widgets::{Cell, cell};
use serde_json::Value;
use std::cmp::Ordering;

/// A key that ends within this time is worth a look, in milliseconds.
const SOON: u64 = 7 * 86_400_000;

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) name: String,
    /// None: a robot's.
    pub(super) owner: Option<String>,
    /// None: all that the owner may.
    pub(super) scopes: Option<Vec<Scope>>,
    pub(super) made_by: Option<String>,
    created: u64,
    pub(super) expires: Option<u64>,
    last_used: Option<u64>,
}

/// A line below a heading: what it is of, and what it says.
fn entry(name: &str, text: &str) -> Parts {
    vec![
        (format!("  {name}"), Tone::Accent),
        (format!("  {text}"), Tone::Plain),
    ]
}

// === impl Key ===

impl Key {
    /// Whose it is.
    pub(super) fn whose(&self) -> &str {
        self.owner.as_deref().unwrap_or("(robot)")
    }

    /// What it may, in short.
    fn may(&self) -> String {
        let Some(scopes) = &self.scopes else {
            return "all of the owner's".to_owned();
        };
        let Some(first) = scopes.first() else {
            return "nothing".to_owned();
        };
        let more = match scopes.len() - 1 {
            0 => String::new(),
            more => format!("; {more} more"),
        };
        format!("{} {}{more}", first.on, first.named().join(","))
    }

    /// How long it lets somebody in.
    pub(super) fn ends(&self, now: u64) -> (String, Tone) {
        let Some(expires) = self.expires else {
            return ("never".to_owned(), Tone::Dim);
        };
        match expires.checked_sub(now) {
            None | Some(0) => ("expired".to_owned(), Tone::Bad),
            Some(left) if left < SOON => (until(expires, now), Tone::Warning),
            Some(_) => (until(expires, now), Tone::Plain),
        }
    }

    fn used(&self, now: u64) -> (String, Tone) {
        match self.last_used {
            Some(at) => (ago(at, now), Tone::Plain),
            None => ("never".to_owned(), Tone::Dim),
        }
    }

    /// All of it; `all` are the keys that are known, for the names of those it goes with.
    pub(super) fn details(&self, all: &[Self], now: u64) -> Vec<Parts> {
        let line =
            |name: &str, text: String, tone| vec![(format!("{name:10}"), Tone::Dim), (text, tone)];
        let at = |at: Option<u64>, words: (String, Tone)| match at {
            Some(at) => (format!("{} ({})", moment(at), words.0), words.1),
            None => words,
        };
        let (ends, ends_tone) = at(self.expires, self.ends(now));
        let (used, used_tone) = at(self.last_used, self.used(now));
        let mut lines = vec![
            line("name", self.name.clone(), Tone::Accent),
            line("id", self.id.clone(), Tone::Plain),
            line("owner", self.whose().to_owned(), Tone::Plain),
            line("expires", ends, ends_tone),
            line("last used", used, used_tone),
            line("created", moment(self.created), Tone::Plain),
        ];
        if let Some(id) = &self.made_by {
            let name = all.iter().find(|key| key.id == *id);
            let name = name.map_or_else(String::new, |key| format!(" ({})", key.name));
            lines.push(line("made with", format!("{id}{name}"), Tone::Plain));
        }
        lines.push(Vec::new());
        match &self.scopes {
            None => lines.push(line(
                "may",
                "all that its owner may".to_owned(),
                Tone::Plain,
            )),
            Some(scopes) => {
                lines.push(vec![("may only".to_owned(), Tone::Dim)]);
                let scope = |scope: &Scope| entry(&scope.on, &scope.named().join(", "));
                lines.extend(scopes.iter().map(scope));
            }
        }
        let made = self.made_with(all);
        if !made.is_empty() {
            lines.push(Vec::new());
            lines.push(vec![("keys made with it".to_owned(), Tone::Dim)]);
            lines.extend(made.into_iter().map(|key| entry(&key.name, &key.id)));
        }
        lines
    }

    /// Those of `all` that were made with it, or with one of these: they are revoked with it.
    pub(super) fn made_with<'a>(&self, all: &'a [Self]) -> Vec<&'a Self> {
        let mut found: Vec<&Self> = Vec::new();
        let mut ids = vec![self.id.as_str()];
        let mut place = 0;
        while let Some(parent) = ids.get(place).copied() {
            let made = all
                .iter()
                .filter(|key| key.made_by.as_deref() == Some(parent));
            let new: Vec<_> = made.filter(|key| !ids.contains(&key.id.as_str())).collect();
            ids.extend(new.iter().map(|key| key.id.as_str()));
            found.extend(new);
            place += 1;
        }
        found
    }
}

impl Row for Key {
    const COLUMNS: &'static [Column] = &[
        wide("name", 0),
        column("owner", 14, 0),
        wide("may", 0),
        column("expires", 8, 0),
        column("last used", 11, 1),
        column("created", 11, 3),
        column("id", 16, 2),
        column("made with", 16, 4),
    ];

    fn key(&self) -> &str {
        &self.id
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        let (ends, ends_tone) = self.ends(now);
        let (used, used_tone) = self.used(now);
        let owner_tone = if self.owner.is_some() {
            Tone::Plain
        } else {
            Tone::Dim
        };
        vec![
            cell(self.name.as_str(), Tone::Accent),
            cell(self.whose(), owner_tone),
            cell(self.may(), Tone::Plain),
            cell(ends, ends_tone),
            cell(used, used_tone),
            cell(ago(self.created, now), Tone::Dim),
            cell(self.id.as_str(), Tone::Dim),
            cell(self.made_by.clone().unwrap_or_default(), Tone::Dim),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let end = |key: &Self| key.expires.unwrap_or(u64::MAX);
        match column {
            0 => self.name.cmp(&other.name),
            1 => self.owner.cmp(&other.owner),
            2 => self.may().cmp(&other.may()),
            3 => end(self).cmp(&end(other)),
            4 => self.last_used.cmp(&other.last_used),
            5 => self.created.cmp(&other.created),
            6 => self.id.cmp(&other.id),
            _ => self.made_by.cmp(&other.made_by),
        }
    }

    fn matches(&self, text: &str) -> bool {
        contains(&self.name, text) || contains(self.whose(), text) || contains(&self.id, text)
    }
}

impl Item for Key {
    fn read(item: &Value) -> Option<Self> {
        let scopes = item["scopes"].as_array();
        Some(Self {
            id: item["id"].as_str()?.to_owned(),
            name: string(&item["name"]),
            owner: item["owner"].as_str().map(str::to_owned),
            scopes: scopes.map(|scopes| scopes.iter().map(Scope::read).collect()),
            made_by: item["made_by"].as_str().map(str::to_owned),
            created: item["created"].as_u64().unwrap_or_default(),
            expires: item["expires"].as_u64(),
            last_used: item["last_used"].as_u64(),
        })
    }
}
