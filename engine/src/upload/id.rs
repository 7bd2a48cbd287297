//! [`UploadId`]: what a client knows an upload by.
//!
//! Text form: `UUID.TOKEN`. The UUID is random (version 4) and names the upload; the token carries
//! repository-independent facts (algorithm, expiry) and a keyed MAC over them, the UUID and the
//! repository's name. Invariants:
//! 1. The engine acts on an id only after its MAC was verified for the repository it is used in:
//!    an id is unguessable, and useless in another repository.
//! 2. Every character is a letter, a digit, `-`, `_` or `.`: an id needs no escaping in a URL.

use crate::clock::EngineTime;
use crate::digest::{Algorithm, shortened};
use crate::name::RepositoryName;
use crate::random::Random;
use std::fmt;
use std::io;
use std::str::FromStr;

/// The key of the MACs; made once per store and kept in its metadata.
#[derive(Clone)]
pub(crate) struct UploadKey(pub(crate) [u8; 32]);

impl fmt::Debug for UploadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadKey(..)")
    }
}

/// The name of one upload (see the module's invariants).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId {
    uuid: [u8; 16],
    algorithm: Algorithm,
    expiry: EngineTime,
    mac: [u8; 16],
}

/// The UUID of an upload alone: what operators know it by. It gives nobody the right to go on with
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadUuid(pub(crate) [u8; 16]);

/// A text that is not an upload id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upload id {0:?} is not one of this registry's")]
pub struct ParseUploadIdError(String);

// === impl UploadId ===

impl UploadId {
    /// A new id, which only the holder of `key` can make.
    pub(crate) fn new(
        (key, random): (&UploadKey, &dyn Random),
        repository: &RepositoryName,
        algorithm: Algorithm,
        expiry: EngineTime,
    ) -> io::Result<Self> {
        let mut uuid = [0; 16];
        random.fill(&mut uuid)?;
        uuid[6] = (uuid[6] & 0x0f) | 0x40;
        uuid[8] = (uuid[8] & 0x3f) | 0x80;
        let uuid = UploadUuid(uuid);
        Ok(Self::again(key, uuid, repository, (algorithm, expiry)))
    }

    /// Whether the holder of `key` made it for `repository`.
    pub(crate) fn is_authentic(&self, key: &UploadKey, repository: &RepositoryName) -> bool {
        let expected = mac(key, repository, &self.uuid, self.algorithm, self.expiry);
        // blake3::Hash compares in constant time; here both sides are padded to its length.
        let padded = |mac: [u8; 16]| {
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&mac);
            blake3::Hash::from_bytes(bytes)
        };
        padded(expected) == padded(self.mac)
    }

    /// The id again of an upload that was started.
    pub(crate) fn again(
        key: &UploadKey,
        uuid: UploadUuid,
        repository: &RepositoryName,
        (algorithm, expiry): (Algorithm, EngineTime),
    ) -> Self {
        let uuid = uuid.0;
        let mac = mac(key, repository, &uuid, algorithm, expiry);
        Self {
            uuid,
            algorithm,
            expiry,
            mac,
        }
    }

    /// The UUID alone, in its usual form.
    pub fn uuid(&self) -> String {
        self.upload_uuid().to_string()
    }

    /// The UUID alone.
    pub fn upload_uuid(&self) -> UploadUuid {
        UploadUuid(self.uuid)
    }

    /// The UUID's bytes: what sessions are stored under.
    pub(crate) fn key(&self) -> [u8; 16] {
        self.uuid
    }

    /// The algorithm that was announced at the start.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// When an upload that made no progress ends.
    pub(crate) fn expiry(&self) -> EngineTime {
        self.expiry
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:02x}{:016x}",
            self.uuid(),
            self.algorithm.code(),
            self.expiry.0
        )?;
        self.mac.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the MAC: who reads a log must not be able to write to the upload.
        f.write_str(&self.uuid())
    }
}

impl FromStr for UploadId {
    type Err = ParseUploadIdError;

    fn from_str(text: &str) -> Result<Self, ParseUploadIdError> {
        parse(text).ok_or_else(|| ParseUploadIdError(shortened(text)))
    }
}

