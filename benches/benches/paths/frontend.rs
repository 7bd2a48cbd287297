//! Parsing, and whole requests through the frontend's service without a socket.
//!
//! A request is made anew each time, from text, and its answer is read to the end: that is a part of
//! what is measured, as it is of what hyper does. Nobody listens to the access log.

use crate::store::{
    CREDENTIALS, MEDIA_TYPE, Operation, REPOSITORY, Store, TAGS, layer_digest, manifest, tag,
};
use bytes::Bytes;
use floundr_frontend::range::{ChunkRange, Selection};
use floundr_frontend::{Registry, Route};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use std::cell::Cell;
use std::hint::black_box;

/// The routes of a pull and a push.
pub(crate) fn route() -> Operation {
    let digest = layer_digest();
    let routes = [
        (Method::GET, format!("/v2/{REPOSITORY}/manifests/latest")),
        (Method::GET, format!("/v2/{REPOSITORY}/blobs/{digest}")),
        (Method::HEAD, format!("/v2/{REPOSITORY}/blobs/{digest}")),
        (Method::POST, format!("/v2/{REPOSITORY}/blobs/uploads/")),
        (Method::PUT, format!("/v2/{REPOSITORY}/manifests/latest")),
    ];
    Box::new(move |times| {
        for _ in 0..times {
            for (method, path) in &routes {
                let route = Route::parse(black_box(method), black_box(path), None);
                black_box(route.expect("it is a route"));
            }
        }
    })
}

/// The ranges of a pull that goes on and of a chunk.
pub(crate) fn range() -> Operation {
    Box::new(move |times| {
        for _ in 0..times {
            let part = Selection::of(black_box("bytes=1048576-2097151"), 1 << 30);
            assert_eq!(part, Selection::Part(1_048_576..2_097_152));
            let chunk = ChunkRange::parse(black_box("1048576-2097151"));
            black_box(chunk.expect("it is a range"));
        }
    })
}

/// `GET` of a manifest by tag.
pub(crate) fn get_manifest(store: &Store) -> Operation {
    let target = format!("/v2/{REPOSITORY}/manifests/{}", tag(TAGS / 2));
    let len = manifest(0).len();
    requests(store, Method::GET, target, len)
}

/// The same of a registry with accounts, by a user with a token.
pub(crate) fn get_manifest_by_token(store: &Store) -> Operation {
    let registry = store.with_accounts();
    let len = manifest(0).len();
    let token = store.wait(token(&registry));
    store.operation(async move || {
        let request = Request::get(format!("/v2/{REPOSITORY}/manifests/{}", tag(TAGS / 2)))
            .header("host", "registry.example.com")
            .header("accept", MEDIA_TYPE)
            .header("authorization", &token)
            .body(Full::default())
            .expect("it is a request");
        assert_eq!(answer(&registry, request).await, (200, len));
    })
}

/// `HEAD` of a blob that a manifest links, as a client asks before it pushes.
pub(crate) fn head_blob(store: &Store) -> Operation {
    let target = format!("/v2/{REPOSITORY}/blobs/{}", layer_digest());
    requests(store, Method::HEAD, target, 0)
}

/// `GET` of a page from the middle of many tags.
pub(crate) fn get_tags(store: &Store) -> Operation {
    let last = tag(TAGS / 2);
    let target = format!("/v2/{REPOSITORY}/tags/list?n=100&last={last}");
    let tags = 100 * format!("\"{last}\",").len() - 1;
    let around = format!(r#"{{"name":"{REPOSITORY}","tags":[]}}"#).len();
    requests(store, Method::GET, target, around + tags)
}

/// `PUT` of a new manifest under a tag that moves to it.
pub(crate) fn put_manifest(store: &Store) -> Operation {
    let registry = store.registry.clone();
    let next = Cell::new(1);
    store.operation(async move || {
        let body = manifest(next.replace(next.get() + 1));
        let request = Request::put(format!("/v2/{REPOSITORY}/manifests/latest"))
            .header("content-type", MEDIA_TYPE)
            .header("content-length", body.len());
        let request = request.body(Full::from(body)).expect("it is a request");
        assert_eq!(answer(&registry, request).await, (201, 0));
    })
}

/// Requests that are all the same, whose answers are 200 with a body of `len` bytes.
fn requests(store: &Store, method: Method, target: String, len: usize) -> Operation {
    let registry = store.registry.clone();
    store.operation(async move || {
        let request = Request::builder()
            .method(&method)
            .uri(&target)
            .header("host", "registry.example.com")
            .header("accept", MEDIA_TYPE)
            .body(Full::default())
            .expect("it is a request");
        assert_eq!(answer(&registry, request).await, (200, len));
    })
}

/// The value of `Authorization` with a token for pulling from [`REPOSITORY`].
async fn token(registry: &Registry) -> String {
    let scope = format!("/auth/token?service=floundr&scope=repository:{REPOSITORY}:pull");
    let request = Request::get(scope)
        .header("host", "registry.example.com")
        .header("authorization", CREDENTIALS)
        .body(Full::<Bytes>::default())
        .expect("it is a request");
    let body = registry.handle(request).await.into_body();
    let body = body.collect().await.expect("it is in memory").to_bytes();
    let text = std::str::from_utf8(&body).expect("it is JSON");
    let token = text
        .split_once(r#""token":""#)
        .and_then(|(_, rest)| rest.split_once('"'));
    let (token, _) = token.expect("a token was given");
    format!("Bearer {token}")
}

/// The status of the answer and the length of its body, which was read to its end.
async fn answer(registry: &Registry, request: Request<Full<Bytes>>) -> (u16, usize) {
    let (head, body) = registry.handle(request).await.into_parts();
    let body = body.collect().await.expect("the store can be read");
    (head.status.as_u16(), body.to_bytes().len())
}
