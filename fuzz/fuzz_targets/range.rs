//! Feeds any header value to the parsers of `Range` and of a chunk's `Content-Range`.
//!
//! A selected part lies within the content and is not empty; a chunk has a length. Nothing panics.
#![no_main]

use floundr_frontend::range::{ChunkRange, Selection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (size, header) = input;
    if let Selection::Part(part) = Selection::of(header, size) {
        assert!(part.start < part.end && part.end <= size);
    }
    if let Ok(chunk) = ChunkRange::parse(header) {
        assert!(chunk.length() > 0);
    }
});
