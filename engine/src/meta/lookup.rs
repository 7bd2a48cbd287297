//! What is visible: every read of the store goes through one of these.
//!
//! A blob is visible in a repository that holds it, unless its content is known to be damaged. A
//! manifest is visible while its record is there; a tag while the manifest's record has its link id.

use super::codec::Record as _;
use super::keys;
use super::records::{
    BlobRecord, EdgeKind, EdgeRecord, LinkRecord, ManifestRecord, NameRecord, RepositoryRecord,
    TagRecord,
};
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::trash::{DeletedRecord, TrashRecord};
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{Reference, RepositoryName, Tag};
use crate::page::{Listing, Page};
use crate::repository::{Referrer, ReferrersQuery, TagChange};

/// What was found, where a row that is known to be damaged is as good as none: a client that is told
/// so pushes again, and that heals it. What the medium did not answer stays an error. Never asked
/// where being absent would let something be given up.
pub(super) fn unless_damaged<T>(
    found: Result<Option<T>, StorageError>,
) -> Result<Option<T>, StorageError> {
    match found {
        Err(StorageError::Corrupt(corruption)) => {
            tracing::error!(%corruption, "a damaged row is not served; a push heals it");
            Ok(None)
        }
        outcome => outcome,
    }
}

/// The id a repository's name stands for.
pub(super) fn repository(
    rows: &impl Rows,
    name: &RepositoryName,
) -> Result<Option<u64>, StorageError> {
    let record = rows.record::<NameRecord>(Table::RepositoryNames, name.as_str().as_bytes())?;
    Ok(record.map(|record| record.id))
}

/// Whether a name's repository exists: it was created, or holds something.
pub(super) fn exists(rows: &impl Rows, record: &NameRecord) -> Result<bool, StorageError> {
    let prefix = keys::number(record.id);
    // Manifests are behind what may be left of many deleted ones, whose blobs are still held.
    Ok(record.declared
        || rows.any_row(Table::BlobLinks, &prefix)?
        || rows.any_row(Table::Manifests, &prefix)?)
}

/// The id of a repository that exists.
pub(super) fn existing(
    rows: &impl Rows,
    name: &RepositoryName,
) -> Result<Option<u64>, StorageError> {
    let key = name.as_str().as_bytes();
    match rows.record::<NameRecord>(Table::RepositoryNames, key)? {
        Some(record) if exists(rows, &record)? => Ok(Some(record.id)),
        _ => Ok(None),
    }
}

