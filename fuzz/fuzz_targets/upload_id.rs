//! Feeds any text to the parser of upload ids.
//!
//! What is accepted prints as what it was parsed from; nothing panics.
#![no_main]

use floundr_engine::upload::UploadId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(value) = text.parse::<UploadId>() {
        assert_eq!(value.to_string(), text);
    }
});
