//! The end of uploads nobody goes on with, and which files belong to uploads.

use super::Uploads;
use super::uploads::Shared;
use crate::clock::EngineTime;
use crate::disk::blocking;
use crate::fault::StorageError;
use std::collections::HashSet;
use std::sync::Arc;

/// Whether uploads that are over are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    Remove,
    /// They are left, and counted.
    Count,
}

/// What came of looking for uploads that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Expired {
    /// Those that had expired.
    pub(crate) uploads: u64,
    /// What clients had sent of them.
    pub(crate) bytes: u64,
    /// Those that could not be read or removed.
    pub(crate) failed: u64,
}

// === impl Uploads ===

impl Uploads {
    /// Removes what is left of uploads that have expired or ended, or only counts those that have
    /// expired. Uploads that somebody works on are not touched. One that cannot be read or removed
    /// is counted and left for the next time; it ends nothing for the others.
    ///
    /// # Errors
    /// [`StorageError`]: the uploads could not be listed.
    ///
    /// # Cancel safety
    /// Cancel safe: an upload whose removal began is removed to its end.
    pub(crate) async fn expire(&self, sweep: Sweep) -> Result<Expired, StorageError> {
        let shared = Arc::clone(&self.shared);
        let now = shared.records.now();
        let listed = blocking(move || shared.sessions.list()).await?;
        let mut expired = Expired::default();
        for upload in listed {
            if self.shared.slots.contains(upload) {
                continue;
            }
            let slot = self.shared.slots.enter(upload);
            let Ok(place) = Arc::clone(&slot.writer).try_lock_owned() else {
                continue;
            };
            if place.is_some() {
                continue;
            }
            let shared = Arc::clone(&self.shared);
            let removed = blocking(move || {
                let removed = shared.remove_if_over(upload, now, sweep);
                // Held until here, even if the caller goes away: who resumes the upload waits.
                drop((place, slot));
                removed
            });
            match removed.await {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    expired.uploads += 1;
                    expired.bytes += bytes;
                }
                Err(StorageError::Closed) => return Err(StorageError::Closed),
                Err(error) => {
                    tracing::error!(%error, "an upload that is over could not be removed");
                    expired.failed += 1;
                }
            }
        }
        Ok(expired)
    }

    /// How many uploads there are, and what clients sent of those at rest. Damaged records count as
    /// nothing sent: nobody can go on with them.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub(crate) async fn sizes(&self) -> Result<(u64, u64), StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let listed = shared.sessions.list()?;
            let (mut uploads, mut bytes) = (listed.len() as u64, 0);
            for upload in shared.slots.keys() {
                uploads += u64::from(!listed.contains(&upload));
            }
            for upload in listed {
                bytes += shared.sent(upload)?;
            }
            Ok((uploads, bytes))
        })
        .await
    }

    /// The numbers of the data files that belong to uploads, open ones and ones at rest.
    ///
    /// # Errors
    /// [`StorageError`]: then no file may be taken for an orphan.
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub(crate) async fn live_files(&self) -> Result<HashSet<u64>, StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            // In this order: an upload that comes to rest in between is in the second list, and
            // one that is opened in between is there still.
            let mut files: HashSet<u64> = shared.slots.files().into_iter().collect();
            for upload in shared.sessions.list()? {
                files.extend(shared.file_at_rest(upload)?);
            }
            Ok(files)
        })
        .await
    }
}

// === impl Shared ===

impl Shared {
    /// The data file an upload's record names. Blocks.
    fn file_at_rest(&self, upload: [u8; 16]) -> Result<Option<u64>, StorageError> {
        match self.sessions.load(upload) {
            // Nobody can go on with it, so its file is nobody's.
            Err(StorageError::Corrupt(_)) => Ok(None),
            loaded => Ok(loaded?.map(|record| record.file)),
        }
    }

    /// The bytes clients sent of an upload at rest. Blocks.
    fn sent(&self, upload: [u8; 16]) -> Result<u64, StorageError> {
        match self.sessions.load(upload) {
            Err(StorageError::Corrupt(_)) => Ok(0),
            loaded => Ok(loaded?.map_or(0, |record| record.written.offset)),
        }
    }

    /// Removes an upload nobody has open, if it is over; answers how many bytes had been sent if it
    /// had expired. Blocks.
    fn remove_if_over(
        &self,
        upload: [u8; 16],
        now: EngineTime,
        sweep: Sweep,
    ) -> Result<Option<u64>, StorageError> {
        let record = match self.sessions.load(upload) {
            Ok(Some(record)) => record,
            Ok(None) | Err(StorageError::Corrupt(_)) if sweep == Sweep::Count => return Ok(None),
            Ok(None) => {
                // The beginnings of a record that a process left when it died.
                self.sessions.remove(upload)?;
                return Ok(None);
            }
            Err(StorageError::Corrupt(damage)) => {
                // A power cut may leave such a record. Nobody can go on with the upload, and its
                // file is found as an orphan.
                tracing::warn!(%damage, "removing the record of an upload that cannot go on");
                self.sessions.remove(upload)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let has_expired = record.expiry <= now;
        let is_over = has_expired || self.records.is_upload_ended(upload, record.id_expiry)?;
        let is_blob = self.records.file_holder(record.file)?.is_some();
        if !is_over && !is_blob {
            return Ok(None);
        }
        let sent = (has_expired && !is_blob).then_some(record.written.offset);
        if sweep == Sweep::Count {
            return Ok(sent);
        }
        if !is_blob {
            self.store.remove_file(record.file)?;
        }
        self.sessions.remove(upload)?;
        Ok(sent)
    }
}
