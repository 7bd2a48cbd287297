//! Feeds any text to the parser of references (a tag or a digest).
//!
//! What is accepted prints as what it was parsed from; nothing panics.
#![no_main]

use floundr_engine::name::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(value) = text.parse::<Reference>() {
        assert_eq!(value.to_string(), text);
    }
});
