//! The keys that sign tokens.

use super::super::call::{Call, Nothing};
use crate::accounts::{Accounts, SigningKeyIds};
use crate::manage::{Answer, json};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The ids of the keys that sign tokens. The keys themselves are never told.
#[derive(Debug, Serialize, ToSchema)]
struct TokenKeys {
    /// Of the key that signs.
    current: String,
    /// Of the key whose tokens still count.
    previous: Option<String>,
}

/// Signs tokens with a new key from now on.
///
/// Those of the present key count until the next rotation: two end all tokens. Durable then.
#[utoipa::path(
    post,
    path = "/api/v1/token-keys/rotate",
    operation_id = "token_keys_rotate",
    tag = "tokens",
    request_body = Nothing,
    responses(
        (status = 200, description = "The ids of the keys", body = TokenKeys),
        (status = 400, description = "The configuration says which key signs"),
    ),
)]
pub(super) async fn rotate(accounts: &Accounts, call: Call) -> Answer {
    let Nothing {} = call.read()?;
    let SigningKeyIds { current, previous } = accounts.rotate_signing_keys().await?;
    json(StatusCode::OK, &TokenKeys { current, previous })
}
