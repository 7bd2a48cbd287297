//! [`Quotas`]: how many bytes the repositories of a pattern may hold, all together.
//!
//! Bytes are reserved before they are taken in, so that a push that does not fit is refused before its
//! body is read, and concurrent ones cannot fill a quota past its limit. Invariants:
//! 1. What counts is what was measured, what was committed since that measure began, and what is
//!    reserved. What is committed while it is measured may count twice until the next one; nothing
//!    that went through a reservation is ever left out. So the sum errs towards refusing, by no more
//!    than what was committed during one measure.
//! 2. Nobody is refused by an old measure: before a refusal it is measured anew, by one for all who
//!    wait. One that took longer than a quarter of a second counts as new for four times as long, so
//!    that a client that goes on asking does not keep the store busy.
//! 3. A measure older than a minute is replaced in the background, with nobody waiting for it. Space
//!    that was freed is noticed then, or by 2.
//! 4. All limits of a reservation are checked and counted under one lock.
//! 5. Memory is in proportion to the patterns asked for within an hour and to the open reservations.
//!
//! What counts: blobs, once for each repository that holds them; manifests; what was received of
//! uploads that are not finished. What can be restored of a deleted manifest still holds its blobs. What
//! does not go through a reservation (restoring a deleted repository) is noticed by the next measure.

mod reservation;
mod room;
mod source;
#[cfg(test)]
mod tests;

pub use reservation::Reservation;
pub(crate) use room::Room;
pub use source::{Source, Starts};

use floundr_engine::clock::Clock;
use floundr_engine::fault::StorageError;
use floundr_engine::policy::Pattern;
use floundr_engine::upload::UploadUuid;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// When a measure is replaced although it sufficed.
const OLD: Duration = Duration::from_mins(1);

/// After how long nothing is known any more of a pattern nobody asked for.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// For how many times its own duration a measure is new, if it took long.
const NEW: u32 = 4;

/// What takes longer is not done for every refusal.
const LONG: Duration = Duration::from_millis(250);

/// A limit on the sum of what the repositories of a pattern hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The repositories it is for, all together.
    pub on: Pattern,
    /// How many bytes they may hold.
    pub bytes: u64,
}

/// A limit does not allow what was asked for. Nothing was reserved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the quota of {on} is {limit} bytes, {used} are in use or reserved, {asked} more do not fit"
)]
pub struct Exceeded {
    /// The pattern of the limit.
    pub on: Pattern,
    /// The limit, in bytes.
    pub limit: u64,
    /// What is held and reserved, in bytes.
    pub used: u64,
    /// What was asked for, in bytes.
    pub asked: u64,
}

/// Why nothing was reserved.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// It does not fit.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// It could not be measured what is in use.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What bytes are reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A manifest, or a blob that is mounted: nothing of it is there before it is committed.
    Content,
    /// An upload that nobody but this request can go on with, and that is cancelled when it fails.
    Whole(UploadUuid),
    /// A part of an upload that is kept when the request ends, however it does.
    Chunk {
        /// The upload.
        upload: UploadUuid,
        /// How many bytes it had before this request; they count already.
        offset: u64,
    },
}

/// What is held, reserved and known of every pattern. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub struct Quotas {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the text of the pattern.
    tallies: HashMap<String, Tally>,
    /// Where the uploads began that reservations are for, and the number of that reservation.
    uploads: HashMap<UploadUuid, (u64, u64)>,
    /// Grows with every measure and reservation.
    number: u64,
}

/// What is known of one pattern.
#[derive(Debug, Default)]
struct Tally {
    reserved: u64,
    /// Everything that was committed since the tally is here.
    added: u64,
    measure: Option<Measure>,
    /// Held by whoever measures.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// A measure in the background was begun and has not ended.
    is_renewing: bool,
    asked: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Measure {
    bytes: u64,
    /// `added` when it began.
    base: u64,
    /// Its number.
    number: u64,
    ended: Duration,
    took: Duration,
}

/// Why bytes cannot be reserved by what is known.
#[derive(Debug)]
enum Short {
    Unmeasured(Pattern),
    Exceeded(Exceeded),
}

// === impl Quotas ===

impl Quotas {
    /// Quotas on what `source` holds. Nothing is measured until somebody asks.
    pub fn new(source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::default();
        Self {
            shared: Arc::new(Shared {
                source,
                clock,
                state,
            }),
        }
    }

    /// Reserves bytes within all of `limits`, which are those of one repository: of every pattern that
    /// matches it. Without limits it costs nothing. Waits for a measure the first time a pattern is
    /// asked for, and before it refuses. Zero bytes are never refused.
    ///
    /// # Errors
    /// [`QuotaError`]. Nothing is reserved then.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing stays reserved.
    pub async fn reserve(
        &self,
        limits: &[Limit],
        purpose: Purpose,
        bytes: u64,
    ) -> Result<Reservation, QuotaError> {
        if limits.is_empty() {
            return Ok(Reservation::unlimited());
        }
        let mut reservation = Reservation::open(Arc::clone(&self.shared), limits, purpose);
        reservation.add(bytes, bytes).await?;
        for limit in limits {
            self.renew(&limit.on);
        }
        Ok(reservation)
    }

