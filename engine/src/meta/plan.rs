//! What a run of the collector would remove, item by item, without removing it.
//!
//! Invariant: the items are exactly those that a run with the same cut removes if nothing else
//! changes meanwhile, and `frees` is true of exactly one item of each digest that leaves the store.
//! That holds because a plan asks the same functions as the removal (`garbage`, `write_drain`).

use super::garbage::{self, is_damage};
use super::records::{CandidateRecord, LinkRecord};
use super::requests::Cut;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::write_drain::readable;
use super::{Metadata, keys};
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::RepositoryName;
use std::collections::HashSet;

/// The part of a run that removes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Phase {
    /// Nothing keeps it and its time has passed.
    Due = 1,
    /// Its repository was deleted.
    Deleted = 2,
}

/// Where an item stands in a plan: its phase and the keys that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position(pub(crate) Vec<u8>);

/// A blob that a run takes out of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) position: Position,
    /// `None` when the record that names it cannot be read.
    pub(crate) repository: Option<RepositoryName>,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// When it became garbage, and when it was free to go; `None`: its repository was deleted.
    pub(crate) times: Option<(EngineTime, EngineTime)>,
    /// No other repository holds it any more when its turn comes: its bytes come back.
    pub(crate) frees: bool,
}

/// An item's turn: phase, due time, repository. Every two holders of a digest differ in it.
type Turn = (Phase, u64, u64);

/// Blob links of a deleted repository read at once.
const LINKS: usize = 64;

/// What a plan is made for.
struct Plan<'c> {
    cut: &'c Cut,
    draining: HashSet<u64>,
}

// === impl Metadata ===

