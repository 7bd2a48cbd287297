//! What is asked of the server itself: `GET /api/v1`, which program this is and which store it has open.

use super::accounts::whoami;
use super::call::Call;
use super::route::ServerRoute;
use super::{Answer, Management, audit, json, listen, openapi, status};
use http::StatusCode;
use serde::Serialize;
use std::path::Path;
use utoipa::{OpenApi, ToSchema};

/// What the OpenAPI document says of it.
#[derive(OpenApi)]
#[openapi(
    paths(show, openapi::show, status::show, listen::listen, audit::list, audit::verify),
    tags(
        (name = "server", description = "The program that runs"),
        (name = "audit", description = "Who did what"),
    ),
)]
pub(super) struct Document;

#[derive(Debug, Serialize, ToSchema)]
struct About<'a> {
    version: &'static str,
    /// The store's directory, so that a command can tell whether it is the one it means.
    /// Only administrators of the server are told.
    #[schema(value_type = Option<String>)]
    store: Option<&'a Path>,
}

pub(super) async fn answer(management: &Management, route: ServerRoute, call: Call) -> Answer {
    match route {
        ServerRoute::About => show(management, call),
        ServerRoute::OpenApi => openapi::show(call),
        ServerRoute::Status => status::show(management, call).await,
        ServerRoute::Events => listen::listen(management, call),
        ServerRoute::AuditList => audit::list(management, call.query()).await,
        ServerRoute::AuditVerify => audit::verify(management, call.read()?).await,
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
    let is_administrator = call.caller().is_administrator();
    call.plain()?;
    let store = is_administrator.then(|| management.store());
    let version = env!("CARGO_PKG_VERSION");
    json(StatusCode::OK, &About { version, store })
}
