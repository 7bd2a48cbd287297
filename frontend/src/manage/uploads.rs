//! Uploads that are under way: `GET /api/v1/uploads` lists them, `DELETE` ends one.
//!
//! An upload is named by its UUID alone: its whole id, with which its client goes on, is in no answer.

use super::accounts::done;
use super::call::Call;
use super::gc::millis;
use super::query::{PageParameters, Query};
use super::{Answer, Problem, ProblemCode, json};
use floundr_engine::Engine;
use floundr_engine::upload::{UploadDetail, UploadUuid};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of uploads.
#[derive(Debug, Serialize, ToSchema)]
struct Uploads {
    items: Vec<Upload>,
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Upload {
    id: String,
    /// Null when its record cannot be read.
    repository: Option<String>,
    offset_bytes: u64,
    started: Option<u64>,
    /// When its progress was last written down.
    updated: Option<u64>,
    /// When it ends without further progress.
    expires_in_ms: Option<u64>,
    /// A client has it open.
    active: bool,
}

/// The uploads that are under way, in the order of their ids. One without bytes that nobody has open is
/// not among them.
#[utoipa::path(
    get,
    path = "/api/v1/uploads",
    operation_id = "upload_list",
    tag = "uploads",
    params(PageParameters),
    responses((status = 200, description = "A page of them", body = Uploads)),
)]
pub(super) async fn list(engine: &Engine, query: Query) -> Answer {
    let listing = engine.uploads(query.page()?).await?;
    let last = listing.items.last().filter(|_| listing.more);
    let next = last.map(|upload| upload.uuid.to_string());
    let items = listing.items.into_iter().map(Upload::from).collect();
    json(StatusCode::OK, &Uploads { items, next })
}

/// Ends an upload, whoever has it open, and gives its space back. Durable when it answers.
#[utoipa::path(
    delete,
    path = "/api/v1/uploads/{id}",
    operation_id = "upload_cancel",
    tag = "uploads",
    params(("id" = String, Path, description = "Its UUID")),
    responses(
        (status = 204, description = "It has ended"),
        (status = 404, description = "There is no such upload"),
        (status = 409, description = "Its client went on with it again and again"),
    ),
)]
pub(super) async fn cancel(engine: &Engine, id: UploadUuid, call: Call) -> Answer {
    call.plain()?;
    if engine.cancel_upload(id).await? {
        return done();
    }
    let detail = format!("there is no upload {id}");
    Err(Problem::new(ProblemCode::NotFound, detail))
}

impl From<UploadDetail> for Upload {
    fn from(upload: UploadDetail) -> Self {
        Self {
            id: upload.uuid.to_string(),
            repository: upload.repository.map(|name| name.to_string()),
            offset_bytes: upload.offset,
            started: upload.started,
            updated: upload.updated,
            expires_in_ms: upload.expires_in.map(millis),
            active: upload.active,
        }
    }
}
