//! [`LocalStore`]: blobs in the files of a [`Disk`].
//!
//! Large blobs are numbered files of their own, small ones lie in segments. Invariants:
//! 1. A number is used once, so a name under `blobs/` or `segments/` means the same bytes for as
//!    long as it exists.
//! 2. A blob file is written, and may be cut, only before its record is committed (by its upload);
//!    afterwards it is only read and removed. Mappings rest on that.
//! 3. When `publish` returned, the entries of the files it was given, and of the directories above
//!    them, survive a power cut. The bytes are synced by their writers before.

use super::segments::{Segments, SyncWhen};
use super::store::{BlobStore, Pending, Stored, StoredBlob};
use crate::digest::Digest;
use crate::disk::{Disk, DiskFile, Mapping, blocking};
use crate::fault::{Corruption, StorageError};
use crate::layout::{FileKind, Layout, directory_of, parse_number};
use crate::meta::Location;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Blobs in the files of one disk, under one root.
#[derive(Debug)]
pub(crate) struct LocalStore {
    files: Arc<Files>,
    segments: Segments,
}

/// The numbered files and their directories.
#[derive(Debug)]
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    layout: Layout,
    /// Directories whose own entries this process has made durable: one per 4096 files, so few.
    durable: Mutex<HashSet<(FileKind, u64)>>,
}

/// A large blob, open.
#[derive(Debug)]
struct FileBlob {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    digest: Digest,
    size: u64,
    mapping: OnceLock<Option<Arc<dyn Mapping>>>,
}

/// A small blob, read and checked.
#[derive(Debug)]
struct SmallBlob {
    content: Bytes,
    digest: Digest,
}

// === impl LocalStore ===

impl LocalStore {
    /// A store in the files under `layout`'s root. Touches nothing.
    pub(crate) fn new(disk: Arc<dyn Disk>, layout: Layout) -> Self {
        let files = Arc::new(Files {
            disk,
            layout,
            durable: Mutex::default(),
        });
        Self {
            segments: Segments::new(Arc::clone(&files)),
            files,
        }
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.files.disk
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.files.layout
    }

    /// Makes the file of a new blob, or opens one that was made before. Blocks.
    pub(crate) fn create(&self, number: u64) -> Result<Arc<dyn DiskFile>, StorageError> {
        self.files.create(FileKind::Blob, number)
    }

    /// Opens the file of a blob that is still being written. Blocks.
    pub(crate) fn reopen(&self, number: u64) -> Result<Arc<dyn DiskFile>, StorageError> {
        self.files.open(FileKind::Blob, number)
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
            Location::Segment { number, offset } => {
                read_small(&files, number, offset, &stored).map(|blob| blob as Arc<dyn StoredBlob>)
            }
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

fn open_file(
    files: &Files,
    number: u64,
    stored: &Stored,
) -> Result<Arc<dyn StoredBlob>, StorageError> {
    let path = files.layout.file(FileKind::Blob, number);
    let file = files.open(FileKind::Blob, number)?;
    let len = file
        .len()
        .map_err(|error| StorageError::io("measure", &path, error))?;
    if len != stored.size {
        return Err(Corruption::Blob(stored.digest).into());
    }
    Ok(Arc::new(FileBlob {
        file,
        path,
        digest: stored.digest,
        size: stored.size,
        mapping: OnceLock::new(),
    }))
}

fn read_small(
    files: &Files,
    number: u64,
    offset: u64,
    stored: &Stored,
) -> Result<Arc<SmallBlob>, StorageError> {
    let damaged = || StorageError::from(Corruption::Blob(stored.digest));
    let mut content = buffer(stored.size).ok_or_else(damaged)?;
    if !content.is_empty() {
        let file = files.open(FileKind::Segment, number)?;
        let path = files.layout.file(FileKind::Segment, number);
        read_exact(&*file, &path, &mut content, offset, stored.digest)?;
    }
    let check = stored.check.unwrap_or_default();
    if crc32c::crc32c(&content) != check {
        return Err(damaged());
    }
    Ok(Arc::new(SmallBlob {
        content: content.into(),
        digest: stored.digest,
    }))
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
        match self.disk.open(&path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = self.layout.directory(kind, directory_of(number));
                self.disk.create_directory(&directory).map_err(failed)?;
                self.disk.open(&path, true).map_err(failed)
            }
            outcome => outcome.map_err(failed),
        }
    }

