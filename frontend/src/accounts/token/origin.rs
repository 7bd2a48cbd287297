//! The address under which a client reaches this server, and with it the realm of a challenge.
//!
//! 1. What the operator says (`APP_URL`) wins; then what a trusted proxy says; then `Host`. Headers of
//!    anybody else's that speak of a proxy are not read.
//! 2. A host, scheme or prefix that is none is ignored as if it had not been sent, so the result is
//!    always an address, of characters that need no escaping in a header.

use super::forwarded::Saying;
use http::header::{HOST, HeaderMap};
use http::uri::Authority;
use std::str::FromStr;

/// Where the token endpoint is, below the address of the server.
const TOKEN_PATH: &str = "/auth/token";

/// Bytes of a host with its port, and of a prefix, at most.
const MAX_HOST: usize = 261;
const MAX_PREFIX: usize = 1024;

/// The address that the operator says clients use: `APP_URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppUrl {
    /// Scheme, host and prefix, without a slash at the end.
    Url(String),
    /// `debug`: the address that is served.
    Served,
}

/// Not the address of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("app url {url:?} {why}")]
pub struct ParseAppUrlError {
    /// The text.
    url: String,
    /// What is wrong with it.
    why: &'static str,
}

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// The request's own authority, as HTTP/2 has it in place of `Host`.
    pub(crate) authority: Option<&'a Authority>,
    /// Whether the connection is TLS.
    pub(crate) is_tls: bool,
    /// Whether the peer is a trusted proxy.
    pub(crate) from_proxy: bool,
    /// Host and port that are served, for a client that names none.
    pub(crate) served: &'a str,
}

/// The address of the token endpoint, for a challenge.
pub(crate) fn realm(app_url: Option<&AppUrl>, arrival: &Arrival<'_>) -> String {
    base(app_url, arrival) + TOKEN_PATH
}

/// The address of this server as the client knows it: scheme, host and prefix, without a slash at
/// the end.
pub(crate) fn base(app_url: Option<&AppUrl>, arrival: &Arrival<'_>) -> String {
    match app_url {
        Some(AppUrl::Url(url)) => url.clone(),
        Some(AppUrl::Served) => format!("{}://{}", arrival.own_scheme(), arrival.served),
        None => arrival.base(),
    }
}

// === impl AppUrl ===

/// A missing scheme is http. A path is a prefix and stays.
impl FromStr for AppUrl {
    type Err = ParseAppUrlError;

    fn from_str(text: &str) -> Result<Self, ParseAppUrlError> {
        let text = text.trim();
        if text == "debug" {
            return Ok(Self::Served);
        }
        let refused = |why| {
            let url = text.chars().take(200).collect();
            Err(ParseAppUrlError { url, why })
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let Some(scheme) = as_scheme(scheme) else {
            return refused("has another scheme than http and https");
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let Some(host) = as_host(host) else {
            return refused("has no host, or one that is none");
        };
        let Some(prefix) = as_prefix(path) else {
            return refused("has a path that is no prefix: no query, no .., at most 1024 bytes");
        };
        Ok(Self::Url(format!("{scheme}://{host}{prefix}")))
    }
}

// === impl Arrival ===

impl Arrival<'_> {
    fn own_scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    fn base(&self) -> String {
        let host = self.said(Saying::Host);
        let host = host.as_deref().and_then(as_host);
        let host = host.or_else(|| as_host(self.authority?.as_str()));
        let host = host.or_else(|| as_host(self.headers.get(HOST)?.to_str().ok()?));
        let scheme = self.said(Saying::Scheme);
        let scheme = scheme.as_deref().and_then(as_scheme);
        let prefix = self.said(Saying::Prefix);
        let prefix = prefix.as_deref().and_then(as_prefix);
        format!(
            "{}://{}{}",
            scheme.unwrap_or_else(|| self.own_scheme()),
            host.unwrap_or(self.served),
            prefix.unwrap_or_default()
        )
    }

    /// What the first proxy says, if it is to be believed.
    fn said(&self, what: Saying) -> Option<String> {
        let is_believed = self.from_proxy;
        is_believed.then(|| what.first(self.headers)).flatten()
    }
}

fn as_scheme(text: &str) -> Option<&'static str> {
    let known = ["http", "https"].into_iter();
    known
        .into_iter()
        .find(|known| text.eq_ignore_ascii_case(known))
}

/// A host, with a port or without.
fn as_host(text: &str) -> Option<&str> {
    let authority = text.parse::<Authority>().ok()?;
    let host = authority.host();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_host = !host.is_empty() && host.bytes().all(fits) && text.len() <= MAX_HOST;
    let rest = text.strip_prefix(host)?;
    let is_port = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && port.parse::<u16>().is_ok()
    };
    let has_port = rest.strip_prefix(':').is_some_and(is_port);
    (is_host && (rest.is_empty() || has_port)).then_some(text)
}

