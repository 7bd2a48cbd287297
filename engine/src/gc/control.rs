//! [`Desk`]: what the collector was told, what it tells, and how fast it may go.
//!
//! Invariants:
//! 1. A pause takes effect in memory before it is durable, its end after: whatever a crash leaves,
//!    nothing is removed by a collector whose last acknowledged order was to pause.
//! 2. Orders change under one lock, so that what is kept in the store is what was told last.

use super::report::{DamagedReport, GcPhase, GcStatus};
use crate::fault::StorageError;
use crate::meta::{Cut, DamagedRow, Metadata, Orders};
use crate::options::CollectBudget;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Damaged rows kept by name; further ones are counted.
const NAMED: usize = 1000;

/// A batch takes at most this part of a second's budget.
const SLICE: u64 = 4;

/// What the collector was told, and what it tells.
#[derive(Debug)]
pub(super) struct Desk {
    meta: Arc<Metadata>,
    control: watch::Sender<Control>,
    pub(super) status: watch::Sender<GcStatus>,
    /// Held while orders change (invariant 2).
    changing: tokio::sync::Mutex<()>,
    damaged: Mutex<Damaged>,
    /// Files without a record that were removed and are in no report yet.
    orphans: AtomicU64,
}

/// What holds for a run now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    pub(super) paused: bool,
    pub(super) closing: bool,
    pub(super) budget: CollectBudget,
    /// A run with a grace of its own that has not ended.
    pub(super) ordered: Option<Cut>,
}

/// Why a run ends before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// It was paused; the rest goes later.
    Paused,
    /// The machine failed, or the store closes.
    Failed(StorageError),
}

/// Rows set aside, by table and key.
#[derive(Debug, Default, Clone)]
pub(super) struct Damaged {
    rows: BTreeMap<(&'static str, String), DamagedRow>,
    unnamed: u64,
}

// === impl Desk ===

impl Desk {
    pub(super) fn new(meta: Arc<Metadata>, budget: CollectBudget) -> Result<Self, StorageError> {
        let Orders { paused, run } = meta.orders()?;
        let control = Control {
            paused,
            closing: false,
            budget,
            ordered: run,
        };
        let status = GcStatus {
            paused,
            budget,
            ..GcStatus::default()
        };
        Ok(Self {
            meta,
            control: watch::Sender::new(control),
            status: watch::Sender::new(status),
            changing: tokio::sync::Mutex::default(),
            damaged: Mutex::default(),
            orphans: AtomicU64::new(0),
        })
    }

    pub(super) fn control(&self) -> Control {
        *self.control.borrow()
    }

    /// Whether a run may go on.
    pub(super) fn leave(&self) -> Result<(), Halt> {
        match self.control() {
            Control { closing: true, .. } => Err(Halt::Failed(StorageError::Closed)),
            Control { paused: true, .. } => Err(Halt::Paused),
            _ => Ok(()),
        }
    }

    pub(super) fn close(&self) {
        self.control.send_modify(|control| control.closing = true);
    }

    pub(super) fn set_budget(&self, budget: CollectBudget) {
        self.control.send_modify(|control| control.budget = budget);
        self.status.send_modify(|status| status.budget = budget);
    }

    pub(super) async fn set_paused(&self, paused: bool) -> Result<(), StorageError> {
        let _one = self.changing.lock().await;
        if paused {
            self.show_paused(true);
        }
        let run = self.control().ordered;
        self.meta.keep_orders(Orders { paused, run }).await?;
        if !paused {
            self.show_paused(false);
        }
        Ok(())
    }

    fn show_paused(&self, paused: bool) {
        self.control.send_modify(|control| control.paused = paused);
        self.status.send_modify(|status| status.paused = paused);
    }

    /// Remembers a run that must come to its end whatever happens, or that it did.
    pub(super) async fn order(&self, run: Option<Cut>) -> Result<(), StorageError> {
        let _one = self.changing.lock().await;
        let paused = self.control().paused;
        self.meta.keep_orders(Orders { paused, run }).await?;
        self.control.send_modify(|control| control.ordered = run);
        Ok(())
    }

    /// Waits until a batch that began at `began` is paid for, under the budget of the moment; not
    /// longer than until the run must stop.
    pub(super) async fn pay(&self, began: Instant, blobs: u64, bytes: u64) {
        let mut changes = self.control.subscribe();
        loop {
            let control = *changes.borrow_and_update();
            let end = began + control.budget.time_for(blobs, bytes);
            if control.paused || control.closing || end <= Instant::now() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                changed = changes.changed() => changed.expect("the sender is in the desk"),
            }
        }
    }

