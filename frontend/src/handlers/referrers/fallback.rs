//! The fallback tag of clients that found no referrers API: an index tagged `sha256-<hex>` whose
//! children refer to the manifest (specification, "Referrers Tag Schema").
//!
//! 1. A child counts when this repository has it and it names no subject of its own: what names one
//!    is in the engine's listing under that subject already.
//! 2. Artifact type and annotations are read from the child itself, because clients have written
//!    wrong ones into the index.
//! 3. At most [`CHILDREN_READ`] children are read for a page.
//!
//! Anything else under that tag is somebody's ordinary manifest and counts for nothing.

use crate::error::ApiError;
use crate::oci::media_type::Kind;
use crate::oci::{self, Limits};
use crate::route::ReferrersOf;
use floundr_engine::Repository;
use floundr_engine::digest::Digest;
use floundr_engine::name::{Reference, Tag};
use floundr_engine::page::Listing;
use floundr_engine::repository::{Manifest, ManifestError, Referrer};

/// How many children are read for one page.
const CHILDREN_READ: usize = 100;

/// Adds the children of the fallback tag that belong on this page to `listing`. Returns where the
/// page ends when that is behind its last entry: children up to there were looked at for nothing.
pub(super) async fn fold(
    repository: &Repository,
    query: &ReferrersOf,
    limit: usize,
    listing: &mut Listing<Referrer>,
) -> Result<Option<Digest>, ApiError> {
    let Some(index) = find(repository, &Reference::Tag(tag_of(&query.subject))).await? else {
        return Ok(None);
    };
    let mut children = on_this_page(children(&index), query, listing);
    let left_out = children.len() > CHILDREN_READ;
    children.truncate(CHILDREN_READ);
    for child in &children {
        if let Some(referrer) = referrer(repository, child, query).await? {
            listing.items.push(referrer);
        }
    }
    listing.items.sort_by_key(|referrer| referrer.digest);
    let mut end = None;
    if left_out {
        end = children.last().copied();
        listing
            .items
            .retain(|referrer| Some(referrer.digest) <= end);
        listing.more = true;
    }
    if listing.items.len() > limit {
        listing.items.truncate(limit);
        listing.more = true;
        end = None;
    }
    Ok(end)
}

/// `<algorithm>-<encoded>`, the encoded part cut at 64 characters.
fn tag_of(subject: &Digest) -> Tag {
    let encoded: String = subject.encoded().chars().take(64).collect();
    let tag = format!("{}-{encoded}", subject.algorithm());
    tag.parse()
        .expect("an algorithm's name and hex digits are a tag")
}

async fn find(
    repository: &Repository,
    reference: &Reference,
) -> Result<Option<Manifest>, ApiError> {
    match repository.manifest(reference).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(ManifestError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn parse(manifest: &Manifest) -> Option<oci::Parsed> {
    // It was accepted once, under whatever limits held then.
    let limits = Limits {
        bytes: u64::MAX,
        links: usize::MAX,
    };
    oci::parse(
        &manifest.content,
        Some(manifest.media_type.as_str()),
        &limits,
    )
    .ok()
}

fn children(index: &Manifest) -> Vec<Digest> {
    let parsed = parse(index).filter(|parsed| parsed.kind == Kind::Index);
    parsed.map_or_else(Vec::new, |parsed| parsed.links.manifests)
}

/// Those between the page's beginning and its end, in order, that are not listed already.
fn on_this_page(
    mut children: Vec<Digest>,
    query: &ReferrersOf,
    listing: &Listing<Referrer>,
) -> Vec<Digest> {
    let end = listing
        .items
        .last()
        .filter(|_| listing.more)
        .map(|last| last.digest);
    children.sort_unstable();
    children.dedup();
    children.retain(|child| {
        query.after.is_none_or(|after| *child > after)
            && end.is_none_or(|end| *child < end)
            && listing
                .items
                .iter()
                .all(|referrer| referrer.digest != *child)
    });
    children
}

/// The child as a referrer, if it counts and passes the filter.
async fn referrer(
    repository: &Repository,
    child: &Digest,
    query: &ReferrersOf,
) -> Result<Option<Referrer>, ApiError> {
    let Some(manifest) = find(repository, &Reference::Digest(*child)).await? else {
        return Ok(None);
    };
    let Some(parsed) = parse(&manifest).filter(|parsed| parsed.links.subject.is_none()) else {
        return Ok(None);
    };
    let links = parsed.links;
    if query.artifact_type.is_some() && query.artifact_type != links.artifact_type {
        return Ok(None);
    }
    Ok(Some(Referrer {
        digest: manifest.digest,
        media_type: manifest.media_type,
        size: manifest.content.len() as u64,
        artifact_type: links.artifact_type,
        annotations: links.annotations,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use floundr_engine::digest::Algorithm;

    #[test]
    fn the_tag_is_the_digest_with_a_dash_cut_at_64() {
        let sha256 = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(
            tag_of(&sha256).as_str(),
            sha256.to_string().replace(':', "-")
        );
        let sha512 = Digest::of(Algorithm::Sha512, b"");
        let expected = format!("sha512-{}", sha512.encoded().get(..64).unwrap());
        assert_eq!(tag_of(&sha512).as_str(), expected);
    }
}
