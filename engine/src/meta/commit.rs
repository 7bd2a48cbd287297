//! Group commit: many callers, one durable commit.
//!
//! One thread owns all writing. It takes what is waiting, brings the bytes it came with onto the
//! disk (see `staging`), applies each request to one transaction, commits, and answers all.
//! [`Writer::step`] does one such round and is what a test drives.
//!
//! Invariants:
//! 1. A request is answered with success only after its commit is durable (unless the store is
//!    `Durability::Relaxed`, where "durable" may follow within [`RELAXED_DELAY`]).
//! 2. A request that fails before its first write fails alone. Any other failure, panics included,
//!    fails the whole batch, and the database is opened again. A failure of the medium stops all
//!    writing until the next start.
//! 3. A batch is bounded in requests and bytes, and a transaction in rows: what is over goes into the
//!    next one, so nobody waits for long behind others, but behind a tree that a repair writes anew.
//! 4. When the disk is full the reserve is spent, and the requests that give space back are tried
//!    again, each alone. As long as it is spent all others are refused before they touch anything,
//!    and deletions are final.

use super::database::Database;
pub(super) use super::jobs::{Applied, Job, Request, Staged, Waiting};
use super::outcomes::{Landing, Pending, Reach};
use super::staging::{Stage, Unstaged, Unsynced};
use super::transaction::{Moment, Stay, Transaction};
use super::trash::Undo;
use crate::blob::LocalStore;
use crate::clock::Clock;
use crate::fault::StorageError;
use crate::options::Durability;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long relaxed durability waits at most before it makes durable what it answered; and how long
/// rows are in the journal and not in redb's file, so that a start after a kill has little to bring in.
pub(super) const RELAXED_DELAY: Duration = Duration::from_secs(1);

/// At most this many requests make a batch, so that the first of them does not wait for long.
const BATCH_REQUESTS: usize = 512;

/// A batch is complete when the bytes in it reach this.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// A transaction takes no further request when it has written this many rows. A full batch of pushes
/// stays below it; of deletions of large manifests few reach it.
const TRANSACTION_ROWS: usize = 8192;

