//! [`Remembered`]: tokens whose signature was found right, so that it is not computed again.
//!
//! 1. An entry is found by the token's whole text, compared in the same time whatever differs; the end of
//!    its signature alone only says where to look. Only a token that was signed here comes in, and where
//!    it goes is a keyed hash.
//! 2. Times, audience and kind are no part of an entry's being there: they are judged every time.
//! 3. A worker of the runtime has a share of its own, of [`SHARES`], in which a token is verified anew: what
//!    one worker finds, the locks and counts of references that it writes to, lies in no other core's
//!    cache. That is most of what a token costs: two cores that find one token take longer to hand such
//!    lines to each other than to do all the rest. Threads that are no workers are told apart by number.
//! 4. Two generations: when the younger is full the older is dropped and the younger takes its place.
//!    What is used stays, and memory is bounded by [`MAX_ENTRIES`] and [`MAX_BYTES`] of each in each share.

use super::claims::Claims;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::worker_index;

/// Shares of as many workers or threads; more than these have one together.
const SHARES: usize = 8;

/// Tokens of one generation.
const MAX_ENTRIES: usize = 2048;

/// Bytes of the text of all tokens of one generation. Their claims take about as much again.
const MAX_BYTES: usize = 1 << 20;

/// A token longer than this is verified each time: one that long is rare.
const MAX_TOKEN_BYTES: usize = 2048;

/// A token whose signature is right.
pub(super) struct Verified {
    pub(super) claims: Arc<Claims>,
    pub(super) issuer: Box<str>,
    pub(super) audience: Box<str>,
    pub(super) not_before: u64,
}

/// The end of a token's signature, 46 bits of it.
type Place = u64;

/// Only tokens that were signed here come in: nobody can choose places that are alike, and this hash is the cheapest there is.
type Generation = HashMap<Place, Entry, foldhash::fast::RandomState>;

struct Entry {
    token: Box<str>,
    verified: Verified,
}

#[derive(Default)]
struct Generations {
    young: Generation,
    /// Bytes of the text of the tokens in `young`.
    young_bytes: usize,
    old: Generation,
}

/// Aligned, so that no two are in one line of a cache, nor in two that are fetched together.
#[derive(Default)]
#[repr(align(128))]
struct Share(Mutex<Generations>);

/// Tokens whose signature was found right.
#[derive(Default)]
pub(super) struct Remembered([Share; SHARES]);

// === impl Remembered ===

impl Remembered {
    /// What `judge` says of a token that is known.
    pub(super) fn find<T>(&self, token: &[u8], judge: impl FnOnce(&Verified) -> T) -> Option<T> {
        self.of_thread().find(token, judge)
    }

    /// Remembers a token, unless it is a long one.
    pub(super) fn put(&self, token: &str, verified: Verified) {
        if token.len() <= MAX_TOKEN_BYTES {
            self.of_thread().put(token, verified);
        }
    }

    fn of_thread(&self) -> &Share {
        // A worker keeps its number when another thread goes on as it, while it waits for a disk.
        &self.0[worker_index().unwrap_or_else(thread_number) % SHARES]
    }
}

/// How many there are, each once for every share it is in; what they are is secret.
impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.0.iter().map(|share| {
            let known = share.0.lock();
            known.young.len() + known.old.len()
        });
        let mut shown = f.debug_struct("Remembered");
        shown.field("tokens", &tokens.sum::<usize>());
        shown.finish_non_exhaustive()
    }
}

// === impl Share ===

impl Share {
    fn find<T>(&self, token: &[u8], judge: impl FnOnce(&Verified) -> T) -> Option<T> {
        let place = place(token)?;
        let mut known = self.0.lock();
        if let Some(entry) = known.young.get(&place) {
            return entry.is(token).then(|| judge(&entry.verified));
        }
        known.old.get(&place).filter(|entry| entry.is(token))?;
        let entry = known.old.remove(&place)?;
        let judged = judge(&entry.verified);
        let dropped = known.insert(place, entry);
        drop(known); // before what may be many tokens
        drop(dropped);
        Some(judged)
    }

    fn put(&self, token: &str, verified: Verified) {
        let Some(place) = place(token.as_bytes()) else {
            return;
        };
        let entry = Entry {
            token: token.into(),
            verified,
        };
        let dropped = self.0.lock().insert(place, entry);
        drop(dropped);
    }
}

// === impl Generations ===

impl Generations {
    /// Returns the generation that had to go, if one had to.
    fn insert(&mut self, place: Place, entry: Entry) -> Option<Generation> {
        let len = entry.token.len();
        let is_full = self.young.len() >= MAX_ENTRIES || self.young_bytes + len > MAX_BYTES;
        let dropped = is_full.then(|| {
            self.young_bytes = 0;
            let young = mem::take(&mut self.young);
            mem::replace(&mut self.old, young)
        });
        self.young_bytes += len;
        if let Some(before) = self.young.insert(place, entry) {
            self.young_bytes -= before.token.len();
        }
        dropped
    }
}

