//! [`Expiring`]: keys that are held until a moment each, in bounded memory.
//!
//! Invariants: 1. `until` and `order` hold the same pairs. 2. There are at most `at_most`; when there is
//! no room, the key that would go first by itself goes, so nobody can push out the one that stays longest.
//! What has expired is given up at the next change, at most once for each that came: a change costs
//! O(log n) on average, whatever keys a client invents. Moments are a `Clock`'s monotonic time.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

/// Keys and until when each is held. Not for two threads at once: its owner has the lock.
pub(crate) struct Expiring<K> {
    at_most: usize,
    until: HashMap<K, Duration>,
    order: BTreeSet<(Duration, K)>,
}

// === impl Expiring ===

impl<K: Clone + Eq + Hash + Ord> Expiring<K> {
    /// Holds `at_most` keys, and at least one.
    pub(crate) fn new(at_most: usize) -> Self {
        Self {
            at_most: at_most.max(1),
            until: HashMap::new(),
            order: BTreeSet::new(),
        }
    }

    /// Until when `key` is held; `None` if it is not, or no longer at `now`.
    pub(crate) fn until(&self, key: &K, now: Duration) -> Option<Duration> {
        self.until.get(key).copied().filter(|until| *until > now)
    }

    /// Holds `key` until `until`, instead of until whenever it was held before.
    pub(crate) fn hold(&mut self, key: K, until: Duration, now: Duration) {
        if let Some(before) = self.until.remove(&key) {
            self.order.remove(&(before, key.clone()));
        }
        while self.first_until().is_some_and(|first| first <= now) {
            self.give_up_first();
        }
        if until <= now {
            return;
        }
        if self.until.len() >= self.at_most {
            self.give_up_first();
        }
        self.until.insert(key.clone(), until);
        self.order.insert((until, key));
    }

    /// Keys in memory, expired ones among them.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.until.len()
    }

    fn first_until(&self) -> Option<Duration> {
        self.order.first().map(|(until, _key)| *until)
    }

    fn give_up_first(&mut self) {
        if let Some((_until, key)) = self.order.pop_first() {
            self.until.remove(&key);
        }
    }
}

/// Says how many: a key may be derived from a secret.
impl<K> fmt::Debug for Expiring<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiring")
            .field("at_most", &self.at_most)
            .field("len", &self.until.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const AT_MOST: usize = 4;

    /// What is live in `model` after `key` was held, by the plainest means.
    fn model_hold(model: &mut BTreeMap<u8, u64>, key: u8, until: u64, now: u64) {
        model.remove(&key);
        model.retain(|_, until| *until > now);
        if until <= now {
            return;
        }
        if model.len() == AT_MOST {
            let first = model.iter().map(|(key, until)| (*until, *key)).min();
            model.remove(&first.unwrap().1);
        }
        model.insert(key, until);
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_map_would(steps in prop::collection::vec((0_u8..8, 0_u64..40, 0_u64..4), 0..60)) {
            let mut tested = Expiring::new(AT_MOST);
            let mut model = BTreeMap::new();
            let mut now = 0;
            for (key, length, passes) in steps {
                now += passes;
                model_hold(&mut model, key, now + length, now);
                tested.hold(key, Duration::from_secs(now + length), Duration::from_secs(now));
                for key in 0..8 {
                    prop_assert_eq!(
                        tested.until(&key, Duration::from_secs(now)),
                        model.get(&key).map(|until| Duration::from_secs(*until))
                    );
                }
                prop_assert_eq!(tested.len(), model.len());
                prop_assert_eq!(tested.order.len(), tested.until.len());
            }
        }
    }

    #[test]
    fn a_key_is_not_held_at_its_moment_any_more() {
        let mut held = Expiring::new(1);
        held.hold("a", Duration::from_secs(5), Duration::ZERO);
        assert!(held.until(&"a", Duration::from_millis(4999)).is_some());
        assert!(held.until(&"a", Duration::from_secs(5)).is_none());
    }

    #[test]
    fn debugging_it_shows_no_key() {
        let mut held = Expiring::new(1);
        held.hold("secret", Duration::from_secs(5), Duration::ZERO);
        assert!(!format!("{held:?}").contains("secret"));
    }
}
