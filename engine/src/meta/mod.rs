//! The metadata of a store: which repository holds what, where blobs lie, what links what.
//!
//! [`Metadata`] offers whole transactions in the words of the store; this folder alone knows redb.
//!
//! ```text
//! mod         the interface: owned values in, owned values out; content and queues are parts of it
//! requests    what comes in beside the public types
//! lookup      what is visible           details     the same with all that people want to know
//! search      names of which not all are wanted          recent  what was read a moment ago
//! write_*   one file of transactions per subject
//! garbage     what nothing keeps        write_drain  rows of what was deleted
//! trash       records of what was deleted      undo      what can be restored
//! plan, why, usage                      what the collector would do, and why bytes are there
//! rows        reading typed rows        transaction  writing them, edges and counts
//! places      where bytes lie
//! derive      what a row must be by the rows it follows from
//! audit       comparing all of them, step by step       heal  writing them anew
//! counted     rows that count what is read of them
//! derive_deleted, heal_deleted          the same for what was deleted     heal_strays  rows of no table
//! check       what the check asks                   offline  the file, while nobody has it open
//! order       trees whose rows are not found where they are
//! copy        all rows at one moment in a file of their own, for backups
//! commit      group commit              database  the redb file, snapshot, time, file numbers
//! jobs        what waits for it         opening   the steps of opening that file
//! outcomes    how far a commit gets
//! file_numbers                            what new files are called
//! journal     rows that are durable before that file has them
//! staging     the bytes that come before their records
//! creating    how that file is made     starting  the first commit to it      migrating  from older formats
//! header      which of two commits the file begins with
//! tables, trees, keys, records, codec   the form on disk        fuzzing  any bytes as that
//! ```
//! Invariants: see `transaction` (rows), `commit` (durability), `database` (reopening).

mod audit;
mod check;
mod codec;
mod commit;
mod content;
mod copy;
mod counted;
mod creating;
mod database;
mod derive;
mod derive_deleted;
mod details;
mod file_numbers;
#[cfg(feature = "test-util")]
pub(crate) mod fuzzing;
mod garbage;
mod header;
mod heal;
mod heal_deleted;
mod heal_strays;
mod jobs;
mod journal;
mod keys;
mod lookup;
mod migrating;
mod offline;
mod opening;
mod order;
mod outcomes;
mod places;
mod plan;
mod policy;
mod pulls;
mod queues;
mod recent;
mod records;
mod requests;
mod row_fault;
mod rows;
mod search;
mod staging;
mod starting;
mod tables;
mod transaction;
mod trash;
mod trees;
mod undo;
mod usage;
mod why;
mod write_blobs;
mod write_check;
mod write_collect;
mod write_drain;
mod write_manifests;
mod write_purge;
mod write_repositories;
mod write_tags;
mod write_trash;

#[cfg(test)]
#[expect(
    clippy::unchecked_time_subtraction,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    clippy::excessive_nesting,
    reason = "constants of the tests, known to fit; a test is one story"
)]
mod tests;

pub(crate) use audit::{AuditStep, Cursor};
pub(crate) use check::ListedBlob;
pub(crate) use copy::{CopiedBlob, MetadataCopy};
pub(crate) use garbage::Candidate;
pub use garbage::DamagedRow;
pub(crate) use heal::Mended;
pub(crate) use offline::{FileState, check_file};
pub(crate) use plan::{Planned, Position};
pub(crate) use policy::{Age, Deleted, Doomed, KeepRules, Newest, Rules};
pub(crate) use queues::Orders;
pub(crate) use records::Place;
pub(crate) use requests::{BLOCK, BlockChecks, CommitBlob, Cut, Location, NewContent, StoredAt};
pub(crate) use row_fault::RowFault;
pub(crate) use rows::Counts;
pub(crate) use search::Wanted;
pub(crate) use write_check::CheckRecord;
pub(crate) use write_collect::Collected;
pub(crate) use write_drain::Mark;

