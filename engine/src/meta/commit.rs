//! Group commit: many callers, one durable redb commit.
//!
//! One thread owns all writing. It takes what is waiting, brings the bytes it came with onto the
//! disk, applies each request to one transaction, commits, and answers all. [`Writer::step`] does
//! one such round and is what a test drives.
//!
//! Invariants:
//! 1. A request is answered with success only after its commit is durable (unless the store is
//!    `Durability::Relaxed`, where "durable" may follow within [`RELAXED_DELAY`]).
//! 2. Bytes are durable before the records that name them: small blobs and directory entries are
//!    synced here before the commit, files by their uploads before they come here. Relaxed
//!    durability keeps that order: what was not synced yet is synced before the next durable
//!    commit.
//! 3. A request that fails before its first write fails alone. Any other failure, panics included,
//!    fails the whole batch, and the database is opened again. A failure of the medium stops all
//!    writing until the next start.

use super::database::{Database, Pending};
use super::requests::Location;
use super::transaction::{Moment, Transaction};
use crate::blob::{LocalStore, SyncWhen};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::options::Durability;
use bytes::Bytes;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How long relaxed durability waits at most before it makes durable what it answered.
const RELAXED_DELAY: Duration = Duration::from_secs(1);

/// At most this many requests make a batch, so that the first of them does not wait for long.
const BATCH_REQUESTS: usize = 512;

/// A batch is complete when the bytes in it reach this.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// One transaction in the words of the store.
pub(super) trait Request: Send + Sized + 'static {
    /// What it answers.
    type Answer: Send;
    /// Why it may be refused.
    type Refusal: From<StorageError> + Send;

    /// The bytes that must be on the disk before it is applied.
    fn staged(&self) -> Staged {
        Staged::Nothing
    }

    /// Whether it asks for everything before it to be durable, relaxed or not.
    fn is_barrier(&self) -> bool {
        false
    }

    /// Bytes it adds to the metadata, roughly.
    fn size(&self) -> usize {
        0
    }

    /// Checks everything, then writes. `placed` is where its small content was put.
    fn apply(
        self,
        transaction: &mut Transaction<'_>,
        placed: Option<Location>,
    ) -> Result<Self::Answer, Self::Refusal>;
}

/// What a request is answered with.
type Answer<R> = Result<<R as Request>::Answer, <R as Request>::Refusal>;

/// Bytes that must be on the disk before a request is applied.
#[derive(Debug, Clone)]
pub(super) enum Staged {
    Nothing,
    /// Content for a segment file, and its digest: equal ones of a batch are put once.
    Small(Digest, Bytes),
    /// A synced file whose directory entry may not be durable yet.
    File(u64),
}

/// A request that waits for its batch, without its types.
pub(super) trait Job: Send {
    fn staged(&self) -> Staged;
    fn size(&self) -> usize;
    fn is_barrier(&self) -> bool;
    /// Applies it and keeps what it answers until the batch is committed.
    fn apply(&mut self, transaction: &mut Transaction<'_>, placed: Option<Location>) -> Applied;
    /// Answers what was kept if the batch succeeded, else why it failed.
    fn answer(self: Box<Self>, batch: Result<(), StorageError>);
}

/// Whether a request was answered or refused; both leave the batch whole if nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    Done,
    Refused,
}

/// A request and who waits for it.
pub(super) struct Waiting<R: Request> {
    request: Option<R>,
    kept: Option<Answer<R>>,
    reply: oneshot::Sender<Answer<R>>,
}

/// The thread that owns all writing.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) store: Arc<LocalStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) durability: Durability,
    pub(super) grace: Duration,
    /// Woken when a commit left work for the collector.
    pub(super) collector: Arc<Notify>,
    /// Files and segments whose records are committed but not durable (relaxed durability only).
    pub(super) unsynced: Unsynced,
}

/// What must be synced before the next durable commit.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    files: Vec<u64>,
    /// When the first of them was committed, by the monotonic clock.
    since: Option<Duration>,
}

/// What came of bringing a batch's bytes onto the disk.
enum Staging {
    /// The requests that go on, and where their bytes are.
    Complete(Stage, Vec<Box<dyn Job>>),
    /// None goes on.
    Refused(Vec<Box<dyn Job>>, StorageError),
}

