//! The allocator of the program.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// A small request is a few dozen allocations; see `docs/benchmarks.md` for what this one saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The place of `page_reclaim_on_free` among mimalloc's options, which have no names outside of it.
const PAGE_RECLAIM_ON_FREE: mi_option_t = 35;

/// Lets pages of memory that no thread owns any more stay without an owner, where any thread finds them: many
/// uploads at once so hold a quarter less. What the environment says (`MIMALLOC_PAGE_RECLAIM_ON_FREE`) counts
/// more. To be called before the first thread is started: a thread looks once, when it begins.
pub(crate) fn set_up() {
    const NEVER: std::ffi::c_long = -1;
    #[expect(
        unsafe_code,
        reason = "sets a number in a table, which is not for two threads at once: there is one"
    )]
    // SAFETY: takes any numbers (an option that is none is left), and reads and writes memory of its own.
    unsafe {
        mi_option_set_default(PAGE_RECLAIM_ON_FREE, NEVER);
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const NAME: &str = "MIMALLOC_PAGE_RECLAIM_ON_FREE";

    fn option() -> i64 {
        #[expect(unsafe_code, reason = "reads a number")]
        // SAFETY: takes any number, and reads memory of its own.
        let value = unsafe { libmimalloc_sys::mi_option_get(PAGE_RECLAIM_ON_FREE) };
        value
    }

    /// Runs itself again with the environment's word, which mimalloc reads as it starts: another option at that
    /// place would not have it.
    #[test]
    fn the_option_is_the_one_of_that_name_and_the_environment_counts_more() {
        if std::env::var(NAME).as_deref() == Ok("1") {
            assert_eq!(option(), 1, "what {NAME} says");
            set_up();
            assert_eq!(option(), 1, "{NAME} counts more");
            return;
        }
        assert_eq!(option(), 0, "the default of this version");
        set_up();
        assert_eq!(option(), -1);
        let mut again = Command::new(std::env::current_exe().unwrap());
        let name = "the_option_is_the_one_of_that_name_and_the_environment_counts_more";
        again.args(["--exact", &format!("allocator::tests::{name}")]);
        let output = again.env(NAME, "1").output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && told.contains("1 passed"),
            "{told}"
        );
    }
}