/// The thread that owns all writing.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) store: Arc<LocalStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) durability: Durability,
    pub(super) stay: Stay,
    pub(super) undo: Undo,
    /// Woken when a commit left work for the collector.
    pub(super) collector: Arc<Notify>,
    /// Files and segments whose records are committed but not durable (relaxed durability only).
    pub(super) unsynced: Unsynced,
    /// When the first of the commits was made that redb's file does not have yet, by the monotonic
    /// clock.
    pub(super) journaled_since: Option<Duration>,
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

    /// Waits for a request and takes all that wait with it. An empty batch makes earlier commits
    /// durable in redb's file; `None` means that nobody can ask any more.
    pub(super) fn next_batch(&self, jobs: &Receiver<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
        let first = loop {
            let since = self.unsynced.since.into_iter().chain(self.journaled_since);
            let Some(since) = since.min() else {
                break jobs.recv().ok()?;
            };
            let waited = self.clock.monotonic().saturating_sub(since);
            // By the store's clock: what happens must not depend on another.
            let left = RELAXED_DELAY.saturating_sub(waited);
            if left.is_zero() {
                return Some(Vec::new());
            }
            match jobs.recv_timeout(left) {
                Ok(job) => break job,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
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
            self.journaled_since = None;
            return answer_all(batch, &Err(error));
        }
        let was_empty = batch.is_empty();
        let batch = self.refuse_additions(batch);
        let durable = self.must_be_durable(&batch);
        let staged = catch_unwind(AssertUnwindSafe(|| self.stage_all(&batch, durable)));
        let staged = staged.unwrap_or_else(|_panic| {
            let reason = "the metadata writer panicked while it stored content";
            Err(Unstaged::Unsynced(StorageError::Metadata(
                reason.to_owned(),
            )))
        });
        let (batch, mut stage) = match staged {
            Ok(stage) => (batch, stage),
            Err(unstaged) => {
                let others = self.refuse_unstaged(batch, &unstaged, durable);
                (others, Stage::default())
            }
        };
        let is_needed = was_empty || self.database.numbers.are_low();
        if !batch.is_empty() || is_needed && self.database.ensure_open().is_ok() {
            self.commit_all(batch, &mut stage, durable);
        }
    }

    /// While the reserve is spent: refuses all that do not give space back, unless there is space
    /// again (invariant 4).
    fn refuse_additions(&self, batch: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        self.store.reserve().look(self.database.now(&*self.clock));
        let Err(full) = self.store.reserve().check_room() else {
            return batch;
        };
        let (gives_back, adds): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|job| job.gives_back());
        answer_all(adds, &Err(full));
        gives_back
    }

    /// After the bytes of a batch could not be brought onto the disk: the requests that came with
    /// bytes are answered so, and the others go on: a full disk must not stop deletions.
    fn refuse_unstaged(
        &mut self,
        batch: Vec<Box<dyn Job>>,
        unstaged: &Unstaged,
        durable: bool,
    ) -> Vec<Box<dyn Job>> {
        let (Unstaged::Unwritten(error) | Unstaged::Unsynced(error)) = unstaged;
        tracing::error!(%error, "content could not be brought onto the disk");
        let (with_bytes, others): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|job| job.staged().has_bytes());
        answer_all(with_bytes, &Err(error.clone()));
        let ready = match unstaged {
            Unstaged::Unsynced(error) => {
                self.forget_unsynced(error);
                self.database.ensure_open()
            }
            // A durable commit must not overtake those that wait for their bytes.
            Unstaged::Unwritten(_) if durable => self.sync(&[]).inspect_err(|error| {
                self.forget_unsynced(error);
            }),
            Unstaged::Unwritten(_) => Ok(()),
        };
        if let Err(error) = ready {
            answer_all(others, &Err(error));
            return Vec::new();
        }
        others
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
            || self.database.numbers.are_low()
    }

    /// Commits a batch in as many transactions as its rows need, and answers it.
    fn commit_all(&mut self, mut batch: Vec<Box<dyn Job>>, stage: &mut Stage, durable: bool) {
        loop {
            let mut applied = 0;
            let outcome = self.try_commit(&mut batch, &mut applied, stage, durable);
            if let Err(error) = outcome.or_else(|error| self.recover(error)) {
                return self.fail(batch, stage, &error);
            }
            stage.is_committed = true;
            answer_all(batch.drain(..applied), &Ok(()));
            if batch.is_empty() {
                return;
            }
        }
    }

    /// Answers a batch whose commit failed; what gives space back is tried again first where that
    /// was for want of space (invariant 4).
    fn fail(&mut self, batch: Vec<Box<dyn Job>>, stage: &Stage, error: &StorageError) {
        if !matches!(error, StorageError::OutcomeUnknown(_)) {
            self.take_back(stage);
        }
        if !error.is_full() {
            return answer_all(batch, &Err(error.clone()));
        }
        self.store.reserve().spend();
        let (gives_back, adds): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|job| job.gives_back());
        answer_all(adds, &Err(error.clone()));
        for job in gives_back {
            let mut alone = vec![job];
            let outcome = self.try_commit(&mut alone, &mut 0, &Stage::default(), true);
            let outcome = outcome.or_else(|error| self.recover(error));
            answer_all(alone, &outcome);
        }
    }

    /// One transaction with as many requests of a batch as fit into it.
    fn try_commit(
        &mut self,
        batch: &mut [Box<dyn Job>],
        applied: &mut usize,
        stage: &Stage,
        durable: bool,
    ) -> Result<(), StorageError> {
        let committed = catch_unwind(AssertUnwindSafe(|| {
            self.commit(batch, applied, stage, durable)
        }));
        committed.unwrap_or_else(|_panic| {
            Err(StorageError::OutcomeUnknown(
                "the metadata writer panicked".to_owned(),
            ))
        })
    }

    fn commit(
        &mut self,
        batch: &mut [Box<dyn Job>],
        applied: &mut usize,
        stage: &Stage,
        durable: bool,
    ) -> Result<(), StorageError> {
        let reach = match durable {
            false => Reach::Memory,
            // What rests in the journal comes there, and only there a deletion gives space back.
            true if batch.is_empty() || self.store.reserve().is_spent() => Reach::File,
            true => Reach::Journal,
        };
        let committed = self.database.commit(self.moment(), reach, |transaction| {
            *applied = apply_some(batch, transaction, stage)?;
            Ok(())
        })?;
        self.journaled_since = match committed.reach {
            Reach::Memory => self.journaled_since,
            Reach::Journal => self
                .journaled_since
                .or_else(|| Some(self.clock.monotonic())),
            Reach::File => None,
        };
        self.unsynced.since = match (durable, self.unsynced.since) {
            (true, _) => None,
            (false, since) => since.or_else(|| Some(self.clock.monotonic())),
        };
        if committed.gave_back {
            self.store.reserve().look_again();
        }
        if committed.kick {
            self.collector.notify_one();
        }
        Ok(())
    }

    fn moment(&self) -> Moment {
        let mut undo = self.undo;
        if self.store.reserve().is_spent() {
            // Who deletes on a full disk wants the space.
            undo.period = Duration::ZERO;
        }
        Moment {
            time: self.database.now(&*self.clock),
            wall: u64::try_from(self.clock.wall().as_millis()).unwrap_or(u64::MAX),
            stay: self.stay,
            undo,
        }
    }

    /// After a failed commit: opens the database again, and says what the batch is answered.
    fn recover(&mut self, error: StorageError) -> Result<(), StorageError> {
        tracing::error!(%error, "a commit failed");
        if self.unsynced.since.is_some() {
            match self.sync(&[]) {
                Ok(()) => self.unsynced.since = None,
                Err(error) => {
                    tracing::error!(%error, "what relaxed durability had put off is lost");
                }
            }
        }
        let landing = self.database.recover(&error, self.pending());
        self.unsynced = Unsynced::default();
        // The next commit is one of redb's file, and an empty one must not be tried at once.
        self.journaled_since = None;
        match landing {
            Landing::Missed => Err(error),
            // It is durable as soon as anything after it is.
            Landing::Landed if error.is_full() && self.is_confirmed() => Ok(()),
            Landing::Landed | Landing::Unknown => {
                Err(StorageError::OutcomeUnknown(error.to_string()))
            }
        }
    }

    /// Makes a commit durable that is there though it failed for want of space.
    fn is_confirmed(&self) -> bool {
        self.store.reserve().spend();
        match self.database.commit(self.moment(), Reach::File, |_| Ok(())) {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(%error, "a commit could not be confirmed");
                self.database.recover(&error, Pending::Keep);
                false
            }
        }
    }

    /// After a failed sync: forgets the commits that waited for it. A second sync of the same bytes
    /// may succeed though they are gone.
    fn forget_unsynced(&mut self, error: &StorageError) {
        if self.unsynced.since.is_some() {
            tracing::error!("what relaxed durability had put off is lost");
            self.database.recover(error, Pending::Forget);
        }
        self.unsynced = Unsynced::default();
    }

    /// Whether commits wait whose bytes are not durable: then closing must not make them so.
    fn pending(&self) -> Pending {
        match self.unsynced.since {
            Some(_) => Pending::Forget,
            None => Pending::Keep,
        }
    }
}

