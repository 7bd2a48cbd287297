//! The metadata file while nobody has it open: redb's own walk over every page and its checksums.

use super::opening::{Opened, close_redb, damaged, open_journal, open_redb, was_closed};
use crate::blob::LocalStore;
use crate::engine::OpenError;
use crate::fault::StorageError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the walk over the pages of the file showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileState {
    /// Every page in use is what was written.
    Whole,
    /// What says which pages are free was wrong; it is right now.
    Repaired,
    /// A page in use is damaged: how redb says it.
    Damaged(String),
}

/// Walks all pages of the file. The caller holds the lock on the store. Blocks.
pub(crate) fn check_file(store: &LocalStore, cache: usize) -> Result<FileState, OpenError> {
    let path = store.layout().metadata();
    // A check makes no store where there is none.
    let file = store.disk().open(&path, false);
    let len = file.and_then(|file| file.len());
    let len = len.map_err(|error| StorageError::io("open", &path, error))?;
    if len == 0 {
        let nothing = io::Error::new(io::ErrorKind::UnexpectedEof, "it is empty");
        return Err(StorageError::io("check", &path, nothing).into());
    }
    if was_closed(store)? {
        // Before redb says durably that it has the file open: it would be missed if this is cut short.
        open_journal(store, 0, false)?;
    }
    let Opened {
        mut redb,
        latch,
        was_closed: has_all,
    } = open_redb(store, cache)?;
    let walked = catch_unwind(AssertUnwindSafe(|| redb.check_integrity()));
    let state = match walked {
        Ok(Ok(true)) => Ok(FileState::Whole),
        Ok(Ok(false)) => Ok(FileState::Repaired),
        Ok(Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))) => {
            Err(StorageError::io("check", &path, error).into())
        }
        Ok(Err(error)) => Ok(FileState::Damaged(error.to_string())),
        Err(_panic) => Ok(FileState::Damaged(damaged().to_string())),
    };
    if !has_all {
        // What the journal has was not brought in: closed, the file would pass for one that lacks nothing.
        latch.freeze();
    }
    match close_redb(redb) {
        Ok(()) => state,
        Err(error) => Ok(FileState::Damaged(error.to_string())),
    }
}
