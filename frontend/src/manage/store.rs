//! From a [`StoreRoute`] to its handler.

use super::call::Call;
use super::route::StoreRoute;
use super::{Answer, Management, backup, check, gc, undelete, usage, why};

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
        StoreRoute::BackupRun => backup::run(engine, call.read()?).await,
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
        StoreRoute::Undelete => undelete::restore(engine, call.read()?).await,
    }
}
