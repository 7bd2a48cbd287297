//! [`Listing`]: a page of what a directory holds.

use super::super::query::Query;
use super::Problem;
use serde::Serialize;
use std::convert::Infallible;
use std::str::FromStr;
use utoipa::ToSchema;

/// A page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listing<T> {
    items: Vec<T>,
    /// The `last` of the page behind this one; null at the end.
    next: Option<String>,
}

/// What the names in a listing have to have in them. Names have no capital letters.
pub(super) struct Filter(String);

// === impl Listing ===

impl<T> Listing<T> {
    /// The first `limit` of `things`, each as it is `shown`; `position` is what the next page comes
    /// after.
    pub(super) fn of<S>(
        mut things: impl Iterator<Item = S>,
        limit: usize,
        position: impl Fn(&S) -> String,
        shown: impl FnMut(S) -> T,
    ) -> Self {
        let page: Vec<S> = things.by_ref().take(limit).collect();
        let more = things.next().is_some();
        let next = page.last().filter(|_| more).map(position);
        let items = page.into_iter().map(shown).collect();
        Self { items, next }
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    /// The same page with something else for each item.
    pub(super) fn map<U>(self, shown: impl FnMut(T) -> U) -> Listing<U> {
        Listing {
            items: self.items.into_iter().map(shown).collect(),
            next: self.next,
        }
    }
}

// === impl Filter ===

impl Filter {
    /// # Errors
    /// None: any text can be looked for.
    pub(super) fn of(query: &mut Query) -> Result<Self, Problem> {
        Ok(query.take("filter")?.unwrap_or(Self(String::new())))
    }

    /// Whether a name has it.
    pub(super) fn fits(&self, name: &str) -> bool {
        name.contains(&self.0)
    }
}

impl FromStr for Filter {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_ascii_lowercase()))
    }
}
