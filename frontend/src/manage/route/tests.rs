//! Requests to the management API and the routes they come to.

use super::*;
use crate::manage::ProblemCode;
use floundr_engine::digest::{Algorithm, Digest};
use std::collections::BTreeSet;

/// A path of the endpoint's form.
fn sample(endpoint: &Endpoint) -> String {
    let digest = Digest::of(Algorithm::Sha256, b"").to_string();
    [
        ("{digest}", digest.as_str()),
        ("{repository}", "team%2Fapp"),
        ("{tag}", "v1"),
        ("{id}", "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
        ("{user}", "jo@example.org"),
        ("{role}", "reader"),
        ("{grant}", "7"),
        ("{key}", "0123456789abcdef"),
        ("{pattern}", "team%2F%2A%2A"),
        ("{reference}", "v1"),
    ]
    .iter()
    .fold(endpoint.path.to_owned(), |path, (form, value)| {
        path.replace(form, value)
    })
}

#[test]
fn every_endpoint_is_found_and_its_other_methods_are_refused_with_those_that_fit() {
    for endpoint in ManageRoute::all() {
        let path = sample(&endpoint);
        let method: Method = endpoint.method.parse().unwrap();
        for path in [path.clone(), format!("{path}/")] {
            let route = ManageRoute::parse(&method, &path).unwrap();
            assert_eq!(route.endpoint(), endpoint, "{path}");
            if method == Method::GET {
                let head = ManageRoute::parse(&Method::HEAD, &path).unwrap();
                assert_eq!(head, route);
            }
        }
        let refused = ManageRoute::parse(&Method::TRACE, &path).unwrap_err();
        let response = refused.into_response();
        assert_eq!(response.status(), 405);
        let allow = response.headers()["allow"].to_str().unwrap();
        let allow: BTreeSet<_> = allow.split(", ").collect();
        let same_path = ManageRoute::all().filter(|other| other.path == endpoint.path);
        let mut expected: BTreeSet<_> = same_path.map(|other| other.method).collect();
        if expected.contains("GET") {
            expected.insert("HEAD");
        }
        assert_eq!(allow, expected, "{path}");
    }
}

#[test]
fn no_two_endpoints_have_a_name_or_a_request_in_common() {
    let names: BTreeSet<_> = ManageRoute::all().map(|one| one.operation).collect();
    let requests: BTreeSet<_> = ManageRoute::all()
        .map(|one| (one.method, one.path))
        .collect();
    assert_eq!(names.len(), ManageRoute::all().count());
    assert_eq!(requests.len(), ManageRoute::all().count());
}

#[test]
fn what_stands_in_a_path_is_decoded_once_and_read() {
    let digest = Digest::of(Algorithm::Sha256, b"");
    let encoded = digest.to_string().replace(':', "%3A");
    for (path, route) in [
        (format!("/digests/{digest}"), StoreRoute::Why(digest)),
        (format!("/digests/{encoded}/"), StoreRoute::Why(digest)),
        ("/%67c".to_owned(), StoreRoute::GcStatus),
    ] {
        let path = format!("{PREFIX}{path}");
        let found = ManageRoute::parse(&Method::GET, &path).unwrap();
        assert_eq!(found, ManageRoute::Store(route), "{path}");
    }
    let twice = format!("{PREFIX}/digests/{}", encoded.replace('%', "%25"));
    let problem = ManageRoute::parse(&Method::GET, &twice).unwrap_err();
    assert_eq!(problem.code(), ProblemCode::DigestInvalid);
}

#[test]
fn what_is_no_digest_or_no_text_is_named() {
    let long = "a".repeat(5000);
    for (text, code) in [
        ("sha256:", ProblemCode::DigestInvalid),
        ("sha256:12", ProblemCode::DigestInvalid),
        ("latest", ProblemCode::DigestInvalid),
        ("%ff", ProblemCode::NameInvalid),
        ("", ProblemCode::NoEndpoint),
        (&long, ProblemCode::NameInvalid),
    ] {
        let path = format!("{PREFIX}/digests/{text}");
        let problem = ManageRoute::parse(&Method::GET, &path).unwrap_err();
        assert_eq!(problem.code(), code, "{text}");
        let told = problem.to_string();
        assert!(told.contains(text) || text.len() > 1000, "{told}");
        assert!(told.len() < 500, "{told}");
    }
}

#[test]
fn what_is_no_endpoint_is_named() {
    for path in [
        "/",
        "/api",
        "/api/v1x",
        "/api/v2/gc",
        "/v2/",
        "/api/v1/gc/x",
        "/api/v1//gc",
        "/api/v1/gc%2Fplan",
        "/api/v1/gc//",
    ] {
        let problem = ManageRoute::parse(&Method::GET, path).unwrap_err();
        assert_eq!(problem.code(), ProblemCode::NoEndpoint, "{path}");
        assert!(problem.to_string().contains(path), "{problem}");
    }
}
