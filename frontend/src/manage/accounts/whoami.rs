//! Who asks, and their own password.

use super::super::call::Call;
use super::{Desk, done, forbidden};
use crate::accounts::{KeyId, Principal, Secret};
use crate::manage::admission::unauthorized;
use crate::manage::{Answer, json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct Whoami {
    kind: Kind,
    /// The user's name, or what a robot's key is called.
    name: Option<String>,
    /// The id of the key they came with.
    #[schema(value_type = Option<String>)]
    key: Option<KeyId>,
    /// Whether the password has to be changed before it allows anything else.
    must_change: bool,
    /// Whether they administer the server.
    administrator: bool,
}

/// What kind of caller there is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    User,
    /// A key that is no person's.
    Robot,
    /// Nobody in particular.
    Anonymous,
    /// Whoever runs the server.
    Operator,
}

/// A new password, from who knows the present one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    #[schema(value_type = String)]
    old: Secret,
    #[schema(value_type = String)]
    new: Secret,
}

/// Tells who asks.
#[utoipa::path(
    get, path = "/api/v1/whoami", operation_id = "whoami", tag = "whoami",
    responses((status = 200, description = "Who", body = Whoami)),
    security(()),
)]
pub(in crate::manage) fn show(call: Call) -> Answer {
    let caller = call.caller().clone();
    call.plain()?;
    let directory = caller.directory();
    let (kind, name) = match caller.principal() {
        Principal::Operator => (Kind::Operator, None),
        Principal::Anonymous | Principal::Anybody => (Kind::Anonymous, None),
        Principal::User { name, .. } => (Kind::User, Some(name.to_string())),
        Principal::Robot(id) => {
            let name = directory.key(*id).map(|key| key.name.to_string());
            (Kind::Robot, name)
        }
    };
    let must_change = match caller.principal() {
        Principal::User { name, key: None } => {
            directory.user(name).is_some_and(|user| user.must_change)
        }
        _ => false,
    };
    let answer = Whoami {
        kind,
        name,
        key: caller.key(),
        must_change,
        administrator: caller.is_administrator(),
    };
    json(StatusCode::OK, &answer)
}

/// Changes the password of who asks. What was issued by the old one ends. Durable then.
#[utoipa::path(
    put, path = "/api/v1/whoami/password", operation_id = "password_change", tag = "whoami",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "It is changed"),
        (status = 400, description = "Not a password that can be set"),
        (status = 403, description = "The old password is not right, or the caller came with a key"),
        (status = 429, description = "Too many passwords are being checked"),
    ),
)]
pub(super) async fn change_password(desk: Desk<'_>, call: Call) -> Answer {
    let name = match desk.caller.principal() {
        Principal::User { name, key: None } => name,
        Principal::Anonymous => return Err(unauthorized()),
        Principal::User { .. } | Principal::Robot(_) | Principal::Anybody | Principal::Operator => {
            let detail = "only who logged in with a password changes it here";
            return Err(forbidden(detail));
        }
    };
    let PasswordChange { old, new } = call.read()?;
    let change = desk
        .accounts
        .change_own_password(name, old.expose(), new.expose());
    change.await?;
    done()
}
