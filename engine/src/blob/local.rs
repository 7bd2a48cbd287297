//! [`LocalStore`]: blobs in the files of a [`Disk`].
//!
//! Large blobs are numbered files of their own, small ones lie in segments. Invariants:
//! 1. A number is used once, so a name under `blobs/` or `segments/` means the same bytes for as
//!    long as it exists.
//! 2. A blob file is written, and may be cut, only before its record is committed (by its upload);
//!    afterwards it is only read and removed. Mappings rest on that.
//! 3. A file is made, never opened, by the first who writes to it (1): a number that comes twice is
//!    an error and never an overwrite.
//! 4. When `publish` returned, the entries of the files it was given, and of the directories above
//!    them, survive a power cut. The bytes are synced by their writers before.

use super::content::{open_file, read_small};
use super::segments::{Segments, SyncWhen};
use super::store::{BlobStore, Pending, Stored, StoredBlob};
use crate::disk::{Disk, DiskFile, Health, Reserve, WatchedDisk, blocking};
use crate::fault::StorageError;
use crate::layout::{FileKind, Layout, directory_of, parse_number};
use crate::meta::Location;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Blobs in the files of one disk, under one root.
#[derive(Debug)]
pub(crate) struct LocalStore {
    files: Arc<Files>,
    segments: Segments,
    medium: Arc<WatchedDisk>,
    health: Arc<Health>,
    reserve: Reserve,
}

/// The numbered files and their directories.
#[derive(Debug)]
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    layout: Layout,
    /// Directories whose own entries this process has made durable: one per 4096 files, so few.
    durable: Mutex<HashSet<(FileKind, u64)>>,
}

// === impl LocalStore ===

impl LocalStore {
    /// A store in the files under `layout`'s root, without a reserve of space. Touches nothing.
    pub(crate) fn new(disk: Arc<dyn Disk>, layout: Layout) -> Self {
        let health = Arc::default();
        let medium = Arc::new(WatchedDisk::new(
            disk,
            layout.failure(),
            Arc::clone(&health),
        ));
        let reserve = Reserve::new(Arc::clone(&medium) as Arc<dyn Disk>, layout.reserve(), 0);
        let files = Arc::new(Files {
            disk: Arc::clone(&medium) as Arc<dyn Disk>,
            layout,
            durable: Mutex::default(),
        });
        Self {
            segments: Segments::new(Arc::clone(&files)),
            files,
            medium,
            health,
            reserve,
        }
    }

    /// The same with a reserve of so many bytes, which is not held yet.
    pub(crate) fn reserving(mut self, bytes: u64) -> Self {
        let disk = Arc::clone(self.disk());
        self.reserve = Reserve::new(disk, self.layout().reserve(), bytes);
        self
    }

    /// The disk, whose failures are noted in [`LocalStore::health`].
    pub(crate) fn medium(&self) -> &WatchedDisk {
        &self.medium
    }

