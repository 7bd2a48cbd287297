//! API keys. Users have their own; server administrators have everybody's, and robots'.
//!
//! A key never makes, changes or revokes one that allows more than itself, or for longer: who takes
//! a key has taken what it says, and no more; the accounts see to it. A key that has scopes knows no
//! keys but itself and those made with it, unless it administers the server. A robot that does not
//! administer the server has no keys.

#![expect(
    clippy::option_option,
    reason = "a field that is absent, null, or something are three cases, as in the accounts' patches"
)]

use super::super::call::Call;
use super::super::etag::Condition;
use super::super::query::PageParameters;
use super::listing::{Filter, Listing};
use super::{Desk, demanded, done, forbidden, made, nullable, thing};
use crate::access::Caller;
use crate::accounts::{
    AccountError, Accounts, ApiKey, Directory, KeyId, KeyName, KeyPatch, KeyScope, NewKey, On,
    Permission, Permissions, Principal, Thing, UserName,
};
use crate::manage::{Answer, Problem, ProblemCode, json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
struct Shown {
    #[schema(value_type = String)]
    id: KeyId,
    #[schema(value_type = String)]
    name: KeyName,
    /// Whose it is; null for a robot's.
    #[schema(value_type = Option<String>)]
    owner: Option<UserName>,
    /// What it may; null for all that its owner may.
    scopes: Option<Vec<Scope>>,
    /// The key it was made with, and is revoked with; null where there was none.
    #[schema(value_type = Option<String>)]
    made_by: Option<KeyId>,
    /// When it was made, in milliseconds since the epoch.
    created: u64,
    /// From when on it lets nobody in, in milliseconds since the epoch; null for never.
    expires: Option<u64>,
    /// When it let somebody in last, in milliseconds since the epoch.
    last_used: Option<u64>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyCreated)]
struct Made {
    #[serde(flatten)]
    key: Shown,
    /// What to log in with. It is shown this once.
    secret: String,
}

/// A part of what a key may.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyScope)]
#[serde(deny_unknown_fields)]
struct Scope {
    /// A pattern of repositories' names.
    #[schema(value_type = String)]
    on: On,
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewKey)]
#[serde(deny_unknown_fields)]
struct Create {
    #[schema(value_type = String)]
    name: KeyName,
    /// Whose it is to be; who asks when absent, a robot's when null.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    owner: Option<Option<UserName>>,
    /// What it may; all that its owner may when absent. A robot's are needed.
    scopes: Option<Vec<Scope>>,
    /// For how long it lets somebody in; for ever when absent.
    expires_in_ms: Option<u64>,
}

/// What is to become different about a key; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = KeyPatch)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[schema(value_type = Option<String>)]
    name: Option<KeyName>,
    /// What it may; null for all that its owner may.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<Scope>>)]
    scopes: Option<Option<Vec<Scope>>>,
    /// From when on it lets nobody in, in milliseconds since the epoch; null for never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>)]
    expires: Option<Option<u64>>,
}

/// Keys in the order of their ids: one's own, for an administrator of the server all. A key that has
/// scopes sees itself and those made with it.
#[utoipa::path(
    get, path = "/api/v1/keys", operation_id = "key_list", tag = "keys",
    params(
        ("filter" = Option<String>, Query, description = "A part of the name"),
        ("owner" = Option<String>, Query, description = "Those of this user"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of keys", body = Listing<Shown>)),
)]
pub(super) fn list(desk: Desk<'_>, call: Call) -> Answer {
    let mut query = call.query();
    let filter = Filter::of(&mut query)?;
    let owner = query.take::<UserName>("owner")?;
    let page = query.page::<KeyId>()?;
    let directory = desk.accounts.directory();
    let reach = Reach::of(desk.caller, &directory);
    let keys = directory.keys(page.after);
    let keys = keys.filter(|key| reach.has(key));
    let keys = keys.filter(|key| owner.is_none() || key.owner == owner);
    let keys = keys.filter(|key| filter.fits(key.name.as_str()));
    let position = |key: &&ApiKey| key.id.to_string();
    let shown = |key: &ApiKey| Shown::new(key, desk.accounts);
    json(
        StatusCode::OK,
        &Listing::of(keys, page.limit, position, shown),
    )
}

/// Makes a key. Durable then.
#[utoipa::path(
    post, path = "/api/v1/keys", operation_id = "key_create", tag = "keys",
    request_body = Create,
    responses(
        (status = 201, description = "The key, and its secret", body = Made),
        (status = 400, description = "It cannot be a key, or there are too many of this owner"),
        (status = 403, description = "Somebody else's, or more than the caller's own key may"),
        (status = 404, description = "There is no such owner"),
        (status = 409, description = "The owner has one of that name"),
    ),
)]
pub(super) async fn create(desk: Desk<'_>, call: Call) -> Answer {
    let create: Create = call.read()?;
    let owner = owner(desk.caller, create.owner)?;
    let expires = create.expires_in_ms.map(|lifetime| {
        let now = desk.accounts.wall();
        now.saturating_add(lifetime)
    });
    let new = NewKey {
        name: create.name,
        owner,
        scopes: create.scopes.map(stored),
        expires,
        made_by: desk.caller.key(),
    };
    let (key, text) = desk.accounts.create_key(new).await?;
    let answer = Made {
        key: Shown::new(&key, desk.accounts),
        secret: text.reveal(),
    };
    made(key.version, &answer, &format!("/keys/{}", key.id))
}

