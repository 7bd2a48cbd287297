//! Why a digest is still there: every edge that leads to it, upwards to the tags.
//!
//! Bounded: a page of repositories, and in each at most [`EDGES`] edges and [`TAGS`] tags, found
//! breadth first, each manifest looked at once.

use super::records::{BlobRecord, CandidateRecord, EdgeKind, LinkRecord, ManifestRecord};
use super::requests::Location;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::{Metadata, garbage, keys, lookup};
use crate::clock::EngineTime;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::gc::{Edge, EdgeReason, Holder, HolderState, Standing, StoredBytes, StoredIn, Why};
use crate::name::Tag;
use crate::page::Page;
use std::collections::{BTreeSet, HashSet, VecDeque};

/// Edges named per repository at most.
const EDGES: usize = 256;

/// Tags named per repository at most.
const TAGS: usize = 100;

// === impl Metadata ===

impl Metadata {
    /// Why a digest is there; `None` if no repository holds it as a blob or a manifest. `page` is
    /// one of repositories, by the numbers of [`Holder::position`].
    pub(crate) fn why(
        &self,
        digest: &Digest,
        page: &Page<u64>,
    ) -> Result<Option<Why>, StorageError> {
        let now = self.now();
        self.database.read(|rows| {
            let blob = stored_bytes(rows, digest)?;
            let (ids, more) = holders(rows, digest, page)?;
            let is_known = blob.is_some()
                || !ids.is_empty()
                || rows.any(Table::ManifestHolders, &digest.to_key())?;
            if !is_known {
                return Ok(None);
            }
            let mut holders = Vec::with_capacity(ids.len());
            for id in ids {
                holders.push(holder(rows, id, digest)?);
            }
            Ok(Some(Why {
                digest: *digest,
                now,
                blob,
                holders,
                more_holders: more,
            }))
        })
    }
}

/// The repositories that hold a digest as a blob or as a manifest, in the order of their age.
fn holders(
    rows: &impl Rows,
    digest: &Digest,
    page: &Page<u64>,
) -> Result<(Vec<u64>, bool), StorageError> {
    let prefix = digest.to_key();
    let after = page.after.map(|after| keys::holder(digest, after));
    let mut ids = BTreeSet::new();
    for table in [Table::Holders, Table::ManifestHolders] {
        let mut found = 0;
        rows.scan_any(table, &prefix, after.as_deref(), &mut |key, _| {
            let rest = key.get(prefix.len()..).unwrap_or_default();
            ids.insert(keys::split_number(table, rest)?.0);
            found += 1;
            // One more than the page tells that there are more.
            Ok(if found > page.limit {
                Scan::Stop
            } else {
                Scan::Next
            })
        })?;
    }
    let more = ids.len() > page.limit;
    Ok((ids.into_iter().take(page.limit).collect(), more))
}

fn stored_bytes(rows: &impl Rows, digest: &Digest) -> Result<Option<StoredBytes>, StorageError> {
    let record = rows.record::<BlobRecord>(Table::Blobs, &digest.to_key())?;
    Ok(record.map(|record| StoredBytes {
        size: record.size,
        damaged: record.damaged,
        location: match record.location {
            Location::File(number) => StoredIn::File { number },
            Location::Segment { number, offset } => StoredIn::Segment { number, offset },
        },
    }))
}

fn holder(rows: &impl Rows, id: u64, digest: &Digest) -> Result<Holder, StorageError> {
    let record = garbage::repository_record(rows, id)?;
    let key = keys::in_repository(id, digest);
    let manifest = lookup::manifest(rows, id, digest)?;
    let edges_that_keep = rows.record::<u64>(Table::Counts, &key)?.unwrap_or(0);
    let state = if record.live {
        HolderState::Live
    } else {
        HolderState::Deleted
    };
    let blob = match rows.record::<LinkRecord>(Table::BlobLinks, &key)? {
        None => None,
        Some(LinkRecord { due: None, .. }) => Some(Standing::Kept),
        Some(LinkRecord { due: Some(due), .. }) => Some(candidate(rows, id, digest, due)?),
    };
    let mut search = Search::new(rows, id);
    search.climb(digest, manifest.as_ref())?;
    Ok(Holder {
        position: id,
        repository: record.name,
        state,
        blob,
        manifest: manifest.map(|record| record.media_type),
        deleted_until: deleted_until(rows, id, digest)?,
        edges_that_keep,
        edges: search.edges,
        more_edges: search.more_edges,
        tags: search.tags,
        more_tags: search.more_tags,
    })
}

