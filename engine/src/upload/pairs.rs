//! [`Pairs`]: pieces of two uploads hashed at once, when two uploads have one at the same time.
//!
//! ```text
//! first:  offers its piece -> lets its thread's other tasks run -> withdraws it, and hashes it alone
//! second:                     finds it, hashes as much of both as the shorter one has -> goes on
//! first:                      is told its hasher behind that -> goes on with the rest
//! ```
//! Nobody waits longer than others have something to do; and after a few offers in vain, pieces are
//! offered rarely. Invariants:
//! 1. At most one piece is on offer. It is there until it is taken, or until the call that offered it
//!    goes on or is dropped.
//! 2. What is offered is a copy of the hasher: a call that was dropped has taken in nothing.

use crate::digest::both;
use crate::digest::hasher::Hasher;
use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// Bytes of the shortest piece that is offered: hashing it takes tens of microseconds. Of many uploads
/// at once a read gives a byte less than 64 KiB.
const LEAST: usize = 32 * 1024;
/// How often a thread's other tasks may run until a piece is hashed alone: once brings half of the pieces
/// of four uploads on two cores together, ten times nine of ten. Each offer in a row that nobody took
/// halves it: what runs beside this upload may have nothing to be hashed with.
const TURNS: u64 = 4;
/// Behind so many offers in a row that nobody took, each further one halves how often a piece that found
/// none is offered, down to one of [`SELDOM`].
const IN_VAIN: u64 = 4;
const SELDOM: u64 = 256;

/// Where pieces of two uploads meet (see the module's invariants).
#[derive(Debug, Default)]
pub(super) struct Pairs {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    offer: Option<Box<Offer>>,
    /// Pieces that found none; an offer's number is what it was then.
    count: u64,
    /// Offers in a row that nobody took.
    in_vain: u64,
    /// Offers that somebody took.
    #[cfg(test)]
    taken: u64,
}

/// A piece that waits for another one.
#[derive(Debug)]
struct Offer {
    number: u64,
    hasher: Hasher,
    piece: Bytes,
    done: oneshot::Sender<Hashed>,
}

/// What became of a piece that was taken.
#[derive(Debug)]
struct Hashed {
    hasher: Hasher,
    /// Bytes of the piece that the hasher has taken in.
    taken: usize,
}

/// What somebody with a piece finds.
enum Found<'a> {
    /// Another upload's piece, which is no longer on offer.
    Other(Box<Offer>),
    /// Nothing, so that its own piece is on offer now.
    Nothing(Offered<'a>),
    /// Nothing, as so often that its own piece is not offered.
    NothingAgain,
}

/// One's own piece on offer. Dropping it withdraws it.
struct Offered<'a> {
    pairs: &'a Pairs,
    number: u64,
    turns: u64,
    done: oneshot::Receiver<Hashed>,
}

// === impl Pairs ===

impl Pairs {
    /// Whether so many bytes for this hasher may be hashed with others.
    pub(super) fn fit(hasher: &Hasher, len: usize) -> bool {
        len >= LEAST && both::is_faster(hasher.algorithm())
    }

    /// Hashes of a piece what can be hashed together with other uploads'. Returns the hasher behind that,
    /// and how many bytes it is; the rest is to be hashed alone.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn hash(&self, hasher: &Hasher, piece: &Bytes) -> (Hasher, usize) {
        let (mut hasher, mut rest) = (hasher.clone(), piece.clone());
        while Self::fit(&hasher, rest.len()) {
            let taken = match self.look(&hasher, &rest) {
                Found::Other(offer) => offer.hash_with(&mut hasher, &rest),
                Found::NothingAgain => break,
                Found::Nothing(offered) => match offered.outcome().await {
                    Some(hashed) => {
                        hasher = hashed.hasher;
                        hashed.taken
                    }
                    None => break,
                },
            };
            rest.advance(taken);
        }
        (hasher, piece.len() - rest.len())
    }

    /// Takes what is on offer, or offers `piece`.
    fn look(&self, hasher: &Hasher, piece: &Bytes) -> Found<'_> {
        let mut table = self.table.lock();
        if let Some(offer) = table.take() {
            return Found::Other(offer);
        }
        table.count += 1;
        if !table.is_offer_due() {
            return Found::NothingAgain;
        }
        let (tell, done) = oneshot::channel();
        let (number, turns) = (table.count, table.turns());
        table.offer = Some(Box::new(Offer {
            number,
            hasher: hasher.clone(),
            piece: piece.clone(),
            done: tell,
        }));
        let pairs = self;
        Found::Nothing(Offered {
            pairs,
            number,
            turns,
            done,
        })
    }

    fn is_offered(&self, number: u64) -> bool {
        (self.table.lock().offer.as_ref()).is_some_and(|offer| offer.number == number)
    }

    /// Withdraws what is on offer under this number; whether it was.
    fn withdraw(&self, number: u64) -> bool {
        let offer = self.table.lock().withdraw(number);
        offer.is_some()
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.table.lock().taken
    }
}

