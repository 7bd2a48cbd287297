//! [`SessionStore`]: where the records of uploads at rest are kept, and the files that do it here.
//!
//! A store of its own, apart from the metadata: a record is replaced at every chunk, and must
//! survive the death of the process without the cost of a durable commit. In a cluster it would be
//! a row of a table. Its calls block.

use super::record::SessionRecord;
use crate::disk::{Disk, DiskFile};
use crate::fault::{Corruption, StorageError};
use crate::layout::{Layout, parse_session};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// What a saved record has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Survives {
    /// The death of the process.
    Death,
    /// A power cut, too.
    PowerCut,
}

/// The records of uploads at rest.
///
/// # Contract
/// 1. A saved record replaces the one before as a whole: a reader sees one of the two.
/// 2. After the death of the process the last saved record is there; after a power cut it, an
///    earlier one, or none, but none earlier than the last that was saved to survive it.
pub(super) trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Saves a record in place of the one of the same upload.
    fn save(&self, record: &SessionRecord, survives: Survives) -> Result<(), StorageError>;

    /// The record of an upload, if there is one that can be read. [`StorageError::Corrupt`] when
    /// one is damaged that was saved to survive a power cut.
    fn load(&self, upload: [u8; 16]) -> Result<Option<SessionRecord>, StorageError>;

    /// Removes the record of an upload, if there is one.
    fn remove(&self, upload: [u8; 16]) -> Result<(), StorageError>;

    /// The uploads that have a record, or the beginnings of one.
    fn list(&self) -> Result<BTreeSet<[u8; 16]>, StorageError>;
}

/// A record, or why the bytes are none.
type Decoded = Result<SessionRecord, &'static str>;

/// Two small files per upload at most: what was saved last, and what was last saved to survive a
/// power cut, which nothing replaces that does not.
#[derive(Debug)]
pub(super) struct SessionFiles {
    disk: Arc<dyn Disk>,
    layout: Layout,
}

// === impl SessionFiles ===

impl SessionFiles {
    pub(super) fn new(disk: Arc<dyn Disk>, layout: Layout) -> Self {
        Self { disk, layout }
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<Arc<dyn DiskFile>> {
        let file = match self.disk.open(path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.create_directory(&self.layout.uploads())?;
                self.disk.open(path, true)?
            }
            opened => opened?,
        };
        // A process that died may have left a longer one.
        file.set_len(0)?;
        file.write_all_at(&[IoSlice::new(content)], 0)?;
        Ok(file)
    }

    /// The record in a file, or why there is none in it; `None`: there is no file.
    fn read(&self, path: &Path, upload: [u8; 16]) -> Result<Option<Decoded>, StorageError> {
        let failed = |error| StorageError::io("read", path, error);
        let file = match self.disk.open(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let len = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
        // Four bytes per MiB of the upload: a larger one is of no upload there could be.
        if len > 64 * 1024 * 1024 {
            return Ok(Some(Err("it is too long")));
        }
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let decoded = SessionRecord::decode(&bytes);
        Ok(Some(decoded.and_then(|record| {
            let is_its = record.upload == upload;
            is_its.then_some(record).ok_or("it is another upload's")
        })))
    }

    fn remove_file(&self, path: &Path) -> Result<(), StorageError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("remove", path, error))
            }
            _ => Ok(()),
        }
    }
}

impl SessionStore for SessionFiles {
    fn save(&self, record: &SessionRecord, survives: Survives) -> Result<(), StorageError> {
        let session = self.layout.session(record.upload);
        let path = match survives {
            Survives::Death => session.clone(),
            Survives::PowerCut => self.layout.synced_session(record.upload),
        };
        let new = self.layout.new_session(record.upload);
        let failed = |error| StorageError::io("save", &path, error);
        let not_synced = |error| StorageError::not_synced("save", &path, error);
        let written = self.write(&new, &record.encode()).map_err(failed);
        let synced = written.and_then(|file| match survives {
            Survives::Death => Ok(()),
            Survives::PowerCut => file.sync().map_err(not_synced),
        });
        let replaced = synced.and_then(|()| self.disk.rename(&new, &path).map_err(failed));
        if let Err(error) = replaced {
            // Nothing reads what is left of it; on a full disk its space is needed.
            self.remove_file(&new)?;
            return Err(error);
        }
        if survives == Survives::PowerCut {
            self.remove_file(&session)?;
            for directory in [self.layout.uploads().as_path(), self.layout.root()] {
                self.disk.sync_directory(directory).map_err(not_synced)?;
            }
        }
        Ok(())
    }

    fn load(&self, upload: [u8; 16]) -> Result<Option<SessionRecord>, StorageError> {
        let session = self.read(&self.layout.session(upload), upload)?;
        let synced = self.read(&self.layout.synced_session(upload), upload)?;
        match (session, synced) {
            // An upload is opened anew and gets longer; the removal of an old record may be lost.
            (Some(Ok(session)), Some(Ok(synced))) => {
                let age = |record: &SessionRecord| (record.epoch, record.written.offset);
                let is_newer = age(&session) > age(&synced);
                Ok(Some(if is_newer { session } else { synced }))
            }
            (Some(Ok(record)), _) | (_, Some(Ok(record))) => Ok(Some(record)),
            (_, Some(Err(why))) => {
                let table = "uploads";
                Err(Corruption::Record { table, why }.into())
            }
            // It was not synced: a power cut may leave it so, and none of its bytes count then.
            (Some(Err(why)), None) => {
                tracing::warn!(%why, "the record of an upload is damaged; it begins anew");
                Ok(None)
            }
            (None, None) => Ok(None),
        }
    }

    fn remove(&self, upload: [u8; 16]) -> Result<(), StorageError> {
        self.remove_file(&self.layout.session(upload))?;
        self.remove_file(&self.layout.synced_session(upload))?;
        self.remove_file(&self.layout.new_session(upload))
    }

    fn list(&self) -> Result<BTreeSet<[u8; 16]>, StorageError> {
        let uploads = self.layout.uploads();
        let names = match self.disk.list(&uploads) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            names => names.map_err(|error| StorageError::io("list", &uploads, error))?,
        };
        Ok(names
            .iter()
            .filter_map(|name| parse_session(name))
            .collect())
    }
}
