//! What the model deletes so that it can be undone, and undoes.

use super::{Contents, Model, Outcome, Shape};
use crate::support::GRACE;
use floundr_engine::repository::TagEvent;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long deletions can be undone.
pub(super) const UNDO: Duration = Duration::from_secs(150);
/// How many changes of a tag are remembered.
pub(super) const HISTORY: usize = 5;

/// A deleted manifest.
#[derive(Debug, Clone)]
pub(super) struct Trashed {
    pub(super) due: Duration,
    /// The tags it had.
    pub(super) tags: BTreeSet<usize>,
}

/// A deleted repository.
#[derive(Debug, Clone)]
pub(super) struct Deleted {
    pub(super) due: Duration,
    pub(super) contents: Contents,
}

/// One change of a tag.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) what: TagEvent,
    pub(super) manifest: Shape,
    pub(super) at: Duration,
}

// === impl Model ===

impl Model {
    pub(super) fn delete_repository(&mut self, repository: usize) -> Outcome {
        let exists = self.repositories.get(&repository);
        if !exists.is_some_and(Contents::exists) {
            return Outcome::Unknown;
        }
        let contents = self.repositories.remove(&repository).unwrap();
        let due = self.now + UNDO;
        let deleted = self.deleted.entry(repository).or_default();
        deleted.push(Deleted { due, contents });
        Outcome::Done
    }

    pub(super) fn restore_repository(&mut self, repository: usize) -> Outcome {
        let Some(deleted) = self.deleted.get_mut(&repository).filter(|d| !d.is_empty()) else {
            return Outcome::Unknown;
        };
        let successor = self.repositories.get(&repository);
        if successor.is_some_and(|new| new.exists() || !new.trash.is_empty()) {
            return Outcome::Gone;
        }
        let Deleted { contents, .. } = deleted.pop().unwrap();
        self.repositories.insert(repository, contents);
        Outcome::Done
    }

    /// What is due goes, in deleted repositories as well.
    pub(super) fn make_final(&mut self) {
        let now = self.now;
        for deleted in self.deleted.values_mut() {
            deleted.retain(|deleted| deleted.due > now);
        }
        let deleted = self.deleted.values_mut().flatten();
        let deleted = deleted.map(|deleted| &mut deleted.contents);
        for contents in self.repositories.values_mut().chain(deleted) {
            contents.trash.retain(|_, trashed| trashed.due > now);
            contents.settle(now + GRACE);
            contents.histories.retain(|_, events| {
                let last = events.last().unwrap();
                !last.what.is_end() || last.at + UNDO > now
            });
            contents
                .blobs
                .retain(|_, due| due.is_none_or(|due| due > now));
        }
    }
}

// === impl Contents ===

impl Contents {
    pub(super) fn set_tag(&mut self, tag: usize, shape: &Shape, event: TagEvent, now: Duration) {
        let old = self.tags.insert(tag, shape.clone());
        let event = match (&old, event) {
            (Some(old), _) if old == shape => return,
            (Some(_), TagEvent::Set) => TagEvent::Moved,
            (_, event) => event,
        };
        self.note(tag, event, shape, now);
    }

    pub(super) fn delete_tag(&mut self, tag: usize, now: Duration) -> bool {
        let old = self.tags.remove(&tag);
        if let Some(old) = &old {
            self.note(tag, TagEvent::Deleted, old, now);
        }
        old.is_some()
    }

    pub(super) fn delete(&mut self, shape: &Shape, now: Duration) -> bool {
        if !self.manifests.remove(shape) {
            return false;
        }
        let named = |(_, named): &(&usize, &Shape)| *named == shape;
        let tags: BTreeSet<usize> = self.tags.iter().filter(named).map(|(&t, _)| t).collect();
        for tag in &tags {
            self.tags.remove(tag);
            self.note(*tag, TagEvent::ManifestDeleted, shape, now);
        }
        let due = now + UNDO;
        self.trash.insert(shape.clone(), Trashed { due, tags });
        true
    }

    pub(super) fn restore(&mut self, shape: &Shape, now: Duration) -> bool {
        let Some(trashed) = self.trash.remove(shape) else {
            return false;
        };
        self.manifests.insert(shape.clone());
        for tag in trashed.tags {
            if !self.tags.contains_key(&tag) {
                self.set_tag(tag, shape, TagEvent::Restored, now);
            }
        }
        true
    }

    pub(super) fn restore_tag(&mut self, tag: usize, now: Duration) -> Outcome {
        let current = self.tags.get(&tag);
        let events = self.histories.get(&tag).into_iter().flatten().rev();
        let mut named = events.map(|event| &event.manifest);
        let Some(shape) = named.find(|&shape| Some(shape) != current).cloned() else {
            return Outcome::Unknown;
        };
        if self.trash.remove(&shape).is_some() {
            self.manifests.insert(shape.clone());
        } else if !self.manifests.contains(&shape) {
            return Outcome::Gone;
        }
        self.set_tag(tag, &shape, TagEvent::Restored, now);
        Outcome::Done
    }

    fn note(&mut self, tag: usize, what: TagEvent, shape: &Shape, at: Duration) {
        let manifest = shape.clone();
        let events = self.histories.entry(tag).or_default();
        events.push(Event { what, manifest, at });
        if events.len() > HISTORY {
            events.remove(0);
        }
    }
}
