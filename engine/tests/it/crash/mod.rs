//! The crash proof: random sequences of operations on a simulated disk, crashed at any change of
//! it, and compared with a model after the next start.
//!
//! ```text
//! plan        the operations of a seed            things   what they are about
//! world       the model                           store    the same operations on a store
//! record      a plan run once, with the journal of the disk and what may be found when
//! see         what can be seen of a store         check    a store after a crash
//! campaign    many of all that                    the example `crash_points`: the long form
//! short       the short form                      fixed    sequences that were written down
//! ```
//! What has to hold after each crash, whatever of the unsynced changes it took:
//! 1. Every effect that was answered is there, with its bytes; one that was not is there as a whole
//!    or not at all. Relaxed durability: a beginning of the history, as a whole.
//! 2. The audit finds nothing: counts are edges, reverse rows fit. Nor does the check, once the
//!    collector ran, and at the end; a repair before that finds no more than files that nothing names.
//! 3. An upload is at the offset it was answered; after a power cut at an earlier one, not before
//!    its last synced checkpoint. It goes on from there, and comes to the right digest.
//! 4. After the first collection no file is without a record, and no record without a file.
//! 5. Opening lists no directory of the store.
//! 6. The store goes on to work, and what nothing keeps goes when it is due.
//! 7. The same holds when it crashes again while it recovers.

mod campaign;
mod check;
mod plan;
mod record;
mod see;
mod store;
mod things;
mod world;

#[cfg(test)]
mod fixed;
#[cfg(test)]
mod short;

#[cfg_attr(test, expect(unused_imports, reason = "the example uses all of them"))]
pub(crate) use campaign::{Campaign, Point, repeat};
