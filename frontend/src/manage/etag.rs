//! Entity tags of what can be changed, and `If-Match`, which makes a change only to what its caller
//! has seen.
//!
//! Invariants:
//! 1. A tag follows from what a change changes, and from nothing else: figures that move by
//!    themselves, such as the time of the last pull, are no reason to refuse one.
//! 2. Tags are strong. `If-Match` that cannot be read is refused, never ignored.

use super::{Answer, Problem, ProblemCode, json};
use floundr_engine::digest::Digest;
use http::header::{ETAG, HeaderMap, HeaderValue, IF_MATCH};
use http::{Response, StatusCode};
use serde::Serialize;
use utoipa::IntoParams;

/// The version of something, as it stands between the quotes of an `ETag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntityTag(String);

/// The versions of which one must be there for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Nothing was demanded.
    Always,
    /// `*`: there must be one.
    Present,
    /// One of these. Weak tags match nothing (RFC 9110, section 13.1.1), and are left out.
    OneOf(Vec<String>),
}

/// The header of a change, as the OpenAPI document tells it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by name, see IfMatch::of")]
pub(super) struct Condition {
    /// The `ETag` of what is to be changed: it is left alone when it has another one by now.
    #[param(rename = "if-match")]
    if_match: Option<String>,
}

/// One of the tags that `If-Match` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Listed {
    Any,
    Strong(String),
    /// Matches nothing, see [`IfMatch::OneOf`].
    Weak,
}

// === impl EntityTag ===

impl EntityTag {
    /// The tag of a thing that counts its versions itself.
    pub(super) fn version(version: u64) -> Self {
        Self(version.to_string())
    }

    /// The tag of what a digest names.
    pub(super) fn digest(digest: &Digest) -> Self {
        Self(digest.to_string())
    }

    fn extend<B>(&self, response: &mut Response<B>) {
        let value = format!("\"{}\"", self.0);
        let value = HeaderValue::try_from(value).expect("digits and digests are a header value");
        response.headers_mut().insert(ETAG, value);
    }
}

/// An answer about a thing of this version.
pub(super) fn tagged(status: StatusCode, answer: &impl Serialize, tag: &EntityTag) -> Answer {
    let mut response = json(status, answer)?;
    tag.extend(&mut response);
    Ok(response)
}

// === impl IfMatch ===

impl IfMatch {
    /// # Errors
    /// 400 when it is not a list of entity tags.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let refused = |line: &HeaderValue| {
            let detail = format!("if-match {line:?} is no list of entity tags");
            Problem::new(ProblemCode::HeaderInvalid, detail)
        };
        let mut tags = Vec::new();
        for line in headers.get_all(IF_MATCH) {
            let text = line.to_str().ok().ok_or_else(|| refused(line))?;
            let read: Option<Vec<_>> = listed(text).map(|tag| Listed::of(tag.trim())).collect();
            tags.extend(read.ok_or_else(|| refused(line))?);
        }
        if tags.is_empty() {
            return Ok(Self::Always);
        }
        if tags.contains(&Listed::Any) {
            return Ok(Self::Present);
        }
        let strong = tags.into_iter().filter_map(|tag| match tag {
            Listed::Strong(tag) => Some(tag),
            Listed::Any | Listed::Weak => None,
        });
        Ok(Self::OneOf(strong.collect()))
    }

    /// Lets a change through that was meant for what is there: `current`, none when there is
    /// nothing.
    ///
    /// # Errors
    /// 412.
    pub(super) fn demand(&self, current: Option<&EntityTag>) -> Result<(), Problem> {
        let holds = match (self, current) {
            (Self::Always, _) | (Self::Present, Some(_)) => true,
            (Self::OneOf(tags), Some(current)) => tags.contains(&current.0),
            (Self::Present | Self::OneOf(_), None) => false,
        };
        if holds {
            return Ok(());
        }
        let detail = match current {
            Some(current) => format!("its entity tag is \"{}\" by now", current.0),
            None => "there is none".to_owned(),
        };
        Err(Problem::new(ProblemCode::Precondition, detail))
    }
}

/// The members of a list. A comma may stand between the quotes of an entity tag, too.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    })
}

// === impl Listed ===

impl Listed {
    fn of(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let strong = text.strip_prefix("W/").unwrap_or(text);
        let tag = strong.strip_prefix('"')?.strip_suffix('"')?;
        Some(if strong.len() == text.len() {
            Self::Strong(tag.to_owned())
        } else {
            Self::Weak
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(lines: &[&'static str]) -> Result<IfMatch, Problem> {
        let lines = lines.iter().map(|line| HeaderValue::from_static(line));
        IfMatch::of(&lines.map(|line| (IF_MATCH, line)).collect())
    }

    #[test]
    fn a_comma_in_an_entity_tag_ends_none() {
        let tags = ["a,b", "c"].map(str::to_owned).to_vec();
        assert_eq!(
            if_match(&[r#""a,b", W/"d,", "c""#]),
            Ok(IfMatch::OneOf(tags))
        );
    }

    #[test]
    fn a_change_is_made_to_the_version_its_caller_has_seen_and_to_no_other() {
        let tag = EntityTag::version(1);
        let other = EntityTag::version(2);
        assert_ne!(tag, other);
        let seen = IfMatch::OneOf(vec!["x".to_owned(), tag.0.clone()]);
        seen.demand(Some(&tag)).unwrap();
        for refused in [seen.demand(Some(&other)), seen.demand(None)] {
            assert_eq!(refused.unwrap_err().code(), ProblemCode::Precondition);
        }
        IfMatch::Present.demand(Some(&tag)).unwrap();
        assert!(IfMatch::Present.demand(None).is_err());
        IfMatch::Always.demand(None).unwrap();
    }

    #[test]
    fn an_answer_shows_the_tag_that_if_match_takes() {
        let tag = EntityTag::version(3);
        let response = tagged(StatusCode::OK, &"a", &tag).unwrap();
        let shown = response.headers()[ETAG].clone();
        let sent = IfMatch::of(&[(IF_MATCH, shown)].into_iter().collect()).unwrap();
        sent.demand(Some(&tag)).unwrap();
    }

    #[test]
    fn tags_come_in_lists_and_what_is_none_is_refused() {
        let of = |tags: &[&str]| IfMatch::OneOf(tags.iter().map(ToString::to_string).collect());
        assert_eq!(if_match(&[]).unwrap(), IfMatch::Always);
        assert_eq!(if_match(&["\"a\", *"]).unwrap(), IfMatch::Present);
        assert_eq!(
            if_match(&["\"a\", \"b\"", "\"c\""]).unwrap(),
            of(&["a", "b", "c"])
        );
        assert_eq!(if_match(&["W/\"a\""]).unwrap(), of(&[]));
        for bad in ["", "a", "\"a", "\"a\",", "'a'"] {
            let problem = if_match(&[bad]).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::HeaderInvalid, "{bad}");
        }
    }
}
