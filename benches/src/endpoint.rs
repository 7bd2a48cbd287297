//! Where a registry is, and where its `Location` headers lead.
//!
//! 1. A target is always in origin form: it starts with `/` and keeps the query the registry gave.
//! 2. Only plain `http` to one authority: a `Location` on another host or scheme is refused by name, never
//!    followed silently, because the figures would be of something else.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};

/// The authority of a plain-text registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    authority: String,
}

// === impl Endpoint ===

impl Endpoint {
    /// `host:port`, as it goes into `Host` and to the resolver.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Splits an absolute URL into its endpoint and its target (`/` when it has no path).
    ///
    /// # Errors
    /// When the URL is not plain `http` or its authority is malformed.
    pub fn split(url: &str) -> Result<(Self, String)> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("{url:?} is not an http:// address");
        };
        let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        let authority = with_port(authority).with_context(|| format!("address {url:?}"))?;
        let target = without_fragment(path);
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok((Self { authority }, format!("{slash}{target}")))
    }

    /// The target that `location`, received in answer to a request for `target`, leads to.
    ///
    /// # Errors
    /// When it leads to another host or scheme.
    pub fn resolve(&self, target: &str, location: &str) -> Result<String> {
        let location = without_fragment(location);
        if let Some(rest) = location.strip_prefix("//") {
            return self.resolve(target, &format!("http://{rest}"));
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
            ensure!(
                other == *self,
                "location names {}, not {}",
                other.authority,
                self.authority
            );
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
        write!(f, "http://{}", self.authority)
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

fn with_port(authority: &str) -> Result<String> {
    ensure!(!authority.is_empty(), "no host");
    ensure!(
        !authority.contains('@'),
        "user and password are not supported"
    );
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (_, after_host) = authority.split_at(host_end);
    let Some((_, port)) = after_host.rsplit_once(':') else {
        return Ok(format!("{}:80", authority.to_ascii_lowercase()));
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
            "location names other:5000, not 127.0.0.1:5000"
        );
        assert!(resolve("https://127.0.0.1:5000/v2/").is_err());
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
        for (url, authority, target) in [
            ("http://localhost:8080", "localhost:8080", "/"),
            ("http://Localhost", "localhost:80", "/"),
            ("http://[::1]:5000/v2/", "[::1]:5000", "/v2/"),
            ("http://[::1]?q", "[::1]:80", "/?q"),
        ] {
            let (endpoint, path) = Endpoint::split(url).unwrap();
            assert_eq!((endpoint.authority(), path.as_str()), (authority, target));
        }
    }

    #[test]
    fn addresses_that_cannot_be_measured_are_refused() {
        for url in [
            "https://x",
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
