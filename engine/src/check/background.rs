//! [`Background`]: the check that runs by itself, a pass after the other, at a byte budget.
//!
//! A pass takes the blobs by digest and writes its position down once a minute, when it ends and
//! when the store is closed; the next process goes on there. It rests a day from one beginning to
//! the next, so that a small store is not read over and over.

use super::budget::{Allowance, Budget};
use super::{CheckProgress, CheckReport, Checker};
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::meta::{CheckRecord, Metadata};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// From the beginning of a pass to that of the next, in engine time.
const INTERVAL: Duration = Duration::from_hours(24);

/// How often the position is written down, and a due pass or one that failed is begun.
const RARELY: Duration = Duration::from_mins(1);

/// The background check of one store.
#[derive(Debug)]
pub(crate) struct Background {
    checker: Checker,
    allowance: watch::Sender<Allowance>,
    progress: watch::Sender<CheckProgress>,
    /// Where the pass is; written down from here. `None` until this process has begun or gone on
    /// with one: what is written down counts then.
    position: Mutex<Option<CheckRecord>>,
}

// === impl Background ===

impl Background {
    pub(crate) fn new(checker: Checker, bytes_per_second: u64) -> Self {
        let allowance = Allowance {
            bytes_per_second,
            is_paused: false,
        };
        Self {
            checker,
            allowance: watch::Sender::new(allowance),
            progress: watch::Sender::default(),
            position: Mutex::default(),
        }
    }

    pub(crate) fn checker(&self) -> &Checker {
        &self.checker
    }

    pub(crate) fn progress(&self) -> watch::Receiver<CheckProgress> {
        self.progress.subscribe()
    }

    pub(crate) fn set_rate(&self, bytes_per_second: u64) {
        self.allowance
            .send_modify(|now| now.bytes_per_second = bytes_per_second);
    }

    pub(crate) fn set_paused(&self, is_paused: bool) {
        self.allowance.send_modify(|now| now.is_paused = is_paused);
        self.progress.send_modify(|now| now.is_paused = is_paused);
    }

    /// Works until `stop` closes, then writes the position down.
    pub(crate) async fn work(self: Arc<Self>, mut stop: watch::Receiver<()>) {
        tokio::select! {
            biased;
            _closed = stop.changed() => {}
            () = self.passes() => {}
        }
        let is_running = self.progress.borrow().is_running;
        if is_running {
            self.keep_position().await;
        }
    }

    async fn passes(&self) {
        let mut allowance = self.allowance.subscribe();
        loop {
            if allowance.wait_for(|now| now.allows()).await.is_err() {
                return;
            }
            match self.pass_if_due().await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(RARELY).await,
                Err(error) => {
                    tracing::error!(%error, "the background check stopped; it goes on in a minute");
                    tokio::time::sleep(RARELY).await;
                }
            }
        }
    }

    /// Runs a pass, or the rest of one. Answers `false` when none is due.
    async fn pass_if_due(&self) -> Result<bool, StorageError> {
        let here = self.position.lock().clone();
        let kept = match here {
            Some(position) => position,
            None => self.checker.ask(Metadata::check_position).await?,
        };
        let now = self.checker.meta.now();
        if kept.is_complete && now < kept.started.after(INTERVAL) {
            self.show(&kept, false);
            return Ok(false);
        }
        let is_new = kept.is_complete || kept.after.is_none();
        let position = if is_new {
            CheckRecord {
                started: now,
                ..CheckRecord::default()
            }
        } else {
            kept
        };
        self.show(&position, true);
        *self.position.lock() = Some(position);
        let outcome = self.pass(is_new).await;
        self.progress
            .send_modify(|progress| progress.is_running = false);
        outcome.map(|()| true)
    }

    async fn pass(&self, is_new: bool) -> Result<(), StorageError> {
        let mut budget = Budget::changing(self.allowance.subscribe());
        let begun = self.checker.meta.now();
        let mut here = 0;
        if is_new {
            tracing::debug!("a pass of the background check begins");
            let mut report = CheckReport::default();
            let walked = self.walk(&mut budget, &mut report).await;
            self.count(&report);
            walked?;
            self.advance(None, &report);
        }
        let mut written = begun;
        loop {
            let after = self.position().after;
            let mut report = CheckReport::default();
            let last = self
                .checker
                .content((after, 1), &mut budget, &mut report)
                .await?;
            self.count(&report);
            let Some(last) = last else {
                break;
            };
            here += 1;
            self.advance(Some(last), &report);
            self.tell(begun, here).await?;
            let now = self.checker.meta.now();
            if written.until(now) >= RARELY {
                written = now;
                self.keep_position().await;
            }
        }
        let CheckRecord {
            blobs,
            bytes,
            found,
            quarantined,
            ..
        } = self.moved(|position| position.is_complete = true);
        tracing::info!(
            blobs,
            bytes,
            found,
            quarantined,
            "a pass of the background check ended"
        );
        self.keep_position().await;
        Ok(())
    }

    async fn walk(
        &self,
        budget: &mut Budget,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        // A row that looking does not find is told as it is compared; looking up all at once takes a
        // core for seconds.
        self.checker.rows(false, budget, report).await?;
        self.checker.files(false, budget, report).await
    }

    /// Takes what was seen into the pass; `last` is a blob that was read.
    fn advance(&self, last: Option<Digest>, report: &CheckReport) {
        let position = self.moved(|position| {
            position.blobs += u64::from(last.is_some());
            position.after = last.or(position.after);
            position.bytes += report.bytes;
            position.found += report.found;
            position.quarantined += report.quarantined;
        });
        self.show(&position, true);
    }

    /// Changes the position of the pass that is under way; answers what it is then.
    fn moved(&self, change: impl FnOnce(&mut CheckRecord)) -> CheckRecord {
        let mut here = self.position.lock();
        let position = here.get_or_insert_default();
        change(position);
        position.clone()
    }

    fn position(&self) -> CheckRecord {
        self.moved(|_| {})
    }

    /// Lets everybody see a position.
    fn show(&self, position: &CheckRecord, is_running: bool) {
        self.progress.send_modify(|progress| {
            progress.is_running = is_running;
            progress.done = position.blobs;
            progress.total = progress.total.max(position.blobs);
            progress.bytes = position.bytes;
            progress.found = position.found;
            progress.quarantined = position.quarantined;
        });
    }

    /// Counts what a check saw, the background one or another.
    pub(crate) fn count(&self, report: &CheckReport) {
        self.progress.send_modify(|progress| {
            progress.bytes_since_open += report.bytes;
            progress.found_since_open += report.found;
        });
    }

    async fn tell(&self, begun: EngineTime, here: u64) -> Result<(), StorageError> {
        let total = self.checker.ask(Metadata::blob_count).await?;
        let took = begun.until(self.checker.meta.now());
        let done = self.position().blobs;
        let left = total.saturating_sub(done);
        let millis = took.as_millis() * u128::from(left) / u128::from(here.max(1));
        let remaining = u64::try_from(millis).ok().map(Duration::from_millis);
        self.progress.send_modify(|progress| {
            progress.total = total.max(done);
            progress.remaining = remaining;
        });
        Ok(())
    }

    /// Writes the position down. The pass goes on without, on a full disk, say: then the next process
    /// reads a little again.
    async fn keep_position(&self) {
        let kept = self.checker.meta.keep_check_position(self.position());
        if let Err(error) = kept.await {
            tracing::warn!(%error, "how far the check is was not written down");
        }
    }
}
