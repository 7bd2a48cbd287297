//! `GET /api/v1/status`: how much is asked of the server, and how it is. Listeners are told the same every
//! two seconds (see [`Management::keep`]).

use super::call::Call;
use super::check::Progress;
use super::gc::millis;
use super::usage::Store;
use super::{Answer, Management, Problem, json};
use crate::events::{Event, EventKind};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json as value};
use std::time::Duration;
use utoipa::ToSchema;

/// How often listeners are told.
const BEAT: Duration = Duration::from_secs(2);

/// The server at one moment.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    version: &'static str,
    uptime_ms: u64,
    connections: u64,
    /// Answered since the start, over HTTP.
    requests_total: u64,
    requests_in_flight: u64,
    received_bytes: u64,
    sent_bytes: u64,
    /// That are under way.
    uploads: u64,
    store: Store,
    gc: Gc,
    check: Progress,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GcSummary)]
struct Gc {
    phase: &'static str,
    paused: bool,
    /// Blobs that nothing links, due or not.
    candidates: u64,
    /// Places whose bytes wait to be given back.
    waiting: u64,
    last_ended_ms_ago: Option<u64>,
}

/// How much is asked of the server, and how it is.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "status",
    tag = "server",
    responses((status = 200, description = "At this moment", body = Status)),
)]
pub(super) async fn show(management: &Management, call: Call) -> Answer {
    call.plain()?;
    json(StatusCode::OK, &Status::read(management).await?)
}

// === impl Status ===

impl Status {
    async fn read(management: &Management) -> Result<Self, Problem> {
        let engine = management.engine();
        let figures = management.services().metrics.figures();
        let store = Store::read(engine).await?;
        let collector = engine.collector();
        let (status, queues) = (collector.status(), collector.queues()?);
        let ended = status.last.map(|(_, ended)| ended);
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_ms: millis(figures.uptime),
            connections: figures.connections,
            requests_total: figures.requests,
            requests_in_flight: figures.in_flight,
            received_bytes: figures.received,
            sent_bytes: figures.sent,
            uploads: store.uploads(),
            store,
            gc: Gc {
                phase: status.phase.as_str(),
                paused: status.paused,
                candidates: queues.candidates,
                waiting: queues.waiting,
                last_ended_ms_ago: ended.map(|ended| millis(ended.until(collector.now()))),
            },
            check: Progress::read(engine),
        })
    }
}

// === impl Management ===

impl Management {
    /// Tells listeners how the server is, every two seconds, and when the collector or the check begin
    /// or end; for as long as it is polled.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn keep(&self) {
        let mut known = Works::default();
        loop {
            tokio::time::sleep(BEAT).await;
            if !self.services().events.is_heard() {
                continue;
            }
            known = self.tell_works(&known);
            match Status::read(self).await.map(|status| value!(status)) {
                Ok(status) => self.tell(EventKind::Status, status),
                Err(problem) => tracing::warn!(%problem, "the status could not be read"),
            }
        }
    }

    fn tell_works(&self, known: &Works) -> Works {
        let works = Works {
            phase: self.engine().collector().status().phase.as_str(),
            is_checking: self.engine().check_progress().borrow().is_running,
        };
        if works.phase != known.phase {
            self.tell(EventKind::Gc, value!({ "phase": works.phase }));
        }
        if works.is_checking != known.is_checking {
            self.tell(EventKind::Check, value!({ "running": works.is_checking }));
        }
        works
    }

    fn tell(&self, kind: EventKind, data: Value) {
        let repository = None;
        self.services().events.publish(Event {
            kind,
            repository,
            data,
        });
    }
}

/// What goes on in the background.
#[derive(Debug, Default)]
struct Works {
    phase: &'static str,
    is_checking: bool,
}
