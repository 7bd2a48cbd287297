//! Time, injected: [`Clock`] is the only reader of the machine's clocks, [`EngineTime`] what grace
//! periods and expiry are measured in.
//!
//! Invariant: engine time never goes back and never jumps. It is the time kept in the store at open
//! plus the monotonic time since; a jump of the wall clock does not move it, and while no process
//! has the store open it stands still. The wall clock is only written down for people to read.

use std::fmt;
#[cfg(any(test, feature = "test-util"))]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time. Tests inject one they can move.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Time since some fixed moment, never going back within one process.
    fn monotonic(&self) -> Duration;

    /// Time since the Unix epoch by the machine's wall clock, which may jump.
    fn wall(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

/// Both clocks in the hands of a test: they stand still until they are moved.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug, Default)]
pub struct Hands(AtomicU64);

/// Milliseconds the store has been open since it was made: see the module's invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EngineTime(pub u64);

/// One moment by both clocks, to tell people when something was that is known in engine time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calendar {
    pub(crate) now: EngineTime,
    /// In milliseconds since the epoch.
    pub(crate) wall: u64,
}

// === impl Calendar ===

impl Calendar {
    pub(crate) fn new(now: EngineTime, clock: &dyn Clock) -> Self {
        let wall = u64::try_from(clock.wall().as_millis()).unwrap_or(u64::MAX);
        Self { now, wall }
    }

    /// When `time` was, in milliseconds since the epoch. Engine time stands still while nothing has
    /// the store open, so it was earlier than that if the store was closed since. Never later than
    /// now.
    pub(crate) fn date(self, time: EngineTime) -> u64 {
        self.wall.saturating_sub(self.now.0.saturating_sub(time.0))
    }
}

// === impl SystemClock ===

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn wall(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }
}

// === impl Hands ===

#[cfg(any(test, feature = "test-util"))]
impl Hands {
    /// Lets time pass, in whole milliseconds.
    pub fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Clock for Hands {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Duration {
        self.monotonic()
    }
}

// === impl EngineTime ===

impl EngineTime {
    /// The moment `duration` later. Stops at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The moment `duration` earlier; `None` if that is before the store was made.
    pub fn before(self, duration: Duration) -> Option<Self> {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.0.checked_sub(millis).map(Self)
    }

    /// How long from `self` until `later`; zero if that has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}
