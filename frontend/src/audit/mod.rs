//! The audit log: who did what to what, from where, with what result.
//!
//! ```text
//! event    what is recorded, and the words for it
//! text     what a client chose, as a record may hold it
//! record   one line, and the chain that ties it to the line before
//! writer   the queue and the one thread that writes
//! medium   where lines go and where they are read
//! file     the files, and the only place that touches them
//! query    what can be asked
//! ```
//! Invariants:
//! 1. Recording never blocks and never fails: a log that cannot be written does not stop the
//!    registry. It does not lie either: what is missing is said in a record.
//! 2. A record holds no secret and no control character.
//! 3. Records are chained by hashes, over rotation and restarts. What was changed, removed or moved
//!    is found by [`AuditLog::verify`], except: the oldest files gone as if they had been rotated
//!    away; the end gone while no server ran; everything written anew with hashes that fit, by
//!    somebody who may write the files. Against these the lines have to be copied elsewhere.

mod event;
mod file;
mod medium;
mod query;
mod record;
mod text;
mod writer;

pub use event::{Action, AuditEvent, LOG, ParseActionError};
pub use query::{Filter, MAX_PAGE, Page, Report};
pub use record::Record;

use crate::accounts::limits::{Buckets, Rate};
use file::{Directory, Files};
use floundr_engine::clock::Clock;
use medium::{Medium, Memory, Shelf};
use query::Bounds;
use record::Chain;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::{AcquireError, Semaphore};
use tokio::task::{JoinError, spawn_blocking};
use writer::{Queue, Settled, Writer, millis};

/// Queries and verifications that read at the same time; others wait.
const READERS: usize = 2;

/// How much is kept, and how much may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOptions {
    /// Bytes after which another file is begun.
    pub file_bytes: u64,
    /// Files that are kept; the oldest is removed. At least 1.
    pub files: usize,
    /// Events that wait to be written at most; what comes then is counted. At least 1.
    pub queue: usize,
}

/// Why the audit log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Another process has it.
    #[error("the audit log in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The system does not give it.
    #[error("the audit log in {} cannot be opened: {source}", path.display())]
    Open {
        /// Its directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What was recorded is not all written, or not durable.
    #[error("the audit log cannot be written: {0}")]
    Write(#[source] io::Error),
    /// It cannot be read.
    #[error("the audit log cannot be read: {0}")]
    Read(#[source] io::Error),
    /// Its writer has ended.
    #[error("the audit log is closed")]
    Closed,
}

/// Records of refusals or logins that one source may cause at once.
const NOISE: u32 = 60;

/// Sources that are told apart.
const SOURCES: usize = 4096;

/// The log. Cheap to clone; when the last clone is dropped, what waits is written and synced, which
/// the dropping thread waits for.
#[derive(Clone)]
pub struct AuditLog(Option<Arc<Running>>);

struct Running {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    shelf: Arc<dyn Shelf>,
    readers: Arc<Semaphore>,
    /// How many more records of refusals and logins each source may cause.
    noise: Buckets<(Action, String)>,
    thread: Option<JoinHandle<()>>,
}

// === impl AuditOptions ===

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            file_bytes: 16 * 1024 * 1024,
            files: 64,
            queue: 4096,
        }
    }
}

// === impl AuditLog ===

impl AuditLog {
    /// The log in `directory`, which is made if it is not there, going on where it ended. Blocks.
    ///
    /// # Errors
    /// [`AuditError::InUse`] and [`AuditError::Open`].
    pub fn open(
        directory: &Path,
        options: &AuditOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        let (files, tail) = Files::open(directory, options.file_bytes, options.files)?;
        let mut notes = Vec::new();
        if tail.cut > 0 {
            let detail = format!("{} bytes that were no whole line were cut off", tail.cut);
            notes.push((Action::AuditCut, detail));
        }
        if tail.is_damaged {
            let detail = format!("record {} cannot be read", tail.chain.sequence);
            notes.push((Action::AuditDamaged, detail));
        }
        for (_, detail) in &notes {
            tracing::warn!(directory = %directory.display(), detail, "the audit log was damaged");
        }
        let shelf = Arc::new(Directory::new(directory));
        let writer = Writer::new(files, Arc::clone(&clock), tail.chain, notes);
        Self::run(writer, shelf, options.queue, clock).map_err(|source| AuditError::Open {
            path: directory.to_owned(),
            source,
        })
    }

    /// No log: nothing is kept.
    pub const fn none() -> Self {
        Self(None)
    }

