//! [`Database`]: the redb file, its current snapshot, the engine's time and the numbers of files.
//!
//! Invariants:
//! 1. Readers use the snapshot of the last commit; it is replaced after each, so a reader never
//!    waits for the writer and a read costs no transaction of its own.
//! 2. A file number is handed out once in the life of the store: numbers come from ranges whose
//!    reservation was committed durably before.
//! 3. Every commit sets quick repair, so opening after a kill takes no walk, and two-phase commit
//!    with it.
//! 4. After a failed commit the database is closed and opened again before anything else uses it;
//!    a failure of the medium that is not want of space stops all writing until the next start.

use super::codec::Record as _;
use super::keys;
use super::records::StateRecord;
use super::rows::{Rows, Scan, Snapshot, failed};
use super::tables::Table;
use super::transaction::{Moment, STATE, Transaction};
use super::{FILE_NAME, FORMAT_VERSION};
use crate::clock::{Clock, EngineTime};
use crate::disk::{Disk, DiskBackend};
use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::layout::Layout;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// File numbers reserved at once. One commit in this many files; an unclean stop leaves as many
/// numbers to compare at most.
const RESERVE: u64 = 4096;

/// A commit reserves more when fewer numbers than this are left.
const LOW: u64 = 1024;

/// The row of the format's version in `Settings`.
const FORMAT: &[u8] = b"format";

/// The row of the key of upload ids in `Settings`.
const UPLOAD_KEY: &[u8] = b"upload-key";

/// The redb file and what is derived from it.
#[derive(Debug)]
pub(super) struct Database {
    disk: Arc<dyn Disk>,
    layout: Layout,
    cache: usize,
    /// Held by the writer for each commit; `None` after closing.
    writer: Mutex<Option<redb::Database>>,
    snapshot: ArcSwapOption<Snapshot>,
    /// Numbers reserved durably and not handed out.
    numbers: Mutex<Range<u64>>,
    /// Ranges of numbers that earlier processes reserved and that were not compared yet.
    inherited: Vec<(u64, u64)>,
    /// Engine time at `opened`.
    base: EngineTime,
    opened: Duration,
    /// Why nothing is written any more.
    stopped: Mutex<Option<StorageError>>,
    /// The sequence number of the commit that was tried last: a later look tells whether it landed.
    tried: AtomicU64,
    is_closed: AtomicBool,
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

// === impl Database ===

impl Database {
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        layout: Layout,
        cache: usize,
        clock: &dyn Clock,
    ) -> Result<Self, OpenError> {
        let redb = open_redb(&*disk, &layout, cache)?;
        check_format(&Snapshot::new(&redb)?)?;
        prepare(&redb)?;
        let snapshot = Snapshot::new(&redb)?;
        let state: Option<StateRecord> = snapshot.record(Table::Settings, STATE)?;
        let inherited = file_ranges(&snapshot)?;
        let database = Self {
            disk,
            layout,
            cache,
            writer: Mutex::new(Some(redb)),
            snapshot: ArcSwapOption::from_pointee(snapshot),
            numbers: Mutex::new(0..0),
            inherited,
            base: state.unwrap_or_default().time,
            opened: clock.monotonic(),
            stopped: Mutex::new(None),
            tried: AtomicU64::new(u64::MAX),
            is_closed: AtomicBool::new(false),
        };
        database.start()?;
        Ok(database)
    }

    /// Engine time by `clock`.
    pub(super) fn now(&self, clock: &dyn Clock) -> EngineTime {
        self.base
            .after(clock.monotonic().saturating_sub(self.opened))
    }

