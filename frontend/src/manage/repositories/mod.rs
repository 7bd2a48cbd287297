//! Repositories, and what is in them.
//!
//! ```text
//! shown            a repository as it is told
//! tags, manifests  what is in one; parts  what a manifest says
//! ```
//! Invariants:
//! 1. What a caller may not pull from is not there for them: not in listings, and 404 by name.
//! 2. What is deleted here can be restored, as if a client had deleted it; immutable tags are as
//!    immutable here as there. They go with their repository only by an administrator of the server.

mod manifests;
mod parts;
mod shown;
mod tags;

use super::accounts::{demanded, done, forbidden, nullable};
use super::call::Call;
use super::etag::{EntityTag, tagged};
use super::query::FilterParameters;
use super::route::RepositoryRoute;
use super::{Answer, Management, Problem, ProblemCode, json};
use crate::access::Caller;
use crate::accounts::{On, Permission, RulePatch};
use floundr_engine::name::RepositoryName;
use floundr_engine::page::Page;
use floundr_engine::repository::RepositoryError;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shown::Shown;
use utoipa::{OpenApi, ToSchema};

/// How often a listing goes on looking for repositories that the caller may see.
const ROUNDS: usize = 16;

/// What the OpenAPI document says of them.
#[derive(OpenApi)]
#[openapi(
    paths(
        list, create, show, change, delete, tags::list, tags::set, tags::delete, tags::history,
        manifests::list, manifests::show, manifests::delete,
    ),
    tags(
        (name = "repositories", description = "Repositories and how they behave"),
        (name = "tags", description = "Names of manifests"),
        (name = "manifests", description = "Images, indexes and other artifacts"),
    ),
)]
pub(super) struct Document;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRepository)]
struct Create {
    name: String,
    /// Let anybody pull from it, which only who administers it may.
    #[serde(default)]
    public: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedRepository)]
struct Created {
    name: String,
    /// `false`: it was there.
    created: bool,
}

/// What is to become different; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RepositoryPatch)]
#[expect(clippy::option_option, reason = "absent is not null")]
struct Patch {
    /// Whether anybody may pull.
    public: Option<bool>,
    /// Bytes it may hold; null for as many as there is room for. Only for administrators of the
    /// server.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>)]
    quota_bytes: Option<Option<u64>>,
    /// Patterns of tags that can be set once, and then neither moved nor deleted.
    #[schema(value_type = Option<Vec<String>>)]
    immutable_tags: Option<Vec<On>>,
}

/// A page of repositories.
#[derive(Debug, Serialize, ToSchema)]
struct Repositories {
    items: Vec<Shown>,
    next: Option<String>,
}

pub(super) async fn answer(management: &Management, route: RepositoryRoute, call: Call) -> Answer {
    match route {
        RepositoryRoute::List => list(management, call).await,
        RepositoryRoute::Create => create(management, call).await,
        RepositoryRoute::Show(name) => show(management, &name, call).await,
        RepositoryRoute::Change(name) => change(management, &name, call).await,
        RepositoryRoute::Delete(name) => delete(management, &name, call).await,
        RepositoryRoute::TagList(name) => tags::list(management, &name, call).await,
        RepositoryRoute::TagSet(name, tag) => tags::set(management, (&name, &tag), call).await,
        RepositoryRoute::TagDelete(name, tag) => {
            tags::delete(management, (&name, &tag), call).await
        }
        RepositoryRoute::TagHistory(name, tag) => {
            tags::history(management, (&name, &tag), call).await
        }
        RepositoryRoute::ManifestList(name) => manifests::list(management, &name, call).await,
        RepositoryRoute::ManifestShow(name, reference) => {
            manifests::show(management, (&name, &reference), call).await
        }
        RepositoryRoute::ManifestDelete(name, reference) => {
            manifests::delete(management, (&name, &reference), call).await
        }
    }
}

