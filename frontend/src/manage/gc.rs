//! Collection: `POST /api/v1/gc` runs it, `GET` says where it stands, `plan` lists what a run would
//! take, `pause` and `resume` stop it and let it go on.
//!
//! Times are milliseconds of engine time, which stands still while no process has the store open.

use super::call::Nothing;
use super::query::{PageParameters, Query};
use super::{Answer, Problem, ProblemCode, json};
use floundr_engine::Engine;
use floundr_engine::clock::EngineTime;
use floundr_engine::gc::{
    CollectError, CollectOptions, GcReport, PlanPosition, PlannedRemoval, RemovalReason,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How to collect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Collect {
    /// Instead of the grace period the store was opened with.
    grace_ms: Option<u64>,
    /// Make all deletions final first.
    #[serde(default)]
    empty_trash: bool,
    /// Remove nothing.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GcReport)]
struct Report {
    unlinked: u64,
    removed: u64,
    bytes: u64,
    purged_manifests: u64,
    expired_uploads: u64,
    expired_bytes: u64,
    orphan_files: u64,
    damaged: u64,
    failed: u64,
    held: bool,
    complete: bool,
    dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GcStatus)]
struct Status {
    phase: &'static str,
    paused: bool,
    blobs_per_second: Option<u64>,
    bytes_per_second: Option<u64>,
    /// Of the run that goes on, or of the last one.
    due: u64,
    done: u64,
    bytes: u64,
    eta_ms: Option<u64>,
    /// Blobs that nothing links, due or not, and places whose bytes wait to be given back.
    candidates: u64,
    waiting: u64,
    damaged: u64,
    damaged_rows: Vec<DamagedRow>,
    orphan_files: u64,
    orphans_searched: bool,
    last_run: Option<LastRun>,
    last_error: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DamagedRow {
    table: &'static str,
    key: String,
    why: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GcLastRun)]
struct LastRun {
    ended_ms_ago: u64,
    report: Report,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GcPlan)]
struct Plan {
    items: Vec<Item>,
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GcPlanItem)]
struct Item {
    repository: Option<String>,
    digest: String,
    size: u64,
    /// The bytes come back with it.
    frees: bool,
    reason: &'static str,
    unlinked_for_ms: Option<u64>,
    due_for_ms: Option<u64>,
}

/// Collects what is due now, or sums up what that would do.
///
/// Answers when it is done; closing the connection ends it.
#[utoipa::path(
    post,
    path = "/api/v1/gc",
    operation_id = "gc_run",
    tag = "collection",
    request_body = Collect,
    responses(
        (status = 200, description = "What was collected, or would be", body = Report),
        (status = 409, description = "Collection is paused"),
    ),
)]
pub(super) async fn run(engine: &Engine, collect: Collect) -> Answer {
    let options = CollectOptions {
        grace: collect.grace_ms.map(Duration::from_millis),
        empty_trash: collect.empty_trash,
        dry_run: collect.dry_run,
    };
    let report = engine.collector().run(options).await?;
    json(StatusCode::OK, &Report::from(report))
}

/// Where the collector stands, how long its queues are, and what damage it met.
#[utoipa::path(
    get,
    path = "/api/v1/gc",
    operation_id = "gc_status",
    tag = "collection",
    responses(
        (status = 200, description = "Where it stands", body = Status),
    ),
)]
pub(super) fn status(engine: &Engine) -> Answer {
    let collector = engine.collector();
    let (status, queues) = (collector.status(), collector.queues()?);
    let now = collector.now();
    let rows = collector.damaged().rows.into_iter();
    let row = |row: floundr_engine::gc::DamagedRow| DamagedRow {
        table: row.table,
        key: row.key,
        why: row.why,
    };
    let answer = Status {
        phase: status.phase.as_str(),
        paused: status.paused,
        blobs_per_second: status.budget.blobs_per_second.map(std::num::NonZero::get),
        bytes_per_second: status.budget.bytes_per_second.map(std::num::NonZero::get),
        due: status.due,
        done: status.done,
        bytes: status.bytes,
        eta_ms: status.eta.map(millis),
        candidates: queues.candidates,
        waiting: queues.waiting,
        damaged: status.damaged,
        damaged_rows: rows.take(20).map(row).collect(),
        orphan_files: status.orphan_files,
        orphans_searched: status.orphans_searched,
        last_run: status.last.map(|(report, ended)| LastRun {
            ended_ms_ago: millis(ended.until(now)),
            report: report.into(),
        }),
        last_error: status.last_error,
    };
    json(StatusCode::OK, &answer)
}

