//! [`Challenge`]: the `WWW-Authenticate` of a 401, RFC 6750, section 3, with `service` and `scope` of
//! the distribution specification.
//!
//! Invariant: whatever the texts are, the value is one challenge with these parameters alone: quotes
//! and backslashes are escaped, and what a header cannot hold is percent-encoded.

use super::scope::Scope;
use http::HeaderValue;
use std::fmt::Write as _;

/// Why a token that was sent is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is none, or not valid any more.
    InvalidToken,
    /// It is right, and allows too little; its subject may do more.
    InsufficientScope,
}

/// Where a client gets a token, and which.
#[derive(Debug)]
pub(crate) struct Challenge<'a> {
    /// The address of the token endpoint.
    pub(crate) realm: &'a str,
    /// The service that the token must be of.
    pub(crate) service: &'a str,
    /// What the token must be for. None when only logging in is asked for.
    pub(crate) scopes: &'a [Scope],
    /// What was wrong with the token that was sent, if one was.
    pub(crate) refusal: Option<Refusal>,
}

// === impl Refusal ===

impl Refusal {
    /// RFC 6750's word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

// === impl Challenge ===

impl Challenge<'_> {
    /// The header's value.
    pub(crate) fn to_header(&self) -> HeaderValue {
        let mut text = "Bearer ".to_owned();
        add(&mut text, "realm", self.realm);
        text.push(',');
        add(&mut text, "service", self.service);
        if !self.scopes.is_empty() {
            let scopes: Vec<_> = self.scopes.iter().map(Scope::to_string).collect();
            text.push(',');
            add(&mut text, "scope", &scopes.join(" "));
        }
        if let Some(refusal) = self.refusal {
            text.push(',');
            add(&mut text, "error", refusal.as_str());
        }
        HeaderValue::try_from(text).expect("add() writes printable ASCII alone")
    }
}

/// Adds `name="value"`.
fn add(to: &mut String, name: &str, value: &str) {
    to.push_str(name);
    to.push_str("=\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => to.extend(['\\', char::from(byte)]),
            b' '..=b'~' => to.push(char::from(byte)),
            _ => write!(to, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Permission;
    use proptest::prelude::*;

    fn told(realm: &str, service: &str, refusal: Option<Refusal>, scopes: &[Scope]) -> String {
        let challenge = Challenge {
            realm,
            service,
            scopes,
            refusal,
        };
        let value = challenge.to_header();
        value.to_str().unwrap().to_owned()
    }

    fn write() -> Scope {
        let permissions = [Permission::Push, Permission::Pull].into_iter().collect();
        Scope::Repository("a/b".parse().unwrap(), permissions)
    }

    #[test]
    fn a_challenge_names_where_for_whom_for_what_and_why() {
        let realm = "https://h/auth/token";
        assert_eq!(
            told(realm, "floundr", None, &[write()]),
            r#"Bearer realm="https://h/auth/token",service="floundr",scope="repository:a/b:pull,push""#
        );
        let why = Some(Refusal::InsufficientScope);
        assert_eq!(
            told(realm, "floundr", why, &[write(), Scope::Catalog]),
            "Bearer realm=\"https://h/auth/token\",service=\"floundr\",\
             scope=\"repository:a/b:pull,push registry:catalog:*\",error=\"insufficient_scope\""
        );
        assert_eq!(
            told(realm, "floundr", Some(Refusal::InvalidToken), &[]),
            r#"Bearer realm="https://h/auth/token",service="floundr",error="invalid_token""#
        );
    }

    #[test]
    fn no_text_gets_out_of_its_quotes_or_of_its_header() {
        let told = told("h\"\r\nX: y", "a\\\",scope=\"x\u{e4}\0", None, &[]);
        let expected = r#"Bearer realm="h\"%0D%0AX: y",service="a\\\",scope=\"x%C3%A4%00""#;
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn a_challenge_is_always_printable_ascii(realm in any::<String>(), service in any::<String>()) {
            let told = told(&realm, &service, None, &[write()]);
            prop_assert!(told.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
    }
}
