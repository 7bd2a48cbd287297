//! What a manifest points at, in the words of the image specification, as the caller tells it.
//!
//! The engine never parses a manifest: the caller does, and hands over [`Links`]. A link is an edge
//! of the store; its target may or may not exist yet.
//! Invariant: the digests of [`Links`] may repeat (a layer used twice); the store counts an edge
//! once per kind and target, so repeats change nothing.

use crate::digest::{Digest, shortened};
use std::fmt;
use std::str::FromStr;

/// A media type as sent: an RFC 6838 type without parameters, at most 255 bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(String);

/// Why a text is not a media type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("media type {0:?} is not of the form type/subtype")]
pub struct ParseMediaTypeError(String);

/// What a manifest points at. Everything is by digest and may not exist (yet).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The configuration blob of an image manifest.
    pub config: Option<Digest>,
    /// Layer blobs whose presence can be required.
    pub layers: Vec<Digest>,
    /// Layer blobs that may stay elsewhere for ever: foreign or non-distributable ones, and those
    /// with `urls`. They are kept alive like others when they are here.
    pub foreign_layers: Vec<Digest>,
    /// Children of an index: manifests, or blobs (build caches do that).
    pub manifests: Vec<Digest>,
    /// The manifest this one says something about; it becomes one of its referrers.
    pub subject: Option<Digest>,
    /// What a referrers listing shows as `artifactType`, already resolved by the caller
    /// (`artifactType`, else the media type of the configuration).
    pub artifact_type: Option<String>,
    /// What a referrers listing shows as `annotations`: key and value, in the manifest's order.
    pub annotations: Vec<(String, String)>,
}

/// Whether a byte may stand in either half of a media type. A table, since every manifest that is read asks for each.
static TOKEN: [bool; 256] = token();

const fn token() -> [bool; 256] {
    let mut table = [false; 256];
    let others = b"!#$&-^_.+'*%`|~";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    let mut byte = 0_u8;
    while byte.is_ascii() {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = true;
        }
        byte += 1;
    }
    table
}

// === impl MediaType ===

impl MediaType {
    /// The most bytes a media type may have.
    pub const MAX_LEN: usize = 255;

    /// The media type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaType {
    type Err = ParseMediaTypeError;

    fn from_str(text: &str) -> Result<Self, ParseMediaTypeError> {
        let is_token =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| TOKEN[usize::from(byte)]);
        let matches = text.len() <= Self::MAX_LEN
            && text
                .split_once('/')
                .is_some_and(|(main, sub)| is_token(main) && is_token(sub));
        if matches {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseMediaTypeError(shortened(text)))
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_have_two_parts_and_no_parameters() {
        let good = "application/vnd.oci.image.manifest.v1+json";
        assert_eq!(good.parse::<MediaType>().unwrap().as_str(), good);
        for bad in [
            "",
            "json",
            "a/",
            "/b",
            "a/b/c",
            "a/b; c=d",
            "a/b\r\n",
            &format!("a/{}", "b".repeat(254)),
        ] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad:?}");
        }
    }
}
