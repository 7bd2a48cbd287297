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
///    earlier one, one that is damaged (and refused), or none, but none earlier than the last that
///    was saved to survive it.
pub(super) trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Saves a record in place of the one of the same upload.
    fn save(&self, record: &SessionRecord, survives: Survives) -> Result<(), StorageError>;

    /// The record of an upload, if there is one. A damaged one is [`StorageError::Corrupt`].
    fn load(&self, upload: [u8; 16]) -> Result<Option<SessionRecord>, StorageError>;

    /// Removes the record of an upload, if there is one.
    fn remove(&self, upload: [u8; 16]) -> Result<(), StorageError>;

    /// The uploads that have a record, or the beginnings of one.
    fn list(&self) -> Result<BTreeSet<[u8; 16]>, StorageError>;
}

/// One small file per upload.
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
        let path = self.layout.session(record.upload);
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
            for directory in [self.layout.uploads().as_path(), self.layout.root()] {
                self.disk.sync_directory(directory).map_err(not_synced)?;
            }
        }
        Ok(())
    }

    fn load(&self, upload: [u8; 16]) -> Result<Option<SessionRecord>, StorageError> {
        let path = self.layout.session(upload);
        let failed = |error| StorageError::io("read", &path, error);
        let file = match self.disk.open(&path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let len = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
        let damaged = |why| {
            let table = "uploads";
            StorageError::from(Corruption::Record { table, why })
        };
        // Four bytes per MiB of the upload: a larger one is of no upload there could be.
        if len > 64 * 1024 * 1024 {
            return Err(damaged("it is too long"));
        }
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let record = SessionRecord::decode(&bytes).map_err(damaged)?;
        if record.upload != upload {
            return Err(damaged("it is another upload's"));
        }
        Ok(Some(record))
    }

    fn remove(&self, upload: [u8; 16]) -> Result<(), StorageError> {
        self.remove_file(&self.layout.session(upload))?;
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
