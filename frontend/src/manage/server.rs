//! What is asked of the server itself: `GET /api/v1`, which program this is and which store it has open.

use super::accounts::whoami;
use super::call::Call;
use super::route::ServerRoute;
use super::{Answer, Management, json, openapi};
use http::StatusCode;
use serde::Serialize;
use std::path::Path;
use utoipa::{OpenApi, ToSchema};

/// What the OpenAPI document says of it.
#[derive(OpenApi)]
#[openapi(
    paths(show, openapi::show),
    tags((name = "server", description = "The program that runs")),
)]
pub(super) struct Document;

#[derive(Debug, Serialize, ToSchema)]
struct About<'a> {
    version: &'static str,
    /// The store's directory, so that a command can tell whether it is the one it means.
    #[schema(value_type = String)]
    store: &'a Path,
}

pub(super) fn answer(management: &Management, route: &ServerRoute, call: Call) -> Answer {
    match route {
        ServerRoute::About => show(management, call),
        ServerRoute::OpenApi => openapi::show(call),
        ServerRoute::Whoami => whoami::show(call),
    }
}

/// Which program this is, and which store it has open.
#[utoipa::path(
    get,
    path = "/api/v1",
    operation_id = "about",
    tag = "server",
    responses(
        (status = 200, description = "Which", body = About<'static>),
    ),
)]
fn show(management: &Management, call: Call) -> Answer {
    call.plain()?;
    let store = management.store();
    let version = env!("CARGO_PKG_VERSION");
    json(StatusCode::OK, &About { version, store })
}
