//! What is garbage, and what could not be read of it: the reads behind the collector's transactions.
//!
//! Invariants:
//! 1. A blob link is garbage only if its candidate row, the link, its count and its edges were all
//!    read and agree that nothing keeps it. Whatever cannot be read protects it.
//! 2. What a removal will read is read here before, so that it fails before its first write.
//! 3. A damaged row ends nothing but the removal of what it may hold: it is named in a
//!    [`DamagedRow`], and the scan goes on behind it.
//!
//! The same functions serve the plan (from a snapshot) and the removal (inside its transaction), so
//! that the two cannot come to different answers.

use super::keys;
use super::records::{
    BlobRecord, CandidateRecord, EdgeKind, FileRecord, LinkRecord, RepositoryRecord,
};
use super::requests::{Cut, Location};
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::transaction::kept_by;
use super::trash::Drain;
use crate::clock::EngineTime;
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::{Corruption, StorageError};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

/// A row that could not be read, or not be brought together with another. It is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRow {
    /// The table in which the collector came upon it.
    pub table: &'static str,
    /// The row's key in hexadecimal.
    pub key: String,
    /// What is wrong, in words; it may name another table whose row the first one needs.
    pub why: String,
}

/// A blob link in the queue of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) due: EngineTime,
    pub(crate) repository: u64,
    pub(crate) digest: Digest,
    pub(crate) since: EngineTime,
    pub(crate) leased: EngineTime,
    /// The blob's size in bytes.
    pub(crate) size: u64,
}

/// A piece of a queue, in its order.
#[derive(Debug)]
pub(crate) struct Piece<T> {
    pub(crate) items: Vec<T>,
    pub(crate) damaged: Vec<DamagedRow>,
    /// The key behind which the next piece begins; `None` at the end of the queue.
    pub(crate) next: Option<Vec<u8>>,
}

// === impl DamagedRow ===

impl DamagedRow {
    pub(super) fn new(table: Table, key: &[u8], why: &impl ToString) -> Self {
        let mut hex = String::with_capacity(key.len() * 2);
        for byte in key {
            write!(hex, "{byte:02x}").expect("a string takes everything");
        }
        Self {
            table: table.name(),
            key: hex,
            why: why.to_string(),
        }
    }
}

// === impl Cut ===

impl Cut {
    /// Whether a run takes a candidate that is due, by the store's grace, at `due`.
    pub(super) fn takes(&self, due: EngineTime, record: &CandidateRecord) -> bool {
        self.moment(due, record.since, record.leased) <= self.as_of
    }

    /// When a candidate goes: by this run's grace, never before its lease.
    pub(crate) fn moment(
        &self,
        due: EngineTime,
        since: EngineTime,
        leased: EngineTime,
    ) -> EngineTime {
        match self.grace {
            None => due,
            Some(grace) => since.after(Duration::from_millis(grace)).max(leased),
        }
    }
}

/// Whether an error says that stored bytes are wrong, rather than that the machine failed.
pub(crate) fn is_damage(error: &StorageError) -> bool {
    matches!(error, StorageError::Corrupt(_) | StorageError::Metadata(_))
}

