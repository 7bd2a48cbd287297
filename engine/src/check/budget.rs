//! [`Budget`]: how many bytes a second may be read, and whether any may.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What the background check may do now; changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Allowance {
    /// 0: nothing.
    pub(super) bytes_per_second: u64,
    pub(super) is_paused: bool,
}

/// A pace for reading: after each piece it waits until the piece has had its time.
#[derive(Debug)]
pub(super) struct Budget {
    pace: Pace,
    /// When the last piece has had its time.
    next: Instant,
}

#[derive(Debug)]
enum Pace {
    /// The same to the end; 0: no limit.
    Fixed(u64),
    /// What the allowance says at the moment.
    Changing(watch::Receiver<Allowance>),
}

/// The longest wait after one piece, so that a larger budget is soon noticed.
const LONGEST: Duration = Duration::from_mins(1);

/// Time that was not used is made up for when it is as short as this: timers are late by a millisecond, and
/// pieces may take less.
const LATE: Duration = Duration::from_millis(20);

// === impl Budget ===

impl Budget {
    /// The same pace to the end; 0: no limit.
    pub(super) fn fixed(bytes_per_second: u64) -> Self {
        Self::new(Pace::Fixed(bytes_per_second))
    }

    /// What the allowance says at the moment.
    pub(super) fn changing(allowance: watch::Receiver<Allowance>) -> Self {
        Self::new(Pace::Changing(allowance))
    }

    fn new(pace: Pace) -> Self {
        let next = Instant::now();
        Self { pace, next }
    }

    /// Waits until more may be read after `bytes`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn spend(&mut self, bytes: u64) {
        match &mut self.pace {
            Pace::Fixed(0) => {}
            Pace::Fixed(rate) => sleep_until(after(&mut self.next, time_of(bytes, *rate))).await,
            Pace::Changing(allowance) => spend(allowance, &mut self.next, bytes).await,
        }
    }
}

/// When a piece that was read now has had its `time`.
fn after(next: &mut Instant, time: Duration) -> Instant {
    let now = Instant::now();
    *next = (*next).max(now.checked_sub(LATE).unwrap_or(now)) + time;
    *next
}

impl Allowance {
    /// Whether anything may be read.
    pub(super) fn allows(self) -> bool {
        self.bytes_per_second > 0 && !self.is_paused
    }
}

async fn spend(allowance: &mut watch::Receiver<Allowance>, next: &mut Instant, bytes: u64) {
    let now = *allowance.borrow_and_update();
    if now.allows() {
        tokio::select! {
            () = sleep_until(after(next, time_of(bytes, now.bytes_per_second))) => {}
            // What the former pace asked for is not waited for.
            _changed = allowance.changed() => *next = Instant::now(),
        }
    }
    // Nobody is left who could change it only when the engine is gone, and then so is this task.
    if allowance.wait_for(|now| now.allows()).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn time_of(bytes: u64, bytes_per_second: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_per_second.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_takes_its_share_of_a_second_and_never_more_than_the_longest_wait() {
        assert_eq!(time_of(500, 1000), Duration::from_millis(500));
        assert_eq!(time_of(0, 1000), Duration::ZERO);
        assert_eq!(time_of(u64::MAX, 1), LONGEST);
        assert_eq!(time_of(1, 0), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn many_small_pieces_take_as_long_as_a_large_one_and_idle_time_is_not_saved_up() {
        let mut budget = Budget::fixed(1_000_000);
        let began = Instant::now();
        for _ in 0..10_000 {
            budget.spend(100).await; // a tenth of a millisecond, and timers know whole ones
        }
        let took = began.elapsed();
        let late = Duration::from_millis(2);
        assert!(
            (Duration::from_secs(1)..Duration::from_secs(1) + late).contains(&took),
            "{took:?}"
        );
        tokio::time::sleep(Duration::from_hours(1)).await;
        let began = Instant::now();
        budget.spend(1_000_000).await;
        assert!(began.elapsed() + LATE >= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_until_somebody_ends_it() {
        let allowed = Allowance {
            bytes_per_second: 1000,
            is_paused: false,
        };
        let (change, allowance) = watch::channel(Allowance {
            is_paused: true,
            ..allowed
        });
        let mut budget = Budget::changing(allowance);
        let waits = tokio::time::timeout(Duration::from_hours(1), budget.spend(10)).await;
        assert!(waits.is_err());
        change.send(allowed).unwrap();
        budget.spend(10).await;
    }
}
