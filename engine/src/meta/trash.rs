//! The records of what was deleted and can be restored, and their byte forms.
//!
//! Invariants:
//! 1. A deleted manifest is a row in `Trash` instead of `Manifests`; its rows in `ManifestLinks`,
//!    `ManifestHolders` and `Contents` and its keeping edges stay. Its subject edge goes: it would
//!    only be read to list referrers.
//! 2. The names of the tags it had are the rows of its link in `LinkTags`, whether or not `Tags`
//!    still has them: see `write_trash`.
//! 3. Every row in `Trash` and in `DeletedRepositories` has its row in `TrashQueue`, under its due
//!    time and number. A row in the queue whose record is not there, or has another number, is
//!    nothing to do.

use super::codec::{Decoder, Encoder, Record};
use super::keys;
use super::records::ManifestRecord;
use super::tables::Table;
use super::transaction::Transaction;
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{RepositoryName, Tag};
use crate::repository::{TagChange, TagEvent};
use std::time::Duration;

/// How much can be undone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Undo {
    /// How long what was deleted can be restored.
    pub(super) period: Duration,
    /// How many changes of a tag are remembered.
    pub(super) changes: usize,
}

/// When a deletion became or becomes final, and its place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deletion {
    /// When it was deleted, in milliseconds since the epoch by the wall clock.
    pub(super) wall: u64,
    /// When it was deleted.
    pub(super) time: EngineTime,
    /// Until when it can be restored.
    pub(super) due: EngineTime,
    /// Its number in the queue.
    pub(super) number: u64,
}

/// A manifest that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrashRecord {
    pub(super) manifest: ManifestRecord,
    pub(super) deletion: Deletion,
}

/// A repository that was deleted; its rows are as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeletedRecord {
    /// It had been created, so it existed while it was empty.
    pub(super) declared: bool,
    pub(super) deletion: Deletion,
}

/// Rows that are invisible already and wait to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Drain {
    /// The tags of a manifest that is gone, and their names.
    Tags { repository: u64, link: u64 },
    /// The tags of a manifest that was deleted; their names stay, to be restored with it.
    HideTags {
        repository: u64,
        digest: Digest,
        link: u64,
    },
    /// Everything of a repository that was deleted.
    Repository(u64),
}

/// What becomes final when it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TrashItem {
    Manifest {
        repository: u64,
        digest: Digest,
    },
    Repository {
        name: RepositoryName,
        id: u64,
    },
    /// The history of a tag that was deleted at `time`, unless it changed again since.
    History {
        repository: u64,
        tag: Tag,
        time: EngineTime,
    },
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Puts something that was deleted now into the queue.
    pub(super) fn enqueue_trash(&mut self, item: &TrashItem) -> Result<Deletion, StorageError> {
        self.enqueue_trash_of(self.now.time, item)
    }

    /// The same for something that was deleted before.
    pub(super) fn enqueue_trash_of(
        &mut self,
        time: EngineTime,
        item: &TrashItem,
    ) -> Result<Deletion, StorageError> {
        let deletion = Deletion {
            wall: self.now.wall,
            time,
            due: time.after(self.now.undo.period),
            number: self.next(),
        };
        self.kick |= self.now.undo.period.is_zero();
        self.put(Table::TrashQueue, &deletion.key(), item)?;
        Ok(deletion)
    }

    /// Takes something out of the queue: it was restored, or is final.
    pub(super) fn dequeue_trash(&mut self, deletion: &Deletion) -> Result<(), StorageError> {
        self.remove(Table::TrashQueue, &deletion.key())
    }
}

// === impl Deletion ===

impl Deletion {
    /// The key of its row in the queue.
    pub(super) fn key(&self) -> Vec<u8> {
        keys::queued(self.due, self.number)
    }
}

// === byte forms ===

impl Record for Deletion {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.u64(self.wall);
        encoder.u64(self.time.0);
        encoder.u64(self.due.0);
        encoder.u64(self.number);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            wall: decoder.u64()?,
            time: EngineTime(decoder.u64()?),
            due: EngineTime(decoder.u64()?),
            number: decoder.u64()?,
        })
    }
}

impl Record for TrashRecord {
    fn encode(&self, encoder: &mut Encoder) {
        self.manifest.encode(encoder);
        self.deletion.encode(encoder);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            manifest: ManifestRecord::decode(decoder)?,
            deletion: Deletion::decode(decoder)?,
        })
    }
}

impl Record for DeletedRecord {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.bool(self.declared);
        self.deletion.encode(encoder);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            declared: decoder.bool()?,
            deletion: Deletion::decode(decoder)?,
        })
    }
}

impl Record for TrashItem {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Manifest { repository, digest } => {
                encoder.u8(1);
                encoder.u64(*repository);
                encoder.digest(digest);
            }
            Self::Repository { name, id } => {
                encoder.u8(2);
                encoder.text(name.as_str());
                encoder.u64(*id);
            }
            Self::History {
                repository,
                tag,
                time,
            } => {
                encoder.u8(3);
                encoder.u64(*repository);
                encoder.text(tag.as_str());
                encoder.u64(time.0);
            }
        }
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        match decoder.u8()? {
            1 => Some(Self::Manifest {
                repository: decoder.u64()?,
                digest: decoder.digest()?,
            }),
            2 => Some(Self::Repository {
                name: decoder.text()?.parse().ok()?,
                id: decoder.u64()?,
            }),
            3 => Some(Self::History {
                repository: decoder.u64()?,
                tag: decoder.text()?.parse().ok()?,
                time: EngineTime(decoder.u64()?),
            }),
            _ => None,
        }
    }
}

impl Record for Drain {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Tags { repository, link } => {
                encoder.u8(1);
                encoder.u64(*repository);
                encoder.u64(*link);
            }
            Self::Repository(repository) => {
                encoder.u8(2);
                encoder.u64(*repository);
            }
            Self::HideTags {
                repository,
                digest,
                link,
            } => {
                encoder.u8(3);
                encoder.u64(*repository);
                encoder.digest(digest);
                encoder.u64(*link);
            }
        }
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        match decoder.u8()? {
            1 => Some(Self::Tags {
                repository: decoder.u64()?,
                link: decoder.u64()?,
            }),
            2 => Some(Self::Repository(decoder.u64()?)),
            3 => Some(Self::HideTags {
                repository: decoder.u64()?,
                digest: decoder.digest()?,
                link: decoder.u64()?,
            }),
            _ => None,
        }
    }
}

/// The changes of a tag, the oldest first.
impl Record for Vec<TagChange> {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(self, |encoder, change| {
            encoder.u8(match change.event {
                TagEvent::Set => 1,
                TagEvent::Moved => 2,
                TagEvent::Deleted => 3,
                TagEvent::ManifestDeleted => 4,
                TagEvent::Restored => 5,
            });
            encoder.digest(&change.digest);
            encoder.text(change.media_type.as_str());
            encoder.u64(change.at);
            encoder.u64(change.time.0);
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Option<Self> {
        decoder.list(|decoder| {
            let event = match decoder.u8()? {
                1 => TagEvent::Set,
                2 => TagEvent::Moved,
                3 => TagEvent::Deleted,
                4 => TagEvent::ManifestDeleted,
                5 => TagEvent::Restored,
                _ => return None,
            };
            Some(TagChange {
                event,
                digest: decoder.digest()?,
                media_type: decoder.media_type()?,
                at: decoder.u64()?,
                time: EngineTime(decoder.u64()?),
            })
        })
    }
}