/// What one batch's requests brought with them.
#[derive(Default)]
struct Stage {
    small: Vec<(Digest, Bytes)>,
    files: Vec<u64>,
    places: HashMap<Digest, Location>,
}

// === impl Waiting ===

impl<R: Request> Waiting<R> {
    pub(super) fn new(request: R) -> (Self, oneshot::Receiver<Answer<R>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                request: Some(request),
                kept: None,
                reply,
            },
            answer,
        )
    }
}

impl<R: Request> Job for Waiting<R> {
    fn staged(&self) -> Staged {
        self.request
            .as_ref()
            .map_or(Staged::Nothing, Request::staged)
    }

    fn size(&self) -> usize {
        self.request.as_ref().map_or(0, Request::size)
    }

    fn is_barrier(&self) -> bool {
        self.request.as_ref().is_some_and(Request::is_barrier)
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>, placed: Option<Location>) -> Applied {
        let Some(request) = self.request.take() else {
            return Applied::Refused;
        };
        let outcome = request.apply(transaction, placed);
        let applied = if outcome.is_ok() {
            Applied::Done
        } else {
            Applied::Refused
        };
        self.kept = Some(outcome);
        applied
    }

    fn answer(self: Box<Self>, batch: Result<(), StorageError>) {
        let answer = match (batch, self.kept) {
            (Ok(()), Some(kept)) => kept,
            (Ok(()), None) => Err(StorageError::Closed.into()),
            (Err(error), _) => Err(error.into()),
        };
        // Whoever asked may have stopped waiting; the outcome stands all the same.
        drop(self.reply.send(answer));
    }
}

// === impl Writer ===

