//! Bad input as bytes on a socket: heads that are none, lengths, floods, tricks, bodies. Each is
//! refused with the specification's code, an id and one access line, and leaves no trace.
//!
//! When it is said, and to whom, is in `refusals`.

use crate::bad_input::trace;
use crate::registry::{OCI_MANIFEST, image, sha256};
use crate::wire::{Wire, http};

/// What is sent, what it is refused with, and a part of the message.
type Case = (Vec<u8>, u16, &'static str, &'static str);

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

fn case(line: &str, headers: &str, refused: (u16, &'static str, &'static str)) -> Case {
    let (status, code, message) = refused;
    (http(line, headers, ""), status, code, message)
}

fn raw(request: &[u8], refused: (u16, &'static str, &'static str)) -> Case {
    let (status, code, message) = refused;
    (request.to_vec(), status, code, message)
}

/// All of them are refused as they say, and nothing but the refusals is left behind.
async fn check(wire: &Wire, cases: Vec<Case>) {
    let before = trace(&wire.registry).await;
    for (request, status, code, message) in cases {
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        let answer = wire.refuses(&request, status, code).await;
        let told = answer.message();
        assert!(told.contains(message), "{told:?} for {shown:?}");
    }
    wire.registry.engine.collect().await.unwrap();
    assert_eq!(trace(&wire.registry).await, before);
}

async fn with_image() -> Wire {
    Wire::with_image(|config| config.limits.header_bytes = 16 * 1024).await
}