    /// How many bytes of a pattern are in use or reserved, as of a measure of at most a minute ago.
    /// Waits for one if there is none.
    ///
    /// # Errors
    /// [`StorageError`]: it could not be measured.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn used(&self, on: &Pattern) -> Result<u64, StorageError> {
        let (is_old, number) = {
            let mut state = self.shared.state.lock();
            let now = self.shared.clock.monotonic();
            let number = state.number;
            (state.tally(on, now).is_old(now), number)
        };
        if is_old {
            self.shared.measure(on, number).await?;
        }
        let now = self.shared.clock.monotonic();
        let used = self.shared.state.lock().tally(on, now).used();
        Ok(used.unwrap_or_default())
    }

    /// Lets an old measure be replaced in the background.
    fn renew(&self, on: &Pattern) {
        let number = {
            let mut state = self.shared.state.lock();
            let now = self.shared.clock.monotonic();
            let number = state.number;
            let tally = state.tally(on, now);
            if tally.is_renewing || !tally.is_old(now) {
                return;
            }
            tally.is_renewing = true;
            number
        };
        let (shared, on) = (Arc::clone(&self.shared), on.clone());
        drop(tokio::spawn(async move {
            if let Err(error) = shared.measure(&on, number).await {
                tracing::warn!(%on, %error, "what a quota's repositories hold was not measured");
            }
            let now = shared.clock.monotonic();
            shared.state.lock().tally(&on, now).is_renewing = false;
        }));
    }
}

// === impl Shared ===

impl Shared {
    /// Measures a pattern, unless somebody did who began behind `number`. One at a time.
    async fn measure(&self, on: &Pattern, number: u64) -> Result<(), StorageError> {
        let now = self.clock.monotonic();
        let turn = Arc::clone(&self.state.lock().tally(on, now).turn);
        let turn = turn.lock().await;
        let began = self.clock.monotonic();
        let (own, base, starts) = {
            let mut state = self.state.lock();
            let known = state.tally(on, began).measure;
            if known.is_some_and(|measure| measure.number > number) {
                return Ok(());
            }
            let own = state.next();
            (own, state.tally(on, began).added, state.starts())
        };
        let bytes = self.source.measure(on, starts).await?;
        let ended = self.clock.monotonic();
        self.state.lock().tally(on, ended).measure = Some(Measure {
            bytes,
            base,
            number: own,
            ended,
            took: ended.saturating_sub(began),
        });
        drop(turn);
        Ok(())
    }

    /// Reserves at least `least` and at most `most` bytes by what is known; answers how many.
    fn try_add(&self, limits: &[Limit], least: u64, most: u64) -> Result<u64, Short> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let mut granted = most;
        for limit in limits {
            let tally = state.tally(&limit.on, now);
            let Some(used) = tally.used() else {
                return Err(Short::Unmeasured(limit.on.clone()));
            };
            let room = limit.bytes.saturating_sub(used);
            if room < least {
                return Err(Short::Exceeded(Exceeded {
                    on: limit.on.clone(),
                    limit: limit.bytes,
                    used,
                    asked: least,
                }));
            }
            granted = granted.min(room);
        }
        for limit in limits {
            let tally = state.tally(&limit.on, now);
            tally.reserved = tally.reserved.saturating_add(granted);
        }
        Ok(granted)
    }

    /// Whether a measure may be refused by to whom asked at `number`.
    fn is_new(&self, on: &Pattern, number: u64) -> bool {
        let now = self.clock.monotonic();
        let measure = self.state.lock().tally(on, now).measure;
        measure.is_some_and(|measure| {
            let age = now.saturating_sub(measure.ended);
            let is_long = measure.took > LONG;
            measure.number > number || (is_long && age < (measure.took * NEW).min(OLD))
        })
    }
}

// === impl State ===

impl State {
    /// What is known of a pattern. Makes room for a new one.
    fn tally(&mut self, on: &Pattern, now: Duration) -> &mut Tally {
        if !self.tallies.contains_key(on.as_str()) {
            self.tallies.retain(|_, tally| {
                let idle = now.saturating_sub(tally.asked);
                tally.reserved > 0 || tally.is_renewing || idle < FORGOTTEN
            });
        }
        let tally = self.tallies.entry(on.as_str().to_owned()).or_default();
        tally.asked = now;
        tally
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn starts(&self) -> Starts {
        let starts = self.uploads.iter();
        starts
            .map(|(&upload, &(offset, _))| (upload, offset))
            .collect()
    }
}

// === impl Tally ===

impl Tally {
    /// `None`: it was never measured.
    fn used(&self) -> Option<u64> {
        let measure = self.measure?;
        let since = self.added.saturating_sub(measure.base);
        let held = measure.bytes.saturating_add(since);
        Some(held.saturating_add(self.reserved))
    }

    fn is_old(&self, now: Duration) -> bool {
        self.measure
            .is_none_or(|measure| now.saturating_sub(measure.ended) > OLD)
    }
}
