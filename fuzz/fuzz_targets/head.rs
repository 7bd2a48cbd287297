//! Feeds any bytes to what reads the head of a request beside hyper: a head that hyper refused, the
//! entity tags of a condition, and the parameters of a page.
//!
//! Nothing panics, and a link to the next page is a header.
#![no_main]

use floundr_frontend::Limits;
use floundr_frontend::fuzzing::{entity_tags, fuzz_head};
use floundr_frontend::page::{PageQuery, next_link};
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;

fuzz_target!(|bytes: &[u8]| {
    // Small limits, so that small inputs reach them.
    let limits = Limits {
        header_bytes: 64,
        header_count: 3,
        ..Limits::default()
    };
    fuzz_head(bytes, &limits);
    entity_tags(bytes);
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let pairs: Vec<_> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|&(name, value)| (Cow::from(name), Cow::from(value)))
        .collect();
    if let Ok(PageQuery {
        n: Some(n),
        last: Some(last),
    }) = PageQuery::from_pairs(&pairs)
    {
        let link = next_link("/v2/a/tags/list", n, &last, &[]);
        assert!(
            link.to_str()
                .is_ok_and(|link| link.starts_with("</v2/") && link.is_ascii())
        );
    }
});
