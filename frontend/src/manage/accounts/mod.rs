//! The part of the management API that is about accounts.
//!
//! ```text
//! whoami                             who asks, and their own password
//! users, roles, grants, keys, rules  the endpoints by subject
//! explain                            why somebody may do something, or why not
//! token_keys                         the keys that sign tokens
//! listing                            pages of what a directory holds
//! refusal                            how a refused change is told
//! ```
//! Invariants:
//! 1. Who may ask at all is decided before a handler runs (see [`AccountRoute::need`]). What is left
//!    to handlers are a user's own keys, own password, and explanations about oneself. Tokens do not
//!    come this far: they are for repositories.
//! 2. What somebody may not see is not there for them.
//! 3. A password that was made, and the text of a key, are in the answer to the request that made
//!    them. No other answer has a password, a hash or a secret.

mod explain;
mod grants;
mod keys;
mod listing;
mod refusal;
mod roles;
mod rules;
#[cfg(test)]
mod tests;
mod token_keys;
mod users;
pub(super) mod whoami;

use super::call::Call;
use super::etag::{EntityTag, IfMatch, tagged};
use super::route::AccountRoute;
use super::{Answer, Management, Problem, ProblemCode};
use crate::access::Caller;
use crate::accounts::{Accounts, Secret};
use crate::body::Body;
use crate::quota::Quotas;
use http::header::{HeaderValue, LOCATION};
use http::{Response, StatusCode};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer};
use utoipa::OpenApi;

/// What the OpenAPI document says of them.
#[derive(OpenApi)]
#[openapi(
    paths(
        whoami::show, whoami::change_password, users::list, users::create, users::show,
        users::change, users::delete, roles::list, roles::create, roles::show, roles::change,
        roles::delete, grants::list, grants::create, grants::show, grants::delete, keys::list,
        keys::create, keys::show, keys::change, keys::revoke, rules::list, rules::show, rules::set,
        rules::delete, explain::show, token_keys::rotate,
    ),
    tags(
        (name = "whoami", description = "Who asks"),
        (name = "users", description = "Who logs in"),
        (name = "roles", description = "Named sets of permissions"),
        (name = "grants", description = "Who has which role on which repositories"),
        (name = "keys", description = "Credentials for programs"),
        (name = "rules", description = "How the repositories behave that a pattern names"),
        (name = "explain", description = "Why somebody may do something, or why not"),
        (name = "tokens", description = "The keys that sign tokens"),
    ),
)]
pub(super) struct Document;

/// What the handlers work with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) quotas: &'a Quotas,
    /// Who asks.
    pub(super) caller: &'a Caller,
}

pub(super) async fn answer(management: &Management, route: AccountRoute, call: Call) -> Answer {
    let accounts = management.accounts()?;
    let caller = &call.caller().clone();
    let desk = Desk {
        accounts,
        quotas: &management.services().quotas,
        caller,
    };
    match route {
        AccountRoute::PasswordChange => whoami::change_password(desk, call).await,
        AccountRoute::UserList => users::list(accounts, call),
        AccountRoute::UserCreate => users::create(accounts, call).await,
        AccountRoute::UserShow(name) => users::show(accounts, &name, call),
        AccountRoute::UserChange(name) => users::change(accounts, &name, call).await,
        AccountRoute::UserDelete(name) => users::delete(accounts, &name, call).await,
        AccountRoute::RoleList => roles::list(accounts, call),
        AccountRoute::RoleCreate => roles::create(accounts, call).await,
        AccountRoute::RoleShow(name) => roles::show(accounts, &name, call),
        AccountRoute::RoleChange(name) => roles::change(accounts, &name, call).await,
        AccountRoute::RoleDelete(name) => roles::delete(accounts, &name, call).await,
        AccountRoute::GrantList => grants::list(accounts, call),
        AccountRoute::GrantCreate => grants::create(accounts, call).await,
        AccountRoute::GrantShow(id) => grants::show(accounts, id, call),
        AccountRoute::GrantDelete(id) => grants::delete(accounts, id, call).await,
        AccountRoute::KeyList => keys::list(desk, call),
        AccountRoute::KeyCreate => keys::create(desk, call).await,
        AccountRoute::KeyShow(id) => keys::show(desk, id, call),
        AccountRoute::KeyChange(id) => keys::change(desk, id, call).await,
        AccountRoute::KeyRevoke(id) => keys::revoke(desk, id, call).await,
        AccountRoute::RuleList => rules::list(desk, call).await,
        AccountRoute::RuleShow(on) => rules::show(accounts, &on, call),
        AccountRoute::RuleSet(on) => rules::set(accounts, &on, call).await,
        AccountRoute::RuleDelete(on) => rules::delete(accounts, &on, call).await,
        AccountRoute::Explain => explain::show(desk, call),
        AccountRoute::TokenKeysRotate => token_keys::rotate(accounts, call).await,
    }
}

/// The version a change has to be made from, if the request demands one: of what is there now, none
/// where nothing is.
///
/// # Errors
/// 412 when that is another one.
pub(super) fn demanded(call: &Call, present: Option<u64>) -> Result<Option<u64>, Problem> {
    let demanded = call.if_match()?;
    demanded.demand(present.map(EntityTag::version).as_ref())?;
    // Compared again by the change itself: another one may be on its way.
    Ok(present.filter(|_| demanded != IfMatch::Always))
}

/// 200 with a thing of this version.
fn thing(version: u64, answer: &impl Serialize) -> Answer {
    tagged(StatusCode::OK, answer, &EntityTag::version(version))
}

/// 201 with a thing that was made, and where it is: a path below the API's own.
fn made(version: u64, answer: &impl Serialize, path: &str) -> Answer {
    let tag = EntityTag::version(version);
    let mut response = tagged(StatusCode::CREATED, answer, &tag)?;
    let location = format!("{}{path}", super::route::PREFIX);
    let location = HeaderValue::try_from(location).expect("names and encoded text are ASCII");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// 204: it is done, and there is nothing to tell.
#[expect(clippy::unnecessary_wraps, reason = "it is what a handler ends with")]
pub(super) fn done() -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// A field that tells its absence from `null`.
///
/// # Errors
/// The deserializer's.
#[expect(
    clippy::option_option,
    reason = "absent, null and something are three cases"
)]
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

pub(super) fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::Forbidden, detail)
}

// === impl Secret ===

/// A secret in a request. It is not shown, not even in the refusal of a body that has something else
/// in its place.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer);
        // The deserializer's own words quote what it found.
        text.map(Self::from)
            .map_err(|_quoting| serde::de::Error::custom("a password is a string"))
    }
}
