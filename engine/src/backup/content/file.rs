//! [`File`]: a file of a disk with its path, so that errors name it; and hashing one.

use crate::backup::Reporter;
use crate::digest::hasher::Hasher;
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk, DiskFile};
use crate::fault::StorageError;
use crate::meta::BLOCK;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file and where it is.
#[derive(Debug)]
pub(in crate::backup) struct File {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
}

// === impl File ===

impl File {
    /// `None`: there is none.
    pub(in crate::backup) fn open(
        disk: &dyn Disk,
        path: &Path,
    ) -> Result<Option<Self>, StorageError> {
        match disk.open(path, false) {
            Ok(file) => Ok(Some(Self {
                file,
                path: path.to_owned(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("open", path, error)),
        }
    }

    /// Opens one, or makes it.
    pub(in crate::backup) fn create(disk: &dyn Disk, path: &Path) -> Result<Self, StorageError> {
        let file = disk.open(path, true);
        let file = file.map_err(|error| StorageError::io("create", path, error))?;
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// The same without any bytes an earlier one of the name had.
    pub(in crate::backup) fn create_empty(
        disk: &dyn Disk,
        path: &Path,
    ) -> Result<Self, StorageError> {
        let file = Self::create(disk, path)?;
        let emptied = file.file.set_len(0);
        emptied.map_err(|error| StorageError::io("empty", path, error))?;
        Ok(file)
    }

    pub(in crate::backup) fn disk_file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    pub(in crate::backup) fn len(&self) -> Result<u64, StorageError> {
        self.file
            .len()
            .map_err(|error| StorageError::io("measure", &self.path, error))
    }

    /// `len` bytes from `offset`; `None` when the file does not have them.
    pub(in crate::backup) fn read(
        &self,
        offset: u64,
        len: u64,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        // Asked first, so that a damaged record cannot ask for more memory than there are bytes.
        let there = self.len()?;
        let has_them = offset.checked_add(len).is_some_and(|end| end <= there);
        let (true, Ok(len)) = (has_them, usize::try_from(len)) else {
            return Ok(None);
        };
        let mut buffer = vec![0; len];
        match self.file.read_exact_at(&mut buffer, offset) {
            Ok(()) => Ok(Some(buffer)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(StorageError::io("read", &self.path, error)),
        }
    }

    pub(in crate::backup) fn write(&self, content: &[u8], offset: u64) -> Result<(), StorageError> {
        self.file
            .write_all_at(&[IoSlice::new(content)], offset)
            .map_err(|error| StorageError::io("write", &self.path, error))
    }

    pub(in crate::backup) fn sync(&self) -> Result<(), StorageError> {
        self.file
            .sync()
            .map_err(|error| StorageError::not_synced("sync", &self.path, error))
    }

    /// Makes the next reads ask the medium. After a sync that failed, maybe in an earlier run, memory
    /// may have what the medium has not, and no later sync would bring it there.
    pub(in crate::backup) fn settle(&self) -> Result<(), StorageError> {
        // First, because what waits to be written would not be dropped.
        self.sync()?;
        self.file
            .drop_cached()
            .map_err(|error| StorageError::io("read anew", &self.path, error))
    }

    /// The digest of its first `len` bytes, which `each` sees block by block; `None` when it does
    /// not have them.
    pub(in crate::backup) fn digest(
        &self,
        len: u64,
        algorithm: Algorithm,
        reporter: &Reporter,
        mut each: impl FnMut(&[u8], u64) -> Result<(), StorageError>,
    ) -> Result<Option<Digest>, StorageError> {
        let mut hasher = Hasher::new(algorithm);
        let mut offset = 0;
        while offset < len {
            reporter.go_on()?;
            let Some(block) = self.read(offset, BLOCK.min(len - offset))? else {
                return Ok(None);
            };
            hasher.update(&block);
            each(&block, offset)?;
            offset += block.len() as u64;
        }
        Ok(Some(hasher.finish()))
    }
}
