//! API keys. Users have their own; server administrators have everybody's, and robots'.
//!
//! A key never makes, changes or revokes one that allows more than itself, or for longer: who takes
//! a key has taken what it says, and no more. A robot that does not administer the server has no
//! keys.

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
    AccountError, Accounts, ApiKey, KeyId, KeyName, KeyPatch, KeyScope, NewKey, On, Permission,
    Permissions, Principal, Thing, UserName, are_within,
};
use crate::manage::{Answer, Problem, ProblemCode, json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
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

/// Keys in the order of their ids: one's own, for an administrator of the server all.
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
    let keys = directory.keys(page.after);
    let keys = keys.filter(|key| reaches(desk.caller, key));
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
    let scopes = create.scopes.map(stored);
    within(desk, scopes.as_deref(), expires)?;
    let new = NewKey {
        name: create.name,
        owner,
        scopes,
        expires,
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
    within(desk, key.scopes.as_deref(), key.expires)?;
    let scopes = patch.scopes.as_ref().unwrap_or(&key.scopes);
    within(
        desk,
        scopes.as_deref(),
        patch.expires.unwrap_or(key.expires),
    )?;
    let key = desk.accounts.change_key(id, patch, version).await?;
    thing(key.version, &Shown::new(&key, desk.accounts))
}

/// Revokes a key: it, and every token that was issued for it, lets nobody in from now on. Durable
/// then.
#[utoipa::path(
    delete, path = "/api/v1/keys/{key}", operation_id = "key_revoke", tag = "keys",
    params(
        ("key" = String, Path, description = "Its id"),
        Condition,
    ),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 403, description = "It allows more than the caller's own key"),
        (status = 404, description = "There is none"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn revoke(desk: Desk<'_>, id: KeyId, call: Call) -> Answer {
    let key = known(desk, id)?;
    let version = demanded(&call, Some(key.version))?;
    call.plain()?;
    within(desk, key.scopes.as_deref(), key.expires)?;
    desk.accounts.revoke_key(id, version).await?;
    done()
}

/// The key, if it is there for the caller.
fn known(desk: Desk<'_>, id: KeyId) -> Result<ApiKey, Problem> {
    let directory = desk.accounts.directory();
    let key = directory.key(id).filter(|key| reaches(desk.caller, key));
    let key = key.ok_or_else(|| AccountError::unknown(Thing::Key, id))?;
    Ok(key.clone())
}

/// Whether a key is there for the caller.
fn reaches(caller: &Caller, key: &ApiKey) -> bool {
    let is_own = key.owner.is_some() && key.owner.as_ref() == user(caller);
    is_own || caller.is_administrator()
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

/// Lets through what the caller's key reaches, or everything of theirs who came without one.
///
/// # Errors
/// 403 when that is less.
fn within(
    desk: Desk<'_>,
    scopes: Option<&[KeyScope]>,
    expires: Option<u64>,
) -> Result<(), Problem> {
    let Some(id) = desk.caller.key() else {
        return Ok(());
    };
    let directory = desk.accounts.directory();
    let own = directory.key(id);
    let own = own.ok_or_else(|| forbidden("the caller's key was revoked"))?;
    if !are_within(scopes, own.scopes.as_deref()) {
        let detail = format!("key {id}, which the caller has, may not all that this key may");
        return Err(forbidden(detail));
    }
    let outlives = |end: u64| expires.is_none_or(|expires| expires > end);
    if own.expires.is_some_and(outlives) {
        let detail = format!("key {id}, which the caller has, expires before this key");
        return Err(forbidden(detail));
    }
    Ok(())
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
            created: key.created,
            expires: key.expires,
            last_used: accounts.last_used(key.id),
        }
    }
}
