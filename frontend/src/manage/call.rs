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
use serde_json::Value;
use std::error::Error;
use std::fmt::Display;
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
        object(body)
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

/// Reads a body.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let refused =
        |why: &dyn Display| Problem::new(ProblemCode::BodyInvalid, format!("body: {why}"));
    // What is made of a struct could be read from an array as well.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(refused(&"it is no JSON object"));
    }
    match serde_json::from_slice(body) {
        Ok(read) => Ok(read),
        Err(error) => whole(body).ok_or_else(|| refused(&error)),
    }
}

/// Reads a body whose whole numbers are written with a fraction of zero, as JSON allows; none when it has
/// no such number or cannot be read all the same.
fn whole<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    without_fractions(&mut value).then(|| serde_json::from_value(value).ok())?
}

/// Writes 2.0 as 2, and says whether there was one.
fn without_fractions(value: &mut Value) -> bool {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            let digits = text.strip_suffix(".0");
            let whole = digits.and_then(|digits| digits.parse::<u64>().ok());
            if let Some(whole) = whole {
                *number = whole.into();
            }
            whole.is_some()
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| without_fractions(item) | any),
        Value::Object(members) => members
            .values_mut()
            .fold(false, |any, member| without_fractions(member) | any),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_and_nothing_else_that_could_be_read_as_one() {
        assert!(object::<Nothing>(b" {}").is_ok());
        for other in [&b"[]"[..], b"null", b"\"\"", b"{", b"{\"more\": 1}"] {
            assert!(object::<Nothing>(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn whole_numbers_may_have_a_fraction_of_zero_and_no_other() {
        assert_eq!(whole::<Vec<u64>>(b"[15196.0, 2]"), Some(vec![15196, 2]));
        assert_eq!(whole::<Vec<u64>>(b"[0.5]"), None);
        assert_eq!(whole::<Vec<u64>>(b"[-1.0]"), None);
        assert_eq!(whole::<Vec<u64>>(b"[2]"), None);
    }
}