/// Whether a candidate is leased at least until `until`. What cannot be read counts as not: then
/// the lease is written anew.
pub(super) fn is_leased(
    rows: &impl Rows,
    (due, repository, digest): (EngineTime, u64, &Digest),
    until: EngineTime,
) -> Result<bool, StorageError> {
    let key = keys::candidate(due, repository, digest);
    match rows.record::<CandidateRecord>(Table::Candidates, &key) {
        Ok(record) => Ok(record.is_some_and(|record| record.leased >= until)),
        Err(StorageError::Corrupt(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The candidates a run takes, from behind `after`. At most `limit` of them, and at most 16 times as
/// many rows, are looked at. They are not checked yet.
pub(super) fn candidates(
    rows: &impl Rows,
    cut: &Cut,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Piece<Candidate>, StorageError> {
    let mut piece = Gathering::default();
    let mut looked_at = 0;
    rows.scan_any(Table::Candidates, &[], after, &mut |key, payload| {
        let row = payload.and_then(|payload| candidate(key, payload));
        let is_later = matches!(&row, Ok(row) if row.due > cut.as_of);
        if is_later && cut.grace.is_none() {
            return Ok(Scan::Stop);
        }
        if piece.items.len() == limit || looked_at == limit.saturating_mul(16) {
            piece.is_full = true;
            return Ok(Scan::Stop);
        }
        looked_at += 1;
        piece.last = key.to_vec();
        match row {
            Ok(row) if cut.moment(row.due, row.since, row.leased) <= cut.as_of => {
                piece.items.push(row);
            }
            Ok(_) => {}
            Err(damage) => piece.set_aside(Table::Candidates, key, &damage),
        }
        Ok(Scan::Next)
    })?;
    Ok(piece.finish())
}

fn candidate(key: &[u8], payload: &[u8]) -> Result<Candidate, Corruption> {
    use super::codec::Record as _;
    let record = CandidateRecord::from_payload(Table::Candidates, payload)?;
    let (due, rest) = keys::split_number(Table::Candidates, key)?;
    let (repository, rest) = keys::split_number(Table::Candidates, rest)?;
    Ok(Candidate {
        due: EngineTime(due),
        repository,
        digest: keys::last_digest(Table::Candidates, rest)?,
        since: record.since,
        leased: record.leased,
        size: 0,
    })
}

/// The link of a candidate, unless it was linked, leased, pushed again or removed since it was
/// found. Reads all that its removal will read, so what comes after cannot fail on damage.
pub(super) fn still_garbage(
    rows: &impl Rows,
    cut: &Cut,
    candidate: &Candidate,
) -> Result<Option<LinkRecord>, StorageError> {
    let Candidate {
        due,
        repository,
        ref digest,
        ..
    } = *candidate;
    let key = keys::candidate(due, repository, digest);
    let record = rows.record::<CandidateRecord>(Table::Candidates, &key)?;
    if record.is_none_or(|record| !cut.takes(due, &record)) {
        return Ok(None);
    }
    check_candidate(rows, (due, repository, digest)).map(Some)
}

/// The link of a candidate, if everything agrees that nothing keeps it (invariants 1 and 2).
pub(super) fn check_candidate(
    rows: &impl Rows,
    (due, repository, digest): (EngineTime, u64, &Digest),
) -> Result<LinkRecord, StorageError> {
    let key = keys::in_repository(repository, digest);
    let link: LinkRecord = rows.needed(Table::BlobLinks, &key, "a candidate")?;
    if link.due != Some(due) {
        return Err(unfit(
            Table::BlobLinks,
            "it is not due when its candidate is",
        ));
    }
    if rows.payload(Table::Counts, &key)?.is_some() {
        return Err(unfit(Table::Counts, "it counts links to a candidate"));
    }
    if is_linked(rows, repository, digest)? {
        return Err(unfit(Table::Edges, "an edge leads to a candidate"));
    }
    check_unlink(rows, repository, digest)?;
    Ok(link)
}

/// Whether a keeping edge leads to a digest. The one kind that keeps nothing sorts last.
fn is_linked(rows: &impl Rows, repository: u64, digest: &Digest) -> Result<bool, StorageError> {
    let prefix = keys::in_repository(repository, digest);
    let mut is_linked = false;
    rows.scan(Table::Edges, &prefix, None, &mut |key, _| {
        is_linked = key.get(prefix.len()) != Some(&(EdgeKind::Subject as u8));
        Ok(Scan::Stop)
    })?;
    Ok(is_linked)
}

/// Reads what `Transaction::unlink_blob` will read (invariant 2).
pub(super) fn check_unlink(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<(), StorageError> {
    if has_other_holder(rows, Table::Holders, repository, digest)? {
        return Ok(());
    }
    let record: BlobRecord = rows.needed(Table::Blobs, &digest.to_key(), "its holder")?;
    let Location::Segment { number, .. } = record.location else {
        return Ok(());
    };
    match rows.needed(Table::Files, &keys::number(number), "a blob in a segment")? {
        FileRecord::Segment { live: 1.. } => Ok(()),
        FileRecord::Segment { live: 0 } | FileRecord::Blob(_) => Err(unfit(
            Table::Files,
            "it does not count a blob that lies in the segment",
        )),
    }
}

/// Reads what `remove_manifest` will read (invariant 2).
pub(super) fn check_remove_manifest(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<(), StorageError> {
    let key = keys::in_repository(repository, digest);
    let links: Links = rows.needed(Table::ManifestLinks, &key, "a manifest")?;
    for (target, edges) in kept_by(&links) {
        let key = keys::in_repository(repository, &target);
        if rows.record::<u64>(Table::Counts, &key)?.unwrap_or(0) < edges {
            return Err(unfit(Table::Counts, "it counts fewer links than there are"));
        }
        rows.record::<LinkRecord>(Table::BlobLinks, &key)?;
    }
    has_other_holder(rows, Table::ManifestHolders, repository, digest).map(drop)
}

pub(super) fn has_other_holder(
    rows: &impl Rows,
    table: Table,
    repository: u64,
    digest: &Digest,
) -> Result<bool, StorageError> {
    let own = keys::holder(digest, repository);
    let mut found = false;
    rows.scan(table, &digest.to_key(), None, &mut |key, _| {
        found = key != own;
        Ok(if found { Scan::Stop } else { Scan::Next })
    })?;
    Ok(found)
}

/// The drains from behind `after`, at most `limit`, with the keys of their rows.
pub(super) fn drains(
    rows: &impl Rows,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Piece<(Vec<u8>, Drain)>, StorageError> {
    use super::codec::Record as _;
    let mut piece = Gathering::default();
    rows.scan_any(Table::Drains, &[], after, &mut |key, payload| {
        if piece.items.len() == limit {
            piece.is_full = true;
            return Ok(Scan::Stop);
        }
        piece.last = key.to_vec();
        match payload.and_then(|payload| Drain::from_payload(Table::Drains, payload)) {
            Ok(drain) => piece.items.push((key.to_vec(), drain)),
            Err(damage) => piece.set_aside(Table::Drains, key, &damage),
        }
        Ok(Scan::Next)
    })?;
    Ok(piece.finish())
}

/// The repositories that are deleted and wait to be drained.
pub(super) fn draining(rows: &impl Rows) -> Result<HashSet<u64>, StorageError> {
    let drains = drains(rows, None, usize::MAX)?.items.into_iter();
    Ok(drains
        .filter_map(|(_, drain)| match drain {
            Drain::Repository(id) => Some(id),
            Drain::Tags { .. } | Drain::HideTags { .. } => None,
        })
        .collect())
}

/// The name of a repository, which may be deleted already.
pub(super) fn repository_record(
    rows: &impl Rows,
    repository: u64,
) -> Result<RepositoryRecord, StorageError> {
    let key = keys::number(repository);
    rows.needed(Table::Repositories, &key, "a row of it")
}

fn unfit(table: Table, why: &'static str) -> StorageError {
    let table = table.name();
    Corruption::Record { table, why }.into()
}

/// A piece in the making.
pub(super) struct Gathering<T> {
    pub(super) items: Vec<T>,
    damaged: Vec<DamagedRow>,
    /// The key of the row looked at last.
    pub(super) last: Vec<u8>,
    /// It ended before the queue did.
    pub(super) is_full: bool,
}

// === impl Gathering ===

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            damaged: Vec::new(),
            last: Vec::new(),
            is_full: false,
        }
    }
}

impl<T> Gathering<T> {
    pub(super) fn set_aside(&mut self, table: Table, key: &[u8], why: &impl ToString) {
        self.damaged.push(DamagedRow::new(table, key, why));
    }

    pub(super) fn finish(self) -> Piece<T> {
        Piece {
            items: self.items,
            damaged: self.damaged,
            next: self.is_full.then_some(self.last),
        }
    }
}
