//! `GET /v2/<name>/tags/list`: a repository's tags, page by page (end-8a, end-8b).

use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::page::{PageQuery, next_link};
use crate::response;
use floundr_engine::Repository;
use floundr_engine::name::Tag;
use floundr_engine::page::Page;
use http::{Response, header};
use serde_json::json;

/// A page in byte order, with a `Link` when more follow; with `n=0` an empty one without.
pub(super) async fn list(
    context: &Context,
    repository: &Repository,
    query: &PageQuery,
) -> Result<Response<Body>, ApiError> {
    let limits = &context.config().limits;
    let limit = query.limit(limits.page_default, limits.page_max);
    let page = Page {
        after: query.last.clone(),
        limit,
    };
    let listing = repository.tags(page).await?;
    let name = repository.name();
    let tags: Vec<&str> = listing.items.iter().map(Tag::as_str).collect();
    let mut response = response::json(json!({ "name": name.as_str(), "tags": tags }).to_string());
    if let (true, Some(last)) = (listing.more, tags.last()) {
        let link = next_link(&format!("/v2/{name}/tags/list"), limit, last, &[]);
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
