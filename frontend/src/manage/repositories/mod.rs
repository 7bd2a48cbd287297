//! Repositories: `POST /api/v1/repositories` makes an empty one.

use super::call::Call;
use super::route::RepositoryRoute;
use super::{Answer, Management, Problem, ProblemCode, json};
use floundr_engine::Engine;
use floundr_engine::name::RepositoryName;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

/// What the OpenAPI document says of them.
#[derive(OpenApi)]
#[openapi(
    paths(create),
    tags((name = "repositories", description = "Repositories and who may see them")),
)]
pub(super) struct Document;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRepository)]
struct Create {
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedRepository)]
struct Created {
    name: String,
    /// `false`: it was there.
    created: bool,
}

pub(super) async fn answer(management: &Management, route: RepositoryRoute, call: Call) -> Answer {
    match route {
        RepositoryRoute::Create => create(management.engine(), call.read()?).await,
    }
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
async fn create(engine: &Engine, create: Create) -> Answer {
    let name: RepositoryName = create
        .name
        .parse()
        .map_err(|error| Problem::new(ProblemCode::NameInvalid, format!("{error}")))?;
    let created = engine.repository(&name).create().await?;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let name = name.to_string();
    json(status, &Created { name, created })
}
