//! [`Database`]: the redb file with its journal, its current snapshot and the engine's time.
//!
//! Invariants:
//! 1. Readers use the snapshot of the last commit; it is replaced after each, so a reader never
//!    waits for the writer and a read costs no transaction of its own.
//! 2. A commit is visible when it is as lasting as was asked: in redb's memory, in the journal as
//!    well, or in redb's file. Whatever opens that file brings in what the journal has beyond it, and
//!    makes it durable before it is visible.
//! 3. Every commit sets quick repair, so opening after a kill takes no walk, and two-phase commit
//!    with it.
//! 4. After a failed commit the database is closed and opened again before anything else uses it.
//!    After a failed read too, but not for ever: a page that cannot be read stays one.
//! 5. A change of the file that failed for another reason than want of space stops all writing until
//!    the next start. Reads go on, from what the medium has and not from the system's memory.

use super::creating::make_if_missing;
use super::file_numbers::FileNumbers;
use super::journal::{Changes, Journal};
use super::keys;
use super::opening::{
    Opened, bring_in, damaged, file_ranges, open_journal, open_redb, release, replay, tidy,
    was_closed,
};
use super::outcomes::{Committed, Landing, Pending, Reach, Reopened};
use super::records::FileRecord;
use super::rows::{Rows, Snapshot, failed};
use super::tables::Table;
use super::transaction::{Moment, Transaction};
use super::trees::Arrangement;
use crate::blob::LocalStore;
use crate::clock::{Clock, EngineTime};
use crate::disk::Latch;
use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::options::Options;
use arc_swap::ArcSwapOption;
use parking_lot::{Mutex, MutexGuard};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How often failed reads open the file again between two commits.
const REOPENINGS: u32 = 16;

/// How often a read is made again because the writer recovered from a failed commit.
const RECOVERIES: u32 = 8;

/// The row of the key of upload ids in `Settings`.
pub(super) const UPLOAD_KEY: &[u8] = b"upload-key";

/// The redb file and what is derived from it.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) store: Arc<LocalStore>,
    cache: usize,
    /// Held by the writer for each commit; `None` after closing.
    writer: Mutex<Option<redb::Database>>,
    snapshot: ArcSwapOption<Snapshot>,
    /// What failed of the file as it is open now.
    latch: Mutex<Arc<Latch>>,
    /// How often failed reads opened the file again since the last commit.
    reopenings: AtomicU32,
    /// Why the file could not be opened again; nothing can be read until it is.
    unreadable: Mutex<Option<StorageError>>,
    /// Locked behind `writer`.
    pub(super) journal: Mutex<Journal>,
    pub(super) numbers: FileNumbers,
    /// Ranges of numbers that earlier processes reserved and that were not compared yet.
    inherited: Vec<(u64, u64)>,
    /// Engine time at `opened`.
    pub(super) base: EngineTime,
    opened: Duration,
    /// The sequence number of the commit that was tried last: a later look tells whether it landed.
    tried: AtomicU64,
    is_closed: AtomicBool,
    /// The snapshot is being taken back: reads that take long give up.
    is_wanted: AtomicBool,
}

// === impl Database ===