impl Writer {
    /// Serves until every sender is gone, then makes durable what is not yet.
    pub(super) fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        while let Some(batch) = self.next_batch(jobs) {
            self.step(batch);
        }
        if self.unsynced.since.is_some() {
            self.step(Vec::new());
        }
        self.database.close(self.pending());
    }

    /// Waits for a request and takes all that wait with it. An empty batch makes relaxed commits
    /// durable; `None` means that nobody can ask any more.
    fn next_batch(&self, jobs: &Receiver<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
        let first = if let Some(since) = self.unsynced.since {
            let waited = self.clock.monotonic().saturating_sub(since);
            match jobs.recv_timeout(RELAXED_DELAY.saturating_sub(waited)) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        } else {
            jobs.recv().ok()?
        };
        let mut bytes = first.size();
        let mut batch = vec![first];
        while batch.len() < BATCH_REQUESTS && bytes < BATCH_BYTES {
            match jobs.try_recv() {
                Ok(job) => {
                    bytes += job.size();
                    batch.push(job);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        Some(batch)
    }

    /// Commits one batch and answers it.
    pub(super) fn step(&mut self, batch: Vec<Box<dyn Job>>) {
        if let Err(error) = self.database.ensure_open() {
            return answer_all(batch, &Err(error));
        }
        let durable = self.must_be_durable(&batch);
        let (stage, mut batch) = match self.stage_all(batch, durable) {
            Staging::Complete(stage, batch) => (stage, batch),
            Staging::Refused(batch, error) => return answer_all(batch, &Err(error)),
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.commit(&mut batch, &stage, durable)
        }));
        let outcome = outcome.unwrap_or_else(|_panic| {
            Err(StorageError::OutcomeUnknown(
                "the metadata writer panicked".to_owned(),
            ))
        });
        let outcome = outcome.map_err(|error| self.recover(error));
        answer_all(batch, &outcome);
    }

    fn must_be_durable(&self, batch: &[Box<dyn Job>]) -> bool {
        let is_late = self
            .unsynced
            .since
            .is_some_and(|since| self.clock.monotonic().saturating_sub(since) >= RELAXED_DELAY);
        self.durability == Durability::Durable
            || is_late
            || batch.is_empty()
            || batch.iter().any(|job| job.is_barrier())
            || self.database.numbers_are_low()
    }

    /// After a failed commit: opens the database again, and says what the batch is answered.
    fn recover(&mut self, error: StorageError) -> StorageError {
        tracing::error!(%error, "a commit failed");
        if self.unsynced.since.is_some() {
            match self.sync(&[]) {
                Ok(()) => self.unsynced.since = None,
                Err(error) => {
                    tracing::error!(%error, "what relaxed durability had put off is lost");
                }
            }
        }
        let has_landed = self.database.recover(&error, self.pending());
        self.unsynced = Unsynced::default();
        if has_landed {
            return StorageError::OutcomeUnknown(error.to_string());
        }
        error
    }

    /// Whether commits wait whose bytes are not durable: then closing must not make them so.
    fn pending(&self) -> Pending {
        match self.unsynced.since {
            Some(_) => Pending::Forget,
            None => Pending::Keep,
        }
    }

    /// Brings the bytes of a batch onto the disk. If that fails, the requests that came with bytes
    /// are answered so, and the others go on: a full disk must not stop deletions. Where earlier
    /// commits wait for their bytes all are refused, since a durable commit would overtake those.
    fn stage_all(&mut self, batch: Vec<Box<dyn Job>>, durable: bool) -> Staging {
        let staged = self.stage(&batch, durable).and_then(|stage| {
            if durable {
                self.sync(&stage.files)?;
            } else {
                self.unsynced.files.extend_from_slice(&stage.files);
            }
            Ok(stage)
        });
        let error = match staged {
            Ok(stage) => return Staging::Complete(stage, batch),
            Err(error) => error,
        };
        tracing::error!(%error, "content could not be brought onto the disk");
        self.database.stop_unless_full(&error);
        if self.unsynced.since.is_some() {
            return Staging::Refused(batch, error);
        }
        let (with_bytes, others): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|job| !matches!(job.staged(), Staged::Nothing));
        answer_all(with_bytes, &Err(error));
        Staging::Complete(Stage::default(), others)
    }

    fn commit(
        &mut self,
        batch: &mut [Box<dyn Job>],
        stage: &Stage,
        durable: bool,
    ) -> Result<(), StorageError> {
        let moment = Moment {
            time: self.database.now(&*self.clock),
            wall: u64::try_from(self.clock.wall().as_millis()).unwrap_or(u64::MAX),
            grace: self.grace,
        };
        let kick = self.database.commit(moment, durable, |transaction| {
            batch
                .iter_mut()
                .try_for_each(|job| apply(&mut **job, transaction, stage))
        })?;
        self.unsynced.since = match (durable, self.unsynced.since) {
            (true, _) => None,
            (false, since) => since.or_else(|| Some(self.clock.monotonic())),
        };
        if kick {
            self.collector.notify_one();
        }
        Ok(())
    }

    /// Appends the small contents of a batch to the current segment.
    fn stage(&self, batch: &[Box<dyn Job>], durable: bool) -> Result<Stage, StorageError> {
        let mut stage = Stage::default();
        for job in batch {
            match job.staged() {
                Staged::Nothing => {}
                Staged::File(number) => stage.files.push(number),
                Staged::Small(digest, content) => stage.small.push((digest, content)),
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
        let contents: Vec<Bytes> = stage
            .small
            .iter()
            .map(|(_, content)| content.clone())
            .collect();
        let places = self.store.append_small(&contents, sync, || {
            // A commit reserves more long before the last is taken.
            self.database.new_file_number().ok_or_else(|| {
                StorageError::Metadata("no file number is reserved for a segment".to_owned())
            })
        })?;
        stage.places = stage
            .small
            .iter()
            .map(|(digest, _)| *digest)
            .zip(places)
            .collect();
        Ok(stage)
    }

    /// Makes durable what the records of the next commit name (invariant 2).
    fn sync(&mut self, files: &[u64]) -> Result<(), StorageError> {
        let late = &self.unsynced.files;
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
        self.store.sync_small()?;
        self.unsynced.files.clear();
        Ok(())
    }
}

fn answer_all(batch: Vec<Box<dyn Job>>, outcome: &Result<(), StorageError>) {
    for job in batch {
        job.answer(outcome.clone());
    }
}

/// Applies one request. Only a request that fails after it wrote fails the batch.
fn apply(
    job: &mut dyn Job,
    transaction: &mut Transaction<'_>,
    stage: &Stage,
) -> Result<(), StorageError> {
    let placed = match job.staged() {
        Staged::Small(digest, _) => stage.places.get(&digest).copied(),
        Staged::Nothing | Staged::File(_) => None,
    };
    transaction.dirty = false;
    match job.apply(transaction, placed) {
        Applied::Refused if transaction.dirty => {
            let reason = "a request failed after its first write";
            Err(StorageError::OutcomeUnknown(reason.to_owned()))
        }
        Applied::Refused | Applied::Done => Ok(()),
    }
}
