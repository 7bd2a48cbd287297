//! [`Credentials`]: what an `Authorization` header holds. RFC 9110, section 11.6.2; Basic of RFC 7617
//! and Bearer of RFC 6750.
//!
//! Invariant: no secret is in a Debug, a Display or an error. A header that cannot be read is an error,
//! never the same as no header: who sent one does not want to be taken for nobody.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, HeaderMap};
use std::fmt;

/// Padded or not.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const WITH_PLUS_AND_SLASH: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const WITH_MINUS_AND_LINE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// A text that nobody may see: a password, a key, a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Who somebody says they are, and what they prove it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A name and a password or an API key.
    Basic {
        /// The name as it was sent: it may be none.
        user: String,
        /// The password or key.
        password: Secret,
    },
    /// A token or an API key.
    Bearer(Secret),
}

/// Why an `Authorization` header is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// There is more than one.
    #[error("header authorization came more than once")]
    Repeated,
    /// It has characters that no header of this kind has.
    #[error("header authorization is not printable ascii")]
    Text,
    /// Neither Basic nor Bearer.
    #[error("header authorization has another scheme than basic and bearer")]
    Scheme,
    /// Nothing after the scheme.
    #[error("header authorization has a scheme and no credentials")]
    Empty,
    /// Not base64.
    #[error("the basic credentials are not base64")]
    Base64,
    /// Not UTF-8.
    #[error("the basic credentials are not utf-8")]
    Utf8,
    /// No colon between name and password.
    #[error("the basic credentials have no colon")]
    Colon,
    /// Something after the token.
    #[error("the bearer token is not one word")]
    Words,
}

// === impl Secret ===

