//! Feeds any bytes to the restoring of a saved hash state.
//!
//! They are refused, or restore to a hasher that goes on; nothing panics.
#![no_main]

use floundr_engine::digest::hasher::{Hasher, HasherState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut hasher) = Hasher::restore(&HasherState::from_bytes(bytes.to_vec())) {
        hasher.update(bytes);
        std::hint::black_box(hasher.finish());
    }
});