impl Metadata {
    /// The items of a run from behind `after`, at most `limit` (at least one); none at the end.
    pub(crate) fn plan(
        &self,
        cut: &Cut,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Planned>, StorageError> {
        let draining = self.database.read(garbage::draining)?;
        let plan = Plan { cut, draining };
        let mut items = Vec::new();
        let deleted = match after.map(|position| position.0.split_first()) {
            Some(Some((phase, keys))) if *phase == Phase::Deleted as u8 => Some(keys),
            Some(Some((_, key))) => {
                self.plan_due(&plan, Some(key), limit, &mut items)?;
                None
            }
            _ => {
                self.plan_due(&plan, None, limit, &mut items)?;
                None
            }
        };
        if items.len() < limit {
            self.plan_deleted(&plan, deleted, limit, &mut items)?;
        }
        Ok(items)
    }

    fn plan_due(
        &self,
        plan: &Plan<'_>,
        after: Option<&[u8]>,
        limit: usize,
        items: &mut Vec<Planned>,
    ) -> Result<(), StorageError> {
        let mut after = after.map(<[u8]>::to_vec);
        while items.len() < limit {
            let piece = self.due(plan.cut, after.as_deref(), limit - items.len())?;
            for candidate in piece.items {
                let key = keys::candidate(candidate.due, candidate.repository, &candidate.digest);
                let turn = (Phase::Due, candidate.due.0, candidate.repository);
                let (since, leased) = (candidate.since, candidate.leased);
                let due = plan.cut.moment(candidate.due, since, leased);
                items.push(Planned {
                    position: position(Phase::Due, &[&key]),
                    repository: self.name_of(candidate.repository)?,
                    digest: candidate.digest,
                    size: candidate.size,
                    times: Some((since, due)),
                    frees: self.frees(plan, turn, &candidate.digest)?,
                });
            }
            match piece.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The blobs of deleted repositories, by the drains that take them.
    fn plan_deleted(
        &self,
        plan: &Plan<'_>,
        after: Option<&[u8]>,
        limit: usize,
        items: &mut Vec<Planned>,
    ) -> Result<(), StorageError> {
        let (from, mut link) = match after.and_then(|keys| keys.split_at_checked(8)) {
            Some((drain, link)) => (Some(drain.to_vec()), Some(link.to_vec())),
            None => (None, None),
        };
        let drains = self
            .database
            .read(|rows| garbage::drains(rows, None, usize::MAX))?;
        for (key, drain) in drains.items {
            let super::trash::Drain::Repository(id) = drain else {
                continue;
            };
            if from.as_ref().is_some_and(|from| key < *from) {
                continue;
            }
            let behind = link.take().filter(|_| from.as_ref() == Some(&key));
            self.plan_drain(plan, (&key, id), behind, (limit, &mut *items))?;
            if items.len() >= limit {
                break;
            }
        }
        Ok(())
    }

    /// The blobs of one deleted repository, from a link on.
    fn plan_drain(
        &self,
        plan: &Plan<'_>,
        (drain, id): (&[u8], u64),
        mut behind: Option<Vec<u8>>,
        (limit, items): (usize, &mut Vec<Planned>),
    ) -> Result<(), StorageError> {
        loop {
            let links = self.links_of(id, behind.as_deref())?;
            let Some(last) = links.last() else {
                return Ok(());
            };
            behind = Some(last.clone());
            for link in links {
                items.extend(self.plan_link(plan, (drain, id), &link)?);
            }
            if items.len() >= limit {
                items.truncate(limit);
                return Ok(());
            }
        }
    }

    /// Some keys of a repository's blob links that can be read.
    fn links_of(&self, id: u64, after: Option<&[u8]>) -> Result<Vec<Vec<u8>>, StorageError> {
        let prefix = keys::number(id);
        self.database.read(|rows| {
            let mut links = Vec::new();
            rows.scan_any(Table::BlobLinks, &prefix, after, &mut |key, payload| {
                links.extend(payload.is_ok().then(|| key.to_vec()));
                Ok(Scan::while_true(links.len() < LINKS))
            })?;
            Ok(links)
        })
    }

    /// A blob of a deleted repository, unless it goes as a due one before or cannot go.
    fn plan_link(
        &self,
        plan: &Plan<'_>,
        (drain, id): (&[u8], u64),
        key: &[u8],
    ) -> Result<Option<Planned>, StorageError> {
        let read = self.database.read(|rows| {
            let (digest, link) = readable(rows, Table::BlobLinks, (id, key))?;
            let is_due = plan
                .turn(rows, id, &digest)?
                .is_some_and(|turn| turn.0 == Phase::Due);
            Ok(link.filter(|_| !is_due).map(|link| (digest, link)))
        });
        let (digest, LinkRecord { size, .. }) = match read {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) if is_damage(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Planned {
            position: position(Phase::Deleted, &[drain, key]),
            repository: self.name_of(id)?,
            digest,
            size,
            times: None,
            frees: self.frees(plan, (Phase::Deleted, 0, id), &digest)?,
        }))
    }

    fn name_of(&self, repository: u64) -> Result<Option<RepositoryName>, StorageError> {
        let record = self
            .database
            .read(|rows| garbage::repository_record(rows, repository));
        match record {
            Ok(record) => Ok(Some(record.name)),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether an item is the last of its digest's holders to go. A holder whose rows cannot be read
    /// stays.
    fn frees(&self, plan: &Plan<'_>, own: Turn, digest: &Digest) -> Result<bool, StorageError> {
        let prefix = digest.to_key();
        let frees = self.database.read(|rows| {
            let mut frees = true;
            rows.scan(Table::Holders, &prefix, None, &mut |key, _| {
                let rest = key.get(prefix.len()..).unwrap_or_default();
                let (id, _) = keys::split_number(Table::Holders, rest)?;
                let is_earlier = |turn: Option<Turn>| turn.is_some_and(|turn| turn < own);
                frees = id == own.2 || is_earlier(plan.turn(rows, id, digest)?);
                Ok(Scan::while_true(frees))
            })?;
            Ok(frees)
        });
        match frees {
            Err(error) if is_damage(&error) => Ok(false),
            frees => frees,
        }
    }
}

// === impl Plan ===

impl Plan<'_> {
    /// When a holder of a digest goes in this run, if it does.
    fn turn(
        &self,
        rows: &impl Rows,
        id: u64,
        digest: &Digest,
    ) -> Result<Option<Turn>, StorageError> {
        let key = keys::in_repository(id, digest);
        let link = rows.record::<LinkRecord>(Table::BlobLinks, &key);
        let Some(link) = or_stays(link)?.flatten() else {
            return Ok(None);
        };
        if let Some(due) = link.due {
            let key = keys::candidate(due, id, digest);
            let record = or_stays(rows.record::<CandidateRecord>(Table::Candidates, &key))?;
            let is_taken = record
                .flatten()
                .is_some_and(|record| self.cut.takes(due, &record));
            if is_taken && or_stays(garbage::check_candidate(rows, (due, id, digest)))?.is_some() {
                return Ok(Some((Phase::Due, due.0, id)));
            }
        }
        let goes = self.draining.contains(&id)
            && or_stays(garbage::check_unlink(rows, id, digest))?.is_some();
        Ok(goes.then_some((Phase::Deleted, 0, id)))
    }
}

fn position(phase: Phase, keys: &[&[u8]]) -> Position {
    let mut position = vec![phase as u8];
    position.extend(keys.iter().copied().flatten());
    Position(position)
}

/// What could not be read stays: `None`.
fn or_stays<T>(read: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_damage(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
