//! [`Caller`]: who a request is from and what they may, at the moment it came.

use crate::accounts::{Directory, KeyId, Permission, Permissions, Principal};
use floundr_engine::name::RepositoryName;
use std::net::IpAddr;
use std::sync::Arc;

/// Who a request is from, with the accounts of the moment it came. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    directory: Arc<Directory>,
    now: u64,
    from: Option<IpAddr>,
}

// === impl Caller ===

impl Caller {
    /// Whoever runs the server, who may everything.
    pub fn operator() -> Self {
        Self::new(Principal::Operator, Arc::default(), 0)
    }

    /// `principal` by the accounts in `directory` at `now`, in milliseconds since the epoch.
    pub const fn new(principal: Principal, directory: Arc<Directory>, now: u64) -> Self {
        Self {
            principal,
            directory,
            now,
            from: None,
        }
    }

    /// The same caller, from this address.
    #[must_use]
    pub fn from_address(mut self, from: Option<IpAddr>) -> Self {
        self.from = from;
        self
    }

    /// Who it is.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The accounts this caller is judged by.
    pub const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// When the request came, in milliseconds since the epoch.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Where the request came from, when that is known: the client, not a trusted proxy before it.
    pub const fn from(&self) -> Option<IpAddr> {
        self.from
    }

    /// The key it came with.
    pub const fn key(&self) -> Option<KeyId> {
        self.principal.key()
    }

    /// What it may do with `repository`.
    pub fn permissions(&self, repository: &RepositoryName) -> Permissions {
        let name = repository.as_str();
        self.directory.permissions(&self.principal, name, self.now)
    }

    /// Whether it may do this.
    pub fn may(&self, repository: &RepositoryName, permission: Permission) -> bool {
        self.permissions(repository).contains(permission)
    }

    /// Whether it may do everything about the server itself.
    pub fn is_administrator(&self) -> bool {
        self.directory.is_administrator(&self.principal, self.now)
    }

    /// Whether it is somebody in particular whom nothing keeps from doing what they may.
    pub fn is_logged_in(&self) -> bool {
        self.principal.is_known() && self.directory.check(&self.principal, self.now).is_ok()
    }
}
