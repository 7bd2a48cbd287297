//! [`Copier`]: brings the content of all blobs of a metadata copy from one directory to another.
//!
//! The same for a backup and for a restore. Invariants:
//! 1. What it says is there is there, and was hashed on its way or is vouched for by the backup
//!    before; when [`Copier::finish`] returned, it survives a power cut.
//! 2. A blob file gets its name when it is whole. A segment grows in place: the parts an older
//!    backup names are never written again, unless they were found to be damaged.
//! 3. Blobs are taken in batches, so memory does not grow with the store; within a batch small ones
//!    go in the order of their places.

mod file;
mod large;
mod small;

pub(super) use file::File;

use super::directory::{list, numbers, remove, sync_directory};
use super::{BackupError, BackupOptions, Reporter, TransferPhase};
use crate::digest::Digest;
use crate::disk::Disk;
use crate::fault::StorageError;
use crate::layout::{FileKind, Layout, directory_of, entry};
use crate::meta::{CopiedBlob, Location, MetadataCopy};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Blobs taken at once.
const BATCH: usize = 16 * 1024;

/// From where to where, and how.
#[derive(Debug)]
pub(super) struct Copier<'a> {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) source: Layout,
    pub(super) target: Layout,
    pub(super) options: BackupOptions,
    /// What the target has, by the backup before.
    pub(super) previous: Option<Previous>,
    pub(super) reporter: &'a Reporter,
    pub(super) done: Transferred,
    touched: Touched,
    /// Segments of the target whose medium is asked when they are read.
    settled: BTreeSet<u64>,
}

/// The records of a complete backup.
#[derive(Debug)]
pub(super) struct Previous {
    records: MetadataCopy,
    /// Where the last blob of each segment ends.
    ends: HashMap<u64, u64>,
}

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Transferred {
    pub(super) copied_bytes: u64,
    pub(super) linked_bytes: u64,
    pub(super) kept_bytes: u64,
    /// Blobs that the source does not have as it should.
    pub(super) damaged: Vec<(Digest, Location)>,
    /// Blobs that the records already say are damaged.
    pub(super) known_damaged: Vec<Digest>,
}

/// What must be synced at the end.
#[derive(Debug, Default)]
struct Touched {
    directories: BTreeSet<(FileKind, u64)>,
    segments: BTreeSet<u64>,
}

/// What the backup before says of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It has this very blob in this very place.
    Vouched,
    /// The place is this blob's, and the content is not there.
    Placed,
    Not,
}

/// What came of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Copied,
    Linked,
    Kept,
    Damaged,
}

// === impl Copier ===

impl<'a> Copier<'a> {
    pub(super) fn new(
        disk: &Arc<dyn Disk>,
        (source, target): (Layout, Layout),
        options: BackupOptions,
        reporter: &'a Reporter,
    ) -> Self {
        Self {
            disk: Arc::clone(disk),
            source,
            target,
            options,
            previous: None,
            reporter,
            done: Transferred::default(),
            touched: Touched::default(),
            settled: BTreeSet::new(),
        }
    }

    /// Copies the content of every blob in `records` that the target does not have.
    pub(super) fn copy_all(&mut self, records: &MetadataCopy) -> Result<(), BackupError> {
        self.reporter.enter(TransferPhase::Content);
        let all = records.counts()?.blobs;
        self.reporter.update(|progress| progress.all_blobs = all);
        let mut after = None;
        loop {
            let blobs = records.blobs(after.as_ref(), BATCH)?;
            let Some(last) = blobs.last() else {
                return Ok(());
            };
            after = Some(last.digest);
            self.copy_batch(blobs)?;
        }
    }

    fn copy_batch(&mut self, blobs: Vec<CopiedBlob>) -> Result<(), BackupError> {
        let mut small: HashMap<u64, Vec<(u64, CopiedBlob)>> = HashMap::new();
        for blob in blobs {
            match blob.location {
                // There is no right content to copy.
                _ if blob.damaged => self.done.known_damaged.push(blob.digest),
                // An empty one needs no place.
                _ if blob.size == 0 => self.count(&blob, Outcome::Kept),
                Location::File(number) => {
                    let outcome = self.copy_large(&blob, number)?;
                    self.count(&blob, outcome);
                }
                Location::Segment { number, offset } => {
                    small.entry(number).or_default().push((offset, blob));
                }
            }
        }
        for (number, mut blobs) in small {
            blobs.sort_unstable_by_key(|(offset, _)| *offset);
            self.copy_small(number, &blobs)?;
        }
        Ok(())
    }

