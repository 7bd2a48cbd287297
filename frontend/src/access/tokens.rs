//! The token endpoint: who asks gets a token for what they asked and may, and no error for the rest.
//!
//! Distribution specification, "Token Authentication Specification" (GET) and "`OAuth2` Token
//! Authentication" (POST).

use super::identity::{Refused, WRONG};
use super::{Access, Gate};
use crate::accounts::Principal;
use crate::accounts::token::claims::{Claims, Kind, Subject, TokenId};
use crate::accounts::token::credentials::Credentials;
use crate::accounts::token::request::{Proof, RequestError, TokenAnswer, TokenRequest};
use crate::accounts::token::scope::Asked;
use crate::deeds::called;
use crate::error::ApiError;
use crate::route::Scope;
use floundr_engine::name::RepositoryName;
use floundr_engine::random::SystemRandom;
use http::request::Parts;
use std::net::IpAddr;
use std::time::Duration;

/// Clients take a token for valid that long, whatever its answer says.
const LEAST: Duration = Duration::from_mins(1);

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// As any other refusal.
    Api(ApiError),
    /// In the words of RFC 6749, section 5.2.
    OAuth(RequestError),
}

/// A token and who it was given to.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) answer: TokenAnswer,
    pub(crate) principal: Principal,
    pub(crate) from: Option<IpAddr>,
    /// What the principal is called in records.
    pub(crate) called: String,
}

// === impl Access ===

impl Access {
    /// The answer to `GET /auth/token`: credentials in the `Authorization` header, or none.
    ///
    /// # Errors
    /// [`NoToken`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn token_of_query(&self, parts: &Parts) -> Result<Given, NoToken> {
        let gate = self.asked()?;
        let from = gate.client(parts);
        gate.count_address(from)
            .map_err(|wait| NoToken::Api(super::gate::too_many(wait.0)))?;
        let credentials = Credentials::of(&parts.headers);
        let credentials = credentials.map_err(|error| Refused::Wrong(error.to_string()));
        let principal = match credentials {
            Ok(None) => Ok(Principal::Anonymous),
            Ok(Some(basic @ Credentials::Basic { .. })) => gate.log_in(&basic, from).await,
            // A refresh token in place of credentials, as some clients send it.
            Ok(Some(Credentials::Bearer(text))) => gate.refreshed(text.expose()),
            Err(refused) => Err(refused),
        };
        let refusal = |refused| NoToken::Api(gate.refusal(refused, parts, Scope::Open));
        let principal = principal.map_err(refusal)?;
        let request = TokenRequest::of_query(parts.uri.query());
        gate.given(principal, &request, from)
    }

    /// The answer to `POST /auth/token`.
    ///
    /// # Errors
    /// [`NoToken`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn token_of_form(&self, parts: &Parts, form: &[u8]) -> Result<Given, NoToken> {
        let gate = self.asked()?;
        let from = gate.client(parts);
        gate.count_address(from)
            .map_err(|wait| NoToken::Api(super::gate::too_many(wait.0)))?;
        let (proof, request) = TokenRequest::of_form(form).map_err(NoToken::OAuth)?;
        let principal = match &proof {
            Proof::Password(credentials) => gate.log_in(credentials, from).await,
            Proof::Refresh(token) => gate.refreshed(token.expose()),
        };
        let principal = principal.map_err(|refused| match refused {
            Refused::Wait(time) => NoToken::Api(super::gate::too_many(time)),
            Refused::Wrong(_) => NoToken::OAuth(RequestError::wrong(WRONG)),
            Refused::Token(_) => NoToken::OAuth(RequestError::wrong(
                "the refresh token is not valid (any more)",
            )),
        })?;
        gate.given(principal, &request, from)
    }

    /// The gate, where there is one: an open registry asks nobody for a token.
    fn asked(&self) -> Result<&Gate, NoToken> {
        self.gate().ok_or_else(|| {
            let text = "this registry has no accounts: nothing needs a token";
            NoToken::Api(ApiError::new(
                crate::error::ErrorCode::EndpointUnknown,
                text,
            ))
        })
    }
}

// === impl Gate ===

impl Gate {
    fn refreshed(&self, token: &str) -> Result<Principal, Refused> {
        let now = self.accounts.wall();
        let claims = self.verified(token, Kind::Refresh, now);
        let claims = claims.map_err(|error| Refused::Token(error.to_string()))?;
        self.subject(&claims, now)
    }

    fn given(
        &self,
        principal: Principal,
        request: &TokenRequest,
        from: Option<IpAddr>,
    ) -> Result<Given, NoToken> {
        Ok(Given {
            answer: self.give(&principal, request)?,
            called: called(&principal, &self.accounts.directory()),
            principal,
            from,
        })
    }

    fn give(&self, principal: &Principal, request: &TokenRequest) -> Result<TokenAnswer, NoToken> {
        let claims = |kind, lifetime: Duration, granted: Asked| -> Result<_, NoToken> {
            let issued = self.accounts.wall() / 1000;
            let id = TokenId::random(&SystemRandom)
                .map_err(|error| NoToken::Api(ApiError::internal(error)))?;
            Ok(Claims {
                subject: subject(principal),
                key: principal.key(),
                epoch: self.epoch(principal),
                access: granted.repositories,
                catalog: granted.catalog,
                kind,
                issued,
                expires: issued.saturating_add(lifetime.as_secs()),
                id,
            })
        };
        let keys = self.accounts.token_keys();
        let service = &self.options.service;
        let granted = self.granted(principal, &request.scopes);
        let access = claims(
            Kind::Access,
            self.options.token_lifetime.max(LEAST),
            granted,
        )?;
        let refresh = match principal {
            Principal::User { .. } | Principal::Robot(_) if request.is_offline => {
                let lifetime = self.options.refresh_lifetime;
                let claims = claims(Kind::Refresh, lifetime, Asked::default())?;
                Some(keys.sign(&claims, service))
            }
            _ => None,
        };
        Ok(TokenAnswer::new(
            keys.sign(&access, service),
            &access,
            refresh,
        ))
    }

    /// What of it is allowed now. The list of repositories shows everybody what they may see.
    fn granted(&self, principal: &Principal, asked: &Asked) -> Asked {
        let (directory, now) = (self.accounts.directory(), self.accounts.wall());
        let on = |name: &RepositoryName| directory.permissions(principal, name.as_str(), now);
        asked.clone().cut(on, true)
    }

    fn epoch(&self, principal: &Principal) -> u64 {
        self.accounts.present().epoch(principal).unwrap_or(0)
    }
}

fn subject(principal: &Principal) -> Subject {
    match principal {
        Principal::User { name, .. } => Subject::User(name.clone()),
        Principal::Robot(key) => Subject::Robot(*key),
        Principal::Anonymous | Principal::Anybody | Principal::Operator => Subject::Anonymous,
    }
}