// === impl UploadUuid ===

impl fmt::Display for UploadUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uuid = u128::from_be_bytes(self.0);
        let group = |shift: u32| (uuid >> shift) & 0xffff;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            uuid >> 96,
            group(80),
            group(64),
            group(48),
            uuid & 0xffff_ffff_ffff
        )
    }
}

impl FromStr for UploadUuid {
    type Err = ParseUploadIdError;

    fn from_str(text: &str) -> Result<Self, ParseUploadIdError> {
        parse_uuid(text).ok_or_else(|| ParseUploadIdError(shortened(text)))
    }
}

fn parse_uuid(text: &str) -> Option<UploadUuid> {
    let groups: Vec<&str> = text.split('-').collect();
    if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
        return None;
    }
    unhex::<16>(&groups.concat()).map(UploadUuid)
}

fn parse(text: &str) -> Option<UploadId> {
    let (uuid, token) = text.split_once('.')?;
    let UploadUuid(uuid) = parse_uuid(uuid)?;
    let token = unhex::<25>(token)?;
    let (facts, mac) = token.split_at_checked(9)?;
    let (code, expiry) = facts.split_first()?;
    Some(UploadId {
        uuid,
        algorithm: Algorithm::from_code(*code)?,
        expiry: EngineTime(u64::from_be_bytes(expiry.try_into().ok()?)),
        mac: mac.try_into().ok()?,
    })
}

/// Lower-case hex digits only, so that every id has one text form.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

fn mac(
    key: &UploadKey,
    repository: &RepositoryName,
    uuid: &[u8; 16],
    algorithm: Algorithm,
    expiry: EngineTime,
) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher
        .update(uuid)
        .update(&[algorithm.code()])
        .update(&expiry.0.to_be_bytes());
    hasher.update(repository.as_str().as_bytes());
    let mut mac = [0; 16];
    mac.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_uuid_has_one_text_form_and_sorts_like_it() {
        let texts = [
            "00000000-0000-4000-8000-00000000000a",
            "0f000000-0000-4000-8000-000000000000",
            "f0000000-0000-4000-8000-0000000000ff",
        ];
        let uuids = texts.map(|text| text.parse::<UploadUuid>().unwrap());
        assert!(uuids.is_sorted());
        assert_eq!(uuids.map(|uuid| uuid.to_string()), texts);
        for text in [
            "",
            "x",
            "00000000-0000-4000-8000-00000000000A",
            "0f000000000040008000000000000000",
        ] {
            assert!(text.parse::<UploadUuid>().is_err(), "{text}");
        }
    }

    const KEY: UploadKey = UploadKey([7; 32]);

    fn made_for(repository: &str) -> UploadId {
        let repository = repository.parse().unwrap();
        UploadId::new(
            (&KEY, &SystemRandom),
            &repository,
            Algorithm::Sha512,
            EngineTime(77),
        )
        .unwrap()
    }

    #[test]
    fn an_id_round_trips_and_holds_for_its_repository_only() {
        let id = made_for("a/b");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.is_authentic(&KEY, &"a/b".parse().unwrap()));
        assert!(!id.is_authentic(&KEY, &"a/c".parse().unwrap()));
        assert!(!id.is_authentic(&UploadKey([8; 32]), &"a/b".parse().unwrap()));
        assert!(!format!("{id:?}").contains('.'));
    }

    #[test]
    fn a_changed_id_is_not_authentic() {
        let id = made_for("a");
        let text = id.to_string();
        for position in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] = if bytes[position] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            let accepted = changed
                .parse::<UploadId>()
                .is_ok_and(|id| id.is_authentic(&KEY, &"a".parse().unwrap()));
            assert!(!accepted, "{changed}");
        }
    }

    #[test]
    fn texts_that_are_no_ids_are_refused() {
        for text in [
            "",
            ".",
            "x",
            "../../etc/passwd",
            &made_for("a").uuid(),
            &"0".repeat(87),
        ] {
            assert!(text.parse::<UploadId>().is_err(), "{text:?}");
        }
    }
}