/// The path before every path of this server, without the slash at its end: empty for none.
fn as_prefix(text: &str) -> Option<&str> {
    let prefix = text.trim_end_matches('/');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    let mut segments = prefix.split('/');
    let is_rooted = segments.next() == Some("");
    let is_plain = segments.all(|segment| !matches!(segment, "" | "." | ".."));
    let fits = prefix.len() <= MAX_PREFIX && prefix.bytes().all(fits);
    (is_rooted && is_plain && fits).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn arrival(headers: &HeaderMap) -> Arrival<'_> {
        Arrival {
            headers,
            authority: None,
            is_tls: false,
            from_proxy: false,
            served: "served:8080",
        }
    }

    /// The base as a stranger gets it, and as a client of a trusted proxy does.
    fn both(lines: &[(&'static str, &str)]) -> (String, String) {
        let headers = headers(lines);
        let stranger = arrival(&headers);
        let from_proxy = Arrival {
            from_proxy: true,
            ..stranger
        };
        (base(None, &stranger), base(None, &from_proxy))
    }

    #[test]
    fn what_the_operator_says_wins() {
        let headers = headers(&[("host", "other"), ("x-forwarded-host", "proxy")]);
        let mut arrival = arrival(&headers);
        arrival.from_proxy = true;
        for (url, expected) in [
            ("https://h", "https://h/auth/token"),
            ("https://h/", "https://h/auth/token"),
            ("https://h/prefix", "https://h/prefix/auth/token"),
            ("HTTPS://h:8443/a/b//", "https://h:8443/a/b/auth/token"),
            ("localhost:8080", "http://localhost:8080/auth/token"),
            ("h/prefix/", "http://h/prefix/auth/token"),
            ("http://[::1]:80", "http://[::1]:80/auth/token"),
            (" debug ", "http://served:8080/auth/token"),
        ] {
            let url: AppUrl = url.parse().unwrap();
            assert_eq!(realm(Some(&url), &arrival), expected);
        }
        let served = Arrival {
            is_tls: true,
            ..arrival
        };
        assert_eq!(base(Some(&AppUrl::Served), &served), "https://served:8080");
    }

    #[test]
    fn an_address_that_is_none_is_refused_when_it_is_set() {
        for (url, why) in [
            ("", "no host"),
            ("https://", "no host"),
            ("ftp://h", "another scheme"),
            ("https://user@h", "no host"),
            ("https://h:port", "no host"),
            ("https://h\"x", "no host"),
            ("https://h?x", "no host"),
            ("https://h/?x=1", "no prefix"),
            ("https://h/a/../b", "no prefix"),
            ("https://h/a\"b", "no prefix"),
            ("https://h/a\r\nb", "no prefix"),
            ("https://h/\u{e4}", "no prefix"),
        ] {
            let error = url.parse::<AppUrl>().unwrap_err().to_string();
            assert!(error.contains(why), "{url:?}: {error}");
        }
    }

    #[test]
    fn without_it_the_host_and_the_connection_say_it() {
        let headers = headers(&[("host", "registry.example.org:5000")]);
        let mut arrival = arrival(&headers);
        assert_eq!(base(None, &arrival), "http://registry.example.org:5000");
        arrival.is_tls = true;
        assert_eq!(base(None, &arrival), "https://registry.example.org:5000");
        let authority = Authority::from_static("two.example.org");
        arrival.authority = Some(&authority);
        assert_eq!(base(None, &arrival), "https://two.example.org");
    }

    #[test]
    fn a_host_that_is_none_is_not_told() {
        for host in [
            "",
            "a\"b",
            "a\\b",
            "a b",
            "u@h",
            "h/x",
            "h:",
            "h:99999",
            "h:x",
            "a,b",
            "\u{e4}",
            "[::1",
            &"a".repeat(300),
        ] {
            let expected = "http://served:8080".to_owned();
            assert_eq!(
                both(&[("host", host)]),
                (expected.clone(), expected),
                "{host:?}"
            );
        }
        assert_eq!(
            base(None, &arrival(&HeaderMap::new())),
            "http://served:8080"
        );
    }

    #[test]
    fn a_proxy_is_believed_and_a_stranger_is_not() {
        let (stranger, proxy) = both(&[
            ("host", "inner:8080"),
            ("x-forwarded-proto", "HTTPS, http"),
            ("x-forwarded-host", "outer.example.org , inner"),
            ("x-forwarded-prefix", "/registry/"),
        ]);
        assert_eq!(stranger, "http://inner:8080");
        assert_eq!(proxy, "https://outer.example.org/registry");
    }

    #[test]
    fn the_first_element_of_forwarded_is_read() {
        let line = r#"for="[2001:db8::1];x"; Proto=https;HOST="outer:8443", for=x;host=second"#;
        let (stranger, proxy) = both(&[("host", "inner"), ("forwarded", line)]);
        assert_eq!(stranger, "http://inner");
        assert_eq!(proxy, "https://outer:8443");
        let (_, proxy) = both(&[("host", "inner"), ("forwarded", r"host=\x;proto")]);
        assert_eq!(proxy, "http://inner");
        let (_, escaped) = both(&[("forwarded", r#"for="a\",b";host="\o\k""#)]);
        assert_eq!(escaped, "http://ok");
        let (_, known_first) = both(&[("x-forwarded-host", "a"), ("forwarded", "host=b")]);
        assert_eq!(known_first, "http://a");
    }

    #[test]
    fn what_a_proxy_says_that_is_no_address_is_ignored() {
        let (_, proxy) = both(&[
            ("host", "inner"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "a\"b"),
            ("x-forwarded-prefix", "/../x\""),
        ]);
        assert_eq!(proxy, "http://inner");
        let (_, proxy) = both(&[("host", "inner"), ("x-forwarded-prefix", "//evil/x")]);
        assert_eq!(proxy, "http://inner");
    }

    proptest! {
        #[test]
        fn whatever_the_headers_are_the_realm_is_an_address(
            host in "[ -~\t]{0,40}", forwarded in "[ -~]{0,60}", prefix in "[ -~]{0,20}"
        ) {
            let (stranger, proxy) = both(&[
                ("host", &host), ("forwarded", &forwarded), ("x-forwarded-prefix", &prefix),
            ]);
            for base in [stranger, proxy] {
                prop_assert!(base.parse::<AppUrl>() == Ok(AppUrl::Url(base.clone())), "{}", base);
            }
        }
    }
}
