//! What the collector is asked and what it answers, as plain values.

use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::meta::DamagedRow;
use crate::name::RepositoryName;
use crate::options::CollectBudget;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a run behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CollectOptions {
    /// How long ago a blob must have lost its last link; `None`: what the store was opened with.
    /// Leases hold whatever the grace: a client that was told of a blob finds it.
    pub grace: Option<Duration>,
    /// Makes every deletion final first: nothing that was deleted until now can be restored. Grace
    /// and lease of what it held begin there.
    pub empty_trash: bool,
    /// Removes nothing and reports what would be removed.
    pub dry_run: bool,
}

/// Why a run did not begin or did not end.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Collection is paused. Nothing was done.
    #[error("collection is paused")]
    Paused,
    /// The machine failed; what was removed until then is removed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a run of the collector did, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GcReport {
    /// Blobs that left a repository because nothing linked them, or their repository was deleted.
    pub unlinked: u64,
    /// Blobs that left the store.
    pub removed: u64,
    /// The bytes of those.
    pub bytes: u64,
    /// Deleted manifests that cannot be restored any more.
    pub purged_manifests: u64,
    /// Uploads that had expired.
    pub expired_uploads: u64,
    /// What clients had sent of those.
    pub expired_bytes: u64,
    /// Files without a record that were removed since the report before. In a dry run those that
    /// are not looked for yet are not among them (see [`GcStatus::orphans_searched`]).
    pub orphan_files: u64,
    /// Rows that could not be read, and so kept whatever they may hold.
    pub damaged: u64,
    /// Files and uploads that could not be removed; the next run tries again.
    pub failed: u64,
    /// Bytes stay until a backup that copies them has ended; then they go by themselves.
    pub held: bool,
    /// It came to its end. If not, it was paused; the rest goes when it is resumed.
    pub complete: bool,
    /// Nothing of it was done.
    pub dry_run: bool,
}

/// What the collector is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GcPhase {
    /// Waiting for the next turn.
    #[default]
    Idle,
    /// Ending uploads that have expired.
    Uploads,
    /// Making deletions final.
    Trash,
    /// Taking blobs out of repositories.
    Blobs,
    /// Removing rows of what was deleted.
    Rows,
    /// Giving bytes back.
    Space,
}

/// Where the collector stands. All sums are of the run that goes on, or of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GcStatus {
    /// What it is at.
    pub phase: GcPhase,
    /// Nothing is removed until it is resumed; kept over restarts.
    pub paused: bool,
    /// How fast it may go.
    pub budget: CollectBudget,
    /// Blobs that were due when the run began.
    pub due: u64,
    /// Those that were dealt with.
    pub done: u64,
    /// Bytes of the blobs that left the store.
    pub bytes: u64,
    /// How long the rest of the blobs takes at the speed so far; `None` while nothing tells.
    pub eta: Option<Duration>,
    /// Rows set aside because they could not be read. It does not fall to zero before they can.
    pub damaged: u64,
    /// Files without a record that were removed since the store was opened.
    pub orphan_files: u64,
    /// The files that a crash may have left without a record were all looked at.
    pub orphans_searched: bool,
    /// The last run that did something, and when it ended.
    pub last: Option<(GcReport, EngineTime)>,
    /// What stopped the last run, if something did.
    pub last_error: Option<String>,
}

/// How long the collector's queues are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GcQueues {
    /// Blobs in repositories that nothing links, due or not.
    pub candidates: u64,
    /// Files and parts of files that wait to be given back.
    pub waiting: u64,
}

/// The rows the last whole run set aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DamagedReport {
    /// The first thousand, by table and key.
    pub rows: Vec<DamagedRow>,
    /// How many there were.
    pub total: u64,
}

/// A blob that a run takes out of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRemoval {
    /// Where the next page begins if this is the last of its page.
    pub position: PlanPosition,
    /// The repository it leaves; `None` when the record of its name cannot be read.
    pub repository: Option<RepositoryName>,
    /// The blob.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// Why it goes, and since when it may.
    pub reason: RemovalReason,
    /// It is the last repository that holds the blob when its turn comes: the bytes come back.
    pub frees: bool,
}

/// Why a blob leaves a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// No manifest of the repository links it.
    Unlinked {
        /// When it lost its last link, or was pushed without one.
        since: EngineTime,
        /// When it was free to go: grace and lease had passed.
        due: EngineTime,
    },
    /// The repository was deleted.
    RepositoryDeleted,
}

/// A place in a plan. The pages of one plan are all of the moment of its first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanPosition {
    pub(super) as_of: EngineTime,
    pub(super) key: Vec<u8>,
}

/// A text that is no place in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a plan of the collector")]
pub struct ParsePositionError;

// === impl GcPhase ===

impl GcPhase {
    /// One word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Uploads => "uploads",
            Self::Trash => "trash",
            Self::Blobs => "blobs",
            Self::Rows => "rows",
            Self::Space => "space",
        }
    }
}

// === impl GcStatus ===

impl GcStatus {
    /// Blobs that were due and are left.
    pub fn left(&self) -> u64 {
        self.due.saturating_sub(self.done)
    }
}

// === impl GcReport ===

impl GcReport {
    /// Whether anything was removed, or could not be.
    pub(super) fn is_news(&self) -> bool {
        let Self {
            unlinked,
            removed: _,
            bytes: _,
            purged_manifests,
            expired_uploads,
            expired_bytes: _,
            orphan_files,
            damaged,
            failed,
            held: _,
            complete: _,
            dry_run: _,
        } = self;
        [
            unlinked,
            purged_manifests,
            expired_uploads,
            orphan_files,
            damaged,
            failed,
        ]
        .into_iter()
        .any(|&count| count > 0)
    }
}

// === impl PlanPosition ===

impl fmt::Display for PlanPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.as_of.0)?;
        self.key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PlanPosition {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let byte = |&[high, low]: &[u8; 2]| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(high)? * 16 + digit(low)?;
            u8::try_from(value).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes
            .filter(|_| rest.is_empty())
            .ok_or(ParsePositionError)?;
        let (as_of, key) = bytes.split_first_chunk::<8>().ok_or(ParsePositionError)?;
        Ok(Self {
            as_of: EngineTime(u64::from_be_bytes(*as_of)),
            key: key.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_round_trips_and_other_texts_are_refused() {
        let position = PlanPosition {
            as_of: EngineTime(77),
            key: vec![1, 0, 255],
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "00", "000000000000000g", "00000000000000000"] {
            assert_eq!(
                text.parse::<PlanPosition>(),
                Err(ParsePositionError),
                "{text}"
            );
        }
    }
}
