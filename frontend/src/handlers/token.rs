//! Tokens: `GET` and `POST /auth/token` (distribution specification, "Token Authentication").
//!
//! A refusal of a form is in the words of RFC 6749, section 5.2, beside those of every other refusal:
//! clients read either.

use crate::access::{Given, NoToken};
use crate::accounts::token::request::{MAX_FORM_BYTES, Word};
use crate::body::Body;
use crate::context::Context;
use crate::error::{ApiError, ErrorCode};
use crate::request::{self, Incoming};
use crate::response;
use http::Response;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;

/// `GET`: credentials in the header, or none.
pub(super) async fn of_query(context: &Context, parts: &Parts) -> Result<Response<Body>, ApiError> {
    let given = context.access().token_of_query(parts).await;
    answer(given)
}

/// `POST`: credentials or a refresh token in the form.
pub(super) async fn of_form<B: Incoming>(
    context: &Context,
    parts: &Parts,
    body: &mut B,
) -> Result<Response<Body>, ApiError> {
    let form = request::collect_form(&parts.headers, body, MAX_FORM_BYTES as u64).await?;
    let given = context.access().token_of_form(parts, &form).await;
    answer(given)
}

fn answer(given: Result<Given, NoToken>) -> Result<Response<Body>, ApiError> {
    match given {
        Ok(given) => {
            let json = serde_json::to_string(&given.answer).map_err(ApiError::internal)?;
            let mut response = response::json(json);
            // RFC 6749, section 5.1: nobody keeps an answer with a token.
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        Err(NoToken::Api(error)) => Err(error),
        Err(NoToken::OAuth(error)) => {
            let code = match error.error {
                Word::InvalidGrant => ErrorCode::Unauthorized,
                Word::InvalidRequest | Word::UnsupportedGrantType => ErrorCode::ParameterInvalid,
            };
            Err(ApiError::new(code, error.description).with_oauth(error.error.as_str()))
        }
    }
}
