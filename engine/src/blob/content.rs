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
    let damaged = || StorageError::from(Corruption::Blob(stored.digest));
    let mut content = buffer(stored.size).ok_or_else(damaged)?;
    if !content.is_empty() {
        let file = files.open(FileKind::Segment, number)?;
        let path = files.path(FileKind::Segment, number);
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
