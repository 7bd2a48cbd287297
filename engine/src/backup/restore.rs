//! [`restore`]: a store out of a backup.
//!
//! Invariants:
//! 1. While it runs, and after it died, the directory holds `metadata.redb.restoring`, and is no
//!    store: it cannot be opened, and another restore clears it and begins anew. The rename of that
//!    file is the last step, when everything else is durable.
//! 2. Everything is hashed on its way, manifests too; one thing that is not what it should be, and
//!    there is no store.
//! 3. What was there before is not touched: the directory must hold nothing.

use super::content::{Copier, File, remove_all};
use super::directory::{Complete, Directory, list, remove, rename, sync_directory};
use super::records::{FORMAT, Unreadable};
use super::{BackupError, BackupOptions, CancelOnDrop, Reporter, TransferPhase, TransferProgress};
use crate::digest::Digest;
use crate::disk::{Disk, SystemDisk, blocking};
use crate::engine::make_root;
use crate::fault::StorageError;
use crate::layout::{FileKind, Layout, entry};
use crate::meta::{Counts, Location, MetadataCopy};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::watch;

/// How a store is made of a backup.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Give blob files a second name in the store instead of copying them, which needs the same
    /// file system. The two are one file then: what damages one damages the other.
    pub hard_links: bool,
    /// The file system of both.
    pub disk: Arc<dyn Disk>,
    /// Where it tells how far it is.
    pub progress: watch::Sender<TransferProgress>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreReport {
    /// Blobs in the store.
    pub blobs: u64,
    /// Manifests in it, counted once per repository.
    pub manifests: u64,
    /// Repositories in it.
    pub repositories: u64,
    /// Tags in it.
    pub tags: u64,
    /// Bytes of blobs that were copied.
    pub copied_bytes: u64,
    /// Bytes of blobs that got a second name.
    pub linked_bytes: u64,
    /// Bytes of the metadata.
    pub metadata_bytes: u64,
    /// Blobs that were damaged in the store that was backed up: they are not served, and pushing
    /// them again heals them.
    pub damaged: Vec<Digest>,
    /// When the rows were copied out of the store, by the wall clock, since the epoch.
    pub began: Duration,
}

/// Why no store was made. The directory holds nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no backup there.
    #[error("{} is not a backup", .0.display())]
    NotABackup(PathBuf),
    /// A backup was begun there and none was ever completed.
    #[error("the backup in {} was interrupted before it was complete", .0.display())]
    Incomplete(PathBuf),
    /// Somebody works on the directory.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// Only an empty directory becomes a store.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A newer version made the backup, or the store that it is of.
    #[error("the backup in {} has a newer format than this version reads, which is {supported}", directory.display())]
    NewerFormat {
        /// The directory.
        directory: PathBuf,
        /// The newest this version reads.
        supported: u32,
    },
    /// The backup is not what was written.
    #[error("the backup in {} is damaged: {}{}", directory.display(), names.join(", "), more(*count, names))]
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What is damaged, the first of it.
        names: Vec<String>,
        /// How much is.
        count: u64,
    },
    /// Hard links were asked for, and they do not reach that far.
    #[error("{} is on another file system than the backup, where hard links cannot lead", .0.display())]
    OtherFileSystem(PathBuf),
    /// The machine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// At most this many damaged things are named.
const NAMED: usize = 20;

/// Manifests hashed at once.
const BATCH: usize = 256;

/// One restore.
struct Restore<'a> {
    backup: &'a Directory,
    complete: &'a Complete,
    target: Layout,
    options: &'a RestoreOptions,
    reporter: &'a Reporter,
}

/// Makes a store in `root` out of the backup in `backup`. `root` is made if it does not exist; else
/// it must hold nothing, or what a restore that died left.
///
/// The store draws a new key: uploads are no part of a backup, and backups of the new store go into
/// a directory of their own. Durable when it returns.
///
/// # Errors
/// [`RestoreError`]; nothing is left of it then.
///
/// # Cancel safety
/// A cancelled call ends soon and leaves nothing; a killed one leaves a directory that is not a
/// store, and that another restore clears.
pub async fn restore(
    backup: &Path,
    root: &Path,
    options: RestoreOptions,
) -> Result<RestoreReport, RestoreError> {
    let is_cancelled = Arc::<AtomicBool>::default();
    let _cancel = CancelOnDrop(Arc::clone(&is_cancelled));
    let reporter = Reporter {
        progress: options.progress.clone(),
        is_cancelled,
    };
    let (backup, root) = (backup.to_owned(), root.to_owned());
    reporter.update(|progress| progress.directory.clone_from(&root));
    blocking(move || Ok(run(&backup, &root, &options, &reporter))).await?
}

