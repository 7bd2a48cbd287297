//! `POST /api/v1/repositories`: an empty repository.

use super::{Answer, Problem, ProblemCode, json};
use floundr_engine::Engine;
use floundr_engine::name::RepositoryName;
use http::StatusCode;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    name: String,
}

#[derive(Debug, Serialize)]
struct Created {
    name: String,
    /// `false`: it was there.
    created: bool,
}

/// 201 when it was made, 200 when it was there. Durable then.
pub(super) async fn create(engine: &Engine, create: Create) -> Answer {
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