// === impl Table ===

impl Table {
    /// Whether a piece that found none is offered.
    fn is_offer_due(&self) -> bool {
        let doubled = self
            .in_vain
            .saturating_sub(IN_VAIN)
            .min(SELDOM.ilog2().into());
        self.count.is_multiple_of(1 << doubled)
    }

    /// How often other tasks may run meanwhile.
    fn turns(&self) -> u64 {
        (TURNS >> self.in_vain.min(IN_VAIN)).max(1)
    }

    fn take(&mut self) -> Option<Box<Offer>> {
        let offer = self.offer.take()?;
        self.in_vain = 0;
        #[cfg(test)]
        {
            self.taken += 1;
        }
        Some(offer)
    }

    fn withdraw(&mut self, number: u64) -> Option<Box<Offer>> {
        let offer = self.offer.take_if(|offer| offer.number == number)?;
        self.in_vain += 1;
        Some(offer)
    }
}

// === impl Offer ===

impl Offer {
    /// Hashes it and a piece of another upload, as much as the shorter one is; returns how many bytes.
    fn hash_with(mut self, other: &mut Hasher, piece: &Bytes) -> usize {
        let taken = self.piece.len().min(piece.len());
        both::update_both(
            (&mut self.hasher, &self.piece[..taken]),
            (other, &piece[..taken]),
        );
        let hasher = self.hasher;
        if self.done.send(Hashed { hasher, taken }).is_err() {
            tracing::trace!("an upload went away while its piece was hashed");
        }
        taken
    }
}

// === impl Offered ===

impl Offered<'_> {
    /// What became of the piece; nothing if nobody took it while other tasks ran, or who took it panicked.
    async fn outcome(mut self) -> Option<Hashed> {
        for _ in 0..self.turns {
            yield_now().await;
            if !self.pairs.is_offered(self.number) {
                break;
            }
        }
        if self.pairs.withdraw(self.number) {
            return None;
        }
        // Whoever took it is hashing it, on another thread, or has. It tells nothing only if it panicked.
        (&mut self.done).await.ok()
    }
}

