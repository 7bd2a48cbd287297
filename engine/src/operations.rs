//! What an operator asks of a store that is open: collection and the questions about it, policies,
//! backups and the check.

use crate::backup::{self, BackupError, BackupOptions, BackupReport, TransferProgress};
use crate::check::{CheckOptions, CheckProgress, CheckReport};
use crate::digest::Digest;
use crate::disk::blocking;
use crate::engine::{Engine, Inner};
use crate::fault::StorageError;
use crate::gc::{
    CollectError, CollectOptions, CollectorHandle, GcReport, PolicyReport, RepositoryUsage,
    StoreUsage, Why,
};
use crate::meta::Wanted;
use crate::name::RepositoryName;
use crate::page::{Listing, Page, Part};
use crate::policy::Pattern;
use crate::upload::{UploadDetail, UploadError, UploadUuid};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

// === impl Engine ===

impl Engine {
    /// Does all the collector's work that is due now, instead of waiting for its next turn. The
    /// first time it also looks for files that an earlier process left without a record. While
    /// collection is paused it does nothing, and the report is not `complete`.
    ///
    /// # Errors
    /// [`StorageError`]: the run stopped there; what it had done is done.
    ///
    /// # Cancel safety
    /// A cancelled run has done a part of the work.
    pub async fn collect(&self) -> Result<GcReport, StorageError> {
        match self.inner.collector.run(CollectOptions::default()).await {
            Ok(report) => Ok(report),
            Err(CollectError::Paused) => Ok(GcReport::default()),
            Err(CollectError::Storage(error)) => Err(error),
        }
    }

    /// The collector: running it by hand, seeing what it would remove, its pace, its state.
    pub fn collector(&self) -> CollectorHandle {
        CollectorHandle::new(Arc::clone(&self.inner))
    }

    /// Why a digest is there: where its bytes lie, every repository that holds it, and in each what
    /// leads to it or when it goes. `None`: no repository holds it, as a blob or as a manifest.
    ///
    /// `page` is one of repositories, by [`crate::gc::Holder::position`]; of a repository's edges
    /// and tags the first ones are named.
    ///
    /// # Errors
    /// [`StorageError`]: among them that a row it needs is damaged.
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn why(&self, digest: &Digest, page: Page<u64>) -> Result<Option<Why>, StorageError> {
        let (meta, digest) = (Arc::clone(&self.inner.meta), *digest);
        blocking(move || meta.why(&digest, &page)).await
    }