fn answer_all(batch: impl IntoIterator<Item = Box<dyn Job>>, outcome: &Result<(), StorageError>) {
    for job in batch {
        job.answer(outcome.clone());
    }
}

/// Applies as many requests as fit into one transaction; answers how many.
fn apply_some(
    batch: &mut [Box<dyn Job>],
    transaction: &mut Transaction<'_>,
    stage: &Stage,
) -> Result<usize, StorageError> {
    for (index, job) in batch.iter_mut().enumerate() {
        apply(&mut **job, transaction, stage)?;
        if transaction.rows >= TRANSACTION_ROWS {
            return Ok(index + 1);
        }
    }
    Ok(batch.len())
}

/// Applies one request. Only a request that fails after it wrote fails the batch.
fn apply(
    job: &mut dyn Job,
    transaction: &mut Transaction<'_>,
    stage: &Stage,
) -> Result<(), StorageError> {
    transaction.placed = match job.staged() {
        Staged::Small(digest, _) => stage.place(&digest),
        Staged::Nothing | Staged::File(_) | Staged::Roll(_) => None,
    };
    transaction.dirty = false;
    match job.apply(transaction) {
        Applied::Refused if transaction.dirty => {
            Err(transaction.failure.take().unwrap_or_else(|| {
                let reason = "a request failed after its first write";
                StorageError::OutcomeUnknown(reason.to_owned())
            }))
        }
        Applied::Refused | Applied::Done => Ok(()),
    }
}
