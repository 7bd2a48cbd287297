//! [`Engine`]: a store that is open. The only place that builds the layers on one another.

use crate::backup::Backups;
use crate::blob::LocalStore;
use crate::check::{Background, Checker};
use crate::digest::Digest;
use crate::disk::{Disk, blocking};
use crate::fault::StorageError;
use crate::gc::{Collector, Policies};
#[cfg(any(test, feature = "test-util"))]
use crate::layout::FileKind;
use crate::layout::Layout;
use crate::meta::{Metadata, WriterParts};
use crate::name::RepositoryName;
use crate::options::{Collection, Options};
use crate::page::{Listing, Page};
use crate::repository::{Repository, RestoreError};
use crate::upload::Uploads;
use parking_lot::Mutex;
#[cfg(any(test, feature = "test-util"))]
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// An open store. Cheap to clone; every clone is the same store.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// What every handle shares.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) meta: Arc<Metadata>,
    pub(crate) store: Arc<LocalStore>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) check: Arc<Background>,
    /// The tasks of collector and check, and what ends them. `None` after closing.
    background: Mutex<Option<Tasks>>,
}

/// What runs in the background.
#[derive(Debug)]
struct Tasks {
    /// Ends them: by a message, or by being dropped with the last handle.
    stop: watch::Sender<()>,
    running: Vec<JoinHandle<()>>,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another engine of this one, has the store open.
    #[error("the store in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A newer version wrote it. Nothing was changed.
    #[error("the store has format {found}; this version reads up to {supported}")]
    NewerFormat {
        /// The store's format.
        found: u32,
        /// The newest this version reads.
        supported: u32,
    },
    /// A restore into it died before it was complete. Nothing was changed.
    #[error("a restore into {} was interrupted", .0.display())]
    Restoring(PathBuf),
    /// The machine failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A deleted repository that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedRepository {
    /// Its name.
    pub name: RepositoryName,
    /// When it was deleted, in milliseconds since the epoch by the wall clock.
    pub deleted: u64,
    /// For how long it can still be restored, in engine time. Zero: until the collector's next turn.
    pub left: Duration,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Blobs, each counted once however many repositories hold it.
    pub blobs: u64,
    /// Manifests, counted once per repository.
    pub manifests: u64,
    /// Repositories.
    pub repositories: u64,
    /// Tags.
    pub tags: u64,
    /// Uploads somebody writes to now.
    pub open_uploads: u64,
}

// === impl Engine ===

