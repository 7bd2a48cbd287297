//! [`Call`]: what a handler may read of its request, beside what stands in the path.
//!
//! Invariants:
//! 1. A parameter or a field that the endpoint does not know is refused: it was meant to change the
//!    answer.
//! 2. A body has at most [`MAX_BODY`] bytes.

use super::etag::{EntityTag, IfMatch};
use super::query::Query;
use super::{Problem, ProblemCode};
use crate::access::Caller;
use crate::body::RequestBodyError;
use crate::request::{Incoming, tag_condition};
use bytes::Bytes;
use floundr_engine::name::Reference;
use floundr_engine::repository::{Repository, TagCondition};
use http::HeaderMap;
use http::request::Parts;
use http_body_util::{BodyExt as _, Collected, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use utoipa::ToSchema;

/// Bytes a request's body may have: the longest names, a path and a few lists.
pub const MAX_BODY: usize = 64 * 1024;

/// One request whose endpoint is known.
#[derive(Debug)]
pub(super) struct Call {
    caller: Caller,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
}

/// What an endpoint takes that takes nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

// === impl Call ===

impl Call {
    /// # Errors
    /// 400 when a parameter came twice.
    pub(super) fn new(caller: Caller, parts: &Parts, body: Bytes) -> Result<Self, Problem> {
        Ok(Self {
            caller,
            query: Query::parse(parts.uri.query())?,
            headers: parts.headers.clone(),
            body,
        })
    }

    /// Who asks.
    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// For an endpoint that takes nothing.
    ///
    /// # Errors
    /// 400 when there are parameters.
    pub(super) fn plain(self) -> Result<(), Problem> {
        self.query.finish()
    }

    /// The parameters, of which the handler refuses those it does not know.
    pub(super) fn query(self) -> Query {
        self.query
    }

    /// The body, for an endpoint without parameters; none at all is an empty object.
    ///
    /// # Errors
    /// 400 when it is not what the endpoint takes, or when there are parameters.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Problem> {
        self.query.finish()?;
        let body: &[u8] = if self.body.is_empty() {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(body)
            .map_err(|error| Problem::new(ProblemCode::BodyInvalid, format!("body: {error}")))
    }

    /// What must still be so for a change to be made.
    ///
    /// # Errors
    /// 400 when the header cannot be read: a change must not be made that was not meant.
    pub(super) fn if_match(&self) -> Result<IfMatch, Problem> {
        IfMatch::of(&self.headers)
    }

    /// What must be so of a tag for it to be set, as of one that is pushed.
    pub(super) fn tag_condition(&self) -> TagCondition {
        tag_condition(&self.headers)
    }

    /// Lets a deletion through that was meant for what `reference` names now. A client that sets the
    /// tag at the same moment may come between: the deletion can be undone.
    ///
    /// # Errors
    /// 412; 404 when it names nothing.
    pub(super) async fn demand_digest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<(), Problem> {
        let demanded = self.if_match()?;
        if demanded == IfMatch::Always {
            return Ok(());
        }
        let stat = repository.stat_manifest(reference).await?;
        demanded.demand(Some(&EntityTag::digest(&stat.digest)))
    }
}

/// The whole body of a request.
///
/// # Errors
/// 413 for more than [`MAX_BODY`] bytes, 408 when it stood still, 400 when it broke off.
pub(super) async fn collect<B: Incoming>(body: B) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, MAX_BODY).collect().await;
    collected
        .map(Collected::to_bytes)
        .map_err(|error| broken(&*error))
}

fn broken(error: &(dyn Error + Send + Sync + 'static)) -> Problem {
    if error.is::<LengthLimitError>() {
        let detail = format!("the body has more than {MAX_BODY} bytes");
        return Problem::new(ProblemCode::TooLarge, detail);
    }
    let code = match error.downcast_ref::<RequestBodyError>() {
        Some(RequestBodyError::Idle(_)) => ProblemCode::Timeout,
        _ => ProblemCode::BodyInvalid,
    };
    Problem::new(code, format!("the body cannot be read: {error}"))
}
