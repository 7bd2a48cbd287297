//! The token endpoint's requests and answer: GET of the distribution specification, "Token
//! Authentication Specification", and POST of its
//! "Oauth2 Token Authentication".
//!
//! Parameters that are not known are ignored, in both. A GET is never refused for its parameters: what
//! cannot be read there counts as not asked for. A form that says something twice, or lacks what its
//! grant needs, is refused with the word of RFC 6749, section 5.2.

use super::claims::Claims;
use super::credentials::{Credentials, Secret};
use super::scope::{self, Asked};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// Bytes of a form at most: more is refused unread.
pub(crate) const MAX_FORM_BYTES: usize = 64 * 1024;

/// The last second of the year 9999, after which RFC 3339 has no date.
const LAST_SECOND: u64 = 253_402_300_799;

/// What a client wants of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TokenRequest {
    /// The service it believes this to be.
    pub(crate) service: Option<String>,
    /// What the token should be for.
    pub(crate) scopes: Asked,
    /// The name that is logged in with. Says nothing: who somebody is comes from credentials.
    pub(crate) account: Option<String>,
    /// The program that asks.
    pub(crate) client: Option<String>,
    /// Whether a refresh token is asked for.
    pub(crate) is_offline: bool,
}

/// What a form proves who asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// `grant_type=password`: basic credentials.
    Password(Credentials),
    /// `grant_type=refresh_token`.
    Refresh(Secret),
}

/// Why the token endpoint gives none: the error of RFC 6749, section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{error}: {description}")]
pub(crate) struct RequestError {
    /// The standard's word.
    pub(crate) error: Word,
    /// What is wrong, for people.
    #[serde(rename = "error_description")]
    pub(crate) description: &'static str,
}

/// The words of RFC 6749, section 5.2, that this server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// The form lacks something, or has it twice.
    InvalidRequest,
    /// The password, key or refresh token is wrong.
    InvalidGrant,
    /// Another grant than password and refresh token.
    UnsupportedGrantType,
}

/// The token endpoint's answer.
#[derive(Clone, Serialize)]
pub(crate) struct TokenAnswer {
    token: String,
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    issued_at: String,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

// === impl TokenRequest ===

impl TokenRequest {
    /// What the query of a GET asks for. Of what may be there once the first counts.
    pub(crate) fn of_query(query: Option<&str>) -> Self {
        Self::of(&pairs(query.unwrap_or_default().as_bytes()))
    }

    /// What the form of a POST asks for, and who asks.
    ///
    /// # Errors
    /// When it is too long, something is missing or there twice, or the grant is not known.
    pub(crate) fn of_form(form: &[u8]) -> Result<(Proof, Self), RequestError> {
        if form.len() > MAX_FORM_BYTES {
            return Err(RequestError::invalid("the form is longer than 64 KiB"));
        }
        let pairs = pairs(form);
        let single = SINGLE.iter();
        let is_repeated =
            |name: &&&str| pairs.iter().filter(|(there, _)| there == **name).count() > 1;
        if single.filter(is_repeated).count() > 0 {
            return Err(RequestError::invalid("a parameter came twice"));
        }
        Ok((Proof::of(&pairs)?, Self::of(&pairs)))
    }

    fn of(pairs: &[Pair<'_>]) -> Self {
        let scopes = pairs.iter().filter(|(name, _)| name == "scope");
        let text = |name| first(pairs, name).map(str::to_owned);
        let offline_token = first(pairs, "offline_token");
        let is_offline = offline_token.is_some_and(|word| word.eq_ignore_ascii_case("true"))
            || first(pairs, "access_type") == Some("offline");
        Self {
            service: text("service"),
            scopes: scope::parse(scopes.map(|(_, value)| &**value)),
            account: text("account"),
            client: text("client_id"),
            is_offline,
        }
    }
}

/// Parameters that a form may have once; `scope` may come several times.
const SINGLE: [&str; 8] = [
    "grant_type",
    "username",
    "password",
    "refresh_token",
    "service",
    "client_id",
    "access_type",
    "offline_token",
];

// === impl Proof ===

impl Proof {
    fn of(pairs: &[Pair<'_>]) -> Result<Self, RequestError> {
        let needed = |name, otherwise| first(pairs, name).ok_or(RequestError::invalid(otherwise));
        match needed("grant_type", "grant_type is missing")? {
            "password" => Ok(Self::Password(Credentials::Basic {
                user: needed("username", "username is missing")?.to_owned(),
                password: needed("password", "password is missing")?.to_owned().into(),
            })),
            "refresh_token" => {
                let token = needed("refresh_token", "refresh_token is missing")?;
                Ok(Self::Refresh(token.to_owned().into()))
            }
            _ => Err(RequestError {
                error: Word::UnsupportedGrantType,
                description: "grant_type is neither password nor refresh_token",
            }),
        }
    }
}

// === impl RequestError ===

impl RequestError {
    /// The form cannot be read.
    pub(crate) const fn invalid(description: &'static str) -> Self {
        Self {
            error: Word::InvalidRequest,
            description,
        }
    }