    fn count(&mut self, blob: &CopiedBlob, outcome: Outcome) {
        let (size, done) = (blob.size, &mut self.done);
        match outcome {
            Outcome::Copied => done.copied_bytes += size,
            Outcome::Linked => done.linked_bytes += size,
            Outcome::Kept => done.kept_bytes += size,
            Outcome::Damaged => done.damaged.push((blob.digest, blob.location)),
        }
        let (moved, kept) = (done.copied_bytes + done.linked_bytes, done.kept_bytes);
        self.reporter.update(|progress| {
            progress.blobs += 1;
            progress.moved_bytes = moved;
            progress.kept_bytes = kept;
        });
    }

    /// Makes everything that was copied durable.
    pub(super) fn finish(&self) -> Result<(), StorageError> {
        self.reporter.enter(TransferPhase::Finishing);
        for &number in &self.touched.segments {
            self.reporter.go_on()?;
            let path = self.target.file(FileKind::Segment, number);
            File::create(&*self.disk, &path)?.sync()?;
        }
        let mut kinds = BTreeSet::new();
        for &(kind, directory) in &self.touched.directories {
            sync_directory(&*self.disk, &self.target.directory(kind, directory))?;
            kinds.insert(kind);
        }
        for kind in kinds {
            sync_directory(&*self.disk, &self.target.files(kind))?;
        }
        sync_directory(&*self.disk, self.target.root())
    }

    /// What the backup before says of a blob that is to be copied.
    fn known(&self, blob: &CopiedBlob) -> Result<Known, StorageError> {
        let Some(previous) = &self.previous else {
            return Ok(Known::Not);
        };
        Ok(match previous.records.blob(&blob.digest)? {
            Some(known) if known == *blob => Known::Vouched,
            Some(known) if known.location == blob.location => Known::Placed,
            _ => Known::Not,
        })
    }

    /// Makes the directory of a numbered file of the target and remembers to sync it.
    fn touch(&mut self, kind: FileKind, number: u64) -> Result<(), StorageError> {
        let directory = directory_of(number);
        if self.touched.directories.insert((kind, directory)) {
            let path = self.target.directory(kind, directory);
            self.disk
                .create_directory(&path)
                .map_err(|error| StorageError::io("create", &path, error))?;
        }
        if kind == FileKind::Segment {
            self.touched.segments.insert(number);
        }
        Ok(())
    }

    fn other_store(&self) -> BackupError {
        BackupError::OtherStore(self.target.root().to_owned())
    }
}

// === impl Previous ===

impl Previous {
    /// The records of a backup that is whole.
    pub(super) fn new(records: MetadataCopy, reporter: &Reporter) -> Result<Self, StorageError> {
        let (mut ends, mut after) = (HashMap::new(), None);
        loop {
            reporter.go_on()?;
            let blobs = records.blobs(after.as_ref(), BATCH)?;
            let Some(last) = blobs.last() else {
                return Ok(Self { records, ends });
            };
            after = Some(last.digest);
            for (number, end) in blobs.iter().filter_map(end_in_segment) {
                let last = ends.entry(number).or_default();
                *last = end.max(*last);
            }
        }
    }
}

/// The segment a small blob lies in, and where it ends there.
fn end_in_segment(blob: &CopiedBlob) -> Option<(u64, u64)> {
    match blob.location {
        Location::Segment { number, offset } => Some((number, offset.saturating_add(blob.size))),
        Location::File(_) => None,
    }
}

/// Removes every numbered file under `layout`, whatever it holds, durably.
pub(crate) fn remove_all(disk: &dyn Disk, layout: &Layout) -> Result<(), StorageError> {
    for kind in [FileKind::Blob, FileKind::Segment] {
        for directory in numbers(disk, &layout.files(kind))? {
            let directory = layout.directory(kind, directory);
            for name in list(disk, &directory)? {
                remove(disk, &entry(&directory, &name))?;
            }
            sync_directory(disk, &directory)?;
        }
    }
    Ok(())
}
