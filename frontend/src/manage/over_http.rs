//! The management API on the registry's own listeners.
//!
//! Invariants:
//! 1. No handler runs, and no body is read, before it is known that the caller may ask.
//! 2. The pipeline gives these requests what it gives all others: an id, a line in the access log, a
//!    count.

use super::call::collect;
use super::{ManageRoute, Problem, ProblemCode};
use crate::access::Caller;
use crate::body::Body;
use crate::context::Context;
use crate::request::Incoming;
use http::Response;
use http::request::Parts;

/// Answers a request whose path is one of this API.
///
/// # Cancel safety
/// As of [`super::Management::handle`].
pub(crate) async fn answer<B: Incoming>(
    context: &Context,
    caller: &Caller,
    route: Result<ManageRoute, Problem>,
    (parts, body): (&Parts, B),
) -> Response<Body> {
    let Some(management) = context.management() else {
        let detail = "this registry has no management API";
        return Problem::new(ProblemCode::NoEndpoint, detail).into_response();
    };
    let asked = (parts, collect(body));
    management.answer(caller, route, asked).await
}
