//! [`WriteQueue`]: the writes of one upload, one after the other, beside the thread that hashes.
//!
//! A queue and not one write at a time: the two threads are never equally fast for long, and
//! every time one waits for the other, a core sleeps.
//! Invariants:
//! 1. Writes run in the order in which they were pushed, one at a time.
//! 2. After a write failed none runs any more: `error` is set and the rest is dropped.
//!    A record that was saved before it is still told of.
//! 3. One write per upload needs no leave; each further one holds as many of the leaves that all
//!    uploads share as it has pieces of [`LEAVE`]. So every upload goes on, and the memory of all is
//!    bounded however many.

use super::job::Job;
use super::record::SessionRecord;
use crate::disk::joined;
use crate::fault::StorageError;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// Bytes that need one leave.
const LEAVE: usize = 128 * 1024;
/// What all uploads together may have waiting, beside one write of each: 8 MiB.
pub(super) const LEAVES: usize = 64;
/// Writes that one upload may have waiting: enough for the time slices of two busy cores.
const WAITING: usize = 16;

/// The writes of one upload (see the module's invariants).
#[derive(Debug)]
pub(super) struct WriteQueue {
    state: Arc<State>,
    leaves: Arc<Semaphore>,
    /// The last run over the queue; it may be over.
    run: Option<JoinHandle<Result<(), StorageError>>>,
}

#[derive(Debug, Default)]
struct State {
    writes: Mutex<Writes>,
    /// Told after every write and at the end of a run.
    done: Notify,
}

#[derive(Debug, Default)]
struct Writes {
    waiting: VecDeque<Waiting>,
    is_running: bool,
    /// The record that was saved last and not yet asked for.
    saved: Option<SessionRecord>,
    error: Option<StorageError>,
}

#[derive(Debug)]
struct Waiting {
    job: Job,
    /// Given back when the write is done and its bytes are free.
    leave: Option<OwnedSemaphorePermit>,
}

// === impl WriteQueue ===

impl WriteQueue {
    /// An empty one. `leaves` are those of all uploads.
    pub(super) fn new(leaves: Arc<Semaphore>) -> Self {
        Self {
            state: Arc::default(),
            leaves,
            run: None,
        }
    }

    /// Whether nothing was pushed since the last [`WriteQueue::wait`].
    pub(super) fn is_idle(&self) -> bool {
        self.run.is_none()
    }

    /// Whether something is being written.
    pub(super) fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.is_finished())
    }

    /// Waits until another write of `bytes` may be pushed; answers the record saved last, once.
    ///
    /// # Errors
    /// That of a write which failed.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn room(
        &self,
        bytes: usize,
    ) -> Result<(Room, Option<SessionRecord>), StorageError> {
        let leaves = u32::try_from(bytes.div_ceil(LEAVE)).unwrap_or(u32::MAX);
        loop {
            if let Some(room) = self.try_room(leaves)? {
                return Ok(room);
            }
            self.state.done.notified().await;
        }
    }

    fn try_room(&self, leaves: u32) -> Result<Option<(Room, Option<SessionRecord>)>, StorageError> {
        let mut writes = self.state.writes.lock();
        if let Some(error) = &writes.error {
            return Err(error.clone());
        }
        let leave = if !writes.is_running {
            None
        } else if writes.waiting.len() < WAITING
            && let Ok(leave) = Arc::clone(&self.leaves).try_acquire_many_owned(leaves)
        {
            Some(leave)
        } else {
            return Ok(None);
        };
        Ok(Some((Room { leave }, writes.saved.take())))
    }

    /// Adds a write to the end.
    pub(super) fn push(&mut self, job: Job, room: Room) {
        let leave = room.leave;
        let mut writes = self.state.writes.lock();
        writes.waiting.push_back(Waiting { job, leave });
        if !std::mem::replace(&mut writes.is_running, true) {
            let state = Arc::clone(&self.state);
            self.run = Some(tokio::task::spawn_blocking(move || {
                state.run();
                Ok(())
            }));
        }
    }

    /// Waits until no write is done any more; answers the record saved last, once, and whether all
    /// writes went well. After one that failed there may be a record that was saved before it.
    ///
    /// # Errors
    /// That of the write which failed; [`StorageError::Closed`] when the runtime shuts down. A
    /// panic in a write goes on here.
    ///
    /// # Cancel safety
    /// Cancel safe: the writes go on.
    pub(super) async fn wait(&mut self) -> (Option<SessionRecord>, Result<(), StorageError>) {
        let mut outcome = Ok(());
        if let Some(run) = &mut self.run {
            outcome = joined(run).await;
            self.run = None;
        }
        let mut writes = self.state.writes.lock();
        if let Some(error) = &writes.error {
            outcome = Err(error.clone());
        }
        (writes.saved.take(), outcome)
    }
}

/// That another write may be pushed.
#[derive(Debug)]
#[must_use]
pub(super) struct Room {
    leave: Option<OwnedSemaphorePermit>,
}

// === impl State ===

impl State {
    /// Does what waits, until nothing does. Blocks.
    fn run(&self) {
        while let Some(Waiting { job, leave }) = self.next() {
            let outcome = job.run();
            drop(leave);
            self.keep(outcome);
            self.done.notify_one();
        }
        // Told again: whoever looked in between saw a run that was not over yet.
        self.done.notify_one();
    }

    fn next(&self) -> Option<Waiting> {
        let mut writes = self.writes.lock();
        let next = writes.waiting.pop_front();
        writes.is_running = next.is_some();
        next
    }

    fn keep(&self, outcome: Result<Option<SessionRecord>, StorageError>) {
        let mut writes = self.writes.lock();
        match outcome {
            Ok(None) => {}
            Ok(saved) => writes.saved = saved,
            Err(error) => {
                writes.error = Some(error);
                writes.waiting.clear();
            }
        }
    }
}
