//! `GET /api/v1/audit`: who did what, the newest first; `POST /api/v1/audit/verify`: whether that is what
//! was written.

use super::call::Nothing;
use super::query::Query;
use super::{Answer, Management, Problem, ProblemCode, json};
use crate::audit::{AuditError, Filter, Record};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecords)]
struct Records {
    items: Vec<Shown>,
    next: Option<u64>,
    /// Lines among them that are no records: verifying says where.
    unreadable: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
struct Shown {
    sequence: u64,
    at: u64,
    /// A user, `robot:` and a key's id, `anonymous`, `operator`, or the log itself.
    actor: String,
    /// The API key that was used.
    key: Option<String>,
    /// The client's address.
    from: Option<String>,
    action: &'static str,
    object: String,
    /// The status of the answer.
    result: u16,
    detail: Option<String>,
    request_id: Option<String>,
}

/// Whether the log is as it was written.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditReport)]
struct Report {
    /// Records that follow from one another, from the oldest that is kept.
    records: u64,
    /// The first record that does not: it was changed or removed, or the one before it was.
    broken_at: Option<u64>,
}

/// Who did what, the newest first. A page may have fewer records than asked for, even none, and a `next`
/// all the same.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "audit_list",
    tag = "audit",
    params(
        ("actor" = Option<String>, Query, description = "Exactly this one"),
        ("action" = Option<String>, Query, description = "Exactly this one"),
        ("object" = Option<String>, Query, description = "What stands in it"),
        ("since" = Option<u64>, Query, description = "At this time or later"),
        ("until" = Option<u64>, Query, description = "Earlier than this"),
        ("n" = Option<u64>, Query, description = "At most how many: 100, never more than 1000"),
        ("last" = Option<u64>, Query, description = "The `next` of the page before"),
    ),
    responses((status = 200, description = "A page of them", body = Records)),
)]
pub(super) async fn list(management: &Management, mut query: Query) -> Answer {
    let filter = Filter {
        actor: query.take("actor")?,
        action: query.take("action")?,
        object: query.take("object")?,
        since: query.take("since")?,
        until: query.take("until")?,
    };
    let page = query.page::<u64>()?;
    let found = management
        .services()
        .audit
        .query(filter, page.after, page.limit)
        .await?;
    let records = Records {
        items: found.records.into_iter().map(Shown::from).collect(),
        next: found.next,
        unreadable: found.unreadable,
    };
    json(StatusCode::OK, &records)
}

/// Reads the whole log and says whether anything was changed or removed.
#[utoipa::path(
    post,
    path = "/api/v1/audit/verify",
    operation_id = "audit_verify",
    tag = "audit",
    request_body = Nothing,
    responses((status = 200, description = "What was found", body = Report)),
)]
pub(super) async fn verify(management: &Management, _body: Nothing) -> Answer {
    let report = management.services().audit.verify().await?;
    let report = Report {
        records: report.records,
        broken_at: report.broken_at,
    };
    json(StatusCode::OK, &report)
}

impl From<Record> for Shown {
    fn from(record: Record) -> Self {
        let event = record.event;
        Self {
            sequence: record.sequence,
            at: record.at,
            actor: event.actor,
            key: event.key.map(|key| key.to_string()),
            from: event.from.map(|from| from.to_string()),
            action: event.action.as_str(),
            object: event.object,
            result: event.result,
            detail: event.detail,
            request_id: event.request_id,
        }
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        let code = match error {
            AuditError::InUse(_) => ProblemCode::InUse,
            AuditError::Closed => ProblemCode::Unavailable,
            AuditError::Open { .. } | AuditError::Write(_) | AuditError::Read(_) => {
                ProblemCode::Internal
            }
        };
        Self::new(code, error.to_string())
    }
}
