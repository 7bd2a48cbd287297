//! When manifests were last pulled, for policies that keep what is used.
//!
//! Recorded only while a policy asks for it, at most once a step and manifest, in the batch of
//! whatever is written next; no pull waits for it. A crash may forget the last one.

use super::Metadata;
use super::commit::Request;
use super::keys;
use super::lookup;
use super::rows::Rows;
use super::tables::Table;
use super::transaction::Transaction;
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::RepositoryName;

/// The row in `Settings` of the time since which pulls are recorded.
pub(super) const PULLS_SINCE: &[u8] = b"pulls-since";

/// How coarse the recorded times of pulls are, in milliseconds: one write an hour and manifest.
pub(super) const PULL_STEP: u64 = 60 * 60 * 1000;

/// Notes that a manifest was pulled or told of.
#[derive(Debug, Clone)]
struct NotePull {
    repository: RepositoryName,
    digest: Digest,
}

/// Begins or ends the recording of pulls.
#[derive(Debug, Clone)]
struct RecordPulls(bool);

// === impl Metadata ===

impl Metadata {
    /// Since when pulls are recorded; `None`: they are not.
    pub(crate) fn pulls_since(&self) -> Result<Option<EngineTime>, StorageError> {
        self.database.read(|rows| {
            let since = rows.record::<u64>(Table::Settings, PULLS_SINCE)?;
            Ok(since.map(EngineTime))
        })
    }

    /// Begins or ends the recording of pulls. Writes nothing if it is so already.
    pub(crate) async fn record_pulls(&self, wanted: bool) -> Result<(), StorageError> {
        if self.pulls_since()?.is_some() == wanted {
            return Ok(());
        }
        self.ask(RecordPulls(wanted)).await
    }

    /// Notes that a manifest was pulled, unless that was noted within the last hour. Does not wait
    /// for it to be written; a crash may forget it.
    pub(crate) fn note_pull(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), StorageError> {
        let now = self.now();
        let is_news = self.database.read(|rows| {
            Ok(match lookup::repository(rows, repository)? {
                Some(id) => is_pull_news(rows, id, digest, now)?,
                None => false,
            })
        })?;
        if is_news {
            let (repository, digest) = (repository.clone(), *digest);
            self.tell(NotePull { repository, digest });
        }
        Ok(())
    }
}

// === requests ===

impl Request for NotePull {
    type Answer = ();
    type Refusal = StorageError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        let now = transaction.now.time;
        let Some(id) = lookup::repository(transaction, &self.repository)? else {
            return Ok(());
        };
        let is_there = lookup::manifest(transaction, id, &self.digest)?.is_some();
        if is_there && is_pull_news(transaction, id, &self.digest, now)? {
            let key = keys::in_repository(id, &self.digest);
            transaction.put(Table::Pulls, &key, &now.0)?;
        }
        Ok(())
    }
}

impl Request for RecordPulls {
    type Answer = ();
    type Refusal = StorageError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        if self.0 {
            let now = transaction.now.time.0;
            transaction.put(Table::Settings, PULLS_SINCE, &now)
        } else {
            transaction.remove(Table::Settings, PULLS_SINCE)
        }
    }
}

/// Whether the last recorded pull is so long ago that another one is to be written, or damaged.
fn is_pull_news(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
    now: EngineTime,
) -> Result<bool, StorageError> {
    let key = keys::in_repository(repository, digest);
    let last = rows.undamaged::<u64>(Table::Pulls, &key)?;
    Ok(last.is_none_or(|last| now.0.saturating_sub(last) >= PULL_STEP))
}
