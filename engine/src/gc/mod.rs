//! The collector: gives back what nobody refers to, always online, in work proportional to it.
//!
//! Three queues of the metadata feed it, and it never walks the store:
//! 1. *Candidates*: blobs that no manifest of their repository links, by the time their grace ends.
//!    The transaction that takes one out checks in itself that it is still unlinked (its row would
//!    be gone otherwise), so a link made meanwhile always wins.
//! 2. *Drains*: rows of deleted manifests and repositories, invisible already.
//! 3. *Unlinks*: places whose record is gone, durably. Only then their bytes go, so a crash leaves
//!    at most bytes without a record, which are still in the queue.
//!
//! Files that never got a record (an upload cut off by a crash) are found by [`reconcile`], which
//! compares only the file numbers that were open when the store was last closed.
//!
//! An error stops the run: what could not be read is never taken for garbage.

mod reconcile;

use crate::blob::LocalStore;
use crate::blob::store::BlobStore;
use crate::disk::blocking;
use crate::engine::GcReport;
use crate::fault::StorageError;
use crate::layout::FileKind;
use crate::meta::{Collected, Location, Metadata, Place};
use crate::upload::Uploads;
use reconcile::Inherited;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};

/// Places whose bytes are given back between two commits.
const BATCH: usize = 256;

/// How often expired uploads are looked for, and the engine time is written down when nothing else
/// writes it.
const RARELY: Duration = Duration::from_mins(1);

/// The collector of one store.
#[derive(Debug)]
pub(crate) struct Collector {
    meta: Arc<Metadata>,
    store: Arc<LocalStore>,
    uploads: Arc<Uploads>,
    /// Woken when a commit left work.
    wake: Arc<Notify>,
    /// Which files earlier processes may have left.
    inherited: Inherited,
    /// One run at a time.
    running: Mutex<()>,
}

// === impl Collector ===

impl Collector {
    pub(crate) fn new(
        meta: Arc<Metadata>,
        store: Arc<LocalStore>,
        uploads: Arc<Uploads>,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            inherited: Inherited::new(meta.inherited_file_ranges()),
            meta,
            store,
            uploads,
            wake,
            running: Mutex::new(()),
        }
    }

    /// Works until `stop` closes: after each wake-up, and every `interval` for what became due.
    pub(crate) async fn work(self: Arc<Self>, interval: Duration, mut stop: watch::Receiver<()>) {
        self.reconcile_if_due().await;
        let mut rarely = self.meta.now();
        loop {
            tokio::select! {
                _closed = stop.changed() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(interval) => {}
            }
            let now = self.meta.now();
            let expire = rarely.until(now) >= RARELY;
            if expire {
                rarely = now;
                self.reconcile_if_due().await;
            }
            if let Err(error) = self.turn(expire).await {
                tracing::error!(%error, "a collection stopped");
            }
        }
    }

    async fn reconcile_if_due(&self) {
        let _one = self.running.lock().await;
        if let Err(error) = self.reconcile().await {
            tracing::error!(%error, "the search for files without a record stopped");
        }
    }

    /// Does everything that is due now.
    pub(crate) async fn run(&self) -> Result<GcReport, StorageError> {
        let _one = self.running.lock().await;
        self.reconcile().await?;
        let expired_uploads = self.uploads.expire().await?;
        let mut report = GcReport {
            expired_uploads,
            ..GcReport::default()
        };
        while self.meta.forget_uploads().await? {}
        self.empty_queues(&mut report).await?;
        Ok(report)
    }

    /// A turn of the background work: writes nothing when nothing is due.
    async fn turn(&self, expire: bool) -> Result<(), StorageError> {
        if expire {
            self.meta.keep_time().await?;
            self.run().await?;
            return Ok(());
        }
        let _one = self.running.lock().await;
        self.empty_queues(&mut GcReport::default()).await
    }

    async fn empty_queues(&self, report: &mut GcReport) -> Result<(), StorageError> {
        while self.meta.is_anything_due()? {
            let collected = self.meta.collect_due().await?;
            report.add(collected);
            self.meta.forget_uploads().await?;
            if !collected.more {
                break;
            }
        }
        loop {
            let collected = self.meta.drain_rows().await?;
            report.add(collected);
            if !collected.more {
                break;
            }
        }
        self.sweep().await
    }

    /// Gives back the bytes of places whose record is gone.
    async fn sweep(&self) -> Result<(), StorageError> {
        loop {
            let places = self.meta.places(BATCH)?;
            if places.is_empty() {
                return Ok(());
            }
            // The records are gone, durably, before the bytes go.
            self.meta.make_durable().await?;
            let mut removed = Vec::new();
            for (_, place) in &places {
                removed.extend(self.free(*place).await?);
            }
            // And gone, durably, before the queue forgets them.
            self.sync_removals(removed).await?;
            let numbers = places.into_iter().map(|(number, _)| number).collect();
            self.meta.forget_places(numbers).await?;
        }
    }

    /// Gives the bytes of a place back; answers the file that was removed for it, if one was.
    async fn free(&self, place: Place) -> Result<Option<(FileKind, u64)>, StorageError> {
        let file = match place.location {
            Location::Segment { number, .. }
                if place.whole_segment && self.remove_empty_segment(number).await? =>
            {
                return Ok(Some((FileKind::Segment, number)));
            }
            Location::Segment { .. } => None,
            Location::File(number) => Some((FileKind::Blob, number)),
        };
        self.store.remove(place.location, place.size).await?;
        Ok(file)
    }

    /// Removes a segment file in which nothing lies; answers whether it did.
    ///
    /// The order matters: a batch lies in one segment as a whole, and a segment that is not written
    /// any more has all its batches committed. So what the records say *after* it was seen not to
    /// be the current one is final.
    async fn remove_empty_segment(&self, number: u64) -> Result<bool, StorageError> {
        if self.meta.segment_blobs(number)? > 0 {
            return Ok(false);
        }
        if self.store.is_current_segment(number) {
            self.meta.roll_segment(number).await?;
        }
        if self.meta.segment_blobs(number)? > 0 {
            return Ok(false);
        }
        let store = Arc::clone(&self.store);
        blocking(move || store.remove_segment(number)).await
    }
}

impl GcReport {
    fn add(&mut self, collected: Collected) {
        self.unlinked += collected.unlinked;
        self.removed += collected.removed;
        self.bytes += collected.bytes;
    }
}
