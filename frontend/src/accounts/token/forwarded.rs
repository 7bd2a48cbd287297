//! What a proxy says of a request: `Forwarded` (RFC 7239) and the `X-Forwarded-*` that came before it.
//!
//! Who may be believed is the caller's business: [`super::proxies`].

use http::header::{FORWARDED, HeaderMap, HeaderName};
use std::mem;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What is said, as text that was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saying {
    /// The scheme of the client's request.
    Scheme,
    /// The host, with a port or without, that the client asked.
    Host,
    /// The path that the proxy took away.
    Prefix,
    /// The client's address. What a proxy adds stands at the end.
    Client,
}

// === impl Saying ===

impl Saying {
    /// What the first proxy says.
    pub(super) fn first(self, headers: &HeaderMap) -> Option<String> {
        self.all(headers).into_iter().next()?
    }

    /// What every proxy says, in their order: nothing for one that leaves it out. Where the older
    /// header is there, `Forwarded` is not read.
    pub(super) fn all(self, headers: &HeaderMap) -> Vec<Option<String>> {
        let (old, parameter) = self.names();
        if headers.contains_key(&old) {
            let elements = elements(headers, &old).into_iter();
            return elements.map(|one| Some(one.trim().to_owned())).collect();
        }
        let elements = elements(headers, &FORWARDED).into_iter();
        elements.map(|one| parameter_of(one, parameter?)).collect()
    }

    /// The older header, and the parameter of `Forwarded` if it has one.
    const fn names(self) -> (HeaderName, Option<&'static str>) {
        match self {
            Self::Scheme => (X_FORWARDED_PROTO, Some("proto")),
            Self::Host => (X_FORWARDED_HOST, Some("host")),
            Self::Prefix => (X_FORWARDED_PREFIX, None),
            Self::Client => (X_FORWARDED_FOR, Some("for")),
        }
    }
}

/// The elements of all lines of a header; of a line that is no text, one that says nothing.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name).into_iter();
    let lines = lines.map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| outside_quotes(line, ',')).collect()
}

/// A parameter of an element of `Forwarded` (RFC 7239, section 4).
fn parameter_of(element: &str, wanted: &str) -> Option<String> {
    let pairs = outside_quotes(element, ';').into_iter();
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    let value = value.trim();
    let quoted = value.strip_prefix('"');
    let Some(quoted) = quoted.and_then(|rest| rest.strip_suffix('"')) else {
        return Some(value.to_owned());
    };
    let mut characters = quoted.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    Some(plain)
}

/// The parts of a text between `separator`, where that is in no quoted string.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let split = text.split(move |character: char| {
        let was_escaped = mem::take(&mut escaped);
        match character {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            _ => return !quoted && character == separator,
        }
        false
    });
    split.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn all(what: Saying, lines: &[(&'static str, &str)]) -> Vec<Option<String>> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        assert_eq!(
            what.first(&headers),
            what.all(&headers).into_iter().next().flatten()
        );
        what.all(&headers)
    }

    fn texts(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn every_element_of_every_line_is_read_in_order() {
        let lines = [
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
            ("x-forwarded-for", "3.3.3.3"),
        ];
        let expected = texts(&["1.1.1.1", "2.2.2.2", "3.3.3.3"]);
        assert_eq!(all(Saying::Client, &lines), expected);
        let lines = [
            ("forwarded", "for=1.1.1.1;by=x, proto=http"),
            ("forwarded", "For=\"[::1]\""),
        ];
        let expected = [texts(&["1.1.1.1"]), vec![None], texts(&["[::1]"])].concat();
        assert_eq!(all(Saying::Client, &lines), expected);
        assert_eq!(all(Saying::Client, &[]), []);
    }

    #[test]
    fn separators_in_a_quoted_string_separate_nothing() {
        let line = r#"for="a\",b;c\\";host="\o\k", host=second"#;
        assert_eq!(
            all(Saying::Client, &[("forwarded", line)])[0].as_deref(),
            Some(r#"a",b;c\"#)
        );
        assert_eq!(
            all(Saying::Host, &[("forwarded", line)]),
            texts(&["ok", "second"])
        );
    }

    #[test]
    fn the_older_header_comes_first_and_a_prefix_is_in_no_other() {
        let lines = [
            ("x-forwarded-host", "a"),
            ("forwarded", "host=b;proto=https;prefix=/p"),
        ];
        assert_eq!(all(Saying::Host, &lines), texts(&["a"]));
        assert_eq!(all(Saying::Scheme, &lines), texts(&["https"]));
        assert_eq!(all(Saying::Prefix, &lines), [None]);
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in "[ -~\u{e4}]{0,60}") {
            prop_assert!(!all(Saying::Host, &[("forwarded", &line)]).is_empty());
        }
    }
}
