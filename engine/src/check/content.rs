//! The content: every blob is read and hashed again, block by block.

use super::Checker;
use super::budget::Budget;
use super::report::{CheckReport, Done, Finding};
use crate::blob::store::{BlobStore, Stored, StoredBlob};
use crate::digest::Digest;
use crate::digest::hasher::Hasher;
use crate::fault::{Corruption, StorageError};
use crate::meta::{BLOCK, BlockChecks, ListedBlob, Location};
use std::io;
use std::sync::Arc;

/// What reading a blob showed.
enum Read {
    /// It is what its digest says.
    Whole,
    /// It is not: what is wrong.
    Damaged(String),
    /// The medium did not answer.
    Unknown(StorageError),
}

// === impl Checker ===

impl Checker {
    /// Reads the next `limit` blobs behind `after`, in the order of their digests. Answers the last of
    /// them; `None`: there were none.
    pub(super) async fn content(
        &self,
        (after, limit): (Option<Digest>, usize),
        budget: &mut Budget,
        report: &mut CheckReport,
    ) -> Result<Option<Digest>, StorageError> {
        let blobs = self
            .ask(move |meta| meta.blobs_after(after.as_ref(), limit))
            .await?;
        let mut last = None;
        for blob in blobs {
            last = Some(blob.digest);
            self.blob(blob, budget, report).await?;
        }
        Ok(last)
    }

    /// Reads one blob, and marks it if it is damaged where it lies.
    async fn blob(
        &self,
        blob: ListedBlob,
        budget: &mut Budget,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        if blob.is_damaged {
            report.add(finding(
                &blob,
                "its content is damaged".to_owned(),
                Done::Known,
            ));
            return Ok(());
        }
        let read = self.read(&blob, budget).await?;
        report.blobs += 1;
        report.bytes += blob.stored.size;
        if matches!(read, Read::Whole) {
            return Ok(());
        }
        // The bytes may have gone because the blob went, or moved: its record is asked once more.
        let digest = blob.digest;
        let now = self.ask(move |meta| meta.listed_blob(&digest)).await?;
        if now != Some(blob) {
            return Ok(());
        }
        match read {
            Read::Whole => {}
            Read::Damaged(what) => {
                let location = blob.stored.location;
                self.meta.mark_damaged(&digest, location).await?;
                report.add(finding(&blob, what, Done::Quarantined));
            }
            Read::Unknown(error) => {
                let what = format!("it could not be read: {error}");
                report.add(finding(&blob, what, Done::Reported));
            }
        }
        Ok(())
    }

    async fn read(&self, blob: &ListedBlob, budget: &mut Budget) -> Result<Read, StorageError> {
        let ListedBlob { digest, stored, .. } = *blob;
        let opened = self.store.open(Stored::of(digest, stored)).await;
        let content = match opened {
            Ok(content) => content,
            Err(error) => return judged(error),
        };
        let checks = if stored.size > BLOCK {
            self.ask(move |meta| meta.block_checks(&digest)).await
        } else {
            Ok(BlockChecks::new())
        };
        let checks = match checks {
            // The walk over the rows says so; the digest tells as well whether it is whole.
            Err(StorageError::Corrupt(_)) => BlockChecks::new(),
            checks => checks?,
        };
        match hash(content, stored.size, (digest, &checks), budget).await {
            Ok(read) => Ok(read),
            Err(error) => judged(error),
        }
    }
}

/// Hashes a blob's bytes, and says which blocks are not what was stored.
async fn hash(
    content: Arc<dyn StoredBlob>,
    size: u64,
    (digest, checks): (Digest, &[u32]),
    budget: &mut Budget,
) -> Result<Read, StorageError> {
    let mut hasher = Hasher::new(digest.algorithm());
    let mut damaged = Vec::new();
    let mut offset = 0;
    let mut checks = checks.iter();
    budget.spend(0).await;
    while offset < size {
        let end = size.min(offset + BLOCK);
        let block = Arc::clone(&content).read(offset..end).await?;
        hasher.update(&block);
        if checks
            .next()
            .is_some_and(|&check| check != crc32c::crc32c(&block))
        {
            damaged.push(format!("{offset} to {}", end - 1));
        }
        offset = end;
        budget.spend(block.len() as u64).await;
    }
    let actual = hasher.finish();
    if actual == digest {
        return Ok(Read::Whole);
    }
    let bytes = if damaged.is_empty() {
        "its bytes are not known by their checksums".to_owned()
    } else {
        damaged.truncate(8);
        format!("first in bytes {}", damaged.join(", "))
    };
    Ok(Read::Damaged(format!("its content is {actual}, {bytes}")))
}

/// What an error says of a blob: that its bytes are not there or not its own, or nothing.
fn judged(error: StorageError) -> Result<Read, StorageError> {
    match &error {
        StorageError::Corrupt(Corruption::Blob(_)) => {
            let what = "its length or its checksum is another".to_owned();
            Ok(Read::Damaged(what))
        }
        StorageError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Ok(Read::Damaged("its file is missing".to_owned()))
        }
        StorageError::Io { .. } => Ok(Read::Unknown(error)),
        _ => Err(error),
    }
}

fn finding(blob: &ListedBlob, what: String, done: Done) -> Finding {
    let place = match blob.stored.location {
        Location::File(number) => format!("blob {} in blob file {number:x}", blob.digest),
        Location::Segment { number, offset } => {
            let end = offset + blob.stored.size;
            format!(
                "blob {} in segment {number:x}, bytes {offset} to {end}",
                blob.digest
            )
        }
    };
    Finding {
        digest: Some(blob.digest),
        place,
        what,
        done,
    }
}
