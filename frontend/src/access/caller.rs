//! [`Caller`]: who a request is from and what they may, at the moment it came.

use crate::accounts::token::claims::Claims;
use crate::accounts::{Directory, KeyId, Permission, Permissions, Principal, Reason};
use arc_swap::Guard;
use floundr_engine::name::RepositoryName;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// The directory of a registry that needs none, made once.
static NO_ACCOUNTS: LazyLock<Arc<Directory>> = LazyLock::new(Arc::default);

/// Who a request is from, with the accounts of the moment it came. Cheap to clone.
#[derive(Debug)]
pub struct Caller {
    principal: Principal,
    /// A guard, since a count of all requests at once would go from core to core.
    directory: Guard<Arc<Directory>>,
    now: u64,
    from: Option<IpAddr>,
    narrowed: Option<Arc<Claims>>,
    /// Of the user when the request came: who logged in by what has ended since is nobody.
    epoch: Option<u64>,
}

// === impl Caller ===

impl Caller {
    /// Whoever runs the server, who may everything.
    pub fn operator() -> Self {
        Self::new(Principal::Operator, Arc::clone(&NO_ACCOUNTS), 0)
    }

    /// Whoever reaches a registry that is open.
    pub(crate) fn anybody() -> Self {
        Self::new(Principal::Anybody, Arc::clone(&NO_ACCOUNTS), 0)
    }

    /// Nobody, who may nothing.
    pub(crate) fn nobody() -> Self {
        Self::new(Principal::Anonymous, Arc::clone(&NO_ACCOUNTS), 0)
    }

    /// `principal` by the accounts in `directory` at `now`, in milliseconds since the epoch.
    pub fn new(principal: Principal, directory: Arc<Directory>, now: u64) -> Self {
        Self {
            epoch: directory.epoch(&principal),
            principal,
            directory: Guard::from_inner(directory),
            now,
            from: None,
            narrowed: None,
        }
    }

    /// The same caller, from this address.
    #[must_use]
    pub fn from_address(mut self, from: Option<IpAddr>) -> Self {
        self.from = from;
        self
    }

    /// The same caller by the accounts of another moment. Nobody, if what they logged in with has ended
    /// meanwhile.
    #[must_use]
    pub(crate) fn at(&self, directory: Arc<Directory>, now: u64) -> Self {
        let same = directory.epoch(&self.principal) == self.epoch;
        let principal = if same {
            self.principal.clone()
        } else {
            Principal::Anonymous
        };
        Self {
            principal,
            directory: Guard::from_inner(directory),
            now,
            narrowed: self.narrowed.clone(),
            ..*self
        }
    }

    /// Who came with a token that was given to `principal`, and may no more than it says.
    pub(crate) fn by_token(
        principal: Principal,
        (directory, now): (Guard<Arc<Directory>>, u64),
        claims: Arc<Claims>,
    ) -> Self {
        let is_user = matches!(principal, Principal::User { .. });
        Self {
            epoch: is_user.then_some(claims.epoch),
            principal,
            directory,
            now,
            from: None,
            narrowed: Some(claims),
        }
    }

    /// Who it is.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The accounts this caller is judged by.
    pub fn directory(&self) -> &Arc<Directory> {
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

    /// What it may do with `repository`: what its principal may, as far as its token reaches.
    pub fn permissions(&self, repository: &RepositoryName) -> Permissions {
        let all = match &self.narrowed {
            Some(claims) => claims.permissions_on(repository),
            None => Permissions::ALL,
        };
        if all.is_empty() {
            all
        } else {
            all.and(self.of_principal(repository))
        }
    }

    /// Whether the principal may do this, with a token that reaches so far.
    pub(crate) fn principal_may(&self, name: &RepositoryName, permission: Permission) -> bool {
        self.of_principal(name).contains(permission)
    }

    fn of_principal(&self, repository: &RepositoryName) -> Permissions {
        let name = repository.as_str();
        self.directory.permissions(&self.principal, name, self.now)
    }

    /// Whether it came with a token, which narrows what it may.
    pub(crate) const fn is_narrowed(&self) -> bool {
        self.narrowed.is_some()
    }

    /// Whether it may have the list of repositories, in which it sees those it may pull from.
    pub(crate) fn may_list(&self) -> bool {
        self.narrowed.as_ref().is_none_or(|claims| claims.catalog)
    }

    /// What keeps the principal from doing anything at all.
    pub(crate) fn hindrance(&self) -> Option<Reason> {
        self.directory.check(&self.principal, self.now).err()
    }

    /// Whether it may do this.
    pub fn may(&self, repository: &RepositoryName, permission: Permission) -> bool {
        self.permissions(repository).contains(permission)
    }

    /// Whether it may do everything about the server itself. A token never reaches so far: it is for
    /// repositories.
    pub fn is_administrator(&self) -> bool {
        self.narrowed.is_none() && self.directory.is_administrator(&self.principal, self.now)
    }

    /// Whether it is somebody in particular whom nothing keeps from doing what they may.
    pub fn is_logged_in(&self) -> bool {
        self.principal.is_known() && self.directory.check(&self.principal, self.now).is_ok()
    }
}

impl Clone for Caller {
    fn clone(&self) -> Self {
        Self {
            principal: self.principal.clone(),
            directory: Guard::from_inner(Arc::clone(&self.directory)),
            narrowed: self.narrowed.clone(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Accounts, MemoryAccountStore, TokenSecrets, UserPatch};
    use floundr_engine::clock::Hands;

    #[tokio::test]
    async fn who_logged_in_with_a_password_that_has_ended_is_nobody_afterwards() {
        let store = MemoryAccountStore::default();
        let clock = Arc::new(Hands::default());
        let accounts = Accounts::open(store, clock, TokenSecrets::Kept)
            .await
            .unwrap();
        let name = "admin".parse().unwrap();
        accounts
            .create_first_administrator(&name, "a long password")
            .await
            .unwrap();
        let principal = Principal::User {
            name: name.clone(),
            key: None,
        };
        let caller = Caller::new(principal.clone(), accounts.directory(), 0);
        let role = "pusher".parse().unwrap();
        accounts
            .create_role(&role, Permission::Push.into())
            .await
            .unwrap();
        assert_eq!(*caller.at(accounts.directory(), 0).principal(), principal);
        let patch = UserPatch {
            password: Some("another password".to_owned()),
            ..UserPatch::default()
        };
        accounts.change_user(&name, patch, None).await.unwrap();
        let later = caller.at(accounts.directory(), 0);
        assert_eq!(*later.principal(), Principal::Anonymous);
        assert!(!later.is_logged_in() && !later.is_administrator());
    }
}
