//! [`Budget`]: how many bytes a second may be read, and whether any may.

use std::time::Duration;
use tokio::sync::watch;

/// What the background check may do now; changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Allowance {
    /// 0: nothing.
    pub(super) bytes_per_second: u64,
    pub(super) is_paused: bool,
}

/// A pace for reading: after each piece it waits for as long as the piece may take.
#[derive(Debug)]
pub(super) enum Budget {
    /// The same to the end; 0: no limit.
    Fixed(u64),
    /// What the allowance says at the moment.
    Changing(watch::Receiver<Allowance>),
}

/// The longest wait after one piece, so that a larger budget is soon noticed.
const LONGEST: Duration = Duration::from_mins(1);

// === impl Budget ===

impl Budget {
    pub(super) fn fixed(bytes_per_second: u64) -> Self {
        Self::Fixed(bytes_per_second)
    }

    /// Waits until more may be read after `bytes`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn spend(&mut self, bytes: u64) {
        match self {
            Self::Fixed(0) => {}
            Self::Fixed(rate) => tokio::time::sleep(time_of(bytes, *rate)).await,
            Self::Changing(allowance) => spend(allowance, bytes).await,
        }
    }
}

impl Allowance {
    /// Whether anything may be read.
    pub(super) fn allows(self) -> bool {
        self.bytes_per_second > 0 && !self.is_paused
    }
}

async fn spend(allowance: &mut watch::Receiver<Allowance>, bytes: u64) {
    let now = *allowance.borrow_and_update();
    if now.allows() {
        tokio::select! {
            () = tokio::time::sleep(time_of(bytes, now.bytes_per_second)) => {}
            _changed = allowance.changed() => {}
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
    async fn a_pause_holds_until_somebody_ends_it() {
        let allowed = Allowance {
            bytes_per_second: 1000,
            is_paused: false,
        };
        let (change, allowance) = watch::channel(Allowance {
            is_paused: true,
            ..allowed
        });
        let mut budget = Budget::Changing(allowance);
        let waits = tokio::time::timeout(Duration::from_hours(1), budget.spend(10)).await;
        assert!(waits.is_err());
        change.send(allowed).unwrap();
        budget.spend(10).await;
    }
}