    /// The form can be read, and proves nothing: a wrong password or a token that is not taken.
    pub(crate) const fn wrong(description: &'static str) -> Self {
        Self {
            error: Word::InvalidGrant,
            description,
        }
    }
}

// === impl Word ===

impl Word {
    /// The word as it is sent.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl TokenAnswer ===

impl TokenAnswer {
    /// The answer with a token that says `claims`, and with a refresh token if one was asked for.
    pub(crate) fn new(token: String, claims: &Claims, refresh_token: Option<String>) -> Self {
        let granted = Asked {
            repositories: claims.access.clone(),
            catalog: claims.catalog,
        };
        let issued = Duration::from_secs(claims.issued.min(LAST_SECOND));
        Self {
            access_token: token.clone(),
            token,
            token_type: "Bearer",
            expires_in: claims.expires.saturating_sub(claims.issued),
            issued_at: humantime::format_rfc3339_seconds(UNIX_EPOCH + issued).to_string(),
            scope: granted.to_string(),
            refresh_token,
        }
    }
}

/// Without the tokens.
impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TokenAnswer");
        shown.field("expires_in", &self.expires_in);
        shown.field("issued_at", &self.issued_at);
        shown.field("scope", &self.scope).finish_non_exhaustive()
    }
}

fn pairs(text: &[u8]) -> Vec<Pair<'_>> {
    form_urlencoded::parse(text).collect()
}

/// The first value of a parameter; an empty one counts as not sent.
fn first<'a>(pairs: &'a [Pair<'_>], name: &str) -> Option<&'a str> {
    let (_, value) = pairs.iter().find(|(there, _)| there == name)?;
    (!value.is_empty()).then_some(&**value)
}

#[cfg(test)]
mod tests {
    use super::super::claims::tests::example;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn form(text: &str) -> Result<(Proof, TokenRequest), RequestError> {
        TokenRequest::of_form(text.as_bytes())
    }

    #[test]
    fn a_query_is_read_as_docker_sends_it() {
        let login = "account=jo&client_id=docker&offline_token=true&service=floundr";
        let expected = TokenRequest {
            service: Some("floundr".to_owned()),
            scopes: Asked::default(),
            account: Some("jo".to_owned()),
            client: Some("docker".to_owned()),
            is_offline: true,
        };
        assert_eq!(TokenRequest::of_query(Some(login)), expected);
        assert_eq!(TokenRequest::of_query(None), TokenRequest::default());
    }

    #[test]
    fn every_scope_of_a_query_is_taken_also_encoded() {
        let query = "scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository:c:pull+registry:catalog:*\
            &service=a&service=b&access_type=offline";
        let request = TokenRequest::of_query(Some(query));
        assert_eq!(
            request.scopes.to_string(),
            "repository:a/b:pull,push repository:c:pull registry:catalog:*"
        );
        assert_eq!(request.service.as_deref(), Some("a"));
        assert!(request.is_offline);
        let not =
            TokenRequest::of_query(Some("offline_token=false&access_type=online&scope=x&%ff=%"));
        assert_eq!(not, TokenRequest::default());
    }

    #[test]
    fn a_form_with_a_password_is_read_as_containerd_sends_it() {
        let (proof, request) = form(
            "client_id=containerd-client&grant_type=password&password=a%3Ab%2B%2F+c%26d\
             &scope=repository%3Aa%3Apull+repository%3Ab%3Apull&scope=repository:c:pull\
             &service=floundr&username=jo&access_type=offline&unknown=1&unknown=2",
        )
        .unwrap();
        let expected = Credentials::Basic {
            user: "jo".to_owned(),
            password: Secret::from("a:b+/ c&d".to_owned()),
        };
        assert_eq!(proof, Proof::Password(expected));
        assert_eq!(request.scopes.repositories.len(), 3);
        assert_eq!(request.client.as_deref(), Some("containerd-client"));
        assert!(request.is_offline);
    }

    #[test]
    fn a_form_with_a_refresh_token_is_read() {
        let (proof, request) =
            form("grant_type=refresh_token&refresh_token=a.b.c&service=s").unwrap();
        assert_eq!(proof, Proof::Refresh(Secret::from("a.b.c".to_owned())));
        assert!(!request.is_offline && request.scopes == Asked::default());
        assert_eq!(format!("{proof:?}"), "Refresh(Secret(..))");
    }

    #[test]
    fn a_form_that_lacks_something_or_says_it_twice_is_refused_with_the_standards_word() {
        let long = format!("grant_type=password&x={}", "a".repeat(MAX_FORM_BYTES));
        for (text, expected) in [
            ("", "invalid_request: grant_type is missing"),
            ("grant_type=", "invalid_request: grant_type is missing"),
            (
                "grant_type=client_credentials",
                "unsupported_grant_type: grant_type is neither password nor refresh_token",
            ),
            (
                "grant_type=password&password=x",
                "invalid_request: username is missing",
            ),
            (
                "grant_type=password&username=x",
                "invalid_request: password is missing",
            ),
            (
                "grant_type=refresh_token",
                "invalid_request: refresh_token is missing",
            ),
            (
                "grant_type=password&username=a&username=b&password=x",
                "invalid_request: a parameter came twice",
            ),
            (&long, "invalid_request: the form is longer than 64 KiB"),
        ] {
            assert_eq!(form(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_refusal_is_the_standards_json() {
        let wrong = RequestError::wrong("the name or the password is wrong");
        let expected = json!({
            "error": "invalid_grant",
            "error_description": "the name or the password is wrong",
        });
        assert_eq!(serde_json::to_value(wrong).unwrap(), expected);
        for word in [
            Word::InvalidRequest,
            Word::InvalidGrant,
            Word::UnsupportedGrantType,
        ] {
            assert_eq!(serde_json::to_value(word).unwrap(), word.to_string());
        }
    }

    #[test]
    fn the_answer_has_the_token_under_both_names() {
        let answer = TokenAnswer::new("t".to_owned(), &example(), None);
        let mut expected = json!({
            "token": "t",
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 300,
            "issued_at": "1970-01-01T00:16:40Z",
            "scope": "repository:a/b:pull,push registry:catalog:*",
        });
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
        let answer = TokenAnswer::new("t".to_owned(), &example(), Some("r".to_owned()));
        expected["refresh_token"] = json!("r");
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
        let shown = format!("{answer:?}");
        assert!(shown.contains("300") && !shown.contains("\"t\"") && !shown.contains("\"r\""));
    }

    #[test]
    fn a_clock_beyond_all_dates_still_gives_an_answer() {
        let claims = Claims {
            issued: u64::MAX,
            expires: 0,
            ..example()
        };
        let answer = TokenAnswer::new(String::new(), &claims, None);
        assert_eq!(answer.issued_at, "9999-12-31T23:59:59Z");
        assert_eq!(answer.expires_in, 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), query in "\\PC*") {
            TokenRequest::of_query(Some(&query));
            prop_assert!(form_is_refused(&bytes));
        }

        #[test]
        fn any_name_and_password_come_through_a_form(user in "\\PC+", password in "\\PC+") {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", "password");
            form.append_pair("username", &user).append_pair("password", &password);
            let (proof, _) = TokenRequest::of_form(form.finish().as_bytes()).unwrap();
            let password = password.into();
            prop_assert_eq!(proof, Proof::Password(Credentials::Basic { user, password }));
        }
    }

    /// Random bytes have no grant type.
    fn form_is_refused(bytes: &[u8]) -> bool {
        TokenRequest::of_form(bytes).is_err()
    }
}