use crate::blob::LocalStore;
use crate::clock::{Calendar, Clock, EngineTime};
use crate::digest::Digest;
use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::options::{Durability, Options};
use crate::upload::UploadKey;
use commit::{Job, Request, Waiting, Writer};
use database::Database;
use parking_lot::Mutex;
use records::FileRecord;
use rows::Rows;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tables::Table;
use tokio::sync::Notify;
use transaction::Stay;

/// The format this version writes, and the newest it reads.
pub(crate) const FORMAT_VERSION: u32 = 3;

/// The file's name under the root.
pub(crate) const FILE_NAME: &str = "metadata.redb";

/// The metadata of an open store. All writes are durable when they return (see
/// `Options::durability`), and a cancelled one may have happened or not.
pub(crate) struct Metadata {
    database: Arc<Database>,
    upload_key: UploadKey,
    clock: Arc<dyn Clock>,
    /// `None` after closing.
    jobs: Mutex<Option<Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// How long a told client may rely on a blob.
    lease: Duration,
    /// How many changes of a tag are remembered.
    tag_history: usize,
    /// Blobs that a manifest links are not deleted.
    refuse_referenced: bool,
    durability: Durability,
}

/// What the writer's thread needs beside the metadata.
#[derive(Debug)]
pub(crate) struct WriterParts {
    /// Where it puts small blobs.
    pub(crate) store: Arc<LocalStore>,
    /// Whom it wakes when a commit left work for the collector.
    pub(crate) collector: Arc<Notify>,
    /// The lock on the store: given back when the last write is done.
    pub(crate) lock: Box<dyn fmt::Debug + Send + Sync>,
}

/// A blob's record and how it is reached, for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundBlob {
    pub(crate) stored: StoredAt,
    /// Nothing links it: a client that is told of it needs a lease when less than half is left.
    pub(crate) needs_lease: bool,
}

// === impl Metadata ===

