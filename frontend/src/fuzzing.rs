//! What fuzzing feeds that is private: heads that hyper could not read, headers, and parameters of the
//! management API.
//!
//! Each function takes any input: what is no such thing is refused, and nothing panics. It is no
//! interface: it is there with the feature `test-util` alone, and hidden.

pub use crate::connection::fuzz_head;
pub use crate::manage::fuzz_parameters;

use crate::request::EntityTags;
use floundr_engine::digest::{Algorithm, Digest};
use http::header::{HeaderMap, HeaderValue, IF_NONE_MATCH};

/// A line of a header that has entity tags: `*` matches everything, and what lacks a digest not that.
pub fn entity_tags(line: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(line) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert(IF_NONE_MATCH, value);
    let digest = Digest::of(Algorithm::Sha256, line);
    match EntityTags::of(&headers, &IF_NONE_MATCH).expect("the header was sent") {
        EntityTags::Any => assert!(line.contains(&b'*')),
        tags @ EntityTags::Of(_) => assert!(!tags.match_digest(&digest)),
    }
}
