//! What can be asked of the metadata, as owned values: each is one whole transaction.
//!
//! No closure, snapshot or iterator crosses this module's border, so that an SQL database could
//! answer the same requests, each in one round trip.

use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::name::RepositoryName;
use bytes::Bytes;

/// Where the bytes of a blob lie. A place is never used twice, so removing an old copy cannot hit
/// a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Location {
    /// A file of its own, by its number.
    File(u64),
    /// A part of a segment file: the file's number and where the part begins. Its length is the
    /// blob's size.
    Segment {
        /// The segment file's number.
        number: u64,
        /// Where the blob begins in it.
        offset: u64,
    },
}

/// CRC-32C of each [`BLOCK`] of a blob's content, in order; of an empty blob there are none.
pub(crate) type BlockChecks = Vec<u32>;

/// Bytes per block checksum.
pub(crate) const BLOCK: u64 = 1024 * 1024;

/// Content that shall become a blob.
#[derive(Debug, Clone)]
pub(crate) enum NewContent {
    /// Bytes in memory, at most `Options::small_blob_limit`; the writer puts them into a segment.
    Small(Bytes),
    /// A whole file whose bytes are synced already; its directory entry may not be.
    File {
        /// The file's number.
        number: u64,
        /// Its block checksums.
        checks: BlockChecks,
    },
}

/// Makes content a blob of a repository and ends the upload it came from.
#[derive(Debug, Clone)]
pub(crate) struct CommitBlob {
    pub(crate) repository: RepositoryName,
    /// What the content was verified to be.
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) content: NewContent,
    /// The upload's key, remembered as ended until its expiry.
    pub(crate) upload: ([u8; 16], EngineTime),
}

/// Which garbage a run of the collector takes. It does not change while the run goes on, so what
/// becomes garbage meanwhile is left to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// What is due at this moment.
    pub(crate) as_of: EngineTime,
    /// A grace of its own in milliseconds; `None`: that of the store, from when each became garbage.
    pub(crate) grace: Option<u64>,
}

/// Where a stored blob lies, and what a reader checks it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredAt {
    pub(crate) size: u64,
    pub(crate) location: Location,
    /// CRC-32C of the content of a blob of at most one block; zero for others.
    pub(crate) check: u32,
}
