//! [`Segments`]: small blobs, many to a file, appended by batch.
//!
//! A batch costs one write and one sync. Invariants:
//! 1. One segment is written at a time, only by appending, and only behind what was appended
//!    successfully before; every process begins with a new one.
//! 2. After an error a segment is given up: nothing is appended behind bytes whose fate is unknown.
//!    One that nothing was appended to before is removed.
//! 3. When `append` with [`SyncWhen::Now`], or the `sync` after one with [`SyncWhen::Later`], returned, the
//!    batch survives a power cut: bytes first, then the name.

use super::local::Files;
use crate::disk::DiskFile;
use crate::fault::StorageError;
use crate::layout::FileKind;
use crate::meta::Location;
use bytes::Bytes;
use parking_lot::Mutex;
use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A segment that has this many bytes takes no further batch. Large enough that syncs of the
/// directory do not count, small enough that one is soon free of live blobs.
const FULL: u64 = 64 * 1024 * 1024;

/// The segments of a store (see the module's invariants).
#[derive(Debug)]
pub(super) struct Segments {
    files: Arc<Files>,
    current: Mutex<Option<Segment>>,
    /// Appended to with [`SyncWhen::Later`] since the last [`Segments::sync`], full ones included.
    unsynced: Mutex<Vec<Arc<Open>>>,
}

/// When an appended batch survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncWhen {
    /// When `append` returned.
    Now,
    /// When the next `sync` returned.
    Later,
}

/// The segment that is written.
#[derive(Debug)]
struct Segment {
    open: Arc<Open>,
    len: u64,
}

/// A segment's open file.
#[derive(Debug)]
struct Open {
    number: u64,
    file: Arc<dyn DiskFile>,
    /// Its name is durable.
    is_published: AtomicBool,
}

// === impl Segments ===

impl Segments {
    pub(super) fn new(files: Arc<Files>) -> Self {
        Self {
            files,
            current: Mutex::new(None),
            unsynced: Mutex::default(),
        }
    }

    /// See [`super::LocalStore::append_small`].
    pub(super) fn append(
        &self,
        blobs: &[Bytes],
        sync: SyncWhen,
        new_number: impl FnMut() -> Result<u64, StorageError>,
    ) -> Result<Vec<Location>, StorageError> {
        // It is put back only when all went well (invariant 2).
        let mut current = self.current.lock();
        let mut segment = self.writable(current.take(), new_number)?;
        let locations = segment.locations(blobs);
        let is_new = segment.len == 0;
        if let Err(error) = self.append_to(&mut segment, blobs, sync) {
            if is_new {
                self.remove(segment.open.number);
            }
            return Err(error);
        }
        *current = Some(segment);
        Ok(locations)
    }

    /// Gives back the space of the last batch, whose commit did not happen. `locations` are in the
    /// order of its `bytes`.
    pub(super) fn take_back(&self, locations: &[Location], bytes: u64) {
        let Some(&Location::Segment { number, offset }) = locations.first() else {
            return;
        };
        let current = self.current.lock();
        let Some(segment) = current.as_ref().filter(|open| open.open.number == number) else {
            return;
        };
        let path = self.files.path(FileKind::Segment, number);
        segment.free(offset..offset + bytes, &path);
    }

    /// Gives a segment up if it is the one that is written.
    pub(super) fn roll(&self, number: u64) {
        let mut current = self.current.lock();
        current.take_if(|segment| segment.open.number == number);
    }

    fn append_to(
        &self,
        segment: &mut Segment,
        blobs: &[Bytes],
        sync: SyncWhen,
    ) -> Result<(), StorageError> {
        let path = self.files.path(FileKind::Segment, segment.open.number);
        segment.write(blobs, &path)?;
        match sync {
            SyncWhen::Now => self.make_durable(&segment.open),
            SyncWhen::Later => {
                self.unsynced.lock().push(Arc::clone(&segment.open));
                Ok(())
            }
        }
    }

    /// Removes a segment that never held anything.
    fn remove(&self, number: u64) {
        if let Err(error) = self.files.remove(FileKind::Segment, number) {
            tracing::warn!(%error, "an empty segment stays until the next start");
        }
    }

    /// Makes durable what was appended with [`SyncWhen::Later`].
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        let mut unsynced = std::mem::take(&mut *self.unsynced.lock());
        unsynced.dedup_by_key(|open| open.number);
        for open in unsynced {
            if let Err(error) = self.make_durable(&open) {
                // Invariant 2: what was appended since may be lost.
                *self.current.lock() = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Bytes first, then the name (invariant 3).
    fn make_durable(&self, open: &Open) -> Result<(), StorageError> {
        let path = self.files.path(FileKind::Segment, open.number);
        open.file
            .sync()
            .map_err(|error| StorageError::not_synced("sync", &path, error))?;
        if !open.is_published.load(Ordering::Acquire) {
            self.files.publish(FileKind::Segment, &[open.number])?;
            open.is_published.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub(super) fn is_current(&self, number: u64) -> bool {
        let current = self.current.lock();
        (current.as_ref()).is_some_and(|segment| segment.open.number == number)
    }

    fn writable(
        &self,
        current: Option<Segment>,
        mut new_number: impl FnMut() -> Result<u64, StorageError>,
    ) -> Result<Segment, StorageError> {
        if let Some(segment) = current.filter(|segment| segment.len < FULL) {
            return Ok(segment);
        }
        let number = new_number()?;
        let file = self.files.create(FileKind::Segment, number)?;
        let open = Open {
            number,
            file,
            is_published: AtomicBool::new(false),
        };
        Ok(Segment {
            open: Arc::new(open),
            len: 0,
        })
    }
}

// === impl Segment ===

impl Segment {
    /// Where each blob of a batch will lie.
    fn locations(&self, blobs: &[Bytes]) -> Vec<Location> {
        let mut offset = self.len;
        let place = |blob: &Bytes| {
            let location = Location::Segment {
                number: self.open.number,
                offset,
            };
            offset += blob.len() as u64;
            location
        };
        blobs.iter().map(place).collect()
    }

    /// Appends; `len` moves only on success.
    fn write(&mut self, blobs: &[Bytes], path: &Path) -> Result<(), StorageError> {
        let buffers: Vec<_> = blobs.iter().map(|blob| IoSlice::new(blob)).collect();
        let end = self.len + blobs.iter().map(|blob| blob.len() as u64).sum::<u64>();
        if end == self.len {
            return Ok(());
        }
        if let Err(error) = self.open.file.write_all_at(&buffers, self.len) {
            // What was written of it is nobody's; on a full disk its space is needed.
            self.free(self.len..end, path);
            return Err(StorageError::io("append to", path, error));
        }
        self.len = end;
        Ok(())
    }

    fn free(&self, range: Range<u64>, path: &Path) {
        if let Err(error) = self.open.file.punch_hole(range) {
            tracing::warn!(path = %path.display(), %error, "cannot free a failed append");
        }
    }
}
