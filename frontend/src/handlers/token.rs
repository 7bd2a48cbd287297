//! Tokens: `GET` and `POST /auth/token` (distribution specification, "Token Authentication").
//!
//! A refusal of a form is in the words of RFC 6749, section 5.2, beside those of every other refusal:
//! clients read either.

use crate::access::{Given, NoToken};
use crate::accounts::token::credentials::Credentials;
use crate::accounts::token::request::{MAX_FORM_BYTES, Proof, TokenRequest, Word};
use crate::audit::Action;
use crate::body::Body;
use crate::context::Context;
use crate::deeds::{Deed, Doer};
use crate::error::{ApiError, ErrorCode};
use crate::request::{self, Incoming};
use crate::response;
use http::Response;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;

/// `GET`: credentials in the header, or none.
pub(super) async fn of_query(context: &Context, parts: &Parts) -> Result<Response<Body>, ApiError> {
    let given = context.access().token_of_query(parts).await;
    record(context, parts, None, &given);
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
    record(context, parts, Some(&form), &given);
    answer(given)
}

/// Writes down who logged in, and who could not. Who is nobody, and who only gets a new token for an
/// old one, does neither.
fn record(context: &Context, parts: &Parts, form: Option<&[u8]>, given: &Result<Given, NoToken>) {
    let credentials = match form {
        None => Credentials::of(&parts.headers).ok().flatten(),
        Some(form) => match TokenRequest::of_form(form) {
            Ok((Proof::Password(credentials), _)) => Some(credentials),
            _ => None,
        },
    };
    let Some(Credentials::Basic { user, .. }) = credentials else {
        return;
    };
    let services = context.services();
    match given {
        Ok(given) => {
            let mut doer = Doer::proven(&given.called, given.from, parts);
            doer.key = given.principal.key();
            Deed::new(Action::Login, "token").record(doer, 200, services);
        }
        Err(NoToken::Api(error)) if error.code() != ErrorCode::Unauthorized => {}
        Err(_) => {
            let doer = Doer::unproven(context.access().client(parts), parts);
            Deed::login_failed(&user, "token").record(doer, 401, services);
        }
    }
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