impl Engine {
    /// Opens the store in `options.root`, or makes one. Takes no walk over it, unless an earlier version
    /// wrote it: then all records are put into this version's form first, durably and at once.
    ///
    /// # Errors
    /// [`OpenError`].
    ///
    /// # Cancel safety
    /// A cancelled call leaves no store open.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let (options, layout, meta, store, wake) = blocking_open(options).await?;
        let uploads = Uploads::new(Arc::clone(&meta), Arc::clone(&store), &options)?;
        let uploads = Arc::new(uploads);
        let interval = options.policy_interval;
        let policies = Policies::new(Arc::clone(&meta), options.policies, interval);
        let policies = Arc::new(policies);
        meta.record_pulls(policies.need_pulls()).await?;
        let collector = Arc::new(Collector::new(
            Arc::clone(&meta),
            Arc::clone(&store),
            Arc::clone(&uploads),
            Arc::clone(&policies),
            (wake, options.collect_budget),
        )?);
        let checker = Checker {
            meta: Arc::clone(&meta),
            store: Arc::clone(&store),
            uploads: Arc::clone(&uploads),
        };
        let check = Arc::new(Background::new(checker, options.check_bytes_per_second));
        let (stop, stopped) = watch::channel(());
        let mut running = vec![tokio::spawn(Arc::clone(&check).work(stopped.clone()))];
        if options.collection == Collection::InBackground {
            let work = Arc::clone(&collector).work(options.collect_interval, stopped);
            running.push(tokio::spawn(work));
        }
        let background = Mutex::new(Some(Tasks { stop, running }));
        tracing::debug!(root = %layout.root().display(), "the store is open");
        Ok(Self {
            inner: Arc::new(Inner {
                meta,
                store,
                uploads,
                collector,
                policies,
                backups: Arc::default(),
                check,
                background,
            }),
        })
    }

    /// The metadata below, for tests that damage it.
    #[cfg(test)]
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.inner.meta
    }

    /// A handle on one repository, which may not exist (yet).
    pub fn repository(&self, name: &RepositoryName) -> Repository {
        Repository::new(Arc::clone(&self.inner), name.clone())
    }

    /// The repositories in ascending byte order. Costs in proportion to the page.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn repositories(
        &self,
        page: Page<String>,
    ) -> Result<Listing<RepositoryName>, StorageError> {
        self.inner.meta.repositories(&page)
    }

    /// The repositories that were deleted and can be restored, in ascending byte order; of one name
    /// the one deleted last.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn deleted_repositories(
        &self,
        page: Page<String>,
    ) -> Result<Listing<DeletedRepository>, StorageError> {
        self.inner.meta.deleted_repositories(&page)
    }

    /// Restores the repository of this name that was deleted last, as it was. Durable on return.
    /// Costs the same whatever it holds.
    ///
    /// # Errors
    /// [`RestoreError::Repository`], [`RestoreError::Exists`], [`RestoreError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn restore_repository(&self, name: &RepositoryName) -> Result<(), RestoreError> {
        self.inner.meta.restore_repository(name).await
    }

    /// At most `limit` repositories that hold a blob: candidates for a mount without a source.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn holders(
        &self,
        digest: &Digest,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StorageError> {
        self.inner.meta.holders(digest, limit)
    }

    /// What the store holds. Costs one read.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn statistics(&self) -> Result<Statistics, StorageError> {
        let mut statistics = self.inner.meta.statistics()?;
        statistics.open_uploads = self.inner.uploads.open_count() as u64;
        Ok(statistics)
    }

    /// Compares every row of the metadata with those it follows from; answers what does not fit, in
    /// words. The rows' part of [`Engine::check`], without its bound on what is answered.
    ///
    /// # Errors
    /// [`StorageError`]: a row could not be read.
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn audit(&self) -> Result<Vec<String>, StorageError> {
        let meta = Arc::clone(&self.inner.meta);
        blocking(move || meta.audit()).await
    }

    /// The files that records of blobs name, and those that records of unfinished uploads do: once
    /// the collector had its turn, no others are there but the segment that is written. An
    /// upload's may be missing: a power cut can take all of it. For tests.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    #[cfg(any(test, feature = "test-util"))]
    pub async fn named_files(&self) -> Result<[BTreeSet<PathBuf>; 2], StorageError> {
        let layout = self.inner.store.layout();
        let uploads = self.inner.uploads.live_files().await?.into_iter();
        let uploads = uploads.map(|number| layout.file(FileKind::Blob, number));
        let recorded = self.inner.meta.recorded_files()?.into_iter();
        let recorded = recorded.map(|(kind, number)| layout.file(kind, number));
        Ok([recorded.collect(), uploads.collect()])
    }

    /// Whether the store can serve: reads its metadata and asks whether its writer runs.
    ///
    /// # Errors
    /// [`StorageError`]: it cannot.
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn check_ready(&self) -> Result<(), StorageError> {
        self.inner.meta.check_ready()
    }

    /// Waits until the disk fails in a way that must not be written past (a sync that failed with
    /// anything but a full disk), and answers what failed. From then on writes are refused with
    /// [`StorageError::Stopped`] and reads may go on. The process should end and open the store
    /// again: the next opening reads anew from the medium.
    ///
    /// # Cancel safety
    /// Cancel safe: the failure is answered to whoever asks later, too.
    pub async fn failed(&self) -> StorageError {
        self.inner.store.health().failed().await
    }

    /// Closes the store: brings open uploads to rest, writes what is waiting, ends the background work, gives the lock back.
    /// Handles that are still about answer [`StorageError::Closed`].
    ///
    /// # Errors
    /// [`StorageError`] when the last writes failed.
    ///
    /// # Cancel safety
    /// A cancelled call goes on closing when the last handle is dropped.
    pub async fn close(&self) -> Result<(), StorageError> {
        self.inner.backups.cancel();
        self.inner.collector.stop().await;
        let background = self.inner.background.lock().take();
        if let Some(tasks) = background {
            drop(tasks.stop);
            for task in tasks.running {
                ended(task).await;
            }
        }
        self.inner.uploads.close().await;
        if let Err(error) = self.inner.meta.keep_time().await {
            tracing::warn!(%error, "the time was not written down at the end");
        }
        let meta = Arc::clone(&self.inner.meta);
        blocking(move || meta.close()).await
    }
}