    /// Whether the disk failed in a way after which nothing may be written.
    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// The space that is kept for deletions.
    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.files.disk
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.files.layout
    }

    /// Makes the file of a new blob; refuses a number that has one. Blocks.
    pub(crate) fn create(&self, number: u64) -> Result<Arc<dyn DiskFile>, StorageError> {
        self.files.create(FileKind::Blob, number)
    }

    /// Opens the file of a blob that is still being written. Blocks.
    pub(crate) fn reopen(&self, number: u64) -> Result<Arc<dyn DiskFile>, StorageError> {
        self.files.open(FileKind::Blob, number)
    }

    /// Whether a blob file exists. Blocks.
    pub(crate) fn has_file(&self, number: u64) -> Result<bool, StorageError> {
        let path = self.files.path(FileKind::Blob, number);
        match self.files.disk.open(&path, false) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StorageError::io("open", &path, error)),
        }
    }

    /// Removes a blob file, or what there is of it. Blocks.
    pub(crate) fn remove_file(&self, number: u64) -> Result<(), StorageError> {
        self.files.remove(FileKind::Blob, number)
    }

    /// Makes a blob file's bytes durable, for relaxed durability: its upload did not. A file that is
    /// gone was superseded meanwhile. Blocks.
    pub(crate) fn sync_file(&self, number: u64) -> Result<(), StorageError> {
        let path = self.files.path(FileKind::Blob, number);
        let synced = match self.files.disk.open(&path, false) {
            Ok(file) => file.sync(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => Err(error),
        };
        synced.map_err(|error| StorageError::not_synced("sync", &path, error))
    }

    /// Makes the names of new blob files durable, each directory once. Blocks; called by the
    /// metadata's writer before the commit that makes them blobs.
    pub(crate) fn publish(&self, numbers: &[u64]) -> Result<(), StorageError> {
        self.files.publish(FileKind::Blob, numbers)
    }

    /// Stores small blobs, bytes and names, and answers where, in their order. Blocks; called by the
    /// metadata's writer before the commit that makes them blobs.
    ///
    /// `new_number` is asked for a file number when a new segment begins: with the first batch of
    /// a process, after an error, and when a segment is full.
    ///
    /// # Errors
    /// Nothing was stored then; the space the batch took is given back where that is possible.
    pub(crate) fn append_small(
        &self,
        blobs: &[Bytes],
        sync: SyncWhen,
        new_number: impl FnMut() -> Result<u64, StorageError>,
    ) -> Result<Vec<Location>, StorageError> {
        self.segments.append(blobs, sync, new_number)
    }

    /// Makes durable what was appended with [`SyncWhen::Later`]. Blocks.
    pub(crate) fn sync_small(&self) -> Result<(), StorageError> {
        self.segments.sync()
    }

    /// Gives back the space of a batch whose commit did not happen. Blocks; called by the metadata's
    /// writer.
    pub(crate) fn take_back_small(&self, locations: &[Location], bytes: u64) {
        self.segments.take_back(locations, bytes);
    }

    /// Lets the next batch begin a new segment if this is the one that is written now. Called by the
    /// metadata's writer between two batches, so that all of its batches are committed.
    pub(crate) fn roll_segment(&self, number: u64) {
        self.segments.roll(number);
    }

    /// Whether this is the segment that is written now.
    pub(crate) fn is_current_segment(&self, number: u64) -> bool {
        self.segments.is_current(number)
    }

    /// Removes a segment in which no record says anything lies. Answers `false`, and leaves it, if
    /// it is the one that is written now. Blocks; called by the metadata's writer between two
    /// batches, so that no blob of it is about to be committed.
    pub(crate) fn remove_segment(&self, number: u64) -> Result<bool, StorageError> {
        if self.segments.is_current(number) {
            return Ok(false);
        }
        self.files.remove(FileKind::Segment, number)?;
        Ok(true)
    }

    /// Makes it durable that these files are gone: until then a power cut may bring them back. Each
    /// directory costs one sync. Blocks.
    pub(crate) fn sync_removals(
        &self,
        removed: impl IntoIterator<Item = (FileKind, u64)>,
    ) -> Result<(), StorageError> {
        let directory = |(kind, number)| (kind, directory_of(number));
        self.sync_directories(removed.into_iter().map(directory))
    }

    /// Makes it durable that parts of these segments were given back, where they still exist. Blocks.
    pub(crate) fn sync_holes(
        &self,
        segments: impl IntoIterator<Item = u64>,
    ) -> Result<(), StorageError> {
        for number in segments {
            let path = self.files.path(FileKind::Segment, number);
            let file = self.files.disk.open(&path, false);
            match file.and_then(|file| file.sync()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => {
                    synced.map_err(|error| StorageError::not_synced("sync", &path, error))?;
                }
            }
        }
        Ok(())
    }

    /// Makes the entries of directories durable, where there are such. Blocks.
    pub(crate) fn sync_directories(
        &self,
        directories: impl Iterator<Item = (FileKind, u64)>,
    ) -> Result<(), StorageError> {
        let path = |(kind, directory)| self.files.layout.directory(kind, directory);
        let paths: BTreeSet<PathBuf> = directories.map(path).collect();
        for path in paths {
            match self.files.disk.sync_directory(&path) {
                // No file of it was ever made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced
                    .map_err(|error| StorageError::not_synced("sync directory", &path, error))?,
            }
        }
        Ok(())
    }

    /// The numbers of the directories there are, in ascending order. Blocks.
    pub(crate) fn list_directories(&self, kind: FileKind) -> Result<Vec<u64>, StorageError> {
        self.files.list(&self.files.layout.files(kind))
    }

    /// The numbers of the files in one directory, in ascending order. Blocks.
    ///
    /// For the search for orphans: a file is one only if it was listed *before* the uploads were
    /// asked for their live files, and those *before* the metadata was asked for its holder.
    pub(crate) fn list_files(
        &self,
        kind: FileKind,
        directory: u64,
    ) -> Result<Vec<u64>, StorageError> {
        self.files
            .list(&self.files.layout.directory(kind, directory))
    }
}

