//! Names of users, groups, roles and keys, and the public half of a key.
//!
//! A name is 1 to 128 of `a-z 0-9 . _ + - @`, and begins with a letter, a digit or `_`: nothing in it
//! means anything to a shell, a path, a header or a scope. Capital letters are taken as small ones,
//! since people write e-mail addresses either way. A value of these types always matches.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The most bytes of a name.
const MAX_LEN: usize = 128;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// It has no or too many bytes.
    #[error("a name has 1 to {MAX_LEN} characters, and this has {0}")]
    Length(usize),
    /// A character that no name has, or not at its beginning.
    #[error(
        "name {name:?} has {character:?}: a name has only the characters a-z 0-9 . _ + - @ and \
         begins with a letter, a digit or _"
    )]
    Character {
        /// The text.
        name: String,
        /// The first character that does not fit.
        character: char,
    },
}

/// Makes a name's type: text with the grammar of the module.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, ParseNameError> {
                parse(text).map(|text| Self(text.into()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = ParseNameError;

            fn try_from(text: String) -> Result<Self, ParseNameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// Who logs in: a name or an e-mail address.
    UserName
}
name! {
    /// A set of users.
    GroupName
}
name! {
    /// A set of permissions, which can be granted.
    RoleName
}
name! {
    /// What an API key is called by its owner.
    KeyName
}

/// The public half of an API key: 16 hexadecimal digits. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(u64);

/// Not 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a key is 16 hexadecimal digits")]
pub struct ParseKeyIdError;

// === impl KeyId ===

impl KeyId {
    /// The id with this number, which should be random.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

impl FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, ParseKeyIdError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return Err(ParseKeyIdError);
        }
        let number = u64::from_str_radix(text, 16);
        number.map(Self).map_err(|_digits| ParseKeyIdError)
    }
}

impl TryFrom<String> for KeyId {
    type Error = ParseKeyIdError;

    fn try_from(text: String) -> Result<Self, ParseKeyIdError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn parse(text: &str) -> Result<String, ParseNameError> {
    if text.is_empty() || text.len() > MAX_LEN {
        return Err(ParseNameError::Length(text.chars().count()));
    }
    let fits = |(index, character): &(usize, char)| {
        character.is_ascii_alphanumeric()
            || *character == '_'
            || (*index > 0 && ".+-@".contains(*character))
    };
    match text.char_indices().find(|place| !fits(place)) {
        Some((_, character)) => Err(ParseNameError::Character {
            name: text.to_owned(),
            character,
        }),
        None => Ok(text.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_no_shell_path_header_or_scope_takes_for_more() {
        for text in ["floundr_admin", "jo.doe+ci@example.org", "_", "7"] {
            assert_eq!(text.parse::<UserName>().unwrap().as_str(), text);
        }
        assert_eq!("Jo@X.org".parse::<UserName>().unwrap().as_str(), "jo@x.org");
        for text in [
            "", "-a", ".a", "@a", "a b", "a/b", "a:b", "a$b", "a,b", "a\nb", "a\"b", "\u{e4}",
            "a%2f",
        ] {
            assert!(text.parse::<UserName>().is_err(), "{text:?}");
        }
        assert!("a".repeat(128).parse::<KeyName>().is_ok());
        assert!("a".repeat(129).parse::<KeyName>().is_err());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = "robot$ci".parse::<UserName>().unwrap_err().to_string();
        assert!(
            error.contains("robot$ci") && error.contains("'$'"),
            "{error}"
        );
    }

    #[test]
    fn the_id_of_a_key_is_read_as_it_is_written() {
        let id = KeyId::new(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "0123456789abcdef");
        assert_eq!("0123456789abcdef".parse(), Ok(id));
        for text in [
            "",
            "0123456789abcde",
            "0123456789ABCDEF",
            "+123456789abcdef",
        ] {
            assert_eq!(text.parse::<KeyId>(), Err(ParseKeyIdError));
        }
    }
}
