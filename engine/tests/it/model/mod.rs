//! Random operations on a store and on a reference model of it: what is visible, what it holds and
//! what was refused must be the same after each, and the audit must find nothing.
//!
//! The model is here, what it undoes in `undo`; `subject` runs the same operations on a store and
//! compares.

mod subject;
mod undo;

use crate::support::{GRACE, content};
use bytes::Bytes;
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::repository::TagEvent;
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use undo::{Deleted, Event, Trashed};

const REPOSITORIES: [&str; 3] = ["a", "a/b", "c"];
const TAGS: [&str; 3] = ["latest", "v1", "v1.0"];
/// Lengths of the blobs: nothing, a small one, both sides of the small limit, several writes.
const SIZES: [usize; 6] = [0, 5, 64, 65, 1_000, 700_000];
const SMALL_LIMIT: u64 = 64;
/// The blob of no bytes.
const EMPTY: usize = 0;

/// One operation. Blobs, repositories, manifests and tags are indexes into small sets.
#[derive(Debug, Clone)]
enum Operation {
    Push {
        repository: usize,
        blob: usize,
    },
    Mount {
        repository: usize,
        source: usize,
        blob: usize,
    },
    DeleteBlob {
        repository: usize,
        blob: usize,
    },
    Put {
        repository: usize,
        manifest: Shape,
        tags: Vec<usize>,
        accept: bool,
    },
    DeleteManifest {
        repository: usize,
        manifest: Shape,
    },
    DeleteTag {
        repository: usize,
        tag: usize,
    },
    DeleteRepository {
        repository: usize,
    },
    RestoreManifest {
        repository: usize,
        manifest: Shape,
    },
    RestoreTag {
        repository: usize,
        tag: usize,
    },
    RestoreRepository {
        repository: usize,
    },
    /// Starts an upload, or appends to one and brings it to rest.
    Append {
        repository: usize,
        len: usize,
    },
    Finish {
        repository: usize,
    },
    Cancel {
        repository: usize,
    },
    Pass {
        time: Duration,
    },
    Reopen,
}

/// A manifest: which blobs it links, and whether it has a subject. Its content follows from that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    blobs: BTreeSet<usize>,
    subject: bool,
}

/// What the store should be.
#[derive(Debug, Clone, Default)]
struct Model {
    now: Duration,
    repositories: BTreeMap<usize, Contents>,
    /// The deleted ones of each name, the last one at the end.
    deleted: BTreeMap<usize, Vec<Deleted>>,
    /// By repository: the bytes of its one upload at rest.
    uploads: BTreeMap<usize, usize>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    /// When each blob goes, if nothing links it.
    blobs: BTreeMap<usize, Option<Duration>>,
    manifests: BTreeSet<Shape>,
    tags: BTreeMap<usize, Shape>,
    trash: BTreeMap<Shape, Trashed>,
    histories: BTreeMap<usize, Vec<Event>>,
}

/// What an operation is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Unknown,
    Missing,
    /// What was there before cannot come back.
    Gone,
}

fn blob_content(blob: usize) -> Bytes {
    content(SIZES[blob], blob as u64)
}

fn upload_content(repository: usize, len: usize) -> Bytes {
    content(len, 100 + repository as u64)
}

