//! [`Database`]: the redb file, its current snapshot, the engine's time and the numbers of files.
//!
//! Invariants:
//! 1. Readers use the snapshot of the last commit; it is replaced after each, so a reader never
//!    waits for the writer and a read costs no transaction of its own.
//! 2. A file number is handed out once in the life of the store: numbers come from ranges whose
//!    reservation was committed durably before.
//! 3. Every commit sets quick repair, so opening after a kill takes no walk, and two-phase commit
//!    with it.
//! 4. After a failed commit the database is closed and opened again before anything else uses it.
//!    After a failed read too, but not for ever: a page that cannot be read stays one.
//! 5. A change of the file that failed for another reason than want of space stops all writing until
//!    the next start. Reads go on, from what the medium has and not from the system's memory.
//! 6. A number for a segment is set aside, so that small blobs never wait for a reservation.

use super::FORMAT_VERSION;
use super::creating::make_if_missing;
use super::keys;
use super::opening::{
    FORMAT, check_format, damaged, file_ranges, is_complete, open_redb, prepare, release,
};
use super::records::{FileRecord, StateRecord};
use super::rows::{Rows, Snapshot, failed};
use super::tables::Table;
use super::transaction::{Moment, STATE, Stay, Transaction};
use super::trash::Undo;
use crate::blob::LocalStore;
use crate::clock::{Clock, EngineTime};
use crate::disk::Latch;
use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::options::Options;
use crate::random::Random;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// File numbers reserved at once. One commit in this many files; an unclean stop leaves as many
/// numbers to compare at most.
pub(super) const RESERVE: u64 = 4096;

/// A commit reserves more when fewer numbers than this are left.
const LOW: u64 = 1024;

/// How often failed reads open the file again between two commits.
const REOPENINGS: u32 = 16;

/// The row of the key of upload ids in `Settings`.
pub(super) const UPLOAD_KEY: &[u8] = b"upload-key";

/// The redb file and what is derived from it.
#[derive(Debug)]
pub(super) struct Database {
    store: Arc<LocalStore>,
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
    /// Numbers reserved durably and not handed out.
    numbers: Mutex<Range<u64>>,
    /// The one that is set aside.
    segment_number: Mutex<Option<u64>>,
    /// Ranges of numbers that earlier processes reserved and that were not compared yet.
    inherited: Vec<(u64, u64)>,
    /// Engine time at `opened`.
    base: EngineTime,
    opened: Duration,
    /// The sequence number of the commit that was tried last: a later look tells whether it landed.
    tried: AtomicU64,
    is_closed: AtomicBool,
    /// The snapshot is being taken back: reads that take long give up.
    is_wanted: AtomicBool,
}

/// What happens to commits that are not durable when the file is closed. redb makes them durable
/// when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    /// Their bytes are durable: they may become so too.
    Keep,
    /// Their bytes are not: they must be forgotten.
    Forget,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Committed {
    /// It left work for the collector.
    pub(super) kick: bool,
    /// It removed more rows than it wrote.
    pub(super) gave_back: bool,
}

