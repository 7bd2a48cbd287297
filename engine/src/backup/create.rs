//! Making a backup: one at a time, on a thread that may block (see the module's head for why it is
//! consistent).
//!
//! The hold, the turn and the lock on the directory belong to that thread: they end when it ends,
//! which is soon after nobody waits for it any more, and not before.

use super::content::{Copier, File, Previous, Transferred};
use super::directory::{Complete, Directory};
use super::records::{FORMAT, Manifest, Unreadable};
use super::{
    BackupError, BackupOptions, BackupReport, CancelOnDrop, Reporter, TransferPhase,
    TransferProgress,
};
use crate::blob::LocalStore;
use crate::digest::{Algorithm, Digest};
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::gc::Hold;
use crate::meta::{Counts, Location, Metadata, MetadataCopy};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// The backups of one store: at most one runs.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    progress: watch::Sender<TransferProgress>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    directory: PathBuf,
    is_cancelled: Arc<AtomicBool>,
}

/// The one backup that runs; the next may begin when this is dropped.
#[derive(Debug)]
struct Turn {
    backups: Arc<Backups>,
    reporter: Reporter,
}

/// Where a backup comes from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) meta: Arc<Metadata>,
    pub(crate) store: Arc<LocalStore>,
    /// Taken before the rows are copied.
    pub(crate) hold: Hold,
}

/// What was damaged and where that was found.
type Damaged = Vec<(Digest, Location)>;

// === impl Backups ===

impl Backups {
    pub(crate) fn progress(&self) -> watch::Receiver<TransferProgress> {
        self.progress.subscribe()
    }

