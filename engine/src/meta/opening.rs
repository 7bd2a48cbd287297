//! The steps of opening and closing the redb file, without any state of its own.

use super::codec::Record as _;
use super::database::UPLOAD_KEY;
use super::header;
use super::journal::{Change, Journal};
use super::keys;
use super::migrating;
use super::outcomes::Pending;
use super::rows::{Rows, Scan, Snapshot, failed};
use super::tables::Table;
use super::trees::{Arrangement, Trees};
use super::{FILE_NAME, FORMAT_VERSION};
use crate::blob::LocalStore;
use crate::disk::{DiskBackend, Latch};
use crate::engine::OpenError;
use crate::fault::StorageError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The row of the format's version in `Settings`.
pub(super) const FORMAT: &[u8] = b"format";

/// The first format with a journal.
const JOURNAL_FORMAT: u64 = 2;

/// An open redb file.
pub(super) struct Opened {
    pub(super) redb: redb::Database,
    /// What will have failed of it.
    pub(super) latch: Arc<Latch>,
    /// It was closed after its last commit.
    pub(super) was_closed: bool,
}

/// Refuses a store that a newer version wrote, before anything is changed in it. Answers its format;
/// one that was never begun has this version's.
fn check_format(snapshot: &Snapshot) -> Result<Option<u64>, OpenError> {
    if !snapshot.exists(Arrangement::Shared.tree(Table::Settings))? {
        return Ok(None);
    }
    let format: Option<u64> = snapshot.record(Table::Settings, FORMAT)?;
    match format {
        Some(found) if found > u64::from(FORMAT_VERSION) => {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            let supported = FORMAT_VERSION;
            Err(OpenError::NewerFormat { found, supported })
        }
        format => Ok(format),
    }
}

/// Opens the journal, or makes it unless it is needed: then commits may be missing.
pub(super) fn open_journal(
    store: &LocalStore,
    limit: u64,
    is_needed: bool,
) -> Result<Journal, StorageError> {
    if is_needed {
        let path = store.layout().journal();
        let found = store.disk().open(&path, false);
        found.map_err(|error| StorageError::io("open", &path, error))?;
    }
    Journal::open(&**store.disk(), store.layout(), limit)
}

/// Makes what was opened whole, and of this format: its trees, and what the journal has beyond it.
pub(super) fn bring_in(
    store: &LocalStore,
    redb: &redb::Database,
    limit: u64,
    was_closed: bool,
) -> Result<Journal, OpenError> {
    let snapshot = Snapshot::new(redb)?;
    let format = check_format(&snapshot)?;
    let arrangement = format.map_or(Arrangement::Shared, Arrangement::of_format);
    let has_journal = format.is_some_and(|format| format >= JOURNAL_FORMAT);
    if !is_complete(&snapshot, arrangement)? {
        prepare(redb, arrangement)?;
    }
    drop(snapshot);
    let mut journal = open_journal(store, limit, has_journal && !was_closed)?;
    replay(store, redb, &mut journal, arrangement)?;
    if arrangement == Arrangement::Apart {
        migrating::share_trees(redb)?;
    }
    Ok(journal)
}

/// Brings what the journal has beyond the file into redb's memory. What is found there is durable when
/// it is seen, unless nothing may be written any more.
pub(super) fn replay(
    store: &LocalStore,
    redb: &redb::Database,
    journal: &mut Journal,
    arrangement: Arrangement,
) -> Result<(), StorageError> {
    let snapshot = Snapshot::of(redb, arrangement)?;
    let Some(secret) = snapshot.payload(Table::Settings, UPLOAD_KEY)? else {
        return Ok(());
    };
    journal.set_secret(&secret);
    let sequence = snapshot.state()?.sequence;
    drop(snapshot);
    let records = journal.beyond(sequence)?;
    if records.is_empty() {
        return Ok(());
    }
    let parsed: Option<Vec<Vec<Change<'_>>>> = records
        .iter()
        .map(|record| Change::parse(&record.rows))
        .collect();
    let changes = parsed.ok_or_else(|| {
        let path = journal.path().display();
        StorageError::Metadata(format!("a record of {path} is none of this version"))
    })?;
    tracing::info!(
        commits = records.len(),
        "the last commits are taken from the journal"
    );
    if store.health().check().is_ok() {
        match journal.renew(&records) {
            Err(full) if full.is_full() && store.reserve().spend() => journal.renew(&records)?,
            renewed => renewed?,
        }
    }
    let mut writer = redb.begin_write().map_err(|error| failed(&error.into()))?;
    writer.set_quick_repair(true);
    let none = writer.set_durability(redb::Durability::None);
    none.map_err(|error| failed(&error.into()))?;
    apply_all(&writer, &changes.concat(), arrangement).map_err(|error| failed(&error))?;
    writer.commit().map_err(|error| failed(&error.into()))
}

