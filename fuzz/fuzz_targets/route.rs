//! Feeds any method, path and query to the parser of routes.
//!
//! They are refused, or name an endpoint; nothing panics. Input: method, path, query, by line.
#![no_main]

use floundr_frontend::Route;
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (method, path) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let Ok(method) = Method::from_bytes(method.as_bytes()) else {
        return;
    };
    if let Ok(route) = Route::parse(&method, path, lines.next()) {
        assert!(!route.label().is_empty());
    }
});
