//! [`Remembered`]: tokens whose signature was found right, so that it is not computed again.
//!
//! 1. An entry is found by the token's whole text; its signature alone only says where to look. Only
//!    a token that was signed here comes in, so nobody chooses where entries go.
//! 2. Times, audience and kind are no part of an entry's being there: they are judged every time.
//! 3. Two generations: when the younger is full the older is dropped and the younger takes its place.
//!    What is used stays, and memory is bounded by [`MAX_ENTRIES`] and [`MAX_BYTES`] of each.

use super::claims::Claims;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

/// Tokens of one generation.
const MAX_ENTRIES: usize = 2048;

/// Bytes of the text of all tokens of one generation. Their claims take about as much again.
const MAX_BYTES: usize = 1 << 20;

/// A token longer than this is verified each time: one that long is rare.
const MAX_TOKEN_BYTES: usize = 2048;

/// Characters of a signature.
const SIGNATURE_LEN: usize = 43;

/// A token whose signature is right.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) claims: Arc<Claims>,
    pub(super) issuer: Box<str>,
    pub(super) audience: Box<str>,
    pub(super) not_before: u64,
}

/// The text of a token's signature.
type Place = [u8; SIGNATURE_LEN];

struct Entry {
    token: Box<str>,
    verified: Verified,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Place, Entry>,
    /// Bytes of the text of the tokens in `young`.
    young_bytes: usize,
    old: HashMap<Place, Entry>,
}

/// Tokens whose signature was found right.
#[derive(Default)]
pub(super) struct Remembered(RwLock<Generations>);

// === impl Remembered ===

impl Remembered {
    /// What `judge` says of a token that is known.
    pub(super) fn find<T>(&self, token: &str, judge: impl FnOnce(&Verified) -> T) -> Option<T> {
        let place = place(token)?;
        let known = self.0.read();
        if let Some(entry) = known.young.get(&place) {
            return (*entry.token == *token).then(|| judge(&entry.verified));
        }
        let entry = known.old.get(&place)?;
        let verified = (*entry.token == *token).then(|| entry.verified.clone())?;
        drop(known);
        let judged = judge(&verified);
        self.put(token, verified);
        Some(judged)
    }

    /// Remembers a token, unless it is a long one.
    pub(super) fn put(&self, token: &str, verified: Verified) {
        let Some(place) = place(token).filter(|_| token.len() <= MAX_TOKEN_BYTES) else {
            return;
        };
        let entry = Entry {
            token: token.into(),
            verified,
        };
        let mut known = self.0.write();
        let is_full = known.young.len() >= MAX_ENTRIES;
        if is_full || known.young_bytes + token.len() > MAX_BYTES {
            known.old = mem::take(&mut known.young);
            known.young_bytes = 0;
        }
        if known.young.insert(place, entry).is_none() {
            known.young_bytes += token.len();
        }
    }
}

/// How many there are; what they are is secret.
impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.read();
        let mut shown = f.debug_struct("Remembered");
        shown.field("tokens", &(known.young.len() + known.old.len()));
        shown.finish_non_exhaustive()
    }
}

fn place(token: &str) -> Option<Place> {
    token.as_bytes().last_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::super::claims::tests::example;
    use super::*;

    fn verified() -> Verified {
        Verified {
            claims: Arc::new(example()),
            issuer: "svc".into(),
            audience: "svc".into(),
            not_before: 0,
        }
    }

    fn has(known: &Remembered, token: &str) -> bool {
        known.find(token, |_| ()).is_some()
    }

    fn token(number: usize, len: usize) -> String {
        format!("{number:0len$}")
    }

    #[test]
    fn a_token_is_found_by_its_whole_text() {
        let known = Remembered::default();
        let verified = verified();
        let stored = token(1, 100);
        known.put(&stored, verified.clone());
        let is_same = |found: &Verified| Arc::ptr_eq(&found.claims, &verified.claims);
        assert_eq!(known.find(&stored, is_same), Some(true));
        let other = stored.replacen('0', "1", 1);
        assert!(!has(&known, &other), "the same signature, another text");
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
        let generations = known.0.read();
        assert!(generations.young.len() <= MAX_ENTRIES && generations.old.len() <= MAX_ENTRIES);
        drop(generations);
        assert!(!has(&known, &token(1, 100)));
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
        let generations = known.0.read();
        let held = [&generations.young, &generations.old];
        let bytes = held.map(|all| all.values().map(|entry| entry.token.len()).sum::<usize>());
        assert!(bytes[0] <= MAX_BYTES && bytes[1] <= MAX_BYTES, "{bytes:?}");
        assert_eq!(bytes[0], generations.young_bytes);
    }
}
