//! [`Directory`]: the directory of a backup, locked: its marker, its manifest, its files.
//!
//! Invariants:
//! 1. While one is open, nobody else changes the directory: it holds the lock a store's process
//!    would hold, so a backup can never go into a store, be it the running one.
//! 2. The small files are written under another name, synced and renamed: one that is there is
//!    whole.

use super::content::File;
use super::records::{FORMAT, Manifest, Marker, Unreadable};
use super::{BackupError, Reporter};
use crate::disk::Disk;
use crate::engine::make_root;
use crate::fault::StorageError;
use crate::layout::{FileKind, Layout, entry, new_name, parse_backup_metadata, parse_number};
use crate::meta::MetadataCopy;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More bytes than a marker or a manifest can have.
const SMALL: u64 = 64 * 1024;

/// A backup's directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) layout: Layout,
    /// `None` where nothing can be written: then nobody can change it either.
    _lock: Option<Box<dyn fmt::Debug + Send + Sync>>,
}

/// A complete backup.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) manifest: Manifest,
    pub(super) metadata: PathBuf,
}

// === impl Directory ===

impl Directory {
    /// Opens the directory of a backup of `store`, or makes it.
    pub(super) fn for_backup(
        disk: &Arc<dyn Disk>,
        path: &Path,
        store: [u8; 16],
    ) -> Result<Self, BackupError> {
        let layout = Layout::new(path);
        let marker = layout.backup_marker();
        let names = list(&**disk, path)?;
        let is_ours = |name: &PathBuf| {
            let path = entry(path, name);
            [layout.lock(), marker.clone(), new_name(&marker)].contains(&path)
                || name.as_path() == Path::new("lost+found")
        };
        let is_marked = names.iter().any(|name| entry(path, name) == marker);
        if !is_marked && !names.iter().all(is_ours) {
            return Err(BackupError::NotABackup(path.to_owned()));
        }
        make_root(&**disk, path)?;
        let lock = match disk.lock(&layout.lock()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(BackupError::InUse(path.to_owned()));
            }
            lock => lock.map_err(|error| StorageError::io("lock", &layout.lock(), error))?,
        };
        let directory = Self {
            disk: Arc::clone(disk),
            layout,
            _lock: Some(lock),
        };
        directory.check_marker(store)?;
        // A run that died may have renamed its manifest and no more.
        sync_directory(&**disk, path)?;
        Ok(directory)
    }

    /// Opens the directory of a backup to read it; `None` when somebody changes it.
    pub(super) fn for_restore(
        disk: &Arc<dyn Disk>,
        path: &Path,
    ) -> Result<Option<Self>, StorageError> {
        let layout = Layout::new(path);
        let lock = match disk.lock(&layout.lock()) {
            Ok(lock) => Some(lock),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(None),
                io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::NotFound => None,
                _ => return Err(StorageError::io("lock", &layout.lock(), error)),
            },
        };
        Ok(Some(Self {
            disk: Arc::clone(disk),
            layout,
            _lock: lock,
        }))
    }

    fn check_marker(&self, store: [u8; 16]) -> Result<(), BackupError> {
        let path = self.layout.root().to_owned();
        let own = Marker { store };
        let Some(text) = self.read_small(&self.layout.backup_marker())? else {
            return Ok(self.write_small(&self.layout.backup_marker(), &own.to_text())?);
        };
        match Marker::parse(&text) {
            Ok(marker) if marker == own => Ok(()),
            Ok(_) => Err(BackupError::OtherStore(path)),
            Err(Unreadable::Damaged) => Err(BackupError::NotABackup(path)),
            Err(Unreadable::Newer(found)) => Err(BackupError::NewerFormat {
                directory: path,
                found,
                supported: FORMAT,
            }),
        }
    }

    /// The manifest, when there is one.
    pub(super) fn manifest(&self) -> Result<Option<Result<Complete, Unreadable>>, StorageError> {
        let text = self.read_small(&self.layout.backup_manifest())?;
        Ok(text.map(|text| {
            let manifest = Manifest::parse(&text)?;
            let metadata = self.layout.backup_metadata(manifest.metadata);
            Ok(Complete { manifest, metadata })
        }))
    }

    /// Whether it was ever begun to be a backup.
    pub(super) fn is_marked(&self) -> Result<bool, StorageError> {
        Ok(self.read_small(&self.layout.backup_marker())?.is_some())
    }

    /// Whether a metadata file is the one its manifest tells of. Reads all of it.
    pub(super) fn is_whole(
        &self,
        backup: &Complete,
        reporter: &Reporter,
    ) -> Result<bool, StorageError> {
        let Complete { manifest, metadata } = backup;
        let Some(file) = File::open(&*self.disk, metadata)? else {
            return Ok(false);
        };
        if file.len()? != manifest.metadata_bytes {
            return Ok(false);
        }
        let algorithm = manifest.metadata_digest.algorithm();
        let digest = file.digest(manifest.metadata_bytes, algorithm, reporter, |_, _| Ok(()))?;
        Ok(digest == Some(manifest.metadata_digest))
    }

    /// Removes the metadata of backups that were never complete. Beside a manifest that cannot be
    /// read everything stays: somebody may want to look at it.
    pub(super) fn remove_interrupted(&self) -> Result<(), StorageError> {
        let kept = match self.manifest()? {
            Some(Ok(complete)) => Some(complete.manifest.metadata),
            Some(Err(_)) => return Ok(()),
            None => None,
        };
        self.remove_metadata_but(kept).map(drop)
    }

    fn remove_metadata_but(&self, kept: Option<u64>) -> Result<u64, StorageError> {
        let (root, mut removed) = (self.layout.root(), 0);
        for name in list(&*self.disk, root)? {
            let number = parse_backup_metadata(&name);
            if number.is_some() && number != kept {
                remove(&*self.disk, &entry(root, &name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// A number no metadata file here has.
    pub(super) fn new_metadata_number(&self) -> Result<u64, StorageError> {
        let names = list(&*self.disk, self.layout.root())?;
        let last = names.iter().filter_map(|name| parse_backup_metadata(name));
        Ok(last.max().map_or(1, |last| last.saturating_add(1)))
    }

    /// Puts the manifest into its place. Everything it stands for is durable.
    pub(super) fn complete(&self, manifest: &Manifest) -> Result<(), StorageError> {
        self.write_small(&self.layout.backup_manifest(), &manifest.to_text())
    }

    /// Removes what the backup that is complete now does not need; answers how many files.
    pub(super) fn remove_others(
        &self,
        current: &Manifest,
        records: &MetadataCopy,
        reporter: &Reporter,
    ) -> Result<u64, StorageError> {
        let mut removed = self.remove_metadata_but(Some(current.metadata))?;
        for kind in [FileKind::Blob, FileKind::Segment] {
            for directory in numbers(&*self.disk, &self.layout.files(kind))? {
                reporter.go_on()?;
                let directory = self.layout.directory(kind, directory);
                removed += self.remove_unnamed(kind, &directory, records)?;
            }
        }
        Ok(removed)
    }

    /// Removes the files of one directory that no record tells of.
    fn remove_unnamed(
        &self,
        kind: FileKind,
        directory: &Path,
        records: &MetadataCopy,
    ) -> Result<u64, StorageError> {
        let mut removed = 0;
        for name in list(&*self.disk, directory)? {
            let is_needed = match parse_number(&name) {
                Some(number) => records.names_file(kind, number)?,
                None => !is_unfinished(&name),
            };
            if !is_needed {
                remove(&*self.disk, &entry(directory, &name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn read_small(&self, path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(file) = File::open(&*self.disk, path)? else {
            return Ok(None);
        };
        file.read(0, file.len()?.min(SMALL))
    }

    fn write_small(&self, path: &Path, text: &str) -> Result<(), StorageError> {
        let new = new_name(path);
        let file = File::create_empty(&*self.disk, &new)?;
        file.write(text.as_bytes(), 0)?;
        file.sync()?;
        rename(&*self.disk, &new, path)?;
        sync_directory(&*self.disk, self.layout.root())
    }
}

/// Gives a file its name.
pub(super) fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StorageError> {
    disk.rename(from, to)
        .map_err(|error| StorageError::io("rename", from, error))
}

/// Removes a file; one that is gone is no error.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StorageError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    disk.sync_directory(path)
        .map_err(|error| StorageError::not_synced("sync directory", path, error))
}

/// The names in a directory; none when it does not exist.
pub(crate) fn list(disk: &dyn Disk, path: &Path) -> Result<Vec<PathBuf>, StorageError> {
    match disk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|error| StorageError::io("list", path, error)),
    }
}

/// The names in a directory that are numbers.
pub(super) fn numbers(disk: &dyn Disk, path: &Path) -> Result<BTreeSet<u64>, StorageError> {
    let names = list(disk, path)?;
    Ok(names.iter().filter_map(|name| parse_number(name)).collect())
}

/// Whether a name is that of a numbered file that was not finished.
fn is_unfinished(name: &Path) -> bool {
    let stem = name.with_extension("");
    parse_number(&stem).is_some_and(|_| new_name(&stem) == name)
}
