//! Who a request is from: its `Authorization` header, checked.
//!
//! A password is checked by a slow hash once and remembered for a while; a key by a fast hash, since
//! it cannot be guessed; a token by its signature, which is remembered as well. What goes wrong is
//! told in one sentence that does not say whether the user exists.

use super::{Caller, Gate};
use crate::accounts::limits::{Requester, RetryAfter};
use crate::accounts::token::claims::{Claims, Kind, Subject};
use crate::accounts::token::credentials::Credentials;
use crate::accounts::token::signer::{Expected, TokenError};
use crate::accounts::{Directory, KeyText, LogInError, Principal, Spent};
use http::HeaderMap;
use http::request::Parts;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// What is told of credentials that are not right, whatever is wrong with them.
pub(super) const WRONG: &str = "the user name, password or key is not right";

/// Why a request has no caller.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The credentials are not right; in words.
    Wrong(String),
    /// The token is not valid (any more); in words.
    Token(String),
    /// Too many tries, or too many at once.
    Wait(Duration),
}

// === impl Gate ===

impl Gate {
    /// The caller of a request. With `outlives`, a token that has expired is enough.
    ///
    /// # Errors
    /// [`Refused`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn identify(&self, parts: &Parts, outlives: bool) -> Result<Caller, Refused> {
        let from = self.client(parts);
        if let Some(known) = self.of_known_token(&parts.headers, outlives) {
            let caller = known?;
            self.count(&caller, from)?;
            return Ok(caller.from_address(from));
        }
        let credentials = Credentials::of(&parts.headers);
        let caller = match credentials.map_err(|error| Refused::Wrong(error.to_string()))? {
            None => self.caller(Principal::Anonymous),
            Some(Credentials::Bearer(text)) if KeyText::looks_like(text.expose()) => {
                let principal = self.accounts.principal_of_key(text.expose(), None);
                self.caller(self.judged(from, None, principal)?)
            }
            Some(Credentials::Bearer(text)) => self.of_token(text.expose(), outlives)?,
            // Boxed: a request with a token would otherwise carry the size of a login.
            Some(basic @ Credentials::Basic { .. }) => {
                self.caller(Box::pin(self.log_in(&basic, from)).await?)
            }
        };
        self.count(&caller, from)?;
        Ok(caller.from_address(from))
    }

    /// Who these basic credentials are.
    ///
    /// # Errors
    /// [`Refused`], also when too many were wrong.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn log_in(
        &self,
        credentials: &Credentials,
        from: Option<IpAddr>,
    ) -> Result<Principal, Refused> {
        let Credentials::Basic { user, password } = credentials else {
            return Err(Refused::Wrong(WRONG.to_owned()));
        };
        let name = user.parse().ok();
        let address = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        // Who logged in a moment ago is not kept out by others who guess at the same name.
        if let Some(principal) = self.accounts.remembered(user, password.expose()) {
            if let Some(key) = principal.key() {
                self.accounts.note_use(key);
            }
            return Ok(principal);
        }
        let now = self.accounts.monotonic();
        self.limits
            .may_log_in(address, name.as_ref(), now)
            .map_err(wait)?;
        let found = self.accounts.log_in(user, password.expose()).await;
        self.judged(from, name.as_ref(), found)
    }

    /// Counts a failed login, and tells of it as of any other.
    fn judged(
        &self,
        from: Option<IpAddr>,
        name: Option<&crate::accounts::UserName>,
        found: Result<Principal, LogInError>,
    ) -> Result<Principal, Refused> {
        let address = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let now = self.accounts.monotonic();
        match found {
            Ok(principal) => {
                if let Some(key) = principal.key() {
                    self.accounts.note_use(key);
                }
                if let Some(name) = name {
                    self.limits.login_succeeded(address, name, now);
                }
                Ok(principal)
            }
            Err(LogInError::Wrong) => {
                self.limits.login_failed(address, name, now);
                Err(Refused::Wrong(WRONG.to_owned()))
            }
            Err(LogInError::Busy(time)) => Err(Refused::Wait(time)),
            Err(LogInError::Failed(why)) => {
                tracing::error!(why, "a password could not be checked");
                Err(Refused::Wait(Duration::from_secs(1)))
            }
        }
    }

    /// The caller with a token that was verified before; nothing for any other request. It comes first, and
    /// reads nothing that it can do without: most requests are of this kind.
    fn of_known_token(
        &self,
        headers: &HeaderMap,
        outlives: bool,
    ) -> Option<Result<Caller, Refused>> {
        let token = Credentials::bearer_of(headers)?;
        let now = self.accounts.wall();
        let expected = self.expected(Kind::Access, now);
        let judged = self.accounts.token_keys().verify_known(token, &expected)?;
        Some(self.of_claims(judged, outlives, now))
    }

    fn of_token(&self, text: &str, outlives: bool) -> Result<Caller, Refused> {
        let now = self.accounts.wall();
        self.of_claims(self.verified(text, Kind::Access, now), outlives, now)
    }

    fn of_claims(
        &self,
        judged: Result<Arc<Claims>, TokenError>,
        outlives: bool,
        now: u64,
    ) -> Result<Caller, Refused> {
        let claims = match judged {
            Ok(claims) => claims,
            Err(TokenError::Expired(claims)) if outlives => claims,
            Err(error) => return Err(Refused::Token(error.to_string())),
        };
        let directory = self.accounts.present();
        let principal = subject(&claims, &directory, now)?;
        Ok(Caller::by_token(principal, (directory, now), claims))
    }

    /// What a token says, when it is this registry's and valid at `now`, in milliseconds since the epoch.
    pub(super) fn verified(
        &self,
        text: &str,
        kind: Kind,
        now: u64,
    ) -> Result<Arc<Claims>, TokenError> {
        let keys = self.accounts.token_keys();
        keys.verify(text, &self.expected(kind, now))
    }

    /// What is asked of a token at `now`, in milliseconds since the epoch.
    fn expected(&self, kind: Kind, now: u64) -> Expected<'_> {
        Expected {
            kind,
            service: &self.options.service,
            now: now / 1000,
        }
    }

    /// Who a token was given to, if what it was given for still lets somebody in.
    pub(super) fn subject(&self, claims: &Claims, now: u64) -> Result<Principal, Refused> {
        subject(claims, &self.accounts.present(), now)
    }

    fn caller(&self, principal: Principal) -> Caller {
        Caller::new(principal, self.accounts.directory(), self.accounts.wall())
    }

    /// Counts a request for a token against what its address may make.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn count_address(&self, from: Option<IpAddr>) -> Result<(), RetryAfter> {
        let Some(from) = from else { return Ok(()) };
        let requester = Requester::Address(from);
        self.limits.request(requester, self.accounts.monotonic())
    }

    /// Counts the request against what its principal or address may make.
    fn count(&self, caller: &Caller, from: Option<IpAddr>) -> Result<(), Refused> {
        if self.options.requests_per_second.is_none() {
            return Ok(());
        }
        let requester = match (caller.principal(), from) {
            (Principal::User { name, .. }, _) => Requester::User(name.clone()),
            (Principal::Robot(key), _) => Requester::Key(*key),
            (Principal::Anonymous, Some(from)) => Requester::Address(from),
            (Principal::Anonymous, None) | (Principal::Anybody | Principal::Operator, _) => {
                return Ok(());
            }
        };
        self.limits
            .request(requester, self.accounts.monotonic())
            .map_err(wait)
    }
}

/// Who a token was given to, by the accounts in `directory`.
fn subject(claims: &Claims, directory: &Directory, now: u64) -> Result<Principal, Refused> {
    let principal = match &claims.subject {
        Subject::Anonymous => return Ok(Principal::Anonymous),
        Subject::Robot(key) => Principal::Robot(*key),
        Subject::User(name) => Principal::User {
            name: name.clone(),
            key: claims.key,
        },
    };
    match directory.check_issued(&principal, claims.epoch, now) {
        Ok(()) => Ok(principal),
        Err(Spent::Ended) => {
            let text = "the token's user is gone or has another password since it was given";
            Err(Refused::Token(text.to_owned()))
        }
        Err(Spent::Hindered(reason)) => {
            Err(Refused::Token(format!("the token is of no use: {reason}")))
        }
    }
}

fn wait(time: RetryAfter) -> Refused {
    Refused::Wait(time.0)
}

/// Whether there is an `Authorization` header at all.
pub(super) fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::AUTHORIZATION)
}
