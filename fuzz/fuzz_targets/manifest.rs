//! Feeds any body and content type to the parser of manifests.
//!
//! It is refused, or its links are within the limit; nothing panics. Input: content type, then
//! body, by line.
#![no_main]

use floundr_frontend::oci::{Limits, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (content_type, body) = input.split_once('\n').unwrap_or(("", input));
    let content_type = (!content_type.is_empty()).then_some(content_type);
    let limits = Limits::default();
    if let Ok(parsed) = parse(body.as_bytes(), content_type, &limits) {
        let links = &parsed.links;
        let count = links.layers.len() + links.foreign_layers.len() + links.manifests.len();
        assert!(count <= limits.links);
    }
});