impl BlobStore for LocalStore {
    fn open(&self, stored: Stored) -> Pending<'static, Arc<dyn StoredBlob>> {
        let files = Arc::clone(&self.files);
        Box::pin(blocking(move || match stored.location {
            Location::File(number) => open_file(&files, number, &stored),
            Location::Segment { number, offset } => read_small(&files, number, offset, &stored),
        }))
    }

    fn remove(&self, location: Location, size: u64) -> Pending<'static, ()> {
        let files = Arc::clone(&self.files);
        Box::pin(blocking(move || match location {
            Location::File(number) => files.remove(FileKind::Blob, number),
            Location::Segment { number, offset } => files.punch(number, offset..offset + size),
        }))
    }
}

// === impl Files ===

impl Files {
    pub(super) fn create(
        &self,
        kind: FileKind,
        number: u64,
    ) -> Result<Arc<dyn DiskFile>, StorageError> {
        let path = self.layout.file(kind, number);
        let failed = |error| StorageError::io("create", &path, error);
        match self.disk.create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = self.layout.directory(kind, directory_of(number));
                self.disk.create_directory(&directory).map_err(failed)?;
                self.disk.create_new(&path).map_err(failed)
            }
            outcome => outcome.map_err(failed),
        }
    }

    pub(super) fn open(
        &self,
        kind: FileKind,
        number: u64,
    ) -> Result<Arc<dyn DiskFile>, StorageError> {
        let path = self.layout.file(kind, number);
        let file = self.disk.open(&path, false);
        file.map_err(|error| StorageError::io("open", &path, error))
    }

    pub(super) fn remove(&self, kind: FileKind, number: u64) -> Result<(), StorageError> {
        let path = self.layout.file(kind, number);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// Gives the space of a part of a segment back, if the segment still exists.
    fn punch(&self, number: u64, range: Range<u64>) -> Result<(), StorageError> {
        let path = self.layout.file(FileKind::Segment, number);
        let punched = self
            .disk
            .open(&path, false)
            .and_then(|file| file.punch_hole(range));
        match punched {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("free a part of", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// Makes the entries of files durable, and of their directories if this process did not yet.
    pub(super) fn publish(&self, kind: FileKind, numbers: &[u64]) -> Result<(), StorageError> {
        let directories: BTreeSet<u64> = numbers.iter().copied().map(directory_of).collect();
        let mut above_is_due = false;
        for &directory in &directories {
            self.sync(&self.layout.directory(kind, directory))?;
            above_is_due |= !self.durable.lock().contains(&(kind, directory));
        }
        if above_is_due {
            self.sync(&self.layout.files(kind))?;
            self.sync(self.layout.root())?;
            let made_durable = directories.into_iter().map(|directory| (kind, directory));
            self.durable.lock().extend(made_durable);
        }
        Ok(())
    }

    pub(super) fn path(&self, kind: FileKind, number: u64) -> PathBuf {
        self.layout.file(kind, number)
    }

    fn sync(&self, directory: &Path) -> Result<(), StorageError> {
        let synced = self.disk.sync_directory(directory);
        synced.map_err(|error| StorageError::not_synced("sync directory", directory, error))
    }

    fn list(&self, directory: &Path) -> Result<Vec<u64>, StorageError> {
        let names = match self.disk.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names.map_err(|error| StorageError::io("list", directory, error))?,
        };
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| parse_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}
