//! [`BlobReader`]: the bytes of one stored blob.
//!
//! Invariants:
//! 1. A reader goes on giving the right bytes when its blob is deleted: it holds the file open, or
//!    the bytes themselves when the blob is small.
//! 2. Small blobs are checked against their checksum when they are read; a read that ends early is
//!    an error, never a shorter answer.

use super::store::StoredBlob;
use crate::digest::Digest;
use crate::fault::StorageError;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// One stored blob, open for reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobReader {
    digest: Digest,
    size: u64,
    content: Arc<dyn StoredBlob>,
}

// === impl BlobReader ===

impl BlobReader {
    pub(crate) fn new(digest: Digest, size: u64, content: Arc<dyn StoredBlob>) -> Self {
        Self {
            digest,
            size,
            content,
        }
    }

    /// The digest it was asked for by.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of `range`, read on a thread that may block. Memory: the range's length.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot give them, or the range is not within the blob.
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        Arc::clone(&self.content).read(range).await
    }

    /// The bytes of `range` as mapped memory, already brought into memory off the async threads;
    /// `None` when this blob's store cannot map, and then [`BlobReader::read`] serves.
    ///
    /// They are for handing to a socket. Code that reads them itself uses [`BlobReader::read`]: a
    /// medium that fails later would kill the process there, but only fails the system call here.
    ///
    /// # Errors
    /// As [`BlobReader::read`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn mapped(&self, range: Range<u64>) -> Result<Option<Bytes>, StorageError> {
        Arc::clone(&self.content).mapped(range).await
    }
}
