//! The pipeline that every request passes, on one screen: [`Registry::handle`].
//!
//! Invariants:
//! 1. Every request gets an answer with an `X-Request-Id`, whatever its handler does: a panic
//!    becomes a 500.
//! 2. Errors go out in the form of the specification, under `/api/v1` as problems; what caused them
//!    goes only to the log.
//! 3. A client that is still sending when the answer is decided gets to read that answer: the rest
//!    is read and thrown away, or the connection is closed without a reset.
//!
//! Sockets are in `server`; the same pipeline serves inside another server, see
//! `examples/mount_in_axum.rs`.

use crate::body::{self, Body, BoxError, RequestBody};
use crate::config::Config;
use crate::context::Context;
use crate::deeds::{Deed, Doer, Pending};
use crate::error::{ApiError, ErrorCode};
use crate::handlers;
use crate::log::{Answer, Entry, RequestLine};
use crate::manage::{ManageRoute, Problem};
use crate::metrics::Metrics;
use crate::response::{self, API_VERSION, without_body};
use crate::route::Route;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONNECTION, EXPECT, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Version};
use std::convert::Infallible;
use std::error::Error as _;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The registry as a service: an HTTP request in, an HTTP response out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry<H = Context> {
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    handler: H,
}

/// An answer, or why there is none.
type Outcome = Result<Response<Body>, ApiError>;

/// What answers a request whose route is known. [`Context`] is the one that serves a registry.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The answer. The request's extensions hold a [`Peer`] and a [`crate::Transport`] when it came
    /// through a [`crate::Server`]. A panic, here or in the future, is answered with 500.
    fn answer(
        &self,
        route: Route,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Outcome> + Send;
}

/// Where a request came from, among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address at the other end of the connection, which may be a proxy's.
    pub address: SocketAddr,
    /// Whether the connection is TLS.
    pub is_tls: bool,
}

/// How a refusal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As the specification has it.
    Specified,
    /// As a problem of the management API.
    Problem,
}

/// The id of a request, among its extensions: fit for a log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

// === impl Registry ===

impl Registry {
    /// A registry over `context`.
    pub fn new(context: Context) -> Self {
        let (config, metrics) = (Arc::clone(context.config()), Arc::clone(context.metrics()));
        Self::with_handler(config, metrics, context)
    }
}

impl<H: Handler> Registry<H> {
    /// The pipeline in front of a handler of one's own.
    pub fn with_handler(config: Arc<Config>, metrics: Arc<Metrics>, handler: H) -> Self {
        Self {
            config,
            metrics,
            handler,
        }
    }

    /// Answers one request.
    ///
    /// # Cancel safety
    /// A cancelled request is logged as given up. What its handler had made durable stays.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Answer>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        self.respond(request, Ok(())).await
    }

    /// Answers one request, or says why the connection does not take it.
    ///
    /// The future holds little: every layer above moves it. So what needs no waiting is done before
    /// it is made, and it is a block: an `async fn` has room for what it is given twice.
    pub(crate) fn respond<B>(
        &self,
        request: Request<B>,
        verdict: Result<(), ApiError>,
    ) -> impl Future<Output = Response<Answer>> + Send + use<'_, H, B>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut request, body) = request.into_parts();
        let (body, mut leftover) = body::receive(body, self.config.timeouts.body);
        let id = request_id(&request.headers);
        request.extensions.insert(RequestId(id.clone()));
        let mut entry = Entry::new(&self.metrics, &request, id, leftover.counter());
        let expects = request.headers.contains_key(EXPECT);
        let (is_head, version) = (request.method == Method::HEAD, request.version);
        let form = Form::of(request.uri.path());
        let answering = verdict.and_then(|()| self.begin(&mut entry, request, body));

        async move {
            let outcome = match answering {
                // A handler that panics leaves nothing half-made behind: what it changes, it changes
                // in the engine's transactions.
                Ok(answering) => AssertUnwindSafe(answering)
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|panic| Err(panicked(panic.as_ref(), &entry))),
                Err(error) => Err(error),
            };
            let mut response =
                outcome.unwrap_or_else(|error| refusal(&error, form, is_head, &entry));
            let limits = (
                self.config.limits.discard_bytes,
                self.config.timeouts.discard,
            );
            let keeps_going = leftover.discard(limits.0, limits.1, expects).await;
            if !keeps_going && version < Version::HTTP_2 {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            let headers = response.headers_mut();
            headers.insert(X_REQUEST_ID.clone(), entry.id().clone());
            let (head, body) = response.into_parts();
            let body = entry.answer(head.status, body);
            Response::from_parts(head, body)
        }
    }

    /// The route; then identity, authorization and the answer itself, which are the handler's and
    /// begin when they are waited for.
    fn begin(
        &self,
        entry: &mut Entry,
        request: Parts,
        body: RequestBody,
    ) -> Result<Pin<Box<impl Future<Output = Outcome> + Send + use<'_, H>>>, ApiError> {
        let uri = &request.uri;
        let route = Route::parse(&request.method, uri.path(), uri.query())?;
        entry.set_route(route.label());
        let request = Request::from_parts(request, body);
        // Boxed: it is large, and every layer between here and the connection would move it.
        let answering = || Box::pin(self.handler.answer(route, request));
        catch_unwind(AssertUnwindSafe(answering)).map_err(|panic| panicked(panic.as_ref(), entry))
    }

    /// The refusal of what never became a request, after which the connection ends: its id, its
    /// line and its count are those of any other.
    pub(crate) fn refuse(
        &self,
        error: &ApiError,
        line: RequestLine,
        peer: SocketAddr,
    ) -> Response<Answer> {
        let is_head = line.method == Some(Method::HEAD);
        let entry = Entry::unread(&self.metrics, line, new_request_id(), peer);
        let mut response = refusal(error, Form::Specified, is_head, &entry);
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(X_REQUEST_ID.clone(), entry.id().clone());
        let (head, body) = response.into_parts();
        let body = entry.answer(head.status, body);
        Response::from_parts(head, body)
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

impl<H, B> hyper::service::Service<Request<B>> for Registry<H>
where
    H: Handler,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let registry = self.clone();
        Box::pin(async move { Ok(registry.handle(request).await) })
    }
}

