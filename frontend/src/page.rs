//! Pages of a listing: the parameters `n` and `last`, and the `Link` to the next page.
//!
//! Invariant: the link is relative (path and query), so it works behind any proxy, and it repeats
//! the parameters of the request that shape the listing. Grammar: specification, "Listing Tags";
//! RFC 8288 for `Link`.

use crate::error::{ApiError, ErrorCode};
use http::HeaderValue;
use std::borrow::Cow;

/// Which part of a listing is asked for. `last` is kept as sent: what it names need not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// At most this many entries; absent means as many as the server likes.
    pub n: Option<usize>,
    /// Only entries behind this one.
    pub last: Option<String>,
}

// === impl PageQuery ===

impl PageQuery {
    /// Takes `n` and `last` from the pairs of a decoded query.
    ///
    /// # Errors
    /// 400 when `n` is not a number of digits only, or when one of them has two values. A number
    /// beyond `usize` is the largest one.
    pub fn from_pairs(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<Self, ApiError> {
        let n = match single_value(pairs, "n")? {
            None => None,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(text.parse().unwrap_or(usize::MAX))
            }
            Some(text) => {
                let shown: String = text.chars().take(100).collect();
                return Err(ApiError::new(
                    ErrorCode::ParameterInvalid,
                    format!("parameter n is {shown:?}, not a number"),
                ));
            }
        };
        let last = single_value(pairs, "last")?;
        Ok(Self {
            n,
            last: last.map(str::to_owned),
        })
    }

    /// How many entries to answer with: `default` when the client names no number, never more
    /// than `max`.
    pub fn limit(&self, default: usize, max: usize) -> usize {
        self.n.unwrap_or(default).min(max)
    }
}

/// The value of a parameter that may have one; an empty one counts as not sent.
///
/// # Errors
/// 400 when it is there twice with different values: a proxy or a client's library may have meant
/// either. The same value again says nothing new.
pub(crate) fn single_value<'a>(
    pairs: &'a [(Cow<'_, str>, Cow<'_, str>)],
    name: &str,
) -> Result<Option<&'a str>, ApiError> {
    let mut values = pairs
        .iter()
        .filter(|(key, _)| key == name)
        .map(|(_, v)| &**v);
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if let Some(other) = values.find(|&other| other != first) {
        let shown = |text: &str| text.chars().take(100).collect::<String>();
        let (first, other) = (shown(first), shown(other));
        return Err(ApiError::new(
            ErrorCode::ParameterInvalid,
            format!("parameter {name} came twice, as {first:?} and as {other:?}"),
        ));
    }
    Ok(Some(first).filter(|value| !value.is_empty()))
}

/// The value of `Link` for the page behind `last`: `<path?n=..&last=..>; rel="next"`.
///
/// `extra` are parameters to repeat, such as a filter.
pub fn next_link(path: &str, n: usize, last: &str, extra: &[(&str, &str)]) -> HeaderValue {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in extra {
        query.append_pair(name, value);
    }
    query.append_pair("n", &n.to_string());
    query.append_pair("last", last);
    HeaderValue::try_from(format!("<{path}?{}>; rel=\"next\"", query.finish()))
        .expect("an encoded query and a path of a route are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<PageQuery, ApiError> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        PageQuery::from_pairs(&pairs)
    }

    #[test]
    fn parameters_are_optional() {
        let page = |n, last: Option<&str>| PageQuery {
            n,
            last: last.map(str::to_owned),
        };
        for (query, expected) in [
            ("", page(None, None)),
            ("n=&last=", page(None, None)),
            ("n=0", page(Some(0), None)),
            ("n=5&last=a%2Fb", page(Some(5), Some("a/b"))),
            ("last=x&n=7&n=7", page(Some(7), Some("x"))),
            ("n=99999999999999999999999", page(Some(usize::MAX), None)),
        ] {
            assert_eq!(read(query).unwrap(), expected, "{query:?}");
        }
        for bad in [
            "n=-1",
            "n=x",
            "n=1.5",
            "n=+1",
            "n=%00",
            "n=7&n=8",
            "n=&n=8",
            "last=a&last=b",
        ] {
            let refused = read(bad).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::ParameterInvalid, "{bad:?}");
        }
    }

    #[test]
    fn a_page_is_never_longer_than_the_limit() {
        for (query, expected) in [
            ("", 10),
            ("n=0", 0),
            ("n=7", 7),
            ("n=70", 70),
            ("n=700", 100),
        ] {
            assert_eq!(read(query).unwrap().limit(10, 100), expected, "{query}");
        }
    }

    #[test]
    fn the_next_link_is_relative_and_escaped() {
        assert_eq!(
            next_link("/v2/a/b/tags/list", 2, "v1", &[]),
            "</v2/a/b/tags/list?n=2&last=v1>; rel=\"next\""
        );
        assert_eq!(
            next_link(
                "/v2/a/referrers/x",
                2,
                "sha256:0",
                &[("artifactType", "a/b+c")]
            ),
            "</v2/a/referrers/x?artifactType=a%2Fb%2Bc&n=2&last=sha256%3A0>; rel=\"next\""
        );
    }
}
