//! Whether a caller may what a route needs, and how a client hears that it may not.
//!
//! | who asks | 401 with a challenge | 403 |
//! |---|---|---|
//! | nobody | always, where something is needed | never |
//! | wrong credentials, a token that is not valid | always (`invalid_token`) | never |
//! | a token that is too narrow, of somebody who may | always (`insufficient_scope`) | never |
//! | somebody who may not | never | always |
//!
//! Whether the repository exists is not looked at. Statuses are the specification's, "Error Codes",
//! and RFC 6750's, section 3.1.

use super::identity::{Refused, has_credentials};
use super::{Access, Caller, Gate, Kind};
use crate::accounts::limits::RetryAfter;
use crate::accounts::token::challenge::{Challenge, Refusal};
use crate::accounts::token::credentials::Credentials;
use crate::accounts::token::scope;
use crate::accounts::{KeyText, Permission};
use crate::deeds::{Deed, Doer};
use crate::error::{ApiError, ErrorCode};
use crate::route::{Action, Route, Scope};
use crate::services::Services;
use floundr_engine::name::RepositoryName;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use std::net::IpAddr;
use std::time::Duration;

/// A request that is not let through: why, from whom if that is known, and where it came from.
#[derive(Debug)]
pub(crate) struct Rejection(Box<(ApiError, Option<Caller>, Option<IpAddr>)>);

// === impl Access ===

impl Access {
    /// The caller of a request for `route`, who may make it.
    ///
    /// # Errors
    /// 401 with a challenge, 403, or 429 with `Retry-After`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn admit(&self, route: &Route, parts: &Parts) -> Result<Caller, Rejection> {
        let scope = route.scope();
        let gate = match &self.0 {
            Kind::Accounts(gate) => gate,
            Kind::Open => return Ok(Caller::anybody()),
            Kind::Operator => return Ok(Caller::operator()),
        };
        if scope == Scope::Open {
            return Ok(Caller::nobody());
        }
        match gate.identify(parts, route.is_of_session()).await {
            Ok(caller) => match gate.authorize(&caller, parts, scope) {
                Ok(()) => Ok(caller),
                Err(error) => Err(Rejection::of(error, Some(caller), None)),
            },
            Err(refused) => {
                let error = gate.refusal(refused, parts, scope);
                Err(Rejection::of(error, None, gate.client(parts)))
            }
        }
    }

    /// That `caller`, who came a while ago, may do this still.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn still(
        &self,
        caller: &Caller,
        name: &RepositoryName,
        permission: Permission,
    ) -> Result<(), ApiError> {
        let Some(gate) = self.gate() else {
            return Ok(());
        };
        let present = caller.at(gate.accounts.directory(), gate.accounts.wall());
        if present.may(name, permission) {
            return Ok(());
        }
        Err(denied(&present, name, permission))
    }
}

// === impl Rejection ===

impl Rejection {
    fn of(error: ApiError, caller: Option<Caller>, from: Option<IpAddr>) -> Self {
        Self(Box::new((error, caller, from)))
    }

    /// Writes down who was refused: who is known and may not, and who could not prove who they are.
    /// Tokens that have expired are no such thing: clients find out by trying.
    pub(crate) fn record(self, route: &Route, parts: &Parts, services: &Services) -> ApiError {
        let (error, caller, from) = *self.0;
        let status = error.status().as_u16();
        match (error.code(), &caller) {
            (ErrorCode::Denied, Some(caller)) => {
                let doer = Doer::of(caller, parts);
                Deed::denied(route).record(doer, status, services);
            }
            (ErrorCode::Unauthorized, None) => {
                let name = match Credentials::of(&parts.headers) {
                    Ok(Some(Credentials::Basic { user, .. })) => user,
                    // The public half of a key says whose it was.
                    Ok(Some(Credentials::Bearer(text))) => match text.expose().parse::<KeyText>() {
                        Ok(text) => text.id().to_string(),
                        Err(_token) => return error,
                    },
                    _ => return error,
                };
                let doer = Doer::unproven(from, parts);
                Deed::login_failed(&name, route.label()).record(doer, status, services);
            }
            _ => {}
        }
        error
    }
}

// === impl Gate ===

