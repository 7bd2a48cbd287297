//! The requests of a mixed load, drawn from a seed: the same ones for every registry, round and run.
//!
//! Their shape is that of the production traces of registries that were published with "Improving Docker
//! Registry Design Based on Production Workload Analysis" (FAST 2018): nearly all requests read, most ask for
//! manifests and small blobs, a few blobs are very large and are most of the bytes, and some content is
//! much more popular than the rest.
//!
//! 1. Shares are exact up to rounding, and every kind of request occurs, however few there are.
//! 2. The first stored blob is the largest; small ones are at most 100 KiB.

use crate::content::Random;
use crate::units::{KIB, scaled};

const SEED: u64 = 2018;
const SMALL_BLOBS: u64 = 64;
const MEDIUM_BLOBS: u64 = 8;
/// Images whose tags are read.
pub(super) const IMAGES: usize = 16;

/// The requests and what they are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    /// Sizes of the blobs that are there before.
    pub(super) stored: Vec<u64>,
    /// What is asked for, in this order.
    pub(super) steps: Vec<Step>,
}

/// One request that reads, or one push with all of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// What is read.
    Read(Read),
    /// POST and PUT of a new blob of so many bytes.
    PushBlob(u64),
    /// PUT of a new manifest of this image, under a new tag.
    PutManifest(usize),
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// GET of the manifest of this image by its tag.
    GetManifest(usize),
    /// HEAD of the same.
    HeadManifest(usize),
    /// HEAD of this stored blob.
    HeadBlob(usize),
    /// GET of this stored blob.
    PullBlob(usize),
}

/// A kind of step.
#[derive(Debug, Clone, Copy)]
enum Kind {
    GetManifest,
    HeadManifest,
    HeadBlob,
    PullSmall,
    PullMedium,
    PullLargest,
    PushSmall,
    PutManifest,
    PushMedium,
    PushLargest,
}

/// How many of 10,000 steps are of each kind; 9,500 read.
const SHARES: [(Kind, f64); 10] = [
    (Kind::GetManifest, 3000.0),
    (Kind::HeadManifest, 2500.0),
    (Kind::HeadBlob, 1300.0),
    (Kind::PullSmall, 2400.0),
    (Kind::PullMedium, 285.0),
    (Kind::PullLargest, 15.0),
    (Kind::PushSmall, 300.0),
    (Kind::PutManifest, 150.0),
    (Kind::PushMedium, 47.0),
    (Kind::PushLargest, 3.0),
];

// === impl Trace ===

impl Trace {
    /// About `steps` requests, the largest blobs having `largest` bytes.
    pub(super) fn draw(steps: u64, largest: u64) -> Self {
        let mut random = Random::seeded(SEED);
        let mut stored = vec![largest];
        stored.extend((0..MEDIUM_BLOBS).map(|_| medium(&mut random).min(largest)));
        stored.extend((0..SMALL_BLOBS).map(|_| small(&mut random).min(largest)));
        let kinds = SHARES.iter().flat_map(|(kind, share)| {
            let count = scaled(steps, share / 10_000.0, 1);
            (0..count).map(|_| *kind)
        });
        let mut kinds: Vec<_> = kinds.collect();
        shuffle(&mut random, &mut kinds);
        let step = |kind| step(&mut random, kind, largest);
        Self {
            stored,
            steps: kinds.into_iter().map(step).collect(),
        }
    }
}

fn step(random: &mut Random, kind: Kind, largest: u64) -> Step {
    let all = 1 + MEDIUM_BLOBS + SMALL_BLOBS;
    Step::Read(match kind {
        Kind::GetManifest => Read::GetManifest(popular(random, 0, IMAGES as u64)),
        Kind::HeadManifest => Read::HeadManifest(popular(random, 0, IMAGES as u64)),
        Kind::HeadBlob => Read::HeadBlob(popular(random, 0, all)),
        Kind::PullSmall => Read::PullBlob(popular(random, 1 + MEDIUM_BLOBS, SMALL_BLOBS)),
        Kind::PullMedium => Read::PullBlob(popular(random, 1, MEDIUM_BLOBS)),
        Kind::PullLargest => Read::PullBlob(0),
        Kind::PutManifest => return Step::PutManifest(popular(random, 0, IMAGES as u64)),
        Kind::PushSmall => return Step::PushBlob(small(random).min(largest)),
        Kind::PushMedium => return Step::PushBlob(medium(random).min(largest)),
        Kind::PushLargest => return Step::PushBlob(largest),
    })
}

/// One of `count` from `first` on; the first ones far more often.
fn popular(random: &mut Random, first: u64, count: u64) -> usize {
    let up_to = random.below(count) + 1;
    usize::try_from(first + random.below(up_to)).expect("there are a hundred blobs")
}

/// 200 bytes to 100 KiB, as many between 1 and 2 KiB as between 10 and 20.
fn small(random: &mut Random) -> u64 {
    octaves(random, 200, 9)
}

/// 100 KiB to 6.3 MiB.
fn medium(random: &mut Random) -> u64 {
    octaves(random, 100 * KIB, 6)
}

fn octaves(random: &mut Random, least: u64, count: u64) -> u64 {
    let low = least << random.below(count);
    low + random.below(low)
}

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = random.below(last as u64 + 1);
        items.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;

    fn is_read(step: Step) -> bool {
        matches!(step, Step::Read(_))
    }

    #[test]
    fn the_same_requests_are_drawn_every_time() {
        let trace = Trace::draw(1000, 128 * MIB);
        assert_eq!(trace, Trace::draw(1000, 128 * MIB));
        assert_ne!(trace.steps, Trace::draw(1001, MIB).steps);
    }

    #[test]
    fn of_a_hundred_requests_95_read_and_most_blobs_are_small() {
        let trace = Trace::draw(10_000, 128 * MIB);
        assert_eq!(trace.steps.len(), 10_000);
        assert_eq!(
            trace.steps.iter().filter(|step| is_read(**step)).count(),
            9500
        );
        let small = trace.stored.iter().filter(|size| **size <= 100 * KIB);
        assert_eq!((small.count(), trace.stored.len()), (64, 73));
        let largest = Step::Read(Read::PullBlob(0));
        let pulls = trace.steps.iter().filter(|step| **step == largest);
        assert_eq!(pulls.count(), 15);
        assert_eq!(trace.stored.first(), Some(&(128 * MIB)));
    }

    #[test]
    fn no_blob_is_longer_than_the_largest() {
        let trace = Trace::draw(5000, KIB);
        assert_eq!(trace.stored.iter().max(), Some(&KIB));
        let pushed = trace.steps.iter().filter_map(|step| match step {
            Step::PushBlob(size) => Some(*size),
            _ => None,
        });
        assert_eq!(pushed.max(), Some(KIB));
    }

    #[test]
    fn every_kind_occurs_in_the_shortest_trace_and_names_what_is_there() {
        let trace = Trace::draw(1, MIB);
        assert_eq!(trace.steps.len(), SHARES.len());
        for step in Trace::draw(5000, MIB).steps {
            match step {
                Step::Read(Read::GetManifest(image) | Read::HeadManifest(image))
                | Step::PutManifest(image) => assert!(image < IMAGES),
                Step::Read(Read::HeadBlob(blob) | Read::PullBlob(blob)) => {
                    assert!(blob < trace.stored.len());
                }
                Step::PushBlob(size) => assert!(size > 0 && size <= MIB),
            }
        }
    }
}
