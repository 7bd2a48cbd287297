//! The tags of a repository: listed, set, deleted, and what they named before.

use super::done;
use crate::manage::call::Call;
use crate::manage::etag::{EntityTag, tagged};
use crate::manage::query::FilterParameters;
use crate::manage::{Answer, Management, Problem, ProblemCode, json};
use floundr_engine::digest::Digest;
use floundr_engine::name::{Reference, RepositoryName, Tag};
use floundr_engine::repository::{TagChange, TagDetail, TagEvent};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of tags.
#[derive(Debug, Serialize, ToSchema)]
struct Tags {
    items: Vec<Shown>,
    next: Option<String>,
}

/// A tag.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tag)]
struct Shown {
    name: String,
    /// Of the manifest it names.
    digest: String,
    media_type: String,
    /// Of the manifest itself, without what it links.
    size_bytes: u64,
    /// When it was set last.
    updated: u64,
    /// When its manifest was pulled last, by whatever name; recorded to an hour, and only while a
    /// policy asks for it.
    last_pull: Option<u64>,
}

/// What a tag is to name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TagSetting)]
struct Setting {
    /// Of a manifest that is in the repository.
    digest: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TagSet)]
struct Set {
    name: String,
    digest: String,
    /// What it named before.
    previous: Option<String>,
}

/// What a tag named, the newest change first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TagHistory)]
struct History {
    items: Vec<Change>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TagChange)]
struct Change {
    /// `set`, `moved`, `deleted`, `manifest-deleted` or `restored`.
    event: &'static str,
    /// What it names since, or named until then if it was deleted.
    digest: String,
    media_type: String,
    at: u64,
}

/// The tags of a repository in the order of their names.
#[utoipa::path(
    get,
    path = "/api/v1/repositories/{repository}/tags",
    operation_id = "tag_list",
    tag = "tags",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        FilterParameters,
    ),
    responses(
        (status = 200, description = "A page of them", body = Tags),
        (status = 404, description = "There is no such repository"),
    ),
)]
pub(super) async fn list(management: &Management, name: &RepositoryName, call: Call) -> Answer {
    let mut query = call.query();
    let filter: Option<String> = query.take("filter")?;
    let page = query.page::<String>()?;
    let repository = management.repository(name);
    let part = repository.tag_details(page, filter.as_deref()).await?;
    let items = part.items.into_iter().map(Shown::from).collect();
    let next = part.next;
    json(StatusCode::OK, &Tags { items, next })
}

/// Lets a tag name a manifest that is in the repository, as a push of that manifest would. Durable when
/// it answers.
#[utoipa::path(
    put,
    path = "/api/v1/repositories/{repository}/tags/{tag}",
    operation_id = "tag_set",
    tag = "tags",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        ("tag" = String, Path, description = "Its name"),
        ("if-match" = Option<String>, Header, description = "The digest it names, in quotes"),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if it names nothing"),
    ),
    request_body = Setting,
    responses(
        (status = 200, description = "It named something before", body = Set),
        (status = 201, description = "It named nothing before", body = Set),
        (status = 404, description = "There is no such repository, or manifest in it"),
        (status = 409, description = "It is immutable and names another manifest"),
        (status = 412, description = "It names something else by now"),
    ),
)]
pub(super) async fn set(
    management: &Management,
    (name, tag): (&RepositoryName, &Tag),
    call: Call,
) -> Answer {
    let condition = call.tag_condition();
    let Setting { digest } = call.read()?;
    let digest: Digest = digest
        .parse()
        .map_err(|error| Problem::new(ProblemCode::DigestInvalid, format!("digest: {error}")))?;
    let repository = management.repository(name);
    let previous = repository.set_tag(tag, &digest, condition).await?;
    let status = match previous {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    let answer = Set {
        name: tag.to_string(),
        digest: digest.to_string(),
        previous: previous.map(|digest| digest.to_string()),
    };
    tagged(status, &answer, &EntityTag::digest(&digest))
}

/// Deletes a tag; the manifest it names stays. Durable when it answers; it can be restored.
#[utoipa::path(
    delete,
    path = "/api/v1/repositories/{repository}/tags/{tag}",
    operation_id = "tag_delete",
    tag = "tags",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        ("tag" = String, Path, description = "Its name"),
        ("if-match" = Option<String>, Header, description = "The digest it names, in quotes"),
    ),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "There is no such repository, or tag in it"),
        (status = 409, description = "It is immutable"),
        (status = 412, description = "It names something else by now"),
    ),
)]
pub(super) async fn delete(
    management: &Management,
    (name, tag): (&RepositoryName, &Tag),
    call: Call,
) -> Answer {
    let repository = management.repository(name);
    call.demand_digest(&repository, &Reference::Tag(tag.clone()))
        .await?;
    call.plain()?;
    repository.delete_tag(tag).await?;
    done()
}

/// What a tag named, the newest change first.
#[utoipa::path(
    get,
    path = "/api/v1/repositories/{repository}/tags/{tag}/history",
    operation_id = "tag_history",
    tag = "tags",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        ("tag" = String, Path, description = "Its name"),
    ),
    responses(
        (status = 200, description = "All that is kept of it", body = History),
        (status = 404, description = "There is no such repository, or nothing is known of the tag"),
    ),
)]
pub(super) async fn history(
    management: &Management,
    (name, tag): (&RepositoryName, &Tag),
    call: Call,
) -> Answer {
    call.plain()?;
    let mut changes = management.repository(name).tag_history(tag).await?;
    if changes.is_empty() {
        let detail = format!("nothing is known of a tag {tag} in {name}");
        return Err(Problem::new(ProblemCode::NotFound, detail));
    }
    changes.reverse();
    let items = changes.into_iter().map(Change::from).collect();
    json(StatusCode::OK, &History { items })
}

impl From<TagDetail> for Shown {
    fn from(tag: TagDetail) -> Self {
        Self {
            name: tag.tag.to_string(),
            digest: tag.digest.to_string(),
            media_type: tag.media_type.to_string(),
            size_bytes: tag.size,
            updated: tag.updated,
            last_pull: tag.last_pull,
        }
    }
}

impl From<TagChange> for Change {
    fn from(change: TagChange) -> Self {
        Self {
            event: match change.event {
                TagEvent::Set => "set",
                TagEvent::Moved => "moved",
                TagEvent::Deleted => "deleted",
                TagEvent::ManifestDeleted => "manifest-deleted",
                TagEvent::Restored => "restored",
            },
            digest: change.digest.to_string(),
            media_type: change.media_type.to_string(),
            at: change.at,
        }
    }
}