impl Gate {
    fn authorize(&self, caller: &Caller, parts: &Parts, scope: Scope<'_>) -> Result<(), ApiError> {
        let came_with_nothing = || !has_credentials(&parts.headers);
        match scope {
            // A client asks here whether it has to log in: who says nothing is told where.
            Scope::Registry | Scope::Catalog if came_with_nothing() => {
                Err(self.challenge(parts, scope, None))
            }
            Scope::Catalog if caller.may_list() => Ok(()),
            Scope::Catalog => Err(self.challenge(parts, scope, Some(Refusal::InsufficientScope))),
            Scope::Management if caller.is_narrowed() => {
                let text = "tokens are for /v2/: send a user's name and password, or a key";
                Err(self.refusal(Refused::Token(text.to_owned()), parts, scope))
            }
            Scope::Open | Scope::Registry | Scope::Management => Ok(()),
            Scope::Metrics if caller.is_logged_in() => Ok(()),
            Scope::Metrics => Err(self.challenge(parts, scope, None)),
            Scope::Repository(name, action) => self.repository(caller, parts, (name, action)),
        }
    }

    fn repository(
        &self,
        caller: &Caller,
        parts: &Parts,
        (name, action): (&RepositoryName, Action),
    ) -> Result<(), ApiError> {
        let permission = needed(action);
        if caller.may(name, permission) {
            return Ok(());
        }
        let scope = Scope::Repository(name, action);
        let principal_may = caller.principal_may(name, permission);
        let is_narrow = has_credentials(&parts.headers);
        if principal_may || (!caller.principal().is_known() && is_narrow) {
            return Err(self.challenge(parts, scope, Some(Refusal::InsufficientScope)));
        }
        if !caller.principal().is_known() {
            return Err(self.challenge(parts, scope, None));
        }
        Err(denied(caller, name, permission))
    }

    /// 401: who are you, and where to say it.
    fn challenge(&self, parts: &Parts, scope: Scope<'_>, refusal: Option<Refusal>) -> ApiError {
        let message = match refusal {
            None => "log in first",
            Some(Refusal::InsufficientScope) => "the token does not allow this",
            Some(Refusal::InvalidToken) => "the token is not valid",
        };
        ApiError::new(ErrorCode::Unauthorized, message).with_header(
            WWW_AUTHENTICATE,
            self.challenge_header(parts, scope, refusal),
        )
    }

    fn challenge_header(
        &self,
        parts: &Parts,
        scope: Scope<'_>,
        refusal: Option<Refusal>,
    ) -> HeaderValue {
        let challenge = Challenge {
            realm: &self.realm(parts),
            service: &self.options.service,
            scopes: &wanted(scope),
            refusal,
        };
        challenge.to_header()
    }

    /// How a client is told that its credentials are not taken.
    pub(super) fn refusal(&self, refused: Refused, parts: &Parts, scope: Scope<'_>) -> ApiError {
        let (message, refusal) = match refused {
            Refused::Wait(time) => return too_many(time),
            Refused::Wrong(text) => (text, None),
            Refused::Token(text) => (text, Some(Refusal::InvalidToken)),
        };
        let header = self.challenge_header(parts, scope, refusal);
        ApiError::new(ErrorCode::Unauthorized, message).with_header(WWW_AUTHENTICATE, header)
    }
}

/// 429.
pub(super) fn too_many(time: Duration) -> ApiError {
    let seconds = RetryAfter(time).whole_seconds();
    let message = format!("too many requests: try again in {seconds} s");
    ApiError::new(ErrorCode::TooManyRequests, message)
        .with_header(RETRY_AFTER, HeaderValue::from(seconds))
}

/// 403: we know who you are.
fn denied(caller: &Caller, name: &RepositoryName, permission: Permission) -> ApiError {
    let who = caller.principal();
    let message = match caller.hindrance() {
        Some(reason) => format!("{who} may not {permission} in {name}: {reason}"),
        None => format!("{who} may not {permission} in {name}"),
    };
    ApiError::new(ErrorCode::Denied, message)
}

const fn needed(action: Action) -> Permission {
    match action {
        Action::Pull => Permission::Pull,
        Action::Push => Permission::Push,
        Action::Delete => Permission::Delete,
    }
}

/// What a token must be for. A push also reads: clients ask for both together.
fn wanted(scope: Scope<'_>) -> Vec<scope::Scope> {
    match scope {
        Scope::Open | Scope::Registry | Scope::Metrics | Scope::Management => Vec::new(),
        Scope::Catalog => vec![scope::Scope::Catalog],
        Scope::Repository(name, action) => {
            let permissions = match action {
                Action::Pull => Permission::Pull.into(),
                Action::Push => [Permission::Pull, Permission::Push].into_iter().collect(),
                Action::Delete => Permission::Delete.into(),
            };
            vec![scope::Scope::Repository(name.clone(), permissions)]
        }
    }
}
