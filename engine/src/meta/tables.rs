//! Every table, its key and its value. All keys and values are plain bytes. Where they lie says `trees`.
//!
//! Values are sealed: version byte, payload, checksum over table, key and payload (see `seal`), so
//! a damaged or misplaced value is an error and never an answer. Numbers in keys are big-endian, so
//! that byte order is number order; digests are [`Digest::to_key`], which are prefix-free.
//!
//! A repository is its numeric id everywhere but in `RepositoryNames`: a name that was deleted and
//! used again has another id, so rows of the old one can never be seen through the new one.
//!
//! [`Digest::to_key`]: crate::digest::Digest::to_key

use crate::fault::Corruption;

/// A table. The comments give key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Table {
    /// Name of a setting -> its value.
    Settings = 1,
    /// Repository name -> `NameRecord`.
    RepositoryNames = 2,
    /// Repository -> `RepositoryRecord`.
    Repositories = 3,
    /// Digest -> `BlobRecord`: exists exactly while some repository holds the blob.
    Blobs = 4,
    /// Digest -> block checksums; only for blobs of more than one block.
    BlockChecks = 5,
    /// Repository, digest -> `LinkRecord`: the repository holds the blob.
    BlobLinks = 6,
    /// Digest, repository -> nothing: the reverse of `BlobLinks`.
    Holders = 7,
    /// Repository, target digest, kind, source digest -> `EdgeRecord`.
    Edges = 8,
    /// Repository, target digest -> number of its keeping edges; no row for zero.
    Counts = 9,
    /// Repository, digest -> `ManifestRecord`.
    Manifests = 10,
    /// Repository, digest -> `Links` of a manifest, a deleted one too.
    ManifestLinks = 11,
    /// Digest -> the bytes of a manifest; exists exactly while some repository has it or can
    /// restore it.
    Contents = 12,
    /// Digest, repository -> nothing: the repositories that have a manifest or can restore it.
    ManifestHolders = 13,
    /// Repository, tag -> `TagRecord`. A tag is visible while the manifest's record has its link id.
    Tags = 14,
    /// Repository, link id, tag -> nothing: the reverse of `Tags`, and the names of the tags that
    /// manifests in `Trash` had.
    LinkTags = 15,
    /// Due time, repository, digest -> `CandidateRecord`: blobs without keeping edges.
    Candidates = 16,
    /// Sequence number -> `Place` whose bytes nobody refers to any more.
    Unlinks = 17,
    /// Sequence number -> `Drain`: rows that are invisible already and wait to be removed.
    Drains = 18,
    /// Expiry, upload key -> nothing: uploads that ended before their id expired.
    EndedUploads = 19,
    /// File number -> `FileRecord`: whose bytes a file holds.
    Files = 20,
    /// First file number -> the number behind the last: numbers that may have been used for files
    /// without a record since the store was last opened.
    FileRanges = 21,
    /// Repository, digest -> `TrashRecord`: manifests that were deleted and can be restored.
    Trash = 22,
    /// Due time, sequence number -> `TrashItem`: deletions that become final then.
    TrashQueue = 23,
    /// Repository, tag -> changes of the tag, the oldest first; at most as many as the options say.
    TagHistory = 24,
    /// Repository name, zero byte, repository -> `DeletedRecord`: repositories that were deleted and
    /// can be restored.
    DeletedRepositories = 25,
    /// Repository, digest -> engine time, to an hour: when a manifest was last pulled. Only while a
    /// policy asks for it.
    Pulls = 26,
}

// === impl Table ===

impl Table {
    /// Every table, for opening them all.
    pub(super) const ALL: [Self; 26] = [
        Self::Settings,
        Self::RepositoryNames,
        Self::Repositories,
        Self::Blobs,
        Self::BlockChecks,
        Self::BlobLinks,
        Self::Holders,
        Self::Edges,
        Self::Counts,
        Self::Manifests,
        Self::ManifestLinks,
        Self::Contents,
        Self::ManifestHolders,
        Self::Tags,
        Self::LinkTags,
        Self::Candidates,
        Self::Unlinks,
        Self::Drains,
        Self::EndedUploads,
        Self::Files,
        Self::FileRanges,
        Self::Trash,
        Self::TrashQueue,
        Self::TagHistory,
        Self::DeletedRepositories,
        Self::Pulls,
    ];

    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::RepositoryNames => "repository-names",
            Self::Repositories => "repositories",
            Self::Blobs => "blobs",
            Self::BlockChecks => "block-checks",
            Self::BlobLinks => "blob-links",
            Self::Holders => "holders",
            Self::Edges => "edges",
            Self::Counts => "counts",
            Self::Manifests => "manifests",
            Self::ManifestLinks => "manifest-links",
            Self::Contents => "contents",
            Self::ManifestHolders => "manifest-holders",
            Self::Tags => "tags",
            Self::LinkTags => "link-tags",
            Self::Candidates => "candidates",
            Self::Unlinks => "unlinks",
            Self::Drains => "drains",
            Self::EndedUploads => "ended-uploads",
            Self::Files => "files",
            Self::FileRanges => "file-ranges",
            Self::Trash => "trash",
            Self::TrashQueue => "trash-queue",
            Self::TagHistory => "tag-history",
            Self::DeletedRepositories => "deleted-repositories",
            Self::Pulls => "pulls",
        }
    }

    /// Its position in [`Table::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize - 1
    }

    /// A value of `payload` as it is stored under `key`.
    pub(super) fn seal(self, key: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(payload.len() + 5);
        sealed.push(RECORD_VERSION);
        sealed.extend_from_slice(payload);
        let check = self.check(key, &sealed);
        sealed.extend_from_slice(&check.to_le_bytes());
        sealed
    }

    /// The payload of a stored value.
    pub(super) fn unseal<'v>(self, key: &[u8], sealed: &'v [u8]) -> Result<&'v [u8], Corruption> {
        let damaged = |why| Corruption::Record {
            table: self.name(),
            why,
        };
        let (body, check) = sealed
            .split_last_chunk::<4>()
            .ok_or(damaged("it is too short"))?;
        if self.check(key, body) != u32::from_le_bytes(*check) {
            return Err(damaged("its checksum does not match"));
        }
        match body.split_first() {
            Some((&RECORD_VERSION, payload)) => Ok(payload),
            Some(_) => Err(damaged("its version is unknown")),
            None => Err(damaged("it is empty")),
        }
    }

    fn check(self, key: &[u8], body: &[u8]) -> u32 {
        let check = crc32c::crc32c_append(crc32c::crc32c(&[self as u8]), key);
        crc32c::crc32c_append(check, body)
    }
}

/// The version of every record's form. A record of another form gets another version here, or is
/// rewritten with the format (see `migrating`).
const RECORD_VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_the_order_of_all() {
        for (index, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.index(), index);
        }
    }

    #[test]
    fn a_sealed_value_opens_only_where_it_was_put_and_undamaged() {
        let sealed = Table::Tags.seal(b"key", b"payload");
        assert_eq!(Table::Tags.unseal(b"key", &sealed).unwrap(), b"payload");
        assert!(Table::Tags.unseal(b"other", &sealed).is_err());
        assert!(Table::Blobs.unseal(b"key", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Table::Tags.unseal(b"key", &flipped).is_err(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(
                Table::Tags.unseal(b"key", &sealed[..len]).is_err(),
                "length {len}"
            );
        }
    }
}
