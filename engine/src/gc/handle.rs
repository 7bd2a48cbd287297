//! [`CollectorHandle`]: what callers can ask of the collector.

use super::report::{
    CollectError, CollectOptions, DamagedReport, GcQueues, GcReport, GcStatus, PlanPosition,
    PlannedRemoval, RemovalReason,
};
use super::{Collector, cut_of};
use crate::clock::EngineTime;
use crate::disk::blocking;
use crate::engine::Inner;
use crate::fault::StorageError;
use crate::meta::{Cut, Planned, Position};
use crate::options::CollectBudget;
use crate::page::{Listing, Page};
use std::sync::Arc;
use tokio::sync::watch;

/// The collector of an open store. Cheap to clone; every clone is the same one.
#[derive(Debug, Clone)]
pub struct CollectorHandle {
    pub(super) engine: Arc<Inner>,
}

// === impl CollectorHandle ===

impl CollectorHandle {
    pub(crate) fn new(engine: Arc<Inner>) -> Self {
        Self { engine }
    }

    fn collector(&self) -> &Collector {
        &self.engine.collector
    }

    /// Takes away what is garbage now: expired uploads, files without a record, blobs that nothing
    /// links, rows of what was deleted. Every removal it reports is durable on return, and its bytes
    /// are given back, unless a backup holds them ([`GcReport::held`]). What becomes garbage meanwhile is left to the next run.
    ///
    /// A run with a grace of its own comes to its end whatever happens: after a crash, a close or a
    /// pause it goes on by itself, and takes what was garbage when it began.
    ///
    /// # Errors
    /// [`CollectError`].
    ///
    /// # Cancel safety
    /// A cancelled run has done a part of the work; the rest is done in the background.
    pub async fn run(&self, options: CollectOptions) -> Result<GcReport, CollectError> {
        self.collector().run(options).await
    }

    /// A page of what a run with these options takes out of repositories if it begins now and
    /// nothing else changes, in the order of the run. All pages of a plan are of the moment of the
    /// first. Reads in proportion to what is due.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn plan(
        &self,
        options: CollectOptions,
        page: Page<PlanPosition>,
    ) -> Result<Listing<PlannedRemoval>, StorageError> {
        let meta = Arc::clone(&self.engine.meta);
        let as_of = page.after.as_ref().map_or(meta.now(), |after| after.as_of);
        let cut = cut_of(as_of, &options);
        let after = page.after.map(|after| Position(after.key));
        // One more than the page tells whether there are more.
        let limit = page.limit;
        let looked_for = limit.saturating_add(1);
        let mut items = blocking(move || meta.plan(&cut, after.as_ref(), looked_for)).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let items = items.into_iter().map(|item| planned(&cut, item)).collect();
        Ok(Listing { items, more })
    }

    /// The time that all times of the collector are to be compared with.
    pub fn now(&self) -> EngineTime {
        self.engine.meta.now()
    }

    /// Where the collector stands.
    pub fn status(&self) -> GcStatus {
        self.collector().desk.status.borrow().clone()
    }

    /// The same as it changes.
    pub fn watch(&self) -> watch::Receiver<GcStatus> {
        self.collector().desk.status.subscribe()
    }

    /// How long its queues are. Costs one read.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn queues(&self) -> Result<GcQueues, StorageError> {
        let (candidates, waiting) = self.engine.meta.queued()?;
        Ok(GcQueues {
            candidates,
            waiting,
        })
    }

    /// Stops all removal until [`Self::resume`]. Durable on return, over restarts too, and a run that
    /// went on stands still.
    ///
    /// # Errors
    /// [`StorageError`]: it is paused, but perhaps not after a restart.
    ///
    /// # Cancel safety
    /// A cancelled call may have paused it or not.
    pub async fn pause(&self) -> Result<(), StorageError> {
        self.collector().desk.set_paused(true).await?;
        drop(self.collector().running.lock().await);
        Ok(())
    }

    /// Ends a pause, durably; a run that was interrupted goes on in the background.
    ///
    /// # Errors
    /// [`StorageError`]: it may still be paused.
    ///
    /// # Cancel safety
    /// A cancelled call may have resumed it or not.
    pub async fn resume(&self) -> Result<(), StorageError> {
        self.collector().desk.set_paused(false).await?;
        self.collector().wake.notify_one();
        Ok(())
    }

    /// How fast it may go from now on, also in the run that goes on. It is not kept over restarts.
    pub fn set_budget(&self, budget: CollectBudget) {
        self.collector().desk.set_budget(budget);
    }

    /// The rows that the last whole run could not read and set aside.
    pub fn damaged(&self) -> DamagedReport {
        self.collector().desk.damaged()
    }
}

fn planned(cut: &Cut, item: Planned) -> PlannedRemoval {
    let reason = match item.times {
        Some((since, due)) => RemovalReason::Unlinked { since, due },
        None => RemovalReason::RepositoryDeleted,
    };
    PlannedRemoval {
        position: PlanPosition {
            as_of: cut.as_of,
            key: item.position.0,
        },
        repository: item.repository,
        digest: item.digest,
        size: item.size,
        reason,
        frees: item.frees,
    }
}
