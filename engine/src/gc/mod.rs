//! The collector: gives back what nobody refers to, always online, in work proportional to it.
//!
//! Four queues of the metadata feed it, and it never walks the store:
//! 1. *Candidates*: blobs that no manifest of their repository links, by the time their grace ends.
//!    The transaction that takes one out checks in itself that it is still unlinked, so a link or a
//!    lease made meanwhile always wins.
//! 2. *Drains*: rows of deleted manifests and repositories, invisible already.
//! 3. *Trash*: deletions that can still be undone, by the time when they become final.
//! 4. *Unlinks*: places whose record is gone, durably. Only then their bytes go, so a crash leaves
//!    at most bytes without a record, which are still in the queue.
//!
//! Files that never got a record (an upload cut off by a crash) are found by `reconcile`, which
//! compares only the file numbers that were open when the store was last closed.
//!
//! What could not be read is never taken for garbage: a damaged row keeps what it may hold, is named
//! in a report, and everything else goes on. A failure of the machine ends the run; the queues are
//! in the store, so the next run goes on where it ended. While a backup copies what the records of
//! one moment name, no bytes are freed: see `hold`. The argument is in `docs/gc.md`.
//!
//! ```text
//! control   orders, budget, damaged rows      run     one run, phase by phase
//! handle    what callers can ask              report, why   the answers
//! trash     making deletions final            policy  what goes by itself
//! hold      what keeps bytes while they are copied
//! ```

mod control;
mod handle;
mod hold;
mod policy;
mod reconcile;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod trash;
mod why;

pub use crate::meta::DamagedRow;
pub use handle::CollectorHandle;
pub(crate) use policy::Policies;
pub use policy::PolicyReport;
pub use report::{
    CollectError, CollectOptions, DamagedReport, GcPhase, GcQueues, GcReport, GcStatus,
    ParsePositionError, PlanPosition, PlannedRemoval, RemovalReason,
};
pub use why::{
    Edge, EdgeReason, Holder, HolderState, RepositoryUsage, Standing, StoreUsage, StoredBytes,
    StoredIn, Why,
};

pub(crate) use hold::Hold;
use hold::Holds;

use crate::blob::LocalStore;
use crate::clock::EngineTime;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::meta::{Cut, Metadata};
use crate::options::CollectBudget;
use crate::upload::Uploads;
use control::Desk;
use reconcile::{Inherited, Search};
use run::{Parts, Run};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};

/// How often expired uploads are looked for, and the engine time is written down when nothing else
/// writes it.
const RARELY: Duration = Duration::from_mins(1);

/// The collector of one store.
#[derive(Debug)]
pub(crate) struct Collector {
    meta: Arc<Metadata>,
    store: Arc<LocalStore>,
    uploads: Arc<Uploads>,
    policies: Arc<Policies>,
    /// Woken when a commit left work.
    wake: Arc<Notify>,
    /// Asked before any bytes go.
    holds: Holds,
    /// Which files earlier processes may have left.
    inherited: Inherited,
    /// One run at a time.
    running: Mutex<()>,
    desk: Desk,
}

// === impl Collector ===

impl Collector {
    /// # Errors
    /// [`StorageError`]: its orders cannot be read, so it does not know whether it may work.
    pub(crate) fn new(
        meta: Arc<Metadata>,
        store: Arc<LocalStore>,
        uploads: Arc<Uploads>,
        policies: Arc<Policies>,
        (wake, budget): (Arc<Notify>, CollectBudget),
    ) -> Result<Self, StorageError> {
        let desk = Desk::new(Arc::clone(&meta), budget)?;
        Ok(Self {
            inherited: Inherited::new(meta.inherited_file_ranges()),
            meta,
            store,
            uploads,
            policies,
            wake,
            holds: Holds::default(),
            running: Mutex::new(()),
            desk,
        })
    }

    /// Keeps all bytes on the disk, those of removed records included, until the hold is dropped.
    ///
    /// # Cancel safety
    /// A cancelled call holds nothing.
    pub(crate) async fn hold(&self) -> Hold {
        self.holds.hold(Arc::clone(&self.wake)).await
    }

    /// Works until `stop` closes: after each wake-up, and every `interval` for what became due. A
    /// run that a crash or a close interrupted goes on at once.
    pub(crate) async fn work(self: Arc<Self>, interval: Duration, mut stop: watch::Receiver<()>) {
        let mut rarely = self.meta.now();
        if self.desk.control().ordered.is_some() {
            self.wake.notify_one();
        }
        loop {
            tokio::select! {
                _closed = stop.changed() => return,
                () = self.wait_and_turn(interval, &mut rarely) => {}
            }
        }
    }

