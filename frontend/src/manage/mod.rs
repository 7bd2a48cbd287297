//! The management API: what an operator asks of a running server, as JSON over HTTP.
//!
//! ```text
//! route     what a request asks for, one variant per endpoint; parsed purely
//! problem   what is refused and why, in the form of RFC 9457
//! query     the parameters of listings
//! gc, why, usage, check, backup, repositories, undelete   the endpoints by subject, thin
//! socket    the unix socket they are served on
//! ```
//! Invariants:
//! 1. [`Management::handle`] needs no socket: a command without a running server calls the same
//!    handlers in its own process, under the store's lock.
//! 2. Who can ask may see everything: the socket is for the user of the server alone (0600), so
//!    answers name paths and causes.
//! 3. An answer is a JSON object, a refusal a problem; every one is small, and so is a request.

mod about;
mod backup;
mod check;
mod gc;
mod problem;
mod query;
mod repositories;
mod route;
mod socket;
mod undelete;
mod usage;
mod why;

pub use check::Report as CheckAnswer;
pub use problem::{Problem, ProblemCode};
#[cfg(any(test, feature = "test-util"))]
#[doc(hidden)]
pub use query::fuzz as fuzz_parameters;
pub use route::ManageRoute;
pub use socket::{Manager, SocketError, connect};

use bytes::Bytes;
use floundr_engine::Engine;
use futures_util::FutureExt as _;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use query::Query;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Bytes a request's body may have: the longest names a path and a few numbers.
pub const MAX_BODY: usize = 64 * 1024;

/// The management API over an open store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Management {
    engine: Engine,
    store: Arc<PathBuf>,
}

/// A handler's answer.
type Answer = Result<Response<Bytes>, Problem>;

// === impl Management ===

impl Management {
    /// Over `engine`, whose store lies in `store`.
    pub fn new(engine: Engine, store: &Path) -> Self {
        Self {
            engine,
            store: Arc::new(store.to_owned()),
        }
    }

    /// Answers one request. Refusals are answers too, see [`Problem`].
    ///
    /// # Cancel safety
    /// As of the engine's call behind it: a backup that is given up ends.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let started = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answered = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let answer = answered.unwrap_or_else(|_panic| {
            let detail = "a handler panicked; the server's log says more";
            Err(Problem::new(ProblemCode::Internal, detail))
        });
        let response = answer.unwrap_or_else(|problem| {
            if problem.status().is_server_error() {
                tracing::error!(%method, path, %problem, "a management request failed");
            }
            problem.into_response()
        });
        tracing::info!(
            target: "floundr::manage",
            %method,
            path,
            status = response.status().as_u16(),
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
        response
    }

    async fn answer(&self, request: Request<Bytes>) -> Answer {
        let route = ManageRoute::parse(request.method(), request.uri().path())?;
        let query = Query::parse(request.uri().query())?;
        if !route.takes_parameters() {
            query.finish()?;
        }
        let body = request.body();
        match route {
            ManageRoute::About => about::show(&self.store),
            ManageRoute::GcRun => gc::run(&self.engine, read(body)?).await,
            ManageRoute::GcStatus => gc::status(&self.engine),
            ManageRoute::GcPlan => gc::plan(&self.engine, query).await,
            ManageRoute::GcPause => gc::pause(&self.engine, read(body)?).await,
            ManageRoute::GcResume => gc::resume(&self.engine, read(body)?).await,
            ManageRoute::Why(digest) => why::show(&self.engine, &digest, query).await,
            ManageRoute::Usage => usage::show(&self.engine, query).await,
            ManageRoute::BackupRun => backup::run(&self.engine, read(body)?).await,
            ManageRoute::BackupShow => backup::show(&self.engine),
            ManageRoute::CheckRun => check::run(&self.engine, read(body)?).await,
            ManageRoute::CheckShow => check::show(&self.engine),
            ManageRoute::Deleted => undelete::list(&self.engine, query).await,
            ManageRoute::Undelete => undelete::restore(&self.engine, read(body)?).await,
            ManageRoute::RepositoryCreate => repositories::create(&self.engine, read(body)?).await,
        }
    }
}

/// What an endpoint takes that takes nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The body as what the endpoint takes; nothing at all is an empty object.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(ProblemCode::BodyInvalid, format!("body: {error}")))
}

fn json(status: StatusCode, answer: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(answer).map_err(|error| {
        let detail = format!("an answer could not be written: {error}");
        Problem::new(ProblemCode::Internal, detail)
    })?;
    Ok(with_type(status, "application/json", text.into()))
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn with_allow(mut response: Response<Bytes>, allow: &'static str) -> Response<Bytes> {
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(ALLOW, allow);
    response
}
