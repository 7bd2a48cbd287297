//! Time, injected: [`Clock`] is the only reader of the machine's clocks, [`EngineTime`] what grace
//! periods and expiry are measured in.
//!
//! Invariant: engine time never goes back and never jumps. It is the time kept in the store at open
//! plus the monotonic time since; a jump of the wall clock does not move it, and while no process
//! has the store open it stands still. The wall clock is only written down for people to read.

use std::fmt;
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

/// Milliseconds the store has been open since it was made: see the module's invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EngineTime(pub u64);

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
