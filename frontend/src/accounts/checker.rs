//! [`PasswordChecker`]: whether a user's password is right, at the cost of one hash for many requests.
//!
//! It joins the hasher with the memory of what was right. Requests that bring the same credentials at the
//! same moment, as the connections of one pull do, share one verification: the first computes, the others
//! wait for its answer, and if it goes away or fails, the next computes. A wrong answer is shared with those
//! who wait for it and then forgotten.
//!
//! Who logs somebody in asks in this order: [`PasswordChecker::remembers`], else
//! `RateLimits::may_log_in`, then [`PasswordChecker::check_password`], then tells the limits how it went. So
//! who has logged in is not held up by others' failures from the same address. A user that does not exist,
//! has no password or is disabled is checked with `None` for the hash, so that it takes as long.
//!
//! Invariants: 1. There is a flight for each mark that somebody waits for and no other; those who wait
//! beyond the hasher's places are told so at once, so there are few. 2. A mark stands for user, epoch, hash
//! and password, so an answer cannot be out of date.

use crate::accounts::UserName;
use crate::accounts::password::{HasherError, PasswordHash, PasswordHasher};
use crate::accounts::verified::{Mark, Verified};
use floundr_engine::clock::Clock;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Checks passwords. Shared by all requests.
pub(crate) struct PasswordChecker {
    hasher: PasswordHasher,
    verified: Verified,
    clock: Arc<dyn Clock>,
    flights: Mutex<HashMap<Mark, Flight>>,
}

/// One verification and those who wait for it.
#[derive(Default)]
struct Flight {
    answer: Arc<OnceCell<bool>>,
    aboard: usize,
}

/// A place in a flight. The last to leave ends it.
struct Seat<'a> {
    flights: &'a Mutex<HashMap<Mark, Flight>>,
    mark: Mark,
    answer: Arc<OnceCell<bool>>,
}

// === impl PasswordChecker ===

impl PasswordChecker {
    /// Checks with `hasher`, and remembers in `verified` by the time of `clock`.
    pub(crate) fn new(hasher: PasswordHasher, verified: Verified, clock: Arc<dyn Clock>) -> Self {
        Self {
            hasher,
            verified,
            clock,
            flights: Mutex::default(),
        }
    }

    /// The hasher, for new passwords and for what it counts.
    pub(crate) fn hasher(&self) -> &PasswordHasher {
        &self.hasher
    }

    /// Whether [`Self::check_password`] found the same right a short while ago. Costs a MAC.
    pub(crate) fn remembers(
        &self,
        user: &UserName,
        epoch: u64,
        password: &str,
        hash: Option<&PasswordHash>,
    ) -> bool {
        let mark = self.verified.mark(user, epoch, password, hash);
        self.is_known(&mark)
    }

    /// Whether `password` is that of `user`, whose stored hash is `hash` since `epoch`. `None` is never
    /// right and takes as long as a wrong password. Cancel safe: who waits for the same goes on.
    ///
    /// # Errors
    /// Busy, or the machine's fault; a wrong password is `false`.
    pub(crate) async fn check_password(
        &self,
        user: &UserName,
        epoch: u64,
        password: &str,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HasherError> {
        let mark = self.verified.mark(user, epoch, password, hash);
        if self.is_known(&mark) {
            return Ok(true);
        }
        let seat = self.board(mark);
        let verify = || self.verify(mark, password, hash);
        seat.answer.get_or_try_init(verify).await.copied()
    }

    async fn verify(
        &self,
        mark: Mark,
        password: &str,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HasherError> {
        // The flight before this one may have landed between the question and the boarding.
        if self.is_known(&mark) {
            return Ok(true);
        }
        let right = self.hasher.verify(password, hash).await?;
        if right {
            self.verified.remember(mark, self.clock.monotonic());
        }
        Ok(right)
    }

    fn is_known(&self, mark: &Mark) -> bool {
        self.verified.is_known(mark, self.clock.monotonic())
    }

    fn board(&self, mark: Mark) -> Seat<'_> {
        let mut flights = self.flights.lock();
        let flight = flights.entry(mark).or_default();
        flight.aboard += 1;
        Seat {
            flights: &self.flights,
            mark,
            answer: Arc::clone(&flight.answer),
        }
    }
}

impl fmt::Debug for PasswordChecker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordChecker")
            .field("hasher", &self.hasher)
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}

