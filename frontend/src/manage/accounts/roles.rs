//! Roles: named sets of permissions. Whoever is logged in sees them: grants and explanations name
//! them.

use super::super::call::Call;
use super::listing::Listing;
use super::{demanded, done, made, thing};
use crate::accounts::{
    AccountError, Accounts, Directory, Permission, Permissions, Role, RoleName, Thing,
};
use crate::manage::{Answer, Problem, json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
struct Shown {
    #[schema(value_type = String)]
    name: RoleName,
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
    /// Whether it is always there as it is.
    built_in: bool,
}

/// A role to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewRole)]
#[serde(deny_unknown_fields)]
struct Create {
    #[schema(value_type = String)]
    name: RoleName,
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
}

/// What a role is to allow.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RoleChange)]
#[serde(deny_unknown_fields)]
struct Change {
    /// All permissions, in place of those there are.
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
}

/// Roles in the order of their names, those that are built in too.
#[utoipa::path(
    get, path = "/api/v1/roles", operation_id = "role_list", tag = "roles",
    params(
        ("n" = Option<usize>, Query, description = "at most how many"),
        ("last" = Option<String>, Query, description = "the `next` of the page before"),
    ),
    responses((status = 200, body = Listing<Shown>)),
)]
pub(super) fn list(accounts: &Accounts, call: Call) -> Answer {
    let page = call.query().page::<RoleName>()?;
    let directory = accounts.directory();
    let roles = directory.roles();
    let roles = roles.filter(|role| page.after.as_ref().is_none_or(|after| role.name > *after));
    let position = |role: &&Role| role.name.to_string();
    json(
        StatusCode::OK,
        &Listing::of(roles, page.limit, position, Shown::from),
    )
}

/// Makes a role. Durable then.
#[utoipa::path(
    post, path = "/api/v1/roles", operation_id = "role_create", tag = "roles",
    request_body = Create,
    responses((status = 201, body = Shown), (status = 409, description = "`exists`")),
)]
pub(super) async fn create(accounts: &Accounts, call: Call) -> Answer {
    let create: Create = call.read()?;
    let role = accounts
        .create_role(&create.name, create.permissions)
        .await?;
    made(
        role.version,
        &Shown::from(&role),
        &format!("/roles/{}", role.name),
    )
}

/// A role.
#[utoipa::path(
    get, path = "/api/v1/roles/{role}", operation_id = "role_show", tag = "roles",
    params(("role" = String, Path, description = "its name")),
    responses((status = 200, body = Shown), (status = 404, description = "`unknown`")),
)]
pub(super) fn show(accounts: &Accounts, name: &RoleName, call: Call) -> Answer {
    call.plain()?;
    let directory = accounts.directory();
    let role = known(&directory, name)?;
    thing(role.version, &Shown::from(role))
}

/// Changes what a role allows, at once, for everybody who has it. Durable then.
#[utoipa::path(
    put, path = "/api/v1/roles/{role}", operation_id = "role_change", tag = "roles",
    params(
        ("role" = String, Path, description = "its name"),
        ("if-match" = Option<String>, Header, description = "the `ETag` it was made from"),
    ),
    request_body = Change,
    responses(
        (status = 200, body = Shown),
        (status = 404, description = "`unknown`"),
        (status = 409, description = "`built-in`, `last-administrator`"),
        (status = 412, description = "`precondition`"),
    ),
)]
pub(super) async fn change(accounts: &Accounts, name: &RoleName, call: Call) -> Answer {
    let present = known(&accounts.directory(), name)?.version;
    let version = demanded(&call, Some(present))?;
    let change: Change = call.read()?;
    let role = accounts
        .change_role(name, change.permissions, version)
        .await?;
    thing(role.version, &Shown::from(&role))
}

/// Removes a role that no grant names. Durable then.
#[utoipa::path(
    delete, path = "/api/v1/roles/{role}", operation_id = "role_delete", tag = "roles",
    params(
        ("role" = String, Path, description = "its name"),
        ("if-match" = Option<String>, Header, description = "the `ETag` of what is to go"),
    ),
    responses(
        (status = 204),
        (status = 404, description = "`unknown`"),
        (status = 409, description = "`built-in`, `in-use`"),
        (status = 412, description = "`precondition`"),
    ),
)]
pub(super) async fn delete(accounts: &Accounts, name: &RoleName, call: Call) -> Answer {
    let present = known(&accounts.directory(), name)?.version;
    let version = demanded(&call, Some(present))?;
    call.plain()?;
    accounts.delete_role(name, version).await?;
    done()
}

fn known<'a>(directory: &'a Directory, name: &RoleName) -> Result<&'a Role, Problem> {
    let role = directory.role(name);
    role.ok_or_else(|| AccountError::unknown(Thing::Role, name).into())
}

// === impl Shown ===

impl From<&Role> for Shown {
    fn from(role: &Role) -> Self {
        Self {
            name: role.name.clone(),
            permissions: role.permissions,
            built_in: role.is_built_in(),
        }
    }
}
