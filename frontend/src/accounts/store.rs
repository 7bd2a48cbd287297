//! [`AccountStore`]: where accounts are kept. What is kept are rows; what they mean together is
//! [`super::Directory`]'s business.
//!
//! # Contract
//! 1. A commit is atomic and durable when it returns.
//! 2. Every commit names the revision it was made from, and is refused when that is not the present
//!    one: two processes over one store cannot overwrite each other's changes. Each commit makes the
//!    revision one larger.
//! 3. [`AccountStore::load`] gives all rows of one revision.
//! 4. A row that is not as it was written is an error and never an answer: who may do what is not
//!    guessed.
//!
//! Each function is one round trip to an SQL database; [`super::RedbAccountStore`] is the one for a
//! single process.

use super::model::{ApiKey, Grant, Role, Rule, User};
use super::name::{KeyId, RoleName, UserName};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// A row: one thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// A user.
    User(User),
    /// A role that is not built in.
    Role(Role),
    /// A grant.
    Grant(Grant),
    /// An API key.
    Key(ApiKey),
    /// When an API key was used last.
    Used(KeyId, u64),
    /// A rule.
    Rule(Rule),
    /// The keys that tokens are signed with.
    Signing(SigningKeys),
}

/// The key that signs tokens now, and the one before, whose tokens still count.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeys {
    /// Random bytes.
    pub current: Vec<u8>,
    /// Random bytes; none before the first rotation.
    pub previous: Option<Vec<u8>>,
}

/// What a row is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// Of a user.
    User(UserName),
    /// Of a role.
    Role(RoleName),
    /// Of a grant.
    Grant(u64),
    /// Of a key.
    Key(KeyId),
    /// Of a key's last use.
    Used(KeyId),
    /// Of a rule: its pattern's text.
    Rule(String),
    /// Of the signing keys.
    Signing,
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The row is there, in place of one with its key.
    Put(Row),
    /// There is no such row.
    Remove(RowKey),
}

/// All rows of one revision.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// How many commits made them.
    pub revision: u64,
    /// By their keys.
    pub rows: BTreeMap<RowKey, Row>,
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum AccountStoreError {
    /// The commit was made from a revision that is not the present one. Nothing was changed.
    #[error("the accounts were changed meanwhile: they have revision {found}, not {expected}")]
    Outdated {
        /// What the commit named.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A row is not as it was written.
    #[error("row {row:?} of the accounts is damaged: {why}")]
    Damaged {
        /// Which.
        row: String,
        /// What is wrong with it.
        why: String,
    },
    /// The accounts were written by a newer version of this program.
    #[error(
        "the accounts have format {found}, this program knows formats up to {known}: use a newer one"
    )]
    NewerFormat {
        /// What is there.
        found: u64,
        /// The newest that is known here.
        known: u64,
    },
    /// The database or the machine failed. A commit may have been made.
    #[error("the accounts cannot be read or written: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// Where accounts are kept; see the module for the contract.
pub trait AccountStore: fmt::Debug + Send + Sync + 'static {
    /// How many commits were made.
    ///
    /// # Errors
    /// [`AccountStoreError`], but never `Outdated`.
    fn revision(&self) -> BoxFuture<'_, Result<u64, AccountStoreError>>;

    /// All rows.
    ///
    /// # Errors
    /// [`AccountStoreError`], but never `Outdated`.
    fn load(&self) -> BoxFuture<'_, Result<Rows, AccountStoreError>>;

    /// Makes `changes` to the revision `base`, all or none, durably.
    ///
    /// # Errors
    /// [`AccountStoreError`].
    ///
    /// # Cancel safety
    /// A cancelled commit is made or not.
    fn commit(
        &self,
        base: u64,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<(), AccountStoreError>>;
}

// === impl Row ===

impl Row {
    /// What it is found by.
    pub fn key(&self) -> RowKey {
        match self {
            Self::User(user) => RowKey::User(user.name.clone()),
            Self::Role(role) => RowKey::Role(role.name.clone()),
            Self::Grant(grant) => RowKey::Grant(grant.id),
            Self::Key(key) => RowKey::Key(key.id),
            Self::Used(id, _) => RowKey::Used(*id),
            Self::Rule(rule) => RowKey::Rule(rule.on.to_string()),
            Self::Signing(_) => RowKey::Signing,
        }
    }
}

// === impl RowKey ===

/// The kind and what tells rows of that kind apart; unique.
impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Grant(id) => write!(f, "grant {id:020}"),
            Self::Key(id) => write!(f, "key {id}"),
            Self::Used(id) => write!(f, "used {id}"),
            Self::Rule(on) => write!(f, "rule {on}"),
            Self::Signing => f.write_str("signing"),
        }
    }
}

// === impl Rows ===

impl Rows {
    /// These rows with `changes` made to them.
    #[must_use]
    pub fn with(mut self, changes: &[Change]) -> Self {
        for change in changes {
            match change {
                Change::Put(row) => {
                    self.rows.insert(row.key(), row.clone());
                }
                Change::Remove(key) => {
                    self.rows.remove(key);
                }
            }
        }
        self.revision += 1;
        self
    }
}

// === impl AccountStoreError ===

impl AccountStoreError {
    /// A failure of the database or the machine.
    pub fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }
}

// === impl SigningKeys ===

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").finish_non_exhaustive()
    }
}
