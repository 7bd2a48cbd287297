//! [`Run`]: one run of the collector, phase by phase.
//!
//! Invariants:
//! 1. It stops only between two transactions, so a pause, a close or a crash leaves the queues and
//!    the rows in step; what it had not done is still in the queues.
//! 2. What is due is fixed when it begins (its [`Cut`]): it ends, however much garbage is made
//!    meanwhile.
//! 3. A damaged row, or a file that cannot be removed, is counted and left; the next run tries again.

use super::Collector;
use super::control::{Damaged, Halt};
use super::report::{GcPhase, GcReport};
use crate::blob::store::BlobStore;
use crate::clock::EngineTime;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::layout::FileKind;
use crate::meta::{Candidate, Collected, Cut, DamagedRow, Location, Mark, Place};
use crate::upload::Expired;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// Rows looked at, and places given back, between two looks at the orders.
const BATCH: usize = 256;

/// What a run looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Everything.
    All,
    /// The queues alone: uploads have no queue, and all of their records are read.
    Queues,
    /// The trash alone, all of it, due or not.
    Trash,
}

/// How the bytes of a place went, maybe not durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freed {
    /// This file was removed.
    File(FileKind, u64),
    /// This segment has a hole there.
    Hole(u64),
}

/// One run.
pub(super) struct Run<'c> {
    pub(super) collector: &'c Collector,
    pub(super) cut: Cut,
    pub(super) report: GcReport,
    damaged: Damaged,
    /// Places whose bytes could not be given back; this run does not try them again.
    unfreed: BTreeSet<u64>,
    began: Instant,
}

// === impl Run ===

impl<'c> Run<'c> {
    pub(super) fn new(collector: &'c Collector, cut: Cut) -> Self {
        Self {
            collector,
            cut,
            report: GcReport::default(),
            damaged: Damaged::default(),
            unfreed: BTreeSet::new(),
            began: Instant::now(),
        }
    }

    pub(super) async fn go(mut self, parts: Parts) -> Result<GcReport, StorageError> {
        self.report.complete = match self.phases(parts).await {
            Ok(()) => true,
            Err(Halt::Paused) => false,
            Err(Halt::Failed(error)) => return Err(error),
        };
        let desk = &self.collector.desk;
        self.report.orphan_files = desk.take_orphans();
        self.report.damaged = self.damaged.count();
        if self.report.complete {
            desk.replace_damaged(self.damaged);
        }
        Ok(self.report)
    }

    async fn phases(&mut self, parts: Parts) -> Result<(), Halt> {
        self.collector.desk.leave()?;
        if parts == Parts::All {
            self.expire_uploads().await?;
        }
        if parts == Parts::Trash {
            return self.purge_trash(EngineTime(u64::MAX)).await;
        }
        self.purge_trash(self.cut.as_of).await?;
        self.remove_blobs().await?;
        self.drain().await?;
        self.sweep().await
    }

    async fn expire_uploads(&mut self) -> Result<(), StorageError> {
        self.collector.desk.show_phase(GcPhase::Uploads);
        let Expired {
            uploads,
            bytes,
            failed,
            is_held,
        } = (self.collector.uploads)
            .expire(|| self.collector.holds.try_free())
            .await?;
        self.report.held |= is_held;
        self.report.expired_uploads += uploads;
        self.report.expired_bytes += bytes;
        self.report.failed += failed;
        Ok(())
    }

    // --- blobs ---

