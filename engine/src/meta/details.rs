//! What people want to know of tags, manifests and blobs, as `lookup` sees them.

use super::codec::Record as _;
use super::lookup::{self, Gathered};
use super::records::{ManifestRecord, TagRecord};
use super::rows::{Rows, Scan};
use super::search::{Search, Wanted};
use super::tables::Table;
use super::{Metadata, garbage, keys};
use crate::clock::{Calendar, EngineTime};
use crate::descriptor::Links;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::name::{Reference, RepositoryName, Tag};
use crate::page::{Listing, Page, Part};
use crate::repository::{ManifestDetail, TagDetail};

// === impl Metadata ===

impl Metadata {
    /// A page of those tags of a repository that are wanted; `None` when it does not exist.
    pub(crate) fn tag_details(
        &self,
        name: &RepositoryName,
        wanted: Wanted<'_>,
        page: &Page<String>,
    ) -> Result<Option<Part<TagDetail>>, StorageError> {
        let calendar = self.calendar();
        self.database
            .read(|rows| match lookup::existing(rows, name)? {
                Some(id) => tags(rows, (id, calendar), wanted, page).map(Some),
                None => Ok(None),
            })
    }

    /// A page of a repository's manifests; `None` when it does not exist.
    pub(crate) fn manifest_details(
        &self,
        name: &RepositoryName,
        page: &Page<Digest>,
    ) -> Result<Option<Listing<ManifestDetail>>, StorageError> {
        self.database
            .read(|rows| match lookup::existing(rows, name)? {
                Some(id) => manifests(rows, id, page).map(Some),
                None => Ok(None),
            })
    }

    /// The same of one manifest.
    pub(crate) fn manifest_detail(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<ManifestDetail>, StorageError> {
        self.database.read(|rows| {
            let Some(id) = lookup::repository(rows, name)? else {
                return Ok(None);
            };
            let found = lookup::resolve(rows, name, reference)?;
            let detail = found.map(|(digest, record)| manifest(rows, id, digest, record));
            detail.transpose()
        })
    }

    /// Which of these blobs other repositories hold as well; `None` for those that this one does not
    /// hold.
    pub(crate) fn shared(
        &self,
        name: &RepositoryName,
        digests: &[Digest],
    ) -> Result<Vec<Option<bool>>, StorageError> {
        self.database.read(|rows| {
            let Some(id) = lookup::repository(rows, name)? else {
                return Ok(vec![None; digests.len()]);
            };
            let shared = |digest| shared(rows, id, digest);
            digests.iter().map(shared).collect()
        })
    }
}

/// Whether another repository holds a blob too; `None` if this one does not.
fn shared(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<Option<bool>, StorageError> {
    let link = keys::in_repository(repository, digest);
    if rows.payload(Table::BlobLinks, &link)?.is_none() {
        return Ok(None);
    }
    garbage::has_other_holder(rows, Table::Holders, repository, digest).map(Some)
}

fn tags(
    rows: &impl Rows,
    (repository, calendar): (u64, Calendar),
    wanted: Wanted<'_>,
    page: &Page<String>,
) -> Result<Part<TagDetail>, StorageError> {
    const TABLE: Table = Table::Tags;
    let after = (page.after.as_deref()).map(|after| keys::tag(repository, after));
    let prefix = keys::number(repository);
    let mut search = Search::new(page);
    rows.scan(TABLE, &prefix, after.as_deref(), &mut |key, payload| {
        let (_, text) = keys::split_number(TABLE, key)?;
        let tag: Tag = keys::last_text(TABLE, text)?;
        if !search.goes_on(tag.as_str()) {
            return Ok(Scan::Stop);
        }
        if !wanted.has(tag.as_str()) {
            return Ok(Scan::Next);
        }
        let record = TagRecord::from_payload(TABLE, payload)?;
        if let Some(manifest) = lookup::visible(rows, repository, &record)? {
            let last_pull = last_pull(rows, repository, &record.digest)?;
            search.push(TagDetail {
                tag,
                digest: record.digest,
                media_type: manifest.media_type,
                size: manifest.size,
                updated: record.updated,
                last_pull: last_pull.map(|time| calendar.date(time)),
            });
        }
        Ok(Scan::Next)
    })?;
    Ok(search.into())
}

/// When a manifest was last pulled, as far as that was recorded and can be read.
fn last_pull(
    rows: &impl Rows,
    repository: u64,
    digest: &Digest,
) -> Result<Option<EngineTime>, StorageError> {
    let key = keys::in_repository(repository, digest);
    let time = rows.undamaged::<u64>(Table::Pulls, &key)?;
    Ok(time.map(EngineTime))
}

fn manifests(
    rows: &impl Rows,
    repository: u64,
    page: &Page<Digest>,
) -> Result<Listing<ManifestDetail>, StorageError> {
    const TABLE: Table = Table::Manifests;
    let after = (page.after).map(|after| keys::in_repository(repository, &after));
    let prefix = keys::number(repository);
    let mut listing = Gathered::new(page.limit);
    rows.scan(TABLE, &prefix, after.as_deref(), &mut |key, payload| {
        let (_, rest) = keys::split_number(TABLE, key)?;
        let digest = keys::last_digest(TABLE, rest)?;
        let record = ManifestRecord::from_payload(TABLE, payload)?;
        Ok(listing.push(manifest(rows, repository, digest, record)?))
    })?;
    Ok(listing.into())
}

fn manifest(
    rows: &impl Rows,
    repository: u64,
    digest: Digest,
    record: ManifestRecord,
) -> Result<ManifestDetail, StorageError> {
    const SHOWN: usize = ManifestDetail::TAGS_SHOWN;
    let mut tags = lookup::tags_of_link(rows, repository, (record.link, None), SHOWN + 1)?;
    let more_tags = tags.len() > SHOWN;
    tags.truncate(SHOWN);
    let key = keys::in_repository(repository, &digest);
    let links: Links = rows.needed(Table::ManifestLinks, &key, "a manifest")?;
    Ok(ManifestDetail {
        digest,
        media_type: record.media_type,
        size: record.size,
        pushed: record.pushed,
        tags,
        more_tags,
        artifact_type: links.artifact_type,
    })
}
