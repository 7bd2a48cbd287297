//! [`WatchedDisk`]: a disk whose failed syncs are noted, whoever made them.
//!
//! Blobs, upload sessions and the metadata all reach the medium through it, so no sync fails
//! unnoticed. Invariants:
//! 1. A failed sync of a file or a directory, and a failed start of write-back, makes [`Health`] bad
//!    before the caller hears of it. A full disk does not.
//! 2. With every failure the path concerned is left in a marker file. It is not synced: it has
//!    to outlive the process and not the machine, as the system's memory does, which is what the
//!    next process must not believe (see [`WatchedDisk::forget_suspects`]).

use super::{Disk, DiskFile, Health, Mapping};
use crate::fault::StorageError;
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A marker longer than this is none of ours.
const LONGEST_MARKER: u64 = 1024 * 1024;

/// A disk whose failures are noted (see the module's invariants).
#[derive(Debug)]
pub(crate) struct WatchedDisk(Arc<Watch>);

/// What a disk and its files share.
#[derive(Debug)]
struct Watch {
    disk: Arc<dyn Disk>,
    marker: PathBuf,
    health: Arc<Health>,
}

/// A file of a watched disk.
#[derive(Debug)]
struct WatchedFile {
    watch: Arc<Watch>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

// === impl WatchedDisk ===

impl WatchedDisk {
    /// `disk`, whose failures go to `health`, and to the file `marker` for the next process.
    pub(crate) fn new(disk: Arc<dyn Disk>, marker: PathBuf, health: Arc<Health>) -> Self {
        Self(Arc::new(Watch {
            disk,
            marker,
            health,
        }))
    }

    /// The disk itself, for files that are not the store's: their failures are not its failures.
    pub(crate) fn unwatched(&self) -> &Arc<dyn Disk> {
        &self.0.disk
    }

    /// Notes a failure of `path` after which nothing may be written, other than of a sync.
    pub(crate) fn fail(&self, path: &Path, failure: &StorageError) {
        self.0.fail(path, failure);
    }

    /// Makes the system forget what it has in memory of the files an earlier process saw failing,
    /// and of `always`, if there was such a process. Before any of them is read.
    ///
    /// # Errors
    /// What the system answers.
    pub(crate) fn forget_suspects(&self, always: &Path) -> io::Result<()> {
        let marker = match self.0.disk.open(&self.0.marker, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let len = usize::try_from(marker.len()?.min(LONGEST_MARKER)).map_err(io::Error::other)?;
        let mut content = vec![0; len];
        marker.read_exact_at(&mut content, 0)?;
        let content = String::from_utf8_lossy(&content);
        tracing::warn!("the disk failed before the last stop: its files are read anew");
        let suspects = content.lines().filter(|line| !line.is_empty());
        for path in suspects.map(Path::new).chain([always]) {
            match self.0.disk.open(path, false) {
                Ok(file) => file.drop_cached()?,
                // It was removed since, or is a directory, of which nothing is kept in this way.
                Err(error) if is_no_file(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets that an earlier process saw a failure. Called when the store was opened and took a
    /// write.
    ///
    /// # Errors
    /// What the system answers.
    pub(crate) fn forget_failure(&self) -> io::Result<()> {
        match self.0.disk.remove(&self.0.marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn watched(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WatchedFile {
            watch: Arc::clone(&self.0),
            path: path.to_owned(),
            file,
        })
    }
}

impl Disk for WatchedDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.0.disk.open(path, create)?;
        Ok(self.watched(path, file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.0.disk.create_new(path)?;
        Ok(self.watched(path, file))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<Option<u64>> {
        self.0.disk.free_bytes(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.disk.hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.disk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.disk.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let synced = self.0.disk.sync_directory(path);
        self.0.note(path, synced)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.disk.list(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>> {
        self.0.disk.lock(path)
    }

    fn boot_id(&self) -> io::Result<String> {
        self.0.disk.boot_id()
    }
}

// === impl Watch ===

impl Watch {
    /// Notes the outcome of a sync of `path`, and answers it.
    fn note(&self, path: &Path, outcome: io::Result<()>) -> io::Result<()> {
        let Err(error) = outcome else {
            return Ok(());
        };
        let source = io::Error::new(error.kind(), error.to_string());
        let failure = StorageError::io("sync", path, source);
        if !failure.is_full() && error.kind() != io::ErrorKind::NotFound {
            self.fail(path, &failure);
        }
        Err(error)
    }

    fn fail(&self, path: &Path, failure: &StorageError) {
        if self.health.fail(failure) {
            tracing::error!(error = %failure, "the disk failed; nothing is written until the next start");
        }
        let line = format!("{}\n", path.display());
        let marked = self
            .disk
            .open(&self.marker, true)
            .and_then(|file| file.write_all_at(&[IoSlice::new(line.as_bytes())], file.len()?));
        if let Err(error) = marked {
            // Then it takes no writes at all, and the next start fails there.
            tracing::error!(%error, "the failure could not be noted for the next start");
        }
    }
}

// === impl WatchedFile ===

impl DiskFile for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn read_in_memory(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.file.read_in_memory(buffer, offset)
    }

    fn read_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        self.file.read_at(len, offset)
    }

    fn write_all_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buffers, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.watch.note(&self.path, self.file.sync())
    }

    fn start_writeback(&self, range: Range<u64>) -> io::Result<()> {
        self.watch
            .note(&self.path, self.file.start_writeback(range))
    }

    fn punch_hole(&self, range: Range<u64>) -> io::Result<()> {
        self.file.punch_hole(range)
    }

    fn drop_cached(&self) -> io::Result<()> {
        self.file.drop_cached()
    }

    fn map(&self) -> io::Result<Option<Arc<dyn Mapping>>> {
        self.file.map()
    }
}

fn is_no_file(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory
    )
}
