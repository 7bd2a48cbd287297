//! From a [`StoreRoute`] to its handler.

use super::call::Call;
use super::route::StoreRoute;
use super::{Answer, Management, backup, check, gc, undelete, uploads, usage, why};
use utoipa::OpenApi;

/// What the OpenAPI document says of them.
#[derive(OpenApi)]
#[openapi(
    paths(
        gc::run, gc::status, gc::plan, gc::pause, gc::resume, why::show, usage::show, backup::run,
        backup::show, check::run, check::show, undelete::list, undelete::restore, uploads::list,
        uploads::cancel,
    ),
    tags(
        (name = "collection", description = "Giving back what nothing needs"),
        (name = "uploads", description = "What is being pushed"),
        (name = "store", description = "What the store holds, whether it is whole, its backups"),
    ),
)]
pub(super) struct Document;

pub(super) async fn answer(management: &Management, route: StoreRoute, call: Call) -> Answer {
    let engine = management.engine();
    match route {
        StoreRoute::GcRun => gc::run(engine, call.read()?).await,
        StoreRoute::GcStatus => {
            call.plain()?;
            gc::status(engine)
        }
        StoreRoute::GcPlan => gc::plan(engine, call.query()).await,
        StoreRoute::GcPause => gc::pause(engine, call.read()?).await,
        StoreRoute::GcResume => gc::resume(engine, call.read()?).await,
        StoreRoute::Why(digest) => why::show(engine, &digest, call.query()).await,
        StoreRoute::Usage => usage::show(engine, call.query()).await,
        StoreRoute::BackupRun => backup::run(management, call.read()?).await,
        StoreRoute::BackupShow => {
            call.plain()?;
            backup::show(engine)
        }
        StoreRoute::CheckRun => check::run(engine, call.read()?).await,
        StoreRoute::CheckShow => {
            call.plain()?;
            check::show(engine)
        }
        StoreRoute::Deleted => undelete::list(engine, call.query()).await,
        StoreRoute::Undelete => undelete::restore(management, call).await,
        StoreRoute::UploadList => uploads::list(engine, call.query()).await,
        StoreRoute::UploadCancel(id) => uploads::cancel(engine, id, call).await,
    }
}