fn digest_of(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

fn subject() -> Digest {
    digest_of(b"a subject that never comes")
}

// === impl Shape ===

impl Shape {
    fn content(&self) -> Bytes {
        format!("{self:?}").into()
    }

    fn digest(&self) -> Digest {
        digest_of(&self.content())
    }

    fn links(&self) -> Links {
        let mut blobs = self
            .blobs
            .iter()
            .map(|&blob| digest_of(&blob_content(blob)));
        Links {
            config: blobs.next(),
            layers: blobs.collect(),
            subject: self.subject.then(subject),
            ..Links::default()
        }
    }
}

// === impl Model ===

impl Model {
    fn apply(&mut self, operation: &Operation) -> Outcome {
        let due = self.now + GRACE;
        match operation {
            Operation::Push { repository, blob } => self.link(*repository, *blob, due),
            Operation::Mount {
                repository,
                source,
                blob,
            } => {
                let held = self
                    .repositories
                    .get(source)
                    .is_some_and(|c| c.blobs.contains_key(blob));
                if held {
                    self.link(*repository, *blob, due)
                } else {
                    Outcome::Unknown
                }
            }
            Operation::DeleteBlob { repository, blob } => {
                let contents = self.repositories.get_mut(repository);
                known(
                    contents
                        .and_then(|contents| contents.blobs.remove(blob))
                        .is_some(),
                )
            }
            Operation::Put {
                repository,
                manifest,
                tags,
                accept,
            } => self.put(*repository, manifest, tags, *accept),
            Operation::DeleteManifest {
                repository,
                manifest,
            } => {
                let contents = self.repositories.get_mut(repository);
                known(contents.is_some_and(|contents| contents.delete(manifest, self.now)))
            }
            Operation::DeleteTag { repository, tag } => {
                let contents = self.repositories.get_mut(repository);
                known(contents.is_some_and(|contents| contents.delete_tag(*tag, self.now)))
            }
            Operation::DeleteRepository { repository } => self.delete_repository(*repository),
            Operation::RestoreManifest {
                repository,
                manifest,
            } => {
                let contents = self.repositories.get_mut(repository);
                known(contents.is_some_and(|contents| contents.restore(manifest, self.now)))
            }
            Operation::RestoreTag { repository, tag } => {
                let contents = self.repositories.get_mut(repository);
                contents.map_or(Outcome::Unknown, |contents| {
                    contents.restore_tag(*tag, self.now)
                })
            }
            Operation::RestoreRepository { repository } => self.restore_repository(*repository),
            Operation::Append { repository, len } => {
                *self.uploads.entry(*repository).or_default() += len;
                Outcome::Done
            }
            Operation::Finish { repository } => {
                let finished = self.uploads.remove(repository);
                // An upload of nothing is the empty blob pushed again.
                let contents = self.repositories.get(repository);
                if finished == Some(0) && contents.is_some_and(|c| c.blobs.contains_key(&EMPTY)) {
                    self.link(*repository, EMPTY, due);
                }
                known(finished.is_some())
            }
            Operation::Cancel { repository } => known(self.uploads.remove(repository).is_some()),
            Operation::Pass { time } => {
                self.now += *time;
                self.make_final();
                Outcome::Done
            }
            Operation::Reopen => Outcome::Done,
        }
    }

    fn link(&mut self, repository: usize, blob: usize, due: Duration) -> Outcome {
        let contents = self.repositories.entry(repository).or_default();
        let due = if contents.keeps(blob) {
            None
        } else {
            Some(due)
        };
        contents.blobs.insert(blob, due);
        Outcome::Done
    }

    fn put(
        &mut self,
        repository: usize,
        manifest: &Shape,
        tags: &[usize],
        accept: bool,
    ) -> Outcome {
        let held = |blob| {
            self.repositories
                .get(&repository)
                .is_some_and(|c| c.blobs.contains_key(blob))
        };
        if !accept && !manifest.blobs.iter().all(held) {
            return Outcome::Missing;
        }
        let contents = self.repositories.entry(repository).or_default();
        contents.manifests.insert(manifest.clone());
        contents.trash.remove(manifest);
        for &tag in tags {
            contents.set_tag(tag, manifest, TagEvent::Set, self.now);
        }
        for blob in &manifest.blobs {
            if let Some(due) = contents.blobs.get_mut(blob) {
                *due = None;
            }
        }
        Outcome::Done
    }
}

impl Contents {
    fn exists(&self) -> bool {
        !self.blobs.is_empty() || !self.manifests.is_empty()
    }

    fn keeps(&self, blob: usize) -> bool {
        self.manifests
            .iter()
            .chain(self.trash.keys())
            .any(|manifest| manifest.blobs.contains(&blob))
    }

    /// Gives blobs that nothing links any more their due time.
    fn settle(&mut self, due: Duration) {
        let kept: BTreeSet<usize> = self
            .blobs
            .keys()
            .copied()
            .filter(|&blob| self.keeps(blob))
            .collect();
        for (blob, at) in &mut self.blobs {
            if at.is_none() && !kept.contains(blob) {
                *at = Some(due);
            }
        }
    }
}

fn known(known: bool) -> Outcome {
    if known {
        Outcome::Done
    } else {
        Outcome::Unknown
    }
}

// === the reference state machine ===

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Operation> {
        let repository = || 0..REPOSITORIES.len();
        let blob = || 0..SIZES.len();
        let shape = || {
            (proptest::collection::btree_set(blob(), 0..4), any::<bool>())
                .prop_map(|(blobs, subject)| Shape { blobs, subject })
        };
        // What is deleted or restored mostly is there; the rest is there to be refused.
        let mut any_of = vec![(repository(), shape()).boxed()];
        let mut any_deleted = any_of.clone();
        for (&repository, contents) in &state.repositories {
            let some = |shape: &Shape| (Just(repository), Just(shape.clone())).boxed();
            any_of.extend(contents.manifests.iter().map(some));
            any_deleted.extend(contents.trash.keys().map(some));
        }
        let (any_of, any_deleted) = (Union::new(any_of), Union::new(any_deleted));
        let tags = proptest::collection::vec(0..TAGS.len(), 0..3);
        prop_oneof![
            6 => (repository(), blob())
                .prop_map(|(repository, blob)| Operation::Push { repository, blob }),
            2 => (repository(), repository(), blob()).prop_map(|(repository, source, blob)| {
                Operation::Mount { repository, source, blob }
            }),
            2 => (repository(), blob())
                .prop_map(|(repository, blob)| Operation::DeleteBlob { repository, blob }),
            6 => (repository(), shape(), tags, any::<bool>()).prop_map(
                |(repository, manifest, tags, accept)| {
                    Operation::Put { repository, manifest, tags, accept }
                }
            ),
            4 => any_of.prop_map(|(repository, manifest)| {
                Operation::DeleteManifest { repository, manifest }
            }),
            1 => (repository(), 0..TAGS.len())
                .prop_map(|(repository, tag)| Operation::DeleteTag { repository, tag }),
            1 => repository().prop_map(|repository| Operation::DeleteRepository { repository }),
            3 => any_deleted.prop_map(|(repository, manifest)| {
                Operation::RestoreManifest { repository, manifest }
            }),
            3 => (repository(), 0..TAGS.len())
                .prop_map(|(repository, tag)| Operation::RestoreTag { repository, tag }),
            1 => repository().prop_map(|repository| Operation::RestoreRepository { repository }),
            4 => (repository(), prop_oneof![Just(0), 1..200_usize, Just(600_000)])
                .prop_map(|(repository, len)| Operation::Append { repository, len }),
            2 => repository().prop_map(|repository| Operation::Finish { repository }),
            1 => repository().prop_map(|repository| Operation::Cancel { repository }),
            2 => (0..150_u64)
                .prop_map(|seconds| Operation::Pass { time: Duration::from_secs(seconds) }),
            1 => Just(Operation::Reopen),
        ]
        .boxed()
    }

    fn apply(mut state: Self, operation: &Operation) -> Self {
        // The content of a finished upload lies beside the other blobs; it is checked where it is
        // finished, and goes by itself.
        state.apply(operation);
        state
    }

    fn preconditions(state: &Self, operation: &Operation) -> bool {
        match operation {
            Operation::Append { repository, .. } => state
                .uploads
                .get(repository)
                .is_none_or(|&len| len < 3_000_000),
            _ => true,
        }
    }
}
