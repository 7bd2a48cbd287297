//! The head of the redb file, looked at before redb is given it.
//!
//! The file holds its last two commits, and one bit says which of them is the newer. redb trusts
//! that bit after a clean stop, so a flipped one would silently bring the commit before the last
//! back. After an unclean stop the older one may be right: then the newer was never answered.

use crate::disk::DiskFile;
use crate::fault::StorageError;
use std::path::Path;

const LEN: usize = 320;
const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
const FLAGS: usize = 9;
const NEWER_IS_SECOND: u8 = 1;
const UNCLEAN: u8 = 2;
/// Where the number of a commit lies, in the slot of each.
const NUMBERS: [usize; 2] = [64 + 104, 192 + 104];

/// Refuses a file that was closed cleanly and whose head points to the older of its two commits.
/// Answers whether it was closed cleanly.
pub(super) fn check(file: &dyn DiskFile, path: &Path) -> Result<bool, StorageError> {
    let failed = |error| StorageError::io("read", path, error);
    if file.len().map_err(failed)? < LEN as u64 {
        return Ok(false);
    }
    let mut head = [0; LEN];
    file.read_exact_at(&mut head, 0).map_err(failed)?;
    if points_to_older(&head) {
        return Err(StorageError::Metadata(format!(
            "{} is damaged: its head points to the older of two commits",
            super::FILE_NAME
        )));
    }
    Ok(head[FLAGS] & UNCLEAN == 0)
}

/// What is no head at all is for redb to refuse.
fn points_to_older(head: &[u8; LEN]) -> bool {
    let number = |at: usize| {
        let bytes = head.get(at..).and_then(|bytes| bytes.first_chunk::<8>());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    if !head.starts_with(MAGIC) || head[FLAGS] & UNCLEAN != 0 {
        return false;
    }
    let [first, second] = NUMBERS.map(number);
    if head[FLAGS] & NEWER_IS_SECOND == 0 {
        second > first
    } else {
        first > second
    }
}
