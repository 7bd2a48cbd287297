//! Feeds any text to what reads the values of settings, and any tables to what reads policies.
//!
//! They are refused, or are values within their bounds; nothing panics. Input: as in `floundr.toml`; each
//! line is a value as well.
#![no_main]

/// The parsers of the program, which is no library.
#[path = "../../cli/src/config"]
#[expect(dead_code, reason = "the program uses all of it")]
mod config {
    mod policies;
    pub(crate) mod values;

    use floundr_engine::policy::Policy;
    use toml::Spanned;
    use toml::de::DeValue;

    pub(crate) fn policies(value: &Spanned<DeValue<'_>>, len: usize) -> Vec<Policy> {
        let line_of = |offset| {
            assert!(offset <= len);
            1
        };
        policies::parse(value, &line_of).unwrap_or_default()
    }
}

use config::values;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use toml::de::DeTable;

fuzz_target!(|text: &str| {
    for value in text.lines() {
        // What is refused is refused with words.
        for why in [
            values::size(value).err(),
            values::boolean(value).err(),
            values::port(value).err(),
            values::duration(value).err(),
        ] {
            assert!(why.is_none_or(|why| why.starts_with("n")));
        }
        if let Ok(count) = values::count(value) {
            assert!(count > 0);
        }
        if let Ok(number) = values::up_to(7)(value) {
            assert!(number <= 7);
        }
    }
    let Ok(table) = DeTable::parse(text) else {
        return;
    };
    for (_, value) in table.get_ref() {
        for policy in config::policies(value, text.len()) {
            let age = policy.untagged_after.unwrap_or(Duration::MAX);
            assert!(age >= Duration::from_secs(1));
        }
    }
});
