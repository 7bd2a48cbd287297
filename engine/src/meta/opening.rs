//! The steps of opening and closing the redb file, without any state of its own.

use super::codec::Record as _;
use super::database::Pending;
use super::header;
use super::keys;
use super::rows::{Rows, Scan, Snapshot, failed};
use super::tables::Table;
use super::{FILE_NAME, FORMAT_VERSION};
use crate::blob::LocalStore;
use crate::disk::{DiskBackend, Latch};
use crate::engine::OpenError;
use crate::fault::StorageError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The row of the format's version in `Settings`.
pub(super) const FORMAT: &[u8] = b"format";

/// Refuses a store that a newer version wrote, before anything is changed in it.
pub(super) fn check_format(snapshot: &Snapshot) -> Result<(), OpenError> {
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

/// Opens the redb file; with it comes what will have failed of it.
pub(super) fn open_redb(
    store: &LocalStore,
    cache: usize,
) -> Result<(redb::Database, Arc<Latch>), OpenError> {
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
    header::check(&*file, &path)?;
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
    Ok((redb, latch))
}

/// Closes the redb file. Closing writes, and on a damaged file that may fail as reading does.
pub(super) fn close_redb(redb: redb::Database) -> Result<(), StorageError> {
    catch_unwind(AssertUnwindSafe(|| drop(redb))).map_err(|_panic| damaged())
}

/// What is said where redb panics on what it finds in the file.
pub(super) fn damaged() -> StorageError {
    StorageError::Metadata(format!("{FILE_NAME} is damaged"))
}

/// Whether every table was made.
pub(super) fn is_complete(snapshot: &Snapshot) -> Result<bool, StorageError> {
    for table in Table::ALL {
        if !snapshot.exists(table)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes every table exist, so that readers find them.
pub(super) fn prepare(redb: &redb::Database) -> Result<(), StorageError> {
    let mut writer = redb.begin_write().map_err(|error| failed(&error.into()))?;
    writer.set_quick_repair(true);
    for table in Table::ALL {
        writer
            .open_table(table.definition())
            .map_err(|error| failed(&error.into()))?;
    }
    writer.commit().map_err(|error| failed(&error.into()))
}

/// Closes the file, or lets go of it without closing it.
pub(super) fn release(redb: Option<redb::Database>, pending: Pending) {
    match pending {
        Pending::Keep => {
            if let Some(Err(error)) = redb.map(close_redb) {
                tracing::error!(%error, "the metadata file could not be closed cleanly");
            }
        }
        // Dropping would make commits durable that name bytes which are not. The memory is lost
        // once, after a failure of the disk.
        Pending::Forget => std::mem::forget(redb),
    }
}
