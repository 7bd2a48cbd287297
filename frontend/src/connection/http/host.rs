//! `Host`: the one header that HTTP/1.1 demands (RFC 9112, section 3.2).
//!
//! A request that names its host twice, or not at all, is one that a proxy in front may have read
//! in another way than this server; nothing else here depends on the value.

use crate::error::{ApiError, ErrorCode};
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Version};

/// That `Host` is there once and is a host, with a port or without; HTTP/1.0 may leave it out, and
/// it may be empty.
///
/// # Errors
/// 400.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let refused = |message: String| Err(ApiError::new(ErrorCode::ParameterInvalid, message));
    let mut lines = headers.get_all(HOST).iter();
    match (lines.next(), lines.count()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => refused("header host is missing, and http/1.1 demands one".to_owned()),
        (Some(host), 0) if is_host(host) => Ok(()),
        (Some(host), 0) => refused(format!("header host is {host:?}, not a host")),
        (Some(_), more) => refused(format!("header host came {} times, not once", more + 1)),
    }
}

fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let has_user = bytes.contains(&b'@');
    bytes.is_empty() || !has_user && Authority::try_from(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(version: Version, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::try_from(*host).unwrap());
        }
        let refused = check(version, &headers).err()?;
        assert_eq!(refused.code(), ErrorCode::ParameterInvalid);
        Some(refused.message().to_owned())
    }

    #[test]
    fn one_host_is_taken() {
        for host in ["x", "localhost:8080", "127.0.0.1:1", "[::1]:8080", ""] {
            assert_eq!(refused(Version::HTTP_11, &[host]), None, "{host}");
        }
        assert_eq!(refused(Version::HTTP_10, &[]), None);
    }

    #[test]
    fn no_host_two_of_them_or_what_is_none_is_refused() {
        for (version, hosts, message) in [
            (Version::HTTP_11, vec![], "is missing"),
            (Version::HTTP_11, vec!["x", "x"], "2 times"),
            (Version::HTTP_10, vec!["x", "y", "z"], "3 times"),
            (Version::HTTP_11, vec!["a b"], "not a host"),
            (Version::HTTP_11, vec!["user@x"], "not a host"),
            (Version::HTTP_11, vec!["x/v2"], "not a host"),
        ] {
            let told = refused(version, &hosts);
            assert!(told.is_some_and(|told| told.contains(message)), "{hosts:?}");
        }
    }
}
