//! Policies: which tags and manifests of a repository go by themselves. Values only; the collector
//! evaluates them in the background (`gc::policy`). And [`ImmutableTags`], which hold for requests.
//!
//! Without a policy nothing goes by itself. What a policy deletes goes like anything else that is
//! deleted: it can be restored for `Options::undo`. Ages are in engine time, which stands still
//! while nothing runs and does not jump.
//!
//! A tag of the form `sha256-<hex>`, also with an ending such as `.sig`, is a *fallback tag*: it
//! belongs to the manifest it is named after. It is no tag to [`KeepTags`].

mod pattern;

pub use pattern::{ParsePatternError, Pattern};

use crate::digest::Algorithm;
use crate::name::Tag;
use std::sync::Arc;
use std::time::Duration;

/// What goes by itself in the repositories of a pattern. The first policy of a list whose pattern
/// matches a repository is the only one that holds for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The repositories it is for.
    pub repositories: Pattern,
    /// Manifests go that have had no tag for this long, since they were pushed or lost a tag.
    /// Children of an index, and manifests with a subject, do not count as untagged while those are
    /// there or can be restored.
    pub untagged_after: Option<Duration>,
    /// Tags go that none of these keeps. Their manifests stay, untagged.
    pub keep_tags: Option<KeepTags>,
    /// What becomes of signatures and other referrers without their subject.
    pub orphaned_referrers: OrphanedReferrers,
}

/// Which tags are kept: those that any of these keeps; all of them if none says anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeepTags {
    /// This many that were set last.
    pub last: Option<usize>,
    /// Those that match one of these patterns.
    pub matching: Vec<Pattern>,
    /// Those whose manifest was pulled or told of, by whatever name, or that were set, within this
    /// time. As long as pulls were not recorded for this long, every tag counts as pulled.
    pub pulled_within: Option<Duration>,
}

/// What becomes of referrers when their subject is gone for good, be it that a client deleted it or
/// a policy. While it can be restored they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrphanedReferrers {
    /// They stay.
    #[default]
    Keep,
    /// Untagged ones go with it, and what its fallback tags name. A subject that never came counts
    /// as gone a day after its referrer was pushed.
    Delete,
}

/// A digest as far as a fallback tag tells it: an algorithm, and 32 bytes of the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FallbackSubject {
    pub(crate) algorithm: Algorithm,
    pub(crate) beginning: [u8; 32],
}

/// Which tags name one manifest for good: see `Repository::with_immutable`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImmutableTags(Arc<[Pattern]>);

// === impl ImmutableTags ===

impl ImmutableTags {
    /// Whether a tag is one of them.
    pub fn has(&self, tag: &Tag) -> bool {
        self.0.iter().any(|pattern| pattern.matches(tag.as_str()))
    }

    /// Whether no tag is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Pattern>> for ImmutableTags {
    fn from(patterns: Vec<Pattern>) -> Self {
        Self(patterns.into())
    }
}

// === impl KeepTags ===

impl KeepTags {
    /// Whether any of its fields is set.
    pub(crate) fn says_anything(&self) -> bool {
        self.last.is_some() || !self.matching.is_empty() || self.pulled_within.is_some()
    }
}

// === impl FallbackSubject ===

impl FallbackSubject {
    /// What the keys of all digests begin with that it may be (see `Digest::to_key`).
    pub(crate) fn key_prefix(&self) -> Vec<u8> {
        let mut prefix = vec![self.algorithm.code()];
        prefix.extend_from_slice(&self.beginning);
        prefix
    }

    /// The digest whose fallback tag this is, if it is one: `<algorithm>-<64 hex digits>`, and then
    /// nothing or a dot and anything.
    pub(crate) fn of(tag: &Tag) -> Option<Self> {
        let (algorithm, rest) = tag.as_str().split_once('-')?;
        let (hex, ending) = rest.split_at_checked(64)?;
        if !(ending.is_empty() || ending.starts_with('.')) {
            return None;
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut beginning = [0; 32];
        for (byte, pair) in beginning.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self {
            algorithm: algorithm.parse().ok()?,
            beginning,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn fallback_tags_tell_their_subject_with_and_without_an_ending() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let base = digest.to_string().replace(':', "-");
        for ending in ["", ".sig", ".att", ".sbom"] {
            let tag: Tag = format!("{base}{ending}").parse().unwrap();
            let subject = FallbackSubject::of(&tag).unwrap();
            assert_eq!(subject.algorithm, Algorithm::Sha256);
            assert_eq!(subject.beginning, digest.as_bytes());
            assert_eq!(subject.key_prefix(), digest.to_key());
        }
        let sha512 = Digest::of(Algorithm::Sha512, b"x");
        let cut = format!("sha512-{}", sha512.encoded().get(..64).unwrap());
        let subject = FallbackSubject::of(&cut.parse().unwrap()).unwrap();
        assert_eq!(subject.beginning, sha512.as_bytes()[..32]);
        let short = base.get(..60).unwrap();
        let other = base.replace("sha256", "md5");
        for tag in ["latest", "v1-2", short, &format!("{base}x"), &other] {
            assert_eq!(FallbackSubject::of(&tag.parse().unwrap()), None, "{tag}");
        }
    }
}
