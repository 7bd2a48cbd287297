//! Stored blobs that are open: a large one as its file, a small one as its checked bytes.
//!
//! A file is read by ranges, or mapped for handing to a socket; its bytes do not change (see
//! `local`, invariant 2).

use super::local::Files;
use super::store::{Pending, Stored, StoredBlob};
use crate::digest::Digest;
use crate::disk::{DiskFile, Mapping, blocking};
use crate::fault::{Corruption, StorageError};
use crate::layout::FileKind;
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Whoever reads so many bytes and not the last is taken to go on behind them.
const PIECE: u64 = 128 * 1024;

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

/// Opens a blob that is a file of its own. Blocks.
pub(super) fn open_file(
    files: &Files,
    number: u64,
    stored: &Stored,
) -> Result<Arc<dyn StoredBlob>, StorageError> {
    let path = files.path(FileKind::Blob, number);
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

/// Reads and checks a small blob. Blocks.
pub(super) fn read_small(
    files: &Files,
    number: u64,
    offset: u64,
    stored: &Stored,
) -> Result<Arc<dyn StoredBlob>, StorageError> {
    let mut content = Vec::new();
    if stored.size > 0 {
        let file = files.open(FileKind::Segment, number)?;
        let path = files.path(FileKind::Segment, number);
        let range = offset..offset.saturating_add(stored.size);
        content = read_range(&*file, &path, range, stored.digest)?;
    }
    let check = stored.check.unwrap_or_default();
    if crc32c::crc32c(&content) != check {
        return Err(Corruption::Blob(stored.digest).into());
    }
    Ok(Arc::new(SmallBlob {
        content: content.into(),
        digest: stored.digest,
    }))
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

    /// Prepares for the reads behind this one; without a mapping they are only slower.
    fn expect_more_than(&self, range: &Range<u64>) {
        if range.end < self.size && range.end - range.start >= PIECE {
            self.mapping().ok();
        }
    }

    /// Whether `range` is known to be in memory, so that reading it is but a copy: a hand-over to
    /// another thread and back costs more.
    fn is_resident(&self, range: &Range<u64>) -> bool {
        let mapping = self.mapping.get().and_then(Option::as_ref);
        mapping.is_some_and(|mapping| mapping.is_resident(range.clone()))
    }

    /// Blocks unless `range` is in memory.
    fn read_now(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        read_range(&*self.file, &self.path, range, self.digest).map(Bytes::from)
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
        Box::pin(async move {
            check_range(&range, self.size, self.digest)?;
            if self.is_resident(&range) {
                return self.read_now(range);
            }
            blocking(move || {
                self.expect_more_than(&range);
                self.read_now(range)
            })
            .await
        })
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

/// Reads a blob's bytes; a file that ends too early is a damaged blob.
fn read_range(
    file: &dyn DiskFile,
    path: &Path,
    range: Range<u64>,
    digest: Digest,
) -> Result<Vec<u8>, StorageError> {
    let damaged = || StorageError::from(Corruption::Blob(digest));
    // What cannot be addressed was never stored here.
    let len = usize::try_from(range.end - range.start).map_err(|_too_long| damaged())?;
    match file.read_at(len, range.start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(damaged()),
        outcome => outcome.map_err(|error| StorageError::io("read", path, error)),
    }
}
