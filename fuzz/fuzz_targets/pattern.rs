//! Feeds any text to the parser of a policy's patterns, and any name to what it accepts.
//!
//! A pattern prints as what it was parsed from. Nothing panics and nothing takes long: it is matched
//! against every name and tag of a store. Input: pattern, name, by line.
#![no_main]

use floundr_engine::policy::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(pattern) = pattern.parse::<Pattern>() {
        assert_eq!(pattern.to_string(), pattern.as_str());
        pattern.matches(name);
        if !pattern.as_str().contains(['*', '?']) {
            assert_eq!(pattern.matches(name), pattern.as_str() == name);
        }
    }
});