    /// What the repositories of a page hold, by name in ascending byte order. Costs in proportion to
    /// what these repositories hold.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn usage(
        &self,
        page: Page<String>,
    ) -> Result<Listing<RepositoryUsage>, StorageError> {
        let meta = Arc::clone(&self.inner.meta);
        blocking(move || meta.usage(&page)).await
    }

    /// The repositories a pattern matches, in ascending byte order. Looks at 10,000 names at most, of
    /// those that begin like the pattern, so that a page may be short, even empty, while more follows:
    /// the next one begins behind `next`.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn repositories_matching(
        &self,
        pattern: &Pattern,
        page: Page<String>,
    ) -> Result<Part<RepositoryName>, StorageError> {
        let wanted = Wanted::Matching(pattern);
        self.inner.meta.repositories_wanted(wanted, &page)
    }

    /// The repositories whose name contains `text`, by page as [`Engine::repositories_matching`].
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn repositories_containing(
        &self,
        text: &str,
        page: Page<String>,
    ) -> Result<Part<RepositoryName>, StorageError> {
        let wanted = Wanted::Containing(text);
        self.inner.meta.repositories_wanted(wanted, &page)
    }

    /// How many bytes the repositories hold that a pattern matches, what can be restored of deleted
    /// ones not counted: their blobs, counted in each that holds them, and their manifests. Rows that
    /// cannot be read count as nothing. Costs in proportion to what they hold, and is no view of one
    /// moment: each repository is read by itself.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects. A cancelled one goes on to its end in the background.
    pub async fn held_bytes(&self, pattern: &Pattern) -> Result<u64, StorageError> {
        let (meta, pattern) = (Arc::clone(&self.inner.meta), pattern.clone());
        blocking(move || meta.held_bytes(&pattern)).await
    }

    /// The uploads that are open or at rest, in the order of their UUIDs. One without bytes that nobody
    /// has open is not among them: nothing is kept of it. Costs in proportion to the names of all
    /// uploads and to the page.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn uploads(
        &self,
        page: Page<UploadUuid>,
    ) -> Result<Listing<UploadDetail>, StorageError> {
        self.inner.uploads.list(page).await
    }

    /// Ends an upload, whoever has it open, and gives its space back; answers whether there was one.
    /// Its id is remembered as ended, durably. For an operator: whoever knows the whole id opens the
    /// upload and cancels it.
    ///
    /// # Errors
    /// [`UploadError::Storage`]; [`UploadError::Fenced`] when clients opened it again and again.
    ///
    /// # Cancel safety
    /// A cancelled call may have happened or not.
    pub async fn cancel_upload(&self, uuid: UploadUuid) -> Result<bool, UploadError> {
        self.inner.uploads.cancel(uuid).await
    }

    /// What the store holds as a whole, from sums that are kept with every change: it costs one read,
    /// and one of each upload at rest.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn store_usage(&self) -> Result<StoreUsage, StorageError> {
        self.inner.collector.store_usage().await
    }

    /// Goes through the policies now, instead of waiting for `Options::policy_interval`. What they
    /// delete can be restored. Reads every tag and manifest of the repositories they are for.
    ///
    /// # Errors
    /// [`StorageError`]: the pass stopped there; what it had deleted is deleted.
    ///
    /// # Cancel safety
    /// A cancelled pass has done a part of the work.
    pub async fn apply_policies(&self) -> Result<PolicyReport, StorageError> {
        self.inner.policies.run().await
    }

    /// Makes a backup in `directory`, or brings the one there up to date, while everything goes on:
    /// see [`backup::restore`] for the way back. Everything that was acknowledged before the call is
    /// in it; uploads are not.
    ///
    /// The metadata is copied whole, of content what the directory does not have. Nothing is freed
    /// in the store meanwhile; deletes are, when it ends. Memory does not grow with the store.
    /// When it returns, the backup is durable.
    ///
    /// # Errors
    /// [`BackupError`]; the backup that was there before is as it was.
    ///
    /// # Cancel safety
    /// A cancelled call ends soon. What was copied is not copied again by the next one.
    pub async fn backup(
        &self,
        directory: &Path,
        options: BackupOptions,
    ) -> Result<BackupReport, BackupError> {
        let Inner {
            meta,
            store,
            collector,
            backups,
            ..
        } = &*self.inner;
        let source = async {
            backup::Source {
                hold: collector.hold().await,
                meta: Arc::clone(meta),
                store: Arc::clone(store),
            }
        };
        backup::create(backups, source, directory, options).await
    }

    /// How far the backup that runs is.
    pub fn backup_progress(&self) -> watch::Receiver<TransferProgress> {
        self.inner.backups.progress()
    }

    /// Reads everything that is stored and compares it with what was put: rows, content, files. What
    /// is found damaged is not served any more when this returns, durably, and heals when it is
    /// pushed again. Runs beside everything else, the background check included.
    ///
    /// # Errors
    /// [`StorageError`]: the run stopped there; what it had marked or repaired is so.
    ///
    /// # Cancel safety
    /// A cancelled run has done a part of the work.
    pub async fn check(&self, options: CheckOptions) -> Result<CheckReport, StorageError> {
        let check = &self.inner.check;
        let mut report = CheckReport::default();
        let checked = check.checker().run(options, &mut report).await;
        check.count(&report);
        checked.map(|()| report)
    }

    /// How far the background check is, as it goes on.
    pub fn check_progress(&self) -> watch::Receiver<CheckProgress> {
        self.inner.check.progress()
    }

    /// Changes how many bytes a second the background check reads; 0 turns it off. Lasts until the
    /// store is closed.
    pub fn set_check_rate(&self, bytes_per_second: u64) {
        self.inner.check.set_rate(bytes_per_second);
    }

    /// Stops the background check where it is, until [`Engine::resume_check`] or the next open.
    pub fn pause_check(&self) {
        self.inner.check.set_paused(true);
    }

    /// Lets the background check go on.
    pub fn resume_check(&self) {
        self.inner.check.set_paused(false);
    }
}
