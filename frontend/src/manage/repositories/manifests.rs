//! The manifests of a repository: listed, shown, deleted. What one says is read in `parts`.

use super::done;
use super::parts::{Parts, of_an_artifact};
use crate::manage::call::Call;
use crate::manage::etag::{EntityTag, tagged};
use crate::manage::query::PageParameters;
use crate::manage::{Answer, Management, Problem, json};
use floundr_engine::digest::Digest;
use floundr_engine::name::{Reference, RepositoryName};
use floundr_engine::page::Page;
use floundr_engine::repository::{BlobError, ManifestDetail, Referrer, ReferrersQuery, Repository};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// As many referrers are shown; clients page through the rest by the registry's own endpoint.
const REFERRERS: usize = 100;

/// The largest image configuration that is shown, in bytes. They have a few KiB.
const CONFIG: u64 = 256 * 1024;

/// A page of manifests.
#[derive(Debug, Serialize, ToSchema)]
struct Manifests {
    items: Vec<Listed>,
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedManifest)]
struct Listed {
    digest: String,
    media_type: String,
    /// Of the manifest itself, without what it links.
    size_bytes: u64,
    pushed: u64,
    /// The first tags that name it.
    tags: Vec<String>,
    more_tags: bool,
    /// Null for an image: an artifact that names no type has that of its configuration.
    artifact_type: Option<String>,
}

/// A manifest with what it says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Manifest)]
struct Shown {
    digest: String,
    media_type: String,
    /// Of the manifest itself, without what it links.
    size_bytes: u64,
    pushed: u64,
    /// The first tags that name it.
    tags: Vec<String>,
    more_tags: bool,
    /// Null for an image: an artifact that names no type has that of its configuration.
    artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
    /// The digest of the manifest it is about.
    subject: Option<String>,
    /// What an index has, a manifest each.
    platforms: Vec<Platform>,
    config: Option<Config>,
    layers: Vec<Layer>,
    /// The first manifests that are about this one.
    referrers: Vec<ShownReferrer>,
    more_referrers: bool,
    /// What was pushed, byte for byte.
    raw: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "what it is called in JSON")]
struct Platform {
    digest: String,
    media_type: Option<String>,
    /// Such as `linux/arm64/v8`.
    platform: Option<String>,
    /// Of the manifest itself, without what it links.
    size_bytes: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImageConfig)]
struct Config {
    digest: String,
    media_type: Option<String>,
    size_bytes: Option<u64>,
    /// What the blob says, if it is an image's configuration of at most 256 KiB.
    #[schema(value_type = Option<Object>)]
    content: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Layer {
    digest: String,
    media_type: Option<String>,
    size_bytes: Option<u64>,
    /// Other repositories hold it as well. Null where this one does not hold it, and for everybody but
    /// administrators of the server: it would tell what is in repositories that others may not know.
    shared: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Referrer)]
struct ShownReferrer {
    digest: String,
    media_type: String,
    size_bytes: u64,
    artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
}

/// The manifests of a repository in the order of their digests.
#[utoipa::path(
    get,
    path = "/api/v1/repositories/{repository}/manifests",
    operation_id = "manifest_list",
    tag = "manifests",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        PageParameters,
    ),
    responses(
        (status = 200, description = "A page of them", body = Manifests),
        (status = 404, description = "There is no such repository"),
    ),
)]
pub(super) async fn list(management: &Management, name: &RepositoryName, call: Call) -> Answer {
    let page = call.query().page::<Digest>()?;
    let listing = management.repository(name).manifests(page).await?;
    let last = listing.items.last().filter(|_| listing.more);
    let next = last.map(|item| item.digest.to_string());
    let items = listing.items.into_iter().map(Listed::from).collect();
    json(StatusCode::OK, &Manifests { items, next })
}

/// What a manifest says, what it links, and what is about it. It does not count as a pull.
#[utoipa::path(
    get,
    path = "/api/v1/repositories/{repository}/manifests/{reference}",
    operation_id = "manifest_show",
    tag = "manifests",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        ("reference" = String, Path, description = "A tag or a digest"),
    ),
    responses(
        (status = 200, description = "The manifest; its `ETag` is its digest", body = Shown),
        (status = 404, description = "There is no such repository, or manifest in it"),
    ),
)]
pub(super) async fn show(
    management: &Management,
    (name, reference): (&RepositoryName, &Reference),
    call: Call,
) -> Answer {
    let knows_all = call.caller().is_administrator();
    call.plain()?;
    let repository = management.repository(name);
    let digest = repository.stat_manifest(reference).await?.digest;
    let tag = EntityTag::digest(&digest);
    let shown = Shown::read(&repository, digest, knows_all).await?;
    tagged(StatusCode::OK, &shown, &tag)
}

