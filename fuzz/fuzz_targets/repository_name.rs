//! Feeds any text to the parser of repository names.
//!
//! What is accepted prints as what it was parsed from, and is no path trick.
#![no_main]

use floundr_engine::name::RepositoryName;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<RepositoryName>() {
        assert_eq!(name.as_str(), text);
        assert!(text.is_ascii() && text.len() <= RepositoryName::MAX_LEN);
        assert!(
            text.split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..")
        );
    }
});
