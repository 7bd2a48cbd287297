//! `GET /v2/<name>/referrers/<digest>`: what refers to a manifest, as an image index (end-12).
//!
//! 1. Always 200, also for a digest or repository that is not there: a 404 would send clients to
//!    the fallback tag for ever.
//! 2. The listing is in the order of digests; a page names the next by its last digest. A page ends
//!    early when its JSON reaches [`PAGE_BYTES`], since annotations may be as long as manifests.
//! 3. Manifests that only the fallback tag names are listed too, in their places: see `fallback`.

mod fallback;

use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::oci::media_type::OCI_INDEX;
use crate::page::next_link;
use crate::response::{self, OCI_FILTERS_APPLIED};
use crate::route::ReferrersOf;
use floundr_engine::Repository;
use floundr_engine::page::{Listing, Page};
use floundr_engine::repository::{Referrer, ReferrersQuery};
use http::Response;
use http::header::{self, HeaderValue};
use serde_json::{Map, Value, json};

/// Most referrers of one page: fewer than of other listings, because each may be long.
const PAGE_ENTRIES: usize = 100;

/// A page ends with the entry that takes its JSON beyond this.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A page of the referrers, filtered by `artifactType` when asked.
pub(super) async fn list(
    context: &Context,
    repository: &Repository,
    query: &ReferrersOf,
) -> Result<Response<Body>, ApiError> {
    let limits = &context.config().limits;
    let limit = query
        .page
        .limit(limits.page_default, limits.page_max)
        .min(PAGE_ENTRIES);
    let request = ReferrersQuery {
        artifact_type: query.artifact_type.clone(),
        page: Page {
            after: query.after,
            limit,
        },
    };
    let mut listing = repository.referrers(&query.subject, request).await?;
    let end = match limit {
        0 => None,
        limit => fallback::fold(repository, query, limit, &mut listing).await?,
    };
    let (manifests, more) = descriptors(&listing);
    let last = match manifests.len().checked_sub(1) {
        Some(last) if manifests.len() < listing.items.len() || end.is_none() => {
            listing.items.get(last).map(|referrer| referrer.digest)
        }
        _ => end,
    };
    let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let mut response = response::index(body.to_string());
    let headers = response.headers_mut();
    let filter = query
        .artifact_type
        .as_deref()
        .map(|filter| ("artifactType", filter));
    if filter.is_some() {
        headers.insert(
            OCI_FILTERS_APPLIED,
            HeaderValue::from_static("artifactType"),
        );
    }
    if let (true, Some(last)) = (more, last) {
        let path = format!("/v2/{}/referrers/{}", repository.name(), query.subject);
        let link = next_link(&path, limit, &last.to_string(), filter.as_slice());
        headers.insert(header::LINK, link);
    }
    Ok(response)
}

/// The entries that fit a page, and whether more follow.
fn descriptors(listing: &Listing<Referrer>) -> (Vec<Value>, bool) {
    let mut bytes = 0;
    let mut manifests = Vec::with_capacity(listing.items.len());
    for referrer in &listing.items {
        if bytes > PAGE_BYTES {
            return (manifests, true);
        }
        bytes += length(referrer);
        manifests.push(descriptor(referrer));
    }
    (manifests, listing.more)
}

/// About as many bytes as its descriptor will have.
fn length(referrer: &Referrer) -> usize {
    let annotations = referrer.annotations.iter();
    300 + annotations
        .map(|(key, value)| key.len() + value.len() + 6)
        .sum::<usize>()
}

fn descriptor(referrer: &Referrer) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("mediaType", json!(referrer.media_type.as_str()));
    set("digest", json!(referrer.digest.to_string()));
    set("size", json!(referrer.size));
    if let Some(artifact_type) = &referrer.artifact_type {
        set("artifactType", json!(artifact_type));
    }
    if !referrer.annotations.is_empty() {
        let pairs = referrer.annotations.iter();
        let annotations: Map<String, Value> = pairs
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        set("annotations", Value::Object(annotations));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use floundr_engine::digest::{Algorithm, Digest};

    fn referrer(annotation: usize) -> Referrer {
        Referrer {
            digest: Digest::of(Algorithm::Sha256, b"x"),
            media_type: OCI_INDEX.parse().unwrap(),
            size: 7,
            artifact_type: None,
            annotations: vec![("k".to_owned(), "v".repeat(annotation))],
        }
    }

    #[test]
    fn a_page_ends_where_its_bytes_do() {
        let items = vec![referrer(3 * 1024 * 1024); 5];
        let (manifests, more) = descriptors(&Listing { items, more: false });
        assert_eq!((manifests.len(), more), (2, true));
        let (manifests, more) = descriptors(&Listing {
            items: vec![referrer(1); 5],
            more: false,
        });
        assert_eq!((manifests.len(), more), (5, false));
    }

    #[test]
    fn a_descriptor_has_what_the_manifest_had() {
        let expected = json!({
            "mediaType": OCI_INDEX, "size": 7, "annotations": {"k": "vv"},
            "digest": "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
        });
        assert_eq!(descriptor(&referrer(2)), expected);
        let bare = Referrer {
            annotations: vec![],
            artifact_type: Some("a/b".into()),
            ..referrer(0)
        };
        assert_eq!(descriptor(&bare)["artifactType"], "a/b");
        assert_eq!(descriptor(&bare).get("annotations"), None);
    }
}
