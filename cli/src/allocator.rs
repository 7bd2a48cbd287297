//! The allocator of the program.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use std::ffi::c_long;

/// A small request is a few dozen allocations; see `docs/benchmarks.md` for what this one saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

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
}
