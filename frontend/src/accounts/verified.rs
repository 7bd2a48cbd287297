//! [`Verified`]: which passwords were verified a short while ago, so that each request with basic
//! credentials does not cost a hash.
//!
//! Invariants: 1. No password is held, only an HMAC-SHA256 under a key that is made up at the start and
//! never leaves the process. 2. What is remembered is bound to the user's epoch and to the stored hash: a
//! new password, a disabled user and a user made anew under an old name are unknown at once. 3. At most
//! `at_most` are remembered, for `lifetime` each; without room the oldest goes. Only what was right is
//! remembered: that a password was wrong is cheap to find out again only for who is kept from trying by
//! `limits`. Moments are a `Clock`'s monotonic time.

use crate::accounts::UserName;
use crate::accounts::expiring::Expiring;
use crate::accounts::password::PasswordHash;
use floundr_engine::random::Random;
use parking_lot::Mutex;
use ring::hmac;
use std::fmt;
use std::io;
use std::time::Duration;

/// How long and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VerifiedOptions {
    /// How long one is remembered, however often it is used.
    pub(crate) lifetime: Duration,
    /// How many are remembered, of some 150 bytes each.
    pub(crate) at_most: usize,
}

/// What a password proves: who, since which change, against which hash. Tells nothing without the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark([u8; 32]);

/// The verifications remembered. Shared by all requests.
pub(crate) struct Verified {
    key: hmac::Key,
    lifetime: Duration,
    known: Mutex<Expiring<Mark>>,
}

// === impl VerifiedOptions ===

impl Default for VerifiedOptions {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_mins(5),
            at_most: 4096,
        }
    }
}

// === impl Mark ===

/// Shows nothing.
impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

// === impl Verified ===

impl Verified {
    /// Remembers nothing yet.
    ///
    /// # Errors
    /// When there are no random bytes for the key.
    pub(crate) fn new(options: VerifiedOptions, random: &dyn Random) -> io::Result<Self> {
        let mut key = [0; 32];
        random.fill(&mut key)?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            lifetime: options.lifetime,
            known: Mutex::new(Expiring::new(options.at_most)),
        })
    }

    /// The mark of `password` for `user` at `epoch`, whose stored hash is `hash`.
    pub(crate) fn mark(
        &self,
        user: &UserName,
        epoch: u64,
        password: &str,
        hash: Option<&PasswordHash>,
    ) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        // Neither a name nor a hash has a zero byte, the epoch has a fixed length, and the password is last.
        context.update(user.as_str().as_bytes());
        context.update(&[0]);
        context.update(&epoch.to_be_bytes());
        context.update(hash.map_or("", PasswordHash::as_str).as_bytes());
        context.update(&[0]);
        context.update(password.as_bytes());
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        Mark(mark)
    }

    /// Whether `mark` was verified less than the lifetime before `now`. It is found by equality of a MAC
    /// under a secret key, so how long that takes tells nothing.
    pub(crate) fn is_known(&self, mark: &Mark, now: Duration) -> bool {
        self.known.lock().until(mark, now).is_some()
    }

    /// Remembers that the password of `mark` was right at `now`.
    pub(crate) fn remember(&self, mark: Mark, now: Duration) {
        let until = now.saturating_add(self.lifetime);
        self.known.lock().hold(mark, until, now);
    }
}

/// Says how many.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("lifetime", &self.lifetime)
            .field("known", &self.known.lock())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floundr_engine::random::SystemRandom;

    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA";

    fn verified(at_most: usize) -> Verified {
        let options = VerifiedOptions {
            at_most,
            ..VerifiedOptions::default()
        };
        Verified::new(options, &SystemRandom).unwrap()
    }

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_same_user_epoch_hash_and_password_are_known() {
        let verified = verified(10);
        let hash: PasswordHash = HASH.parse().unwrap();
        let anew: PasswordHash = HASH.replace("$AAAA", "$BAAA").parse().unwrap();
        let jo = name("jo");
        verified.remember(verified.mark(&jo, 1, "secret", Some(&hash)), Duration::ZERO);
        let known = |user: &str, epoch, password: &str, hash| {
            let mark = verified.mark(&name(user), epoch, password, hash);
            verified.is_known(&mark, Duration::ZERO)
        };
        assert!(known("jo", 1, "secret", Some(&hash)));
        assert!(!known("jo2", 1, "secret", Some(&hash)));
        assert!(!known("jo", 2, "secret", Some(&hash)), "after a change");
        assert!(!known("jo", 1, "secret", Some(&anew)), "a user made anew");
        assert!(!known("jo", 1, "secret", None));
        assert!(!known("jo", 1, "secret2", Some(&hash)));
        assert!(!known("jo", 1, "\u{0}secret", Some(&hash)));
    }

    #[test]
    fn five_minutes_later_it_has_to_be_verified_again() {
        let verified = verified(10);
        let mark = verified.mark(&name("jo"), 1, "secret", None);
        let start = Duration::from_secs(7);
        verified.remember(mark, start);
        assert!(verified.is_known(&mark, start + Duration::from_secs(299)));
        assert!(!verified.is_known(&mark, start + Duration::from_mins(5)));
    }

    #[test]
    fn without_room_the_oldest_is_forgotten() {
        let verified = verified(4096);
        let mark = |epoch| verified.mark(&name("jo"), epoch, "secret", None);
        for epoch in 0..5000 {
            verified.remember(mark(epoch), Duration::from_millis(epoch));
        }
        let now = Duration::from_secs(5);
        assert_eq!(verified.known.lock().len(), 4096);
        assert!(!verified.is_known(&mark(903), now));
        assert!(verified.is_known(&mark(904), now));
        assert!(verified.is_known(&mark(4999), now));
    }

    #[test]
    fn each_process_has_its_own_marks() {
        let (one, other) = (verified(1), verified(1));
        let jo = name("jo");
        assert!(one.mark(&jo, 1, "secret", None) != other.mark(&jo, 1, "secret", None));
    }

    #[test]
    fn debugging_shows_no_mark_and_no_key() {
        let verified = verified(1);
        let mark = verified.mark(&name("jo"), 1, "secret", None);
        verified.remember(mark, Duration::ZERO);
        assert_eq!(format!("{mark:?}"), "Mark");
        let shown = format!("{verified:?}");
        assert!(
            shown.contains("len: 1") && !shown.contains("Mark"),
            "{shown}"
        );
        assert!(
            !shown.contains("key") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
