//! Whether a caller may ask for an endpoint at all (see [`Need`]).

use super::route::Need;
use super::{Problem, ProblemCode};
use crate::access::Caller;
use crate::accounts::Permission;
use http::header::{HeaderValue, WWW_AUTHENTICATE};

/// Lets through who may ask.
///
/// # Errors
/// 401 for nobody in particular, 403 for who may not, 404 where they may not know what is there.
pub(super) fn admit(caller: &Caller, need: Need<'_>) -> Result<(), Problem> {
    let is_known = caller.principal().is_known();
    let allowed = match need {
        Need::Anybody => true,
        Need::LoggedIn => caller.is_logged_in(),
        Need::Server => caller.is_administrator(),
        Need::Repository(name, permission) => caller.may(name, permission),
    };
    match (allowed, need) {
        (true, _) => Ok(()),
        (false, _) if !is_known => Err(unauthorized()),
        (false, Need::Repository(name, _)) if !caller.may(name, Permission::Pull) => {
            let detail = format!("there is no repository {name}");
            Err(Problem::new(ProblemCode::NotFound, detail))
        }
        (false, _) => Err(refusal(caller, need)),
    }
}

fn refusal(caller: &Caller, need: Need<'_>) -> Problem {
    let who = caller.principal();
    let detail = match (caller.hindrance(), need) {
        (Some(reason), _) => format!("{who} may not do this: {reason}"),
        (None, Need::Repository(name, permission)) => format!("{who} may not {permission} {name}"),
        (None, _) => format!("{who} is no administrator of this server"),
    };
    Problem::new(ProblemCode::Forbidden, detail)
}

/// The refusal of a request that does not say whose it is.
pub(super) fn unauthorized() -> Problem {
    const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"floundr\"");
    let detail = "this needs a user's name and password, or a key";
    Problem::new(ProblemCode::Unauthorized, detail).with_header(WWW_AUTHENTICATE, CHALLENGE)
}