fn run(
    backup: &Path,
    root: &Path,
    options: &RestoreOptions,
    reporter: &Reporter,
) -> Result<RestoreReport, RestoreError> {
    let disk = &options.disk;
    let directory = Directory::for_restore(disk, backup)?
        .ok_or_else(|| RestoreError::InUse(backup.to_owned()))?;
    let complete = complete(&directory)?;
    let target = Layout::new(root);
    if !is_free(&**disk, &target)? {
        return Err(RestoreError::NotEmpty(root.to_owned()));
    }
    make_root(&**disk, root)?;
    let _lock = match disk.lock(&target.lock()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(RestoreError::InUse(root.to_owned()));
        }
        lock => lock.map_err(|error| StorageError::io("lock", &target.lock(), error))?,
    };
    let restore = Restore {
        backup: &directory,
        complete: &complete,
        target,
        options,
        reporter,
    };
    let outcome = restore.run();
    if outcome.is_err()
        && let Err(error) = restore.clear()
    {
        tracing::error!(%error, "what was restored could not be removed again");
    }
    outcome
}

// === impl Restore ===

impl Restore<'_> {
    fn run(&self) -> Result<RestoreReport, RestoreError> {
        let disk = &self.options.disk;
        self.reporter.enter(TransferPhase::Metadata);
        let metadata = self.begin()?;
        let path = self.target.restoring();
        let records = MetadataCopy::open(Arc::clone(metadata.disk_file()), &path)?;
        if !records.is_readable()? {
            return Err(self.newer());
        }
        let mut damaged = self.damaged_manifests(&records)?;
        let between = (self.backup.layout.clone(), self.target.clone());
        let options = BackupOptions {
            hard_links: self.options.hard_links,
            verify: false,
        };
        let mut copier = Copier::new(disk, between, options, self.reporter);
        copier
            .copy_all(&records)
            .map_err(|error| self.refused(error))?;
        damaged.extend(copier.done.damaged.iter().map(name_of));
        if !damaged.is_empty() {
            return Err(self.damaged(damaged));
        }
        copier.finish()?;
        let Counts {
            blobs,
            manifests,
            repositories,
            tags,
        } = records.counts()?;
        drop(records);
        rename(&**disk, &path, &self.target.metadata())?;
        sync_directory(&**disk, self.target.root())?;
        Ok(RestoreReport {
            blobs,
            manifests,
            repositories,
            tags,
            copied_bytes: copier.done.copied_bytes,
            linked_bytes: copier.done.linked_bytes,
            metadata_bytes: self.complete.manifest.metadata_bytes,
            damaged: copier.done.known_damaged,
            began: Duration::from_millis(self.complete.manifest.began),
        })
    }

    /// Clears what an earlier restore left, marks the directory, and copies the metadata.
    fn begin(&self) -> Result<File, RestoreError> {
        let disk = &*self.options.disk;
        let path = self.target.restoring();
        let file = File::create_empty(disk, &path)?;
        sync_directory(disk, self.target.root())?;
        remove_all(disk, &self.target)?;
        let Complete { manifest, metadata } = self.complete;
        let digest = match File::open(disk, metadata)? {
            Some(source) => source.digest(
                manifest.metadata_bytes,
                manifest.metadata_digest.algorithm(),
                self.reporter,
                |block, offset| file.write(block, offset),
            )?,
            None => None,
        };
        if digest != Some(manifest.metadata_digest) {
            let name = metadata.file_name().unwrap_or_default();
            return Err(self.damaged(vec![name.to_string_lossy().into_owned()]));
        }
        file.sync()?;
        Ok(file)
    }

    fn damaged_manifests(&self, records: &MetadataCopy) -> Result<Vec<String>, StorageError> {
        let (mut damaged, mut after) = (Vec::new(), None);
        loop {
            self.reporter.go_on()?;
            let manifests = records.manifests(after.as_ref(), BATCH)?;
            let Some((last, _)) = manifests.last() else {
                return Ok(damaged);
            };
            after = Some(*last);
            let is_damaged = |(digest, content): &&(Digest, Vec<u8>)| {
                Digest::of(digest.algorithm(), content) != *digest
            };
            let found = manifests.iter().filter(is_damaged);
            damaged.extend(found.map(|(digest, _)| format!("manifest {digest}")));
        }
    }

    /// Removes everything that was made; what says that this is no store goes last.
    fn clear(&self) -> Result<(), StorageError> {
        let disk = &*self.options.disk;
        let (marker, metadata) = (self.target.restoring(), self.target.metadata());
        // There was none before: it is this restore's, which failed in its very last step.
        match disk.rename(&metadata, &marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StorageError::io("rename", &metadata, error));
            }
            _ => {}
        }
        remove_all(disk, &self.target)?;
        remove(disk, &marker)
    }

    fn damaged(&self, mut names: Vec<String>) -> RestoreError {
        let count = names.len() as u64;
        names.truncate(NAMED);
        RestoreError::Damaged {
            directory: self.backup.layout.root().to_owned(),
            names,
            count,
        }
    }

    fn newer(&self) -> RestoreError {
        newer(self.backup)
    }

    /// What copying can be refused for, as it is here: the target is empty, so nothing in it can be
    /// somebody else's.
    fn refused(&self, error: BackupError) -> RestoreError {
        let root = self.target.root().to_owned();
        match error {
            BackupError::Storage(error) => error.into(),
            BackupError::OtherFileSystem(_) => RestoreError::OtherFileSystem(root),
            BackupError::InUse(_) | BackupError::Running(_) => RestoreError::InUse(root),
            BackupError::NewerFormat { .. } => self.newer(),
            BackupError::NotABackup(_) | BackupError::OtherStore(_) => RestoreError::NotEmpty(root),
        }
    }
}

