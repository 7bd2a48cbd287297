//! What clients demand of uploads, one test per line: each replays a client's requests.
//!
//! Elsewhere: `Expect: 100-continue` in `connections`. Scopes are in `access`.

use super::registry::{OCI_MANIFEST, TestRegistry, image, sha256, with_parameter};
use bytes::Bytes;

const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");

/// A layer that is not small, and its digest.
fn layer() -> (Bytes, String) {
    let content = Bytes::from(b"layer content ".repeat(20_000));
    let digest = sha256(&content).to_string();
    (content, digest)
}

/// Upload, docker: HEAD, POST, one PATCH in chunked transfer encoding without Content-Length and
/// Content-Range, an empty PUT.
#[tokio::test]
async fn docker_classic_streams_one_patch_and_finishes_with_an_empty_put() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    registry
        .head(&format!("/v2/a/blobs/{digest}"))
        .await
        .expect(404);
    let location = registry.start_upload("a").await;
    // No Content-Length, no Content-Range: chunked transfer encoding.
    let pieces = content
        .chunks(30_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let patch = format!("PATCH {location}");
    let answer = registry.stream(&patch, &[OCTETS], pieces).await.expect(202);
    let range = format!("0-{}", content.len() - 1);
    let location = answer
        .has("range", range.as_str())
        .header("location")
        .to_owned();
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    registry
        .call(&put, &[("content-length", "0")], "")
        .await
        .expect(201);
    registry
        .head(&format!("/v2/a/blobs/{digest}"))
        .await
        .expect(200);
}

/// Upload, docker: it never resumes; it tries again with a new session.
#[tokio::test]
async fn docker_retries_an_upload_with_a_new_session() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    let first = registry.start_upload("a").await;
    let pieces = vec![Ok(content.slice(..1000)), Err("reset")];
    registry
        .stream(&format!("PATCH {first}"), &[OCTETS], pieces)
        .await
        .expect(400);
    let second = registry.start_upload("a").await;
    let put = format!(
        "PUT {}",
        with_parameter(&second, &format!("digest={digest}"))
    );
    registry.call(&put, &[OCTETS], content).await.expect(201);
}

/// Upload, containerd and buildkit: HEAD (200 or 404), POST, PUT with the whole body; the 201 must
/// carry Docker-Content-Digest.
#[tokio::test]
async fn containerd_puts_the_whole_blob_on_the_location() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    registry
        .head(&format!("/v2/a/blobs/{digest}"))
        .await
        .expect(404);
    let location = registry.start_upload("a").await;
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    let answer = registry
        .call(&put, &[OCTETS], content.clone())
        .await
        .expect(201);
    answer.has("docker-content-digest", digest.as_str());
    let answer = registry
        .get(&format!("/v2/a/blobs/{digest}"))
        .await
        .expect(200);
    assert_eq!(answer.body, content);
}

/// Upload, containerd: the 201 of a manifest must carry Docker-Content-Digest too.
#[tokio::test]
async fn containerd_needs_the_digest_on_the_201_of_manifests() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    registry.head("/v2/a/manifests/v2").await.expect(404);
    let content = image("x").to_string();
    let digest = sha256(content.as_bytes()).to_string();
    let headers = [("content-type", OCI_MANIFEST)];
    let answer = registry
        .call("PUT /v2/a/manifests/v2", &headers, content)
        .await;
    answer
        .expect(201)
        .has("docker-content-digest", digest.as_str());
}

/// Upload, podman, skopeo, buildah: one PATCH of known length or chunked, exactly 202, then exactly
/// 201.
#[tokio::test]
async fn podman_sends_one_patch_and_wants_exactly_202_then_201() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    for is_streamed in [false, true] {
        let location = registry.start_upload("a").await;
        let patch = format!("PATCH {location}");
        let answer = if is_streamed {
            registry
                .stream(&patch, &[OCTETS], vec![Ok(content.clone())])
                .await
        } else {
            registry.call(&patch, &[OCTETS], content.clone()).await
        };
        let location = answer.expect(202).header("location").to_owned();
        let put = format!(
            "PUT {}",
            with_parameter(&location, &format!("digest={digest}"))
        );
        registry.call(&put, &[OCTETS], "").await.expect(201);
    }
}