/// What a collection would take now, in its order.
#[utoipa::path(
    get,
    path = "/api/v1/gc/plan",
    operation_id = "gc_plan",
    tag = "collection",
    params(
        ("grace_ms" = Option<u64>, Query, description = "Instead of the grace period of the server"),
        PageParameters,
    ),
    responses(
        (status = 200, description = "A page of it", body = Plan),
    ),
)]
pub(super) async fn plan(engine: &Engine, mut query: Query) -> Answer {
    let options = CollectOptions {
        grace: query.take("grace_ms")?.map(Duration::from_millis),
        empty_trash: false,
        dry_run: true,
    };
    let page = query.page::<PlanPosition>()?;
    let collector = engine.collector();
    let listing = collector.plan(options, page).await?;
    let last = listing.items.last().filter(|_| listing.more);
    let next = last.map(|item| item.position.to_string());
    let now = collector.now();
    let items = listing.items.into_iter();
    let items = items.map(|item| Item::new(item, now)).collect();
    json(StatusCode::OK, &Plan { items, next })
}

/// Removes nothing from now on, over restarts too, until it is resumed.
#[utoipa::path(
    post,
    path = "/api/v1/gc/pause",
    operation_id = "gc_pause",
    tag = "collection",
    request_body = Nothing,
    responses(
        (status = 200, description = "Where it stands", body = Status),
    ),
)]
pub(super) async fn pause(engine: &Engine, _body: Nothing) -> Answer {
    engine.collector().pause().await?;
    status(engine)
}

/// Ends a pause.
#[utoipa::path(
    post,
    path = "/api/v1/gc/resume",
    operation_id = "gc_resume",
    tag = "collection",
    request_body = Nothing,
    responses(
        (status = 200, description = "Where it stands", body = Status),
    ),
)]
pub(super) async fn resume(engine: &Engine, _body: Nothing) -> Answer {
    engine.collector().resume().await?;
    status(engine)
}

/// A time for JSON.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

// === impl Item ===

impl Item {
    fn new(item: PlannedRemoval, now: EngineTime) -> Self {
        let (reason, times) = match item.reason {
            RemovalReason::Unlinked { since, due } => ("unlinked", Some((since, due))),
            RemovalReason::RepositoryDeleted => ("repository-deleted", None),
        };
        Self {
            repository: item.repository.map(|name| name.to_string()),
            digest: item.digest.to_string(),
            size: item.size,
            frees: item.frees,
            reason,
            unlinked_for_ms: times.map(|(since, _)| millis(since.until(now))),
            due_for_ms: times.map(|(_, due)| millis(due.until(now))),
        }
    }
}

// === impl Report ===

impl From<GcReport> for Report {
    fn from(report: GcReport) -> Self {
        Self {
            unlinked: report.unlinked,
            removed: report.removed,
            bytes: report.bytes,
            purged_manifests: report.purged_manifests,
            expired_uploads: report.expired_uploads,
            expired_bytes: report.expired_bytes,
            orphan_files: report.orphan_files,
            damaged: report.damaged,
            failed: report.failed,
            held: report.held,
            complete: report.complete,
            dry_run: report.dry_run,
        }
    }
}

impl From<CollectError> for Problem {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Paused => {
                let detail = format!("{error}: floundr gc resume ends that");
                Self::new(ProblemCode::Paused, detail)
            }
            CollectError::Storage(error) => error.into(),
        }
    }
}
