//! [`Happened`]: one event that was heard, in words, and where one goes to see it.

use crate::tui::app::place::Place;
use crate::tui::keys::Tab;
use crate::tui::message::Event;
use crate::tui::text::{ago, short, string};
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::{Column, column, roomy};
use crate::tui::widgets::list::{Row, contains};
use crate::tui::widgets::{Cell, cell};
use std::cmp::Ordering;

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    number: u64,
    key: String,
    at: u64,
    kind: String,
    text: String,
    actor: String,
    tone: Tone,
    /// Where it happened.
    pub(super) place: Option<Place>,
}

// === impl Happened ===

impl Happened {
    /// An event that was heard at `at` as the one of this number; none for the status, which is no news.
    pub(super) fn read(event: &Event, number: u64, at: u64) -> Option<Self> {
        if event.kind == "status" {
            return None;
        }
        let action = string(&event.data["action"]);
        let object = string(&event.data["object"]);
        let (text, tone) = match action.as_str() {
            "" => by_itself(event),
            action => (words(action, &object), tone(action)),
        };
        Some(Self {
            number,
            key: number.to_string(),
            at,
            text,
            actor: string(&event.data["actor"]),
            tone,
            place: place(&event.kind, &action, &object),
            kind: event.kind.clone(),
        })
    }
}

impl Row for Happened {
    const COLUMNS: &'static [Column] = &[
        column("when", 10, 0),
        column("kind", 10, 1),
        roomy("what", 32, 0),
        column("who", 16, 2),
    ];

    fn key(&self) -> &str {
        &self.key
    }

    fn cells(&self, now: u64) -> Vec<Cell> {
        vec![
            cell(ago(self.at, now), Tone::Dim),
            cell(self.kind.as_str(), Tone::Dim),
            cell(self.text.as_str(), self.tone),
            cell(self.actor.as_str(), Tone::Accent),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            // The newest first.
            0 => other.number.cmp(&self.number),
            1 => self.kind.cmp(&other.kind),
            2 => self.text.cmp(&other.text),
            _ => self.actor.cmp(&other.actor),
        }
    }

    fn matches(&self, text: &str) -> bool {
        [&self.text, &self.kind, &self.actor]
            .into_iter()
            .any(|part| contains(part, text))
    }
}

/// What the server does by itself.
fn by_itself(event: &Event) -> (String, Tone) {
    let data = &event.data;
    match event.kind.as_str() {
        "gc" => match data["phase"].as_str().unwrap_or_default() {
            "idle" => ("collector: waiting".to_owned(), Tone::Dim),
            phase => (format!("collector: {}", doing(phase)), Tone::Plain),
        },
        "check" if data["running"] == true => ("a check began".to_owned(), Tone::Plain),
        "check" => ("no check runs any more".to_owned(), Tone::Dim),
        "missed" => {
            let count = data["missed"].as_u64().unwrap_or_default();
            (format!("{count} events were missed"), Tone::Warning)
        }
        kind => (kind.to_owned(), Tone::Plain),
    }
}

/// What the collector does in a phase.
pub(super) fn doing(phase: &str) -> &str {
    match phase {
        "idle" => "waiting",
        "uploads" => "removing expired uploads",
        "trash" => "making deletions final",
        "rows" => "removing rows",
        "space" => "giving space back",
        "blobs" => "removing blobs",
        other => other,
    }
}

/// `object` was done this.
fn words(action: &str, object: &str) -> String {
    let object = shortened(object);
    let (verb, what) = match action {
        "push" => ("pushed", ""),
        "tag" => ("tagged", ""),
        "delete" => ("deleted", ""),
        "undelete" => ("restored", ""),
        "upload_cancel" => ("ended", "upload "),
        "password" if object.is_empty() => return "changed the password".to_owned(),
        "password" => ("set the password of", ""),
        "gc" => ("collector:", ""),
        "check" => ("check:", ""),
        // `user_create` and the like.
        other => match other.rsplit_once('_') {
            Some((what, verb)) => return format!("{} {} {object}", past(verb), named(what)),
            None => (other, ""),
        },
    };
    format!("{verb} {what}{object}")
}

/// How a verb of an action is told.
fn past(verb: &str) -> &str {
    match verb {
        "create" => "created",
        "change" => "changed",
        "delete" => "deleted",
        "revoke" => "revoked",
        "set" => "set",
        other => other,
    }
}

/// What an action is about; a grant and a rule are told by their pattern.
fn named(what: &str) -> &str {
    match what {
        "grant" => "grant",
        "rule" => "rule for",
        other => other,
    }
}

fn tone(action: &str) -> Tone {
    match action {
        "push" | "tag" | "undelete" => Tone::Good,
        action if action.ends_with("delete") || action.ends_with("revoke") => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// The digest in it, if there is one, as short as it can be told.
fn shortened(object: &str) -> String {
    match object.split_once('@') {
        Some((name, digest)) => format!("{name}@{}", short(digest)),
        None => object.to_owned(),
    }
}

/// The repository and the reference of `repository:tag` or `repository@digest`.
fn parts(object: &str) -> (String, Option<String>) {
    let parts = object.split_once('@').or_else(|| object.rsplit_once(':'));
    match parts {
        Some((name, reference)) => (name.to_owned(), Some(reference.to_owned())),
        None => (object.to_owned(), None),
    }
}

/// Where one goes to see it.
fn place(kind: &str, action: &str, object: &str) -> Option<Place> {
    let (repository, reference) = parts(object);
    let tags = |repository: String| match repository.as_str() {
        "" => Place::Tab(Tab::Repositories),
        _ => Place::Tags { repository },
    };
    Some(match (kind, action) {
        ("push" | "tag", _) | (_, "undelete") => match reference {
            Some(reference) => Place::Manifest {
                repository,
                reference,
            },
            None => tags(repository),
        },
        ("delete", _) => tags(repository),
        (_, "repository_delete") => Place::Trash { repository: None },
        ("repository", _) => tags(repository),
        (_, "user_delete") => Place::Tab(Tab::Users),
        ("user", _) if object.is_empty() => Place::Tab(Tab::Users),
        ("user", _) => Place::User {
            name: object.to_owned(),
        },
        ("role", _) => Place::Roles,
        ("grant", _) => Place::Grants,
        ("rule", _) => Place::Rules,
        ("key", _) => Place::Tab(Tab::Keys),
        ("upload", _) => Place::Tab(Tab::Uploads),
        ("gc" | "check", _) => Place::Tab(Tab::Storage),
        _ => return None,
    })
}
