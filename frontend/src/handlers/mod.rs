//! From a [`Route`] to its handler. Handlers are thin: parse, one engine call, one response.
//!
//! 1. Handlers do not call one another.
//! 2. Every answer of the registry says `Docker-Distribution-Api-Version` (refusals in `service`); a pull with
//!    `?ns=` hears it back as `OCI-Namespace`.
//! 3. The futures of all requests but reads of a manifest and those of the server itself are boxed: what the
//!    largest of the others takes is copied for each request.
//! 4. A handler takes the body only where the endpoint has one; what it leaves is the pipeline's.

mod base;
mod blobs;
mod catalog;
mod conditions;
mod manifests;
mod referrers;
mod tags;
mod token;
mod uploads;

use crate::access::Caller;
use crate::body::Body;
use crate::context::Context;
use crate::error::ApiError;
use crate::manage;
use crate::request::Incoming;
use crate::response::{API_VERSION, OCI_NAMESPACE};
use crate::route::{Action, Route, Scope};
use http::Response;
use http::header::HeaderValue;
use http::request::Parts;

/// Answers a request whose route is known.
///
/// # Errors
/// [`ApiError`]: the refusal.
///
/// # Cancel safety
/// As of the engine's call behind it. What an upload had delivered is kept.
pub(crate) async fn dispatch<B: Incoming>(
    context: &Context,
    caller: &Caller,
    route: &Route,
    (parts, body): (&Parts, B),
) -> Result<Response<Body>, ApiError> {
    const VERSION: HeaderValue = HeaderValue::from_static("registry/2.0");
    let mut response = answer(context, caller, route, parts, body).await?;
    let headers = response.headers_mut();
    if !matches!(route, Route::Manage(_)) {
        headers.insert(API_VERSION, VERSION);
    }
    if let Some(namespace) = namespace(route, parts) {
        headers.insert(OCI_NAMESPACE, namespace);
    }
    Ok(response)
}

async fn answer<B: Incoming>(
    context: &Context,
    caller: &Caller,
    route: &Route,
    parts: &Parts,
    mut body: B,
) -> Result<Response<Body>, ApiError> {
    let repository = |name| context.engine().repository(name);
    match route {
        Route::Base => Ok(base::base()),
        Route::TokenGet => Box::pin(token::of_query(context, parts)).await,
        Route::TokenPost => Box::pin(token::of_form(context, parts, &mut body)).await,
        Route::Health => Ok(base::health()),
        Route::Ready => base::ready(context).await,
        Route::Metrics => Ok(base::metrics(context)),
        Route::Manage(route) => {
            let route = route.clone();
            Ok(Box::pin(manage::answer_http(context, caller, route, (parts, body))).await)
        }
        Route::Catalog(page) => Box::pin(catalog::list(context, caller, page)).await,
        Route::BlobGet(name, digest) => {
            Box::pin(blobs::get(&repository(name), digest, parts)).await
        }
        Route::BlobHead(name, digest) => {
            Box::pin(blobs::head(&repository(name), digest, parts)).await
        }
        Route::BlobDelete(name, digest) => Box::pin(blobs::delete(&repository(name), digest)).await,
        Route::UploadStart(name, start) => {
            let target = uploads::Target::new(context, caller, name, start);
            Box::pin(uploads::start(context, target, parts, &mut body)).await
        }
        Route::UploadStatus(name, id) => Box::pin(uploads::status(&repository(name), id)).await,
        Route::UploadChunk(name, id) => {
            let upload = uploads::Upload::new(context, caller, name, *id);
            Box::pin(uploads::chunk(&upload, parts, &mut body)).await
        }
        Route::UploadFinish(name, id, digest) => {
            let upload = uploads::Upload::new(context, caller, name, *id);
            Box::pin(uploads::finish(&upload, digest, parts, &mut body)).await
        }
        Route::UploadCancel(name, id) => Box::pin(uploads::cancel(&repository(name), id)).await,
        Route::ManifestGet(name, reference) => {
            manifests::get(&repository(name), reference, parts).await
        }
        Route::ManifestHead(name, reference) => {
            manifests::head(&repository(name), reference, parts).await
        }
        Route::ManifestPut(name, reference, tags) => {
            let target = manifests::Target::new(context, caller, name, (reference, tags));
            Box::pin(manifests::put(context, caller, target, (parts, &mut body))).await
        }
        Route::ManifestDelete(name, reference) => {
            let repository = manifests::guarded(context, caller, name);
            Box::pin(manifests::delete(&repository, reference)).await
        }
        Route::TagsList(name, page) => Box::pin(tags::list(context, &repository(name), page)).await,
        Route::Referrers(name, query) => {
            Box::pin(referrers::list(context, &repository(name), query)).await
        }
    }
}

/// The value of `?ns=` of a pull, when it can be a header.
fn namespace(route: &Route, parts: &Parts) -> Option<HeaderValue> {
    if !matches!(route.scope(), Scope::Repository(_, Action::Pull)) {
        return None;
    }
    let query = parts.uri.query()?;
    let (_, namespace) = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "ns")?;
    HeaderValue::try_from(&*namespace).ok()
}
