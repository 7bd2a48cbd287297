//! [`Kept`]: the long blocks that were given back last, for who needs one next.
//!
//! What a connection reads an upload into is 2 MiB long and free again as soon as it is hashed and written, two
//! milliseconds later. mimalloc gives memory that is free back to the system after a while, so that the next to
//! use it takes 512 page faults; with four of these blocks in front of it an upload in chunks takes a fifth of
//! them.
//!
//! Invariants:
//! 1. A block that is kept is nobody's, and came from the allocator behind as one of [`LAYOUT`].
//! 2. At most [`MOST`] are kept. All are given back when [`SEEN`] middle blocks were asked for since the last long
//!    one was used: then many uploads share the memory, and read less at once. And so they are when none was used
//!    between two looks at that.

use std::alloc::Layout;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Bytes of every long block, however many of them were asked for: those at the end are not touched. The longest
/// read, what may lie in front of it, and some.
const LENGTH: usize = 2 * 1024 * 1024 + 128 * 1024;
/// What every long block is asked for as.
pub(super) const LAYOUT: Layout = match Layout::from_size_align(LENGTH, align_of::<u128>()) {
    Ok(layout) => layout,
    Err(_) => panic!("a length beyond all addresses"),
};
/// Least bytes of a long block (with 2 MiB chunks take 10,000 page faults for 4,000), and of a middle one.
const LONG: usize = 1024 * 1024;
const MIDDLE: usize = 32 * 1024;
/// Blocks that are kept: 8.5 MiB. What lies in the queue of one upload's writes, and what it reads into.
const MOST: usize = 4;
/// Middle blocks after which nobody misses the long ones.
const SEEN: usize = 256;

/// What a block is to this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It may be kept; asked for as [`LAYOUT`].
    Long,
    /// It is not kept; many of them mean that no long ones are needed.
    Middle,
    /// Nothing.
    Other,
}

/// The blocks that are kept (see the module's invariants).
#[derive(Debug)]
pub(super) struct Kept {
    blocks: [AtomicPtr<u8>; MOST],
    /// Middle blocks that were asked for since the last long one was used.
    seen: AtomicUsize,
    /// Whether a long block was used since that was looked at.
    is_used: AtomicBool,
}

// === impl Class ===

impl Class {
    pub(super) fn of(layout: Layout) -> Self {
        let (size, align) = (layout.size(), layout.align());
        if (LONG..=LENGTH).contains(&size) && align <= LAYOUT.align() {
            Self::Long
        } else if (MIDDLE..LONG).contains(&size) {
            Self::Middle
        } else {
            Self::Other
        }
    }
}

// === impl Kept ===

impl Kept {
    pub(super) const fn new() -> Self {
        Self {
            blocks: [const { AtomicPtr::new(ptr::null_mut()) }; MOST],
            seen: AtomicUsize::new(0),
            is_used: AtomicBool::new(false),
        }
    }

    /// The block that was kept last, if there is one: most of it is in the cache.
    pub(super) fn take(&self) -> Option<*mut u8> {
        self.note_use();
        self.blocks.iter().rev().find_map(take)
    }

    /// Keeps a block, or not if there are enough; whether it does.
    pub(super) fn keep(&self, block: *mut u8) -> bool {
        let empty = ptr::null_mut();
        let is_kept = self.blocks.iter().any(|place| {
            place
                .compare_exchange(empty, block, Ordering::Release, Ordering::Relaxed)
                .is_ok()
        });
        // Behind it: a block is kept for at least so many middle ones more, and not for good.
        self.note_use();
        is_kept
    }

    /// Whether there is a block to take.
    #[cfg(test)]
    pub(super) fn is_one_kept(&self) -> bool {
        let mut blocks = self.blocks.iter();
        blocks.any(|place| !place.load(Ordering::Relaxed).is_null())
    }

    fn note_use(&self) {
        self.seen.store(0, Ordering::Relaxed);
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// Whether no long block was used since this was asked last. Then it is time to [`Kept::take`] all there are
    /// and give them back.
    pub(super) fn are_unused(&self) -> bool {
        !self.is_used.swap(false, Ordering::Relaxed)
    }

    /// Notes that a middle block was asked for. Whether it is time to [`Kept::take`] all there are and give them
    /// back.
    pub(super) fn are_missed_by_nobody(&self) -> bool {
        self.seen.fetch_add(1, Ordering::Relaxed) + 1 == SEEN
    }
}

fn take(place: &AtomicPtr<u8>) -> Option<*mut u8> {
    if place.load(Ordering::Relaxed).is_null() {
        return None;
    }
    let block = place.swap(ptr::null_mut(), Ordering::Acquire);
    (!block.is_null()).then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The class of so many bytes.
    fn class(size: usize, align: usize) -> Class {
        Class::of(Layout::from_size_align(size, align).unwrap())
    }

    /// Addresses, at which nobody looks.
    fn block(number: usize) -> *mut u8 {
        ptr::without_provenance_mut(number * LENGTH)
    }

    fn all(kept: &Kept) -> Vec<*mut u8> {
        std::iter::from_fn(|| kept.take()).collect()
    }

    #[test]
    fn what_a_connection_reads_into_is_long_and_little_else_is() {
        for (size, expected) in [
            (1, Class::Other),
            (MIDDLE - 1, Class::Other),
            (MIDDLE, Class::Middle),
            (LONG - 1, Class::Middle),
            (LONG, Class::Long),
            (LENGTH, Class::Long),
            (LENGTH + 1, Class::Other),
            (usize::MAX / 4, Class::Other),
        ] {
            assert_eq!(class(size, 1), expected, "{size}");
        }
        assert_eq!(class(LONG, 16), Class::Long);
        assert_eq!(
            class(LONG, 4096),
            Class::Other,
            "a long block may lie elsewhere"
        );
    }

    #[test]
    fn the_last_blocks_are_kept_and_the_last_of_them_comes_first() {
        let kept = Kept::new();
        assert_eq!(kept.take(), None);
        for number in 1..=MOST {
            assert!(kept.keep(block(number)));
        }
        assert!(!kept.keep(block(9)), "there are enough");
        let expected: Vec<_> = (1..=MOST).rev().map(block).collect();
        assert_eq!(all(&kept), expected);
        assert!(kept.keep(block(9)));
        assert_eq!(all(&kept), [block(9)]);
    }

    #[test]
    fn who_asks_only_for_middle_blocks_misses_no_long_ones() {
        let kept = Kept::new();
        let uses: [fn(&Kept); 3] = [
            |_| {},
            |kept| {
                kept.take();
            },
            |kept| {
                kept.keep(block(1));
            },
        ];
        for with_long in uses {
            with_long(&kept);
            for _ in 1..SEEN {
                assert!(!kept.are_missed_by_nobody());
            }
            assert!(kept.are_missed_by_nobody());
        }
    }

    #[test]
    fn what_was_not_used_between_two_looks_is_unused() {
        let kept = Kept::new();
        assert!(kept.are_unused());
        kept.keep(block(1));
        assert!(!kept.are_unused());
        assert!(kept.are_unused());
        kept.take();
        assert!(!kept.are_unused());
        assert!(kept.are_unused());
    }
}
