//! The management API: what an operator asks of a running server, as JSON over HTTP.
//!
//! ```text
//! route     what a request asks for and who may ask it, one line per endpoint; parsed purely
//! call      what a handler reads of a request: parameters, body, conditions
//! query     the parameters of listings            etag   versions of what can be changed
//! problem   what is refused and why, in the form of RFC 9457
//! server    the program itself    openapi   the document that describes all of this
//! accounts  users, roles, grants, keys, rules    admission   whether who asks may
//! store     the store: gc, why, usage, check, backup, undelete       repositories
//! status, listen, audit   how it is, what happens, what was done; trail   what is written down of it
//! socket    the unix socket they are served on    over_http   the registry's own listeners
//! ```
//! Invariants:
//! 1. [`Management::handle`] needs no socket: a command without a running server calls the same
//!    handlers in its own process, under the store's lock.
//! 2. Who connects to the unix socket is the operator, who may see everything: it is for the user of
//!    the server alone (0600), so answers name paths and causes. Over HTTP a handler runs only for
//!    who may ask it (see [`route::Need`]).
//! 3. An answer is a JSON object, a refusal a problem; every one is small, and so is a request.

mod accounts;
mod admission;
mod audit;
mod backup;
mod call;
mod check;
mod etag;
mod gc;
mod listen;
mod openapi;
mod over_http;
mod problem;
mod query;
mod repositories;
pub mod route;
mod server;
mod socket;
mod status;
mod store;
mod trail;
mod undelete;
mod uploads;
mod usage;
mod why;

pub use backup::ACCOUNTS as BACKED_UP_ACCOUNTS;
pub use call::MAX_BODY;
pub use check::Report as CheckAnswer;
pub(crate) use over_http::answer as answer_http;
pub use problem::{Problem, ProblemCode};
#[cfg(any(test, feature = "test-util"))]
#[doc(hidden)]
pub use query::fuzz as fuzz_parameters;
pub use route::{Endpoint, ManageRoute};
pub use socket::{Manager, SocketError, connect};

use crate::access::Caller;
use crate::accounts::{Accounts, Directory};
use crate::body::Body;
use crate::deeds::{Doer, Pending};
use crate::response::{typed, without_body};
use crate::services::Services;
use bytes::Bytes;
use call::Call;
use floundr_engine::Engine;
use floundr_engine::name::RepositoryName;
use floundr_engine::repository::Repository;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;
use std::future::{Future, ready};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The management API over an open store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Management {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    store: PathBuf,
    services: Services,
}

/// A handler's answer.
type Answer = Result<Response<Body>, Problem>;

// === impl Management ===

impl Management {
    /// Over `engine`, whose store lies in `store`, and what it shares with the registry.
    pub fn new(engine: Engine, store: &Path, services: Services) -> Self {
        let store = store.to_owned();
        Self {
            shared: Arc::new(Shared {
                engine,
                store,
                services,
            }),
        }
    }