/// Waits for a task in the background. Whatever became of it, the store is closed.
async fn ended(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a task in the background failed");
    }
}

/// Makes the store's directory and its missing parents, so that a power cut leaves them there.
pub(crate) fn make_root(disk: &dyn Disk, root: &Path) -> Result<(), StorageError> {
    let is_missing = |path: &&Path| {
        let listed = disk.list(path);
        !path.as_os_str().is_empty()
            && listed.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let missing: Vec<&Path> = root.ancestors().take_while(is_missing).collect();
    disk.create_directory(root)
        .map_err(|error| StorageError::io("create", root, error))?;
    for parent in missing.iter().filter_map(|path| path.parent()) {
        let is_working_directory = parent.as_os_str().is_empty();
        let parent = if is_working_directory {
            Path::new(".")
        } else {
            parent
        };
        disk.sync_directory(parent)
            .map_err(|error| StorageError::io("sync", parent, error))?;
    }
    Ok(())
}

/// What [`blocking_open`] built.
type Opened = (Options, Layout, Arc<Metadata>, Arc<LocalStore>, Arc<Notify>);

/// Takes the lock and opens the metadata, on a thread that may block.
async fn blocking_open(mut options: Options) -> Result<Opened, OpenError> {
    options.lease = options.lease.max(Options::SHORTEST_LEASE);
    let open = move || {
        let layout = Layout::new(&options.root);
        let (root, path) = (layout.root(), layout.lock());
        let disk = &options.disk;
        make_root(disk.as_ref(), root)?;
        let lock = disk.lock(&path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(root.to_owned()),
            _ => StorageError::io("lock", &path, error).into(),
        })?;
        match disk.open(&layout.restoring(), false) {
            Ok(_) => return Err(OpenError::Restoring(root.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(StorageError::io("open", &layout.restoring(), error).into());
            }
        }
        let store = LocalStore::new(Arc::clone(disk), layout.clone()).reserving(options.reserve);
        let store = Arc::new(store);
        let metadata = layout.metadata();
        (store.medium().forget_suspects(&metadata))
            .map_err(|error| StorageError::io("read anew", &metadata, error))?;
        store.reserve().hold();
        let wake = Arc::new(Notify::new());
        let meta = Metadata::open(
            &options,
            WriterParts {
                store: Arc::clone(&store),
                collector: Arc::clone(&wake),
                lock,
            },
        )?;
        // The database file may be new: without this a power cut could take its name.
        disk.sync_directory(root)
            .map_err(|error| StorageError::io("sync", root, error))?;
        (store.medium().forget_failure())
            .map_err(|error| StorageError::io("forget the failure in", root, error))?;
        Ok((options, layout, Arc::new(meta), store, wake))
    };
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|error| StorageError::Metadata(format!("opening panicked: {error}")))?
}