fn complete(directory: &Directory) -> Result<Complete, RestoreError> {
    let path = || directory.layout.root().to_owned();
    match directory.manifest()? {
        Some(Ok(complete)) => Ok(complete),
        Some(Err(Unreadable::Newer(_))) => Err(newer(directory)),
        Some(Err(Unreadable::Damaged)) => Err(RestoreError::Damaged {
            directory: path(),
            names: vec!["MANIFEST".to_owned()],
            count: 1,
        }),
        None if directory.is_marked()? => Err(RestoreError::Incomplete(path())),
        None => Err(RestoreError::NotABackup(path())),
    }
}

fn newer(directory: &Directory) -> RestoreError {
    RestoreError::NewerFormat {
        directory: directory.layout.root().to_owned(),
        supported: FORMAT,
    }
}

/// Whether a directory holds nothing but what a restore that failed or died leaves.
fn is_free(disk: &dyn Disk, layout: &Layout) -> Result<bool, StorageError> {
    let root = layout.root();
    let names = list(disk, root)?;
    let has_died = names
        .iter()
        .any(|name| entry(root, name) == layout.restoring());
    let kinds = [FileKind::Blob, FileKind::Segment];
    for name in &names {
        let path = entry(root, name);
        let is_nothing = [layout.lock(), layout.restoring()].contains(&path)
            || name.as_path() == Path::new("lost+found");
        let is_content = kinds.iter().any(|&kind| path == layout.files(kind));
        let holds_files = is_content && !has_died && holds_files(disk, &path)?;
        if !is_nothing && (!is_content || holds_files) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether any directory under one has an entry.
fn holds_files(disk: &dyn Disk, path: &Path) -> Result<bool, StorageError> {
    for name in list(disk, path)? {
        if !list(disk, &entry(path, &name))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn name_of((digest, location): &(Digest, Location)) -> String {
    let (kind, number) = match *location {
        Location::File(number) => (FileKind::Blob, number),
        Location::Segment { number, .. } => (FileKind::Segment, number),
    };
    let path = Layout::new("").file(kind, number);
    format!("{digest} in {}", path.display())
}

fn more(count: u64, names: &[String]) -> String {
    match count.saturating_sub(names.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            hard_links: false,
            disk: Arc::new(SystemDisk),
            progress: watch::Sender::default(),
        }
    }
}
