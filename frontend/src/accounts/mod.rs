//! Accounts: who may do what. [`Accounts`] is all of it; it is asked from a [`Directory`] in memory,
//! and changed by methods that commit to an [`AccountStore`] first.
//!
//! ```text
//! name, permission   the words
//! model              users, roles, grants, keys, rules as they are stored
//! directory, rights  all of them at one moment; who may do what, and why
//! member             what a request needs of a user, with their grants
//! change/            every change, each durable before it is seen
//! store              where they are kept, a trait; redb_store for one process, memory_store
//! password, ...      slow hashes on few threads, and what is remembered of them
//! limits             how often somebody may try
//! token/             scopes, signed tokens, challenges
//! ```
//! Nothing here knows HTTP handlers or the engine's content: `access` puts requests and accounts
//! together.

mod change;
mod checker;
mod directory;
mod expiring;
pub(crate) mod limits;
mod login;
mod member;
mod memory_store;
mod model;
mod name;
mod password;
mod permission;
mod redb_store;
mod rights;
mod signing;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod token;
mod verified;
mod within;

pub use change::{AccountError, KeyPatch, NewGrant, NewKey, NewUser, RulePatch, Thing, UserPatch};
pub use directory::Directory;
pub(crate) use login::LogInError;
pub use memory_store::MemoryAccountStore;
pub use model::{
    ApiKey, Grant, Grantee, KeyScope, KeyText, On, ParseKeyTextError, ParseOnError, Role, Rule,
    User,
};
pub use name::{GroupName, KeyId, KeyName, ParseKeyIdError, ParseNameError, RoleName, UserName};
pub use password::{Cost, ParseHashError, PasswordHash, UnfitPassword};
pub use permission::{ParsePermissionError, Permission, Permissions};
pub use redb_store::RedbAccountStore;
pub(crate) use rights::Spent;
pub use rights::{Principal, Reason};
pub use signing::{SigningKeyIds, TokenSecrets};
pub use store::{AccountStore, AccountStoreError, Change, Row, RowKey, Rows, SigningKeys};
pub use token::credentials::Secret;
pub use token::origin::{AppUrl, ParseAppUrlError};
pub use token::proxies::{ParseProxyError, TrustedProxies};

use arc_swap::{ArcSwap, Guard};
use checker::PasswordChecker;
use floundr_engine::clock::Clock;
use floundr_engine::random::SystemRandom;
use parking_lot::Mutex;
use password::{HasherOptions, PasswordHasher};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use token::signer::TokenKeys;
use verified::{Verified, VerifiedOptions};

/// How often uses of keys are written down, and changes of other processes looked for.
const KEEPING: Duration = Duration::from_secs(5);

/// All accounts. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Box<dyn AccountStore>,
    directory: ArcSwap<Directory>,
    /// Held by a change from its reading to its end.
    turn: Arc<tokio::sync::Mutex<()>>,
    clock: Arc<dyn Clock>,
    passwords: PasswordChecker,
    /// Held while somebody's own password is checked before it is changed.
    own_passwords: tokio::sync::Semaphore,
    secrets: TokenSecrets,
    token_keys: ArcSwap<TokenKeys>,
    /// Uses of keys that are not written down yet.
    uses: Mutex<HashMap<KeyId, u64>>,
}

// === impl Accounts ===