/// Shows a key, without its secret.
#[utoipa::path(
    get, path = "/api/v1/keys/{key}", operation_id = "key_show", tag = "keys",
    params(("key" = String, Path, description = "Its id")),
    responses((status = 200, description = "The key", body = Shown), (status = 404, description = "There is none")),
)]
pub(super) fn show(desk: Desk<'_>, id: KeyId, call: Call) -> Answer {
    call.plain()?;
    let key = known(desk, id)?;
    thing(key.version, &Shown::new(&key, desk.accounts))
}

/// Changes a key, at once. Durable then.
#[utoipa::path(
    patch, path = "/api/v1/keys/{key}", operation_id = "key_change", tag = "keys",
    params(
        ("key" = String, Path, description = "Its id"),
        Condition,
    ),
    request_body = Patch,
    responses(
        (status = 200, description = "The key", body = Shown),
        (status = 403, description = "It allows more than the caller's own key, or would"),
        (status = 404, description = "There is none"),
        (status = 409, description = "The owner has one of that name"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn change(desk: Desk<'_>, id: KeyId, call: Call) -> Answer {
    let key = known(desk, id)?;
    let version = demanded(&call, Some(key.version))?;
    let patch: Patch = call.read()?;
    let patch = KeyPatch {
        name: patch.name,
        scopes: patch.scopes.map(|scopes| scopes.map(stored)),
        expires: patch.expires,
    };
    let by = desk.caller.key();
    let key = desk.accounts.change_key(id, patch, version, by).await?;
    thing(key.version, &Shown::new(&key, desk.accounts))
}

/// Revokes a key and those made with it, or with one of these: they, and every token that was issued
/// for them, let nobody in from now on. Durable then.
#[utoipa::path(
    delete, path = "/api/v1/keys/{key}", operation_id = "key_revoke", tag = "keys",
    params(
        ("key" = String, Path, description = "Its id"),
        Condition,
    ),
    responses(
        (status = 204, description = "It is revoked, with those made with it"),
        (status = 403, description = "It allows more than the caller's own key"),
        (status = 404, description = "There is none"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn revoke(desk: Desk<'_>, id: KeyId, call: Call) -> Answer {
    let key = known(desk, id)?;
    let version = demanded(&call, Some(key.version))?;
    call.plain()?;
    let by = desk.caller.key();
    desk.accounts.revoke_key(id, version, by).await?;
    done()
}

/// The key, if it is there for the caller.
fn known(desk: Desk<'_>, id: KeyId) -> Result<ApiKey, Problem> {
    let directory = desk.accounts.directory();
    let reach = Reach::of(desk.caller, &directory);
    let key = directory.key(id).filter(|key| reach.has(key));
    let key = key.ok_or_else(|| AccountError::unknown(Thing::Key, id))?;
    Ok(key.clone())
}

/// The user who asks.
const fn user(caller: &Caller) -> Option<&UserName> {
    match caller.principal() {
        Principal::User { name, .. } => Some(name),
        _ => None,
    }
}

/// Whose a key is to be.
///
/// # Errors
/// 403 for somebody else's, 400 when nobody was named and nobody asks.
fn owner(caller: &Caller, named: Option<Option<UserName>>) -> Result<Option<UserName>, Problem> {
    let own = user(caller);
    match named {
        None if own.is_some() => Ok(own.cloned()),
        Some(Some(name)) if own == Some(&name) => Ok(Some(name)),
        Some(owner) if caller.is_administrator() => Ok(owner),
        None if caller.is_administrator() => {
            let detail = "owner: the caller is no user, so it has to be named; null for a robot's";
            Err(Problem::new(ProblemCode::BodyInvalid, detail))
        }
        _ => Err(forbidden(
            "only an administrator of the server makes keys that are not their own",
        )),
    }
}

/// Which keys are there for somebody.
enum Reach<'a> {
    Everybodys,
    Own(&'a UserName),
    /// Of their own, these.
    Some(&'a UserName, BTreeSet<KeyId>),
    Nobodys,
}

// === impl Reach ===

impl<'a> Reach<'a> {
    fn of(caller: &'a Caller, directory: &Directory) -> Self {
        if caller.is_administrator() {
            return Self::Everybodys;
        }
        let Some(name) = user(caller) else {
            return Self::Nobodys;
        };
        match caller.key() {
            // One that is gone has none of them.
            Some(id) if directory.key(id).is_none_or(|key| key.scopes.is_some()) => {
                Self::Some(name, directory.made_with([id]))
            }
            _ => Self::Own(name),
        }
    }

    fn has(&self, key: &ApiKey) -> bool {
        let is_of = |name: &UserName| key.owner.as_ref() == Some(name);
        match self {
            Self::Everybodys => true,
            Self::Own(name) => is_of(name),
            Self::Some(name, ids) => is_of(name) && ids.contains(&key.id),
            Self::Nobodys => false,
        }
    }
}

fn stored(scopes: Vec<Scope>) -> Vec<KeyScope> {
    let scopes = scopes.into_iter();
    let scope = |Scope { on, permissions }| KeyScope { on, permissions };
    scopes.map(scope).collect()
}

// === impl Shown ===

impl Shown {
    fn new(key: &ApiKey, accounts: &Accounts) -> Self {
        let scope = |scope: &KeyScope| Scope {
            on: scope.on.clone(),
            permissions: scope.permissions,
        };
        let scopes = key.scopes.as_ref();
        Self {
            id: key.id,
            name: key.name.clone(),
            owner: key.owner.clone(),
            scopes: scopes.map(|scopes| scopes.iter().map(scope).collect()),
            made_by: key.made_by,
            created: key.created,
            expires: key.expires,
            last_used: accounts.last_used(key.id),
        }
    }
}
