//! Why somebody may do something with a repository, or why not.

use super::super::call::Call;
use super::{Desk, forbidden};
use crate::accounts::{Grantee, Permission, Principal, Reason, UserName};
use crate::manage::{Answer, Problem, ProblemCode, json};
use floundr_engine::name::RepositoryName;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether something is allowed, and why.
#[derive(Debug, Serialize, ToSchema)]
struct Explanation {
    allowed: bool,
    /// Why, or why not, in words for a person.
    because: Vec<String>,
    /// What allows it.
    sources: Vec<Source>,
}

/// What allows something.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Source {
    /// A grant to the user, or to a group they are in.
    Grant {
        id: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        role: String,
        on: String,
    },
    /// A rule makes it public.
    Public { on: String },
    /// A scope of a robot's key.
    Key { on: String },
    /// Whoever runs the server.
    Administrator,
}

/// Why a user, or who asks, may do something with a repository, or why not.
#[utoipa::path(
    get, path = "/api/v1/explain", operation_id = "explain", tag = "explain",
    params(
        ("user" = Option<String>, Query, description = "About whom; who asks when absent. Who asks about themselves is judged with the key they have"),
        ("action" = Permission, Query),
        ("repository" = String, Query),
    ),
    responses(
        (status = 200, description = "Whether, and why", body = Explanation),
        (status = 403, description = "About others only an administrator of the server asks"),
    ),
)]
pub(super) fn show(desk: Desk<'_>, call: Call) -> Answer {
    let mut query = call.query();
    let user = query.take::<UserName>("user")?;
    let action = query.take::<Permission>("action")?;
    let repository = query.take::<RepositoryName>("repository")?;
    query.finish()?;
    let action = action.ok_or_else(|| missing("action"))?;
    let repository = repository.ok_or_else(|| missing("repository"))?;
    let principal = about(desk, user)?;
    let directory = desk.accounts.directory();
    let now = desk.accounts.wall();
    let (allowed, reasons) = directory.explain(&principal, action, repository.as_str(), now);
    let answer = Explanation {
        allowed,
        because: reasons.iter().map(ToString::to_string).collect(),
        sources: reasons.into_iter().filter_map(Source::of).collect(),
    };
    json(StatusCode::OK, &answer)
}

/// Who it is about. Who asks is judged as they came: a key learns no more than what it may itself.
///
/// # Errors
/// 403 for somebody else.
fn about(desk: Desk<'_>, user: Option<UserName>) -> Result<Principal, Problem> {
    let own = desk.caller.principal();
    let Some(name) = user else {
        return Ok(own.clone());
    };
    if matches!(own, Principal::User { name: own, .. } if *own == name) {
        return Ok(own.clone());
    }
    if desk.caller.is_administrator() {
        return Ok(Principal::User { name, key: None });
    }
    Err(forbidden(
        "only an administrator of the server asks about others",
    ))
}

fn missing(name: &str) -> Problem {
    let detail = format!("parameter {name} is missing");
    Problem::new(ProblemCode::ParameterInvalid, detail)
}

// === impl Source ===

impl Source {
    /// What a reason names that allows something; reasons why not name nothing.
    fn of(reason: Reason) -> Option<Self> {
        Some(match reason {
            Reason::Grant { id, to, role, on } => {
                let (user, group) = match to {
                    Grantee::User(name) => (Some(name.to_string()), None),
                    Grantee::Group(name) => (None, Some(name.to_string())),
                };
                Self::Grant {
                    id,
                    user,
                    group,
                    role,
                    on,
                }
            }
            Reason::Scope { on } => Self::Key { on },
            Reason::Public { on } => Self::Public { on },
            Reason::Operator => Self::Administrator,
            Reason::Open
            | Reason::NoUser
            | Reason::Disabled
            | Reason::MustChange
            | Reason::NoKey
            | Reason::KeyExpired
            | Reason::KeyScopes
            | Reason::NothingGrants => return None,
        })
    }
}
