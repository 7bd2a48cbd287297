//! Large blobs: a file each, copied or linked as a whole.

use super::{Copier, File, Known, Outcome};
use crate::backup::BackupError;
use crate::backup::directory::{remove, rename};
use crate::fault::StorageError;
use crate::layout::{FileKind, new_name};
use crate::meta::CopiedBlob;
use std::io;
use std::path::Path;

// === impl Copier ===

impl Copier<'_> {
    /// Brings one blob's file into the target, unless it is there.
    pub(super) fn copy_large(
        &mut self,
        blob: &CopiedBlob,
        number: u64,
    ) -> Result<Outcome, BackupError> {
        let from = self.source.file(FileKind::Blob, number);
        let to = self.target.file(FileKind::Blob, number);
        let is_vouched = self.known(blob)? == Known::Vouched;
        if !is_vouched && self.is_of_another(blob, number)? {
            return Err(self.other_store());
        }
        let there = File::open(&*self.disk, &to)?;
        let is_there = match &there {
            Some(file) if is_vouched && !self.options.verify => file.len()? == blob.size,
            Some(file) => self.holds(file, blob)?,
            None => false,
        };
        if is_there {
            if !is_vouched {
                // Left by a run that may have died before it made the name durable.
                self.touch(FileKind::Blob, number)?;
            }
            return Ok(Outcome::Kept);
        }
        let Some(source) = File::open(&*self.disk, &from)? else {
            return Ok(Outcome::Damaged);
        };
        self.touch(FileKind::Blob, number)?;
        if !self.options.hard_links {
            return Ok(self.copy_file(&source, blob, &to)?);
        }
        if !self.holds(&source, blob)? {
            return Ok(Outcome::Damaged);
        }
        if there.is_some() {
            remove(&*self.disk, &to)?;
        }
        self.link(&from, &to)
    }

    /// Whether the backup before has another blob in the file of this number.
    fn is_of_another(&self, blob: &CopiedBlob, number: u64) -> Result<bool, StorageError> {
        match &self.previous {
            Some(previous) => {
                let holder = previous.records.file_holder(number)?;
                Ok(holder.is_some_and(|holder| holder != blob.digest))
            }
            None => Ok(false),
        }
    }

    /// Whether a file is exactly this blob. Reads all of it.
    fn holds(&self, file: &File, blob: &CopiedBlob) -> Result<bool, StorageError> {
        if file.len()? != blob.size {
            return Ok(false);
        }
        let algorithm = blob.digest.algorithm();
        let digest = file.digest(blob.size, algorithm, self.reporter, |_, _| Ok(()))?;
        Ok(digest == Some(blob.digest))
    }

    fn copy_file(
        &self,
        source: &File,
        blob: &CopiedBlob,
        to: &Path,
    ) -> Result<Outcome, StorageError> {
        let new = new_name(to);
        let target = File::create_empty(&*self.disk, &new)?;
        let algorithm = blob.digest.algorithm();
        let write = |block: &[u8], offset| target.write(block, offset);
        let digest = source.digest(blob.size, algorithm, self.reporter, write)?;
        if digest != Some(blob.digest) || source.len()? != blob.size {
            remove(&*self.disk, &new)?;
            return Ok(Outcome::Damaged);
        }
        target.sync()?;
        rename(&*self.disk, &new, to)?;
        Ok(Outcome::Copied)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Outcome, BackupError> {
        match self.disk.hard_link(from, to) {
            Ok(()) => Ok(Outcome::Linked),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let target = self.target.root().to_owned();
                Err(BackupError::OtherFileSystem(target))
            }
            Err(error) => Err(StorageError::io("link", to, error).into()),
        }
    }
}
