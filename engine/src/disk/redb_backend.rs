//! [`DiskBackend`]: a file of a [`Disk`](super::Disk) as the storage of a redb database.
//!
//! redb's byte-range locks tell processes apart that share a database. Here the engine holds an
//! exclusive lock on the whole store before redb is opened (`Layout::lock`), and redb opens one
//! writer: its lock calls are answered with "unsupported", the answer it documents for backends
//! that are locked otherwise.

use super::DiskFile;
use redb::StorageBackend;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// A disk's file as redb's storage.
#[derive(Debug)]
pub(crate) struct DiskBackend(pub(crate) Arc<dyn DiskFile>);

// === impl DiskBackend ===

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(&[IoSlice::new(data)], offset)
    }
}
