//! Requests and the routes they come to, as tables.

use super::*;
use crate::error::{ApiError, ErrorCode};
use http::Method;
use proptest::prelude::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ID: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6.01000000000000004d\
                  00112233445566778899aabbccddeeff";

fn parse(request: &str) -> Result<Route, ApiError> {
    let (method, target) = request.split_once(' ').unwrap();
    let target = target.replace("<d>", D).replace("<id>", ID);
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target.as_str(), None),
    };
    Route::parse(&method.parse().unwrap(), path, query)
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn digest() -> Digest {
    D.parse().unwrap()
}

#[test]
fn every_endpoint_has_its_route() {
    for (request, route) in [
        ("GET /v2/", Route::Base),
        ("HEAD /v2/", Route::Base),
        ("GET /v2", Route::Base),
        ("GET /health", Route::Health),
        ("GET /ready", Route::Ready),
        ("GET /metrics", Route::Metrics),
        ("GET /v2/_catalog", Route::Catalog(PageQuery::default())),
        (
            "GET /v2/a/b/blobs/<d>",
            Route::BlobGet(name("a/b"), digest()),
        ),
        ("HEAD /v2/a/blobs/<d>", Route::BlobHead(name("a"), digest())),
        (
            "DELETE /v2/a/blobs/<d>",
            Route::BlobDelete(name("a"), digest()),
        ),
    ] {
        assert_eq!(parse(request).unwrap(), route, "{request}");
    }
}

#[test]
fn every_request_of_a_push_has_its_route() {
    let id: UploadId = ID.parse().unwrap();
    let tag = |text: &str| Reference::Tag(text.parse().unwrap());
    let by_digest = Reference::Digest(digest());
    for (request, route) in [
        (
            "GET /v2/a/blobs/uploads/<id>",
            Route::UploadStatus(name("a"), id),
        ),
        (
            "PATCH /v2/a/blobs/uploads/<id>",
            Route::UploadChunk(name("a"), id),
        ),
        (
            "DELETE /v2/a/blobs/uploads/<id>",
            Route::UploadCancel(name("a"), id),
        ),
        (
            "PUT /v2/a/blobs/uploads/<id>?x=y&digest=<d>",
            Route::UploadFinish(name("a"), id, digest()),
        ),
        (
            "GET /v2/a/manifests/v1",
            Route::ManifestGet(name("a"), tag("v1")),
        ),
        (
            "HEAD /v2/a/manifests/<d>",
            Route::ManifestHead(name("a"), by_digest.clone()),
        ),
        (
            "DELETE /v2/a/manifests/v1",
            Route::ManifestDelete(name("a"), tag("v1")),
        ),
        (
            "PUT /v2/a/manifests/v1",
            Route::ManifestPut(name("a"), tag("v1"), vec![]),
        ),
        (
            "PUT /v2/a/manifests/<d>?tag=x&tag=y.1",
            Route::ManifestPut(
                name("a"),
                by_digest,
                vec!["x".parse().unwrap(), "y.1".parse().unwrap()],
            ),
        ),
        (
            "GET /v2/a/tags/list",
            Route::TagsList(name("a"), PageQuery::default()),
        ),
    ] {
        assert_eq!(parse(request).unwrap(), route, "{request}");
    }
}

#[test]
fn an_upload_starts_with_or_without_the_trailing_slash_and_with_parameters() {
    let start = |request: &str| match parse(request).unwrap() {
        Route::UploadStart(name, start) if name.as_str() == "a/b" => start,
        other => panic!("{request}: {other:?}"),
    };
    let mount = |from: Option<&str>| UploadStart {
        mount: Some(Mount {
            digest: digest(),
            from: from.map(name),
        }),
        ..UploadStart::default()
    };
    let plain = UploadStart::default();
    for (query, expected) in [
        ("", plain.clone()),
        ("?mount=<d>&from=c/d", mount(Some("c/d"))),
        ("?mount=<d>&from=c/d&origin=x", mount(Some("c/d"))),
        ("?mount=<d>", mount(None)),
        ("?mount=<d>&from=", mount(None)),
        ("?mount=<d>&from=NOT+A+NAME", plain.clone()),
        ("?mount=nonsense&from=c", plain.clone()),
        ("?from=c", plain.clone()),
        (
            "?digest=<d>",
            UploadStart {
                digest: Some(digest()),
                ..plain.clone()
            },
        ),
        (
            "?digest-algorithm=sha512",
            UploadStart {
                algorithm: Some(Algorithm::Sha512),
                ..plain
            },
        ),
    ] {
        for slash in ["", "/"] {
            let request = format!("POST /v2/a/b/blobs/uploads{slash}{query}");
            assert_eq!(start(&request), expected, "{request}");
        }
    }
}