// === impl Entry ===

impl Entry {
    /// Whether it is of this token. Takes the same time whatever differs.
    fn is(&self, token: &[u8]) -> bool {
        let pairs = self.token.as_bytes().iter().zip(token);
        let difference = pairs.fold(0, |all, (ours, theirs)| all | (ours ^ theirs));
        self.token.len() == token.len() && black_box(difference) == 0
    }
}

fn place(token: &[u8]) -> Option<Place> {
    token.last_chunk().copied().map(u64::from_le_bytes)
}

/// The number of this thread: they are counted as they first ask.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::claims::tests::example;
    use super::*;
    use std::collections::HashSet;
    use std::thread;

    fn verified() -> Verified {
        Verified {
            claims: Arc::new(example()),
            issuer: "svc".into(),
            audience: "svc".into(),
            not_before: 0,
        }
    }

    fn has(known: &Remembered, token: &str) -> bool {
        known.find(token.as_bytes(), |_| ()).is_some()
    }

    /// The share of the thread that asks.
    fn share(known: &Remembered) -> parking_lot::MutexGuard<'_, Generations> {
        known.of_thread().0.lock()
    }

    fn token(number: usize, len: usize) -> String {
        format!("{number:0len$}")
    }

    #[test]
    fn a_token_is_found_by_its_whole_text() {
        let known = Remembered::default();
        let verified = verified();
        let claims = Arc::clone(&verified.claims);
        let stored = token(1, 100);
        known.put(&stored, verified);
        let is_same = |found: &Verified| Arc::ptr_eq(&found.claims, &claims);
        assert_eq!(known.find(stored.as_bytes(), is_same), Some(true));
        for at in 0..stored.len() {
            let mut other = stored.clone();
            other.replace_range(at..=at, "x");
            assert!(!has(&known, &other), "another text at {at}");
        }
        assert!(!has(&known, &format!("0{stored}")) && !has(&known, &token(1, 99)));
        assert!(!has(&known, "short") && !has(&known, ""));
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let known = Remembered::default();
        let used = token(0, 100);
        known.put(&used, verified());
        for number in 1..5 * MAX_ENTRIES {
            known.put(&token(number, 100), verified());
            assert!(has(&known, &used), "after {number}");
        }
        let generations = share(&known);
        assert!(generations.young.len() <= MAX_ENTRIES && generations.old.len() <= MAX_ENTRIES);
        drop(generations);
        assert!(!has(&known, &token(1, 100)));
    }

    #[test]
    fn a_token_that_was_used_among_the_older_is_among_the_younger() {
        let known = Remembered::default();
        let counts = || {
            let generations = share(&known);
            (generations.young.len(), generations.old.len())
        };
        let used = token(0, 100);
        for number in 0..=MAX_ENTRIES {
            known.put(&token(number, 100), verified());
        }
        assert_eq!(counts(), (1, MAX_ENTRIES));
        let other = used.replacen('0', "1", 1);
        assert!(!has(&known, &other), "the same signature, another text");
        assert!(has(&known, &used));
        assert_eq!(counts(), (2, MAX_ENTRIES - 1));
        assert_eq!(share(&known).young_bytes, 200);
    }

    #[test]
    fn a_thread_has_one_number_and_no_other_has_it() {
        let ask = || [thread_number(), thread_number()];
        let threads: Vec<_> = (0..3 * SHARES).map(|_| thread::spawn(ask)).collect();
        let mut numbers = HashSet::from([thread_number()]);
        for thread in threads {
            let [once, again] = thread.join().unwrap();
            assert_eq!(once, again);
            assert!(numbers.insert(once), "{once} is two threads'");
        }
    }

    #[test]
    fn what_a_thread_put_is_found_where_the_share_is_the_same_alone() {
        let known = Remembered::default();
        let text = token(1, 100);
        known.put(&text, verified());
        let mine = thread_number() % SHARES;
        let look = || (thread_number() % SHARES, has(&known, &text));
        thread::scope(|scope| {
            let others: Vec<_> = (0..2 * SHARES).map(|_| scope.spawn(look)).collect();
            for other in others {
                let (share, found) = other.join().unwrap();
                assert_eq!(found, share == mine);
            }
        });
    }

    #[test]
    fn long_tokens_count_by_their_bytes_and_very_long_ones_are_not_kept() {
        let known = Remembered::default();
        for number in 0..2000 {
            known.put(&token(number, MAX_TOKEN_BYTES), verified());
        }
        let long = token(0, MAX_TOKEN_BYTES + 1);
        known.put(&long, verified());
        assert!(!has(&known, &long));
        let generations = share(&known);
        let held = [&generations.young, &generations.old];
        let bytes = held.map(|all| all.values().map(|entry| entry.token.len()).sum::<usize>());
        assert!(bytes[0] <= MAX_BYTES && bytes[1] <= MAX_BYTES, "{bytes:?}");
        assert_eq!(bytes[0], generations.young_bytes);
    }
}