impl Secret {
    /// The text, to be compared or hashed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Hidden.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

// === impl Credentials ===

impl Credentials {
    /// The credentials in a request's headers; nothing when there is no `Authorization`.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, CredentialsError> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        if lines.next().is_some() {
            return Err(CredentialsError::Repeated);
        }
        let line = line.to_str().map_err(|_bytes| CredentialsError::Text)?;
        Self::parse(line).map(Some)
    }

    /// What stands where clients send a token, unread and not copied: enough to look among the tokens that
    /// are known, which is what every pull pays. Nothing where a header is repeated or of another form.
    pub(crate) fn bearer_of(headers: &HeaderMap) -> Option<&[u8]> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let (line, None) = (lines.next()?, lines.next()) else {
            return None;
        };
        line.as_bytes().strip_prefix(b"Bearer ")
    }

    fn parse(line: &str) -> Result<Self, CredentialsError> {
        let line = line.trim();
        let (scheme, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim_start();
        let is_basic = scheme.eq_ignore_ascii_case("basic");
        if !is_basic && !scheme.eq_ignore_ascii_case("bearer") {
            return Err(CredentialsError::Scheme);
        }
        if rest.is_empty() {
            return Err(CredentialsError::Empty);
        }
        if is_basic {
            return Self::basic(rest);
        }
        if rest.contains([' ', '\t']) {
            return Err(CredentialsError::Words);
        }
        Ok(Self::Bearer(Secret(rest.to_owned())))
    }

    /// The name ends at the first colon: a password may have more.
    fn basic(encoded: &str) -> Result<Self, CredentialsError> {
        let engine = if encoded.contains(['-', '_']) {
            WITH_MINUS_AND_LINE
        } else {
            WITH_PLUS_AND_SLASH
        };
        let bytes = engine.decode(encoded);
        let bytes = bytes.map_err(|_syntax| CredentialsError::Base64)?;
        let text = String::from_utf8(bytes).map_err(|_bytes| CredentialsError::Utf8)?;
        let (user, password) = text.split_once(':').ok_or(CredentialsError::Colon)?;
        Ok(Self::Basic {
            user: user.to_owned(),
            password: Secret(password.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(lines: &[&str]) -> Result<Option<Credentials>, CredentialsError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                AUTHORIZATION,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        Credentials::of(&headers)
    }

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic {
            user: user.to_owned(),
            password: Secret(password.to_owned()),
        }
    }

    #[test]
    fn what_is_looked_for_without_a_copy_is_the_token_that_is_read_otherwise() {
        for line in [
            "Bearer abc.def",
            "Bearer ",
            "Bearer  abc",
            "Bearer a b",
            "bearer abc",
            "Basic abc",
            "Bearer a\u{e4}",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                AUTHORIZATION,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
            if let Ok(Some(Credentials::Bearer(read))) = Credentials::of(&headers)
                && let Some(token) = Credentials::bearer_of(&headers)
                && !token.starts_with(b" ")
            {
                assert_eq!(token, read.expose().as_bytes(), "{line}");
            }
            headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer other"));
            assert_eq!(Credentials::bearer_of(&headers), None);
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc.def"));
        assert_eq!(
            Credentials::bearer_of(&headers),
            Some(b"abc.def".as_slice())
        );
    }

    #[test]
    fn a_name_ends_at_the_first_colon_and_the_scheme_is_any_case() {
        // RFC 7617, section 2.
        assert_eq!(
            of(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]),
            Ok(Some(basic("Aladdin", "open sesame")))
        );
        assert_eq!(
            of(&["bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ== "]),
            Ok(Some(basic("Aladdin", "open sesame")))
        );
        assert_eq!(of(&["basic am86YTpiOmM="]), Ok(Some(basic("jo", "a:b:c"))));
        assert_eq!(of(&["Basic Og=="]), Ok(Some(basic("", ""))));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn base64_of_either_alphabet_is_read_with_padding_and_without() {
        let password = "\u{3ff}>>>???\u{fb}";
        let plain = format!("u:{password}");
        let standard = WITH_PLUS_AND_SLASH.encode(&plain);
        assert!(
            standard.contains('+') && standard.contains('/'),
            "{standard}"
        );
        let url_safe = WITH_MINUS_AND_LINE.encode(&plain);
        for encoded in [standard, url_safe] {
            let unpadded = encoded.trim_end_matches('=');
            assert_eq!(
                of(&[&format!("Basic {encoded}")]),
                Ok(Some(basic("u", password)))
            );
            assert_eq!(
                of(&[&format!("Basic {unpadded}")]),
                Ok(Some(basic("u", password)))
            );
        }
    }

    #[test]
    fn a_bearer_token_is_one_word() {
        let bearer = Credentials::Bearer(Secret("a.b.c".to_owned()));
        assert_eq!(of(&["BEARER a.b.c"]), Ok(Some(bearer)));
        assert_eq!(of(&["Bearer a b"]), Err(CredentialsError::Words));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_an_error_and_not_nobody() {
        for (line, error) in [
            ("", CredentialsError::Scheme),
            ("Digest x", CredentialsError::Scheme),
            ("Basic", CredentialsError::Empty),
            ("Bearer ", CredentialsError::Empty),
            ("Basic ???", CredentialsError::Base64),
            ("Basic a-b/", CredentialsError::Base64),
            ("Basic YTpi YTpi", CredentialsError::Base64),
            ("Basic YTr/", CredentialsError::Utf8),
            ("Basic YWI=", CredentialsError::Colon),
            ("Bearer \u{e4}", CredentialsError::Text),
        ] {
            assert_eq!(of(&[line]), Err(error), "{line:?}");
        }
        assert_eq!(
            of(&["Bearer a", "Bearer a"]),
            Err(CredentialsError::Repeated)
        );
    }

    #[test]
    fn no_secret_is_shown() {
        let basic = of(&["Basic am86aHVudGVyMg=="]).unwrap().unwrap();
        assert_eq!(
            format!("{basic:?}"),
            r#"Basic { user: "jo", password: Secret(..) }"#
        );
        let Credentials::Basic { password, .. } = basic else {
            panic!("it is basic");
        };
        assert_eq!(password.expose(), "hunter2");
        let bearer = of(&["Bearer hunter2"]).unwrap();
        assert_eq!(format!("{bearer:?}"), "Some(Bearer(Secret(..)))");
    }

    proptest! {
        #[test]
        fn any_name_and_password_come_through(user in "[^:]*", password in "\\PC*") {
            let encoded = WITH_PLUS_AND_SLASH.encode(format!("{user}:{password}"));
            prop_assert_eq!(of(&[&format!("Basic {encoded}")]), Ok(Some(basic(&user, &password))));
        }

        #[test]
        fn any_line_is_read_or_refused(line in "(Basic |bearer )?[ -~]{0,60}") {
            let read = of(&[&line]);
            prop_assert!(!matches!(read, Ok(None)));
        }
    }
}
