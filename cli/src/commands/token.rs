//! `floundr token`: what tokens are signed with.

use super::Failure;
use super::api::{self, text};
use crate::args::{Ordered, TokenOrder};
use crate::config::Resolved;
use crate::output;
use http::Method;
use serde_json::json;

/// Does what is asked.
pub(crate) fn run(resolved: &Resolved, args: &Ordered<TokenOrder>) -> Result<(), Failure> {
    match args.order {
        TokenOrder::Rotate => {
            let path = "/api/v1/token-keys/rotate";
            let answer = api::change(resolved, Method::POST, path, &json!({}))?;
            api::show(args.json, &answer, |answer| {
                let (current, previous) = (text(&answer["current"]), text(&answer["previous"]));
                output::line(&format!("tokens are signed with key {current} now"));
                output::line(&format!(
                    "  those of key {previous} are good until they expire or it is rotated again"
                ));
            });
        }
    }
    Ok(())
}
