//! Where an upload nobody has open stands, and how it is opened again. Everything here blocks.
//!
//! Invariants:
//! 1. Nothing a record says is believed against the metadata: an upload that is remembered as
//!    ended, or whose file has a holder, is over whatever its record says.
//! 2. An upload whose file is gone begins anew: none of its bytes counts.
//! 3. A file is cut back to the checkpoint that counts before anything is appended to it. It is
//!    no blob yet (1), so nobody has it mapped.

use super::hashing::Hashing;
use super::id::UploadId;
use super::record::{Checkpoint, SessionRecord};
use super::uploads::Shared;
use super::writer::read_pieces;
use crate::disk::DiskFile;
use crate::fault::{Corruption, StorageError};
use crate::meta::BLOCK;
use std::sync::Arc;

/// Where an upload stands that nobody has open.
#[derive(Debug)]
pub(super) enum Standing {
    /// It never was, is over, or has expired.
    Unknown,
    /// It has no bytes, or none that count.
    Fresh,
    /// It is at rest with bytes.
    AtRest(Box<SessionRecord>),
}

/// An upload at rest, ready to go on.
#[derive(Debug)]
pub(super) struct Continued {
    pub(super) record: SessionRecord,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) hashing: Hashing,
}

// === impl Shared ===

impl Shared {
    /// Where an upload stands whose id was authenticated.
    pub(super) fn standing(&self, id: &UploadId) -> Result<Standing, StorageError> {
        if self.records.is_upload_ended(id.key(), id.expiry())? {
            return Ok(Standing::Unknown);
        }
        let now = self.records.now();
        let Some(mut record) = self.sessions.load(id.key())? else {
            let is_open = now < id.expiry();
            return Ok(if is_open {
                Standing::Fresh
            } else {
                Standing::Unknown
            });
        };
        if record.expiry <= now || self.records.file_holder(record.file)?.is_some() {
            return Ok(Standing::Unknown);
        }
        record.rebase(&self.boot_id);
        if record.written.offset > 0 && !self.store.has_file(record.file)? {
            tracing::warn!(
                file = record.file,
                "an upload's file is gone; it begins anew"
            );
            record.forget_all();
        }
        Ok(Standing::AtRest(Box::new(record)))
    }

    /// Opens an upload at rest. `None`: nothing of it counts any more, it begins anew.
    pub(super) fn reopen(&self, record: SessionRecord) -> Result<Option<Continued>, StorageError> {
        let end = record.written.offset;
        if end == 0 {
            // The record last: until the file is gone, somebody has to find it.
            self.store.remove_file(record.file)?;
            self.sessions.remove(record.upload)?;
            return Ok(None);
        }
        let file = self.store.reopen(record.file)?;
        let path = self.path(record.file);
        let len = file
            .len()
            .map_err(|error| StorageError::io("measure", &path, error))?;
        if len < end {
            let (table, why) = ("uploads", "its file is shorter than it says");
            return Err(Corruption::Record { table, why }.into());
        }
        if len > end {
            file.set_len(end)
                .map_err(|error| StorageError::io("cut", &path, error))?;
        }
        let restored = Hashing::restore(
            &record.written.state,
            record.written.hashed,
            record.checks.clone(),
            record.written.partial,
        );
        let mut hashing = match restored {
            Ok(hashing) if hashing.algorithm() == record.algorithm => hashing,
            // Another version saved the state: the content tells the same, at the cost of a read.
            _ => Hashing::new(record.algorithm),
        };
        read_pieces(&*file, hashing.offset()..end, |piece| hashing.update(piece))
            .map_err(|error| StorageError::io("read", &path, error))?;
        Ok(Some(Continued {
            record,
            file,
            hashing,
        }))
    }
}

// === impl SessionRecord ===

impl SessionRecord {
    /// Takes it into this run of the machine: what counts is all that was written.
    fn rebase(&mut self, boot_id: &str) {
        self.written = self.checkpoint(boot_id).clone();
        let blocks = usize::try_from(self.written.hashed / BLOCK).unwrap_or(usize::MAX);
        self.checks.truncate(blocks);
        boot_id.clone_into(&mut self.boot_id);
    }

    /// Counts none of its bytes any more. Under relaxed durability a power cut may take the end of
    /// an upload back, but not what that had removed.
    fn forget_all(&mut self) {
        self.written = Checkpoint::of(&Hashing::new(self.algorithm), 0);
        self.synced = self.written.clone();
        self.checks.clear();
    }
}