    /// A log of the newest few thousand records, which is gone with the process.
    ///
    /// # Errors
    /// [`AuditError::Write`] when the system gives no thread.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, AuditError> {
        let memory = Memory::default();
        let shelf = Arc::new(memory.clone());
        let writer = Writer::new(memory, Arc::clone(&clock), Chain::new(), Vec::new());
        let queue = AuditOptions::default().queue;
        Self::run(writer, shelf, queue, clock).map_err(AuditError::Write)
    }

    fn run<M: Medium>(
        writer: Writer<M>,
        shelf: Arc<dyn Shelf>,
        bound: usize,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(bound));
        let queue_of_thread = Arc::clone(&queue);
        let builder = thread::Builder::new().name("floundr-audit".to_owned());
        let thread = builder.spawn(move || writer.run(&queue_of_thread))?;
        Ok(Self(Some(Arc::new(Running {
            queue,
            clock,
            shelf,
            readers: Arc::new(Semaphore::new(READERS)),
            noise: Buckets::new(Rate::per_second(1, NOISE), SOURCES),
            thread: Some(thread),
        }))))
    }

    /// Records `event`, with this moment as its time. Returns at once; the record is written shortly
    /// after and durable within about a second. See invariant 1.
    ///
    /// Texts that are too long are cut, and what a terminal would not show is escaped. Refusals and logins
    /// of one source are kept up to a minute's worth of one a second; more are counted, so that nobody
    /// pushes out of the log what others did.
    pub fn record(&self, event: AuditEvent) {
        let Some(running) = &self.0 else { return };
        if running.is_too_much(&event) {
            running.queue.leave_out();
            return;
        }
        let at = millis(&*running.clock);
        running.queue.push(at, event.cleaned());
    }

    /// Returns when everything that was recorded before is written and durable.
    ///
    /// # Errors
    /// [`AuditError::Write`]: not all of it is. What is lost is counted, and said in a record as soon
    /// as one can be written. [`AuditError::Closed`].
    ///
    /// # Cancel safety
    /// Cancel safe: it is written all the same.
    pub async fn flush(&self) -> Result<(), AuditError> {
        match &self.0 {
            Some(running) => {
                let settled = running.settle(true).await?;
                settled.result.map_err(AuditError::Write)
            }
            None => Ok(()),
        }
    }

    /// Up to `limit` records (at most [`MAX_PAGE`]) that fit `filter`, newest first; of those with a
    /// sequence below `before`, if that is given. Everything recorded before is in it, unless it
    /// could not be written.
    ///
    /// One call looks through a bounded part of the log: a page may be short and have a `next`.
    ///
    /// # Errors
    /// [`AuditError::Read`], [`AuditError::Closed`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn query(
        &self,
        filter: Filter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, AuditError> {
        let bounds = Bounds::new(before, limit);
        let ask = move |shelf: &dyn Shelf, _end: &Chain| query::query(shelf, &filter, bounds);
        Ok(self.read(ask).await?.unwrap_or_default())
    }

    /// Reads the whole log and compares the chain of its records with itself, and with the last record
    /// that was written.
    ///
    /// # Errors
    /// [`AuditError::Read`], [`AuditError::Closed`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn verify(&self) -> Result<Report, AuditError> {
        let nothing = Report {
            records: 0,
            broken_at: None,
        };
        Ok(self.read(query::verify).await?.unwrap_or(nothing))
    }

    /// Events that could not be kept since the log was opened: the queue was full, or the log could
    /// not be written.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |running| running.queue.lost())
    }

    /// What `read` finds, with everything written that was recorded before; `None` without a log.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Shelf, &Chain) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, AuditError> {
        let Some(running) = &self.0 else {
            return Ok(None);
        };
        // Held by the thread that reads, so that calls that are given up count as well.
        let permit = Arc::clone(&running.readers).acquire_owned().await?;
        // Why something could not be written is in the program's log, and will be in this one.
        let end = running.settle(false).await?.chain;
        let shelf = Arc::clone(&running.shelf);
        let reading = spawn_blocking(move || {
            let found = read(&*shelf, &end);
            drop(permit);
            found
        });
        reading.await?.map(Some).map_err(AuditError::Read)
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shelf = self.0.as_ref().map(|running| &running.shelf);
        f.debug_tuple("AuditLog").field(&shelf).finish()
    }
}

// === impl Running ===

impl Running {
    /// Whether its source has caused enough such records: what costs nothing to cause is bounded.
    fn is_too_much(&self, event: &AuditEvent) -> bool {
        let is_noise = matches!(
            event.action,
            Action::Denied | Action::Login | Action::LoginFailed | Action::TokenDenied
        );
        if !is_noise {
            return false;
        }
        let from = event.from.map(|from| from.to_string()).unwrap_or_default();
        let source = format!("{} {from}", event.actor);
        let now = self.clock.monotonic();
        self.noise.take((event.action, source), now).is_err()
    }

    async fn settle(&self, durably: bool) -> Result<Settled, AuditError> {
        let answered = self.queue.settle(durably).await;
        answered.map_err(|_closed| AuditError::Closed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue.close();
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Err(_))) {
            tracing::error!("the audit log's thread panicked");
        }
    }
}

// === impl AuditError ===

impl From<AcquireError> for AuditError {
    fn from(_closed: AcquireError) -> Self {
        Self::Closed
    }
}

impl From<JoinError> for AuditError {
    fn from(error: JoinError) -> Self {
        Self::Read(io::Error::other(error))
    }
}

#[cfg(test)]
mod tests;
