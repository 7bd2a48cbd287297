//! [`ManageRoute`]: what a request to the management API asks for, parsed purely, and who may ask it.
//!
//! ```text
//! endpoint                     the table's form and the grammar of paths
//! server, store, repository, accounts    the endpoints by subject, a line each
//! ```
//! A new endpoint is a line of its subject, an arm of its `need`, and an arm of its handlers; a new
//! subject is a variant here.

mod accounts;
mod endpoint;
mod repository;
mod server;
mod store;
#[cfg(test)]
mod tests;

pub use accounts::AccountRoute;
pub use endpoint::Endpoint;
pub(crate) use endpoint::PREFIX;
pub use repository::RepositoryRoute;
pub use server::ServerRoute;
pub use store::StoreRoute;

use super::Problem;
use crate::accounts::Permission;
use endpoint::{Methods, Segments};
use floundr_engine::name::RepositoryName;
use http::Method;

/// One endpoint of the management API, with what stands in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManageRoute {
    /// The program that runs.
    Server(ServerRoute),
    /// The store as a whole.
    Store(StoreRoute),
    /// Repositories and what is in them.
    Repository(RepositoryRoute),
    /// Accounts.
    Account(AccountRoute),
}

/// Who may ask. The operator and a server administrator may ask everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// Whoever can connect.
    Anybody,
    /// Who has shown who they are; the handler may ask for more.
    LoggedIn,
    /// A server administrator.
    Server,
    /// Who has this permission on this repository. Who may not even pull is told that it is not
    /// there.
    Repository(&'a RepositoryName, Permission),
}

// === impl ManageRoute ===

impl ManageRoute {
    /// Whether a path is one of this API, be there an endpoint or not.
    pub fn owns(path: &str) -> bool {
        let rest = path.strip_prefix(PREFIX);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Reads a request's method and its path as sent, still percent-encoded.
    ///
    /// # Errors
    /// 404 for what is no endpoint; 405 with `Allow`; 400 for what stands in the path.
    pub fn parse(method: &Method, path: &str) -> Result<Self, Problem> {
        let mut methods = Methods::default();
        if Self::owns(path) {
            let segments = Segments::of(path)?;
            if let Some(route) = Self::find(method, &segments, &mut methods)? {
                return Ok(route);
            }
        }
        Err(methods.refusal(method, path))
    }

    fn find(
        method: &Method,
        path: &Segments<'_>,
        methods: &mut Methods,
    ) -> Result<Option<Self>, Problem> {
        if let Some(route) = ServerRoute::find(method, path, methods)? {
            return Ok(Some(Self::Server(route)));
        }
        if let Some(route) = StoreRoute::find(method, path, methods)? {
            return Ok(Some(Self::Store(route)));
        }
        if let Some(route) = RepositoryRoute::find(method, path, methods)? {
            return Ok(Some(Self::Repository(route)));
        }
        let route = AccountRoute::find(method, path, methods)?;
        Ok(route.map(Self::Account))
    }

    /// Every endpoint there is.
    pub fn all() -> impl Iterator<Item = Endpoint> {
        [
            ServerRoute::ALL,
            StoreRoute::ALL,
            RepositoryRoute::ALL,
            AccountRoute::ALL,
        ]
        .into_iter()
        .flatten()
        .copied()
    }

    /// Its line of the table.
    pub const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Server(route) => route.endpoint(),
            Self::Store(route) => route.endpoint(),
            Self::Repository(route) => route.endpoint(),
            Self::Account(route) => route.endpoint(),
        }
    }

    /// The name in metrics and in the access log.
    pub const fn label(&self) -> &'static str {
        self.endpoint().label
    }

    /// Who may ask.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::Server(route) => route.need(),
            Self::Store(route) => route.need(),
            Self::Repository(route) => route.need(),
            Self::Account(route) => route.need(),
        }
    }
}