impl Handler for Context {
    fn answer(
        &self,
        route: Route,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Outcome> + Send {
        let (parts, body) = request.into_parts();
        // A block and not an `async fn`, for the room it takes: see `Registry::respond`.
        async move {
            let caller = match self.access().admit(&route, &parts).await {
                Ok(caller) => caller,
                Err(rejection) => return Err(rejection.record(&route, &parts, self.services())),
            };
            let deed = Deed::of(&route);
            let deed =
                deed.map(|deed| Pending::new(deed, Doer::of(&caller, &parts), self.services()));
            let outcome = handlers::dispatch(self, &caller, &route, (&parts, body)).await;
            if let Some(deed) = deed {
                let status = match &outcome {
                    Ok(response) => response.status(),
                    Err(error) => error.status(),
                };
                deed.answered(status.as_u16());
            }
            outcome
        }
    }
}

/// The id a client or a proxy gave, if it is fit for a log, else one that is unique.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_sane = |id: &&HeaderValue| {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=64).contains(&id.len()) && id.as_bytes().iter().all(fits)
    };
    if let Some(id) = headers.get(&X_REQUEST_ID).filter(is_sane) {
        return id.clone();
    }
    new_request_id()
}

fn new_request_id() -> HeaderValue {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    // A keyed hash of a counter: nobody can guess it, and two processes do not give the same ones.
    let id = KEYS.hash_one(NUMBER.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(format!("{id:016x}")).expect("hex digits are a header value")
}

/// The answer that tells `error`; what caused a fault of this machine goes to the log.
fn refusal(error: &ApiError, form: Form, is_head: bool, entry: &Entry) -> Response<Body> {
    let status = error.status();
    if status.is_server_error() {
        let id = entry.id().to_str().unwrap_or_default();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        tracing::error!(request_id = id, %error, cause, "a request failed");
    }
    let response = match form {
        Form::Specified => specified(error),
        Form::Problem => Problem::from(error).into_response(),
    };
    if is_head {
        without_body(response)
    } else {
        response
    }
}

fn specified(error: &ApiError) -> Response<Body> {
    let mut response = response::json(error.to_json());
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    error.extend_headers(headers);
    response
}

// === impl RequestId ===

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

// === impl Form ===

impl Form {
    fn of(path: &str) -> Self {
        if ManageRoute::owns(path) {
            Self::Problem
        } else {
            Self::Specified
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send), entry: &Entry) -> ApiError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let id = entry.id().to_str().unwrap_or_default();
    tracing::error!(request_id = id, panic = text, "a handler panicked");
    ApiError::new(
        ErrorCode::Internal,
        "internal error; the server's log says more",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(&X_REQUEST_ID, HeaderValue::from_static(given));
        request_id(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_for("trace-1_2.3"), "trace-1_2.3");
        for bad in ["", "a b", "a\"b", "a=b"] {
            let id = id_for(bad);
            assert_eq!(id.len(), 16, "{id}");
            assert_ne!(id, id_for(bad));
        }
    }

    #[tokio::test]
    async fn what_every_layer_moves_of_a_request_is_small() {
        let folder = tempfile::tempdir().unwrap();
        let options = floundr_engine::Options::new(folder.path());
        let engine = floundr_engine::Engine::open(options).await.unwrap();
        let registry = Registry::new(Context::new(engine.clone(), Config::default()));
        let body = http_body_util::Empty::<Bytes>::new();
        let answer = registry
            .handler
            .answer(Route::Base, Request::new(RequestBody::new(body)));
        // Both are copied as a whole for every request.
        assert!(size_of_val(&answer) <= 1536, "{}", size_of_val(&answer));
        let response = registry.respond(Request::new(body), Ok(()));
        assert!(size_of_val(&response) <= 1024, "{}", size_of_val(&response));
        drop((answer, response));
        engine.close().await.unwrap();
    }
}