/// What became of a commit that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landing {
    /// It is not there: nothing was changed.
    Missed,
    /// It is there, and durable with the next commit.
    Landed,
    /// Nobody can tell.
    Unknown,
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
        let (redb, latch) = open_redb(&store, cache)?;
        let mut snapshot = Snapshot::new(&redb)?;
        check_format(&snapshot)?;
        if !is_complete(&snapshot)? {
            prepare(&redb)?;
            snapshot = Snapshot::new(&redb)?;
        }
        let state: Option<StateRecord> = snapshot.record(Table::Settings, STATE)?;
        let inherited = file_ranges(&snapshot)?;
        let database = Self {
            store,
            cache,
            writer: Mutex::new(Some(redb)),
            snapshot: ArcSwapOption::from_pointee(snapshot),
            latch: Mutex::new(latch),
            reopenings: AtomicU32::new(0),
            unreadable: Mutex::new(None),
            numbers: Mutex::new(0..0),
            segment_number: Mutex::new(None),
            inherited,
            base: state.unwrap_or_default().time,
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
        drop(self.writer.lock());
        self.snapshot.load_full().ok_or_else(|| {
            self.unreadable
                .lock()
                .clone()
                .unwrap_or(StorageError::Closed)
        })
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
    /// of the medium that failed is tried once more, since redb refuses everybody after it.
    pub(super) fn read<T>(
        &self,
        read: impl Fn(&Snapshot) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match self.read_once(&read) {
            Err(StorageError::Io { .. } | StorageError::Metadata(_)) if self.reopen_for_reads() => {
                self.read_once(&read)
            }
            outcome => outcome,
        }
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
    /// often since the last commit; answers whether it did. Commits that were not durable are lost
    /// with the refusal already.
    fn reopen_for_reads(&self) -> bool {
        // The writer, if it has the lock, meets the same refusal and recovers by itself.
        let Some(mut writer) = self.writer.try_lock() else {
            return false;
        };
        if writer.is_none() || !self.latch.lock().read_failed() {
            // Somebody else opened it again: another try may go well.
            return writer.is_some() && self.snapshot.load().is_some();
        }
        if self.reopenings.fetch_add(1, Ordering::SeqCst) >= REOPENINGS {
            return false;
        }
        tracing::warn!("the metadata is opened again after a failed read");
        release(writer.take(), Pending::Keep);
        self.release_snapshot();
        match self.reopen() {
            Ok(redb) => *writer = Some(redb),
            Err(error) => {
                tracing::error!(%error, "the metadata could not be opened again");
                *self.unreadable.lock() = Some(error);
                return false;
            }
        }
        true
    }

    /// Whether a read that takes long should end, because the snapshot is wanted back.
    pub(super) fn is_snapshot_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }

    /// A file number, if a reserved one is left.
    pub(super) fn new_file_number(&self) -> Option<u64> {
        self.numbers.lock().next()
    }

    /// A number for a segment: the one set aside, or another.
    pub(super) fn new_segment_number(&self) -> Option<u64> {
        let aside = self.segment_number.lock().take();
        aside.or_else(|| self.new_file_number())
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
        durable: bool,
        apply: impl FnOnce(&mut Transaction<'_>) -> Result<(), StorageError>,
    ) -> Result<Committed, StorageError> {
        self.tried.store(u64::MAX, Ordering::SeqCst);
        let guard = self.writer.lock();
        let redb = guard.as_ref().ok_or(StorageError::Closed)?;
        let mut writer = redb.begin_write().map_err(|error| failed(&error.into()))?;
        writer.set_quick_repair(true);
        if !durable {
            let none = writer.set_durability(redb::Durability::None);
            none.map_err(|error| failed(&error.into()))?;
        }
        let mut transaction = Transaction::new(&writer, moment)?;
        apply(&mut transaction)?;
        // Only a durable commit may reserve: a number must not come back after a power cut.
        let reserved = if durable {
            self.reserve(&mut transaction)?
        } else {
            None
        };
        transaction.seal()?;
        let sequence = transaction.state.sequence;
        let committed = Committed {
            kick: transaction.kick,
            gave_back: transaction.removed > transaction.rows - transaction.removed,
        };
        drop(transaction);
        self.tried.store(sequence, Ordering::SeqCst);
        writer.commit().map_err(|error| failed(&error.into()))?;
        self.snapshot.store(Some(Arc::new(Snapshot::new(redb)?)));
        if let Some(reserved) = reserved {
            let mut numbers = self.numbers.lock();
            *numbers = if numbers.is_empty() {
                reserved
            } else {
                numbers.start..reserved.end
            };
        }
        self.reopenings.store(0, Ordering::SeqCst);
        let mut segment_number = self.segment_number.lock();
        if segment_number.is_none() {
            *segment_number = self.new_file_number();
        }
        Ok(committed)
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

    /// Whether a commit must reserve file numbers soon.
    pub(super) fn numbers_are_low(&self) -> bool {
        let numbers = self.numbers.lock();
        numbers.end.saturating_sub(numbers.start) < LOW / 2 || self.segment_number.lock().is_none()
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
            release(writer.take(), Pending::Keep);
            self.release_snapshot();
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
        release(writer.take(), pending);
        self.release_snapshot();
        match self.reopen() {
            Ok(redb) => *writer = Some(redb),
            Err(error) => {
                tracing::error!(%error, "the metadata could not be opened again");
                *self.unreadable.lock() = Some(error);
                return Landing::Unknown;
            }
        }
        drop(writer);
        self.landing()
    }

    fn reopen(&self) -> Result<redb::Database, StorageError> {
        let opened = open_redb(&self.store, self.cache);
        let (redb, latch) = opened.map_err(|error| match error {
            OpenError::Storage(error) => error,
            other => StorageError::Metadata(other.to_string()),
        })?;
        self.snapshot.store(Some(Arc::new(Snapshot::new(&redb)?)));
        *self.latch.lock() = latch;
        Ok(redb)
    }

    /// Whether the commit tried last is there.
    fn landing(&self) -> Landing {
        let found = self.read_once(|rows| {
            let state = rows.record::<StateRecord>(Table::Settings, STATE)?;
            Ok(state.unwrap_or_default().sequence)
        });
        match found {
            Ok(sequence) if sequence >= self.tried.load(Ordering::SeqCst) => Landing::Landed,
            Ok(_) => Landing::Missed,
            Err(_) => Landing::Unknown,
        }
    }

    /// Closes the file; reads and commits answer [`StorageError::Closed`] from now on.
    pub(super) fn close(&self, pending: Pending) {
        *self.unreadable.lock() = None;
        self.is_closed.store(true, Ordering::SeqCst);
        let mut writer = self.writer.lock();
        release(writer.take(), pending);
        self.release_snapshot();
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

    /// The first commit of an open store: format, key, and file numbers of its own. Numbers of
    /// before that may be in use without a record stay in `FileRanges` to be compared.
    fn start(&self, random: &dyn Random) -> Result<(), StorageError> {
        let moment = Moment {
            time: self.base,
            wall: 0,
            stay: Stay::default(),
            undo: Undo::default(),
        };
        self.commit(moment, true, |transaction| {
            if transaction.payload(Table::Settings, UPLOAD_KEY)?.is_none() {
                let mut key = [0; 32];
                random
                    .fill(&mut key)
                    .map_err(|error| StorageError::Metadata(format!("no random key: {error}")))?;
                transaction.put_payload(Table::Settings, UPLOAD_KEY, &key)?;
            }
            transaction.put(Table::Settings, FORMAT, &u64::from(FORMAT_VERSION))
        })?;
        Ok(())
    }

    /// A disk that is full takes nothing at the start either: the reserve's space is for that, and
    /// without it what is there is served all the same. Of a store that is not whole yet nothing is.
    fn start_full(&self, error: StorageError, random: &dyn Random) -> Result<(), StorageError> {
        if !error.is_full() {
            return Err(error);
        }
        self.recover(&error, Pending::Keep);
        if self.store.reserve().spend() {
            match self.start(random) {
                Err(again) if again.is_full() => self.recover(&again, Pending::Keep),
                outcome => return outcome,
            };
        }
        match self.upload_key() {
            Ok(_) => Ok(()),
            Err(_) => Err(error),
        }
    }

    fn reserve(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Option<Range<u64>>, StorageError> {
        let left = self.numbers.lock().clone();
        if left.end.saturating_sub(left.start) >= LOW {
            return Ok(None);
        }
        let start = transaction.state.files;
        let range = start..start + RESERVE;
        transaction.put(Table::FileRanges, &keys::number(start), &range.end)?;
        transaction.state.files = range.end;
        Ok(Some(range))
    }
}
