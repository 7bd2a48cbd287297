//! What accounts and tokens need of the configuration: [`AccountsConfig`].
//!
//! Invariants:
//! 1. What stands in a header later has no character that could end it or a quoted text in it.
//! 2. Secrets are [`Secret`]s: no listing and no error shows them.

use super::{Setting, Values, values};
use anyhow::Result;
use floundr_frontend::accounts::{AppUrl, Secret, TrustedProxies};
use std::time::Duration;

/// Bytes of the shortest signing key that is taken.
const MIN_SIGNING_KEY: usize = 16;

/// Bytes of the shortest signing key that cannot be guessed from one token.
const SIGNING_KEY: usize = 32;

/// Bytes of the longest audience.
const SERVICE: usize = 255;

/// Accounts and tokens.
#[derive(Debug)]
pub(crate) struct AccountsConfig {
    /// The address clients know the registry by; none: what their request says.
    pub(crate) app_url: Option<AppUrl>,
    /// Whose `Forwarded` and `X-Forwarded-*` are believed.
    pub(crate) trusted_proxies: TrustedProxies,
    /// What tokens are signed with; none: the key that the accounts' store made.
    pub(crate) signing_key: Option<Secret>,
    /// What they were signed with before, still good for verifying.
    pub(crate) previous_key: Option<Secret>,
    /// How long an access token is good; at least a minute.
    pub(crate) token_lifetime: Duration,
    /// How long a refresh token is good; at least as long.
    pub(crate) refresh_lifetime: Duration,
    /// The audience and issuer of tokens: 1 to 255 printable ASCII characters but `"` and `\`.
    pub(crate) service: String,
    /// Requests a second of one principal or address; 0: as many as they like.
    pub(crate) rate_limit: usize,
    /// The administrator's password on the first start; none: one is made up.
    pub(crate) admin_password: Option<Secret>,
}

pub(super) fn accounts(values: &Values) -> Result<AccountsConfig> {
    let at_least_a_minute = |text: &str| match values::duration(text) {
        Ok(lifetime) if lifetime < Duration::from_mins(1) => Err("less than a minute"),
        other => other,
    };
    let token_lifetime = values.parsed(Setting::TokenLifetime, at_least_a_minute)?;
    let at_least_as_long = |text: &str| match values::duration(text) {
        Ok(lifetime) if lifetime < token_lifetime => Err("less than token_lifetime"),
        other => other,
    };
    Ok(AccountsConfig {
        app_url: values.given(Setting::AppUrl, str::parse)?,
        trusted_proxies: values.parsed(Setting::TrustedProxies, str::parse)?,
        signing_key: values.given(Setting::JwtSecretKey, signing_key)?,
        previous_key: values.given(Setting::JwtPreviousKey, signing_key)?,
        token_lifetime,
        refresh_lifetime: values.parsed(Setting::RefreshLifetime, at_least_as_long)?,
        service: values.parsed(Setting::Service, service)?,
        rate_limit: values.parsed(Setting::RateLimit, values::up_to(1_000_000))?,
        admin_password: values.given(Setting::AdminPassword, values::secret)?,
    })
}

/// What the user should know about them.
pub(super) fn notes(values: &Values) -> impl Iterator<Item = String> {
    let keys = [Setting::JwtSecretKey, Setting::JwtPreviousKey];
    let short = keys.into_iter().filter(|setting| {
        let value = values.get(*setting).value.as_ref();
        value.is_some_and(|key| key.len() < SIGNING_KEY)
    });
    short.map(|setting| {
        let name = setting.row().name;
        format!(
            "{name} has less than {SIGNING_KEY} bytes: whoever gets a token may guess it and make \
             tokens of their own"
        )
    })
}

fn signing_key(text: &str) -> Result<Secret, String> {
    if text.len() < MIN_SIGNING_KEY {
        return Err(format!("less than {MIN_SIGNING_KEY} bytes"));
    }
    Ok(text.to_owned().into())
}

fn service(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if text.is_empty() || text.len() > SERVICE || !text.bytes().all(fits) {
        return Err(format!(
            "not 1 to {SERVICE} letters, digits and signs without spaces, quotes and backslashes"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_quoted_text_in_a_header_is_no_service() {
        for bad in ["", "a b", "a\"b", "a\\b", "\n", &"a".repeat(256)] {
            assert!(service(bad).is_err(), "{bad:?}");
        }
        assert_eq!(service("registry.example.com:5000").unwrap().len(), 25);
    }
}