// === impl Seat ===

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        if let Entry::Occupied(mut flight) = flights.entry(self.mark) {
            flight.get_mut().aboard -= 1;
            if flight.get().aboard == 0 {
                flight.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::password::HasherOptions;
    use crate::accounts::password::tests::{CHEAP, hold_turn};
    use crate::accounts::verified::VerifiedOptions;
    use floundr_engine::clock::Hands;
    use floundr_engine::random::SystemRandom;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use std::time::Duration;

    const PASSWORD: &str = "correct horse";

    struct World {
        credentials: PasswordChecker,
        hands: Arc<Hands>,
        hash: PasswordHash,
    }

    impl World {
        async fn new(options: HasherOptions) -> Self {
            let hasher = PasswordHasher::new(options, &SystemRandom).unwrap();
            let verified = Verified::new(VerifiedOptions::default(), &SystemRandom).unwrap();
            let hands = Arc::new(Hands::default());
            let clock = Arc::clone(&hands) as Arc<dyn Clock>;
            Self {
                hash: hasher.hash(PASSWORD).await.unwrap(),
                credentials: PasswordChecker::new(hasher, verified, clock),
                hands,
            }
        }

        async fn check(&self, epoch: u64, password: &str) -> Result<bool, HasherError> {
            let jo = "jo".parse().unwrap();
            let hash = Some(&self.hash);
            self.credentials
                .check_password(&jo, epoch, password, hash)
                .await
        }

        fn verifications(&self) -> u64 {
            self.credentials.hasher().verifications()
        }

        fn remembers(&self, epoch: u64, password: &str) -> bool {
            let jo = "jo".parse().unwrap();
            let hash = Some(&self.hash);
            self.credentials.remembers(&jo, epoch, password, hash)
        }
    }

    #[tokio::test]
    async fn a_right_password_is_verified_once_in_five_minutes() {
        let world = World::new(CHEAP).await;
        for _request in 0..5 {
            assert!(world.check(1, PASSWORD).await.unwrap());
        }
        assert_eq!(world.verifications(), 1);
        assert!(world.remembers(1, PASSWORD));
        world.hands.pass(Duration::from_mins(5));
        assert!(!world.remembers(1, PASSWORD));
        assert!(world.check(1, PASSWORD).await.unwrap());
        assert_eq!(world.verifications(), 2);
        assert!(world.check(2, PASSWORD).await.unwrap());
        assert_eq!(world.verifications(), 3, "another epoch");
    }

    #[tokio::test]
    async fn a_wrong_password_and_an_unknown_user_are_verified_each_time() {
        let world = World::new(CHEAP).await;
        let nobody = "nobody".parse().unwrap();
        for count in 1..4 {
            assert!(!world.check(1, "wrong").await.unwrap());
            let checked = world.credentials.check_password(&nobody, 0, PASSWORD, None);
            assert!(!checked.await.unwrap());
            assert_eq!(world.verifications(), 2 * count);
        }
        assert!(!world.remembers(1, "wrong"));
        assert!(!world.credentials.remembers(&nobody, 0, PASSWORD, None));
    }

    #[tokio::test]
    async fn the_same_credentials_at_the_same_moment_cost_one_verification() {
        // No room for a second: without sharing, some would be told to come back.
        let options = HasherOptions {
            at_once: 1,
            waiting: 0,
            ..CHEAP
        };
        for (password, right) in [(PASSWORD, true), ("wrong", false)] {
            let world = World::new(options).await;
            let turn = hold_turn(world.credentials.hasher()).await;
            let mut checks = [(); 20].map(|()| Box::pin(world.check(1, password)));
            let all_wait = checks
                .iter_mut()
                .all(|check| check.now_or_never().is_none());
            assert!(all_wait);
            drop(turn);
            let answers = join_all(checks).await;
            assert!(answers.into_iter().all(|answer| answer.unwrap() == right));
            assert_eq!(world.verifications(), 1);
            assert!(world.credentials.flights.lock().is_empty());
        }
    }

    #[tokio::test]
    async fn different_credentials_do_not_share_an_answer() {
        let world = World::new(CHEAP).await;
        let checks = [PASSWORD, "wrong", PASSWORD, "wronger"].map(|text| world.check(1, text));
        let answers = join_all(checks).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [true, false, true, false]);
        assert_eq!(world.verifications(), 3);
    }

    #[tokio::test]
    async fn when_the_one_who_verifies_goes_away_the_next_does() {
        let options = HasherOptions {
            at_once: 1,
            ..CHEAP
        };
        let world = World::new(options).await;
        let turn = hold_turn(world.credentials.hasher()).await;
        let mut first = Box::pin(world.check(1, PASSWORD));
        let mut second = Box::pin(world.check(1, PASSWORD));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        assert_eq!(world.credentials.flights.lock().len(), 1);
        drop((first, turn));
        assert!(second.await.unwrap());
        assert!(world.credentials.flights.lock().is_empty());
    }

    #[tokio::test]
    async fn a_failed_verification_is_tried_again_by_the_next_request() {
        let options = HasherOptions {
            at_once: 1,
            waiting: 0,
            ..CHEAP
        };
        let world = World::new(options).await;
        let turn = hold_turn(world.credentials.hasher()).await;
        let mut other = Box::pin(world.check(1, "wrong"));
        assert!((&mut other).now_or_never().is_none());
        let busy = world.check(1, PASSWORD).await;
        assert!(matches!(busy, Err(HasherError::Busy(_))));
        drop(turn);
        assert!(!other.await.unwrap());
        assert!(world.check(1, PASSWORD).await.unwrap());
        assert!(world.credentials.flights.lock().is_empty());
    }
}
