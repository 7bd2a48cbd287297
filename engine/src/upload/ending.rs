//! How an upload ends: as a blob, discarded, or failed.
//!
//! What is removed in which order, so that a process that dies in between leaves nothing wrong:
//! 1. A blob: the commit first (it also remembers the upload as ended), then the record.
//! 2. Discarded: remembered as ended first, then the file, the record last: as long as there is
//!    work left, the record is there for the next expiry run to do it.
//! 3. Failed: the file first. After a failed sync it may not hold what the record's hash state says,
//!    and without it the record leads nowhere. Then the upload is remembered as ended, and the record
//!    goes last, for the reason of 2; only if nothing else can be done it goes alone.

use super::UploadError;
use super::writer::{Mark, Writer};
use crate::digest::Digest;
use crate::digest::hasher::Hasher;
use crate::disk::blocking;
use crate::fault::{Corruption, StorageError};
use crate::meta::{BLOCK, CommitBlob, NewContent};
use crate::options::Durability;
use bytes::Bytes;
use std::sync::Arc;

// === impl Writer ===

impl Writer {
    /// Makes the content a blob if it is what `claimed` says, and ends the upload; returns the
    /// size. When that fails for another reason than the content, the upload is at rest.
    pub(super) async fn finish(mut self, claimed: &Digest) -> Result<u64, UploadError> {
        match self.commit(claimed).await {
            Ok(size) => Ok(size),
            Err(UploadError::Storage(error)) => {
                if let Err(error) = self.settle().await {
                    tracing::warn!(%error, "an upload could not be brought to rest");
                }
                Err(error.into())
            }
            Err(refusal) => {
                self.discard().await?;
                Err(refusal)
            }
        }
    }

    /// Brings the upload to rest, or to its end if it failed; returns its offset.
    pub(super) async fn settle(mut self) -> Result<u64, StorageError> {
        let outcome = self.rest().await;
        // What was refused may have been refused before the writes in front of it were done. They
        // would go on in a file that is cut or removed here, or that a next session has opened.
        if self.failed.is_some()
            && let Err(error) = self.calm().await
        {
            tracing::debug!(%error, "the last writes of an upload that failed");
        }
        match self.failed.clone() {
            Some(_) if self.may_be_committed => {}
            Some(failure) if failure.is_over => self.end_failed().await,
            Some(_) => self.take_back().await,
            None => {}
        }
        outcome
    }

