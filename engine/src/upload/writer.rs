//! [`Writer`]: the bytes of one open upload on their way to the disk.
//!
//! ```text
//! append --> hashed piece by piece --> pending (128 to 512 KiB) --> queue of writes, on another thread
//!    \---> the end of a request ---/---> unhashed --> hashed behind that
//! ```
//! Invariants:
//! 1. Every byte that was taken in is in the file, in the queue of writes, or pending, in this order: a
//!    cancelled call loses nothing. All but the last, which are in `unhashed`, are in `hashing`.
//! 2. No file exists before more bytes arrived than are written at once or the upload comes to
//!    rest with some. Its number is told to the slot before it is made.
//! 3. A checkpoint is saved only after the write that covers it; it counts as synced only after a
//!    sync of the file and of its name.
//! 4. After a failed write or sync nothing is written any more (`failed`).

use super::hashing::Hashing;
use super::job::Job;
use super::pending::Pending;
use super::queue::WriteQueue;
use super::record::{Checkpoint, SessionRecord};
use super::session::Announced;
use super::slots::LiveFile;
use super::unhashed::{Ahead, Unhashed};
use super::uploads::Shared;
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::digest::hasher::Hasher;
use crate::disk::{DiskFile, blocking};
use crate::fault::StorageError;
use crate::name::RepositoryName;
use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Least bytes handed to one write, unless no more come. Above the usual limit of a small blob,
/// which so needs no file.
const LEAST_WRITE: usize = 128 * 1024;
/// Bytes that all open uploads may have pending before one writes more often. 8 MiB.
const WRITES: usize = 8 * 1024 * 1024;
/// Bytes read at once of a file that is read again.
const READ: usize = 256 * 1024;
/// Bytes after which a checkpoint is saved while an upload runs: what a killed process may lose. Far
/// more than may wait in the queue, so that two records never wait there: each is made knowing what
/// became of the one before.
const CHECKPOINT: u64 = 32 * 1024 * 1024;

/// Who an upload is, whatever is written of it.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) upload: [u8; 16],
    pub(super) repository: RepositoryName,
    /// The expiry in its id: what its end is remembered by.
    pub(super) id_expiry: EngineTime,
    /// When it ends without progress; renewed by every checkpoint.
    pub(super) expiry: EngineTime,
    /// How often it was opened.
    pub(super) epoch: u64,
}

/// The bytes of one open upload (see the module's invariants).
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) facts: Facts,
    pub(super) hashing: Hashing,
    unhashed: Unhashed,
    pub(super) pending: Pending,
    /// Bytes that were handed to writes.
    pub(super) written: u64,
    pub(super) number: Option<u64>,
    pub(super) file: Arc<OnceLock<Arc<dyn DiskFile>>>,
    live: Arc<LiveFile>,
    queue: WriteQueue,
    /// The record as it was saved last.
    pub(super) at_rest: Option<SessionRecord>,
    /// The offset of the last record that was handed to a write.
    marked: u64,
    /// The number of the next one.
    turn: u64,
    synced: Checkpoint,
    pub(super) failed: Option<Failure>,
    /// Whether the file may be a blob already: then it is neither cut nor removed here.
    pub(super) may_be_committed: bool,
}

/// Why nothing is written any more.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: StorageError,
    /// Whether the upload ends with it; else it stays where it was at rest.
    pub(super) is_over: bool,
}

/// Whether a checkpoint is saved with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// When enough bytes came since the last one.
    IfDue,
    /// Now.
    Now,
    /// Not: the upload is about to end.
    Never,
}

// === impl Writer ===

impl Writer {
    /// Of an upload without a byte.
    pub(super) fn new(
        shared: Arc<Shared>,
        facts: Facts,
        hashing: Hashing,
        live: Arc<LiveFile>,
    ) -> Self {
        Self {
            synced: Checkpoint::of(&Hashing::new(hashing.algorithm()), 0),
            written: hashing.offset(),
            marked: hashing.offset(),
            turn: 0,
            queue: WriteQueue::new(Arc::clone(&shared.write_leaves)),
            shared,
            facts,
            hashing,
            unhashed: Unhashed::default(),
            pending: Pending::default(),
            number: None,
            file: Arc::default(),
            live,
            at_rest: None,
            failed: None,
            may_be_committed: false,
        }
    }

    /// Of an upload that goes on where its record says; the file ends there.
    pub(super) fn continued(mut self, record: SessionRecord, file: Arc<dyn DiskFile>) -> Self {
        self.live.set(Some(record.file));
        self.number = Some(record.file);
        self.synced = record.synced.clone();
        self.turn = record.turn.wrapping_add(1);
        self.at_rest = Some(record);
        self.file = Arc::new(OnceLock::from(file));
        self
    }

    /// The offset it falls back to when it fails.
    pub(super) fn offset_at_rest(&self) -> u64 {
        (self.at_rest.as_ref()).map_or(0, |record| record.written.offset)
    }

