//! [`SessionRecord`]: what is kept of an upload at rest, and its byte form.
//!
//! Little-endian: a version byte, the fields in the order written in `encode`, lengths before what
//! varies, and the CRC-32C of all of it at the end. Invariants:
//! 1. A checkpoint's hash state, its checks and its offsets belong together: a reader that has one
//!    has all of them.
//! 2. `synced` is nowhere ahead of `written`, and every whole block that either has hashed has its check
//!    in `checks`.
//! 3. Nothing is decoded whose CRC is wrong, and decoding never panics.

use super::hashing::Hashing;
use crate::clock::EngineTime;
use crate::digest::Algorithm;
use crate::digest::hasher::HasherState;
use crate::meta::BLOCK;
use crate::name::RepositoryName;

/// The layout of the bytes.
const VERSION: u8 = 3;
/// As [`VERSION`], of an upload all of whose records were replaced: they have no number.
const REPLACED: u8 = 2;
/// As [`REPLACED`], where every checkpoint has hashed all of its bytes and does not say so.
const ALL_HASHED: u8 = 1;

/// Bytes no upload has: sums of such offsets do not overflow.
const MOST: u64 = 1 << 58;

/// What is kept of an upload at rest (see the module's invariants).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionRecord {
    /// The upload's key.
    pub(super) upload: [u8; 16],
    /// The run of the machine it was written in: `written` counts only within it.
    pub(super) boot_id: String,
    pub(super) repository: RepositoryName,
    pub(super) algorithm: Algorithm,
    /// Its number among the upload's records.
    pub(super) turn: u64,
    /// How often the upload was opened.
    pub(super) epoch: u64,
    /// The expiry in its id: what its end is remembered by.
    pub(super) id_expiry: EngineTime,
    /// When it ends unless there is progress; not before `id_expiry`.
    pub(super) expiry: EngineTime,
    /// The number of its data file.
    pub(super) file: u64,
    /// CRC-32C of the whole blocks that `written` has hashed.
    pub(super) checks: Vec<u32>,
    /// What was handed to the system.
    pub(super) written: Checkpoint,
    /// What a successful sync covered.
    pub(super) synced: Checkpoint,
}

/// How far an upload is, and everything needed to go on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Bytes of the file that count.
    pub(super) offset: u64,
    /// How many of them `state` and `partial` are of; those behind are to be read again.
    pub(super) hashed: u64,
    /// The state of the content's hash.
    pub(super) state: HasherState,
    /// The CRC-32C of the bytes of the last block, if it is not whole.
    pub(super) partial: u32,
}

// === impl SessionRecord ===

impl SessionRecord {
    /// Where to go on: another run of the machine lost what was only written.
    pub(super) fn checkpoint(&self, boot_id: &str) -> &Checkpoint {
        if self.boot_id == boot_id {
            &self.written
        } else {
            &self.synced
        }
    }