/// Upload, podman, skopeo, buildah: mounts from, and HEADs of, many remembered repositories must not
/// poison the push. (A repository one may not read is in `access`.)
#[tokio::test]
async fn podman_tries_mounts_from_many_repositories_without_harm() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    for source in ["one", "two/three"] {
        registry
            .head(&format!("/v2/{source}/blobs/{digest}"))
            .await
            .expect(404);
        let post = format!("POST /v2/a/blobs/uploads/?mount={digest}&from={source}");
        let location = registry
            .call(&post, &[], "")
            .await
            .expect(202)
            .header("location")
            .to_owned();
        registry.delete(&location).await.expect(204);
    }
    registry.push_blob("two/three", content).await;
    let post = format!("POST /v2/a/blobs/uploads/?mount={digest}&from=two/three");
    registry.call(&post, &[], "").await.expect(201);
}

/// Upload, crane, ko, kaniko: POST as JSON with `mount`, `from` and `origin`; relative Location; the
/// digest is added to a query that survives being encoded again.
#[tokio::test]
async fn crane_mounts_with_origin_streams_a_patch_and_adds_the_digest_to_the_query() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    let post = format!("POST /v2/a/blobs/uploads/?from=none&mount={digest}&origin=example.com");
    let headers = [("content-type", "application/json")];
    let answer = registry.call(&post, &headers, "").await.expect(202);
    let location = answer.header("location").to_owned();
    assert!(
        location.starts_with('/'),
        "must resolve against the request: {location}"
    );
    let answer = registry
        .stream(&format!("PATCH {location}"), &[], vec![Ok(content)])
        .await;
    let location = answer.expect(202).header("location").to_owned();
    // The query is decoded, a digest added, and all of it encoded again.
    let encoded = digest.replace(':', "%3A");
    let put = format!("PUT {location}?_unknown=kept%2B&digest={encoded}");
    registry.call(&put, &[], "").await.expect(201);
}

/// Upload, regctl, oras, chalk: real chunks with `Content-Range: a-b`, each 202's Location and Range
/// followed, the session asked after 416.
#[tokio::test]
async fn regctl_sends_real_chunks_follows_each_location_and_asks_after_416() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    let mut location = registry.start_upload("a").await;
    let mut offset = 0;
    while offset < content.len() {
        let end = content.len().min(offset + 100_000);
        let range = format!("{offset}-{}", end - 1);
        let headers = [OCTETS, ("content-range", range.as_str())];
        let patch = format!("PATCH {location}");
        let chunk = content.slice(offset..end);
        let answer = registry
            .call(&patch, &headers, chunk.clone())
            .await
            .expect(202);
        location = answer.header("location").to_owned();
        assert_eq!(answer.header("range"), format!("0-{}", end - 1));
        // The same chunk again: refused, and the status says where to go on.
        registry
            .call(&format!("PATCH {location}"), &headers, chunk)
            .await
            .expect(416);
        let status = registry.get(&location).await.expect(204);
        assert_eq!(status.header("range"), format!("0-{}", end - 1));
        location = status.header("location").to_owned();
        offset = end;
    }
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    registry.call(&put, &[], "").await.expect(201);
}

/// Upload, regctl, oras: OCI-Chunk-Min-Length is honoured; oras may POST the whole blob.
#[tokio::test]
async fn oras_honours_the_least_chunk_length_and_may_post_the_whole() {
    let registry = TestRegistry::start_with(|config| config.chunk_min_length = Some(65_536)).await;
    let answer = registry
        .call("POST /v2/a/blobs/uploads/", &[], "")
        .await
        .expect(202);
    answer.has("oci-chunk-min-length", "65536");
    let (content, digest) = layer();
    let post = format!("POST /v2/a/blobs/uploads/?digest={digest}");
    registry.call(&post, &[OCTETS], content).await.expect(201);
}

/// Upload: `POST ?digest=` with a body is 201; without one, and a digest that is not the empty blob's,
/// 202 with a session.
#[tokio::test]
async fn a_post_with_digest_and_body_is_finished_and_one_without_body_opens_a_session() {
    let registry = TestRegistry::start().await;
    let (content, digest) = layer();
    let post = format!("POST /v2/a/blobs/uploads/?digest={digest}");
    let answer = registry
        .call(&post, &[("content-length", "0")], "")
        .await
        .expect(202);
    let location = answer.header("location").to_owned();
    registry.get(&location).await.expect(204);
    registry.stream(&post, &[OCTETS], vec![]).await.expect(202);
    let answer = registry
        .stream(&post, &[OCTETS], vec![Ok(content.clone())])
        .await
        .expect(201);
    answer.has("location", format!("/v2/a/blobs/{digest}").as_str());
    // The client that got 202 sends the body on the session.
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    registry.call(&put, &[OCTETS], content).await.expect(201);
}

