//! What rules forbid a push: quotas and immutable tags, over the whole pipeline.

use super::registry::{ADMIN_PASSWORD, Answer, OCI_MANIFEST, TestRegistry, image, sha256};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use floundr_frontend::accounts::RulePatch;
use serde_json::Value;

/// A registry in which `admin` pushes.
struct World {
    registry: TestRegistry,
    authorization: String,
}

impl World {
    async fn new() -> Self {
        let login = BASE64_STANDARD.encode(format!("admin:{ADMIN_PASSWORD}"));
        Self {
            registry: TestRegistry::start_with_accounts().await,
            authorization: format!("Basic {login}"),
        }
    }

    async fn rule(&self, on: &str, patch: RulePatch) {
        let accounts = self.registry.accounts.as_ref().unwrap();
        let on = on.parse().unwrap();
        accounts.change_rule(&on, patch, None).await.unwrap();
    }

    async fn quota(&self, on: &str, bytes: u64) {
        let patch = RulePatch {
            quota: Some(Some(bytes)),
            ..RulePatch::default()
        };
        self.rule(on, patch).await;
    }

    async fn call(&self, request: &str, body: impl Into<Bytes>) -> Answer {
        let headers = [
            ("authorization", self.authorization.as_str()),
            ("content-type", OCI_MANIFEST),
        ];
        self.registry.call(request, &headers, body).await
    }

    async fn post(&self, repository: &str, content: &str) -> Answer {
        let digest = sha256(content.as_bytes());
        let request = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
        self.call(&request, content.to_owned()).await
    }

    /// Sends a body without a length.
    async fn stream(&self, request: &str, pieces: &[Bytes]) -> Answer {
        let headers = [("authorization", self.authorization.as_str())];
        let pieces = pieces.iter().cloned().map(Ok).collect();
        self.registry.stream(request, &headers, pieces).await
    }

    /// The path of a new session.
    async fn session(&self, repository: &str) -> String {
        let request = format!("POST /v2/{repository}/blobs/uploads/");
        let answer = self.call(&request, "").await.expect(202);
        answer.header("location").to_owned()
    }

    async fn put(&self, reference: &str, manifest: &Value) -> Answer {
        let request = format!("PUT /v2/team/a/manifests/{reference}");
        self.call(&request, manifest.to_string()).await
    }
}

fn detail(answer: &Answer) -> Value {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["errors"][0]["detail"].clone()
}

