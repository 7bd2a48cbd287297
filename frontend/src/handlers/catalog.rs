//! `GET /v2/_catalog`: the repositories, page by page.

use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::page::{PageQuery, next_link};
use crate::response;
use floundr_engine::name::RepositoryName;
use floundr_engine::page::Page;
use http::{Response, header};
use serde_json::json;

/// A page in byte order, with a `Link` when more follow.
pub(super) async fn list(context: &Context, query: &PageQuery) -> Result<Response<Body>, ApiError> {
    let limits = &context.config().limits;
    let limit = query.limit(limits.page_default, limits.page_max);
    let page = Page {
        after: query.last.clone(),
        limit,
    };
    let listing = context.engine().repositories(page).await?;
    let names: Vec<&str> = listing.items.iter().map(RepositoryName::as_str).collect();
    let mut response = response::json(json!({ "repositories": names }).to_string());
    if let (true, Some(last)) = (listing.more, names.last()) {
        let link = next_link("/v2/_catalog", limit, last, &[]);
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