#[test]
fn repositories_may_be_called_like_endpoints() {
    for (request, repository) in [
        ("GET /v2/blobs/manifests/x", "blobs"),
        ("GET /v2/manifests/manifests/manifests", "manifests"),
        ("GET /v2/tags/list/tags/list", "tags/list"),
        ("GET /v2/tags/tags/list", "tags"),
        ("GET /v2/a/tags/manifests/list", "a/tags"),
        ("GET /v2/a/blobs/uploads/manifests/x", "a/blobs/uploads"),
        ("GET /v2/a/blobs/uploads/blobs/<d>", "a/blobs/uploads"),
        ("POST /v2/a/manifests/blobs/uploads/", "a/manifests"),
        (
            "PATCH /v2/blobs/uploads/blobs/uploads/<id>",
            "blobs/uploads",
        ),
        ("GET /v2/referrers/referrers/<d>", "referrers"),
        ("GET /v2/v2/tags/list", "v2"),
    ] {
        let route = parse(request).unwrap_or_else(|error| panic!("{request}: {error}"));
        assert_eq!(
            route.repository().unwrap().as_str(),
            repository,
            "{request}"
        );
    }
}

#[test]
fn encoded_segments_mean_what_they_decode_to() {
    let encoded = D.replace(':', "%3A");
    let request = format!("GET /v2/%61/b/blobs/{encoded}");
    assert_eq!(
        parse(&request).unwrap(),
        Route::BlobGet(name("a/b"), digest())
    );
}

#[test]
fn names_outside_the_grammar_and_path_tricks_are_refused() {
    let long = format!("GET /v2/{}/tags/list", "a".repeat(10_240));
    let too_long = format!("GET /v2/{}/tags/list", "a".repeat(256));
    for request in [
        "GET /v2/../tags/list",
        "GET /v2/a/../b/tags/list",
        "GET /v2/%2e%2e%2fetc/tags/list",
        "GET /v2/%2e%2e/tags/list",
        "GET /v2/a%2fb/tags/list",
        "GET /v2/a%00b/tags/list",
        "GET /v2/a%ff/tags/list",
        "GET /v2/A/tags/list",
        "GET /v2/a//b/tags/list",
        "GET /v2//tags/list",
        "GET /v2/tags/list",
        "GET /v2/a__-b/manifests/x",
        "POST /v2/UPPER/blobs/uploads/",
        &long,
        &too_long,
    ] {
        assert_eq!(
            parse(request).unwrap_err().code(),
            ErrorCode::NameInvalid,
            "{request}"
        );
    }
}