    /// Ends the upload and gives its space back.
    pub(super) async fn discard(mut self) -> Result<(), StorageError> {
        if let Err(error) = self.wait().await {
            tracing::debug!(%error, "a discarded upload had failed");
        }
        let (upload, expiry) = (self.facts.upload, self.facts.id_expiry);
        self.shared.records.end_upload(upload, expiry).await?;
        let Some(number) = self.number else {
            return Ok(());
        };
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            shared.store.remove_file(number)?;
            shared.sessions.remove(upload)
        })
        .await
    }

    async fn commit(&mut self, claimed: &Digest) -> Result<u64, UploadError> {
        self.catch_up().await;
        self.wait().await?;
        let size = self.offset();
        let (own, checks) = self.hashing.clone().finish();
        let is_announced = own.algorithm() == claimed.algorithm();
        if is_announced {
            expect(claimed, own)?;
        }
        let is_small = size <= self.shared.settings.small_blob_limit;
        let content = if is_small {
            let content = self.small_content(&own, &checks).await?;
            expect(claimed, Digest::of(claimed.algorithm(), &content))?;
            NewContent::Small(content)
        } else {
            self.flush(Mark::Never).await?;
            self.wait().await?;
            if !is_announced {
                let hasher = Hasher::new(claimed.algorithm());
                expect(claimed, self.digest_again(hasher).await?)?;
            }
            if self.shared.settings.durability == Durability::Durable {
                self.sync().await?;
            }
            let number = self.number.expect("a flush takes a number");
            NewContent::File { number, checks }
        };
        let commit = CommitBlob {
            repository: self.facts.repository.clone(),
            digest: *claimed,
            size,
            content,
            upload: (self.facts.upload, self.facts.id_expiry),
        };
        self.may_be_committed = true;
        if let Err(error) = self.shared.records.commit_blob(commit).await {
            // A full disk is a clean refusal; of other errors the outcome may be unknown.
            self.may_be_committed = !error.is_full();
            return Err(error.into());
        }
        self.remove_leftovers(is_small).await;
        Ok(size)
    }

    /// The content of a small blob: what is pending, or its file read back and checked.
    async fn small_content(&mut self, own: &Digest, checks: &[u32]) -> Result<Bytes, StorageError> {
        if self.number.is_none() {
            return Ok(self.pending.joined());
        }
        self.flush(Mark::Never).await?;
        self.wait().await?;
        let (file, path) = (self.open_file(), self.path());
        let size = usize::try_from(self.offset()).unwrap_or(usize::MAX);
        let read = blocking(move || {
            let mut content = vec![0; size];
            file.read_exact_at(&mut content, 0)
                .map_err(|error| StorageError::io("read", &path, error))?;
            Ok(content)
        });
        let content = read.await?;
        let block = usize::try_from(BLOCK).expect("a block fits into memory");
        let read_checks = content.chunks(block).map(crc32c::crc32c);
        if !read_checks.eq(checks.iter().copied()) {
            return Err(self.fail(Corruption::Blob(*own).into()));
        }
        Ok(content.into())
    }

    async fn sync(&mut self) -> Result<(), StorageError> {
        let (file, path) = (self.open_file(), self.path());
        let synced = blocking(move || {
            file.sync()
                .map_err(|error| StorageError::not_synced("sync", &path, error))
        });
        synced.await.map_err(|error| self.fail(error))
    }

    /// Removes what the blob does not need. It is committed: an error is only logged, and the next
    /// expiry run finds the record of an upload that has ended.
    async fn remove_leftovers(&self, is_small: bool) {
        let Some(number) = self.number else {
            return;
        };
        let (shared, upload) = (Arc::clone(&self.shared), self.facts.upload);
        let removed = blocking(move || {
            if is_small {
                shared.store.remove_file(number)?;
            }
            shared.sessions.remove(upload)
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "the record of a finished upload is left for the next expiry run");
        }
    }

    /// Ends an upload whose medium failed. Its error was answered already; what fails here is
    /// logged.
    async fn end_failed(self) {
        let (shared, upload) = (Arc::clone(&self.shared), self.facts.upload);
        let removed = match self.number {
            Some(number) => blocking(move || shared.store.remove_file(number)).await,
            None => Ok(()),
        };
        let ended = (self.shared.records).end_upload(upload, self.facts.id_expiry);
        let ended = ended.await;
        let is_record_needed = removed.is_err() && ended.is_ok();
        let shared = Arc::clone(&self.shared);
        let forgotten = if is_record_needed {
            Ok(())
        } else {
            // Either nothing is left that it leads to, or it must not lead there.
            blocking(move || shared.sessions.remove(upload)).await
        };
        if let Err(error) = removed.and(ended).and(forgotten) {
            tracing::error!(%error, "an upload that failed could not be removed");
        }
    }

    /// Cuts the file back to where the upload was at rest, to give the space back.
    async fn take_back(self) {
        let Some(number) = self.number else {
            return;
        };
        let path = self.path();
        let (shared, file) = (Arc::clone(&self.shared), Arc::clone(&self.file));
        let at_rest = self.at_rest.as_ref().map(|record| record.written.offset);
        let cut = blocking(move || match (at_rest, file.get()) {
            (None, _) => shared.store.remove_file(number),
            (Some(_), None) => Ok(()),
            (Some(offset), Some(file)) => {
                (file.set_len(offset)).map_err(|error| StorageError::io("cut", &path, error))
            }
        });
        if let Err(error) = cut.await {
            tracing::warn!(%error, "an upload keeps more space than it needs until it goes on");
        }
    }
}

fn expect(claimed: &Digest, actual: Digest) -> Result<(), UploadError> {
    if actual == *claimed {
        return Ok(());
    }
    let claimed = *claimed;
    Err(UploadError::DigestMismatch { claimed, actual })
}
