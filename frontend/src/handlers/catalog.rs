//! `GET /v2/_catalog`: the repositories that the caller may pull from, page by page.
//!
//! A page holds as many as were asked for, unless there are no more: its last name is one the caller
//! may know, since the link to the next page names it.

use crate::access::Caller;
use crate::accounts::Permission;
use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::page::{PageQuery, next_link};
use crate::response;
use floundr_engine::name::RepositoryName;
use floundr_engine::page::{Listing, Page};
use http::{Response, header};
use serde_json::json;

/// How many repositories are read at once to find those that the caller may know.
const STEP: usize = 1000;

/// A page in byte order, with a `Link` when more follow.
pub(super) async fn list(
    context: &Context,
    caller: &Caller,
    query: &PageQuery,
) -> Result<Response<Body>, ApiError> {
    let limits = &context.config().limits;
    let limit = query.limit(limits.page_default, limits.page_max);
    let listing = visible(context, caller, query.last.clone(), limit).await?;
    let names: Vec<&str> = listing.items.iter().map(RepositoryName::as_str).collect();
    let mut response = response::json(json!({ "repositories": names }).to_string());
    if let (true, Some(last)) = (listing.more, names.last()) {
        let link = next_link("/v2/_catalog", limit, last, &[]);
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The first `limit` repositories behind `after` that the caller may pull from.
async fn visible(
    context: &Context,
    caller: &Caller,
    after: Option<String>,
    limit: usize,
) -> Result<Listing<RepositoryName>, ApiError> {
    let mut found = Vec::new();
    let mut after = after;
    loop {
        let page = Page {
            after: after.take(),
            limit: STEP.max(limit),
        };
        let mut listing = context.engine().repositories(page).await?;
        after = listing.items.last().map(ToString::to_string);
        let knows = |name: &RepositoryName| caller.principal_may(name, Permission::Pull);
        listing.items.retain(knows);
        found.append(&mut listing.items);
        if found.len() > limit || !listing.more {
            let more = found.len() > limit;
            found.truncate(limit);
            return Ok(Listing { items: found, more });
        }
    }
}