#[test]
fn digests_tags_and_ids_outside_their_grammar_are_refused() {
    let long_tag = format!("GET /v2/a/manifests/{}", "t".repeat(129));
    let upper = format!("GET /v2/a/blobs/{}", D.to_uppercase());
    for (request, code) in [
        ("GET /v2/a/blobs/sha256:00", ErrorCode::DigestInvalid),
        ("GET /v2/a/blobs/md5:00", ErrorCode::DigestInvalid),
        ("GET /v2/a/blobs/latest", ErrorCode::DigestInvalid),
        (upper.as_str(), ErrorCode::DigestInvalid),
        ("GET /v2/a/blobs/", ErrorCode::DigestInvalid),
        ("GET /v2/a/referrers/latest", ErrorCode::DigestInvalid),
        (
            "GET /v2/a/manifests/sha256:baddigeststring",
            ErrorCode::DigestInvalid,
        ),
        ("GET /v2/a/manifests/.x", ErrorCode::TagInvalid),
        ("GET /v2/a/manifests/", ErrorCode::TagInvalid),
        (&long_tag, ErrorCode::TagInvalid),
        ("PUT /v2/a/manifests/<d>?tag=a%20b", ErrorCode::TagInvalid),
        ("PUT /v2/a/manifests/<d>?tag=", ErrorCode::TagInvalid),
        ("GET /v2/a/blobs/uploads/", ErrorCode::MethodNotAllowed),
        (
            "PATCH /v2/a/blobs/uploads/nonsense",
            ErrorCode::BlobUploadUnknown,
        ),
        ("PUT /v2/a/blobs/uploads/<id>", ErrorCode::DigestInvalid),
        (
            "PUT /v2/a/blobs/uploads/<id>?digest=sha256:0",
            ErrorCode::DigestInvalid,
        ),
        (
            "POST /v2/a/blobs/uploads/?digest=x",
            ErrorCode::DigestInvalid,
        ),
        (
            "POST /v2/a/blobs/uploads/?digest-algorithm=md5",
            ErrorCode::DigestInvalid,
        ),
        ("GET /v2/a/tags/list?n=-1", ErrorCode::ParameterInvalid),
        ("GET /v2/a/referrers/<d>?last=x", ErrorCode::DigestInvalid),
    ] {
        assert_eq!(parse(request).unwrap_err().code(), code, "{request}");
    }
    let tags = "&tag=x".repeat(101);
    let error = parse(&format!("PUT /v2/a/manifests/<d>?{tags}")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ParameterInvalid);
}

#[test]
fn other_methods_are_told_the_right_ones_and_other_paths_are_unknown() {
    for (request, allow) in [
        ("POST /v2/", "GET, HEAD"),
        ("DELETE /v2/_catalog", "GET, HEAD"),
        ("PUT /v2/a/blobs/<d>", "GET, HEAD, DELETE"),
        ("GET /v2/a/blobs/uploads", "POST"),
        ("POST /v2/a/manifests/x", "GET, HEAD, PUT, DELETE"),
        (
            "POST /v2/a/blobs/uploads/<id>",
            "GET, HEAD, PATCH, PUT, DELETE",
        ),
        ("POST /metrics", "GET, HEAD"),
    ] {
        let error = parse(request).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MethodNotAllowed, "{request}");
        let mut headers = http::HeaderMap::new();
        error.extend_headers(&mut headers);
        assert_eq!(headers["allow"], allow, "{request}");
    }
    for request in [
        "GET /",
        "GET /v1/",
        "GET /v2/a",
        "GET /v2/a/tags",
        "GET /v2/a/tags/list/",
        "GET /v22",
    ] {
        assert_eq!(
            parse(request).unwrap_err().code(),
            ErrorCode::EndpointUnknown,
            "{request}"
        );
    }
}

#[test]
fn referrers_take_a_filter_and_a_page() {
    let request = "GET /v2/a/referrers/<d>?artifactType=application/vnd.x+json&n=3&last=<d>";
    let Route::Referrers(_, query) = parse(request).unwrap() else {
        panic!("not a referrers route")
    };
    assert_eq!(
        query.artifact_type.as_deref(),
        Some("application/vnd.x+json")
    );
    assert_eq!((query.after, query.page.n), (Some(digest()), Some(3)));
}

#[test]
fn scopes_name_the_repository_and_what_is_done_to_it() {
    for (request, expected) in [
        (
            "GET /v2/a/blobs/<d>",
            Scope::Repository(&name("a"), Action::Pull),
        ),
        (
            "POST /v2/a/blobs/uploads/",
            Scope::Repository(&name("a"), Action::Push),
        ),
        (
            "DELETE /v2/a/manifests/x",
            Scope::Repository(&name("a"), Action::Delete),
        ),
        ("GET /v2/_catalog", Scope::Catalog),
        ("GET /v2/", Scope::Registry),
        ("GET /health", Scope::Open),
        ("GET /metrics", Scope::Metrics),
    ] {
        assert_eq!(parse(request).unwrap().scope(), expected, "{request}");
    }
}

proptest! {
    #[test]
    fn no_path_makes_it_panic(path in "(/v2)?(/?(blobs|uploads|manifests|tags|list|referrers|[a-z%0-9.:]{0,6}))*", query in ".{0,30}") {
        for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            let _parsed = Route::parse(&method, &path, Some(&query));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(path in ".{0,60}", query in ".{0,30}") {
        let _parsed = Route::parse(&Method::GET, &path, Some(&query));
    }
}