    /// Names rows that were set aside, loudly when they are new.
    pub(super) fn set_aside(&self, found: &mut Damaged, rows: Vec<DamagedRow>) {
        for row in rows {
            let key = (row.table, row.key.clone());
            if !self.damaged.lock().rows.contains_key(&key) && !found.rows.contains_key(&key) {
                let DamagedRow { table, key, why } = &row;
                tracing::error!(
                    table,
                    key,
                    why,
                    "a damaged row is set aside; it keeps what it may hold"
                );
            }
            found.add(row);
        }
        let count = found.count();
        self.status.send_if_modified(|status| {
            let is_more = status.damaged < count;
            status.damaged = status.damaged.max(count);
            is_more
        });
    }

    /// What a whole run set aside replaces what was known: a row that was repaired is gone from it.
    pub(super) fn replace_damaged(&self, found: Damaged) {
        let count = found.count();
        *self.damaged.lock() = found;
        self.status.send_if_modified(|status| {
            let is_other = status.damaged != count;
            status.damaged = count;
            is_other
        });
    }

    pub(super) fn damaged(&self) -> DamagedReport {
        let damaged = self.damaged.lock();
        DamagedReport {
            rows: damaged.rows.values().cloned().collect(),
            total: damaged.count(),
        }
    }

    pub(super) fn show_phase(&self, phase: GcPhase) {
        self.status.send_if_modified(|status| {
            let is_other = status.phase != phase;
            status.phase = phase;
            is_other
        });
    }

    pub(super) fn count_orphan(&self) {
        self.orphans.fetch_add(1, Ordering::SeqCst);
        self.status.send_modify(|status| status.orphan_files += 1);
    }

    /// Orphan files removed since this was asked last.
    pub(super) fn take_orphans(&self) -> u64 {
        self.orphans.swap(0, Ordering::SeqCst)
    }
}

// === impl Halt ===

impl From<StorageError> for Halt {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

// === impl Damaged ===

impl Damaged {
    fn add(&mut self, row: DamagedRow) {
        let key = (row.table, row.key.clone());
        if self.rows.contains_key(&key) || self.rows.len() < NAMED {
            self.rows.insert(key, row);
        } else {
            self.unnamed += 1;
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.rows.len() as u64 + self.unnamed
    }
}

// === impl CollectBudget ===

impl CollectBudget {
    /// The time that so much work must take at least.
    pub(super) fn time_for(self, blobs: u64, bytes: u64) -> Duration {
        let time = |amount: u64, rate: Option<std::num::NonZeroU64>| {
            let Some(rate) = rate else {
                return Duration::ZERO;
            };
            let millis = u128::from(amount) * 1000 / u128::from(rate.get());
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
        };
        let time = time(blobs, self.blobs_per_second).max(time(bytes, self.bytes_per_second));
        // A day is long enough for one blob, and every clock can count that far.
        time.min(Duration::from_hours(24))
    }

    /// How many of the first blobs make a batch, by their sizes: at least one.
    pub(super) fn batch(self, sizes: impl Iterator<Item = u64>) -> usize {
        let blobs = self
            .blobs_per_second
            .map_or(u64::MAX, |rate| rate.get() / SLICE);
        let bytes = self
            .bytes_per_second
            .map_or(u64::MAX, |rate| rate.get() / SLICE);
        let (mut taken, mut sum) = (0, 0_u64);
        for size in sizes {
            sum = sum.saturating_add(size);
            if taken > 0 && (taken as u64 >= blobs || sum > bytes) {
                break;
            }
            taken += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    fn budget(blobs: u64, bytes: u64) -> CollectBudget {
        CollectBudget {
            blobs_per_second: NonZeroU64::new(blobs),
            bytes_per_second: NonZeroU64::new(bytes),
        }
    }

    #[test]
    fn a_batch_takes_the_time_of_the_tighter_budget() {
        assert_eq!(budget(0, 0).time_for(9, 9), Duration::ZERO);
        assert_eq!(budget(10, 0).time_for(5, 9), Duration::from_millis(500));
        assert_eq!(budget(10, 100).time_for(5, 200), Duration::from_secs(2));
        assert_eq!(budget(1, 0).time_for(u64::MAX, 0), Duration::from_hours(24));
    }

    #[test]
    fn a_batch_is_a_part_of_a_second_and_at_least_one_blob() {
        let sizes = || [10_u64, 20, 30, 40].into_iter();
        assert_eq!(budget(0, 0).batch(sizes()), 4);
        assert_eq!(budget(8, 0).batch(sizes()), 2);
        assert_eq!(budget(1, 0).batch(sizes()), 1);
        assert_eq!(budget(0, 120).batch(sizes()), 2);
        assert_eq!(budget(0, 1).batch(sizes()), 1);
        assert_eq!(budget(8, 1).batch(std::iter::empty()), 0);
    }
}
