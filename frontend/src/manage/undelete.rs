//! Undoing deletions: `GET /api/v1/deleted` lists what can be restored, `POST /api/v1/undelete` restores
//! a repository, a manifest or a tag.

use super::accounts::forbidden;
use super::call::Call;
use super::gc::millis;
use super::query::{PageParameters, Query};
use super::{Answer, Management, Problem, ProblemCode, json};
use crate::accounts::Permission;
use floundr_engine::Engine;
use floundr_engine::name::{Reference, RepositoryName};
use floundr_engine::repository::{RestoreError, RestoredManifest};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A repository, or what its reference names in it: a tag or a digest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Undelete {
    repository: String,
    reference: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Deleted {
    items: Vec<Item>,
    next: Option<String>,
}

/// A deleted repository, or a deleted manifest of one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeletedItem)]
struct Item {
    repository: String,
    digest: Option<String>,
    media_type: Option<String>,
    size: Option<u64>,
    tags: Vec<String>,
    /// Milliseconds since the epoch.
    deleted: u64,
    restorable_for_ms: u64,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct Restored {
    repository: String,
    digest: Option<String>,
    tags: Vec<String>,
    taken_tags: Vec<String>,
    missing_blobs: Vec<String>,
}

/// The deleted repositories that can be restored, or the deleted manifests of one.
#[utoipa::path(
    get,
    path = "/api/v1/deleted",
    operation_id = "deleted",
    tag = "store",
    params(
        ("repository" = Option<String>, Query, description = "Whose manifests are meant"),
        PageParameters,
    ),
    responses(
        (status = 200, description = "A page of them", body = Deleted),
    ),
)]
pub(super) async fn list(engine: &Engine, mut query: Query) -> Answer {
    let answer = match query.take::<RepositoryName>("repository")? {
        Some(name) => manifests(engine, &name, query).await?,
        None => repositories(engine, query).await?,
    };
    json(StatusCode::OK, &answer)
}

async fn repositories(engine: &Engine, query: Query) -> Result<Deleted, Problem> {
    let listing = engine.deleted_repositories(query.page()?).await?;
    let last = listing.items.last().filter(|_| listing.more);
    let next = last.map(|item| item.name.to_string());
    let items = listing.items.into_iter().map(|item| Item {
        repository: item.name.to_string(),
        digest: None,
        media_type: None,
        size: None,
        tags: Vec::new(),
        deleted: item.deleted,
        restorable_for_ms: millis(item.left),
    });
    let items = items.collect();
    Ok(Deleted { items, next })
}

async fn manifests(
    engine: &Engine,
    name: &RepositoryName,
    query: Query,
) -> Result<Deleted, Problem> {
    let listing = engine.repository(name).deleted(query.page()?).await?;
    let last = listing.items.last().filter(|_| listing.more);
    let next = last.map(|item| item.digest.to_string());
    let items = listing.items.into_iter().map(|item| Item {
        repository: name.to_string(),
        digest: Some(item.digest.to_string()),
        media_type: Some(item.media_type.to_string()),
        size: Some(item.size),
        tags: item.tags.iter().map(ToString::to_string).collect(),
        deleted: item.deleted,
        restorable_for_ms: millis(item.left),
    });
    let items = items.collect();
    Ok(Deleted { items, next })
}

/// Restores a repository, or a tag or digest in it. Durable when it answers.
#[utoipa::path(
    post,
    path = "/api/v1/undelete",
    operation_id = "undelete",
    tag = "store",
    request_body = Undelete,
    responses(
        (status = 200, description = "What was restored", body = Restored),
        (status = 404, description = "It is not among what can be restored"),
        (status = 409, description = "A new repository has its name"),
    ),
)]
pub(super) async fn restore(management: &Management, call: Call) -> Answer {
    let caller = call.caller().clone();
    let undelete: Undelete = call.read()?;
    let name: RepositoryName = undelete
        .repository
        .parse()
        .map_err(|error| Problem::new(ProblemCode::NameInvalid, format!("{error}")))?;
    if !caller.may(&name, Permission::Administer) {
        let who = caller.principal();
        return Err(forbidden(format!("{who} does not administer {name}")));
    }
    let (engine, repository) = (management.engine(), management.repository(&name));
    let reference = undelete.reference.map(|text| text.parse::<Reference>());
    let reference = reference.transpose().map_err(|error| {
        let detail = format!("reference: {error}");
        Problem::new(ProblemCode::BodyInvalid, detail)
    })?;
    let mut restored = match reference {
        None => {
            engine.restore_repository(&name).await?;
            Restored::default()
        }
        Some(Reference::Digest(digest)) => repository.restore_manifest(&digest).await?.into(),
        Some(Reference::Tag(tag)) => Restored {
            digest: Some(repository.restore_tag(&tag).await?.to_string()),
            tags: vec![tag.to_string()],
            ..Restored::default()
        },
    };
    restored.repository = name.to_string();
    json(StatusCode::OK, &restored)
}

impl From<RestoredManifest> for Restored {
    fn from(restored: RestoredManifest) -> Self {
        let missing = restored.missing_blobs.iter();
        Self {
            repository: String::new(),
            digest: Some(restored.digest.to_string()),
            tags: restored.tags.iter().map(ToString::to_string).collect(),
            taken_tags: restored.taken.iter().map(ToString::to_string).collect(),
            missing_blobs: missing.map(ToString::to_string).collect(),
        }
    }
}

impl From<RestoreError> for Problem {
    fn from(error: RestoreError) -> Self {
        let code = match error {
            RestoreError::Storage(error) => return error.into(),
            RestoreError::Exists(_) | RestoreError::Immutable(_) => ProblemCode::Taken,
            RestoreError::Manifest { .. }
            | RestoreError::Tag { .. }
            | RestoreError::ManifestGone { .. }
            | RestoreError::Repository(_) => ProblemCode::NotDeleted,
        };
        Self::new(code, error.to_string())
    }
}
