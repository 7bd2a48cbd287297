//! What is about the server as a whole: `GET /v2/`, health, readiness, metrics.
//!
//! Health and readiness never walk the store: they cost at most one read.

use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::response;
use http::Response;

/// `GET /v2/`: this is a registry (specification, "Determining Support").
pub(super) fn base() -> Response<Body> {
    response::json("{}")
}

/// `GET /health`: this process answers.
pub(super) fn health() -> Response<Body> {
    response::json(r#"{"status":"ok"}"#)
}

/// `GET /ready`: the store can read and its writer runs.
pub(super) async fn ready(context: &Context) -> Result<Response<Body>, ApiError> {
    context.engine().check_ready().await?;
    Ok(response::json(r#"{"status":"ready"}"#))
}

/// `GET /metrics`: counters in the text form that Prometheus reads.
pub(super) fn metrics(context: &Context) -> Response<Body> {
    response::typed(Metrics::CONTENT_TYPE, context.metrics().encode())
}
