//! The management API on the registry's own listeners.
//!
//! Invariants:
//! 1. No handler runs, and no body is read, before it is known that the caller may ask.
//! 2. The pipeline gives these requests what it gives all others: an id, a line in the access log, a
//!    count.

use super::call::{Call, collect};
use super::route::Need;
use super::{ManageRoute, Problem, ProblemCode};
use crate::access::Caller;
use crate::accounts::Permission;
use crate::body::Body;
use crate::context::Context;
use crate::request::Incoming;
use bytes::Bytes;
use http::Response;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
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
    let route = route.and_then(|route| {
        may_ask(caller, &route)?;
        Ok(route)
    });
    let body = match &route {
        Ok(_) => collect(body).await,
        Err(_) => Ok(Bytes::new()),
    };
    let call = body.and_then(|body| Call::new(caller.clone(), parts, body));
    let asked = route.and_then(|route| Ok((route, call?)));
    management.answer(asked, &parts.method).await
}

/// Whether a caller may ask this.
///
/// # Errors
/// 401 for nobody; 403 for somebody who may not; 404 about a repository they may not know.
pub(super) fn may_ask(caller: &Caller, route: &ManageRoute) -> Result<(), Problem> {
    let need = route.need();
    let is_known = caller.principal().is_known();
    let allowed = match need {
        Need::Anybody => true,
        _ if !is_known => return Err(nobody()),
        // Whose password must be changed first may see who they are, and change it.
        Need::LoggedIn => true,
        Need::Server => caller.is_administrator(),
        Need::Repository(name, permission) => caller.may(name, permission),
    };
    if allowed {
        return Ok(());
    }
    if let Need::Repository(name, _) = need
        && !caller.may(name, Permission::Pull)
    {
        let detail = format!("there is no repository {name}");
        return Err(Problem::new(ProblemCode::NotFound, detail));
    }
    let who = caller.principal();
    let detail = match (caller.hindrance(), need) {
        (Some(reason), _) => format!("{who} may not do this: {reason}"),
        (None, Need::Repository(name, permission)) => {
            format!("{who} may not {permission} {name}")
        }
        (None, _) => format!("{who} is no administrator of this server"),
    };
    Err(Problem::new(ProblemCode::Forbidden, detail))
}

/// The refusal of a request that does not say whose it is.
fn nobody() -> Problem {
    const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"floundr\"");
    let detail = "this needs a user's name and password, or a key";
    Problem::new(ProblemCode::Unauthorized, detail).with_header(WWW_AUTHENTICATE, CHALLENGE)
}
