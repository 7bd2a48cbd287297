//! Grants: who has which role on which repositories. A grant is made and taken back, never changed.

use super::super::call::Call;
use super::super::etag::Condition;
use super::super::query::PageParameters;
use super::listing::Listing;
use super::{demanded, done, made, thing};
use crate::accounts::{
    AccountError, Accounts, Directory, Grant, Grantee, GroupName, NewGrant, On, RoleName, Thing,
    UserName,
};
use crate::manage::{Answer, Problem, ProblemCode, json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A grant, to a user or to a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
struct Shown {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user: Option<UserName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    group: Option<GroupName>,
    #[schema(value_type = String)]
    role: RoleName,
    /// A pattern of repositories' names.
    #[schema(value_type = String)]
    on: On,
    /// When it was made, in milliseconds since the epoch.
    created: u64,
}

/// A grant to be made: to a user or to a group.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewGrant)]
#[serde(deny_unknown_fields)]
struct Create {
    #[schema(value_type = Option<String>)]
    user: Option<UserName>,
    /// It needs no members yet.
    #[schema(value_type = Option<String>)]
    group: Option<GroupName>,
    #[schema(value_type = String)]
    role: RoleName,
    /// A pattern of repositories' names.
    #[schema(value_type = String)]
    on: On,
}

/// Grants, oldest first.
#[utoipa::path(
    get, path = "/api/v1/grants", operation_id = "grant_list", tag = "grants",
    params(
        ("user" = Option<String>, Query, description = "Those to this user, not to their groups"),
        ("group" = Option<String>, Query, description = "Those to this group"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of grants", body = Listing<Shown>)),
)]
pub(super) fn list(accounts: &Accounts, call: Call) -> Answer {
    let mut query = call.query();
    let (user, group) = (query.take("user")?, query.take("group")?);
    let page = query.page::<u64>()?;
    let to = match (user, group) {
        (None, None) => None,
        (user, group) => Some(grantee(user, group, ProblemCode::ParameterInvalid)?),
    };
    let directory = accounts.directory();
    let grants = directory.grants(page.after);
    let grants = grants.filter(|grant| to.as_ref().is_none_or(|to| grant.to == *to));
    let position = |grant: &&Grant| grant.id.to_string();
    json(
        StatusCode::OK,
        &Listing::of(grants, page.limit, position, Shown::from),
    )
}

/// Grants a role. Durable then.
#[utoipa::path(
    post, path = "/api/v1/grants", operation_id = "grant_create", tag = "grants",
    request_body = Create,
    responses(
        (status = 201, description = "The grant", body = Shown),
        (status = 200, body = Shown, description = "There was one that says the same"),
        (status = 404, description = "There is no such user or role"),
    ),
)]
pub(super) async fn create(accounts: &Accounts, call: Call) -> Answer {
    let create: Create = call.read()?;
    let to = grantee(create.user, create.group, ProblemCode::BodyInvalid)?;
    let new = NewGrant {
        to,
        role: create.role,
        on: create.on,
    };
    let before = accounts.directory();
    let grant = accounts.create_grant(new).await?;
    let shown = Shown::from(&grant);
    if before.grant(grant.id).is_some() {
        return thing(grant.id, &shown);
    }
    made(grant.id, &shown, &format!("/grants/{}", grant.id))
}

/// Shows a grant.
#[utoipa::path(
    get, path = "/api/v1/grants/{grant}", operation_id = "grant_show", tag = "grants",
    params(("grant" = u64, Path, description = "Its id")),
    responses((status = 200, description = "The grant", body = Shown), (status = 404, description = "There is none")),
)]
pub(super) fn show(accounts: &Accounts, id: u64, call: Call) -> Answer {
    call.plain()?;
    let directory = accounts.directory();
    thing(id, &Shown::from(known(&directory, id)?))
}

/// Takes a grant back, at once. Durable then.
#[utoipa::path(
    delete, path = "/api/v1/grants/{grant}", operation_id = "grant_delete", tag = "grants",
    params(
        ("grant" = u64, Path, description = "Its id"),
        Condition,
    ),
    responses(
        (status = 204, description = "It is taken back"),
        (status = 404, description = "There is none"),
        (status = 409, description = "Nobody could administer the server any more"),
        (status = 412, description = "It has changed since"),
    ),
)]
pub(super) async fn delete(accounts: &Accounts, id: u64, call: Call) -> Answer {
    let present = known(&accounts.directory(), id)?.id;
    // A grant never changes, so its id is its version.
    demanded(&call, Some(present))?;
    call.plain()?;
    accounts.delete_grant(id).await?;
    done()
}

fn known(directory: &Directory, id: u64) -> Result<&Grant, Problem> {
    let grant = directory.grant(id);
    grant.ok_or_else(|| AccountError::unknown(Thing::Grant, id).into())
}

/// # Errors
/// 400 when both are named, or none.
fn grantee(
    user: Option<UserName>,
    group: Option<GroupName>,
    code: ProblemCode,
) -> Result<Grantee, Problem> {
    match (user, group) {
        (Some(user), None) => Ok(Grantee::User(user)),
        (None, Some(group)) => Ok(Grantee::Group(group)),
        _ => Err(Problem::new(code, "name either a user or a group")),
    }
}

// === impl Shown ===

impl From<&Grant> for Shown {
    fn from(grant: &Grant) -> Self {
        let (user, group) = match &grant.to {
            Grantee::User(name) => (Some(name.clone()), None),
            Grantee::Group(name) => (None, Some(name.clone())),
        };
        Self {
            id: grant.id,
            user,
            group,
            role: grant.role.clone(),
            on: grant.on.clone(),
            created: grant.created,
        }
    }
}
