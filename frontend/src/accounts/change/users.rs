//! Changes of users. With a user go their grants and keys; whoever has the same name later begins
//! with nothing.

use super::{AccountError, Thing, expect_version};
use crate::accounts::directory::Directory;
use crate::accounts::model::{Grant, Grantee, On, User};
use crate::accounts::password::{PasswordHash, check_new_password};
use crate::accounts::store::{Change, Row, RowKey};
use crate::accounts::{Accounts, GroupName, UserName};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// How long to wait while somebody else changes their password.
const WAIT: Duration = Duration::from_secs(1);

/// What the audit log calls those who are no users.
const RESERVED: [&str; 4] = ["anonymous", "anybody", "operator", "token"];

/// A user to be made.
#[derive(Clone)]
pub struct NewUser {
    /// What they are called.
    pub name: UserName,
    /// Their password; without one only keys let them in.
    pub password: Option<String>,
    /// Whether it has to be changed at the first login.
    pub must_change: bool,
    /// The groups they are in.
    pub groups: BTreeSet<GroupName>,
}

/// What is to become different about a user; what is `None` stays.
#[derive(Clone, Default)]
pub struct UserPatch {
    /// Whether nothing lets them in.
    pub disabled: Option<bool>,
    /// Whether the password has to be changed first.
    pub must_change: Option<bool>,
    /// The groups they are in.
    pub groups: Option<BTreeSet<GroupName>>,
    /// A new password. What was issued by the old one ends.
    pub password: Option<String>,
}

// === impl Accounts ===

impl Accounts {
    /// Makes a user who may nothing yet. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`]: there is one of that name, or the password cannot be set.
    ///
    /// # Cancel safety
    /// A cancelled call has made the user or not.
    pub async fn create_user(&self, new: NewUser) -> Result<User, AccountError> {
        if RESERVED.contains(&new.name.as_str()) {
            let text = format!(
                "{} is the name of nobody in particular: choose another",
                new.name
            );
            return Err(AccountError::Invalid(text));
        }
        let password = self.hashed(new.password.as_deref()).await?;
        let created = self.wall();
        self.change(|directory| {
            if directory.user(&new.name).is_some() {
                return Err(AccountError::exists(Thing::User, &new.name));
            }
            let user = User {
                name: new.name.clone(),
                password: password.clone(),
                disabled: false,
                must_change: new.must_change,
                groups: new.groups.clone(),
                created,
                // Not 0: tokens of an earlier user of this name have a smaller one.
                epoch: directory.next_version(),
                version: directory.next_version(),
            };
            Ok((vec![Change::Put(Row::User(user.clone()))], user))
        })
        .await
    }

    /// Makes a user who administers everything, unless somebody does already: nothing then. A user
    /// of that name who is there keeps their password. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// As of [`Accounts::create_user`].
    pub async fn create_first_administrator(
        &self,
        name: &UserName,
        password: &str,
    ) -> Result<Option<User>, AccountError> {
        let has_one = |directory: &Directory| {
            let mut users = directory.users(None);
            users.any(|user| directory.administers(user))
        };
        if has_one(&self.directory()) {
            return Ok(None);
        }
        let hash = self.hashed(Some(password)).await?;
        let created = self.wall();
        self.change(|directory| {
            if has_one(directory) {
                return Ok((Vec::new(), None));
            }
            let version = directory.next_version();
            let present = directory.user(name).cloned();
            let user = present.unwrap_or_else(|| User {
                name: name.clone(),
                password: hash.clone(),
                disabled: false,
                must_change: false,
                groups: BTreeSet::new(),
                created,
                epoch: version,
                version,
            });
            let grant = Grant {
                id: version,
                to: Grantee::User(name.clone()),
                role: "administrator".parse().map_err(invalid)?,
                on: On::everything(),
                created,
            };
            let rows = [Row::User(user.clone()), Row::Grant(grant)];
            Ok((rows.map(Change::Put).into(), Some(user)))
        })
        .await
    }

    /// Changes a user; with `version`, only from that version. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has made the change or not.
    pub async fn change_user(
        &self,
        name: &UserName,
        patch: UserPatch,
        version: Option<u64>,
    ) -> Result<User, AccountError> {
        let password = self.hashed(patch.password.as_deref()).await?;
        self.change(|directory| {
            let user = known(directory, name)?;
            expect_version(Thing::User, name, version, user.version)?;
            Ok(changed(directory, user, &patch, password.as_ref()))
        })
        .await
    }

