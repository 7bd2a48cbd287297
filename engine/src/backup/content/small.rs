//! Small blobs: parts of segments, copied to the same places of the same segments.

use super::{Copier, File, Known, Outcome};
use crate::backup::BackupError;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::layout::FileKind;
use crate::meta::CopiedBlob;

/// One segment on both sides, opened when it is needed.
struct Segment {
    number: u64,
    source: Option<File>,
    target: Option<File>,
}

/// What is to be done about one part.
enum Plan {
    /// Nothing: it is there, and durable.
    Keep,
    /// It is there, left by a run that may have died before it made it durable.
    Sync,
    Copy,
}

// === impl Copier ===

impl Copier<'_> {
    /// Brings parts of one segment, in the order of their offsets, into the target.
    pub(super) fn copy_small(
        &mut self,
        number: u64,
        blobs: &[(u64, CopiedBlob)],
    ) -> Result<(), BackupError> {
        let mut segment = Segment {
            number,
            source: None,
            target: File::open(&*self.disk, &self.target.file(FileKind::Segment, number))?,
        };
        for (offset, blob) in blobs {
            self.reporter.go_on()?;
            let outcome = match self.plan(&segment, *offset, blob)? {
                Plan::Keep => Outcome::Kept,
                Plan::Sync => {
                    self.touch(FileKind::Segment, number)?;
                    Outcome::Kept
                }
                Plan::Copy => self.copy_part(&mut segment, *offset, blob)?,
            };
            self.count(blob, outcome);
        }
        Ok(())
    }

    fn plan(
        &mut self,
        segment: &Segment,
        offset: u64,
        blob: &CopiedBlob,
    ) -> Result<Plan, BackupError> {
        let known = self.known(blob)?;
        let end = self.previous.as_ref();
        let end = end.and_then(|previous| previous.ends.get(&segment.number));
        // A segment only grows: what is new lies behind what an earlier backup of this store has.
        if known == Known::Not && end.is_some_and(|&end| offset < end) {
            return Err(self.other_store());
        }
        let Some(target) = &segment.target else {
            return Ok(Plan::Copy);
        };
        let is_there = if known == Known::Vouched && !self.options.verify {
            offset.saturating_add(blob.size) <= target.len()?
        } else {
            if self.settled.insert(segment.number) {
                target.settle()?;
            }
            read_whole(target, offset, blob)?.is_some()
        };
        Ok(match (is_there, known) {
            (true, Known::Vouched) => Plan::Keep,
            (true, Known::Placed | Known::Not) => Plan::Sync,
            (false, _) => Plan::Copy,
        })
    }

    fn copy_part(
        &mut self,
        segment: &mut Segment,
        offset: u64,
        blob: &CopiedBlob,
    ) -> Result<Outcome, StorageError> {
        let number = segment.number;
        let path = self.source.file(FileKind::Segment, number);
        let source = match segment.source.take() {
            Some(source) => Some(source),
            None => File::open(&*self.disk, &path)?,
        };
        let content = match &source {
            Some(source) => read_whole(source, offset, blob)?,
            None => None,
        };
        segment.source = source;
        let Some(content) = content else {
            return Ok(Outcome::Damaged);
        };
        self.touch(FileKind::Segment, number)?;
        let target = match segment.target.take() {
            Some(target) => target,
            None => File::create(&*self.disk, &self.target.file(FileKind::Segment, number))?,
        };
        target.write(&content, offset)?;
        segment.target = Some(target);
        Ok(Outcome::Copied)
    }
}

/// The content of a small blob, if it is what it should be.
fn read_whole(
    file: &File,
    offset: u64,
    blob: &CopiedBlob,
) -> Result<Option<Vec<u8>>, StorageError> {
    let content = file.read(offset, blob.size)?;
    let is_right = |content: &Vec<u8>| {
        crc32c::crc32c(content) == blob.check
            && Digest::of(blob.digest.algorithm(), content) == blob.digest
    };
    Ok(content.filter(is_right))
}
