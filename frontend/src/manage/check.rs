//! The check: `POST /api/v1/check` reads everything that is stored and says what is not as it was put;
//! `GET` says how far the one in the background is.

use super::gc::millis;
use super::{Answer, json};
use floundr_engine::{CheckOptions, CheckReport, Done, Engine, Finding};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CheckOrder)]
pub(super) struct Run {
    /// Write anew what follows from other rows, remove what nothing needs.
    #[serde(default)]
    repair: bool,
    /// Bytes of content read in a second; 0: as fast as the disk gives them.
    #[serde(default)]
    bytes_per_second: u64,
}

/// What a check saw, found and did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CheckReport)]
pub struct Report {
    clean: bool,
    rows: u64,
    blobs: u64,
    bytes: u64,
    files: u64,
    found: u64,
    repaired: u64,
    quarantined: u64,
    /// The first of what was found.
    findings: Vec<Found>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Found {
    digest: Option<String>,
    place: String,
    what: String,
    done: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CheckProgress)]
pub(super) struct Progress {
    running: bool,
    paused: bool,
    blobs_done: u64,
    blobs: u64,
    bytes: u64,
    found: u64,
    quarantined: u64,
    remaining_ms: Option<u64>,
}

/// Reads everything that is stored and says what is not as it was put.
///
/// A client that goes away ends its check; what it had marked or repaired is so.
#[utoipa::path(
    post,
    path = "/api/v1/check",
    operation_id = "check_run",
    tag = "store",
    request_body = Run,
    responses(
        (status = 200, description = "What was read, found and done", body = Report),
    ),
)]
pub(super) async fn run(engine: &Engine, run: Run) -> Answer {
    let options = CheckOptions {
        repair: run.repair,
        bytes_per_second: run.bytes_per_second,
    };
    let report = engine.check(options).await?;
    json(StatusCode::OK, &Report::from(report))
}

/// How far the check in the background is.
#[utoipa::path(
    get,
    path = "/api/v1/check",
    operation_id = "check_show",
    tag = "store",
    responses(
        (status = 200, description = "How far it is", body = Progress),
    ),
)]
pub(super) fn show(engine: &Engine) -> Answer {
    json(StatusCode::OK, &Progress::read(engine))
}

// === impl Progress ===

impl Progress {
    pub(super) fn read(engine: &Engine) -> Self {
        let progress = *engine.check_progress().borrow();
        Self {
            running: progress.is_running,
            paused: progress.is_paused,
            blobs_done: progress.done,
            blobs: progress.total,
            bytes: progress.bytes,
            found: progress.found,
            quarantined: progress.quarantined,
            remaining_ms: progress.remaining.map(millis),
        }
    }
}

// === impl Report ===

impl From<CheckReport> for Report {
    fn from(report: CheckReport) -> Self {
        Self {
            clean: report.is_clean(),
            rows: report.rows,
            blobs: report.blobs,
            bytes: report.bytes,
            files: report.files,
            found: report.found,
            repaired: report.repaired,
            quarantined: report.quarantined,
            findings: report.findings.into_iter().map(Found::from).collect(),
        }
    }
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self {
            digest: finding.digest.map(|digest| digest.to_string()),
            place: finding.place,
            what: finding.what,
            done: match finding.done {
                Done::Reported => "reported",
                Done::Quarantined => "quarantined",
                Done::Known => "known",
                Done::Repaired => "repaired",
                Done::Removed => "removed",
            },
        }
    }
}