#[tokio::test]
async fn a_push_that_does_not_fit_a_quota_is_denied_with_the_numbers_before_its_body_is_read() {
    let world = World::new().await;
    world.quota("team/*", 100).await;
    world.quota("**", 1_000_000).await;
    world.post("team/a", &"a".repeat(60)).await.expect(201);
    let denied = world.post("team/b", &"b".repeat(41)).await;
    let denied = denied.refused(403, "DENIED");
    let expected = r#"{"quota":"team/*","limit":100,"used":60,"asked":41}"#;
    assert_eq!(
        detail(&denied),
        serde_json::from_str::<Value>(expected).unwrap()
    );
    world.post("other", &"b".repeat(41)).await.expect(201);
    // What is there already costs nothing.
    world.post("team/a", &"a".repeat(60)).await.expect(201);

    let session = world.session("team/b").await;
    // Nothing of this body ever comes: it is not waited for.
    let headers = [
        ("authorization", world.authorization.as_str()),
        ("content-length", "41"),
    ];
    let patch = format!("PATCH {session}");
    let denied = world.registry.call(&patch, &headers, "").await;
    denied.refused(403, "DENIED");
    let status = world.call(&format!("GET {session}"), "").await.expect(204);
    status.has("range", "0-0");
    world.call(&patch, "c".repeat(40)).await.expect(202);
    world.post("team/a", "d").await.refused(403, "DENIED");
    let digest = sha256("c".repeat(40).as_bytes());
    let finish = format!("PUT {session}?digest={digest}");
    world.call(&finish, "").await.expect(201);
    world.post("team/a", "d").await.refused(403, "DENIED");

    let gone = format!("DELETE /v2/team/b/blobs/{digest}");
    world.call(&gone, "").await.expect(202);
    world.post("team/a", "d").await.expect(201);
    world.registry.audit().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_taken_as_far_as_it_fits_and_counts_where_it_rests() {
    let world = World::new().await;
    world.quota("team/*", 100).await;
    let session = world.session("team/a").await;
    let pieces = ["x".repeat(50), "y".repeat(51)].map(Bytes::from);
    let patch = format!("PATCH {session}");
    world.stream(&patch, &pieces).await.refused(403, "DENIED");
    let status = world.call(&format!("GET {session}"), "").await.expect(204);
    status.has("range", "0-49");
    world
        .post("team/b", &"z".repeat(51))
        .await
        .refused(403, "DENIED");
    world
        .call(&format!("DELETE {session}"), "")
        .await
        .expect(204);
    world.post("team/b", &"z".repeat(51)).await.expect(201);

    let digest = sha256(&pieces.concat());
    let whole = format!("POST /v2/team/a/blobs/uploads/?digest={digest}");
    world.stream(&whole, &pieces).await.refused(403, "DENIED");
    world.post("team/b", &"w".repeat(49)).await.expect(201);
}

#[tokio::test]
async fn mounts_and_manifests_count_and_nothing_counts_twice() {
    let world = World::new().await;
    world.quota("team/a", 1_000).await;
    let layer = "l".repeat(900);
    world.post("other", &layer).await.expect(201);
    let digest = sha256(layer.as_bytes());
    let mount = format!("POST /v2/team/a/blobs/uploads/?mount={digest}&from=other");
    world.call(&mount, "").await.expect(201);
    world.call(&mount, "").await.expect(201);
    let second = "m".repeat(101);
    world.post("other", &second).await.expect(201);
    let digest = sha256(second.as_bytes());
    let mount = format!("POST /v2/team/a/blobs/uploads/?mount={digest}&from=other");
    world.call(&mount, "").await.refused(403, "DENIED");

    let manifest = image("x");
    world.put("v1", &manifest).await.refused(403, "DENIED");
    world.quota("team/a", 100_000).await;
    for content in ["config x", "layer x"] {
        world.post("team/a", content).await.expect(201);
    }
    world.put("v1", &manifest).await.expect(201);
    let size = manifest.to_string().len() as u64;
    world.quota("team/a", 900 + 8 + 7 + size).await;
    world.post("team/a", "1").await.refused(403, "DENIED");
    // It is there: only a tag is set.
    world.put("v2", &manifest).await.expect(201);
    world.registry.audit().await;
}

#[tokio::test]
async fn a_tag_that_a_rule_makes_immutable_is_denied_to_move_or_go() {
    let world = World::new().await;
    let patch = RulePatch {
        immutable_tags: Some(vec!["v*".parse().unwrap()]),
        ..RulePatch::default()
    };
    world.rule("team/**", patch).await;
    for content in ["config x", "layer x", "config y", "layer y"] {
        world.post("team/a", content).await.expect(201);
    }
    world.put("v1", &image("x")).await.expect(201);
    world.put("v1", &image("x")).await.expect(201);
    let denied = world.put("v1", &image("y")).await.refused(403, "DENIED");
    let (current, wanted) = [image("x"), image("y")]
        .map(|image| sha256(image.to_string().as_bytes()))
        .into();
    assert_eq!(detail(&denied)["current"], current.to_string());
    assert_eq!(detail(&denied)["wanted"], wanted.to_string());
    for reference in ["v1".to_owned(), current.to_string()] {
        let delete = format!("DELETE /v2/team/a/manifests/{reference}");
        world.call(&delete, "").await.refused(403, "DENIED");
    }
    world.put("latest", &image("x")).await.expect(201);
    world.put("latest", &image("y")).await.expect(201);
}