/// The repositories that the caller may pull from, in the order of their names.
#[utoipa::path(
    get,
    path = "/api/v1/repositories",
    operation_id = "repository_list",
    tag = "repositories",
    params(
        FilterParameters,
        ("sort" = Option<String>, Query, description = "`name`, which is what there is"),
    ),
    responses((status = 200, description = "A page of them", body = Repositories)),
)]
async fn list(management: &Management, call: Call) -> Answer {
    let caller = call.caller().clone();
    let mut query = call.query();
    let filter: String = query.take("filter")?.unwrap_or_default();
    if let Some(order) = query.take::<String>("sort")?
        && order != "name"
    {
        let detail = "parameter sort is not name, which is what there is";
        return Err(Problem::new(ProblemCode::ParameterInvalid, detail));
    }
    let page = query.page::<String>()?;
    let (names, next) = visible(management, &caller, &filter, page).await?;
    let mut items = Vec::new();
    for name in names {
        match Shown::read(management, &caller, &name).await {
            Ok((shown, _)) => items.push(shown),
            // It was deleted a moment ago.
            Err(RepositoryError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    json(StatusCode::OK, &Repositories { items, next })
}

/// A page of the names that the caller may know, and where the next one begins.
async fn visible(
    management: &Management,
    caller: &Caller,
    filter: &str,
    mut page: Page<String>,
) -> Result<(Vec<RepositoryName>, Option<String>), Problem> {
    let wanted = page.limit;
    let mut names = Vec::new();
    for _ in 0..ROUNDS {
        page.limit = wanted - names.len();
        let engine = management.engine();
        let part = engine.repositories_containing(filter, page.clone()).await?;
        let may_see = |name: &RepositoryName| caller.may(name, Permission::Pull);
        names.extend(part.items.into_iter().filter(may_see));
        page.after = part.next;
        if names.len() == wanted || page.after.is_none() {
            break;
        }
    }
    Ok((names, page.after))
}

/// Makes an empty repository. Durable when it answers.
#[utoipa::path(
    post,
    path = "/api/v1/repositories",
    operation_id = "repository_create",
    tag = "repositories",
    request_body = Create,
    responses(
        (status = 201, description = "It was made", body = Created),
        (status = 200, description = "It was there", body = Created),
    ),
)]
async fn create(management: &Management, call: Call) -> Answer {
    let caller = call.caller().clone();
    let Create { name, public } = call.read()?;
    let name: RepositoryName = name
        .parse()
        .map_err(|error| Problem::new(ProblemCode::NameInvalid, format!("{error}")))?;
    for (permission, is_needed) in [(Permission::Push, true), (Permission::Administer, public)] {
        if is_needed && !caller.may(&name, permission) {
            let detail = format!("{} may not {permission} {name}", caller.principal());
            return Err(forbidden(detail));
        }
    }
    let accounts = public.then(|| management.accounts()).transpose()?;
    let created = management.engine().repository(&name).create().await?;
    if let Some(accounts) = accounts {
        let patch = RulePatch {
            public: Some(true),
            ..RulePatch::default()
        };
        accounts.change_rule(&exactly(&name), patch, None).await?;
    }
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let name = name.to_string();
    json(status, &Created { name, created })
}

/// What a repository holds, how it behaves, and what the caller may do with it.
#[utoipa::path(
    get,
    path = "/api/v1/repositories/{repository}",
    operation_id = "repository_show",
    tag = "repositories",
    params(("repository" = String, Path, description = "One segment: `team%2Fapp`")),
    responses(
        (status = 200, description = "With the `ETag` of its settings", body = Shown),
        (status = 404, description = "There is none that the caller may pull from"),
    ),
)]
async fn show(management: &Management, name: &RepositoryName, call: Call) -> Answer {
    let caller = call.caller().clone();
    call.plain()?;
    told(management, &caller, name).await
}

async fn told(management: &Management, caller: &Caller, name: &RepositoryName) -> Answer {
    let (shown, version) = Shown::read(management, caller, name).await?;
    tagged(StatusCode::OK, &shown, &EntityTag::version(version))
}

/// Changes how a repository behaves: the rule of its own. Durable when it answers.
#[utoipa::path(
    patch,
    path = "/api/v1/repositories/{repository}",
    operation_id = "repository_change",
    tag = "repositories",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        ("if-match" = Option<String>, Header, description = "The `ETag` it is changed from"),
    ),
    request_body = Patch,
    responses(
        (status = 200, description = "As it is now", body = Shown),
        (status = 404, description = "There is none that the caller may pull from"),
        (status = 412, description = "It was changed since"),
    ),
)]
async fn change(management: &Management, name: &RepositoryName, call: Call) -> Answer {
    let caller = call.caller().clone();
    let (_, present) = Shown::read(management, &caller, name).await?;
    let version = demanded(&call, Some(present))?;
    let patch: Patch = call.read()?;
    if patch.quota_bytes.is_some() && !caller.is_administrator() {
        let detail = "only an administrator of the server sets quotas";
        return Err(forbidden(detail));
    }
    let patch = RulePatch {
        public: patch.public,
        quota: patch.quota_bytes,
        immutable_tags: patch.immutable_tags,
    };
    let accounts = management.accounts()?;
    accounts.change_rule(&exactly(name), patch, version).await?;
    told(management, &caller, name).await
}

/// Deletes a repository with everything in it. Durable when it answers; it can be restored. One that
/// rules give immutable tags is deleted by administrators of the server alone.
#[utoipa::path(
    delete,
    path = "/api/v1/repositories/{repository}",
    operation_id = "repository_delete",
    tag = "repositories",
    params(
        ("repository" = String, Path, description = "One segment: `team%2Fapp`"),
        ("if-match" = Option<String>, Header, description = "The `ETag` of what is to go"),
    ),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 403, description = "Who asks may not do this, or rules give it immutable tags"),
        (status = 404, description = "There is none that the caller may pull from"),
        (status = 412, description = "It was changed since"),
    ),
)]
async fn delete(management: &Management, name: &RepositoryName, call: Call) -> Answer {
    let caller = call.caller().clone();
    let (_, present) = Shown::read(management, &caller, name).await?;
    demanded(&call, Some(present))?;
    call.plain()?;
    let immutable = management.directory().immutable_tags(name.as_str());
    if !immutable.is_empty() && !caller.is_administrator() {
        let detail = format!(
            "rules give {name} immutable tags: only an administrator of the server deletes it"
        );
        return Err(forbidden(detail));
    }
    management.repository(name).delete().await?;
    done()
}

/// The pattern that names one repository.
fn exactly(name: &RepositoryName) -> On {
    let on = name.as_str().parse();
    on.expect("a repository's name is a pattern: it has no characters that mean more")
}
