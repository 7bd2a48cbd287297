//! From a request to its [`Caller`], and whether that caller may do what the request asks for.
//!
//! ```text
//! identity   who the headers say it is: nobody, a password, a key, a token; and whether that is true
//! caller     who it is and what they may at this moment
//! gate       whether a caller may what a route needs, and how a refusal is told
//! tokens     the tokens that are given out: signed, narrowed to what was asked and is allowed
//! ```
//! Invariants:
//! 1. What a caller may is computed from the accounts of the moment, at every request: a token or a
//!    remembered password only says who it is, and a token narrows what they may.
//! 2. Credentials that are sent and not right are refused, never taken for none.
//! 3. A refusal does not tell whether what was asked for exists.
//! 4. One exception to a token's expiry: on the address of an upload session, which is unguessable, a
//!    token that has expired still says who it is, so that an upload outlives its token.

mod caller;
mod gate;
mod identity;
mod tokens;

pub use caller::Caller;
pub(crate) use tokens::{Given, NoToken};

use crate::accounts::Accounts;
use crate::accounts::limits::{LimitOptions, Rate, RateLimits};
use crate::accounts::token::origin::{self, AppUrl, Arrival};
use crate::accounts::token::proxies::TrustedProxies;
use crate::service::Peer;
use http::request::Parts;
use std::net::IpAddr;
use std::time::Duration;

/// What access is configured with. Make one with `AccessOptions::default()` and change what matters.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// The name of this registry in tokens and challenges, `floundr` by default. Registries that
    /// share keys and not accounts need different ones.
    pub service: String,
    /// The address that clients know the registry by. By default that of the request.
    pub app_url: Option<AppUrl>,
    /// Proxies whose `X-Forwarded-*` and `Forwarded` headers are believed. None by default.
    pub trusted_proxies: TrustedProxies,
    /// How long a token is valid, at least the minute that clients expect. An hour by default: clients get new ones by themselves, and what a
    /// token's owner may is looked up at every request, so a longer life gives nobody more rights.
    pub token_lifetime: Duration,
    /// How long a refresh token is valid. 30 days by default.
    pub refresh_lifetime: Duration,
    /// Requests a second that one principal, or one address without one, may make; ten seconds' worth
    /// at once. As many as they like by default.
    pub requests_per_second: Option<u32>,
    /// Host and port for clients that name none: HTTP/1.0 without `Host`.
    pub served: String,
}

/// Who may reach what.
#[derive(Debug)]
pub struct Access(Kind);

#[derive(Debug)]
enum Kind {
    Open,
    Operator,
    Accounts(Box<Gate>),
}

/// Access by accounts.
#[derive(Debug)]
struct Gate {
    accounts: Accounts,
    limits: RateLimits,
    options: AccessOptions,
}

// === impl AccessOptions ===

impl Default for AccessOptions {
    fn default() -> Self {
        Self {
            service: "floundr".to_owned(),
            app_url: None,
            trusted_proxies: TrustedProxies::default(),
            token_lifetime: Duration::from_hours(1),
            refresh_lifetime: Duration::from_hours(30 * 24),
            requests_per_second: None,
            served: "localhost".to_owned(),
        }
    }
}

// === impl Access ===

impl Access {
    /// Whoever reaches it may pull, push and delete; nobody administers the server, which is for whoever
    /// runs it alone (the management socket).
    pub const fn open() -> Self {
        Self(Kind::Open)
    }

    /// Every request is the operator's, who may everything: behind something that lets nobody else
    /// through.
    pub const fn of_operator() -> Self {
        Self(Kind::Operator)
    }

    /// Who may what is said by `accounts`.
    pub fn by(accounts: Accounts, options: AccessOptions) -> Self {
        let rate = |each: u32| Rate::per_second(each, each.saturating_mul(10));
        let limits = LimitOptions {
            requests: options.requests_per_second.map(rate),
            ..LimitOptions::default()
        };
        Self(Kind::Accounts(Box::new(Gate {
            accounts,
            limits: RateLimits::new(&limits),
            options,
        })))
    }

    /// The address of the client of a request, behind the proxies that are trusted.
    pub(crate) fn client(&self, parts: &Parts) -> Option<IpAddr> {
        self.gate()?.client(parts)
    }

    /// The accounts, unless it is open.
    pub fn accounts(&self) -> Option<&Accounts> {
        self.gate().map(|gate| &gate.accounts)
    }

    fn gate(&self) -> Option<&Gate> {
        match &self.0 {
            Kind::Accounts(gate) => Some(gate),
            Kind::Open | Kind::Operator => None,
        }
    }
}

// === impl Gate ===

impl Gate {
    /// The address of the client, behind the proxies that are trusted.
    fn client(&self, parts: &Parts) -> Option<IpAddr> {
        let peer = parts.extensions.get::<Peer>()?;
        Some(
            self.options
                .trusted_proxies
                .client(peer.address.ip(), &parts.headers),
        )
    }

    /// The address of the token endpoint as this client can reach it.
    fn realm(&self, parts: &Parts) -> String {
        let peer = parts.extensions.get::<Peer>();
        let arrival = Arrival {
            headers: &parts.headers,
            authority: parts.uri.authority(),
            is_tls: peer.is_some_and(|peer| peer.is_tls),
            from_proxy: peer
                .is_some_and(|peer| self.options.trusted_proxies.contain(peer.address.ip())),
            served: &self.options.served,
        };
        origin::realm(self.options.app_url.as_ref(), &arrival)
    }
}