    async fn remove_blobs(&mut self) -> Result<(), Halt> {
        let meta = &self.collector.meta;
        if meta.can_forget_uploads()? {
            while meta.forget_uploads().await? {}
        }
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (cut, from) = (self.cut, after.clone());
            let meta = Arc::clone(&self.collector.meta);
            let piece = blocking(move || meta.due(&cut, from.as_deref(), BATCH)).await?;
            if after.is_none() && !piece.items.is_empty() {
                self.show_due(piece.items.len(), piece.next.clone()).await?;
            }
            self.set_aside(piece.damaged);
            self.remove_piece(piece.items).await?;
            // Space comes back all along, not only when a long run ends.
            self.sweep().await?;
            after = piece.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes candidates in batches that the budget of the moment allows.
    async fn remove_piece(&mut self, mut rest: Vec<Candidate>) -> Result<(), Halt> {
        while !rest.is_empty() {
            self.collector.desk.leave()?;
            let budget = self.collector.desk.control().budget;
            let next = rest.split_off(budget.batch(rest.iter().map(|item| item.size)));
            self.remove_batch(rest).await?;
            rest = next;
        }
        Ok(())
    }

    async fn remove_batch(&mut self, batch: Vec<Candidate>) -> Result<(), StorageError> {
        let began = Instant::now();
        let blobs = batch.len() as u64;
        let bytes = batch.iter().map(|item| item.size).sum();
        let removed = self.collector.meta.remove_blobs(self.cut, batch).await?;
        let (collected, damaged) = removed;
        self.add(collected);
        self.set_aside(damaged);
        self.show_done(blobs);
        self.collector.desk.pay(began, blobs, bytes).await;
        Ok(())
    }

    /// Counts what is due and shows it: `first` in the first piece, and what is behind `after`.
    async fn show_due(
        &mut self,
        first: usize,
        mut after: Option<Vec<u8>>,
    ) -> Result<(), StorageError> {
        let mut due = first as u64;
        while let Some(from) = after {
            let (cut, meta) = (self.cut, Arc::clone(&self.collector.meta));
            let (more, next) = blocking(move || meta.count_due(&cut, Some(&from))).await?;
            due += more;
            after = next;
        }
        self.began = Instant::now();
        self.collector.desk.status.send_modify(|status| {
            status.phase = GcPhase::Blobs;
            status.due = due;
            status.done = 0;
            status.bytes = 0;
            status.eta = None;
        });
        Ok(())
    }

    fn show_done(&self, blobs: u64) {
        let elapsed = self.began.elapsed();
        self.collector.desk.status.send_modify(|status| {
            status.phase = GcPhase::Blobs;
            status.done += blobs;
            status.bytes = self.report.bytes;
            let left = u32::try_from(status.left()).ok();
            let done = u32::try_from(status.done).ok().filter(|&done| done > 0);
            status.eta = left
                .zip(done)
                .map(|(left, done)| (elapsed / done).saturating_mul(left));
        });
    }

    // --- rows ---

    async fn drain(&mut self) -> Result<(), Halt> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let piece = self.collector.meta.drains(after.as_deref())?;
            self.set_aside(piece.damaged);
            for key in piece.items {
                self.collector.desk.show_phase(GcPhase::Rows);
                self.drain_one(key).await?;
            }
            after = piece.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn drain_one(&mut self, key: Vec<u8>) -> Result<(), Halt> {
        let mut mark = Some(Mark::START);
        while let Some(from) = mark {
            self.collector.desk.leave()?;
            let began = Instant::now();
            let drained = self.collector.meta.drain(key.clone(), from).await?;
            self.add(drained.collected);
            self.set_aside(drained.damaged);
            mark = drained.next;
            let Collected {
                unlinked, bytes, ..
            } = drained.collected;
            self.collector.desk.pay(began, unlinked, bytes).await;
        }
        Ok(())
    }

    // --- space ---

    /// Gives back the bytes of places whose record is gone. Those that are held stay in the queue.
    async fn sweep(&mut self) -> Result<(), Halt> {
        let mut after = None;
        loop {
            let Some(_free) = self.collector.holds.try_free() else {
                self.report.held = self.collector.meta.queued()?.1 > 0;
                return Ok(());
            };
            let piece = self.collector.meta.places(after, BATCH)?;
            self.set_aside(piece.damaged);
            if let Some((last, _)) = piece.items.last() {
                after = Some(*last);
                self.free_all(piece.items).await?;
            }
            if piece.next.is_none() {
                return Ok(());
            }
            self.collector.desk.leave()?;
        }
    }

    async fn free_all(&mut self, places: Vec<(u64, Place)>) -> Result<(), StorageError> {
        self.collector.desk.show_phase(GcPhase::Space);
        // The records are gone, durably, before the bytes go.
        self.collector.meta.make_durable().await?;
        let mut freed = Vec::with_capacity(places.len());
        let (mut removed, mut punched) = (Vec::new(), BTreeSet::new());
        for (number, place) in places {
            if self.unfreed.contains(&number) {
                continue;
            }
            match self.free(place).await {
                Ok(outcome) => {
                    freed.push(number);
                    match outcome {
                        Freed::File(kind, file) => removed.push((kind, file)),
                        Freed::Hole(segment) => drop(punched.insert(segment)),
                    }
                }
                Err(StorageError::Closed) => return Err(StorageError::Closed),
                Err(error) => {
                    tracing::error!(%error, "bytes that nothing refers to could not be given back");
                    self.unfreed.insert(number);
                    self.report.failed += 1;
                }
            }
        }
        // And gone, durably, before the queue forgets them.
        self.collector.sync_removals(removed).await?;
        self.collector.sync_holes(punched).await?;
        self.collector.meta.forget_places(freed).await
    }

    /// Gives the bytes of a place back.
    async fn free(&self, place: Place) -> Result<Freed, StorageError> {
        let freed = match place.location {
            Location::Segment { number, .. }
                if place.whole_segment && self.collector.remove_empty_segment(number).await? =>
            {
                return Ok(Freed::File(FileKind::Segment, number));
            }
            Location::Segment { number, .. } => Freed::Hole(number),
            Location::File(number) => Freed::File(FileKind::Blob, number),
        };
        let store = &self.collector.store;
        store.remove(place.location, place.size).await?;
        Ok(freed)
    }

    pub(super) fn set_aside(&mut self, rows: Vec<DamagedRow>) {
        self.collector.desk.set_aside(&mut self.damaged, rows);
    }

    fn add(&mut self, collected: Collected) {
        self.report.unlinked += collected.unlinked;
        self.report.removed += collected.removed;
        self.report.bytes += collected.bytes;
    }
}

// === impl Collector ===

impl Collector {
    /// Removes a segment file in which nothing lies; answers whether it did.
    ///
    /// The order matters: a batch lies in one segment as a whole, and a segment that is not written
    /// any more has all its batches committed. So what the records say *after* it was seen not to
    /// be the current one is final.
    pub(super) async fn remove_empty_segment(&self, number: u64) -> Result<bool, StorageError> {
        if self.meta.segment_blobs(number)? > 0 {
            return Ok(false);
        }
        if self.store.is_current_segment(number) {
            self.meta.roll_segment(number).await?;
        }
        if self.meta.segment_blobs(number)? > 0 {
            return Ok(false);
        }
        // The last record may have gone just now.
        self.meta.make_durable().await?;
        let store = Arc::clone(&self.store);
        blocking(move || store.remove_segment(number)).await
    }
}