    /// Bytes taken in: where the next ones begin.
    pub(super) fn offset(&self) -> u64 {
        self.hashing.offset() + self.unhashed.len() as u64
    }

    /// Whether there is nothing to do to bring it to rest.
    pub(super) fn is_at_rest(&self) -> bool {
        self.failed.is_none() && self.queue.is_idle() && self.offset() == self.offset_at_rest()
    }

    /// Whether who goes on from its record has to hash something again.
    pub(super) fn is_record_behind(&self) -> bool {
        let at_rest = self.at_rest.as_ref().map(|record| &record.written);
        at_rest.is_some_and(|written| written.hashed < written.offset)
    }

    /// Takes in the next bytes; `announced` says what is known to come behind them.
    pub(super) async fn append(
        &mut self,
        mut content: Bytes,
        announced: Option<Announced>,
    ) -> Result<(), StorageError> {
        self.check()?;
        let most = self.shared.write_size();
        let chunk = announced.filter(|announced| announced.is_chunk);
        let waits = chunk.is_some_and(|Announced { left, .. }| {
            (self.unhashed).may_take(&content, left, self.shared.ahead())
        });
        if !waits {
            self.catch_up().await;
        }
        loop {
            let left = announced.map(|announced| announced.left + content.len() as u64);
            let write = left.map_or(most, |left| toward_end(most, left));
            if self.pending.len() >= write {
                self.flush(Mark::IfDue).await?;
            }
            if content.is_empty() {
                return Ok(());
            }
            let room = write - self.pending.len();
            let piece = content.split_to(content.len().min(room));
            if waits {
                self.unhashed.push(piece.clone());
            } else {
                self.hash(&piece).await;
            }
            self.pending.push(piece);
        }
    }