fn apply_all(
    writer: &redb::WriteTransaction,
    changes: &[Change<'_>],
    arrangement: Arrangement,
) -> Result<(), redb::Error> {
    let mut trees = Trees::open(writer, arrangement)?;
    for change in changes {
        match change.sealed {
            Some(sealed) => trees.put(change.table, change.key, sealed).map(drop)?,
            None => trees.remove(change.table, change.key).map(drop)?,
        }
    }
    Ok(())
}

/// The ranges of file numbers that are on record.
pub(super) fn file_ranges(snapshot: &Snapshot) -> Result<Vec<(u64, u64)>, StorageError> {
    let mut ranges = Vec::new();
    snapshot.scan(Table::FileRanges, &[], None, &mut |key, payload| {
        let (start, _) = keys::split_number(Table::FileRanges, key)?;
        ranges.push((start, u64::from_payload(Table::FileRanges, payload)?));
        Ok(Scan::Next)
    })?;
    Ok(ranges)
}

/// Whether the redb file was closed after its last commit, before redb is given it.
pub(super) fn was_closed(store: &LocalStore) -> Result<bool, StorageError> {
    let path = store.layout().metadata();
    let opened = store.disk().open(&path, false);
    let file = opened.map_err(|error| StorageError::io("open", &path, error))?;
    header::check(&*file, &path)
}

/// Opens the redb file.
pub(super) fn open_redb(store: &LocalStore, cache: usize) -> Result<Opened, OpenError> {
    let path = store.layout().metadata();
    let failed_to = |action| {
        let path = path.clone();
        move |error| StorageError::io(action, &path, error)
    };
    let file = store.disk().open(&path, false).map_err(failed_to("open"))?;
    if store.health().check().is_err() {
        // What the system has in memory may never have reached the medium.
        file.drop_cached().map_err(failed_to("read anew"))?;
    }
    let was_closed = header::check(&*file, &path)?;
    let backend = DiskBackend::new(file);
    let latch = backend.latch();
    let open = || {
        redb::Builder::new()
            .set_cache_size(cache)
            .create_with_backend(backend)
    };
    let opened = catch_unwind(AssertUnwindSafe(open));
    let opened = opened.map_err(|_panic| damaged())?;
    let redb = opened.map_err(|error| failed(&error.into()))?;
    Ok(Opened {
        redb,
        latch,
        was_closed,
    })
}

/// Closes the redb file. Closing writes, and on a damaged file that may fail as reading does.
pub(super) fn close_redb(redb: redb::Database) -> Result<(), StorageError> {
    catch_unwind(AssertUnwindSafe(|| drop(redb))).map_err(|_panic| damaged())
}

/// What is said where redb panics on what it finds in the file.
pub(super) fn damaged() -> StorageError {
    StorageError::Metadata(format!("{FILE_NAME} is damaged"))
}

/// Whether every tree was made.
fn is_complete(snapshot: &Snapshot, arrangement: Arrangement) -> Result<bool, StorageError> {
    for tree in arrangement.trees() {
        if !snapshot.exists(tree)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes every tree exist, so that readers find them.
fn prepare(redb: &redb::Database, arrangement: Arrangement) -> Result<(), StorageError> {
    let mut writer = redb.begin_write().map_err(|error| failed(&error.into()))?;
    writer.set_quick_repair(true);
    drop(Trees::open(&writer, arrangement).map_err(|error| failed(&error))?);
    writer.commit().map_err(|error| failed(&error.into()))
}

/// Gives back the pages that the last commits have freed. redb lists them commit by commit; left to the next
/// start, it would read all of that.
pub(super) fn tidy(redb: &redb::Database) {
    let commit = || -> Result<(), redb::Error> {
        let mut writer = redb.begin_write()?;
        writer.set_quick_repair(true);
        Ok(writer.commit()?)
    };
    match catch_unwind(AssertUnwindSafe(commit)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the metadata could not be tidied up"),
        Err(_panic) => tracing::warn!(error = %damaged(), "the metadata could not be tidied up"),
    }
}

/// Closes the file, or lets go of it as it is: dropping would make commits durable.
pub(super) fn release(redb: Option<redb::Database>, latch: &Latch, pending: Pending) {
    if pending == Pending::Forget {
        latch.freeze();
    }
    if let Some(Err(error)) = redb.map(close_redb) {
        tracing::error!(%error, "the metadata file could not be closed cleanly");
    }
}