    /// Tells the backup that runs to end.
    pub(crate) fn cancel(&self) {
        if let Some(running) = &*self.running.lock() {
            running.is_cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn begin(self: &Arc<Self>, directory: &Path) -> Result<Turn, BackupError> {
        let mut running = self.running.lock();
        if let Some(running) = &*running {
            return Err(BackupError::Running(running.directory.clone()));
        }
        let is_cancelled = Arc::<AtomicBool>::default();
        *running = Some(Running {
            directory: directory.to_owned(),
            is_cancelled: Arc::clone(&is_cancelled),
        });
        let reporter = Reporter {
            progress: self.progress.clone(),
            is_cancelled,
        };
        reporter.update(|progress| directory.clone_into(&mut progress.directory));
        Ok(Turn {
            backups: Arc::clone(self),
            reporter,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.backups.running.lock() = None;
    }
}

/// See [`crate::Engine::backup`]. `source` is asked for when it is known that none runs.
pub(crate) async fn create(
    backups: &Arc<Backups>,
    source: impl Future<Output = Source> + Send,
    target: &Path,
    options: BackupOptions,
) -> Result<BackupReport, BackupError> {
    let turn = backups.begin(target)?;
    let _cancel = CancelOnDrop(Arc::clone(&turn.reporter.is_cancelled));
    let source = source.await;
    let (meta, target) = (Arc::clone(&source.meta), target.to_owned());
    let work = move || Ok(run(source, &target, options, &turn.reporter));
    let (report, damaged) = blocking(work).await??;
    for (digest, location) in damaged {
        tracing::error!(%digest, "a blob was found to be damaged");
        meta.mark_damaged(&digest, location).await?;
    }
    Ok(report)
}

fn run(
    source: Source,
    target: &Path,
    options: BackupOptions,
    reporter: &Reporter,
) -> Result<(BackupReport, Damaged), BackupError> {
    reporter.go_on()?;
    reporter.enter(TransferPhase::Metadata);
    let Source { meta, store, hold } = source;
    // A medium of backups that fails stops the backup and not the store.
    let disk = store.medium().unwatched();
    let directory = Directory::for_backup(disk, target, meta.identity())?;
    let previous = previous(&directory, meta.identity(), reporter)?;
    directory.remove_interrupted()?;
    let began = meta.wall();
    let number = directory.new_metadata_number()?;
    let path = directory.layout.backup_metadata(number);
    let file = File::create_empty(&**disk, &path)?;
    meta.copy_to(file.disk_file(), &path, &mut || reporter.go_on())?;
    let mut records = MetadataCopy::open(Arc::clone(file.disk_file()), &path)?;

    let between = (store.layout().clone(), directory.layout.clone());
    let mut copier = Copier::new(disk, between, options, reporter);
    copier.previous = previous;
    copier.copy_all(&records)?;
    copier.finish()?;
    // Nothing is read from the store any more.
    drop(hold);
    let done = copier.done;
    if !done.damaged.is_empty() {
        drop(records);
        let digests: Vec<_> = done.damaged.iter().map(|(digest, _)| *digest).collect();
        MetadataCopy::mark_damaged(file.disk_file(), &path, &digests)?;
        records = MetadataCopy::open(Arc::clone(file.disk_file()), &path)?;
    }
    let made = Made {
        number,
        counts: records.counts()?,
        times: (began, meta.wall()),
    };
    let manifest = made.manifest(meta.identity(), &file, &done, reporter)?;
    directory.complete(&manifest)?;
    let removed_files = directory.remove_others(&manifest, &records, reporter)?;
    let damaged = done.damaged.clone();
    Ok((report(&manifest, done, removed_files), damaged))
}

/// What the manifest tells beside what was copied.
struct Made {
    number: u64,
    counts: Counts,
    times: (Duration, Duration),
}

// === impl Made ===

impl Made {
    fn manifest(
        &self,
        store: [u8; 16],
        file: &File,
        done: &Transferred,
        reporter: &Reporter,
    ) -> Result<Manifest, StorageError> {
        let metadata_bytes = file.len()?;
        let digest = file.digest(metadata_bytes, Algorithm::Sha256, reporter, |_, _| Ok(()))?;
        let metadata_digest = digest.ok_or_else(|| {
            StorageError::Metadata("the copy of the metadata became shorter".to_owned())
        })?;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(Manifest {
            store,
            began: millis(self.times.0),
            finished: millis(self.times.1),
            metadata: self.number,
            metadata_bytes,
            metadata_digest,
            counts: self.counts,
            bytes: done.copied_bytes + done.linked_bytes + done.kept_bytes,
            damaged: (done.damaged.len() + done.known_damaged.len()) as u64,
        })
    }
}

/// The records of the complete backup in the directory, if there is one that can be relied on.
fn previous(
    directory: &Directory,
    store: [u8; 16],
    reporter: &Reporter,
) -> Result<Option<Previous>, BackupError> {
    let path = || directory.layout.root().to_owned();
    let complete = match directory.manifest()? {
        None => return Ok(None),
        Some(Ok(complete)) => complete,
        Some(Err(Unreadable::Newer(found))) => {
            return Err(BackupError::NewerFormat {
                directory: path(),
                found,
                supported: FORMAT,
            });
        }
        Some(Err(Unreadable::Damaged)) => {
            tracing::warn!(directory = %path().display(), "the backup's manifest is damaged: \
                everything in it is hashed again");
            return Ok(None);
        }
    };
    if complete.manifest.store != store {
        return Err(BackupError::OtherStore(path()));
    }
    let opened = open(directory, &complete, reporter)?;
    if opened.is_none() {
        tracing::warn!(metadata = %complete.metadata.display(), "the backup's metadata is damaged \
            or of another version: everything in it is hashed again");
    }
    Ok(opened)
}

fn open(
    directory: &Directory,
    complete: &Complete,
    reporter: &Reporter,
) -> Result<Option<Previous>, StorageError> {
    if !directory.is_whole(complete, reporter)? {
        return Ok(None);
    }
    let Some(file) = File::open(&*directory.disk, &complete.metadata)? else {
        return Ok(None);
    };
    let records = MetadataCopy::open(Arc::clone(file.disk_file()), &complete.metadata)?;
    if !records.is_readable()? {
        return Ok(None);
    }
    Previous::new(records, reporter).map(Some)
}

fn report(manifest: &Manifest, done: Transferred, removed_files: u64) -> BackupReport {
    let Counts {
        blobs,
        manifests,
        repositories,
        tags,
    } = manifest.counts;
    let mut damaged = done.known_damaged;
    damaged.extend(done.damaged.into_iter().map(|(digest, _)| digest));
    BackupReport {
        blobs,
        manifests,
        repositories,
        tags,
        copied_bytes: done.copied_bytes,
        linked_bytes: done.linked_bytes,
        kept_bytes: done.kept_bytes,
        metadata_bytes: manifest.metadata_bytes,
        damaged,
        removed_files,
        began: Duration::from_millis(manifest.began),
    }
}