    fn open(&self, kind: FileKind, number: u64) -> Result<Arc<dyn DiskFile>, StorageError> {
        let path = self.layout.file(kind, number);
        let file = self.disk.open(&path, false);
        file.map_err(|error| StorageError::io("open", &path, error))
    }

    fn remove(&self, kind: FileKind, number: u64) -> Result<(), StorageError> {
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

// === impl FileBlob ===

impl FileBlob {
    /// The mapping, made when it is first asked for. Blocks.
    fn mapping(&self) -> Result<Option<Arc<dyn Mapping>>, StorageError> {
        if let Some(mapping) = self.mapping.get() {
            return Ok(mapping.clone());
        }
        let mapped = self.file.map();
        let mapping = mapped.map_err(|error| StorageError::io("map", &self.path, error))?;
        Ok(self.mapping.get_or_init(|| mapping).clone())
    }

    /// The mapping, with `range` in memory. Blocks.
    fn resident(&self, range: Range<u64>) -> Result<Option<Arc<dyn Mapping>>, StorageError> {
        let Some(mapping) = self.mapping()? else {
            return Ok(None);
        };
        mapping
            .make_resident(range)
            .map_err(|error| StorageError::io("read", &self.path, error))?;
        Ok(Some(mapping))
    }
}

impl StoredBlob for FileBlob {
    fn read(self: Arc<Self>, range: Range<u64>) -> Pending<'static, Bytes> {
        Box::pin(blocking(move || {
            check_range(&range, self.size, self.digest)?;
            let damaged = || StorageError::from(Corruption::Blob(self.digest));
            let mut content = buffer(range.end - range.start).ok_or_else(damaged)?;
            read_exact(
                &*self.file,
                &self.path,
                &mut content,
                range.start,
                self.digest,
            )?;
            Ok(content.into())
        }))
    }

    fn mapped(self: Arc<Self>, range: Range<u64>) -> Pending<'static, Option<Bytes>> {
        Box::pin(async move {
            check_range(&range, self.size, self.digest)?;
            let mapping = match self.mapping.get() {
                Some(None) => return Ok(None),
                Some(Some(mapping)) if mapping.is_resident(range.clone()) => {
                    Some(Arc::clone(mapping))
                }
                _ => {
                    let wanted = range.clone();
                    blocking(move || self.resident(wanted)).await?
                }
            };
            Ok(mapping.map(|mapping| mapping.slice(range)))
        })
    }
}

// === impl SmallBlob ===

impl StoredBlob for SmallBlob {
    fn read(self: Arc<Self>, range: Range<u64>) -> Pending<'static, Bytes> {
        Box::pin(async move {
            let size = self.content.len();
            check_range(&range, size as u64, self.digest)?;
            let within = |at| usize::try_from(at).map_or(size, |at| at.min(size));
            Ok(self.content.slice(within(range.start)..within(range.end)))
        })
    }

    fn mapped(self: Arc<Self>, range: Range<u64>) -> Pending<'static, Option<Bytes>> {
        let checked = check_range(&range, self.content.len() as u64, self.digest);
        Box::pin(std::future::ready(checked.map(|()| None)))
    }
}

fn check_range(range: &Range<u64>, size: u64, digest: Digest) -> Result<(), StorageError> {
    if range.start <= range.end && range.end <= size {
        return Ok(());
    }
    let why = format!("bytes {range:?} are not within its {size}");
    let source = io::Error::new(io::ErrorKind::InvalidInput, why);
    let name = digest.to_string();
    Err(StorageError::io("read", Path::new(&name), source))
}

/// Room for so many bytes, if that many can be addressed.
fn buffer(len: u64) -> Option<Vec<u8>> {
    Some(vec![0; usize::try_from(len).ok()?])
}

/// Reads a blob's bytes; a file that ends too early is a damaged blob.
fn read_exact(
    file: &dyn DiskFile,
    path: &Path,
    buffer: &mut [u8],
    offset: u64,
    digest: Digest,
) -> Result<(), StorageError> {
    match file.read_exact_at(buffer, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Corruption::Blob(digest).into())
        }
        outcome => outcome.map_err(|error| StorageError::io("read", path, error)),
    }
}
