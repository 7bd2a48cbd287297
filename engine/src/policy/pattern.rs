//! [`Pattern`]: a glob on names of repositories and tags.
//!
//! `*` is any characters but `/`, `?` is one of these, `**` is any characters at all; `**/` is any
//! number of whole path components, none too. Matching takes time in proportion to pattern and name,
//! whatever they are.

use crate::digest::shortened;
use std::fmt;
use std::str::FromStr;

/// A glob (see the module). It matches whole names only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// Where the first wildcard is, or the end. Requests ask for it more often than patterns are made.
    wild_from: usize,
    parts: Vec<Part>,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePatternError {
    /// It has no character.
    #[error("the pattern is empty")]
    Empty,
    /// It is longer than any name.
    #[error("the pattern has {0} bytes, more than {max}", max = Pattern::MAX_LEN)]
    Length(usize),
    /// A character that no name has.
    #[error("pattern {pattern:?} has {character:?}, which no name has")]
    Character {
        /// The pattern.
        pattern: String,
        /// The character.
        character: char,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    /// `?`
    One,
    /// `*`
    Within,
    /// `**`
    Across,
    /// `**/` before it has read anything: it may match nothing.
    Components,
    /// What follows it: `**/` that has begun, and ends behind a slash.
    InComponents,
}

// === impl Pattern ===

impl Pattern {
    /// The most bytes a pattern may have.
    pub const MAX_LEN: usize = 512;

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What every name begins with that it matches.
    pub(crate) fn beginning(&self) -> &str {
        self.text.get(..self.wild_from).unwrap_or_default()
    }

    /// Whether it matches the whole of `name`.
    pub fn matches(&self, name: &str) -> bool {
        // What most patterns are needs a comparison and no more.
        let beginning = self.beginning();
        match self.text.get(self.wild_from..) {
            Some("") => name == beginning,
            Some("**") => name.starts_with(beginning),
            _ => name.starts_with(beginning) && self.parts_match(name),
        }
    }

    fn parts_match(&self, name: &str) -> bool {
        // `at[i]`: the parts before `i` match what was read.
        let mut at = vec![false; self.parts.len() + 1];
        at[0] = true;
        self.skip(&mut at);
        for byte in name.bytes() {
            at = self.read(&at, byte);
            self.skip(&mut at);
        }
        at.last().copied().unwrap_or_default()
    }

    /// Parts that may match nothing may be passed over.
    fn skip(&self, at: &mut [bool]) {
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Within | Part::Across => at[index + 1] |= at[index],
                Part::Components => {
                    at[index + 1] |= at[index];
                    at[index + 2] |= at[index];
                }
                Part::Byte(_) | Part::One | Part::InComponents => {}
            }
        }
    }

    fn read(&self, at: &[bool], byte: u8) -> Vec<bool> {
        let mut next = vec![false; at.len()];
        for (index, part) in self.parts.iter().enumerate() {
            if !at[index] {
                continue;
            }
            match part {
                Part::Byte(wanted) => next[index + 1] |= *wanted == byte,
                Part::One => next[index + 1] |= byte != b'/',
                Part::Within => next[index] |= byte != b'/',
                Part::Across => next[index] = true,
                Part::Components => {}
                Part::InComponents => {
                    next[index] = true;
                    next[index + 1] |= byte == b'/';
                }
            }
        }
        next
    }
}

impl FromStr for Pattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, ParsePatternError> {
        if text.is_empty() {
            return Err(ParsePatternError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(ParsePatternError::Length(text.len()));
        }
        let is_known = |c: char| c.is_ascii_alphanumeric() || "._-/*?".contains(c);
        if let Some(character) = text.chars().find(|&c| !is_known(c)) {
            return Err(ParsePatternError::Character {
                pattern: shortened(text),
                character,
            });
        }
        let mut parts = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, behind)) = rest.split_first() {
            let begins = matches!(
                parts.last(),
                None | Some(Part::Byte(b'/') | Part::InComponents)
            );
            let (part, behind) = match (first, behind) {
                (b'*', [b'*', b'/', behind @ ..]) if begins => {
                    parts.push(Part::Components);
                    (Part::InComponents, behind)
                }
                (b'*', [b'*', behind @ ..]) => (Part::Across, behind),
                (b'*', behind) => (Part::Within, behind),
                (b'?', behind) => (Part::One, behind),
                (byte, behind) => (Part::Byte(byte), behind),
            };
            parts.push(part);
            rest = behind;
        }
        Ok(Self {
            text: text.to_owned(),
            wild_from: text.find(['*', '?']).unwrap_or(text.len()),
            parts,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern: Pattern = pattern.parse().unwrap();
        for name in matching {
            assert!(
                name.starts_with(pattern.beginning()),
                "{pattern} and {name}"
            );
            assert!(pattern.matches(name), "{pattern} and {name}");
        }
        for name in others {
            assert!(!pattern.matches(name), "{pattern} and {name}");
        }
    }

    #[test]
    fn stars_stay_within_a_component_and_double_stars_do_not() {
        check("a", &["a"], &["", "aa", "a/a", "b"]);
        check("a/*", &["a/b", "a/bc"], &["a", "a/b/c", "b/a"]);
        check("a*", &["a", "abc"], &["a/b", "xa"]);
        check("*a*b*", &["ab", "xaxbx", "aabb"], &["b-a", "a/b"]);
        check("v?.*", &["v1.2", "v1."], &["v.1", "v12.1", "v/.1"]);
        check("**", &["a", "a/b/c"], &[]);
        check("a/**", &["a/b", "a/b/c"], &["a", "ab/c"]);
        check("**/a", &["a", "x/a", "x/y/a"], &["xa", "x/ya", "a/x"]);
        check(
            "a/**/b",
            &["a/b", "a/x/b", "a/x/y/b"],
            &["a/xb", "ab", "a/x"],
        );
        check("a/**/**/b", &["a/b", "a/x/b"], &["ab"]);
        check("a**/b", &["a/b", "ax/b", "ax/y/b"], &["b", "xa/b"]);
    }

    #[test]
    fn the_short_way_finds_what_the_parts_find() {
        let texts = [
            "a",
            "a/b",
            "team/app",
            "**",
            "a**",
            "team/**",
            "team**",
            "team/*",
            "*",
            "?",
            "t?am/**",
            "**/app",
            "team/**/x",
            "**a",
            "a*b",
        ];
        let names = [
            "a",
            "b",
            "a/b",
            "ab",
            "aab",
            "team",
            "team/app",
            "team/a/x",
            "team/x",
            "teams/app",
            "x/team/app",
            "app",
            "",
        ];
        for text in texts {
            let pattern: Pattern = text.parse().unwrap();
            for name in names {
                let (short, parts) = (pattern.matches(name), pattern.parts_match(name));
                assert_eq!(short, parts, "{text} on {name:?}");
            }
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_longer_than_its_length() {
        let pattern: Pattern = "*a".repeat(200).parse().unwrap();
        assert!(pattern.matches(&"a".repeat(255)));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(254))));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let refused = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
        assert_eq!(refused(""), "the pattern is empty");
        let long = "a".repeat(513);
        assert_eq!(refused(&long), "the pattern has 513 bytes, more than 512");
        assert_eq!(
            refused("a[b]"),
            "pattern \"a[b]\" has '[', which no name has"
        );
    }
}
