//! Feeds any text to the parser of media types.
//!
//! What is accepted prints as what it was parsed from; nothing panics.
#![no_main]

use floundr_engine::descriptor::MediaType;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(value) = text.parse::<MediaType>() {
        assert_eq!(value.to_string(), text);
    }
});
