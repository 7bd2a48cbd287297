//! Changes of API keys.
//!
//! Who comes with a key makes, changes and revokes none that allows more than it, or for longer. That
//! is judged by the directory that is changed: a request that a key makes while it is revoked comes
//! before, and what it made goes too, or after, and is refused.

use super::{AccountError, Thing, expect_version};
use crate::accounts::directory::Directory;
use crate::accounts::model::{ApiKey, KeyScope, KeyText};
use crate::accounts::store::{Change, Row, RowKey};
use crate::accounts::within::are_within;
use crate::accounts::{Accounts, KeyId, KeyName, UserName};

/// The most scopes of a key: each is asked at every request.
const MAX_SCOPES: usize = 100;

/// The most keys of one owner: anybody who logs in makes some.
const MAX_KEYS: usize = 100;

/// The most keys of robots.
const MAX_ROBOTS: usize = 1000;

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
    /// With which key, if with one: see the module. It is revoked with that.
    pub made_by: Option<KeyId>,
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
    /// [`AccountError`]: there is no such owner, they have a key of that name or too many, or it would
    /// allow more than the one it is made with.
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
                made_by: new.made_by,
                created,
                expires: new.expires,
                version: directory.next_version(),
            };
            valid(&key)?;
            within(directory, &key, new.made_by, created)?;
            has_room(directory, new.owner.as_ref())?;
            Ok((vec![Change::Put(Row::Key(key.clone()))], key))
        });
        Ok((key.await?, text))
    }

    /// Changes a key, at once; with `version`, only from that version; with the key `by`, see the
    /// module. Durable when it returns.
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
        by: Option<KeyId>,
    ) -> Result<ApiKey, AccountError> {
        let now = self.wall();
        self.change(|directory| {
            let key = directory.key(id);
            let key = key.ok_or_else(|| AccountError::unknown(Thing::Key, id))?;
            expect_version(Thing::Key, &id, version, key.version)?;
            within(directory, key, by, now)?;
            let mut next = key.clone();
            if let Some(name) = &patch.name {
                next.name = free(directory, key, name)?;
            }
            if let Some(scopes) = &patch.scopes {
                next.scopes.clone_from(scopes);
            }
            next.expires = patch.expires.unwrap_or(next.expires);
            valid(&next)?;
            within(directory, &next, by, now)?;
            next.version = directory.next_version();
            Ok((vec![Change::Put(Row::Key(next.clone()))], next))
        })
        .await
    }

    /// Revokes a key, and those that were made with it, or with one of these: from now on they, and
    /// every token that was issued for them, let nobody in. With the key `by`, see the module. Durable
    /// when it returns.
    ///
    /// # Errors
    /// [`AccountError`].
    ///
    /// # Cancel safety
    /// A cancelled call has revoked it or not.
    pub async fn revoke_key(
        &self,
        id: KeyId,
        version: Option<u64>,
        by: Option<KeyId>,
    ) -> Result<(), AccountError> {
        let now = self.wall();
        self.change(|directory| {
            let key = directory.key(id);
            let key = key.ok_or_else(|| AccountError::unknown(Thing::Key, id))?;
            expect_version(Thing::Key, &id, version, key.version)?;
            within(directory, key, by, now)?;
            let revoked = directory.made_with([id]).into_iter();
            let rows = revoked.flat_map(|id| [RowKey::Key(id), RowKey::Used(id)]);
            Ok((rows.map(Change::Remove).collect(), ()))
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

/// Lets through a key that reaches no farther than the one `by` which it is asked for, if any, at `now`.
fn within(
    directory: &Directory,
    key: &ApiKey,
    by: Option<KeyId>,
    now: u64,
) -> Result<(), AccountError> {
    let Some(id) = by else {
        return Ok(());
    };
    let own = directory.key(id).filter(|own| own.is_live(now));
    let Some(own) = own else {
        let text = format!("key {id}, which the caller has, was revoked or has expired");
        return Err(AccountError::BeyondKey(text));
    };
    if !are_within(key.scopes.as_deref(), own.scopes.as_deref()) {
        let text = format!("key {id}, which the caller has, may not all that this key may");
        return Err(AccountError::BeyondKey(text));
    }
    let outlives = |end: u64| key.expires.is_none_or(|expires| expires > end);
    if own.expires.is_some_and(outlives) {
        let text = format!("key {id}, which the caller has, expires before this key");
        return Err(AccountError::BeyondKey(text));
    }
    Ok(())
}

/// Lets through one more key of this owner, or robot's.
fn has_room(directory: &Directory, owner: Option<&UserName>) -> Result<(), AccountError> {
    let keys = directory.keys(None);
    let keys = keys.filter(|key| key.owner.as_ref() == owner).count();
    let text = match owner {
        Some(name) if keys >= MAX_KEYS => {
            format!("{name} has {keys} keys, and nobody has more than {MAX_KEYS}")
        }
        None if keys >= MAX_ROBOTS => {
            format!("there are {keys} keys of robots, and never more than {MAX_ROBOTS}")
        }
        _ => return Ok(()),
    };
    Err(AccountError::Invalid(text))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{
        AccountStore as _, MemoryAccountStore, Permission, Permissions, TokenSecrets,
    };
    use floundr_engine::clock::Hands;
    use std::sync::Arc;

    fn admin() -> UserName {
        "admin".parse().unwrap()
    }

    /// Accounts with an administrator, and this many keys of theirs and of robots.
    async fn accounts(own: u64, robots: u64) -> Accounts {
        let store = MemoryAccountStore::default();
        let key = |id: u64, owner| {
            Row::Key(ApiKey {
                id: KeyId::new(id),
                name: format!("k{id}").parse().unwrap(),
                owner,
                hash: [0; 32],
                scopes: Some(Vec::new()),
                made_by: None,
                created: 0,
                expires: None,
                version: 1,
            })
        };
        let own = (0..own).map(|id| key(id, Some(admin())));
        let robots = (1000..1000 + robots).map(|id| key(id, None));
        let keys = own.chain(robots).map(Change::Put).collect();
        store.commit(0, keys).await.unwrap();
        let clock = Arc::new(Hands::default());
        let accounts = Accounts::open(store, clock, TokenSecrets::Kept);
        let accounts = accounts.await.unwrap();
        let name = admin();
        let made = accounts.create_first_administrator(&name, "a long password");
        assert!(made.await.unwrap().is_some());
        accounts
    }

    fn new(name: &str, owner: Option<UserName>, made_by: Option<KeyId>) -> NewKey {
        let everything = KeyScope {
            on: "**".parse().unwrap(),
            permissions: Permissions::ALL,
        };
        NewKey {
            name: name.parse().unwrap(),
            owner,
            scopes: Some(vec![everything]),
            expires: None,
            made_by,
        }
    }

    async fn make(accounts: &Accounts, new: NewKey) -> KeyId {
        accounts.create_key(new).await.unwrap().0.id
    }

    fn left(accounts: &Accounts) -> Vec<String> {
        let directory = accounts.directory();
        let names = directory.keys(None).map(|key| key.name.to_string());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn nobody_has_more_keys_than_a_hundred_and_robots_have_a_thousand() {
        let accounts = accounts(99, 999).await;
        for (owner, told) in [
            (
                Some(admin()),
                "admin has 100 keys, and nobody has more than 100",
            ),
            (
                None,
                "there are 1000 keys of robots, and never more than 1000",
            ),
        ] {
            let last = make(&accounts, new("last", owner.clone(), None)).await;
            let refused = accounts.create_key(new("more", owner.clone(), None));
            let refused = refused.await.unwrap_err();
            assert!(matches!(refused, AccountError::Invalid(_)), "{refused}");
            assert_eq!(refused.to_string(), told);
            accounts.revoke_key(last, None, None).await.unwrap();
            make(&accounts, new("more", owner, None)).await;
        }
    }

    #[tokio::test]
    async fn with_a_key_go_those_that_were_made_with_it_at_once() {
        let accounts = accounts(0, 0).await;
        let a = make(&accounts, new("a", Some(admin()), None)).await;
        let b = make(&accounts, new("b", Some(admin()), Some(a))).await;
        make(&accounts, new("c", None, Some(b))).await;
        make(&accounts, new("d", Some(admin()), None)).await;
        let before = accounts.directory().revision();
        accounts.revoke_key(a, None, None).await.unwrap();
        assert_eq!(left(&accounts), ["d"]);
        assert_eq!(accounts.directory().revision(), before + 1);
    }

    #[tokio::test]
    async fn with_a_user_go_keys_of_others_that_were_made_with_theirs() {
        let accounts = accounts(0, 0).await;
        let jo: UserName = "jo".parse().unwrap();
        let user = crate::accounts::NewUser {
            name: jo.clone(),
            password: None,
            must_change: false,
            groups: std::collections::BTreeSet::new(),
        };
        accounts.create_user(user).await.unwrap();
        let a = make(&accounts, new("a", Some(jo.clone()), None)).await;
        make(&accounts, new("b", None, Some(a))).await;
        make(&accounts, new("c", None, None)).await;
        accounts.delete_user(&jo, None).await.unwrap();
        assert_eq!(left(&accounts), ["c"]);
    }

    #[tokio::test]
    async fn a_key_that_is_gone_by_the_time_of_the_change_makes_changes_and_revokes_nothing() {
        let accounts = accounts(0, 0).await;
        let gone = make(&accounts, new("gone", Some(admin()), None)).await;
        let stays = make(&accounts, new("stays", Some(admin()), None)).await;
        accounts.revoke_key(gone, None, None).await.unwrap();
        let before = accounts.directory().revision();
        let by = Some(gone);
        let made = accounts.create_key(new("x", Some(admin()), by)).await;
        let patch = KeyPatch::default();
        let changed = accounts.change_key(stays, patch, None, by).await;
        let revoked = accounts.revoke_key(stays, None, by).await;
        for refused in [made.map(|_key| ()), changed.map(|_key| ()), revoked] {
            let error = refused.unwrap_err();
            assert!(matches!(error, AccountError::BeyondKey(_)), "{error}");
        }
        assert_eq!(accounts.directory().revision(), before);
    }

    #[tokio::test]
    async fn what_a_key_makes_is_measured_by_what_the_key_may_at_the_time_of_the_change() {
        let accounts = accounts(0, 0).await;
        let maker = make(&accounts, new("maker", Some(admin()), None)).await;
        let pull = KeyScope {
            on: "**".parse().unwrap(),
            permissions: Permission::Pull.into(),
        };
        let patch = KeyPatch {
            scopes: Some(Some(vec![pull])),
            ..KeyPatch::default()
        };
        accounts.change_key(maker, patch, None, None).await.unwrap();
        let refused = accounts.create_key(new("x", Some(admin()), Some(maker)));
        let refused = refused.await.unwrap_err();
        assert!(matches!(refused, AccountError::BeyondKey(_)), "{refused}");
    }
}