impl Database {
    /// Opens the file under the layout's root of `store`, or makes it.
    pub(super) fn open(store: Arc<LocalStore>, options: &Options) -> Result<Self, OpenError> {
        let open = || Self::open_file(store, options);
        catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_panic| Err(damaged().into()))
    }

    fn open_file(store: Arc<LocalStore>, options: &Options) -> Result<Self, OpenError> {
        let cache = options.metadata_cache;
        make_if_missing(&store)?;
        let limit = options.metadata_journal;
        if was_closed(&store)? {
            // Before redb says durably that it has the file open: it would be missed from then on.
            open_journal(&store, limit, false)?;
        }
        let Opened {
            redb,
            latch,
            was_closed,
        } = open_redb(&store, cache)?;
        let journal = match bring_in(&store, &redb, limit, was_closed) {
            Ok(journal) => journal,
            Err(error) => {
                // Closed, the file would pass for one that lacks nothing.
                let pending = if was_closed {
                    Pending::Keep
                } else {
                    Pending::Forget
                };
                release(Some(redb), &latch, pending);
                return Err(error);
            }
        };
        let snapshot = Snapshot::new(&redb)?;
        let base = snapshot.state()?.time;
        let inherited = file_ranges(&snapshot)?;
        let database = Self {
            store,
            cache,
            writer: Mutex::new(Some(redb)),
            snapshot: ArcSwapOption::from_pointee(snapshot),
            latch: Mutex::new(latch),
            reopenings: AtomicU32::new(0),
            unreadable: Mutex::new(None),
            journal: Mutex::new(journal),
            numbers: FileNumbers::default(),
            inherited,
            base,
            opened: options.clock.monotonic(),
            tried: AtomicU64::new(u64::MAX),
            is_closed: AtomicBool::new(false),
            is_wanted: AtomicBool::new(false),
        };
        if let Err(error) = database.start(&*options.random) {
            database.start_full(error, &*options.random)?;
        }
        Ok(database)
    }

    /// Engine time by `clock`.
    pub(super) fn now(&self, clock: &dyn Clock) -> EngineTime {
        self.base
            .after(clock.monotonic().saturating_sub(self.opened))
    }

    /// The view of the last commit. Waits while the file is opened again.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, StorageError> {
        if let Some(snapshot) = self.snapshot.load_full() {
            return Ok(snapshot);
        }
        loop {
            drop(self.writer.lock());
            if let Some(snapshot) = self.snapshot.load_full() {
                return Ok(snapshot);
            }
            if let Some(error) = &*self.unreadable.lock() {
                return Err(error.clone());
            }
            if self.is_closed.load(Ordering::SeqCst) {
                return Err(StorageError::Closed);
            }
            // It was opened again, and failed again, before anybody looked.
        }
    }

    /// Refuses when views of the database are called back, so that the file can be closed. Who holds
    /// one for long asks this from time to time, and never for another view: that would wait for
    /// itself.
    pub(super) fn check_current(&self) -> Result<(), StorageError> {
        if self.snapshot.load().is_some() {
            return Ok(());
        }
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(StorageError::Closed);
        }
        let why = "the metadata was opened again after a failure";
        Err(StorageError::Metadata(why.to_owned()))
    }

    /// Reads from the view of the last commit. A panic of redb on a damaged page is an error; a read
    /// of the medium that failed is tried once more, since redb refuses everybody after it, and one
    /// that came while the writer recovered from a failed commit as often as that may happen at once.
    pub(super) fn read<T>(
        &self,
        read: impl Fn(&Snapshot) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut tried: Option<Arc<Latch>> = None;
        for _again in 0..RECOVERIES {
            let outcome = self.read_once(&read);
            let Err(StorageError::Io { .. } | StorageError::Metadata(_)) = &outcome else {
                return outcome;
            };
            match self.reopen_for_reads() {
                Reopened::No => return outcome,
                Reopened::Here => break,
                Reopened::ByOthers => {}
            }
            let opening = Arc::clone(&self.latch.lock());
            let before = tried.replace(Arc::clone(&opening));
            if before.is_some_and(|before| Arc::ptr_eq(&before, &opening)) {
                // It is the page, and not a commit that failed meanwhile.
                return outcome;
            }
        }
        self.read_once(&read)
    }

    /// Reads once, for who cannot begin anew.
    pub(super) fn read_once<T>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let snapshot = self.snapshot()?;
        catch_unwind(AssertUnwindSafe(|| read(&snapshot))).unwrap_or_else(|_panic| {
            Err(StorageError::Metadata(
                "a damaged page could not be read".to_owned(),
            ))
        })
    }

    /// Opens the file again if a failed read made redb refuse everything, unless that happened too
    /// often since the last commit. Commits that are not in
    /// the journal either are lost with the refusal already.
    fn reopen_for_reads(&self) -> Reopened {
        let mut writer = self.writer_at_rest();
        if writer.is_none() || !self.latch.lock().read_failed() {
            // Another try may go well.
            let is_open = writer.is_some() && self.snapshot.load().is_some();
            return if is_open {
                Reopened::ByOthers
            } else {
                Reopened::No
            };
        }
        if self.reopenings.fetch_add(1, Ordering::SeqCst) >= REOPENINGS {
            return Reopened::No;
        }
        tracing::warn!("the metadata is opened again after a failed read");
        self.close_file(&mut writer, Pending::Keep);
        match self.reopen() {
            Ok(redb) => *writer = Some(redb),
            Err(error) => {
                tracing::error!(%error, "the metadata could not be opened again");
                return Reopened::No;
            }
        }
        Reopened::Here
    }

    /// The file, when no commit of it has failed from which its writer did not recover yet.
    fn writer_at_rest(&self) -> MutexGuard<'_, Option<redb::Database>> {
        for _wait in 0..100 {
            let writer = self.writer.lock();
            if writer.is_none() || !self.latch.lock().change_failed() {
                return writer;
            }
            drop(writer);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.writer.lock()
    }

    /// Whether a read that takes long should end, because the snapshot is wanted back.
    pub(super) fn is_snapshot_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }

    /// See [`super::Metadata::inherited_file_ranges`].
    pub(super) fn inherited(&self) -> &[(u64, u64)] {
        &self.inherited
    }

    /// How many blobs lie in a segment file.
    pub(super) fn segment_blobs(&self, number: u64) -> Result<u64, StorageError> {
        self.read(|rows| {
            Ok(match rows.record(Table::Files, &keys::number(number))? {
                Some(FileRecord::Segment { live }) => live,
                Some(FileRecord::Blob(_)) | None => 0,
            })
        })
    }

    /// Why nothing can be written, if that is so.
    pub(super) fn check_writable(&self) -> Result<(), StorageError> {
        self.store.health().check()
    }

    /// The key of upload ids.
    pub(super) fn upload_key(&self) -> Result<[u8; 32], StorageError> {
        let snapshot = self.snapshot()?;
        let key = snapshot.payload(Table::Settings, UPLOAD_KEY)?;
        key.and_then(|key| key.try_into().ok())
            .ok_or_else(|| StorageError::Metadata("the key of upload ids is missing".to_owned()))
    }

    /// Applies a batch and commits it.
    pub(super) fn commit(
        &self,
        moment: Moment,
        reach: Reach,
        apply: impl FnOnce(&mut Transaction<'_>) -> Result<(), StorageError>,
    ) -> Result<Committed, StorageError> {
        self.tried.store(u64::MAX, Ordering::SeqCst);
        let guard = self.writer.lock();
        let redb = guard.as_ref().ok_or(StorageError::Closed)?;
        let mut writer = redb.begin_write().map_err(|error| failed(&error.into()))?;
        writer.set_quick_repair(true);
        let mut transaction = Transaction::new(&writer, moment)?;
        apply(&mut transaction)?;
        let reach = if transaction.needs_file {
            Reach::File
        } else {
            reach
        };
        // Only a durable commit may reserve: a number must not come back after a power cut.
        let reserved = match reach {
            Reach::Memory => None,
            Reach::Journal | Reach::File => self.numbers.reserve(&mut transaction)?,
        };
        transaction.seal()?;
        let sequence = transaction.state.sequence;
        let mut committed = Committed {
            reach,
            kick: transaction.kick,
            gave_back: transaction.removed > transaction.rows - transaction.removed,
        };
        let changes = transaction.into_changes();
        self.tried.store(sequence, Ordering::SeqCst);
        committed.reach = self.finish(writer, reach, changes, sequence)?;
        self.snapshot.store(Some(Arc::new(Snapshot::new(redb)?)));
        self.reopenings.store(0, Ordering::SeqCst);
        self.numbers.add(reserved);
        Ok(committed)
    }

    /// Brings a transaction as far as it was asked; answers how far it got.
    fn finish(
        &self,
        mut writer: redb::WriteTransaction,
        reach: Reach,
        changes: Changes,
        sequence: u64,
    ) -> Result<Reach, StorageError> {
        let mut journal = self.journal.lock();
        let reach = match reach {
            Reach::Journal if !journal.has_room(&changes) => Reach::File,
            reach => reach,
        };
        if reach != Reach::File {
            let none = writer.set_durability(redb::Durability::None);
            none.map_err(|error| failed(&error.into()))?;
        }
        writer.commit().map_err(|error| failed(&error.into()))?;
        match reach {
            Reach::Memory => journal.defer(changes),
            Reach::Journal => journal.append(changes, sequence).inspect_err(|error| {
                if !error.is_full() {
                    self.store.medium().fail(journal.path(), error);
                }
            })?,
            Reach::File => journal.restart(sequence, self.store.reserve().is_spent()),
        }
        Ok(reach)
    }

    /// Stops all writing after a change of the file that failed: what the system had not written yet
    /// may be gone from its memory, so a later success would promise too much. Want of space is not
    /// that, and neither is a failed read.
    fn stop_after(&self, error: &StorageError) {
        if matches!(error, StorageError::Io { .. }) && self.latch.lock().change_failed() {
            let path = self.store.layout().metadata();
            self.store.medium().fail(&path, error);
        }
    }

    /// Refuses if nothing may be written; opens the file again if that failed after a failed
    /// commit, or if a failed read made redb refuse everything.
    pub(super) fn ensure_open(&self) -> Result<(), StorageError> {
        self.check_writable()?;
        let mut writer = self.writer.lock();
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(StorageError::Closed);
        }
        if self.latch.lock().read_failed() {
            self.close_file(&mut writer, Pending::Keep);
        }
        if writer.is_none() {
            *writer = Some(self.reopen()?);
        }
        Ok(())
    }

    /// After a failed commit: opens the file again, since redb refuses all work after an I/O error.
    /// Answers what became of the commit.
    pub(super) fn recover(&self, error: &StorageError, pending: Pending) -> Landing {
        self.stop_after(error);
        let mut writer = self.writer.lock();
        self.close_file(&mut writer, pending);
        match self.reopen() {
            Ok(redb) => *writer = Some(redb),
            Err(error) => {
                tracing::error!(%error, "the metadata could not be opened again");
                return Landing::Unknown;
            }
        }
        drop(writer);
        self.landing()
    }

    /// Waits for the readers and closes the file. Where nothing may be written, nothing is.
    fn close_file(&self, writer: &mut Option<redb::Database>, pending: Pending) {
        // What is read of a database that was closed is an error.
        self.release_snapshot();
        let pending = self.check_writable().map_or(Pending::Forget, |()| pending);
        release(writer.take(), &self.latch.lock(), pending);
    }

    fn reopen(&self) -> Result<redb::Database, StorageError> {
        let open = AssertUnwindSafe(|| self.reopen_file());
        let opened = catch_unwind(open).unwrap_or_else(|_panic| Err(damaged()));
        *self.unreadable.lock() = opened.as_ref().err().cloned();
        opened
    }

    fn reopen_file(&self) -> Result<redb::Database, StorageError> {
        let mut journal = self.journal.lock();
        journal.interrupt();
        let opened = open_redb(&self.store, self.cache);
        let Opened { redb, latch, .. } = opened.map_err(|error| match error {
            OpenError::Storage(error) => error,
            other => StorageError::Metadata(other.to_string()),
        })?;
        match self.bring_back(&redb, &mut journal) {
            Ok(snapshot) => {
                self.snapshot.store(Some(Arc::new(snapshot)));
                *self.latch.lock() = latch;
                Ok(redb)
            }
            Err(error) => {
                // Closed, the file would pass for one that lacks nothing.
                release(Some(redb), &latch, Pending::Forget);
                Err(error)
            }
        }
    }

    /// Brings in what the journal has beyond a file that was opened again, and takes a view of it.
    fn bring_back(
        &self,
        redb: &redb::Database,
        journal: &mut Journal,
    ) -> Result<Snapshot, StorageError> {
        if self.check_writable().is_err() {
            journal.forget_cached()?;
        }
        replay(&self.store, redb, journal, Arrangement::Shared)?;
        Snapshot::new(redb)
    }

    /// Whether the commit tried last is there.
    fn landing(&self) -> Landing {
        match self.read_once(Snapshot::state) {
            Ok(state) if state.sequence >= self.tried.load(Ordering::SeqCst) => Landing::Landed,
            Ok(_) => Landing::Missed,
            Err(_) => Landing::Unknown,
        }
    }

    /// Closes the file; reads and commits answer [`StorageError::Closed`] from now on.
    pub(super) fn close(&self, pending: Pending) {
        *self.unreadable.lock() = None;
        self.is_closed.store(true, Ordering::SeqCst);
        let mut writer = self.writer.lock();
        self.release_snapshot();
        if let (Pending::Keep, Ok(()), Some(redb)) = (pending, self.check_writable(), &*writer) {
            tidy(redb);
        }
        self.close_file(&mut writer, pending);
    }

    /// Lets the snapshot go and waits for its readers, which never wait for anything but a read.
    fn release_snapshot(&self) {
        let Some(snapshot) = self.snapshot.swap(None) else {
            return;
        };
        let last = Arc::downgrade(&snapshot);
        drop(snapshot);
        self.is_wanted.store(true, Ordering::SeqCst);
        while last.strong_count() > 0 {
            std::thread::yield_now();
        }
        self.is_wanted.store(false, Ordering::SeqCst);
    }
}
