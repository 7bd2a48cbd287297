//! The allocator of the program: mimalloc, and in front of it the long blocks that were given back last (`kept`).

mod kept;

use kept::{Class, Kept};
use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_long;
use std::time::Duration;
use tokio::time::sleep;

/// How often a server looks whether the long blocks it keeps are used.
const LOOK: Duration = Duration::from_secs(1);

/// A small request is a few dozen allocations; see `docs/benchmarks.md` for what this one saves.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator { kept: Kept::new() };

/// See the module's head.
struct Allocator {
    kept: Kept,
}

/// An option of mimalloc that this program sets. What the environment says (`MIMALLOC_` and its name in capitals)
/// counts more.
struct Choice {
    /// Its place among the options, which have no names outside of mimalloc.
    place: mi_option_t,
    value: c_long,
}

/// What is chosen, by measurement (`docs/benchmarks.md`).
const CHOICES: [Choice; 2] = [
    // `page_reclaim_on_free`: never. Pages of memory that no thread owns any more so stay without an owner, where
    // any thread finds them: many uploads at once hold a quarter less.
    Choice {
        place: 35,
        value: -1,
    },
    // `purge_delay`, in milliseconds: for so long memory that is free stays with the process. Many uploads at once
    // hold a quarter less than with a second; with 10, chunks are a tenth slower.
    Choice {
        place: 15,
        value: 30,
    },
];

/// Sets what this program chooses. To be called before the first thread is started: a thread looks once, when it
/// begins.
pub(crate) fn set_up() {
    for Choice { place, value } in CHOICES {
        #[expect(
            unsafe_code,
            reason = "sets a number in a table, which is not for two threads at once: there is one"
        )]
        // SAFETY: takes any numbers (an option that is none is left), and reads and writes memory of its own.
        unsafe {
            mi_option_set_default(place, value);
        };
    }
}

/// Gives the long blocks back that nobody uses, as long as it is polled: a server that rests keeps none.
pub(crate) async fn give_back_unused() {
    ALLOCATOR.give_back_unused().await;
}

// === impl Allocator ===

impl Allocator {
    async fn give_back_unused(&self) {
        loop {
            sleep(LOOK).await;
            if self.kept.are_unused() {
                self.give_back();
            }
        }
    }

    /// Gives all that is kept back to mimalloc.
    fn give_back(&self) {
        while let Some(block) = self.kept.take() {
            #[expect(unsafe_code, reason = "gives a block back")]
            // SAFETY: a block that was kept is nobody's, and mimalloc's.
            unsafe {
                MiMalloc.dealloc(block, kept::LAYOUT);
            };
        }
    }
}