/// Until when a manifest can be restored, if it was deleted.
fn deleted_until(
    rows: &impl Rows,
    id: u64,
    digest: &Digest,
) -> Result<Option<EngineTime>, StorageError> {
    let trash = lookup::trashed(rows, id, digest)?;
    Ok(trash.map(|trash| trash.deletion.due))
}

fn candidate(
    rows: &impl Rows,
    id: u64,
    digest: &Digest,
    due: EngineTime,
) -> Result<Standing, StorageError> {
    let key = keys::candidate(due, id, digest);
    let record: CandidateRecord = rows.needed(Table::Candidates, &key, "a blob without links")?;
    Ok(Standing::Garbage {
        since: record.since,
        leased_until: record.leased,
        due,
    })
}

/// The way upwards from a digest, within one repository.
struct Search<'r, R> {
    rows: &'r R,
    id: u64,
    edges: Vec<Edge>,
    more_edges: bool,
    tags: Vec<(Tag, Digest)>,
    more_tags: bool,
}

// === impl Search ===

impl<'r, R: Rows> Search<'r, R> {
    fn new(rows: &'r R, id: u64) -> Self {
        Self {
            rows,
            id,
            edges: Vec::new(),
            more_edges: false,
            tags: Vec::new(),
            more_tags: false,
        }
    }

    fn climb(
        &mut self,
        digest: &Digest,
        manifest: Option<&ManifestRecord>,
    ) -> Result<(), StorageError> {
        if let Some(manifest) = manifest {
            self.add_tags(digest, manifest)?;
        }
        let mut seen = HashSet::from([*digest]);
        let mut queue = VecDeque::from([*digest]);
        while let Some(target) = queue.pop_front() {
            let mut sources = self.add_edges(&target)?;
            sources.retain(|source| seen.insert(*source));
            for source in &sources {
                self.add_tags_of(source)?;
            }
            queue.extend(sources);
        }
        Ok(())
    }

    fn add_tags_of(&mut self, digest: &Digest) -> Result<(), StorageError> {
        match lookup::manifest(self.rows, self.id, digest)? {
            Some(manifest) => self.add_tags(digest, &manifest),
            None => Ok(()),
        }
    }

    /// Adds the edges to a target; answers where those come from that keep it.
    fn add_edges(&mut self, target: &Digest) -> Result<Vec<Digest>, StorageError> {
        let prefix = keys::in_repository(self.id, target);
        let mut sources = Vec::new();
        let (rows, id, edges, more) = (self.rows, self.id, &mut self.edges, &mut self.more_edges);
        rows.scan_any(Table::Edges, &prefix, None, &mut |key, payload| {
            if edges.len() == EDGES {
                *more = true;
                return Ok(Scan::Stop);
            }
            let rest = key.get(prefix.len()..).unwrap_or_default();
            let Some((reason, source)) = split_edge(rest) else {
                return Ok(Scan::Next);
            };
            if reason.keeps() {
                sources.push(source);
            }
            edges.push(Edge {
                target: *target,
                reason,
                source,
                source_is_visible: lookup::manifest(rows, id, &source)?.is_some(),
                source_deleted_until: deleted_until(rows, id, &source)?,
                is_damaged: payload.is_err(),
            });
            Ok(Scan::Next)
        })?;
        Ok(sources)
    }

    fn add_tags(&mut self, digest: &Digest, manifest: &ManifestRecord) -> Result<(), StorageError> {
        let prefix = keys::tags_of_link(self.id, manifest.link);
        let (tags, more) = (&mut self.tags, &mut self.more_tags);
        self.rows
            .scan(Table::LinkTags, &prefix, None, &mut |key, _| {
                if tags.len() == TAGS {
                    *more = true;
                    return Ok(Scan::Stop);
                }
                let text = key.get(prefix.len()..).unwrap_or_default();
                tags.push((keys::last_text(Table::LinkTags, text)?, *digest));
                Ok(Scan::Next)
            })
    }
}

/// The kind and the source at the end of an edge's key.
fn split_edge(rest: &[u8]) -> Option<(EdgeReason, Digest)> {
    let (&kind, source) = rest.split_first()?;
    let reason = [
        (EdgeKind::Config, EdgeReason::Config),
        (EdgeKind::Layer, EdgeReason::Layer),
        (EdgeKind::ForeignLayer, EdgeReason::ForeignLayer),
        (EdgeKind::Manifest, EdgeReason::Child),
        (EdgeKind::Subject, EdgeReason::Subject),
    ]
    .into_iter()
    .find(|(of, _)| *of as u8 == kind)?
    .1;
    match Digest::split_key(source) {
        Some((digest, [])) => Some((reason, digest)),
        _ => None,
    }
}