impl Accounts {
    /// The accounts in `store`. What they need first, a key that signs tokens, is made.
    ///
    /// # Errors
    /// [`AccountError`]: of the store, or a secret that is too short.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn open(
        store: impl AccountStore,
        clock: Arc<dyn Clock>,
        secrets: TokenSecrets,
    ) -> Result<Self, AccountError> {
        let rows = store.load().await?;
        let directory = Directory::new(signing::ensured(&store, rows, &secrets).await?);
        let keys = secrets.keys(&directory)?;
        let inner = Inner {
            store: Box::new(store),
            directory: ArcSwap::from_pointee(directory),
            turn: Arc::default(),
            passwords: passwords(Arc::clone(&clock))?,
            own_passwords: tokio::sync::Semaphore::new(1),
            clock,
            secrets,
            token_keys: ArcSwap::from_pointee(keys),
            uses: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The accounts of this moment.
    pub fn directory(&self) -> Arc<Directory> {
        self.inner.directory.load_full()
    }

    /// The same for the time of a request, without a count that all cores would write to.
    pub(crate) fn present(&self) -> Guard<Arc<Directory>> {
        self.inner.directory.load()
    }

    /// Milliseconds since the epoch, by the wall clock.
    pub fn wall(&self) -> u64 {
        u64::try_from(self.inner.clock.wall().as_millis()).unwrap_or(u64::MAX)
    }

    /// A password nobody knows yet, fit to be read to somebody.
    ///
    /// # Errors
    /// The system's, when it has no random bytes.
    pub fn random_password() -> Result<String, AccountError> {
        Ok(password::make_up_password(&SystemRandom).map_err(AccountStoreError::failed)?)
    }

    /// How often a password was compared with its hash since the start: once for many requests.
    pub fn password_verifications(&self) -> u64 {
        self.inner.passwords.hasher().verifications()
    }

    /// Time by the monotonic clock.
    pub(crate) fn monotonic(&self) -> Duration {
        self.inner.clock.monotonic()
    }

    /// Notes that a key let somebody in; written down within seconds (see [`Accounts::keep`]).
    pub fn note_use(&self, key: KeyId) {
        let now = self.wall();
        self.inner.uses.lock().insert(key, now);
    }

    /// When a key was used last.
    pub fn last_used(&self, key: KeyId) -> Option<u64> {
        let noted = self.inner.uses.lock().get(&key).copied();
        noted.or_else(|| self.directory().last_used(key))
    }

    /// Writes down what was noted, and takes over what other processes changed.
    ///
    /// # Errors
    /// [`AccountError`]: what was noted is noted still.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn settle(&self) -> Result<(), AccountError> {
        if self.inner.store.revision().await? != self.directory().revision() {
            let _turn = self.inner.turn.lock().await;
            self.reload().await?;
        }
        let uses = self.inner.uses.lock().clone();
        self.change(|directory| {
            let live = uses
                .iter()
                .filter(|(key, _)| directory.key(**key).is_some());
            let rows = live.map(|(key, at)| Change::Put(Row::Used(*key, *at)));
            Ok((rows.collect(), ()))
        })
        .await?;
        let mut noted = self.inner.uses.lock();
        noted.retain(|key, at| uses.get(key) != Some(at));
        Ok(())
    }

    /// Writes all accounts of this moment into the file `path`, which only its user can read, in place
    /// of one that is there: a backup. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountStoreError`]; what was there is there still.
    ///
    /// # Cancel safety
    /// A cancelled call has replaced the file or not.
    pub async fn back_up(&self, path: PathBuf) -> Result<(), AccountStoreError> {
        RedbAccountStore::write_copy(self.directory().rows().clone(), path).await
    }

    /// Settles every few seconds, for as long as it is polled.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(KEEPING).await;
            if let Err(error) = self.settle().await {
                tracing::warn!(%error, "uses of API keys could not be written down");
            }
        }
    }

    /// Takes over what the store has.
    async fn reload(&self) -> Result<(), AccountStoreError> {
        let rows = self.inner.store.load().await?;
        self.put(Directory::new(rows));
        Ok(())
    }

    /// Puts a directory in place, and the keys it has if they are others.
    fn put(&self, directory: Directory) {
        let before = self.inner.directory.swap(Arc::new(directory));
        let now = self.directory();
        if before.signing() == now.signing() {
            return;
        }
        match self.inner.secrets.keys(&now) {
            Ok(keys) => self.inner.token_keys.store(Arc::new(keys)),
            // Tokens of the keys before are still taken, and no others.
            Err(error) => tracing::error!(%error, "the key that signs tokens cannot be used"),
        }
    }
}

fn passwords(clock: Arc<dyn Clock>) -> Result<PasswordChecker, AccountError> {
    let hasher = PasswordHasher::new(HasherOptions::default(), &SystemRandom)?;
    let verified = Verified::new(VerifiedOptions::default(), &SystemRandom);
    let verified = verified.map_err(AccountStoreError::failed)?;
    Ok(PasswordChecker::new(hasher, verified, clock))
}
