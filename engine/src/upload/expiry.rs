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
enum Sweep {
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
    /// The rest was left, because bytes may not be freed now.
    pub(crate) is_held: bool,
}

/// What is to be done with an upload nobody has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// It is over.
    Goes {
        /// Its data file, if that is no blob's.
        file: Option<u64>,
        /// The bytes clients had sent, if it goes because it has expired.
        expired: Option<u64>,
    },
}

/// One look at all uploads.
struct Pass {
    now: EngineTime,
    sweep: Sweep,
    /// Engine time was written down, not before `now`.
    is_time_kept: bool,
}

// === impl Uploads ===

impl Uploads {
    /// Removes what is left of uploads that have expired or ended. Uploads that somebody works on are
    /// not touched. One that cannot be read or removed is counted and left for the next time; it ends
    /// nothing for the others.
    ///
    /// `leave` is asked before each one for the right to free bytes: the file of an upload that has
    /// ended may be that of a blob which was deleted since.
    ///
    /// # Errors
    /// [`StorageError`]: the uploads could not be listed.
    ///
    /// # Cancel safety
    /// Cancel safe: an upload whose removal began is removed to its end.
    pub(crate) async fn expire<R: Send + 'static>(
        &self,
        leave: impl Fn() -> Option<R> + Send,
    ) -> Result<Expired, StorageError> {
        self.look(Sweep::Remove, leave).await
    }

    /// Counts uploads that have expired, and removes none.
    ///
    /// # Errors
    /// [`StorageError`]: the uploads could not be listed.
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub(crate) async fn count_expired(&self) -> Result<Expired, StorageError> {
        self.look(Sweep::Count, || Some(())).await
    }

    async fn look<R: Send + 'static>(
        &self,
        sweep: Sweep,
        leave: impl Fn() -> Option<R> + Send,
    ) -> Result<Expired, StorageError> {
        let shared = Arc::clone(&self.shared);
        let mut pass = Pass {
            now: shared.records.now(),
            sweep,
            is_time_kept: false,
        };
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
            let Some(right) = leave() else {
                expired.is_held = true;
                return Ok(expired);
            };
            match self
                .expire_one(upload, (place, slot, right), &mut pass)
                .await
            {
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

    /// Looks at one upload, whose slot, writer's place and right to free bytes are held by `hold`;
    /// answers how many bytes had been sent if it had expired.
    async fn expire_one(
        &self,
        upload: [u8; 16],
        hold: impl Send + 'static,
        pass: &mut Pass,
    ) -> Result<Option<u64>, StorageError> {
        let (shared, now) = (Arc::clone(&self.shared), pass.now);
        let Fate::Goes { file, expired } = blocking(move || shared.fate(upload, now)).await? else {
            return Ok(None);
        };
        if pass.sweep == Sweep::Count {
            return Ok(expired);
        }
        if expired.is_some() && !pass.is_time_kept {
            // A power cut may take the removal back: it must not take the time back as well.
            self.shared.records.keep_time().await?;
            pass.is_time_kept = true;
        }
        // Nor may it bring back an upload that had ended, or a blob whose record went and whose file
        // this is.
        self.shared.records.make_durable().await?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let removed = shared.remove_over(upload, file);
            // Held until here, even if the caller goes away: who resumes the upload waits, and who
            // copies files begins afterwards.
            drop(hold);
            removed
        })
        .await?;
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

    /// What is to be done with an upload nobody has open. Blocks.
    fn fate(&self, upload: [u8; 16], now: EngineTime) -> Result<Fate, StorageError> {
        let nothing_but_the_record = Fate::Goes {
            file: None,
            expired: None,
        };
        let record = match self.sessions.load(upload) {
            Ok(Some(record)) => record,
            // The beginnings of a record that a process left when it died.
            Ok(None) => return Ok(nothing_but_the_record),
            Err(StorageError::Corrupt(damage)) => {
                // A power cut may leave such a record. Nobody can go on with the upload, and its
                // file is found as an orphan.
                tracing::warn!(%damage, "the record of an upload that cannot go on is to go");
                return Ok(nothing_but_the_record);
            }
            Err(error) => return Err(error),
        };
        let has_expired = record.expiry <= now;
        let is_over = has_expired || self.records.is_upload_ended(upload, record.id_expiry)?;
        let is_blob = self.records.file_holder(record.file)?.is_some();
        if !is_over && !is_blob {
            return Ok(Fate::Stays);
        }
        Ok(Fate::Goes {
            file: (!is_blob).then_some(record.file),
            expired: (has_expired && !is_blob).then_some(record.written.offset),
        })
    }

    /// Removes what is left of an upload that is over: its data file, if one is named, and its
    /// record last. Blocks.
    fn remove_over(&self, upload: [u8; 16], file: Option<u64>) -> Result<(), StorageError> {
        if let Some(number) = file {
            self.store.remove_file(number)?;
        }
        self.sessions.remove(upload)
    }
}