impl Drop for Offered<'_> {
    fn drop(&mut self) {
        self.pairs.withdraw(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Digest};
    use futures_util::FutureExt as _;
    use std::iter;
    use std::pin::pin;
    use std::sync::Arc;
    use tokio::join;

    const LONG: usize = 3 * LEAST;

    fn sha256() -> Hasher {
        Hasher::new(Algorithm::Sha256)
    }

    fn content(len: usize, seed: u8) -> Bytes {
        let bytes = (0..=250_u8).cycle().map(|byte| byte ^ seed);
        bytes.take(len).collect()
    }

    fn digest(content: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, content)
    }

    fn has_offer(pairs: &Pairs) -> bool {
        pairs.table.lock().offer.is_some()
    }

    fn take(pairs: &Pairs) -> Option<Box<Offer>> {
        pairs.table.lock().take()
    }

    /// Whether this processor hashes two contents at once faster.
    fn pays() -> bool {
        both::is_faster(Algorithm::Sha256)
    }

    /// Whether a call lets other tasks run before it is at its end.
    async fn gives_way(pairs: &Pairs, hasher: &Hasher, piece: &Bytes) -> bool {
        let mut call = pin!(pairs.hash(hasher, piece));
        if call.as_mut().now_or_never().is_some() {
            return false;
        }
        call.await;
        true
    }

    #[tokio::test]
    async fn two_pieces_at_once_are_hashed_together_where_it_pays() {
        let (pairs, start) = (Pairs::default(), sha256());
        let (one, other) = (content(LONG, 1), content(LONG - 5, 2));
        let (first, second) = join!(pairs.hash(&start, &one), pairs.hash(&start, &other));
        let together = if pays() { LONG - 5 } else { 0 };
        for ((hasher, taken), content) in [(first, &one), (second, &other)] {
            assert_eq!(taken, together);
            assert_eq!(hasher.finish(), digest(&content[..taken]));
        }
        assert!(!has_offer(&pairs));
    }

    #[tokio::test]
    async fn what_a_longer_piece_has_left_meets_the_next_one() {
        let (pairs, start) = (Pairs::default(), sha256());
        let (long, short) = (content(LONG, 1), content(LEAST, 2));
        let shorter = async {
            let (first, taken) = pairs.hash(&start, &short).await;
            (taken, pairs.hash(&first, &short).await.1)
        };
        let ((hasher, taken), (first, second)) = join!(pairs.hash(&start, &long), shorter);
        assert_eq!(taken, first + second);
        assert_eq!(taken, if pays() { 2 * LEAST } else { 0 });
        assert_eq!(hasher.finish(), digest(&long[..taken]));
    }

    /// What one read of many uploads at once gives.
    #[test]
    fn the_shortest_read_of_many_uploads_is_long_enough() {
        assert_eq!(Pairs::fit(&sha256(), 64 * 1024 - 1), pays());
    }

    #[tokio::test]
    async fn a_piece_that_is_alone_is_left_to_its_upload() {
        let pairs = Pairs::default();
        assert_eq!(pairs.hash(&sha256(), &content(LONG, 1)).await.1, 0);
        assert!(!has_offer(&pairs));
    }

    #[tokio::test]
    async fn short_pieces_and_other_algorithms_are_not_offered() {
        let pairs = Pairs::default();
        for (algorithm, len) in [(Algorithm::Sha256, LEAST - 1), (Algorithm::Sha512, LONG)] {
            let (start, piece) = (Hasher::new(algorithm), content(len, 1));
            // At its end at once, so it did not let others run.
            assert!(pairs.hash(&start, &piece).now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn who_gave_way_in_vain_does_so_ever_more_rarely_until_somebody_comes() {
        let (pairs, start, piece) = (Pairs::default(), sha256(), content(LEAST, 1));
        let mut times = 0;
        for _ in 0..SELDOM {
            times += u64::from(gives_way(&pairs, &start, &piece).await);
        }
        // Of the first pieces all, then every second, fourth, eighth, until it is every 256th.
        assert_eq!(times, if pays() { IN_VAIN + 1 + 7 } else { 0 });
        for _ in 0..3 * SELDOM {
            times += u64::from(gives_way(&pairs, &start, &piece).await);
        }
        assert_eq!(times, if pays() { IN_VAIN + 1 + 7 + 3 } else { 0 });
        // As often as before once one was taken.
        pairs.table.lock().in_vain = 0;
        assert_eq!(gives_way(&pairs, &start, &piece).await, pays());
    }

    #[test]
    fn each_offer_in_vain_halves_how_often_others_run() {
        let turns = [0, 1, 2, 3, 4, 1_000].map(|in_vain| {
            let table = Table {
                in_vain,
                ..Table::default()
            };
            table.turns()
        });
        assert_eq!(turns, [4, 2, 1, 1, 1, 1]);
    }

    #[tokio::test]
    async fn an_offer_that_is_taken_ends_the_vain_ones() {
        let (pairs, start, piece) = (Pairs::default(), sha256(), content(LONG, 1));
        pairs.table.lock().in_vain = IN_VAIN - 1;
        let second = pairs.hash(&start, &piece);
        join!(pairs.hash(&start, &piece), second);
        let left = if pays() { 0 } else { IN_VAIN - 1 };
        assert_eq!(pairs.table.lock().in_vain, left);
    }

    #[tokio::test]
    async fn a_dropped_call_leaves_nothing_on_offer() {
        let (pairs, start, piece) = (Pairs::default(), sha256(), content(LONG, 1));
        {
            let mut call = pin!(pairs.hash(&start, &piece));
            assert_eq!(call.as_mut().now_or_never().is_some(), !pays());
            assert_eq!(has_offer(&pairs), pays());
        }
        assert!(!has_offer(&pairs));
        assert_eq!(pairs.table.lock().in_vain, u64::from(pays()));
    }

    #[tokio::test]
    async fn others_run_fewer_times_the_more_was_offered_in_vain() {
        for (in_vain, turns) in [(0, TURNS), (1, TURNS / 2), (IN_VAIN, 1)] {
            let (pairs, start, piece) = (Pairs::default(), sha256(), content(LONG, 1));
            pairs.table.lock().in_vain = in_vain;
            let mut call = pin!(pairs.hash(&start, &piece));
            let mut polls = iter::from_fn(|| Some(call.as_mut().now_or_never()));
            let waits = polls.by_ref().take_while(Option::is_none).count() as u64;
            assert_eq!(waits, turns * u64::from(pays()));
        }
    }

    #[tokio::test]
    async fn a_call_waits_for_whoever_took_its_piece_however_long_that_takes() {
        let (pairs, start, piece) = (Pairs::default(), sha256(), content(LONG, 1));
        let mut call = pin!(pairs.hash(&start, &piece));
        let at_once = call.as_mut().now_or_never();
        let Some(offer) = take(&pairs) else {
            assert!(at_once.is_some() && !pays());
            return;
        };
        for _ in 0..2 * TURNS {
            assert!(call.as_mut().now_or_never().is_none());
            yield_now().await;
        }
        let (mut other, its) = (sha256(), content(LEAST, 2));
        assert_eq!(offer.hash_with(&mut other, &its), LEAST);
        let (hasher, taken) = call.await;
        assert_eq!((hasher.finish(), taken), (digest(&piece[..LEAST]), LEAST));
        assert_eq!(other.finish(), digest(&its));
    }

    #[tokio::test]
    async fn a_call_goes_on_alone_when_who_took_its_piece_panicked() {
        let (pairs, start, piece) = (Pairs::default(), sha256(), content(LONG, 1));
        let mut call = pin!(pairs.hash(&start, &piece));
        let at_once = call.as_mut().now_or_never();
        drop(take(&pairs));
        let (hasher, taken) = match at_once {
            Some(outcome) => outcome,
            None => call.await,
        };
        assert_eq!((hasher.finish(), taken), (digest(b""), 0));
    }

    #[tokio::test]
    async fn who_takes_the_piece_of_a_dropped_call_gets_its_own_right() {
        let (pairs, start, piece) = (Pairs::default(), sha256(), content(LONG, 1));
        let offered = pairs.look(&start, &piece);
        let offer = take(&pairs).unwrap();
        drop(offered);
        let (mut own, content) = (sha256(), content(LONG, 2));
        let taken = offer.hash_with(&mut own, &content);
        assert_eq!(own.finish(), digest(&content[..taken]));
    }

    /// Hashes pieces of all lengths, as an upload gives them.
    async fn upload(pairs: Arc<Pairs>, number: u8) {
        let (mut hasher, mut all) = (sha256(), Vec::new());
        for round in 0..20_usize {
            let len = LEAST - 1 + (usize::from(number) * 7_919 + round * 104_729) % LONG;
            let piece = content(len, number);
            all.extend_from_slice(&piece);
            let (next, taken) = pairs.hash(&hasher, &piece).await;
            hasher = next;
            hasher.update(&piece[taken..]);
        }
        assert_eq!(hasher.finish(), digest(&all));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_at_once_all_get_their_own_digest() {
        let pairs = Arc::new(Pairs::default());
        let uploads = (0..8).map(|number| tokio::spawn(upload(Arc::clone(&pairs), number)));
        for upload in uploads.collect::<Vec<_>>() {
            upload.await.unwrap();
        }
        assert!(!has_offer(&pairs));
    }
}