    /// Hashes all that waits for it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn catch_up(&mut self) {
        while self.hash_next().await {}
    }

    /// Hashes the next piece that waits for it; whether there was one.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn hash_next(&mut self) -> bool {
        let Some(piece) = self.unhashed.next() else {
            return false;
        };
        self.hash(&piece).await;
        self.unhashed.pop();
        true
    }

    /// Takes the next piece into the digest and the checks. A cancelled call has taken in nothing.
    async fn hash(&mut self, piece: &Bytes) {
        if self.shared.slots.len() > 1 {
            let pairs = &self.shared.pairs;
            self.hashing.update_in_company(piece, pairs).await;
        } else {
            self.hashing.update(piece);
        }
    }

    /// Brings it to rest: everything written, and a record that says so. What is not hashed by then is
    /// still to be.
    pub(super) async fn rest(&mut self) -> Result<u64, StorageError> {
        if self.has_record_waiting() {
            self.wait().await?;
        }
        if self.offset() != self.offset_at_rest() {
            self.flush(Mark::Now).await?;
            while self.queue.is_running() && self.hash_next().await {}
            self.wait().await?;
        }
        Ok(self.offset())
    }

    /// Whether a record was handed to a write of which it is not known yet that it was saved.
    fn has_record_waiting(&self) -> bool {
        self.marked != self.offset_at_rest()
    }

    /// Hands what is pending to the queue of writes, as soon as that has room.
    pub(super) async fn flush(&mut self, mark: Mark) -> Result<(), StorageError> {
        self.check()?;
        self.expect_room().await?;
        let room = match self.queue.room(self.pending.len()).await {
            Ok((room, saved)) => {
                self.note(saved);
                room
            }
            Err(error) => return Err(self.fail(error)),
        };
        let number = match self.number {
            Some(number) => number,
            None => self.take_number().await?,
        };
        let job = self.job(number, mark);
        self.queue.push(job, room);
        Ok(())
    }

    /// Waits for the writes in the queue.
    pub(super) async fn wait(&mut self) -> Result<(), StorageError> {
        if let Err(error) = self.calm().await {
            return Err(self.fail(error));
        }
        self.check()
    }

    /// Waits until nothing is written any more, whatever became of the writes.
    pub(super) async fn calm(&mut self) -> Result<(), StorageError> {
        let (saved, outcome) = self.queue.wait().await;
        self.note(saved);
        outcome
    }

    /// Takes in what was saved.
    fn note(&mut self, saved: Option<SessionRecord>) {
        if let Some(record) = saved {
            self.synced = record.synced.clone();
            self.facts.expiry = record.expiry;
            self.at_rest = Some(record);
        }
    }

    /// The digest of the file's content by another algorithm: reads it once.
    pub(super) async fn digest_again(&self, mut hasher: Hasher) -> Result<Digest, StorageError> {
        let (file, path, end) = (self.open_file(), self.path(), self.offset());
        blocking(move || {
            read_pieces(&*file, 0..end, |piece| hasher.update(piece))
                .map_err(|error| StorageError::io("read", &path, error))?;
            Ok(hasher.finish())
        })
        .await
    }

    /// The file of an upload that has written to it.
    pub(super) fn open_file(&self) -> Arc<dyn DiskFile> {
        let file = self.file.get();
        Arc::clone(file.expect("a write succeeded, so the file is open"))
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.shared.path(self.number.unwrap_or_default())
    }

    /// Notes that the medium failed, so that the upload ends; a full disk only takes it back.
    pub(super) fn fail(&mut self, error: StorageError) -> StorageError {
        let is_over = matches!(error, StorageError::Io { .. } | StorageError::Corrupt(_));
        let failure = Failure { error, is_over };
        self.failed.get_or_insert(failure).error.clone()
    }

    fn check(&self) -> Result<(), StorageError> {
        match &self.failed {
            Some(failure) => Err(failure.error.clone()),
            None => Ok(()),
        }
    }

    /// Refuses after the disk failed, and while the space there is is needed for what gives some back.
    async fn expect_room(&mut self) -> Result<(), StorageError> {
        if let Err(error) = self.shared.store.health().check() {
            return Err(self.stay(error));
        }
        let reserve = self.shared.store.reserve();
        if reserve.is_look_due(self.shared.records.now())
            && let Err(error) = self.shared.records.look_for_space().await
        {
            tracing::debug!(%error, "it could not be looked for space");
        }
        let room = reserve.check_room();
        room.map_err(|error| self.stay(error))
    }

    /// Notes a failure that touched nothing of the upload: it stays where it was at rest.
    fn stay(&mut self, error: StorageError) -> StorageError {
        let is_over = false;
        let failure = Failure { error, is_over };
        self.failed.get_or_insert(failure).error.clone()
    }

    async fn take_number(&mut self) -> Result<u64, StorageError> {
        match self.shared.records.new_file_number().await {
            Ok(number) => {
                self.live.set(Some(number));
                self.number = Some(number);
                Ok(number)
            }
            Err(error) => Err(self.stay(error)),
        }
    }

    /// The next write, and what is saved after it. Takes what is pending.
    fn job(&mut self, number: u64, mark: Mark) -> Job {
        let pieces = self.pending.take();
        let offset = self.written;
        self.written = self.offset();
        let is_due = match mark {
            Mark::IfDue => self.written - self.marked >= CHECKPOINT,
            Mark::Now => true,
            Mark::Never => false,
        };
        if is_due {
            self.marked = self.written;
        }
        let unsynced = self.written - self.synced.offset;
        Job {
            shared: Arc::clone(&self.shared),
            file: Arc::clone(&self.file),
            number,
            pieces,
            offset,
            record: is_due.then(|| self.record(number)),
            is_synced: is_due && unsynced >= self.shared.settings.sync_interval,
        }
    }

    /// The next record.
    fn record(&mut self, file: u64) -> SessionRecord {
        let now = self.shared.records.now();
        let turn = self.turn;
        self.turn = turn.wrapping_add(1);
        SessionRecord {
            turn,
            upload: self.facts.upload,
            boot_id: self.shared.boot_id.clone(),
            repository: self.facts.repository.clone(),
            algorithm: self.hashing.algorithm(),
            epoch: self.facts.epoch,
            id_expiry: self.facts.id_expiry,
            expiry: self
                .facts
                .expiry
                .max(now.after(self.shared.settings.lifetime)),
            file,
            checks: self.hashing.checks().to_vec(),
            written: Checkpoint::of(&self.hashing, self.written),
            synced: self.synced.clone(),
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Bytes handed to one write, as the open uploads share the memory for it.
    fn write_size(&self) -> usize {
        let largest = self.settings.largest_write.max(LEAST_WRITE);
        (WRITES / self.slots.len().max(1)).clamp(LEAST_WRITE, largest)
    }

    /// How much of one upload may be written before it is hashed, as the open ones share it.
    fn ahead(&self) -> Ahead {
        Ahead::share(self.settings.ahead, self.slots.len())
    }
}

/// Bytes handed to one write when `left` more come behind it: at most half of those, so that the last
/// write is short, and nobody waits long for it.
fn toward_end(most: usize, left: u64) -> usize {
    let half = usize::try_from(left / 2).unwrap_or(most);
    half.clamp(LEAST_WRITE, most)
}

/// Reads a part of a file, in pieces.
pub(super) fn read_pieces(
    file: &dyn DiskFile,
    part: Range<u64>,
    mut take: impl FnMut(&[u8]),
) -> std::io::Result<()> {
    let mut buffer = vec![0; READ];
    let mut offset = part.start;
    while offset < part.end {
        let len = usize::try_from(part.end - offset).map_or(READ, |left| left.min(READ));
        file.read_exact_at(&mut buffer[..len], offset)?;
        take(&buffer[..len]);
        offset += len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_writes_of_what_was_announced_are_short() {
        let most = 512 * 1024;
        for (left, expected) in [
            (u64::MAX, most),
            (1024 * 1024, most),
            (600 * 1024, 300 * 1024),
            (200 * 1024, LEAST_WRITE),
            (0, LEAST_WRITE),
        ] {
            assert_eq!(toward_end(most, left), expected, "{left}");
        }
    }
}
