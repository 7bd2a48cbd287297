//! Transactions on blobs: commit, mount, delete, touch.

use super::commit::{Request, Staged};
use super::garbage;
use super::keys;
use super::lookup;
use super::records::{BlobRecord, CandidateRecord, LinkRecord, Place};
use super::requests::{BLOCK, CommitBlob, Location, NewContent};
use super::rows::Rows;
use super::tables::Table;
use super::transaction::Transaction;
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::RepositoryName;
use crate::repository::{BlobError, BlobStat};
use std::time::Duration;

/// Links a blob of one repository into another.
#[derive(Debug, Clone)]
pub(super) struct MountBlob {
    pub(super) repository: RepositoryName,
    pub(super) source: RepositoryName,
    pub(super) digest: Digest,
}

/// Takes a blob out of a repository.
#[derive(Debug, Clone)]
pub(super) struct DeleteBlob {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    /// Only if no manifest of the repository links it.
    pub(super) refuse_referenced: bool,
}

/// Extends the time a blob without links stays: a client is about to be told that it exists.
#[derive(Debug, Clone)]
pub(super) struct LeaseBlob {
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    pub(super) lease: Duration,
}

/// Notes that the bytes at a place are not the blob's: it is served no more, and a push heals it.
#[derive(Debug, Clone)]
pub(super) struct MarkDamaged {
    pub(super) digest: Digest,
    /// Where the damage was found; a copy that was put elsewhere since is not meant.
    pub(super) location: Location,
}

/// Remembers an upload as ended.
#[derive(Debug, Clone)]
pub(super) struct EndUpload {
    pub(super) key: [u8; 16],
    pub(super) expiry: EngineTime,
}

// === requests ===

impl Request for CommitBlob {
    type Answer = ();
    type Refusal = StorageError;

    fn staged(&self) -> Staged {
        match &self.content {
            NewContent::Small(content) => Staged::Small(self.digest, content.clone()),
            NewContent::File { number, .. } => Staged::File(*number),
        }
    }

    fn size(&self) -> usize {
        match &self.content {
            NewContent::Small(content) => content.len(),
            NewContent::File { checks, .. } => size_of_val(checks.as_slice()),
        }
    }

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        let stored = transaction.undamaged::<BlobRecord>(Table::Blobs, &self.digest.to_key())?;
        let healthy = stored.filter(|record| !record.damaged);
        let repository = transaction.repository(&self.repository)?;
        match (healthy, self.content, transaction.placed) {
            (None, NewContent::File { number, checks }, _) => {
                let (location, check) = (Location::File(number), only(&checks));
                let checks = Some(&checks).filter(|_| self.size > BLOCK);
                let record = BlobRecord {
                    size: self.size,
                    location,
                    check,
                    damaged: false,
                };
                transaction.place_blob(&self.digest, &record, checks)?;
            }
            (None, NewContent::Small(content), Some(location)) => {
                let check = crc32c::crc32c(&content);
                let record = BlobRecord {
                    size: self.size,
                    location,
                    check,
                    damaged: false,
                };
                transaction.place_blob(&self.digest, &record, None)?;
            }
            (None, NewContent::Small(_), None) => {
                let reason = "a small blob reached the transaction without a place";
                return Err(StorageError::Metadata(reason.to_owned()));
            }
            // The copy that is there stays; one of the same content that came twice goes.
            (Some(record), content, placed) => {
                let (location, checks) = match content {
                    NewContent::File { number, checks } => {
                        (Some(Location::File(number)), Some(checks))
                    }
                    NewContent::Small(_) => (placed, None),
                };
                let checks = checks.as_ref().filter(|_| self.size > BLOCK);
                transaction.heal_blob(&self.digest, &record, checks)?;
                if let Some(location) = location.filter(|&place| place != record.location) {
                    let place = Place {
                        location,
                        size: self.size,
                        whole_segment: false,
                    };
                    transaction.free(&place)?;
                }
            }
        }
        transaction.link_blob(repository, &self.digest, self.size)?;
        let (key, expiry) = self.upload;
        transaction.put(Table::EndedUploads, &keys::ended_upload(expiry, key), &())
    }
}