impl Metadata {
    /// Opens the metadata under the root of the parts' store and starts its writer. Blocks.
    pub(crate) fn open(options: &Options, parts: WriterParts) -> Result<Self, OpenError> {
        let WriterParts {
            store,
            collector,
            lock,
        } = parts;
        let clock = Arc::clone(&options.clock);
        let database = Arc::new(Database::open(Arc::clone(&store), options)?);
        let upload_key = UploadKey(database.upload_key()?);
        let writer = Writer {
            database: Arc::clone(&database),
            store,
            clock: Arc::clone(&clock),
            durability: options.durability,
            stay: Stay {
                grace: options.grace,
                lease: options.lease,
            },
            undo: trash::Undo {
                period: options.undo,
                changes: options.tag_history,
            },
            collector,
            unsynced: staging::Unsynced::default(),
            journaled_since: None,
        };
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("floundr-writer".to_owned());
        let spawned = thread.spawn(move || {
            writer.run(&receiver);
            drop(lock);
        });
        let handle = spawned.map_err(|error| {
            StorageError::Metadata(format!("the writer's thread did not start: {error}"))
        })?;
        Ok(Self {
            database,
            upload_key,
            clock,
            jobs: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(handle)),
            lease: options.lease,
            tag_history: options.tag_history,
            refuse_referenced: options.refuse_referenced,
            durability: options.durability,
        })
    }

    /// Answers what is waiting, makes it durable, and closes the file. Blocks.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        drop(self.jobs.lock().take());
        let Some(writer) = self.writer.lock().take() else {
            return Ok(());
        };
        writer
            .join()
            .map_err(|_panic| StorageError::Metadata("the writer panicked".to_owned()))?;
        self.database.check_writable()
    }

    async fn ask<R: Request>(&self, request: R) -> Result<R::Answer, R::Refusal> {
        let (waiting, answer) = Waiting::new(request);
        let sent = match &*self.jobs.lock() {
            Some(jobs) => jobs.send(Box::new(waiting)).is_ok(),
            None => false,
        };
        if !sent {
            return Err(StorageError::Closed.into());
        }
        answer
            .await
            .unwrap_or_else(|_dropped| Err(StorageError::Closed.into()))
    }

    /// Asks without waiting for the answer: it may be refused, fail, or be lost by a crash.
    fn tell<R: Request>(&self, request: R) {
        let (waiting, answer) = Waiting::new(request);
        drop(answer);
        if let Some(jobs) = &*self.jobs.lock() {
            // Closed meanwhile: then nobody is left to tell.
            drop(jobs.send(Box::new(waiting)));
        }
    }

    // --- time, ids, files ---

    /// The engine time now.
    pub(crate) fn now(&self) -> EngineTime {
        self.database.now(&*self.clock)
    }

    /// What engine time is by the wall clock.
    pub(crate) fn calendar(&self) -> Calendar {
        Calendar::new(self.now(), &*self.clock)
    }

    /// The key that upload ids are authenticated with.
    pub(crate) fn upload_key(&self) -> &UploadKey {
        &self.upload_key
    }

    /// A file number that was never used before, for a blob file. The range it comes from is
    /// reserved durably beforehand.
    pub(crate) async fn new_file_number(&self) -> Result<u64, StorageError> {
        loop {
            if let Some(number) = self.database.numbers.next() {
                return Ok(number);
            }
            // Any commit reserves more when few are left.
            self.ask(write_collect::KeepTime).await?;
        }
    }

    /// The blob whose record says its bytes lie in this file; `None`: the file is nobody's.
    pub(crate) fn file_holder(&self, number: u64) -> Result<Option<Digest>, StorageError> {
        self.database.read(|rows| {
            Ok(match rows.record(Table::Files, &keys::number(number))? {
                Some(FileRecord::Blob(digest)) => Some(digest),
                Some(FileRecord::Segment { .. }) | None => None,
            })
        })
    }

    /// The files in which blobs lie.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn recorded_files(
        &self,
    ) -> Result<Vec<(crate::layout::FileKind, u64)>, StorageError> {
        self.database.read(check::recorded_files)
    }

    /// How many blobs lie in a segment file.
    pub(crate) fn segment_blobs(&self, number: u64) -> Result<u64, StorageError> {
        self.database.segment_blobs(number)
    }

    /// Ranges of file numbers that earlier processes may have used without a record: first, and
    /// behind the last.
    pub(crate) fn inherited_file_ranges(&self) -> &[(u64, u64)] {
        self.database.inherited()
    }

    /// Forgets ranges that were compared with the records, but for the `kept` numbers in them, and
    /// segments that hold nothing.
    pub(crate) async fn forget_files(
        &self,
        ranges: Vec<u64>,
        kept: Vec<u64>,
        empty_segments: Vec<u64>,
    ) -> Result<(), StorageError> {
        self.ask(write_collect::ForgetFiles {
            ranges,
            kept,
            empty_segments,
        })
        .await
    }

    /// Lets what is written from now on go into another segment than this one. When it returns, all
    /// that was put into it before is committed.
    pub(crate) async fn roll_segment(&self, number: u64) -> Result<(), StorageError> {
        self.ask(write_collect::RollSegment(number)).await
    }

    // --- uploads ---

    /// Remembers an upload as ended until its id's expiry.
    pub(crate) async fn end_upload(
        &self,
        key: [u8; 16],
        expiry: EngineTime,
    ) -> Result<(), StorageError> {
        self.ask(write_blobs::EndUpload { key, expiry }).await
    }

    /// Whether an upload was remembered as ended; `expiry` is its id's.
    pub(crate) fn is_upload_ended(
        &self,
        key: [u8; 16],
        expiry: EngineTime,
    ) -> Result<bool, StorageError> {
        let key = keys::ended_upload(expiry, key);
        self.database
            .read(|rows| Ok(rows.payload(Table::EndedUploads, &key)?.is_some()))
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