    async fn wait_and_turn(&self, interval: Duration, rarely: &mut EngineTime) {
        self.search().await;
        tokio::select! {
            () = self.wake.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
        let now = self.meta.now();
        let expire = rarely.until(now) >= RARELY;
        if expire {
            *rarely = now;
        }
        if let Err(error) = self.turn(expire).await {
            tracing::error!(%error, "a collection stopped");
        }
    }

    /// Looks for files without a record, once in the life of a process; a search that failed is
    /// tried again.
    async fn search(&self) {
        let control = self.desk.control();
        let is_done = self.desk.status.borrow().orphans_searched;
        if is_done || control.paused || control.closing {
            return;
        }
        let _one = self.running.lock().await;
        match self.reconcile().await {
            Ok(Search::Done) => {
                (self.desk.status).send_modify(|status| status.orphans_searched = true);
            }
            Ok(Search::Held) => {}
            Err(error) => tracing::error!(%error, "the search for files without a record stopped"),
        }
    }

    /// Does everything that is due now.
    pub(crate) async fn run(&self, options: CollectOptions) -> Result<GcReport, CollectError> {
        if options.dry_run {
            let cut = cut_of(self.meta.now(), &options);
            return Ok(self.dry_run(cut, options.empty_trash).await?);
        }
        if self.desk.control().paused {
            return Err(CollectError::Paused);
        }
        let mut as_of = self.meta.now();
        self.search().await;
        let _one = self.running.lock().await;
        self.finish_ordered().await?;
        let mut purged_manifests = 0;
        if options.empty_trash {
            let emptied = self.one_run(cut_of(as_of, &options), Parts::Trash).await?;
            purged_manifests = emptied.purged_manifests;
            // What it gave up is garbage from now on.
            as_of = self.meta.now();
        }
        let cut = cut_of(as_of, &options);
        if cut.grace.is_some() {
            self.desk.order(Some(cut)).await?;
        }
        let mut report = self.one_run(cut, Parts::All).await?;
        report.purged_manifests += purged_manifests;
        if cut.grace.is_some() && report.complete {
            self.desk.order(None).await?;
        }
        Ok(report)
    }

    /// A turn of the background work: writes nothing when nothing is due.
    async fn turn(&self, expire: bool) -> Result<(), StorageError> {
        if expire {
            self.meta.keep_time().await?;
        }
        if self.desk.control().paused {
            return Ok(());
        }
        let _one = self.running.lock().await;
        self.finish_ordered().await?;
        let as_of = self.meta.now();
        let parts = if expire { Parts::All } else { Parts::Queues };
        self.one_run(Cut { as_of, grace: None }, parts).await?;
        if expire {
            self.policies.run_if_due().await?;
        }
        Ok(())
    }

    /// Goes on with a run that was interrupted, if there is one. The caller holds `running`.
    async fn finish_ordered(&self) -> Result<(), StorageError> {
        let Some(cut) = self.desk.control().ordered else {
            return Ok(());
        };
        tracing::info!(?cut, "going on with a collection that was interrupted");
        if self.one_run(cut, Parts::Queues).await?.complete {
            self.desk.order(None).await?;
        }
        Ok(())
    }

    /// The caller holds `running`.
    async fn one_run(&self, cut: Cut, parts: Parts) -> Result<GcReport, StorageError> {
        let outcome = Run::new(self, cut).go(parts).await;
        let ended = self.meta.now();
        self.desk.status.send_if_modified(|status| {
            let was_idle = status.phase == GcPhase::Idle && status.last_error.is_none();
            status.phase = GcPhase::Idle;
            status.eta = None;
            match &outcome {
                Ok(report) if report.is_news() => status.last = Some((*report, ended)),
                Ok(_) => {}
                Err(error) => status.last_error = Some(error.to_string()),
            }
            if outcome.is_ok() {
                status.last_error = None;
            }
            !was_idle || outcome.as_ref().map_or(true, GcReport::is_news)
        });
        outcome
    }

    /// What a run would do, without doing it. Reads in proportion to what is due.
    async fn dry_run(&self, cut: Cut, empty_trash: bool) -> Result<GcReport, StorageError> {
        let expired = self.uploads.count_expired().await?;
        let until = if empty_trash {
            EngineTime(u64::MAX)
        } else {
            cut.as_of
        };
        let meta = Arc::clone(&self.meta);
        let mut report = GcReport {
            purged_manifests: blocking(move || meta.deleted_until(until)).await?,
            expired_uploads: expired.uploads,
            expired_bytes: expired.bytes,
            failed: expired.failed,
            complete: true,
            dry_run: true,
            ..GcReport::default()
        };
        let mut after = None;
        loop {
            let meta = Arc::clone(&self.meta);
            let items = blocking(move || meta.plan(&cut, after.as_ref(), 256)).await?;
            let Some(last) = items.last() else {
                report.damaged = self.desk.damaged().total;
                return Ok(report);
            };
            after = Some(last.position.clone());
            for item in items {
                report.unlinked += 1;
                report.removed += u64::from(item.frees);
                report.bytes += item.size * u64::from(item.frees);
            }
        }
    }

    /// Ends the run that goes on, at its next step, and begins no other. On return none goes on.
    pub(crate) async fn stop(&self) {
        self.desk.close();
        drop(self.running.lock().await);
    }

    /// See [`crate::Engine::store_usage`].
    pub(crate) async fn store_usage(&self) -> Result<StoreUsage, StorageError> {
        let (uploads, upload_bytes) = self.uploads.sizes().await?;
        let totals = self.meta.totals()?;
        let store = Arc::clone(&self.store);
        let free = blocking(move || {
            let root = store.layout().root();
            let free = store.disk().free_bytes(root);
            free.map_err(|error| StorageError::io("ask for the free space of", root, error))
        });
        Ok(StoreUsage {
            logical_bytes: totals.logical,
            stored_bytes: totals.stored,
            garbage_bytes: totals.garbage,
            waiting_bytes: totals.waiting,
            uploads,
            upload_bytes,
            free_bytes: free.await?,
        })
    }
}

/// What a run that begins at `as_of` takes.
fn cut_of(as_of: EngineTime, options: &CollectOptions) -> Cut {
    let millis = |grace: Duration| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    Cut {
        as_of,
        grace: options.grace.map(millis),
    }
}
