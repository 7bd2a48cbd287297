//! A server elsewhere, as the settings name it: [`RemoteConfig`].

use super::{Setting, Values, values};
use anyhow::Result;
use floundr_frontend::accounts::{AppUrl, ParseAppUrlError, Secret};
use http::Uri;
use std::net::IpAddr;
use std::path::PathBuf;

/// The server that commands ask when it is not the one on this machine.
#[derive(Debug)]
pub(crate) struct RemoteConfig {
    /// Its address, without a slash at the end; none: the server or store on this machine.
    pub(crate) url: Option<String>,
    /// An API key, or `user:password`.
    pub(crate) key: Option<Secret>,
    /// PEM file of the authority its certificate is from.
    pub(crate) ca_file: Option<PathBuf>,
}

pub(super) fn remote(values: &Values) -> Result<RemoteConfig> {
    Ok(RemoteConfig {
        url: values.given(Setting::Url, server_address)?,
        key: values.given(Setting::Key, values::secret)?,
        ca_file: values.path(Setting::CaFile),
    })
}

/// The address of a server; without a scheme it is HTTPS, but on this machine HTTP.
///
/// # Errors
/// What it is not.
pub(crate) fn server_address(text: &str) -> Result<String, String> {
    let parsed = text
        .parse()
        .map_err(|error: ParseAppUrlError| error.to_string())?;
    let AppUrl::Url(address) = parsed else {
        return Err("not an address such as https://registry.example.com".to_owned());
    };
    let Some(rest) = address
        .strip_prefix("http://")
        .filter(|_| !text.contains("://"))
    else {
        return Ok(address);
    };
    let uri: Option<Uri> = address.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_here = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    // A key must not go over a network in the clear because nobody said how it should.
    Ok(if is_here {
        address
    } else {
        format!("https://{rest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_is_asked_over_https_unless_one_says_otherwise() {
        for (text, address) in [
            ("localhost:8080", "http://localhost:8080"),
            ("127.0.0.1", "http://127.0.0.1"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("r.example.com/x/", "https://r.example.com/x"),
            ("192.0.2.7:8080", "https://192.0.2.7:8080"),
            ("http://r.example.com", "http://r.example.com"),
            ("https://localhost/", "https://localhost"),
        ] {
            assert_eq!(server_address(text).as_deref(), Ok(address), "{text}");
        }
    }
}
