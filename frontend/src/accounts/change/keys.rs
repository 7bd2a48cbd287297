//! Changes of API keys.

use super::{AccountError, Thing, expect_version};
use crate::accounts::directory::Directory;
use crate::accounts::model::{ApiKey, KeyScope, KeyText};
use crate::accounts::store::{Change, Row, RowKey};
use crate::accounts::{Accounts, KeyId, KeyName, UserName};

/// The most scopes of a key: each is asked at every request.
const MAX_SCOPES: usize = 100;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: KeyName,
    /// Whose it is; a robot's when nobody's.
    pub owner: Option<UserName>,
    /// What it may; all that its owner may when absent. A robot's are needed.
    pub scopes: Option<Vec<KeyScope>>,
    /// From when on it lets nobody in, in milliseconds since the epoch.
    pub expires: Option<u64>,
}

/// What is to become different about a key; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct KeyPatch {
    /// What its owner calls it.
    pub name: Option<KeyName>,
    /// What it may; `Some(None)`: all that its owner may.
    pub scopes: Option<Option<Vec<KeyScope>>>,
    /// From when on it lets nobody in; `Some(None)`: never.
    pub expires: Option<Option<u64>>,
}

// === impl Accounts ===

impl Accounts {
    /// Makes a key. Its text is in the answer and nowhere else. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`]: there is no such owner, or they have a key of that name.
    ///
    /// # Cancel safety
    /// A cancelled call has made it or not; a key whose text nobody has is of no use.
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, KeyText), AccountError> {
        let text = KeyText::random()?;
        let created = self.wall();
        let key = self.change(|directory| {
            if let Some(owner) = &new.owner
                && directory.user(owner).is_none()
            {
                return Err(AccountError::unknown(Thing::User, owner));
            }
            if directory.key_named(new.owner.as_ref(), &new.name).is_some() {
                return Err(AccountError::exists(Thing::Key, &new.name));
            }
            let key = ApiKey {
                id: text.id(),
                name: new.name.clone(),
                owner: new.owner.clone(),
                hash: text.hash(),
                scopes: new.scopes.clone(),
                created,
                expires: new.expires,
                version: directory.next_version(),
            };
            valid(&key)?;
            Ok((vec![Change::Put(Row::Key(key.clone()))], key))
        });
        Ok((key.await?, text))
    }

    /// Changes a key, at once; with `version`, only from that version. Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has changed it or not.
    pub async fn change_key(
        &self,
        id: KeyId,
        patch: KeyPatch,
        version: Option<u64>,
    ) -> Result<ApiKey, AccountError> {
        self.change(|directory| {
            let key = directory.key(id);
            let key = key.ok_or_else(|| AccountError::unknown(Thing::Key, id))?;
            expect_version(Thing::Key, &id, version, key.version)?;
            let mut next = key.clone();
            if let Some(name) = &patch.name {
                next.name = free(directory, key, name)?;
            }
            if let Some(scopes) = &patch.scopes {
                next.scopes.clone_from(scopes);
            }
            next.expires = patch.expires.unwrap_or(next.expires);
            valid(&next)?;
            next.version = directory.next_version();
            Ok((vec![Change::Put(Row::Key(next.clone()))], next))
        })
        .await
    }

    /// Revokes a key: from now on it, and every token that was issued for it, lets nobody in.
    /// Durable when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has revoked it or not.
    pub async fn revoke_key(&self, id: KeyId, version: Option<u64>) -> Result<(), AccountError> {
        self.change(|directory| {
            let key = directory.key(id);
            let key = key.ok_or_else(|| AccountError::unknown(Thing::Key, id))?;
            expect_version(Thing::Key, &id, version, key.version)?;
            let rows = [RowKey::Key(id), RowKey::Used(id)];
            Ok((rows.map(Change::Remove).into(), ()))
        })
        .await
    }
}

/// The name, if no other key of the owner has it.
fn free(directory: &Directory, key: &ApiKey, name: &KeyName) -> Result<KeyName, AccountError> {
    match directory.key_named(key.owner.as_ref(), name) {
        Some(other) if other.id != key.id => Err(AccountError::exists(Thing::Key, name)),
        _ => Ok(name.clone()),
    }
}

fn valid(key: &ApiKey) -> Result<(), AccountError> {
    let scopes = key.scopes.as_ref().map(Vec::len);
    match scopes {
        None if key.owner.is_none() => Err(AccountError::Invalid(format!(
            "key {} has no owner, so it needs scopes: it may what they say and nothing else",
            key.name
        ))),
        Some(scopes) if scopes > MAX_SCOPES => Err(AccountError::Invalid(format!(
            "key {} would have {scopes} scopes, more than {MAX_SCOPES}",
            key.name
        ))),
        _ => Ok(()),
    }
}