/// A repository's id and its link to a blob, whatever the state of the content.
pub(super) fn blob_link(
    rows: &impl Rows,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<(u64, LinkRecord)>, StorageError> {
    let Some(repository) = repository(rows, name)? else {
        return Ok(None);
    };
    let key = keys::in_repository(repository, digest);
    let link = rows.record::<LinkRecord>(Table::BlobLinks, &key)?;
    Ok(link.map(|link| (repository, link)))
}

/// A blob that a repository holds and that can be read.
pub(super) fn blob(
    rows: &impl Rows,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<BlobRecord>, StorageError> {
    match blob_link(rows, name, digest)? {
        None => Ok(None),
        Some(_) => readable(rows, digest),
    }
}

/// The record of a blob some repository holds, unless it is damaged.
fn readable(rows: &impl Rows, digest: &Digest) -> Result<Option<BlobRecord>, StorageError> {
    let record: BlobRecord = rows.needed(Table::Blobs, &digest.to_key(), "a blob link")?;
    Ok((!record.damaged).then_some(record))
}

/// Whether the repository holds a blob that can be read.
pub(super) fn has_blob(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<bool, StorageError> {
    let link = rows.payload(Table::BlobLinks, &keys::in_repository(repository, digest));
    let record = || unless_damaged(readable(rows, digest));
    Ok(unless_damaged(link)?.is_some() && record()?.is_some())
}

/// A manifest here that keeps a digest. Deleted ones keep it too, and are not here.
pub(super) fn linking_manifest(
    rows: &impl Rows,
    repository: u64,
    target: &Digest,
) -> Result<Option<Digest>, StorageError> {
    let prefix = keys::in_repository(repository, target);
    let mut linking = None;
    rows.scan(Table::Edges, &prefix, None, &mut |key, _| {
        let edge = key.get(prefix.len()..).unwrap_or_default();
        let (kind, source) = keys::split_edge(edge)?;
        if kind != EdgeKind::Subject as u8 && manifest(rows, repository, &source)?.is_some() {
            linking = Some(source);
            return Ok(Scan::Stop);
        }
        Ok(Scan::Next)
    })?;
    Ok(linking)
}

/// A manifest's record by digest.
pub(super) fn manifest(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<Option<ManifestRecord>, StorageError> {
    rows.record(Table::Manifests, &keys::in_repository(repository, digest))
}

/// A manifest that was deleted and can be restored.
pub(super) fn trashed(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<Option<TrashRecord>, StorageError> {
    rows.record(Table::Trash, &keys::in_repository(repository, digest))
}

/// The repository of a name that was deleted last: numbers only grow, and it must be purged or
/// restored before an older one is found.
pub(super) fn deleted_repository(
    rows: &impl Rows,
    name: &RepositoryName,
) -> Result<Option<(u64, DeletedRecord)>, StorageError> {
    let mut last = None;
    let prefix = keys::deleted_repositories(name);
    rows.scan(
        Table::DeletedRepositories,
        &prefix,
        None,
        &mut |key, payload| {
            let (_, id) = keys::split_deleted_repository(key)?;
            let record = DeletedRecord::from_payload(Table::DeletedRepositories, payload)?;
            last = Some((id, record));
            Ok(Scan::Next)
        },
    )?;
    Ok(last)
}

/// The tags set on one link of a manifest, or that it had when it was deleted.
pub(super) fn tags_of_link(
    rows: &impl Rows,
    repository: u64,
    (link, after): (u64, Option<&Tag>),
    limit: usize,
) -> Result<Vec<Tag>, StorageError> {
    let prefix = keys::tags_of_link(repository, link);
    let after = after.map(|after| keys::link_tag(repository, link, after));
    let mut tags = Vec::new();
    rows.scan(Table::LinkTags, &prefix, after.as_deref(), &mut |key, _| {
        if tags.len() == limit {
            return Ok(Scan::Stop);
        }
        let text = key.get(prefix.len()..).unwrap_or_default();
        tags.push(keys::last_text(Table::LinkTags, text)?);
        Ok(Scan::Next)
    })?;
    Ok(tags)
}

/// What a tag named last that it does not name now.
pub(super) fn previous(
    rows: &impl Rows,
    repository: u64,
    name: &Tag,
) -> Result<Option<Digest>, StorageError> {
    let current = tag(rows, repository, name)?.map(|(record, _)| record.digest);
    let key = keys::tag(repository, name.as_str());
    let changes: Option<Vec<TagChange>> = rows.record(Table::TagHistory, &key)?;
    let named = changes.into_iter().flatten().rev();
    Ok(named
        .map(|change| change.digest)
        .find(|&digest| Some(digest) != current))
}

/// Those of a manifest's configuration and layers that the repository does not hold, each once.
pub(super) fn missing_blobs(
    rows: &impl Rows,
    repository: Option<u64>,
    links: &Links,
) -> Result<Vec<Digest>, StorageError> {
    let blobs = links.config.iter().chain(&links.layers);
    absent(blobs, |digest| match repository {
        Some(id) => has_blob(rows, id, digest),
        None => Ok(false),
    })
}

/// Those of `digests` that are not present, each once, in their order.
pub(super) fn absent<'d>(
    digests: impl Iterator<Item = &'d Digest>,
    mut is_present: impl FnMut(&Digest) -> Result<bool, StorageError>,
) -> Result<Vec<Digest>, StorageError> {
    let mut seen = std::collections::HashSet::new();
    let mut missing = Vec::new();
    for digest in digests {
        if seen.insert(*digest) && !is_present(digest)? {
            missing.push(*digest);
        }
    }
    Ok(missing)
}

/// What a tag names, if it is visible.
pub(super) fn tag(
    rows: &impl Rows,
    repository: u64,
    tag: &Tag,
) -> Result<Option<(TagRecord, ManifestRecord)>, StorageError> {
    let key = keys::tag(repository, tag.as_str());
    let Some(record) = rows.record::<TagRecord>(Table::Tags, &key)? else {
        return Ok(None);
    };
    Ok(visible(rows, repository, &record)?.map(|manifest| (record, manifest)))
}

/// The manifest a tag's record names, while it has the record's link id.
pub(super) fn visible(
    rows: &impl Rows,
    repository: u64,
    tag: &TagRecord,
) -> Result<Option<ManifestRecord>, StorageError> {
    let manifest = manifest(rows, repository, &tag.digest)?;
    Ok(manifest.filter(|manifest| manifest.link == tag.link))
}

/// A manifest by tag or digest.
pub(super) fn resolve(
    rows: &impl Rows,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Option<(Digest, ManifestRecord)>, StorageError> {
    let Some(repository) = repository(rows, name)? else {
        return Ok(None);
    };
    match reference {
        Reference::Digest(digest) => {
            Ok(manifest(rows, repository, digest)?.map(|record| (*digest, record)))
        }
        Reference::Tag(name) => {
            Ok(tag(rows, repository, name)?.map(|(tag, record)| (tag.digest, record)))
        }
    }
}

/// A page of a repository's visible tags; `None` when it does not exist.
pub(super) fn tags(
    rows: &impl Rows,
    name: &RepositoryName,
    page: &Page<String>,
) -> Result<Option<Listing<Tag>>, StorageError> {
    let Some(repository) = existing(rows, name)? else {
        return Ok(None);
    };
    let after = page
        .after
        .as_deref()
        .map(|after| keys::tag(repository, after));
    let mut listing = Gathered::new(page.limit);
    let prefix = keys::number(repository);
    rows.scan(
        Table::Tags,
        &prefix,
        after.as_deref(),
        &mut |key, payload| {
            let tag = TagRecord::from_payload(Table::Tags, payload)?;
            if visible(rows, repository, &tag)?.is_none() {
                return Ok(Scan::Next);
            }
            let (_, text) = keys::split_number(Table::Tags, key)?;
            Ok(listing.push(keys::last_text(Table::Tags, text)?))
        },
    )?;
    Ok(Some(listing.into()))
}

/// A page of the repositories that exist.
pub(super) fn repositories(
    rows: &impl Rows,
    page: &Page<String>,
) -> Result<Listing<RepositoryName>, StorageError> {
    let after = page.after.as_deref().map(str::as_bytes);
    let mut listing = Gathered::new(page.limit);
    rows.scan(Table::RepositoryNames, &[], after, &mut |key, payload| {
        let record = NameRecord::from_payload(Table::RepositoryNames, payload)?;
        if !exists(rows, &record)? {
            return Ok(Scan::Next);
        }
        Ok(listing.push(keys::last_text(Table::RepositoryNames, key)?))
    })?;
    Ok(listing.into())
}

/// At most `limit` live repositories that hold a blob which can be read.
pub(super) fn holders(
    rows: &impl Rows,
    digest: &Digest,
    limit: usize,
) -> Result<Vec<RepositoryName>, StorageError> {
    let mut listing = Gathered::new(limit);
    let prefix = digest.to_key();
    rows.scan(Table::Holders, &prefix, None, &mut |key, _| {
        let id = key.get(prefix.len()..).unwrap_or_default();
        let record: RepositoryRecord = rows.needed(Table::Repositories, id, "a holder")?;
        if !record.live {
            return Ok(Scan::Next);
        }
        Ok(listing.push(record.name))
    })?;
    let listing = Listing::from(listing);
    let any_readable = !listing.items.is_empty() && readable(rows, digest)?.is_some();
    Ok(if any_readable {
        listing.items
    } else {
        Vec::new()
    })
}

/// A page of the manifests whose subject is `subject`.
pub(super) fn referrers(
    rows: &impl Rows,
    name: &RepositoryName,
    subject: &Digest,
    query: &ReferrersQuery,
) -> Result<Listing<Referrer>, StorageError> {
    let mut listing = Gathered::new(query.page.limit);
    let Some(repository) = repository(rows, name)? else {
        return Ok(listing.into());
    };
    let prefix = keys::edges_to(repository, subject, EdgeKind::Subject);
    let after = query
        .page
        .after
        .map(|after| keys::edge(repository, subject, EdgeKind::Subject, &after));
    rows.scan(
        Table::Edges,
        &prefix,
        after.as_deref(),
        &mut |key, payload| {
            let edge = EdgeRecord::from_payload(Table::Edges, payload)?;
            let wanted = query.artifact_type.is_none() || query.artifact_type == edge.artifact_type;
            if !wanted {
                return Ok(Scan::Next);
            }
            let source = key.get(prefix.len()..).unwrap_or_default();
            let digest = keys::last_digest(Table::Edges, source)?;
            Ok(listing.push(referrer(rows, repository, digest)?))
        },
    )?;
    Ok(listing.into())
}

fn referrer(rows: &impl Rows, repository: u64, digest: Digest) -> Result<Referrer, StorageError> {
    let key = keys::in_repository(repository, &digest);
    let record: ManifestRecord = rows.needed(Table::Manifests, &key, "a subject edge")?;
    let links: Links = rows.needed(Table::ManifestLinks, &key, "a manifest")?;
    Ok(Referrer {
        digest,
        media_type: record.media_type,
        size: record.size,
        artifact_type: links.artifact_type,
        annotations: links.annotations,
    })
}

/// A page in the making: it stops at the first item behind the page.
pub(super) struct Gathered<T> {
    listing: Listing<T>,
    limit: usize,
}

impl<T> Gathered<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            listing: Listing {
                items: Vec::new(),
                more: false,
            },
            limit,
        }
    }

    pub(super) fn push(&mut self, item: T) -> Scan {
        if self.listing.items.len() == self.limit {
            self.listing.more = true;
            return Scan::Stop;
        }
        self.listing.items.push(item);
        Scan::Next
    }
}

impl<T> From<Gathered<T>> for Listing<T> {
    fn from(gathered: Gathered<T>) -> Self {
        gathered.listing
    }
}