/// By digest deletes a manifest with its tags, by tag the tag alone. Durable when it answers; it can be
/// restored.
#[utoipa::path(
    delete,
    path = "/api/v1/repositories/{repository}/manifests/{reference}",
    operation_id = "manifest_delete",
    tag = "manifests",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        ("reference" = String, Path, description = "A tag or a digest"),
        ("if-match" = Option<String>, Header, description = "The digest it has, in quotes"),
    ),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "There is no such repository, or manifest in it"),
        (status = 409, description = "One of its tags is immutable"),
        (status = 412, description = "The tag names something else by now"),
    ),
)]
pub(super) async fn delete(
    management: &Management,
    (name, reference): (&RepositoryName, &Reference),
    call: Call,
) -> Answer {
    let repository = management.repository(name);
    call.demand_digest(&repository, reference).await?;
    call.plain()?;
    match reference {
        Reference::Tag(tag) => repository.delete_tag(tag).await?,
        Reference::Digest(digest) => repository.delete_manifest(digest).await?,
    }
    done()
}

// === impl Shown ===

impl Shown {
    /// With what other repositories hold only for who `knows_all` of them.
    async fn read(
        repository: &Repository,
        digest: Digest,
        knows_all: bool,
    ) -> Result<Self, Problem> {
        let reference = Reference::Digest(digest);
        let manifest = repository.manifest(&reference).await?;
        let listed = Listed::from(repository.manifest_detail(&reference).await?);
        let query = ReferrersQuery {
            artifact_type: None,
            page: Page {
                after: None,
                limit: REFERRERS,
            },
        };
        let referrers = repository.referrers(&digest, query).await?;
        let parts = Parts::of(&manifest.content);
        Ok(Self {
            digest: listed.digest,
            media_type: listed.media_type,
            size_bytes: listed.size_bytes,
            pushed: listed.pushed,
            tags: listed.tags,
            more_tags: listed.more_tags,
            artifact_type: listed.artifact_type,
            platforms: platforms(&parts),
            config: config(repository, &parts).await?,
            layers: layers(repository, &parts, knows_all).await?,
            annotations: parts.annotations,
            subject: parts.subject.map(|subject| subject.digest.to_string()),
            more_referrers: referrers.more,
            referrers: referrers
                .items
                .into_iter()
                .map(ShownReferrer::from)
                .collect(),
            raw: String::from_utf8_lossy(&manifest.content).into_owned(),
        })
    }
}

fn platforms(parts: &Parts) -> Vec<Platform> {
    let manifests = parts.manifests.iter();
    let platforms = manifests.map(|child| Platform {
        digest: child.digest.to_string(),
        media_type: child.media_type.clone(),
        platform: child.platform.clone(),
        size_bytes: child.size,
    });
    platforms.collect()
}

async fn config(repository: &Repository, parts: &Parts) -> Result<Option<Config>, Problem> {
    let Some(config) = &parts.config else {
        return Ok(None);
    };
    let is_shown = config.is_image_config() && config.size.is_some_and(|size| size <= CONFIG);
    let content = if is_shown {
        content(repository, &config.digest).await?
    } else {
        None
    };
    Ok(Some(Config {
        digest: config.digest.to_string(),
        media_type: config.media_type.clone(),
        size_bytes: config.size,
        content,
    }))
}

/// A small blob as JSON, if it is there and is some.
async fn content(repository: &Repository, digest: &Digest) -> Result<Option<Value>, Problem> {
    let blob = match repository.blob(digest).await {
        Ok(blob) if blob.size() <= CONFIG => blob,
        Ok(_) | Err(BlobError::Unknown { .. } | BlobError::Referenced { .. }) => return Ok(None),
        Err(BlobError::Storage(error)) => return Err(error.into()),
    };
    let bytes = blob.read(0..blob.size()).await?;
    let object = serde_json::from_slice(&bytes).ok();
    Ok(object.filter(Value::is_object))
}

async fn layers(
    repository: &Repository,
    parts: &Parts,
    knows_all: bool,
) -> Result<Vec<Layer>, Problem> {
    let digests: Vec<Digest> = parts.layers.iter().map(|layer| layer.digest).collect();
    let shared = if knows_all {
        repository.shared(&digests).await?
    } else {
        vec![None; digests.len()]
    };
    let layers = parts.layers.iter().zip(shared);
    let layers = layers.map(|(layer, shared)| Layer {
        digest: layer.digest.to_string(),
        media_type: layer.media_type.clone(),
        size_bytes: layer.size,
        shared,
    });
    Ok(layers.collect())
}

impl From<ManifestDetail> for Listed {
    fn from(manifest: ManifestDetail) -> Self {
        Self {
            digest: manifest.digest.to_string(),
            media_type: manifest.media_type.to_string(),
            size_bytes: manifest.size,
            pushed: manifest.pushed,
            tags: manifest.tags.iter().map(ToString::to_string).collect(),
            more_tags: manifest.more_tags,
            artifact_type: of_an_artifact(manifest.artifact_type),
        }
    }
}

impl From<Referrer> for ShownReferrer {
    fn from(referrer: Referrer) -> Self {
        Self {
            digest: referrer.digest.to_string(),
            media_type: referrer.media_type.to_string(),
            size_bytes: referrer.size,
            artifact_type: of_an_artifact(referrer.artifact_type),
            annotations: referrer.annotations.into_iter().collect(),
        }
    }
}
