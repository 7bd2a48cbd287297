//! Names a client chooses: repositories, tags, and references (a tag or a digest).
//!
//! The grammars are the distribution specification's, "Pulling manifests": a repository name is
//! `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`, at most 255 bytes
//! here; a tag is `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. A value of these types always matches its
//! grammar, so it holds no `..`, no NUL, no control character and nothing that needs escaping in a
//! path or a query, except the `/` of a repository name.

use crate::digest::{Digest, ParseDigestError, shortened};
use std::fmt;
use std::str::FromStr;

/// A repository's name, such as `library/alpine`. At most [`RepositoryName::MAX_LEN`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

/// A manifest's human name in one repository, such as `latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// How a client names a manifest: by a tag or by its digest. Tags come before digests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// By a tag, which may move.
    Tag(Tag),
    /// By the digest of its bytes, which never changes.
    Digest(Digest),
}

/// Why a text is not a repository name, a tag or a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// Not a repository name.
    #[error("repository name {0:?} does not match the specification's grammar")]
    Repository(String),
    /// Longer than a repository name may be.
    #[error("repository name has {0} bytes, more than {max}", max = RepositoryName::MAX_LEN)]
    RepositoryLength(usize),
    /// Not a tag.
    #[error("tag {0:?} does not match the specification's grammar")]
    Tag(String),
    /// Longer than a tag may be.
    #[error("tag has {0} bytes, more than {max}", max = Tag::MAX_LEN)]
    TagLength(usize),
    /// Holds a `:`, so it can only be a digest, and is none.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
}

// === impl RepositoryName ===

impl RepositoryName {
    /// The most bytes a name may have. The specification advises to keep host and name within 255.
    pub const MAX_LEN: usize = 255;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        if text.len() > Self::MAX_LEN {
            return Err(ParseNameError::RepositoryLength(text.len()));
        }
        if !text.split('/').all(is_path_component) {
            return Err(ParseNameError::Repository(shortened(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends_well = |end: Option<&u8>| end.is_some_and(|&byte| is_alphanumeric(byte));
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes
            .split(|&byte| is_alphanumeric(byte))
            .all(|run| matches!(run, b"" | b"." | b"_" | b"__") || run.iter().all(|&b| b == b'-'))
}

// === impl Tag ===

impl Tag {
    /// The most bytes a tag may have.
    pub const MAX_LEN: usize = 128;

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        if text.len() > Self::MAX_LEN {
            return Err(ParseNameError::TagLength(text.len()));
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let matches = text
            .bytes()
            .enumerate()
            .all(|(index, byte)| is_word(byte) || (index > 0 && matches!(byte, b'.' | b'-')));
        if text.is_empty() || !matches {
            return Err(ParseNameError::Tag(shortened(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Reference ===

impl FromStr for Reference {
    type Err = ParseNameError;

    /// A text with a `:` is a digest, any other a tag: no tag holds a `:`.
    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        if text.contains(':') {
            Ok(Self::Digest(text.parse()?))
        } else {
            Ok(Self::Tag(text.parse()?))
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_grammar() {
        for good in [
            "a",
            "library/alpine",
            "a.b_c__d---e/f0",
            "0/1/2",
            "conformance-1/x",
        ] {
            assert_eq!(good.parse::<RepositoryName>().unwrap().as_str(), good);
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a", "a-", "a._b", "..", "a/../b",
            "a b", "a\0", "a:b", "\u{e9}", "a%2fb", ".a", "a.",
        ] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
        assert_eq!(
            "a".repeat(256).parse::<RepositoryName>(),
            Err(ParseNameError::RepositoryLength(256))
        );
    }

    #[test]
    fn tags_follow_the_grammar() {
        for good in ["latest", "V1.0", "_x", "1", "a-b_c.d", "sha256-00.sig"] {
            assert_eq!(good.parse::<Tag>().unwrap().as_str(), good);
        }
        for bad in ["", ".a", "-a", "a/b", "a:b", "a b", "a\n", "\u{e9}", "a+b"] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
        assert!("t".repeat(128).parse::<Tag>().is_ok());
        assert_eq!(
            "t".repeat(129).parse::<Tag>(),
            Err(ParseNameError::TagLength(129))
        );
    }

    #[test]
    fn a_reference_with_a_colon_is_a_digest() {
        let digest = Digest::of(crate::digest::Algorithm::Sha256, b"");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert!(matches!("latest".parse(), Ok(Reference::Tag(_))));
        assert!(matches!(
            "sha256:00".parse::<Reference>(),
            Err(ParseNameError::Digest(_))
        ));
    }
}
