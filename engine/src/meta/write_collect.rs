//! The collector's transactions, but for the draining of rows. Each does a bounded piece of work.
//!
//! Damage in one row sets that row aside and lets the rest go on (see `garbage`): everything that a
//! removal reads is read before it writes, so no batch fails on it.

use super::commit::{Request, Staged};
use super::garbage::{self, Candidate, DamagedRow};
use super::keys;
use super::records::{CollectorRecord, FileRecord, Place};
use super::requests::{Cut, Location};
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::Transaction;
use crate::clock::EngineTime;
use crate::fault::StorageError;

/// Rows one transaction of the collector touches at most, so that it delays no other for long.
pub(super) const BATCH: usize = 256;

/// The row of [`CollectorRecord`] in `Settings`.
pub(super) const ORDERS: &[u8] = b"collector";

/// What a transaction of the collector did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Collected {
    /// Blobs that left a repository.
    pub(crate) unlinked: u64,
    /// Blobs that left the store.
    pub(crate) removed: u64,
    /// The bytes of those.
    pub(crate) bytes: u64,
}

/// Takes blobs out of their repositories that were found to be garbage, if they still are.
#[derive(Debug, Clone)]
pub(super) struct RemoveBlobs {
    pub(super) cut: Cut,
    pub(super) candidates: Vec<Candidate>,
}

/// Keeps an order to the collector.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepOrders(pub(super) CollectorRecord);

/// Forgets ended uploads whose ids have expired.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForgetUploads;

/// Forgets places whose bytes are gone.
#[derive(Debug, Clone)]
pub(super) struct ForgetPlaces(pub(super) Vec<u64>);

/// Forgets ranges of file numbers that were compared with the records, but for some numbers in them,
/// and segments in them that hold nothing.
#[derive(Debug, Clone)]
pub(super) struct ForgetFiles {
    pub(super) ranges: Vec<u64>,
    /// Numbers of files that may be left without a record later.
    pub(super) kept: Vec<u64>,
    pub(super) empty_segments: Vec<u64>,
}

/// Lets what is written from now on go into another segment than this one.
#[derive(Debug, Clone, Copy)]
pub(super) struct RollSegment(pub(super) u64);

/// Makes everything before it durable, relaxed or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct MakeDurable;

/// Writes nothing but what every commit writes: the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepTime;

// === requests ===

impl Request for RemoveBlobs {
    type Answer = (Collected, Vec<DamagedRow>);
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<Self::Answer, StorageError> {
        let mut collected = Collected::default();
        let mut damaged = Vec::new();
        for candidate in &self.candidates {
            let (repository, digest) = (candidate.repository, &candidate.digest);
            match garbage::still_garbage(transaction, &self.cut, candidate) {
                Ok(None) => {}
                Ok(Some(link)) => {
                    let bytes = transaction.unlink_blob(repository, digest, &link)?;
                    collected.count(bytes);
                }
                Err(StorageError::Corrupt(damage)) => {
                    let key = keys::candidate(candidate.due, repository, digest);
                    damaged.push(DamagedRow::new(Table::Candidates, &key, &damage));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((collected, damaged))
    }
}

impl Request for KeepOrders {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    /// A pause holds over a power cut, and so does the order to resume.
    fn is_barrier(&self) -> bool {
        true
    }

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        transaction.put(Table::Settings, ORDERS, &self.0)
    }
}

impl Request for ForgetUploads {
    type Answer = bool;
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<bool, StorageError> {
        let now = transaction.now.time;
        let mut expired = Vec::new();
        transaction.scan_any(Table::EndedUploads, &[], None, &mut |key, payload| {
            // Damaged ones stay: they hold nothing but that an upload is over.
            if payload.is_err() {
                return Ok(Scan::Next);
            }
            let (expiry, _) = keys::split_number(Table::EndedUploads, key)?;
            if EngineTime(expiry) >= now || expired.len() == BATCH {
                return Ok(Scan::Stop);
            }
            expired.push(key.to_vec());
            Ok(Scan::Next)
        })?;
        expired
            .iter()
            .try_for_each(|key| transaction.remove(Table::EndedUploads, key))?;
        Ok(expired.len() == BATCH)
    }
}

impl Request for ForgetPlaces {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        for number in self.0 {
            let key = keys::number(number);
            let place = transaction.record::<Place>(Table::Unlinks, &key)?;
            transaction.remove(Table::Unlinks, &key)?;
            if let Some(place) = place {
                let waiting = &mut transaction.state.totals.waiting;
                *waiting = waiting.saturating_sub(place.size);
            }
            if let Some(Place {
                location: Location::Segment { number, .. },
                whole_segment: true,
                ..
            }) = place
            {
                remove_if_empty(transaction, number)?;
            }
        }
        Ok(())
    }
}

impl Request for ForgetFiles {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        for start in self.ranges {
            transaction.remove(Table::FileRanges, &keys::number(start))?;
        }
        for number in self.kept {
            transaction.put(Table::FileRanges, &keys::number(number), &(number + 1))?;
        }
        self.empty_segments
            .into_iter()
            .try_for_each(|number| remove_if_empty(transaction, number))
    }
}

impl Request for RollSegment {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn staged(&self) -> Staged {
        Staged::Roll(self.0)
    }

    fn apply(self, _transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Request for MakeDurable {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn is_barrier(&self) -> bool {
        true
    }

    fn apply(self, _transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Request for KeepTime {
    type Answer = ();
    type Refusal = StorageError;
    const GIVES_BACK: bool = true;

    fn apply(self, _transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        Ok(())
    }
}

fn remove_if_empty(transaction: &mut Transaction<'_>, segment: u64) -> Result<(), StorageError> {
    let key = keys::number(segment);
    match transaction.record::<FileRecord>(Table::Files, &key)? {
        Some(FileRecord::Segment { live: 0 }) => transaction.remove(Table::Files, &key),
        _ => Ok(()),
    }
}

// === impl Collected ===

impl Collected {
    /// Counts a blob that left a repository, and the bytes that came back with it.
    pub(super) fn count(&mut self, bytes: Option<u64>) {
        self.unlinked += 1;
        self.removed += u64::from(bytes.is_some());
        self.bytes += bytes.unwrap_or(0);
    }
}