/// Upload: the empty blob must upload and pull.
#[tokio::test]
async fn the_empty_blob_is_pushed_in_every_way_and_pulled() {
    let digest = sha256(b"");
    for way in ["post", "GET", "PATCH", "mount"] {
        let registry = TestRegistry::start().await;
        let with_digest = format!("POST /v2/a/blobs/uploads/?digest={digest}");
        match way {
            "post" => drop(registry.call(&with_digest, &[], "").await.expect(201)),
            "mount" => {
                registry.push_blob("b", "").await;
                let post = format!("POST /v2/a/blobs/uploads/?mount={digest}&from=b");
                registry.call(&post, &[], "").await.expect(201);
            }
            _ => {
                let location = registry.start_upload("a").await;
                let between = format!("{way} {location}");
                registry.call(&between, &[], "").await;
                let put = with_parameter(&location, &format!("digest={digest}"));
                registry
                    .call(&format!("PUT {put}"), &[], "")
                    .await
                    .expect(201);
            }
        }
        let path = format!("/v2/a/blobs/{digest}");
        registry
            .head(&path)
            .await
            .expect(200)
            .has("content-length", "0");
        let answer = registry
            .get(&path)
            .await
            .expect(200)
            .has("content-length", "0");
        assert!(answer.body.is_empty(), "{way}");
        let ranged = [("range", "bytes=0-")];
        registry
            .call(&format!("GET {path}"), &ranged, "")
            .await
            .expect(200);
        registry.delete(&path).await.expect(202);
    }
}

/// Upload: proxies lose the slash at the end of `/blobs/uploads/`.
#[tokio::test]
async fn a_proxy_may_lose_the_trailing_slash_of_uploads() {
    let registry = TestRegistry::start().await;
    let answer = registry
        .call("POST /v2/a/blobs/uploads", &[], "")
        .await
        .expect(202);
    registry.get(answer.header("location")).await.expect(204);
}

/// Upload: DELETE of a session frees its space at once.
#[tokio::test]
async fn a_session_that_is_deleted_is_over_and_its_space_free_at_once() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let used = registry.disk.used();
    let content = vec![7; 3_000_000];
    registry
        .call(&format!("PATCH {location}"), &[], content)
        .await
        .expect(202);
    assert!(registry.disk.used() > used + 2_000_000);
    registry.delete(&location).await.expect(204);
    assert!(registry.disk.used() < used + 1_000_000);
    for request in ["GET", "PATCH", "DELETE"] {
        let answer = registry
            .call(&format!("{request} {location}"), &[], "")
            .await;
        answer.refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

/// Upload: a few tools read Docker-Upload-UUID.
#[tokio::test]
async fn old_tools_read_the_uuid_of_the_session() {
    let registry = TestRegistry::start().await;
    let answer = registry
        .call("POST /v2/a/blobs/uploads/", &[], "")
        .await
        .expect(202);
    let uuid = answer.header("docker-upload-uuid").to_owned();
    let location = answer.header("location").to_owned();
    assert!(uuid.len() == 36 && location.contains(&uuid));
    for answer in [
        registry.get(&location).await.expect(204),
        registry
            .call(&format!("PATCH {location}"), &[], "x")
            .await
            .expect(202),
    ] {
        assert_eq!(answer.header("docker-upload-uuid"), uuid);
    }
}

/// Upload: the id of a session is the right to write to it, so nobody guesses one: no other id than
/// those that were given out is known, not even one that differs in a single place.
#[tokio::test]
async fn the_id_of_a_session_cannot_be_guessed() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    assert_ne!(location, registry.start_upload("a").await);
    registry
        .call(&format!("PATCH {location}"), &[], "mine")
        .await
        .expect(202);
    let (base, id) = location.rsplit_once('/').unwrap();
    for (at, known) in id
        .char_indices()
        .filter(|(_, known)| known.is_ascii_hexdigit())
    {
        let other = if known == '0' { '1' } else { '0' };
        let mut guess = id.to_owned();
        guess.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
        for method in ["GET", "PATCH", "DELETE"] {
            let request = format!("{method} {base}/{guess}");
            let answer = registry.call(&request, &[], "").await;
            answer.refused(404, "BLOB_UPLOAD_UNKNOWN");
        }
    }
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-3");
}
