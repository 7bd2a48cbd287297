//! Roles: named sets of permissions. Whoever is logged in sees them: grants and explanations name
//! them.

use super::super::call::Call;
use super::super::etag::Condition;
use super::super::query::PageParameters;
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
        PageParameters,
    ),
    responses((status = 200, description = "A page of roles", body = Listing<Shown>)),
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
    responses((status = 201, description = "The role", body = Shown), (status = 409, description = "There is one already")),
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

/// Shows a role.
#[utoipa::path(
    get, path = "/api/v1/roles/{role}", operation_id = "role_show", tag = "roles",
    params(("role" = String, Path, description = "Its name")),
    responses((status = 200, description = "The role", body = Shown), (status = 404, description = "There is none")),
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
        ("role" = String, Path, description = "Its name"),
        Condition,
    ),
    request_body = Change,
    responses(
        (status = 200, description = "The role", body = Shown),
        (status = 404, description = "There is none"),
        (status = 409, description = "It is built in, or nobody could administer the server any more"),
        (status = 412, description = "It has changed since"),
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
        ("role" = String, Path, description = "Its name"),
        Condition,
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none"),
        (status = 409, description = "It is built in, or granted to somebody"),
        (status = 412, description = "It has changed since"),
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
