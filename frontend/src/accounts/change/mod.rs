//! Changes of accounts: each one reads the present directory, decides, commits its rows, and puts the
//! next directory in place.
//!
//! 1. Changes of one process come one after another; those of another process are noticed by the
//!    store, and the change is made again from what is there then.
//! 2. A refused change leaves no trace. An accepted one is durable before anybody sees it.
//! 3. Nothing that takes rights away leaves a registry that had an administrator without one who can
//!    log in.
//!
//! One file per subject; what is refused and why is [`AccountError`].

mod grants;
mod keys;
mod roles;
mod rules;
mod users;

pub use grants::NewGrant;
pub use keys::{KeyPatch, NewKey};
pub use rules::RulePatch;
pub use users::{NewUser, UserPatch};

use super::Accounts;
use super::directory::Directory;
use super::model::User;
use super::password::{HasherError, UnfitPassword};
use super::store::{AccountStoreError, Change, Rows};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How often a change is made again because another process was faster.
const ATTEMPTS: usize = 10;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is one already.
    #[error("there is a {thing} {name} already")]
    Exists {
        /// What kind of thing.
        thing: Thing,
        /// What it is called.
        name: String,
    },
    /// There is none.
    #[error("there is no {thing} {name}")]
    Unknown {
        /// What kind of thing.
        thing: Thing,
        /// What it was called.
        name: String,
    },
    /// It was changed since the version that was to be changed.
    #[error("{thing} {name} was changed meanwhile: it has version {found}, not {expected}")]
    Changed {
        /// What kind of thing.
        thing: Thing,
        /// What it is called.
        name: String,
        /// The version the change was made from.
        expected: u64,
        /// The version that is there.
        found: u64,
    },
    /// No administrator who can log in would be left.
    #[error("{0} is the last administrator: make another one first")]
    LastAdministrator(String),
    /// Roles that are built in do not change.
    #[error("role {0} is built in and cannot be changed")]
    BuiltIn(String),
    /// A role that grants name.
    #[error("role {role} is in use by {grants} grants: remove them first")]
    InUse {
        /// The role.
        role: String,
        /// How many.
        grants: usize,
    },
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// More than the key may with which it was asked for.
    #[error("{0}")]
    BeyondKey(String),
    /// Not a password that can be set.
    #[error(transparent)]
    Password(#[from] UnfitPassword),
    /// The password is not the present one.
    #[error("the old password is not right")]
    WrongPassword,
    /// Too many passwords are being checked.
    #[error("too many passwords are being checked: try again in {} s", .0.as_secs().max(1))]
    Busy(Duration),
    /// The password could not be hashed.
    #[error("{0}")]
    Hashing(#[source] Box<dyn Error + Send + Sync>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] AccountStoreError),
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// What kinds of things there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A user.
    User,
    /// A role.
    Role,
    /// A grant.
    Grant,
    /// An API key.
    Key,
    /// A rule.
    Rule,
}

/// What a change comes to: its rows, and what to tell who asked for it.
type Decided<T> = Result<(Vec<Change>, T), AccountError>;

// === impl Accounts ===

impl Accounts {
    /// Makes the change that `decide` reads from the directory. It is asked again when another
    /// process changed the accounts meanwhile.
    ///
    /// # Cancel safety
    /// A cancelled change is made or not.
    pub(super) async fn change<T>(
        &self,
        decide: impl Fn(&Directory) -> Decided<T> + Send,
    ) -> Result<T, AccountError> {
        let mut turn = Arc::clone(&self.inner.turn).lock_owned().await;
        for _ in 0..ATTEMPTS {
            let present = self.directory();
            let (changes, told) = decide(&present)?;
            if changes.is_empty() {
                return Ok(told);
            }
            let next = next(&present, &changes)?;
            let committed = self
                .clone()
                .commit(turn, (present.revision(), changes), next);
            // A task of its own: what is committed is put in place, whether or not who asked waits.
            let committed = tokio::spawn(committed).await;
            let (its_turn, committed) = committed.map_err(AccountStoreError::failed)?;
            turn = its_turn;
            match committed {
                Ok(()) => return Ok(told),
                Err(AccountStoreError::Outdated { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let detail = "other processes change the accounts all the time";
        Err(AccountError::Invalid(detail.to_owned()))
    }

    /// Commits, and puts in place what is there then: after a failure it is not known whether the commit
    /// was made.
    async fn commit(
        self,
        turn: OwnedMutexGuard<()>,
        (base, changes): (u64, Vec<Change>),
        next: Directory,
    ) -> (OwnedMutexGuard<()>, Result<(), AccountStoreError>) {
        let committed = self.inner.store.commit(base, changes).await;
        if committed.is_ok() {
            self.put(next);
        } else if let Err(error) = self.reload().await {
            tracing::error!(%error, "the accounts cannot be read after a failed change");
        }
        (turn, committed)
    }
}

/// The directory after `changes`, if it has an administrator or had none before.
fn next(present: &Directory, changes: &[Change]) -> Result<Directory, AccountError> {
    let rows: Rows = present.rows().clone();
    let next = Directory::new(rows.with(changes));
    let able = |directory: &Directory| -> Option<User> {
        let mut users = directory.users(None);
        users.find(|user| directory.is_able(user)).cloned()
    };
    if able(&next).is_none()
        && let Some(last) = able(present)
    {
        return Err(AccountError::LastAdministrator(last.name.to_string()));
    }
    Ok(next)
}

// === impl Directory ===

impl Directory {
    /// Whether a user can log in and administers everything.
    fn is_able(&self, user: &User) -> bool {
        !user.disabled && user.password.is_some() && self.administers(user)
    }

    /// The version a change of a thing gets: no two changes give the same.
    const fn next_version(&self) -> u64 {
        self.revision() + 1
    }
}

// === impl AccountError ===

impl AccountError {
    fn exists(thing: Thing, name: impl fmt::Display) -> Self {
        let name = name.to_string();
        Self::Exists { thing, name }
    }

    /// There is no such thing.
    pub(crate) fn unknown(thing: Thing, name: impl fmt::Display) -> Self {
        let name = name.to_string();
        Self::Unknown { thing, name }
    }
}

impl From<HasherError> for AccountError {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy(wait) => Self::Busy(wait.0),
            other => Self::Hashing(Box::new(other)),
        }
    }
}

// === impl Thing ===

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Grant => "grant",
            Self::Key => "key",
            Self::Rule => "rule",
        })
    }
}

/// That `found` is the version a change was made from, if it names one.
fn expect_version(
    thing: Thing,
    name: &impl fmt::Display,
    expected: Option<u64>,
    found: u64,
) -> Result<(), AccountError> {
    match expected {
        Some(expected) if expected != found => Err(AccountError::Changed {
            thing,
            name: name.to_string(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}