#[tokio::test]
async fn heads_that_are_none_are_refused() {
    let unsupported = |message| (400, "UNSUPPORTED", message);
    let get = "GET /v2/";
    let cases = vec![
        raw(b"nonsense\r\n\r\n", unsupported("cannot be read")),
        raw(b"GET\r\n\r\n", unsupported("cannot be read")),
        raw(b"\r\n\r\n(x) / HTTP/1.1\r\n\r\n", unsupported("method")),
        raw(b"\x00\x01\x02\x03\r\n\r\n", unsupported("method")),
        raw(
            b"GET /v2/ HTTP/9.9\r\nhost: x\r\n\r\n",
            unsupported("version"),
        ),
        raw(b"GET /v2/\r\n\r\n", unsupported("cannot be read")),
        raw(b"GET /v2/ HTTQ/1.1\r\n\r\n", unsupported("version")),
        raw(
            b"GET /v2/a\0b/tags/list HTTP/1.1\r\nhost: x\r\n\r\n",
            unsupported("URI"),
        ),
        raw(
            b"GET /v2/a b/tags/list HTTP/1.1\r\nhost: x\r\n\r\n",
            unsupported("version"),
        ),
        raw(
            b"GET /v2/\x7f HTTP/1.1\r\nhost: x\r\n\r\n",
            unsupported("URI"),
        ),
        raw(b"GET \\etc HTTP/1.1\r\nhost: x\r\n\r\n", unsupported("URI")),
        case(get, "no colon\r\n", unsupported("header")),
        case(get, "spaced : x\r\n", unsupported("header")),
        case(get, "a: b\r\n folded\r\n", unsupported("header")),
        case(get, "a: \0\r\n", unsupported("header")),
        case(get, ": nameless\r\n", unsupported("header")),
        case(get, "host: y\r\n", unsupported("host came 2 times")),
        raw(b"GET /v2/ HTTP/1.1\r\n\r\n", unsupported("host is missing")),
        raw(
            b"GET /v2/ HTTP/1.1\r\nhost: a b\r\n\r\n",
            unsupported("not a host"),
        ),
        raw(
            b"GET /v2/ HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n",
            unsupported("2 times"),
        ),
        case(
            "POST /v2/",
            "transfer-encoding: gzip\r\n",
            unsupported("transfer-encoding"),
        ),
        raw(
            b"POST /v2/ HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
            unsupported("transfer-encoding"),
        ),
        raw(b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", unsupported("version")),
    ];
    check(&with_image().await, cases).await;
}

#[tokio::test]
async fn lengths_that_are_none_are_refused() {
    let size = |message| (400, "SIZE_INVALID", message);
    let put = "PUT /v2/a/manifests/bad";
    let post = format!("POST /v2/a/blobs/uploads/?digest={}", sha256(b"x"));
    let mut cases = Vec::new();
    for length in ["-1", "+5", "5 6", "5, 6", "0x5", "", "18446744073709551616"] {
        for line in [put, &post] {
            let header = format!("content-length: {length}\r\n");
            cases.push(case(
                line,
                &header,
                size("content-length is not one number"),
            ));
        }
    }
    let twice = "content-length: 5\r\ncontent-length: 6\r\n";
    cases.push(case(put, twice, size("content-length is not one number")));
    let above = (
        413,
        "SIZE_INVALID",
        "content-length is above 18446744073709551613",
    );
    for line in [put, &post] {
        for length in [u64::MAX, u64::MAX - 1] {
            cases.push(case(line, &format!("content-length: {length}\r\n"), above));
        }
    }
    let large = (413, "MANIFEST_INVALID", "4194304");
    for length in [u64::MAX - 2, 1 << 63, 4 * 1024 * 1024 + 1] {
        cases.push(case(put, &format!("content-length: {length}\r\n"), large));
    }
    for chunks in [
        "z\r\n",
        "fffffffffffffffff\r\nx",
        "-1\r\nx",
        "2\r\nabcd\r\n",
    ] {
        let request = http(put, "transfer-encoding: chunked\r\n", chunks);
        cases.push((request, 400, "SIZE_INVALID", "not whole"));
    }
    // The chunks count alone, and the connection ends behind them (RFC 9112, section 6.3).
    let both = "content-length: 9\r\ntransfer-encoding: chunked\r\n";
    let request = http(put, both, "0\r\n\r\nGET /v2/ HTTP/1.1\r\n");
    cases.push((request, 400, "MANIFEST_INVALID", "not a manifest"));
    check(&with_image().await, cases).await;
}

#[tokio::test]
async fn floods_are_refused() {
    let lines = "a: b\r\n".repeat(200);
    let bytes = format!("a: {}\r\n", "x".repeat(4 * 1024 * 1024));
    let target = format!("GET /v2/{}", "a".repeat(70_000));
    let method = "M".repeat(70_000);
    let cases = vec![
        case("GET /v2/", &lines, (431, "UNSUPPORTED", "the limit is 100")),
        case(
            "GET /v2/",
            &bytes,
            (431, "UNSUPPORTED", "the limit is 16384"),
        ),
        case(&target, "", (414, "UNSUPPORTED", "up to 16384 bytes")),
        case(&method, "", (414, "UNSUPPORTED", "up to 16384 bytes")),
    ];
    check(&with_image().await, cases).await;
}

#[tokio::test]
async fn paths_that_are_tricks_are_refused() {
    let name = |message| (400, "NAME_INVALID", message);
    let long = format!("GET /v2/{}/tags/list", "a".repeat(10_240));
    let mut cases = vec![case(&long, "", name("more than 4096"))];
    for path in [
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc",
        "%252e%252e",
        "a%2f..%2fb",
        "a%00",
        "%ff%fe",
        "a%",
        "..%5c..%5cb",
        "./a",
        "a/.",
        "_a",
        "a__-b",
    ] {
        let line = format!("GET /v2/{path}/manifests/v1");
        cases.push(case(&line, "", name("")));
    }
    for path in ["a:b", "a%0ab", ".a", "%20"] {
        let line = format!("GET /v2/a/manifests/{path}");
        let (status, code) = (
            400,
            if path == "a:b" {
                "DIGEST_INVALID"
            } else {
                "TAG_INVALID"
            },
        );
        cases.push(case(&line, "", (status, code, "")));
    }
    cases.extend([
        case("OPTIONS *", "", (404, "UNSUPPORTED", "no endpoint")),
        case("TRACE /v2/", "", (405, "UNSUPPORTED", "TRACE")),
        case(
            "GET http://evil/v2/a/manifests/-t",
            "",
            (400, "TAG_INVALID", "-t"),
        ),
    ]);
    check(&with_image().await, cases).await;
}

#[tokio::test]
async fn digests_that_are_none_are_refused() {
    let mut cases = Vec::new();
    for (digest, message) in [
        (
            format!("sha256:{}", "0".repeat(63)),
            "63 characters, not 64",
        ),
        (
            format!("sha256:{}", "0".repeat(65)),
            "65 characters, not 64",
        ),
        (
            format!("sha512:{}", "0".repeat(64)),
            "64 characters, not 128",
        ),
        (format!("sha256:{}", "A".repeat(64)), ""),
        (format!("sha256:{}", "g".repeat(64)), ""),
        (format!("SHA256:{}", "0".repeat(64)), ""),
        (format!("sha3:{}", "0".repeat(64)), "sha3"),
        ("sha256:".to_owned(), ""),
    ] {
        let refused = (400, "DIGEST_INVALID", message);
        for line in [
            "GET /v2/a/blobs/",
            "DELETE /v2/a/blobs/",
            "GET /v2/a/referrers/",
        ] {
            cases.push(case(&format!("{line}{digest}"), "", refused));
        }
        let post = format!("POST /v2/a/blobs/uploads/?digest={digest}");
        cases.push(case(&post, "", refused));
    }
    check(&with_image().await, cases).await;
}

#[tokio::test]
async fn parameters_with_two_values_are_refused() {
    let twice = |message| (400, "UNSUPPORTED", message);
    let (one, other) = (sha256(b"layer x"), sha256(b"y"));
    let post = "POST /v2/a/blobs/uploads/";
    let cases = [
        (
            format!("{post}?digest={one}&digest={other}"),
            "digest came twice",
        ),
        (
            format!("{post}?digest=&digest={other}"),
            "digest came twice",
        ),
        (
            format!("{post}?mount={one}&mount={other}"),
            "mount came twice",
        ),
        (
            format!("{post}?mount={one}&from=a&from=b"),
            "from came twice",
        ),
        (
            "GET /v2/a/tags/list?n=1&n=2".to_owned(),
            "as \"1\" and as \"2\"",
        ),
        (
            "GET /v2/_catalog?last=a&last=b".to_owned(),
            "last came twice",
        ),
        (
            format!("GET /v2/a/referrers/{one}?artifactType=a/b&artifactType=a/c"),
            "artifactType came twice",
        ),
    ];
    let cases = cases.map(|(line, message)| case(&line, "", twice(message)));
    check(&with_image().await, cases.into()).await;
}

#[tokio::test]
async fn upload_bodies_that_do_not_fit_their_request_are_refused() {
    let wire = with_image().await;
    let location = wire.registry.start_upload("a").await;
    let foreign = location.replace("/v2/a/", "/v2/b/");
    let cut = location.get(..location.len() - 1).unwrap();
    let right = sha256(b"right");
    let post = "POST /v2/a/blobs/uploads/";
    let patch = format!("PATCH {location}");
    let mount = format!("{post}?mount={right}");
    let ranges = |ranges: &[&str]| {
        let line = |range: &&str| format!("content-range: {range}\r\n");
        ranges.iter().map(line).collect::<String>()
    };
    let invalid = |message| (400, "BLOB_UPLOAD_INVALID", message);
    let unknown = (404, "BLOB_UPLOAD_UNKNOWN", "");
    let order = (
        416,
        "BLOB_UPLOAD_INVALID",
        "starts at byte 5, the upload ends at byte 0",
    );
    let size = (400, "SIZE_INVALID", "8 bytes, content-length says 5");
    let cases = [
        (
            post,
            String::new(),
            invalid("a body of 5 bytes and no parameter digest"),
        ),
        (
            mount.as_str(),
            String::new(),
            invalid("no parameter digest"),
        ),
        (&format!("PATCH {foreign}"), String::new(), unknown),
        (&format!("PATCH {cut}"), String::new(), unknown),
        (
            &format!("PUT {foreign}?digest={right}"),
            String::new(),
            unknown,
        ),
        (
            &format!("PUT {location}"),
            String::new(),
            (400, "DIGEST_INVALID", "is missing"),
        ),
        (&patch, ranges(&["5-9"]), order),
        (
            &patch,
            ranges(&["0-4", "5-9"]),
            invalid("content-range came twice"),
        ),
        (&patch, ranges(&["0-7"]), size),
    ];
    let five = "content-length: 5\r\n";
    let cases = cases.map(|(line, headers, (status, code, message))| {
        let request = http(line, &format!("{five}{headers}"), "right");
        (request, status, code, message)
    });
    let mut cases = Vec::from(cases);
    let chunked = http(post, CHUNKED, "5\r\nright\r\n0\r\n\r\n");
    cases.push((chunked, 400, "BLOB_UPLOAD_INVALID", "no parameter digest"));
    check(&wire, cases).await;
}

#[tokio::test]
async fn manifest_bodies_that_do_not_fit_their_request_are_refused() {
    let put = "PUT /v2/a/manifests/bad";
    let types = format!("content-type: {OCI_MANIFEST}\r\ncontent-type: a/b\r\n");
    let big = format!("500000\r\n{}", " ".repeat(0x50_0000));
    let manifest = image("x").to_string();
    let length = format!("content-length: {}\r\n{types}", manifest.len());
    let five = http(put, "content-length: 5\r\n", "{\"a\":");
    let cases = vec![
        (
            http(put, &length, &manifest),
            400,
            "MANIFEST_INVALID",
            "content-type came twice",
        ),
        (http(put, CHUNKED, &big), 413, "MANIFEST_INVALID", "4194304"),
        (five, 400, "MANIFEST_INVALID", "EOF"),
        (http(put, "", ""), 400, "MANIFEST_INVALID", ""),
    ];
    check(&with_image().await, cases).await;
}

#[tokio::test]
async fn a_range_that_came_twice_counts_as_none() {
    let wire = with_image().await;
    let line = format!("GET /v2/a/blobs/{}", sha256(b"layer x"));
    let answer = wire
        .say(&http(&line, "range: bytes=0-1\r\nrange: bytes=3-4\r\n", ""))
        .await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "layer x"));
}

#[tokio::test]
async fn http_1_0_without_a_host_and_repeated_parameters_that_agree_are_served() {
    let wire = with_image().await;
    let answer = wire.say(b"GET /v2/ HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status(), 200);
    let answer = wire.say(&http("GET /v2/a/tags/list?n=1&n=1", "", "")).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn clients_that_open_an_upload_without_a_body_get_their_session() {
    let wire = with_image().await;
    let post = "POST /v2/a/blobs/uploads/";
    for (headers, body) in [
        ("content-length: 0\r\n", ""),
        ("", ""),
        (
            "content-type: application/json\r\ncontent-length: 0\r\n",
            "",
        ),
        ("transfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ] {
        let answer = wire.say(&http(post, headers, body)).await;
        assert_eq!(answer.status(), 202, "{headers:?}: {answer:?}");
    }
}
