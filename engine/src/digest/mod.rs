//! Content digests: `algorithm:encoded`, always validated.
//!
//! Invariants:
//! 1. A [`Digest`] holds exactly as many bytes as its algorithm makes; its text form is lower-case hex.
//! 2. A digest's key form is injective, and the keys of two different digests are never prefixes of
//!    one another, because the first byte tells the length. Table keys are built on that.
//!
//! Computing digests is in [`hasher`]. Grammar: OCI image specification, "Digests"; `blake3` is one
//! of its registered algorithms.

mod blake3_state;
pub(crate) mod both;
pub mod hasher;
mod lanes;

use std::fmt;
use std::str::FromStr;

/// The longest digest of any algorithm here, in bytes.
const MAX_BYTES: usize = 64;

/// A digest algorithm of the OCI image specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256: what every client speaks.
    Sha256,
    /// SHA-512: optional in the specification, complete here.
    Sha512,
    /// BLAKE3 with 32 bytes of output: registered, the fastest.
    Blake3,
}

/// The digest of some content, written `algorithm:encoded`.
///
/// Ordered by algorithm, then by bytes, as its table keys are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; MAX_BYTES],
}

/// Why a text is not a digest this store knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// There is no `:` between algorithm and encoded part, or the algorithm part is malformed.
    #[error("digest {0:?} is not of the form algorithm:encoded")]
    Malformed(String),
    /// Well formed, but of an algorithm this store does not compute.
    #[error("digest algorithm {0:?} is not one of sha256, sha512, blake3")]
    UnknownAlgorithm(String),
    /// The encoded part has the wrong number of digits.
    #[error("{algorithm} digest has {got} characters, not {expected}")]
    Length {
        /// The algorithm named.
        algorithm: Algorithm,
        /// Hex digits it takes.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// The encoded part holds something else than lower-case hex digits.
    #[error("{0} digest holds characters that are not lower-case hex digits")]
    Encoding(Algorithm),
}

// === impl Algorithm ===

impl Algorithm {
    /// Every algorithm, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Blake3];

    /// The name in a digest's text form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// The number of bytes of its digests.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The byte that stands for it in keys and files. Part of the format on disk.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
            Self::Blake3 => 3,
        }
    }

    /// The algorithm of a code byte, if there is one.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.code() == code)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| ParseDigestError::UnknownAlgorithm(shortened(text)))
    }
}

// === impl Digest ===

impl Digest {
    /// The digest of `content`, computed here and now: for content that is in memory anyway.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = hasher::Hasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// The digest whose bytes these are, if there are as many as `algorithm` makes.
    pub fn from_bytes(algorithm: Algorithm, digest: &[u8]) -> Option<Self> {
        if digest.len() != algorithm.output_len() {
            return None;
        }
        let mut bytes = [0; MAX_BYTES];
        bytes[..digest.len()].copy_from_slice(digest);
        Some(Self { algorithm, bytes })
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its bytes, as many as the algorithm makes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.output_len()]
    }

    /// The hex digits of the text form.
    pub fn encoded(&self) -> String {
        self.hex(&mut [0; 2 * MAX_BYTES]).to_owned()
    }

    /// The hex digits, written to `buffer`: every answer that names content takes them.
    fn hex<'a>(&self, buffer: &'a mut [u8; 2 * MAX_BYTES]) -> &'a str {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let (pairs, _) = buffer.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.as_bytes()) {
            *pair = [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ];
        }
        let digits = &buffer[..2 * self.algorithm.output_len()];
        std::str::from_utf8(digits).expect("hex digits are ASCII")
    }

    /// Code byte and bytes, the form in table keys (invariant 2).
    pub(crate) fn to_key(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.key_len());
        self.add_to_key(&mut key);
        key
    }

    /// Appends that form to a key.
    pub(crate) fn add_to_key(self, key: &mut Vec<u8>) {
        key.push(self.algorithm.code());
        key.extend_from_slice(self.as_bytes());
    }

    /// The length of that form.
    pub(crate) fn key_len(self) -> usize {
        1 + self.algorithm.output_len()
    }

    /// Splits a digest off the front of a table key.
    pub(crate) fn split_key(key: &[u8]) -> Option<(Self, &[u8])> {
        let (&code, rest) = key.split_first()?;
        let algorithm = Algorithm::from_code(code)?;
        let (digest, rest) = rest.split_at_checked(algorithm.output_len())?;
        Some((Self::from_bytes(algorithm, digest)?, rest))
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (name, encoded) = text
            .split_once(':')
            .filter(|(name, encoded)| is_algorithm_grammar(name) && !encoded.is_empty())
            .ok_or_else(|| ParseDigestError::Malformed(shortened(text)))?;
        let algorithm = Algorithm::from_str(name)?;
        let expected = 2 * algorithm.output_len();
        if encoded.len() != expected {
            return Err(ParseDigestError::Length {
                algorithm,
                expected,
                got: encoded.len(),
            });
        }
        let mut bytes = [0; MAX_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(encoded.as_bytes().chunks_exact(2)) {
            let digits = hex_value(pair[0]).zip(hex_value(pair[1]));
            let (high, low) = digits.ok_or(ParseDigestError::Encoding(algorithm))?;
            *byte = (high << 4) | low;
        }
        Ok(Self { algorithm, bytes })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        f.write_str(":")?;
        f.write_str(self.hex(&mut [0; 2 * MAX_BYTES]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `algorithm-component (separator algorithm-component)*` of the image specification.
fn is_algorithm_grammar(name: &str) -> bool {
    name.split(['+', '.', '_', '-']).all(|component| {
        !component.is_empty()
            && component
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// At most 100 characters of what was given: error messages must not grow with the input.
pub(crate) fn shortened(text: &str) -> String {
    const LIMIT: usize = 100;
    match text.char_indices().nth(LIMIT) {
        None => text.to_owned(),
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "...",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_form_round_trips() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"floundr");
            assert_eq!(digest.to_string().parse(), Ok(digest));
        }
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), EMPTY);
    }

    #[test]
    fn keys_split_where_they_were_joined() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"floundr");
            let mut key = digest.to_key();
            key.extend_from_slice(b"rest");
            assert_eq!(Digest::split_key(&key), Some((digest, &b"rest"[..])));
            assert_eq!(Digest::split_key(&key[..10]), None);
        }
        assert_eq!(Digest::split_key(&[9; 80]), None);
        assert_eq!(Digest::split_key(&[]), None);
    }

    #[test]
    fn every_refusal_names_the_two_values_that_differ() {
        let refused = |text: &str| text.parse::<Digest>().unwrap_err().to_string();
        assert_eq!(
            refused("latest"),
            "digest \"latest\" is not of the form algorithm:encoded"
        );
        assert_eq!(
            refused("sha256:"),
            "digest \"sha256:\" is not of the form algorithm:encoded"
        );
        assert_eq!(
            refused("SHA256:00"),
            "digest \"SHA256:00\" is not of the form algorithm:encoded"
        );
        assert_eq!(
            refused("md5:d41d8cd98f00b204e9800998ecf8427e"),
            "digest algorithm \"md5\" is not one of sha256, sha512, blake3"
        );
        assert_eq!(
            refused("sha256:00"),
            "sha256 digest has 2 characters, not 64"
        );
        assert_eq!(
            refused(&EMPTY.to_uppercase().replace("SHA256", "sha256")),
            "sha256 digest holds characters that are not lower-case hex digits"
        );
        assert!(refused(&"x".repeat(100_000)).len() < 200);
    }
}
