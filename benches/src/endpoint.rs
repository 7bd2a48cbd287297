//! Where a registry is, and where its `Location` headers lead.
//!
//! 1. A target is always in origin form: it starts with `/` and keeps the query the registry gave.
//! 2. Only `http` or `https` to one authority: a `Location` on another host or scheme is refused by name, never
//!    followed silently, because the figures would be of something else.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};

/// The scheme and authority of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: String,
}

/// The schemes that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

// === impl Endpoint ===

impl Endpoint {
    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `host:port`, as it goes into `Host` and to the resolver.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone, as a certificate names it: without brackets.
    pub fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Splits an absolute URL into its endpoint and its target (`/` when it has no path).
    ///
    /// # Errors
    /// When the URL is neither `http` nor `https` or its authority is malformed.
    pub fn split(url: &str) -> Result<(Self, String)> {
        let (scheme, rest) = if let Some(rest) = url.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else if let Some(rest) = url.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else {
            bail!("{url:?} is not an http:// or https:// address");
        };
        let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        let authority =
            with_port(authority, scheme.port()).with_context(|| format!("address {url:?}"))?;
        let target = without_fragment(path);
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok((Self { scheme, authority }, format!("{slash}{target}")))
    }

    /// The target that `location`, received in answer to a request for `target`, leads to.
    ///
    /// # Errors
    /// When it leads to another host or scheme.
    pub fn resolve(&self, target: &str, location: &str) -> Result<String> {
        let location = without_fragment(location);
        if let Some(rest) = location.strip_prefix("//") {
            return self.resolve(target, &format!("{}://{rest}", self.scheme));
        }
        if location.starts_with('/') {
            return Ok(location.to_owned());
        }
        let path = target.split('?').next().unwrap_or_default();
        if location.is_empty() {
            return Ok(target.to_owned());
        }
        if location.starts_with('?') {
            return Ok(format!("{path}{location}"));
        }
        if has_scheme(location) {
            let (other, target) = Self::split(location).context("unusable location")?;
            ensure!(other == *self, "location names {other}, not {self}");
            return Ok(target);
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Ok(format!("{folder}/{location}"))
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let (endpoint, target) = Self::split(url)?;
        ensure!(
            target == "/",
            "{url:?} has a path: give the address of the registry alone"
        );
        Ok(endpoint)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

// === impl Scheme ===

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// `target` with the `digest` parameter that finishes an upload, behind whatever query it has.
pub fn with_digest(target: &str, digest: &str) -> String {
    let separator = match target.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{target}{separator}digest={digest}")
}

fn with_port(authority: &str, default: u16) -> Result<String> {
    ensure!(!authority.is_empty(), "no host");
    ensure!(
        !authority.contains('@'),
        "user and password are not supported"
    );
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (_, after_host) = authority.split_at(host_end);
    let Some((_, port)) = after_host.rsplit_once(':') else {
        return Ok(format!("{}:{default}", authority.to_ascii_lowercase()));
    };
    port.parse::<u16>()
        .with_context(|| format!("port {port:?}"))?;
    Ok(authority.to_ascii_lowercase())
}

fn without_fragment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default()
}

fn has_scheme(location: &str) -> bool {
    location.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "/v2/a/b/blobs/uploads/?x=1";

    fn resolve(location: &str) -> Result<String> {
        let endpoint: Endpoint = "http://127.0.0.1:5000".parse().unwrap();
        endpoint.resolve(TARGET, location)
    }

    #[test]
    fn locations_are_resolved_in_every_form_and_keep_their_query() {
        for (location, target) in [
            ("/v2/a/b/blobs/uploads/id", "/v2/a/b/blobs/uploads/id"),
            ("/v2/u/id?_state=a%2Fb==", "/v2/u/id?_state=a%2Fb=="),
            (
                "http://127.0.0.1:5000/v2/u/id?_state=q#f",
                "/v2/u/id?_state=q",
            ),
            ("//127.0.0.1:5000/v2/u/id", "/v2/u/id"),
            (
                "id?s=http://else.where/",
                "/v2/a/b/blobs/uploads/id?s=http://else.where/",
            ),
            ("?s=2", "/v2/a/b/blobs/uploads/?s=2"),
            ("", TARGET),
        ] {
            assert_eq!(resolve(location).unwrap(), target, "{location}");
        }
    }

    #[test]
    fn locations_elsewhere_are_refused_by_name() {
        assert_eq!(
            resolve("http://other:5000/v2/").unwrap_err().to_string(),
            "location names http://other:5000, not http://127.0.0.1:5000"
        );
        assert_eq!(
            resolve("https://127.0.0.1:5000/v2/")
                .unwrap_err()
                .to_string(),
            "location names https://127.0.0.1:5000, not http://127.0.0.1:5000"
        );
        let endpoint: Endpoint = "https://127.0.0.1:5000".parse().unwrap();
        assert!(
            endpoint
                .resolve(TARGET, "http://127.0.0.1:5000/v2/")
                .is_err()
        );
        assert_eq!(
            endpoint.resolve(TARGET, "//127.0.0.1:5000/u").unwrap(),
            "/u"
        );
        assert!(resolve("http://127.0.0.1:5001/v2/").is_err());
    }

    #[test]
    fn the_digest_is_added_behind_any_query() {
        for (target, expected) in [
            ("/u/id", "/u/id?digest=sha256:ab"),
            ("/u/id?s=1", "/u/id?s=1&digest=sha256:ab"),
            ("/u/id?", "/u/id?digest=sha256:ab"),
            ("/u/id?s=1&", "/u/id?s=1&digest=sha256:ab"),
        ] {
            assert_eq!(with_digest(target, "sha256:ab"), expected);
        }
    }

    #[test]
    fn addresses_are_split_and_get_the_default_port() {
        for (url, host, authority, target) in [
            ("http://localhost:8080", "localhost", "localhost:8080", "/"),
            ("http://Localhost", "localhost", "localhost:80", "/"),
            ("https://Localhost", "localhost", "localhost:443", "/"),
            ("http://[::1]:5000/v2/", "::1", "[::1]:5000", "/v2/"),
            ("https://[::1]?q", "::1", "[::1]:443", "/?q"),
        ] {
            let (endpoint, path) = Endpoint::split(url).unwrap();
            assert_eq!((endpoint.authority(), path.as_str()), (authority, target));
            assert_eq!(endpoint.host(), host);
        }
    }

    #[test]
    fn addresses_that_cannot_be_measured_are_refused() {
        for url in [
            "ftp://x",
            "x:80",
            "http://",
            "http://x:99999",
            "http://u:p@x",
            "http://x/v2",
        ] {
            assert!(url.parse::<Endpoint>().is_err(), "{url}");
        }
    }
}
