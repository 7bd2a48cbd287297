//! The end of uploads nobody goes on with, and which files belong to uploads.

use super::Uploads;
use super::uploads::Shared;
use crate::clock::EngineTime;
use crate::disk::blocking;
use crate::fault::StorageError;
use std::collections::HashSet;
use std::sync::Arc;

// === impl Uploads ===

impl Uploads {
    /// Removes what is left of uploads that have expired or ended; answers how many had expired.
    /// Uploads that somebody works on are not touched.
    ///
    /// # Errors
    /// [`StorageError`]: the run stopped there; the next one goes on.
    ///
    /// # Cancel safety
    /// Cancel safe: an upload whose removal began is removed to its end.
    pub(crate) async fn expire(&self) -> Result<u64, StorageError> {
        let shared = Arc::clone(&self.shared);
        let now = shared.records.now();
        let listed = blocking(move || shared.sessions.list()).await?;
        let mut expired = 0;
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
                let removed = shared.remove_if_over(upload, now);
                // Held until here, even if the caller goes away: who resumes the upload waits.
                drop((place, slot));
                removed
            });
            expired += u64::from(removed.await?);
        }
        Ok(expired)
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

    /// Removes an upload nobody has open, if it is over; answers whether it had expired. Blocks.
    fn remove_if_over(&self, upload: [u8; 16], now: EngineTime) -> Result<bool, StorageError> {
        let record = match self.sessions.load(upload) {
            Ok(Some(record)) => record,
            Ok(None) => {
                // The beginnings of a record that a process left when it died.
                self.sessions.remove(upload)?;
                return Ok(false);
            }
            Err(StorageError::Corrupt(damage)) => {
                // A power cut may leave such a record. Nobody can go on with the upload, and its
                // file is found as an orphan.
                tracing::warn!(%damage, "removing the record of an upload that cannot go on");
                self.sessions.remove(upload)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let has_expired = record.expiry <= now;
        let is_over = has_expired || self.records.is_upload_ended(upload, record.id_expiry)?;
        let is_blob = self.records.file_holder(record.file)?.is_some();
        if !is_over && !is_blob {
            return Ok(false);
        }
        if !is_blob {
            self.store.remove_file(record.file)?;
        }
        self.sessions.remove(upload)?;
        Ok(has_expired && !is_blob)
    }
}
