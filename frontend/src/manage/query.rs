//! [`Query`]: the parameters of a request. The listings of the management API have `n`, at most how
//! many items, and `last`, the `next` of the page before.
//!
//! Invariant: a parameter that the endpoint does not take, or that came twice, is refused: it was
//! meant to change the answer.

use super::{Problem, ProblemCode};
use floundr_engine::page::Page;
use std::fmt::Display;
use std::str::FromStr;
use utoipa::IntoParams;

/// Items of a page when the request names no number, and the most there are.
const USUAL: usize = 100;
const MOST: usize = 1000;

/// The parameters that were not read yet.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

/// The parameters of a page, as the OpenAPI document tells them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by name, see Query::page")]
pub(super) struct PageParameters {
    /// At most how many items: 100, and never more than 1000.
    n: Option<u64>,
    /// The `next` of the page before.
    last: Option<String>,
}

/// The parameters of a page of names, as the OpenAPI document tells them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read by name")]
pub(super) struct FilterParameters {
    /// Only what has this in its name.
    filter: Option<String>,
    /// At most how many items: 100, and never more than 1000. A page may have fewer, even none, and
    /// have a `next` all the same.
    n: Option<u64>,
    /// The `next` of the page before.
    last: Option<String>,
}

// === impl Query ===

impl Query {
    /// # Errors
    /// 400 when a parameter came twice.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(invalid(&name, "came twice"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// A parameter's value.
    ///
    /// # Errors
    /// 400 when it is none.
    pub(super) fn take<T>(&mut self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: Display>,
    {
        let Some(at) = self.0.iter().position(|(there, _)| there == name) else {
            return Ok(None);
        };
        let (_, text) = self.0.swap_remove(at);
        let value = text.parse().map_err(|error: T::Err| {
            let shown: String = text.chars().take(200).collect();
            invalid(name, &format!("is {shown:?}: {error}"))
        })?;
        Ok(Some(value))
    }

    /// The page that is asked for, with the rest of the parameters.
    ///
    /// # Errors
    /// 400 when `n` or `last` is none, or when there are others.
    pub(super) fn page<K>(mut self) -> Result<Page<K>, Problem>
    where
        K: FromStr<Err: Display>,
    {
        let after = self.take("last")?;
        let limit = self.take("n")?.unwrap_or(USUAL).clamp(1, MOST);
        self.finish()?;
        Ok(Page { after, limit })
    }

    /// # Errors
    /// 400 when there are parameters that nobody took.
    pub(super) fn finish(&self) -> Result<(), Problem> {
        match self.0.first() {
            Some((name, _)) => Err(invalid(name, "is not known here")),
            None => Ok(()),
        }
    }
}

fn invalid(name: &str, why: &str) -> Problem {
    let name: String = name.chars().take(100).collect();
    Problem::new(
        ProblemCode::ParameterInvalid,
        format!("parameter {name} {why}"),
    )
}

/// The parameters of any listing, which come as any text (see [`crate::fuzzing`]).
#[cfg(any(test, feature = "test-util"))]
pub fn fuzz(query: &str) {
    let Ok(query) = Query::parse(Some(query)) else {
        return;
    };
    if let Ok(page) = query.page::<u64>() {
        assert!((1..=MOST).contains(&page.limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page<u64>, Problem> {
        Query::parse(Some(query))?.page()
    }

    #[test]
    fn a_page_has_bounds() {
        for (query, after, limit) in [
            ("", None, USUAL),
            ("n=0", None, 1),
            ("n=7&last=3", Some(3), 7),
            ("n=5000", None, MOST),
        ] {
            assert_eq!(page(query).unwrap(), Page { after, limit }, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (query, detail) in [
            ("n=x", "parameter n is \"x\": invalid digit found in string"),
            ("n=1&n=1", "parameter n came twice"),
            (
                "last=-1",
                "parameter last is \"-1\": invalid digit found in string",
            ),
            ("limit=1", "parameter limit is not known here"),
        ] {
            let problem = page(query).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::ParameterInvalid);
            assert_eq!(problem.to_string(), detail);
        }
    }
}
