//! [`DiskBackend`]: a file of a [`Disk`](super::Disk) as the storage of a redb database.
//!
//! redb's byte-range locks tell processes apart that share a database. Here the engine holds an
//! exclusive lock on the whole store before redb is opened (`Layout::lock`), and redb opens one
//! writer: its lock calls are answered with "unsupported", the answer it documents for backends
//! that are locked otherwise.
//!
//! After a failed call redb refuses all work, reads included, until it is opened anew, and tells
//! later callers no reason: [`Latch`] keeps what failed first. A database that is dropped makes
//! durable what was not: [`Latch::freeze`] keeps it from that.

use super::DiskFile;
use redb::StorageBackend;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A disk's file as redb's storage.
#[derive(Debug)]
pub(crate) struct DiskBackend {
    file: Arc<dyn DiskFile>,
    latch: Arc<Latch>,
}

/// What failed since the database was opened, and whether it may change anything. Marks that are
/// only ever set.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    read: AtomicBool,
    change: AtomicBool,
    frozen: AtomicBool,
}

// === impl DiskBackend ===

impl DiskBackend {
    pub(crate) fn new(file: Arc<dyn DiskFile>) -> Self {
        let latch = Arc::default();
        Self { file, latch }
    }

    /// What will have failed of it, for who opens a database on it.
    pub(crate) fn latch(&self) -> Arc<Latch> {
        Arc::clone(&self.latch)
    }

    fn read<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        note(&self.latch.read, outcome)
    }

    fn change<T>(&self, change: impl FnOnce(&dyn DiskFile) -> io::Result<T>) -> io::Result<T> {
        if self.latch.frozen.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        note(&self.latch.change, change(&*self.file))
    }
}

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        self.read(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read(self.file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|file| file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(DiskFile::sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|file| file.write_all_at(&[IoSlice::new(data)], offset))
    }
}

// === impl Latch ===

impl Latch {
    /// A read failed: the database answers nothing until it is opened anew.
    pub(crate) fn read_failed(&self) -> bool {
        self.read.load(Ordering::SeqCst)
    }

    /// From now on every change is refused, and none of those counts as failed.
    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }

    /// A write, a change of the length or a sync failed.
    pub(crate) fn change_failed(&self) -> bool {
        self.change.load(Ordering::SeqCst)
    }
}

fn note<T>(mark: &AtomicBool, outcome: io::Result<T>) -> io::Result<T> {
    if outcome.is_err() {
        mark.store(true, Ordering::SeqCst);
    }
    outcome
}
