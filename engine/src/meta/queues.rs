//! The collector's queues: what is due, what is invisible, what can be freed.

use super::codec::Record as _;
use super::records::Place;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::write_collect::{self, Collected};
use super::{Metadata, keys};
use crate::clock::EngineTime;
use crate::fault::StorageError;
use crate::options::Durability;

// === impl Metadata ===

impl Metadata {
    /// Takes blobs whose grace has passed out of their repositories, a bounded number of them.
    pub(crate) async fn collect_due(&self) -> Result<Collected, StorageError> {
        self.ask(write_collect::CollectDue).await
    }

    /// Whether a blob's grace has passed or an ended upload can be forgotten.
    pub(crate) fn is_anything_due(&self) -> Result<bool, StorageError> {
        let now = self.now();
        self.database.read(|rows| {
            Ok(is_first_due(rows, Table::Candidates, now)?
                || is_first_due(rows, Table::EndedUploads, now)?)
        })
    }

    /// Removes a bounded number of rows that are invisible already.
    pub(crate) async fn drain_rows(&self) -> Result<Collected, StorageError> {
        if self
            .database
            .read(|rows| Ok(!rows.any(Table::Drains, &[])?))?
        {
            return Ok(Collected::default());
        }
        self.ask(write_collect::DrainRows).await
    }

    /// Forgets a bounded number of ended uploads; answers whether there are more.
    pub(crate) async fn forget_uploads(&self) -> Result<bool, StorageError> {
        self.ask(write_collect::ForgetUploads).await
    }

    /// The first `limit` places whose bytes can go, with their numbers in the queue.
    pub(crate) fn places(&self, limit: usize) -> Result<Vec<(u64, Place)>, StorageError> {
        self.database.read(|rows| places(rows, limit))
    }

    /// Makes everything that was answered before durable, where it is not by itself.
    pub(crate) async fn make_durable(&self) -> Result<(), StorageError> {
        match self.durability {
            Durability::Durable => Ok(()),
            Durability::Relaxed => self.ask(write_collect::MakeDurable).await,
        }
    }

    /// Forgets places whose bytes are gone.
    pub(crate) async fn forget_places(&self, numbers: Vec<u64>) -> Result<(), StorageError> {
        self.ask(write_collect::ForgetPlaces(numbers)).await
    }

    /// Writes the engine time down.
    pub(crate) async fn keep_time(&self) -> Result<(), StorageError> {
        self.ask(write_collect::KeepTime).await
    }
}

/// Whether the first time in a table ordered by time has passed.
fn is_first_due(rows: &impl Rows, table: Table, now: EngineTime) -> Result<bool, StorageError> {
    match rows.keys(table, &[], 1)?.pop() {
        Some(key) => Ok(EngineTime(keys::split_number(table, &key)?.0) <= now),
        None => Ok(false),
    }
}

fn places(rows: &impl Rows, limit: usize) -> Result<Vec<(u64, Place)>, StorageError> {
    let mut places = Vec::new();
    rows.scan(Table::Unlinks, &[], None, &mut |key, payload| {
        let (number, _) = keys::split_number(Table::Unlinks, key)?;
        places.push((number, Place::from_payload(Table::Unlinks, payload)?));
        Ok(if places.len() < limit {
            Scan::Next
        } else {
            Scan::Stop
        })
    })?;
    Ok(places)
}