    /// Answers one request of the operator. Refusals are answers too, see [`Problem`]. Makes a line
    /// of the log.
    ///
    /// # Cancel safety
    /// As of the engine's call behind it: a backup that is given up ends.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Body> {
        self.handle_as(Caller::operator(), request).await
    }

    /// Answers one request of `caller`, as [`Management::handle`] does.
    ///
    /// # Cancel safety
    /// As of [`Management::handle`].
    pub async fn handle_as(&self, caller: Caller, request: Request<Bytes>) -> Response<Body> {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let (method, path) = (&parts.method, parts.uri.path());
        let route = ManageRoute::parse(method, path);
        let response = self.answer(&caller, route, (&parts, ready(Ok(body)))).await;
        tracing::info!(
            target: "floundr::manage",
            %method,
            path,
            status = response.status().as_u16(),
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
        response
    }

    /// The answer to what `route` asks for, or to what is no endpoint. The body is read when it is known
    /// that the caller may ask.
    async fn answer(
        &self,
        caller: &Caller,
        route: Result<ManageRoute, Problem>,
        (parts, body): (&Parts, impl Future<Output = Result<Bytes, Problem>>),
    ) -> Response<Body> {
        let answered = AssertUnwindSafe(self.admitted(caller, route, (parts, body)));
        let answer = answered.catch_unwind().await.unwrap_or_else(|_panic| {
            let detail = "a handler panicked; the server's log says more";
            Err(Problem::new(ProblemCode::Internal, detail))
        });
        let response = answer.unwrap_or_else(|problem| {
            if !problem.status().is_server_error() {
                return problem.into_response();
            }
            tracing::error!(%problem, "a management request failed");
            if caller.is_administrator() {
                problem.into_response()
            } else {
                // What broke names files of the server.
                let detail = "the server's log says more";
                problem.with_detail(detail).into_response()
            }
        });
        if parts.method == Method::HEAD {
            without_body(response)
        } else {
            response
        }
    }

    async fn admitted(
        &self,
        caller: &Caller,
        route: Result<ManageRoute, Problem>,
        (parts, body): (&Parts, impl Future<Output = Result<Bytes, Problem>>),
    ) -> Answer {
        let route = route?;
        self.admit(caller, &route, parts)?;
        let body = body.await?;
        // Who takes long to send it may have lost the right meanwhile.
        let caller = &self.present(caller);
        self.admit(caller, &route, parts)?;
        let deed = trail::deed(&route, &body);
        let deed = deed.map(|deed| Pending::new(deed, Doer::of(caller, parts), self.services()));
        let answer = match Call::new(caller.clone(), parts, body) {
            Ok(call) => self.dispatch(route, call).await,
            Err(problem) => Err(problem),
        };
        if let Some(deed) = deed {
            let status = answer.as_ref();
            let status = status.map_or_else(Problem::status, Response::status);
            deed.answered(status.as_u16());
        }
        answer
    }

    /// Lets through who may ask; writes down who is known and may not.
    fn admit(&self, caller: &Caller, route: &ManageRoute, parts: &Parts) -> Result<(), Problem> {
        let admitted = admission::admit(caller, route.need());
        if let Err(problem) = &admitted
            && problem.code() == ProblemCode::Forbidden
        {
            self.note_denied(caller, parts, problem.status());
        }
        admitted
    }

    async fn dispatch(&self, route: ManageRoute, call: Call) -> Answer {
        match route {
            ManageRoute::Server(route) => server::answer(self, route, call).await,
            ManageRoute::Store(route) => store::answer(self, route, call).await,
            ManageRoute::Repository(route) => repositories::answer(self, route, call).await,
            ManageRoute::Account(route) => accounts::answer(self, route, call).await,
        }
    }

    fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The caller by the accounts of this moment.
    fn present(&self, caller: &Caller) -> Caller {
        match &self.shared.services.accounts {
            Some(accounts) => caller.at(accounts.directory(), accounts.wall()),
            None => caller.clone(),
        }
    }

    /// The accounts of this moment; in a registry that is open to everybody there are none in it.
    fn directory(&self) -> Arc<Directory> {
        let accounts = self.shared.services.accounts.as_ref();
        accounts.map(Accounts::directory).unwrap_or_default()
    }

    /// A repository, in which the tags are immutable that the rules of this moment make so.
    fn repository(&self, name: &RepositoryName) -> Repository {
        let immutable = self.directory().immutable_tags(name.as_str());
        self.engine().repository(name).with_immutable(immutable)
    }

    /// The accounts.
    ///
    /// # Errors
    /// 404 in a registry that is open to everybody.
    fn accounts(&self) -> Result<&Accounts, Problem> {
        self.shared.services.accounts.as_ref().ok_or_else(|| {
            let detail = "this registry has no accounts";
            Problem::new(ProblemCode::NotFound, detail)
        })
    }

    /// What it shares with the registry.
    fn services(&self) -> &Services {
        &self.shared.services
    }

    /// The store's directory.
    fn store(&self) -> &Path {
        &self.shared.store
    }
}

fn json(status: StatusCode, answer: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(answer).map_err(|error| {
        let detail = format!("an answer could not be written: {error}");
        Problem::new(ProblemCode::Internal, detail)
    })?;
    Ok(with_type(status, "application/json", text.into()))
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = typed(content_type, body);
    *response.status_mut() = status;
    response
}
