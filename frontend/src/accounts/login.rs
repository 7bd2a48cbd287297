//! Who a name and a password, or a key, are.
//!
//! 1. What is wrong is never told apart: an unknown user costs the same slow hash as a wrong password,
//!    and both are [`LogInError::Wrong`].
//! 2. A key lets in with its owner's name, its own name, or `token` as the user name; the name says
//!    nothing that the key does not say, but a wrong one is a mistake that should be told.

use super::model::{KeyText, User};
use super::name::UserName;
use super::password::{HasherError, PasswordHash};
use super::rights::Principal;
use super::{Accounts, ApiKey};
use std::time::Duration;

/// What a key may be used with in place of a name.
const ANY_KEY: &str = "token";

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogInError {
    /// Name, password or key are not right.
    Wrong,
    /// Too many passwords are being checked: try again later.
    Busy(Duration),
    /// The password could not be checked.
    Failed(String),
}

// === impl Accounts ===

impl Accounts {
    /// Who this is, if it is known without a slow hash: a key, or a password that was right a moment
    /// ago.
    pub(crate) fn remembered(&self, user: &str, password: &str) -> Option<Principal> {
        if KeyText::looks_like(password) {
            return self.principal_of_key(password, Some(user)).ok();
        }
        let name: UserName = user.parse().ok()?;
        let directory = self.directory();
        let known = directory.user(&name).filter(|user| !user.disabled)?;
        let hash = known.password.as_ref();
        let passwords = &self.inner.passwords;
        let is_known = passwords.remembers(&name, known.epoch, password, hash);
        is_known.then_some(Principal::User { name, key: None })
    }

    /// Who this is.
    ///
    /// # Errors
    /// [`LogInError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn log_in(&self, user: &str, password: &str) -> Result<Principal, LogInError> {
        if KeyText::looks_like(password) {
            return self.principal_of_key(password, Some(user));
        }
        let name = user.parse::<UserName>();
        let directory = self.directory();
        let known = name.as_ref().ok().and_then(|name| directory.user(name));
        let known = known.filter(|user| !user.disabled);
        let passwords = &self.inner.passwords;
        let is_right = match (known, &name) {
            (Some(user), Ok(name)) => {
                let hash = user.password.as_ref();
                passwords
                    .check_password(name, user.epoch, password, hash)
                    .await?
            }
            // On the same way as a user there is, so that it takes as long, alone and among others.
            (None, Ok(name)) => passwords.check_password(name, 0, password, None).await?,
            (_, Err(_)) => passwords.hasher().verify(password, None).await?,
        };
        match name {
            // The answer is about the user of a moment ago: what has changed since counts.
            Ok(name) if is_right && self.is_still(known) => {
                let hash = known.and_then(|user| user.password.as_ref());
                self.renew(&name, hash, password).await;
                Ok(Principal::User { name, key: None })
            }
            _ => Err(LogInError::Wrong),
        }
    }

    /// Whether nothing ended what `known` logs in with, since it was read.
    fn is_still(&self, known: Option<&User>) -> bool {
        let Some(known) = known else { return false };
        let directory = self.directory();
        let present = directory.user(&known.name);
        present.is_some_and(|user| user.epoch == known.epoch && !user.disabled)
    }

    /// Hashes a password anew that is right, if its hash has another cost than new ones. The login
    /// is good all the same when that fails.
    async fn renew(&self, name: &UserName, old: Option<&PasswordHash>, password: &str) {
        let hasher = self.inner.passwords.hasher();
        let Some(old) = old.filter(|old| hasher.needs_rehash(old)) else {
            return;
        };
        let renewed = async {
            let new = hasher.hash(password).await?;
            self.renew_password_hash(name, old, new).await
        };
        if let Err(error) = renewed.await {
            tracing::warn!(user = %name, %error, "a password could not be hashed anew");
        }
    }

    /// Whose key this is; with `user`, only under a name it may be used with.
    ///
    /// # Errors
    /// [`LogInError::Wrong`].
    pub(crate) fn principal_of_key(
        &self,
        text: &str,
        user: Option<&str>,
    ) -> Result<Principal, LogInError> {
        let text: KeyText = text.parse().map_err(|_text| LogInError::Wrong)?;
        let directory = self.directory();
        let key = directory.key(text.id()).filter(|key| key.is(&text));
        let key = key.ok_or(LogInError::Wrong)?;
        if user.is_some_and(|user| !goes_by(key, user)) {
            return Err(LogInError::Wrong);
        }
        let principal = match &key.owner {
            Some(owner) => Principal::User {
                name: owner.clone(),
                key: Some(key.id),
            },
            None => Principal::Robot(key.id),
        };
        let checked = directory.check(&principal, self.wall());
        checked
            .map(|()| principal)
            .map_err(|_reason| LogInError::Wrong)
    }
}

/// Whether a key may be used under this user name.
fn goes_by(key: &ApiKey, user: &str) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case(user);
    is(ANY_KEY) || is(key.name.as_str()) || key.owner.as_ref().is_some_and(|name| is(name.as_str()))
}

impl From<HasherError> for LogInError {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy(time) => Self::Busy(time.0),
            other => Self::Failed(other.to_string()),
        }
    }
}
