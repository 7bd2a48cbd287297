//! Any bytes as the record of an upload at rest (see [`crate::fuzzing`]).

use super::hashing::{Hashing, PIECE};
use super::record::SessionRecord;

/// A record without its checksum. What it decodes to goes on, as a resumed upload does, by a whole
/// piece more.
pub fn session(content: &[u8]) {
    let mut bytes = content.to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(content).to_le_bytes());
    let Ok(record) = SessionRecord::decode(&bytes) else {
        return;
    };
    assert_eq!(SessionRecord::decode(&record.encode()), Ok(record.clone()));
    for boot_id in [record.boot_id.as_str(), ""] {
        let checkpoint = record.checkpoint(boot_id);
        let (offset, checks) = (checkpoint.hashed, record.checks.clone());
        let restored = Hashing::restore(&checkpoint.state, offset, checks, checkpoint.partial);
        if let Ok(mut hashing) = restored {
            hashing.update(&vec![7; PIECE + 1]);
            assert_eq!(hashing.offset(), offset + PIECE as u64 + 1);
            hashing.finish();
        }
    }
}
