//! Feeds any text to the parser of digests.
//!
//! What is accepted prints as what it was parsed from; nothing panics.
#![no_main]

use floundr_engine::digest::Digest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(value) = text.parse::<Digest>() {
        assert_eq!(value.to_string(), text);
    }
});
