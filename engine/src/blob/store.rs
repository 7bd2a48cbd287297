//! [`BlobStore`]: places for bytes, and the contract every kind of place keeps.
//!
//! How bytes get into a place is each store's own: an upload appends to a file here, and would
//! send parts to an object store. What they share is reading and removing.

use crate::digest::Digest;
use crate::fault::StorageError;
use crate::meta::{BLOCK, Location, StoredAt};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

/// A future of a blob store: boxed, so that stores can be trait objects.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// Places for the bytes of blobs.
///
/// # Contract
/// 1. A place is written once and never changes: what `open` gives for it is always the same.
/// 2. `open` answers an error when the bytes are not all there, and [`StorageError::Corrupt`] when
///    it can see that they are not what was stored. It never gives fewer bytes.
/// 3. `remove` of a place that is gone, or half gone, succeeds: it can be repeated.
/// 4. Who opened a place before it was removed goes on reading the right bytes or gets an error.
/// 5. It knows digests only to name them in errors.
pub(crate) trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Opens what was stored at a place. A file that does not exist is a [`StorageError::Io`] of
    /// kind "not found": the caller then asks the metadata once more where the blob lies.
    fn open(&self, stored: Stored) -> Pending<'static, Arc<dyn StoredBlob>>;

    /// Gives the space of a place back. The record that named it was removed durably before.
    fn remove(&self, location: Location, size: u64) -> Pending<'static, ()>;
}

/// One stored blob, open for reading.
pub(crate) trait StoredBlob: fmt::Debug + Send + Sync + 'static {
    /// See [`crate::blob::BlobReader::read`].
    fn read(self: Arc<Self>, range: Range<u64>) -> Pending<'static, Bytes>;

    /// See [`crate::blob::BlobReader::mapped`].
    fn mapped(self: Arc<Self>, range: Range<u64>) -> Pending<'static, Option<Bytes>>;
}

/// What a blob's record says of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Names it in errors.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Where its bytes lie.
    pub(crate) location: Location,
    /// The CRC-32C of a blob of one block, which is checked when it is read whole; `None` for
    /// larger ones and for the empty one.
    pub(crate) check: Option<u32>,
}

// === impl Stored ===

impl Stored {
    /// What the metadata says of a blob.
    pub(crate) fn of(digest: Digest, at: StoredAt) -> Self {
        let StoredAt {
            size,
            location,
            check,
        } = at;
        Self {
            digest,
            size,
            location,
            check: (size <= BLOCK).then_some(check),
        }
    }
}
