//! How the bytes of a batch come onto the disk before the records that name them.
//!
//! Invariants:
//! 1. Bytes are durable before the records: small blobs and directory entries are synced here before
//!    the commit, files by their uploads before they come here. Relaxed durability keeps that order:
//!    what was not synced yet is synced before the next durable commit.
//! 2. What a sync failed of is never synced again as if nothing had happened.

use super::commit::{Job, Staged, Writer};
use super::requests::Location;
use crate::blob::SyncWhen;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::options::Durability;
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;

/// What must be synced before the next durable commit.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    files: Vec<u64>,
    /// When the first of them was committed, by the monotonic clock.
    pub(super) since: Option<Duration>,
}

/// What one batch's requests brought with them.
#[derive(Debug, Default)]
pub(super) struct Stage {
    small: Vec<(Digest, Bytes)>,
    files: Vec<u64>,
    places: Vec<Location>,
    by_digest: HashMap<Digest, Location>,
    /// Some of it has records.
    pub(super) is_committed: bool,
}

/// Why the bytes of a batch are not on the disk.
#[derive(Debug)]
pub(super) enum Unstaged {
    /// They could not be written; nothing else was touched.
    Unwritten(StorageError),
    /// A sync failed, which may have been of earlier ones too.
    Unsynced(StorageError),
}

// === impl Stage ===

impl Stage {
    /// Where the small content of a digest was put.
    pub(super) fn place(&self, digest: &Digest) -> Option<Location> {
        self.by_digest.get(digest).copied()
    }
}

// === impl Writer ===

impl Writer {
    /// Brings the bytes of a batch onto the disk (invariant 1).
    pub(super) fn stage_all(
        &mut self,
        batch: &[Box<dyn Job>],
        durable: bool,
    ) -> Result<Stage, Unstaged> {
        let stage = self.stage(batch, durable)?;
        if durable {
            self.sync(&stage.files).map_err(Unstaged::Unsynced)?;
        } else {
            self.unsynced.files.extend_from_slice(&stage.files);
        }
        Ok(stage)
    }

    /// Gives back the space of small contents whose commit did not happen, with their segment if
    /// nothing else lies in it.
    pub(super) fn take_back(&self, stage: &Stage) {
        let Some(&Location::Segment { number, .. }) = stage.places.first() else {
            return;
        };
        if stage.is_committed {
            return;
        }
        let bytes = stage.small.iter().map(|(_, content)| content.len() as u64);
        self.store.take_back_small(&stage.places, bytes.sum());
        let removed = self.database.segment_blobs(number).and_then(|live| {
            // What is not durable may bring a blob back.
            if live > 0 || self.unsynced.since.is_some() {
                return Ok(false);
            }
            self.store.roll_segment(number);
            self.store.remove_segment(number)
        });
        if let Err(error) = removed {
            tracing::warn!(%error, "an empty segment stays until the next start");
        }
    }

    /// Appends the small contents of a batch to the current segment.
    fn stage(&self, batch: &[Box<dyn Job>], durable: bool) -> Result<Stage, Unstaged> {
        let mut stage = Stage::default();
        for job in batch {
            match job.staged() {
                Staged::Nothing => {}
                Staged::File(number) => stage.files.push(number),
                Staged::Small(digest, content) => stage.small.push((digest, content)),
                Staged::Roll(number) => self.store.roll_segment(number),
            }
        }
        stage.small.sort_by_key(|(digest, _)| *digest);
        stage.small.dedup_by_key(|(digest, _)| *digest);
        if stage.small.is_empty() {
            return Ok(stage);
        }
        let sync = if durable {
            SyncWhen::Now
        } else {
            SyncWhen::Later
        };
        let (digests, contents): (Vec<Digest>, Vec<Bytes>) = stage.small.iter().cloned().unzip();
        let appended = self.store.append_small(&contents, sync, || {
            // One was set aside by the commit before.
            self.database.numbers.next_segment().ok_or_else(|| {
                StorageError::Metadata("no file number is reserved for a segment".to_owned())
            })
        });
        stage.places = appended.map_err(|error| Unstaged::of_append(error, sync))?;
        stage.by_digest = digests.into_iter().zip(stage.places.clone()).collect();
        Ok(stage)
    }

    /// Makes durable what the records of the next commit name (invariant 1).
    pub(super) fn sync(&mut self, files: &[u64]) -> Result<(), StorageError> {
        // Invariant 2: whatever comes of it, nobody asks for these again.
        let late = std::mem::take(&mut self.unsynced.files);
        // Uploads of a durable store synced their files; those of a relaxed one left it to this.
        let own: &[u64] = if self.durability == Durability::Relaxed {
            files
        } else {
            &[]
        };
        for &number in late.iter().chain(own) {
            self.store.sync_file(number)?;
        }
        let published: Vec<u64> = late.iter().chain(files).copied().collect();
        self.store.publish(&published)?;
        self.store.sync_small()
    }
}

// === impl Unstaged ===

impl Unstaged {
    /// An append that syncs does so for earlier ones of its segment too.
    fn of_append(error: StorageError, sync: SyncWhen) -> Self {
        if sync == SyncWhen::Later || error.is_full() {
            return Self::Unwritten(error);
        }
        Self::Unsynced(error)
    }
}
