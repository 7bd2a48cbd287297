//! How far a commit gets, and what became of it.

/// What happens to commits that are not durable when the file is closed. redb makes them durable
/// when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    /// Their bytes are durable: they may become so too.
    Keep,
    /// Their bytes are not: they must be forgotten.
    Forget,
}

/// How far a commit gets before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Into redb's memory: visible and not durable.
    Memory,
    /// Into the journal, or into redb's file where that has no room.
    Journal,
    /// Into redb's file.
    File,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Committed {
    /// How far it got.
    pub(super) reach: Reach,
    /// It left work for the collector.
    pub(super) kick: bool,
    /// It removed more rows than it wrote.
    pub(super) gave_back: bool,
}

/// What became of a commit that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landing {
    /// It is not there: nothing was changed.
    Missed,
    /// It is there, and durable with the next commit.
    Landed,
    /// Nobody can tell.
    Unknown,
}

/// Whether a file was opened again that refused to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reopened {
    No,
    /// By who asked.
    Here,
    /// By somebody else meanwhile, or it was not needed.
    ByOthers,
}
