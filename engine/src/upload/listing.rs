//! What an operator sees of uploads, and how one of them is ended by its UUID alone.
//!
//! An upload without bytes that nobody has open is nowhere but in its id, so it is not among them.

use super::record::SessionRecord;
use super::slots::{About, Seen};
use super::uploads::Shared;
use super::{UploadError, UploadId, UploadUuid, Uploads};
use crate::clock::{Calendar, EngineTime};
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::name::RepositoryName;
use crate::page::{Listing, Page};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// How often cancelling fences a client that goes on with the upload at the same moment.
const FENCES: u32 = 8;

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadDetail {
    /// Its UUID.
    pub uuid: UploadUuid,
    /// Where it will be a blob; `None` when its record cannot be read.
    pub repository: Option<RepositoryName>,
    /// Bytes received, or those that count if it is at rest.
    pub offset: u64,
    /// When it was started, in milliseconds since the epoch. This and `updated` are reckoned back
    /// from when it ends, with the present `Options::upload_lifetime`, in engine time, which stands
    /// still while the store is closed.
    pub started: Option<u64>,
    /// When its progress was last written down; `None`: it was not yet.
    pub updated: Option<u64>,
    /// When it ends without further progress, in engine time. Zero: at the collector's next turn.
    pub expires_in: Option<Duration>,
    /// Somebody has it open.
    pub active: bool,
}

// === impl Uploads ===

impl Uploads {
    /// A page of the uploads, in the order of their UUIDs. Reads all their names, and the records of
    /// those on the page.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub(crate) async fn list(
        &self,
        page: Page<UploadUuid>,
    ) -> Result<Listing<UploadDetail>, StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.list(&page)).await
    }

    /// Ends an upload, whoever has it open, and gives its space back; answers whether there was one.
    ///
    /// # Errors
    /// [`UploadError::Storage`]; [`UploadError::Fenced`] when clients opened it again and again.
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub(crate) async fn cancel(&self, uuid: UploadUuid) -> Result<bool, UploadError> {
        let shared = Arc::clone(&self.shared);
        let Some(about) = blocking(move || shared.about(uuid)).await? else {
            return Ok(false);
        };
        let facts = (about.algorithm, about.id_expiry);
        let key = self.shared.records.upload_key();
        let id = UploadId::again(key, uuid, &about.repository, facts);
        let mut fences = 0;
        loop {
            let outcome = match self.resume(&about.repository, &id).await {
                Ok(session) => session.cancel().await,
                Err(refusal) => Err(refusal),
            };
            match outcome {
                Ok(()) => return Ok(true),
                // It was finished or cancelled meanwhile.
                Err(UploadError::Unknown(_)) => return Ok(false),
                Err(UploadError::Fenced(_)) if fences < FENCES => fences += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

// === impl Shared ===

impl Shared {
    fn list(&self, page: &Page<UploadUuid>) -> Result<Listing<UploadDetail>, StorageError> {
        let mut uploads = self.sessions.list()?;
        uploads.extend(self.slots.keys());
        let after = page
            .after
            .map_or(Bound::Unbounded, |UploadUuid(after)| Bound::Excluded(after));
        let calendar = self.records.calendar();
        let mut items = Vec::new();
        for &upload in uploads.range((after, Bound::Unbounded)) {
            let Some(detail) = self.detail(UploadUuid(upload), calendar)? else {
                continue;
            };
            if items.len() == page.limit {
                return Ok(Listing { items, more: true });
            }
            items.push(detail);
        }
        Ok(Listing { items, more: false })
    }

    /// What is known of an upload, unless it is over.
    fn detail(
        &self,
        uuid: UploadUuid,
        calendar: Calendar,
    ) -> Result<Option<UploadDetail>, StorageError> {
        let open = self.slots.about(uuid.0);
        let record = match self.sessions.load(uuid.0) {
            Err(StorageError::Corrupt(_)) if open.is_none() => return Ok(Some(unreadable(uuid))),
            Err(StorageError::Corrupt(_)) => None,
            loaded => loaded?,
        };
        let offset = match &open {
            Some((_, Seen::Over)) => return Ok(None),
            Some((_, Seen::Offset(offset))) => Some(*offset),
            Some((_, Seen::Nothing)) | None => None,
        };
        if offset.is_none() && !self.is_at_rest(record.as_ref())? {
            return Ok(None);
        }
        let at_rest = record.as_ref().map(|record| {
            let counting = record.checkpoint(&self.boot_id).offset;
            (About::from(record), counting, record.expiry)
        });
        let about = at_rest.as_ref().map(|(about, ..)| about.clone());
        let Some(about) = about.or(open.map(|(about, _)| about)) else {
            return Ok(None);
        };
        let begun = |expiry: EngineTime| {
            let time = expiry.before(self.settings.lifetime);
            time.map(|time| calendar.date(time))
        };
        let expiry = at_rest.as_ref().map_or(about.id_expiry, |&(_, _, at)| at);
        Ok(Some(UploadDetail {
            uuid,
            offset: offset
                .or(at_rest.as_ref().map(|&(_, offset, _)| offset))
                .unwrap_or_default(),
            started: begun(about.id_expiry),
            updated: at_rest.and_then(|(_, _, expiry)| begun(expiry)),
            expires_in: Some(calendar.now.until(expiry)),
            active: offset.is_some(),
            repository: Some(about.repository),
        }))
    }

    /// Whether a record is of an upload that can go on.
    fn is_at_rest(&self, record: Option<&SessionRecord>) -> Result<bool, StorageError> {
        let Some(record) = record else {
            return Ok(false);
        };
        let is_over = self
            .records
            .is_upload_ended(record.upload, record.id_expiry)?
            || self.records.file_holder(record.file)?.is_some();
        Ok(!is_over)
    }

    /// What an upload is that is open or at rest.
    fn about(&self, uuid: UploadUuid) -> Result<Option<About>, StorageError> {
        if let Some((about, _)) = self.slots.about(uuid.0) {
            return Ok(Some(about));
        }
        Ok(self.sessions.load(uuid.0)?.as_ref().map(About::from))
    }
}

impl From<&SessionRecord> for About {
    fn from(record: &SessionRecord) -> Self {
        Self {
            repository: record.repository.clone(),
            algorithm: record.algorithm,
            id_expiry: record.id_expiry,
        }
    }
}

/// An upload whose record is damaged: it goes at the collector's next turn.
fn unreadable(uuid: UploadUuid) -> UploadDetail {
    UploadDetail {
        uuid,
        repository: None,
        offset: 0,
        started: None,
        updated: None,
        expires_in: Some(Duration::ZERO),
        active: false,
    }
}