impl Request for MountBlob {
    type Answer = BlobStat;
    type Refusal = BlobError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<BlobStat, BlobError> {
        let record = lookup::blob(transaction, &self.source, &self.digest);
        let Some(record) = lookup::unless_damaged(record)? else {
            return Err(BlobError::Unknown {
                digest: self.digest,
                repository: self.source,
            });
        };
        let repository = transaction.repository(&self.repository)?;
        transaction.link_blob(repository, &self.digest, record.size)?;
        Ok(BlobStat {
            digest: self.digest,
            size: record.size,
        })
    }
}

impl Request for DeleteBlob {
    type Answer = ();
    type Refusal = BlobError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), BlobError> {
        let found = lookup::blob_link(transaction, &self.repository, &self.digest)?;
        let Self {
            repository: name,
            digest,
            refuse_referenced,
        } = self;
        let Some((repository, link)) = found else {
            let repository = name;
            return Err(BlobError::Unknown { digest, repository });
        };
        let by = if refuse_referenced {
            lookup::linking_manifest(transaction, repository, &digest)?
        } else {
            None
        };
        if let Some(by) = by {
            return Err(BlobError::Referenced {
                digest,
                repository: name,
                by,
            });
        }
        garbage::check_unlink(transaction, repository, &digest)?;
        transaction.unlink_blob(repository, &digest, &link)?;
        Ok(())
    }
}

impl Request for LeaseBlob {
    type Answer = ();
    type Refusal = BlobError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), BlobError> {
        // It may have been collected since the caller read of it: then it must not be told of.
        let found = lookup::blob_link(transaction, &self.repository, &self.digest)?;
        let Some((repository, link)) = found else {
            let Self {
                repository, digest, ..
            } = self;
            return Err(BlobError::Unknown { digest, repository });
        };
        let Some(due) = link.due else {
            return Ok(());
        };
        let digest = &self.digest;
        let now = transaction.now.time;
        let key = keys::candidate(due, repository, digest);
        let candidate = match transaction.record::<CandidateRecord>(Table::Candidates, &key) {
            Ok(Some(candidate)) => candidate,
            // Its damage protected it until now; written anew, it begins once more.
            Ok(None) | Err(StorageError::Corrupt(_)) => CandidateRecord {
                since: now,
                leased: now,
            },
            Err(error) => return Err(error.into()),
        };
        if candidate.leased >= now.after(self.lease) {
            return Ok(());
        }
        // Twice as long as the client is promised, so that most of its questions write nothing.
        let leased = now.after(self.lease.saturating_mul(2));
        let since = candidate.since;
        let longer = due.max(leased);
        transaction.remove(Table::Candidates, &key)?;
        transaction.put(
            Table::Candidates,
            &keys::candidate(longer, repository, digest),
            &CandidateRecord { since, leased },
        )?;
        let link = LinkRecord {
            due: Some(longer),
            ..link
        };
        let key = keys::in_repository(repository, digest);
        transaction.put(Table::BlobLinks, &key, &link)?;
        Ok(())
    }
}

impl Request for MarkDamaged {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    /// What was found damaged is not served again after a power cut either.
    fn is_barrier(&self) -> bool {
        true
    }

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        let key = self.digest.to_key();
        let record = transaction.record::<BlobRecord>(Table::Blobs, &key)?;
        match record {
            Some(record) if record.location == self.location && !record.damaged => {
                let damaged = true;
                transaction.put(Table::Blobs, &key, &BlobRecord { damaged, ..record })
            }
            _ => Ok(()),
        }
    }
}

impl Request for EndUpload {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        let key = keys::ended_upload(self.expiry, self.key);
        transaction.put(Table::EndedUploads, &key, &())
    }
}

/// The check of a blob of at most one block; zero for others, whose checks have a table.
fn only(checks: &[u32]) -> u32 {
    match checks {
        [check] => *check,
        _ => 0,
    }
}