#[expect(
    unsafe_code,
    reason = "an allocator is one: a safe one would have to give every block a type"
)]
// SAFETY: every block is mimalloc's, asked for and given back by the same layout: what its holder asked for, or
// `kept::LAYOUT` if that is long, which is at least as long and as aligned. A block that is kept was given back, so
// nobody has it, and whoever takes it out of `kept` is the only one.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Class::of(layout) {
            Class::Other => unsafe { MiMalloc.alloc(layout) },
            Class::Middle => {
                if self.kept.are_missed_by_nobody() {
                    self.give_back();
                }
                unsafe { MiMalloc.alloc(layout) }
            }
            Class::Long => {
                let kept = self.kept.take();
                kept.unwrap_or_else(|| unsafe { MiMalloc.alloc(kept::LAYOUT) })
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match Class::of(layout) {
            Class::Long => unsafe { MiMalloc.alloc_zeroed(kept::LAYOUT) },
            _ => unsafe { MiMalloc.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match Class::of(layout) {
            Class::Long if self.kept.keep(block) => {}
            Class::Long => unsafe { MiMalloc.dealloc(block, kept::LAYOUT) },
            _ => unsafe { MiMalloc.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (Class::of(layout), Class::of(new)) {
            (Class::Long, Class::Long) => block,
            (Class::Long, _) | (_, Class::Long) => {
                let moved = unsafe { self.alloc(new) };
                if !moved.is_null() {
                    let len = layout.size().min(size);
                    unsafe { moved.copy_from_nonoverlapping(block, len) };
                    unsafe { self.dealloc(block, layout) };
                }
                moved
            }
            _ => unsafe { MiMalloc.realloc(block, layout, size) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::process::Command;
    use std::thread;
    use tokio::time::timeout;

    /// What the environment calls the choices, and what mimalloc has without them.
    const NAMES: [(&str, c_long); 2] = [
        ("MIMALLOC_PAGE_RECLAIM_ON_FREE", 0),
        ("MIMALLOC_PURGE_DELAY", 1000),
    ];
    /// What the environment says of each, in the test.
    const SAID: [c_long; 2] = [1, 7];

    fn options() -> [c_long; 2] {
        CHOICES.map(|Choice { place, .. }| {
            #[expect(unsafe_code, reason = "reads a number")]
            // SAFETY: takes any number, and reads memory of its own.
            let value = unsafe { libmimalloc_sys::mi_option_get(place) };
            value
        })
    }

    /// Runs itself again with the environment's word, which mimalloc reads as it starts: another option at that
    /// place would not have it.
    #[test]
    fn the_options_are_those_of_their_names_and_the_environment_counts_more() {
        if NAMES.iter().all(|(name, _)| std::env::var(name).is_ok()) {
            assert_eq!(options(), SAID, "what the environment says");
            set_up();
            assert_eq!(options(), SAID, "which counts more");
            return;
        }
        assert_eq!(
            options(),
            NAMES.map(|(_, default)| default),
            "of this version"
        );
        set_up();
        assert_eq!(options(), CHOICES.map(|choice| choice.value));
        let mut again = Command::new(std::env::current_exe().unwrap());
        let name = "the_options_are_those_of_their_names_and_the_environment_counts_more";
        again.args(["--exact", &format!("allocator::tests::{name}")]);
        for ((name, _), said) in NAMES.into_iter().zip(SAID) {
            again.env(name, said.to_string());
        }
        let output = again.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && told.contains("1 passed"),
            "{told}"
        );
    }

    /// A block with marks at both of its ends, of each length in turn.
    fn marked(lengths: &[usize], turn: usize, mark: u8) -> Vec<u8> {
        let mut block = Vec::with_capacity(lengths[turn % lengths.len()]);
        block.resize(block.capacity(), mark);
        block
    }

    /// Takes blocks of all classes, changes their lengths and gives them back, in a thread of many.
    fn use_blocks(lengths: &[usize], mark: u8) {
        let mut held = VecDeque::new();
        for turn in 0..400 {
            let mut block = marked(lengths, turn + usize::from(mark), mark);
            let len = block.len();
            block.reserve_exact(lengths[turn % lengths.len()]);
            block.truncate(len / 2 + 1);
            block.shrink_to_fit();
            held.push_back(block);
            if held.len() > 5 {
                let block = held.pop_front().unwrap();
                assert!(
                    block.iter().all(|&byte| byte == mark),
                    "it is another's as well"
                );
            }
            let zeroed = vec![0_u8; lengths[turn % lengths.len()]];
            assert!(zeroed.iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn every_block_is_one_holders_and_keeps_what_is_in_it() {
        let lengths = [
            40, 40_000, 1_100_000, 2_097_152, 2_228_224, 2_228_225, 900_000,
        ];
        thread::scope(|scope| {
            for mark in 1..=4 {
                scope.spawn(move || use_blocks(&lengths, mark));
            }
        });
    }

    #[tokio::test]
    async fn a_server_that_rests_gives_the_blocks_that_it_keeps_back() {
        let allocator = Allocator { kept: Kept::new() };
        #[expect(unsafe_code, reason = "takes a block and gives it back")]
        // SAFETY: nobody uses it in between.
        unsafe {
            let block = allocator.alloc(kept::LAYOUT);
            allocator.dealloc(block, kept::LAYOUT);
        };
        assert!(allocator.kept.is_one_kept());
        let looking = timeout(LOOK * 3, allocator.give_back_unused());
        assert!(looking.await.is_err(), "it has no end");
        assert!(!allocator.kept.is_one_kept());
    }
}