    /// Sets a user's password, of which they know the present one. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// As of [`Accounts::change_user`].
    pub async fn change_own_password(
        &self,
        name: &UserName,
        old: &str,
        new: &str,
    ) -> Result<(), AccountError> {
        check_new_password(new)?;
        // One at a time: nobody who is logged in takes the places of those who log in.
        let Ok(_turn) = self.inner.own_passwords.try_acquire() else {
            return Err(AccountError::Busy(WAIT));
        };
        let directory = self.directory();
        let user = directory.user(name).filter(|user| !user.disabled);
        let hash = user.and_then(|user| user.password.as_ref());
        if !self.inner.passwords.hasher().verify(old, hash).await? {
            return Err(AccountError::WrongPassword);
        }
        let patch = UserPatch {
            password: Some(new.to_owned()),
            must_change: Some(false),
            ..UserPatch::default()
        };
        // Of this version alone: the password that was right must still be the present one.
        let version = user.map(|user| user.version);
        self.change_user(name, patch, version).await?;
        Ok(())
    }

    /// Puts another hash of the same password in the place of `old`; nothing ends by it.
    pub(in crate::accounts) async fn renew_password_hash(
        &self,
        name: &UserName,
        old: &PasswordHash,
        new: PasswordHash,
    ) -> Result<(), AccountError> {
        self.change(|directory| {
            let user = directory.user(name);
            let user = user.filter(|user| user.password.as_ref() == Some(old));
            let put = |user: &User| {
                let password = Some(new.clone());
                Change::Put(Row::User(User {
                    password,
                    ..user.clone()
                }))
            };
            Ok((user.map(put).into_iter().collect(), ()))
        })
        .await
    }

    /// Removes a user with their grants and keys; tokens of theirs end. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has removed the user or not.
    pub async fn delete_user(
        &self,
        name: &UserName,
        version: Option<u64>,
    ) -> Result<(), AccountError> {
        self.change(|directory| {
            let user = known(directory, name)?;
            expect_version(Thing::User, name, version, user.version)?;
            let to = Grantee::User(name.clone());
            let grants = directory.grants(None).filter(|grant| grant.to == to);
            let grants = grants.map(|grant| RowKey::Grant(grant.id));
            let keys = directory.keys(None);
            let keys = keys.filter(|key| key.owner.as_ref() == Some(name));
            let keys = directory.made_with(keys.map(|key| key.id)).into_iter();
            let keys = keys.flat_map(|id| [RowKey::Key(id), RowKey::Used(id)]);
            let rows = std::iter::once(RowKey::User(name.clone()));
            let rows = rows.chain(grants).chain(keys);
            Ok((rows.map(Change::Remove).collect(), ()))
        })
        .await
    }

    async fn hashed(&self, password: Option<&str>) -> Result<Option<PasswordHash>, AccountError> {
        let Some(password) = password else {
            return Ok(None);
        };
        check_new_password(password)?;
        Ok(Some(self.inner.passwords.hasher().hash(password).await?))
    }
}

fn changed(
    directory: &Directory,
    user: &User,
    patch: &UserPatch,
    password: Option<&PasswordHash>,
) -> (Vec<Change>, User) {
    let mut next = user.clone();
    next.disabled = patch.disabled.unwrap_or(user.disabled);
    next.must_change = patch.must_change.unwrap_or(user.must_change);
    if let Some(groups) = &patch.groups {
        next.groups.clone_from(groups);
    }
    if let Some(password) = password {
        next.password = Some(password.clone());
    }
    if next == *user {
        return (Vec::new(), next);
    }
    next.version = directory.next_version();
    if password.is_some() || next.disabled != user.disabled {
        next.epoch = directory.next_version();
    }
    (vec![Change::Put(Row::User(next.clone()))], next)
}

fn known<'a>(directory: &'a Directory, name: &UserName) -> Result<&'a User, AccountError> {
    let user = directory.user(name);
    user.ok_or_else(|| AccountError::unknown(Thing::User, name))
}

fn invalid(error: impl fmt::Display) -> AccountError {
    AccountError::Invalid(error.to_string())
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("name", &self.name)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UserPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPatch")
            .field("disabled", &self.disabled)
            .field("must_change", &self.must_change)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}