    /// The view of the last commit.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, StorageError> {
        self.snapshot.load_full().ok_or(StorageError::Closed)
    }

    /// Reads from the view of the last commit. A panic of redb on a damaged page is an error.
    pub(super) fn read<T>(
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

    /// A file number, if a reserved one is left.
    pub(super) fn new_file_number(&self) -> Option<u64> {
        self.numbers.lock().next()
    }

    /// See [`super::Metadata::inherited_file_ranges`].
    pub(super) fn inherited(&self) -> &[(u64, u64)] {
        &self.inherited
    }

    /// Why nothing can be written, if that is so.
    pub(super) fn check_writable(&self) -> Result<(), StorageError> {
        self.stopped.lock().clone().map_or(Ok(()), Err)
    }

    /// Refuses with [`StorageError::Closed`] once nothing may be written any more. What stopped the
    /// writer was told to those whose writes it took, and is in the log.
    pub(super) fn check_running(&self) -> Result<(), StorageError> {
        self.check_writable()
            .map_err(|_stopped| StorageError::Closed)
    }

    /// The key of upload ids.
    pub(super) fn upload_key(&self) -> Result<[u8; 32], StorageError> {
        let snapshot = self.snapshot()?;
        let key = snapshot.payload(Table::Settings, UPLOAD_KEY)?;
        key.and_then(|key| key.try_into().ok())
            .ok_or_else(|| StorageError::Metadata("the key of upload ids is missing".to_owned()))
    }

    /// Applies a batch and commits it. Answers whether the collector has work.
    pub(super) fn commit(
        &self,
        moment: Moment,
        durable: bool,
        apply: impl FnOnce(&mut Transaction<'_>) -> Result<(), StorageError>,
    ) -> Result<bool, StorageError> {
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
        let kick = transaction.kick;
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
        Ok(kick)
    }

    /// Stops all writing after a failure of the medium: what the system had not written yet may be
    /// gone from its memory, so a later success would promise too much. Want of space is not that.
    pub(super) fn stop_unless_full(&self, error: &StorageError) {
        if matches!(error, StorageError::Io { .. }) {
            tracing::error!(%error, "the disk failed; nothing is written until the next start");
            *self.stopped.lock() = Some(error.clone());
        }
    }

    /// Whether a commit must reserve file numbers soon.
    pub(super) fn numbers_are_low(&self) -> bool {
        let numbers = self.numbers.lock();
        numbers.end.saturating_sub(numbers.start) < LOW / 2
    }

    /// Refuses if nothing may be written; opens the file if that failed after a failed commit.
    pub(super) fn ensure_open(&self) -> Result<(), StorageError> {
        self.check_running()?;
        let mut writer = self.writer.lock();
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(StorageError::Closed);
        }
        if writer.is_none() {
            *writer = Some(self.reopen()?);
        }
        Ok(())
    }

    /// After a failed commit: opens the file again, since redb refuses all work after an I/O error.
    /// Answers whether the commit is found in it all the same.
    pub(super) fn recover(&self, error: &StorageError, pending: Pending) -> bool {
        self.stop_unless_full(error);
        let mut writer = self.writer.lock();
        release(writer.take(), pending);
        self.release_snapshot();
        match self.reopen() {
            Ok(redb) => *writer = Some(redb),
            Err(error) => {
                tracing::error!(%error, "the metadata could not be opened again");
                self.stop_unless_full(&error);
                // Nobody can tell: the batch is answered as if it had landed, so as unknown.
                return true;
            }
        }
        self.has_landed()
    }

    fn reopen(&self) -> Result<redb::Database, StorageError> {
        let redb =
            open_redb(&*self.disk, &self.layout, self.cache).map_err(|error| match error {
                OpenError::Storage(error) => error,
                other => StorageError::Metadata(other.to_string()),
            })?;
        self.snapshot.store(Some(Arc::new(Snapshot::new(&redb)?)));
        Ok(redb)
    }

    /// Whether the commit tried last is there. What cannot be read counts as there.
    fn has_landed(&self) -> bool {
        let state = self.read(|rows| rows.record::<StateRecord>(Table::Settings, STATE));
        match state {
            Ok(state) => state.unwrap_or_default().sequence >= self.tried.load(Ordering::SeqCst),
            Err(_) => true,
        }
    }

    /// Closes the file; reads and commits answer [`StorageError::Closed`] from now on.
    pub(super) fn close(&self, pending: Pending) {
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
        while last.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    /// The first commit of an open store: format, key, and file numbers of its own. Numbers of
    /// before that may be in use without a record stay in `FileRanges` to be compared.
    fn start(&self) -> Result<(), StorageError> {
        let moment = Moment {
            time: self.base,
            wall: 0,
            grace: Duration::ZERO,
        };
        self.commit(moment, true, |transaction| {
            if transaction.payload(Table::Settings, UPLOAD_KEY)?.is_none() {
                let mut key = [0; 32];
                getrandom::fill(&mut key)
                    .map_err(|error| StorageError::Metadata(format!("no random key: {error}")))?;
                transaction.put_payload(Table::Settings, UPLOAD_KEY, &key)?;
            }
            transaction.put(Table::Settings, FORMAT, &u64::from(FORMAT_VERSION))
        })?;
        Ok(())
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

fn release(redb: Option<redb::Database>, pending: Pending) {
    match pending {
        Pending::Keep => drop(redb),
        // Dropping would make commits durable that name bytes which are not. The memory is lost
        // once, after a failure of the disk.
        Pending::Forget => std::mem::forget(redb),
    }
}

/// Refuses a store that a newer version wrote, before anything is changed in it.
fn check_format(snapshot: &Snapshot) -> Result<(), OpenError> {
    if !snapshot.exists(Table::Settings)? {
        return Ok(());
    }
    let format: Option<u64> = snapshot.record(Table::Settings, FORMAT)?;
    let found = format.unwrap_or(u64::from(FORMAT_VERSION));
    if found > u64::from(FORMAT_VERSION) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        let supported = FORMAT_VERSION;
        return Err(OpenError::NewerFormat { found, supported });
    }
    Ok(())
}

fn file_ranges(snapshot: &Snapshot) -> Result<Vec<(u64, u64)>, StorageError> {
    let mut ranges = Vec::new();
    snapshot.scan(Table::FileRanges, &[], None, &mut |key, payload| {
        let (start, _) = keys::split_number(Table::FileRanges, key)?;
        ranges.push((start, u64::from_payload(Table::FileRanges, payload)?));
        Ok(Scan::Next)
    })?;
    Ok(ranges)
}

fn open_redb(disk: &dyn Disk, layout: &Layout, cache: usize) -> Result<redb::Database, OpenError> {
    let path = layout.metadata();
    let file = disk
        .open(&path, true)
        .map_err(|error| StorageError::io("open", &path, error))?;
    let backend = DiskBackend(file);
    let open = || {
        redb::Builder::new()
            .set_cache_size(cache)
            .create_with_backend(backend)
    };
    let opened = catch_unwind(AssertUnwindSafe(open));
    let opened = opened.unwrap_or_else(|_panic| {
        Err(redb::DatabaseError::Storage(redb::StorageError::Corrupted(
            format!("{FILE_NAME} is damaged"),
        )))
    });
    Ok(opened.map_err(|error| failed(&error.into()))?)
}

/// Makes every table exist, so that readers find them.
fn prepare(redb: &redb::Database) -> Result<(), StorageError> {
    let mut writer = redb.begin_write().map_err(|error| failed(&error.into()))?;
    writer.set_quick_repair(true);
    for table in Table::ALL {
        writer
            .open_table(table.definition())
            .map_err(|error| failed(&error.into()))?;
    }
    writer.commit().map_err(|error| failed(&error.into()))
}