    /// Of two records of one upload the later one has the greater.
    pub(super) fn age(&self) -> impl Ord + use<> {
        (self.epoch, self.written.offset, self.turn)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.algorithm.code()];
        bytes.extend_from_slice(&self.upload);
        let times = [self.id_expiry.0, self.expiry.0];
        for number in [self.turn, self.epoch, times[0], times[1], self.file] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        put_bytes(&mut bytes, self.boot_id.as_bytes());
        put_bytes(&mut bytes, self.repository.as_str().as_bytes());
        let checks: Vec<u8> = (self.checks.iter())
            .flat_map(|check| check.to_le_bytes())
            .collect();
        put_bytes(&mut bytes, &checks);
        for checkpoint in [&self.written, &self.synced] {
            bytes.extend_from_slice(&checkpoint.offset.to_le_bytes());
            bytes.extend_from_slice(&checkpoint.hashed.to_le_bytes());
            bytes.extend_from_slice(&checkpoint.partial.to_le_bytes());
            put_bytes(&mut bytes, checkpoint.state.as_bytes());
        }
        let check = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    /// The record of these bytes, or what does not fit.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (content, check) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
        if crc32c::crc32c(content) != u32::from_le_bytes(*check) {
            return Err("its checksum is wrong");
        }
        let mut reader = Reader(content);
        let [version] = reader.array()?;
        if ![VERSION, REPLACED, ALL_HASHED].contains(&version) {
            return Err("its version is unknown");
        }
        let [code] = reader.array::<1>()?;
        let record = Self {
            algorithm: Algorithm::from_code(code).ok_or("its algorithm is unknown")?,
            upload: reader.array()?,
            turn: match version {
                VERSION => reader.number()?,
                _ => 0,
            },
            epoch: reader.number()?,
            id_expiry: EngineTime(reader.number()?),
            expiry: EngineTime(reader.number()?),
            file: reader.number()?,
            boot_id: reader.text()?,
            repository: (reader.text()?.parse().ok()).ok_or("its repository's name is no name")?,
            checks: reader.checks()?,
            written: reader.checkpoint(version)?,
            synced: reader.checkpoint(version)?,
        };
        if !reader.0.is_empty() || !record.fits() {
            return Err("its parts do not fit together");
        }
        Ok(record)
    }

    /// Whether the numbers are as the module's invariants say.
    fn fits(&self) -> bool {
        let Self {
            written, synced, ..
        } = self;
        let is_inside = |checkpoint: &Checkpoint| checkpoint.hashed <= checkpoint.offset;
        written.offset <= MOST
            && is_inside(written)
            && is_inside(synced)
            && synced.offset <= written.offset
            && synced.hashed <= written.hashed
            && usize::try_from(written.hashed / BLOCK) == Ok(self.checks.len())
    }
}

// === impl Checkpoint ===

impl Checkpoint {
    /// At `offset`, as far as `hashing` is.
    pub(super) fn of(hashing: &Hashing, offset: u64) -> Self {
        Self {
            offset,
            hashed: hashing.offset(),
            state: hashing.state(),
            partial: hashing.partial(),
        }
    }
}

/// Bytes that are not decoded yet.
struct Reader<'a>(&'a [u8]);

// === impl Reader ===

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (array, rest) = self.0.split_first_chunk().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let len = self.array().map(u32::from_le_bytes)?;
        let split = usize::try_from(len).ok();
        let (bytes, rest) = split
            .and_then(|len| self.0.split_at_checked(len))
            .ok_or("it ends too early")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<String, &'static str> {
        String::from_utf8(self.bytes()?.to_vec())
            .ok()
            .ok_or("a text of it is not UTF-8")
    }

    fn checks(&mut self) -> Result<Vec<u32>, &'static str> {
        let (checks, rest) = self.bytes()?.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("its checks end too early");
        }
        Ok(checks.iter().copied().map(u32::from_le_bytes).collect())
    }

    fn checkpoint(&mut self, version: u8) -> Result<Checkpoint, &'static str> {
        let offset = self.number()?;
        let hashed = if version == ALL_HASHED {
            offset
        } else {
            self.number()?
        };
        Ok(Checkpoint {
            offset,
            hashed,
            partial: self.array().map(u32::from_le_bytes)?,
            state: HasherState::from_bytes(self.bytes()?.to_vec()),
        })
    }
}

fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("no part of a record has 4 GiB");
    into.extend_from_slice(&len.to_le_bytes());
    into.extend_from_slice(bytes);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn record() -> SessionRecord {
        let mut hashing = Hashing::new(Algorithm::Blake3);
        hashing.update(&vec![1; 70_000]);
        let synced = Checkpoint::of(&hashing, 80_000);
        hashing.update(&vec![2; 3_000_000]);
        SessionRecord {
            upload: [9; 16],
            boot_id: "boot".to_owned(),
            repository: "a/b".parse().unwrap(),
            algorithm: Algorithm::Blake3,
            turn: 5,
            epoch: 3,
            id_expiry: EngineTime(70),
            expiry: EngineTime(77),
            file: 12,
            checks: hashing.checks().to_vec(),
            written: Checkpoint::of(&hashing, 4_000_000),
            synced,
        }
    }

    #[test]
    fn a_record_round_trips() {
        let record = record();
        assert_eq!(SessionRecord::decode(&record.encode()), Ok(record.clone()));
        assert_eq!(record.checkpoint("boot"), &record.written);
        assert_eq!(record.checkpoint("other"), &record.synced);
    }

    /// A record whose content was changed to that of another version, with its checksum.
    fn sealed(mut bytes: Vec<u8>, version: u8) -> Vec<u8> {
        bytes[0] = version;
        let content = bytes.len() - 4;
        let check = crc32c::crc32c(&bytes[..content]);
        bytes[content..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// A record as the version before this one wrote it.
    pub(in crate::upload) fn encode_replaced(record: &SessionRecord) -> Vec<u8> {
        let mut bytes = record.encode();
        bytes.drain(18..26);
        sealed(bytes, REPLACED)
    }

    /// A record as the first version wrote it.
    fn encode_all_hashed(record: &SessionRecord) -> Vec<u8> {
        let mut bytes = encode_replaced(record);
        let len = |checkpoint: &Checkpoint| 8 + 8 + 4 + 4 + checkpoint.state.as_bytes().len();
        let synced = bytes.len() - 4 - len(&record.synced);
        let written = synced - len(&record.written);
        for checkpoint in [synced, written] {
            bytes.drain(checkpoint + 8..checkpoint + 16);
        }
        sealed(bytes, ALL_HASHED)
    }

    #[test]
    fn a_record_that_has_no_number_is_the_first() {
        let mut record = record();
        let bytes = encode_replaced(&record);
        record.turn = 0;
        assert_eq!(SessionRecord::decode(&bytes), Ok(record));
    }

    #[test]
    fn a_record_that_does_not_say_how_much_is_hashed_has_hashed_all() {
        let mut record = record();
        for checkpoint in [&mut record.written, &mut record.synced] {
            checkpoint.offset = checkpoint.hashed;
        }
        let bytes = encode_all_hashed(&record);
        record.turn = 0;
        assert_eq!(SessionRecord::decode(&bytes), Ok(record));
    }

    #[test]
    fn of_two_records_the_one_of_the_later_session_or_offset_or_turn_is_younger() {
        let age = |epoch, offset, turn| {
            let mut record = record();
            (record.epoch, record.turn) = (epoch, turn);
            record.written.offset = offset;
            record.age()
        };
        assert!(age(1, 9, 9) < age(2, 1, 1));
        assert!(age(1, 1, 9) < age(1, 2, 1));
        assert!(age(1, 1, 1) < age(1, 1, 2));
    }

    #[test]
    fn a_damaged_or_shortened_record_is_refused() {
        let bytes = record().encode();
        for at in [0, 1, 17, 60, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let refused = SessionRecord::decode(&damaged);
            assert_eq!(refused, Err("its checksum is wrong"), "byte {at}");
        }
        for len in 0..200 {
            assert!(SessionRecord::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn a_record_whose_checksum_is_right_and_whose_parts_are_not_is_refused() {
        let wrong: [fn(&mut SessionRecord); 6] = [
            |record| record.written.offset = MOST + 1,
            |record| record.checks.truncate(1),
            |record| record.written.offset = record.written.hashed - 1,
            |record| record.synced.offset = record.synced.hashed - 1,
            |record| record.synced.offset = record.written.offset + 1,
            |record| record.synced.hashed = record.written.hashed + 1,
        ];
        for change in wrong {
            let mut other = record();
            change(&mut other);
            let refused = SessionRecord::decode(&other.encode());
            assert_eq!(refused, Err("its parts do not fit together"));
        }
        let bytes = record().encode();
        for len in 0..bytes.len() - 4 {
            let mut short = bytes[..len].to_vec();
            short.extend_from_slice(&crc32c::crc32c(&bytes[..len]).to_le_bytes());
            assert!(SessionRecord::decode(&short).is_err(), "{len}");
        }
    }
}
