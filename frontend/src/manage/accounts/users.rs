//! Users: who logs in with a password or with keys of their own.

use super::super::call::Call;
use super::super::etag::Condition;
use super::super::query::PageParameters;
use super::listing::{Filter, Listing};
use super::{demanded, done, made, thing};
use crate::accounts::{
    AccountError, Accounts, Directory, GroupName, NewUser, Secret, Thing, User, UserName, UserPatch,
};
use crate::manage::{Answer, Problem, json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use utoipa::ToSchema;

/// A user, as far as anybody is told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of its own in JSON"
)]
struct Shown {
    #[schema(value_type = String)]
    name: UserName,
    /// Whether nothing lets them in.
    disabled: bool,
    /// Whether the password has to be changed before it allows anything else.
    must_change: bool,
    /// Without one only keys let them in.
    has_password: bool,
    #[schema(value_type = Vec<String>)]
    groups: BTreeSet<GroupName>,
    /// When they were made, in milliseconds since the epoch.
    created: u64,
    /// Whether their grants make them an administrator of the server.
    administrator: bool,
    /// How many API keys they have.
    keys: usize,
}

/// A user who was made.
#[derive(Serialize, ToSchema)]
#[schema(as = UserCreated)]
struct Made {
    #[serde(flatten)]
    user: Shown,
    /// The password, when it was made here. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// A user to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
struct Create {
    #[schema(value_type = String)]
    name: UserName,
    /// One is made when there is none.
    #[schema(value_type = Option<String>)]
    password: Option<Secret>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    groups: BTreeSet<GroupName>,
    /// Whether the password has to be changed before it allows anything else.
    #[serde(default)]
    must_change: bool,
}

/// What is to become different about a user; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UserPatch)]
#[serde(deny_unknown_fields)]
struct Patch {
    disabled: Option<bool>,
    must_change: Option<bool>,
    /// All groups, in place of those there are.
    #[schema(value_type = Option<Vec<String>>)]
    groups: Option<BTreeSet<GroupName>>,
    /// A new password. What was issued by the old one ends.
    #[schema(value_type = Option<String>)]
    password: Option<Secret>,
}

/// How many keys every user has who has any.
struct KeyCounts<'a>(HashMap<&'a UserName, usize>);

/// Users in the order of their names.
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "user_list", tag = "users",
    params(
        ("filter" = Option<String>, Query, description = "A part of the name"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of users", body = Listing<Shown>)),
)]
pub(super) fn list(accounts: &Accounts, call: Call) -> Answer {
    let mut query = call.query();
    let filter = Filter::of(&mut query)?;
    let page = query.page::<UserName>()?;
    let directory = accounts.directory();
    let counts = KeyCounts::of(&directory);
    let users = directory.users(page.after.as_ref());
    let users = users.filter(|user| filter.fits(user.name.as_str()));
    let position = |user: &&User| user.name.to_string();
    let shown = |user: &User| Shown::new(user, &directory, &counts);
    json(
        StatusCode::OK,
        &Listing::of(users, page.limit, position, shown),
    )
}

/// Makes a user, who may nothing yet. Durable then.
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "user_create", tag = "users",
    request_body = Create,
    responses(
        (status = 201, description = "The user, with the password when it was made here", body = Made),
        (status = 409, description = "There is one already"),
    ),
)]
pub(super) async fn create(accounts: &Accounts, call: Call) -> Answer {
    let create: Create = call.read()?;
    let made_up = match &create.password {
        Some(_) => None,
        None => Some(Accounts::random_password()?),
    };
    let given = create.password.as_ref();
    let password = given.map(|password| password.expose().to_owned());
    let new = NewUser {
        name: create.name,
        password: password.or_else(|| made_up.clone()),
        must_change: create.must_change,
        groups: create.groups,
    };
    let user = accounts.create_user(new).await?;
    let made_user = Made {
        user: Shown::now(&user, accounts),
        password: made_up,
    };
    made(user.version, &made_user, &format!("/users/{}", user.name))
}

/// Shows a user.
#[utoipa::path(
    get, path = "/api/v1/users/{user}", operation_id = "user_show", tag = "users",
    params(("user" = String, Path, description = "Their name")),
    responses((status = 200, description = "The user", body = Shown), (status = 404, description = "There is none")),
)]
pub(super) fn show(accounts: &Accounts, name: &UserName, call: Call) -> Answer {
    call.plain()?;
    let directory = accounts.directory();
    let user = known(&directory, name)?;
    thing(user.version, &Shown::now(user, accounts))
}

/// Changes a user, at once. Durable then.
#[utoipa::path(
    patch, path = "/api/v1/users/{user}", operation_id = "user_change", tag = "users",
    params(
        ("user" = String, Path, description = "Their name"),
        Condition,
    ),
    request_body = Patch,
    responses(
        (status = 200, description = "The user", body = Shown),
        (status = 404, description = "There is none"),
        (status = 409, description = "Nobody could administer the server any more"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn change(accounts: &Accounts, name: &UserName, call: Call) -> Answer {
    let present = known(&accounts.directory(), name)?.version;
    let version = demanded(&call, Some(present))?;
    let patch: Patch = call.read()?;
    let patch = UserPatch {
        disabled: patch.disabled,
        must_change: patch.must_change,
        groups: patch.groups,
        password: patch.password.map(|password| password.expose().to_owned()),
    };
    let user = accounts.change_user(name, patch, version).await?;
    thing(user.version, &Shown::now(&user, accounts))
}

/// Removes a user with their grants and keys. Durable then.
#[utoipa::path(
    delete, path = "/api/v1/users/{user}", operation_id = "user_delete", tag = "users",
    params(
        ("user" = String, Path, description = "Their name"),
        Condition,
    ),
    responses(
        (status = 204, description = "They are gone"),
        (status = 404, description = "There is none"),
        (status = 409, description = "Nobody could administer the server any more"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn delete(accounts: &Accounts, name: &UserName, call: Call) -> Answer {
    let present = known(&accounts.directory(), name)?.version;
    let version = demanded(&call, Some(present))?;
    call.plain()?;
    accounts.delete_user(name, version).await?;
    done()
}

fn known<'a>(directory: &'a Directory, name: &UserName) -> Result<&'a User, Problem> {
    let user = directory.user(name);
    user.ok_or_else(|| AccountError::unknown(Thing::User, name).into())
}

// === impl Shown ===

impl Shown {
    fn new(user: &User, directory: &Directory, counts: &KeyCounts<'_>) -> Self {
        Self {
            name: user.name.clone(),
            disabled: user.disabled,
            must_change: user.must_change,
            has_password: user.password.is_some(),
            groups: user.groups.clone(),
            created: user.created,
            administrator: directory.administers(user),
            keys: counts.0.get(&user.name).copied().unwrap_or(0),
        }
    }

    /// With the keys and grants of this moment.
    fn now(user: &User, accounts: &Accounts) -> Self {
        let directory = accounts.directory();
        Self::new(user, &directory, &KeyCounts::of(&directory))
    }
}

// === impl KeyCounts ===

impl<'a> KeyCounts<'a> {
    fn of(directory: &'a Directory) -> Self {
        let mut counts = HashMap::new();
        for owner in directory.keys(None).filter_map(|key| key.owner.as_ref()) {
            *counts.entry(owner).or_default() += 1;
        }
        Self(counts)
    }
}
