//! The management API's repositories, tags, manifests and uploads, and who may see and change them.

use crate::registry::{
    ADMIN_PASSWORD, Answer, CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, TestRegistry, artifact, basic,
    describe, descriptor, image, sha256,
};
use serde_json::{Value, json};

/// A registry with people in it: `admin`; `dev`, a writer of `team/**`; `guest`, a reader of it; `boss`,
/// who administers `team/app`; `out`, who may nothing.
pub(crate) struct Cast(pub(crate) TestRegistry);

const PASSWORD: &str = "a password of theirs";

impl Cast {
    pub(crate) async fn start() -> Self {
        let cast = Self(TestRegistry::start_with_accounts().await);
        for (name, role, on) in [
            ("dev", "writer", "team/**"),
            ("guest", "reader", "team/**"),
            ("boss", "administrator", "team/app"),
            ("out", "", ""),
        ] {
            let user = json!({"name": name, "password": PASSWORD, "must_change": false});
            cast.ask("admin", "POST /users", &user).await.expect(201);
            if !role.is_empty() {
                let grant = json!({"user": name, "role": role, "on": on});
                cast.ask("admin", "POST /grants", &grant).await.expect(201);
            }
        }
        cast
    }

    /// Somebody asks the management API; an empty name is nobody.
    pub(crate) async fn ask(&self, who: &str, request: &str, body: &Value) -> Answer {
        self.ask_if(who, request, body, &[]).await
    }

    async fn ask_if(
        &self,
        who: &str,
        request: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = request.replacen(' ', " /api/v1", 1);
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let credentials = self.credentials(who);
        let mut headers = headers.to_vec();
        if !who.is_empty() {
            headers.push(("authorization", &credentials));
        }
        self.0.call(&request, &headers, body).await
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> Answer {
        self.ask(who, &format!("GET {path}"), &Value::Null).await
    }

    #[expect(clippy::unused_self, reason = "it reads as theirs")]
    pub(crate) fn credentials(&self, who: &str) -> String {
        basic(
            who,
            if who == "admin" {
                ADMIN_PASSWORD
            } else {
                PASSWORD
            },
        )
    }

    /// `admin` pushes a blob.
    pub(crate) async fn push_blob(&self, repository: &str, content: &str) {
        let digest = sha256(content.as_bytes());
        let request = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
        let headers = [("authorization", &*self.credentials("admin"))];
        let content = content.to_owned();
        self.0.call(&request, &headers, content).await.expect(201);
    }

    /// `admin` pushes a manifest; its digest.
    pub(crate) async fn push(&self, repository: &str, reference: &str, manifest: &Value) -> String {
        let request = format!("PUT /v2/{repository}/manifests/{reference}");
        let media_type = manifest["mediaType"].as_str().unwrap();
        let credentials = self.credentials("admin");
        let headers = [
            ("authorization", &*credentials),
            ("content-type", media_type),
        ];
        let body = manifest.to_string();
        let digest = sha256(body.as_bytes()).to_string();
        self.0.call(&request, &headers, body).await.expect(201);
        digest
    }

    /// `admin` pushes an image made from `seed`; its digest.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, seed: &str) -> String {
        for blob in ["config", "layer"] {
            self.push_blob(repository, &format!("{blob} {seed}")).await;
        }
        self.push(repository, tag, &image(seed)).await
    }
}

fn names(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap().clone();
    let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
    items.iter().map(name).collect()
}

#[tokio::test]
async fn everybody_sees_the_repositories_they_may_pull_from_and_no_other() {
    let cast = Cast::start().await;
    for repository in ["other", "team/app", "team/web", "zoo"] {
        cast.push_image(repository, "v1", repository).await;
    }
    let rule = json!({"public": true});
    cast.ask("admin", "PATCH /repositories/zoo", &rule)
        .await
        .expect(200);
    for (who, expected) in [
        ("admin", vec!["other", "team/app", "team/web", "zoo"]),
        ("dev", vec!["team/app", "team/web", "zoo"]),
        ("out", vec!["zoo"]),
    ] {
        let listed = cast.get(who, "/repositories").await.expect(200);
        assert_eq!(names(&listed), expected, "{who}");
    }
    cast.get("", "/repositories")
        .await
        .problem(401, "unauthorized");
    let filtered = cast.get("dev", "/repositories?filter=o").await.expect(200);
    assert_eq!(names(&filtered), ["zoo"]);
    let first = cast.get("dev", "/repositories?n=2").await.expect(200);
    assert_eq!(names(&first), ["team/app", "team/web"]);
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = cast
        .get("dev", &format!("/repositories?n=2&last={next}"))
        .await;
    assert_eq!(names(&second), ["zoo"]);
    assert!(second.json()["next"].is_null());
}

#[tokio::test]
async fn what_may_not_be_pulled_is_absent() {
    let cast = Cast::start().await;
    let digest = cast.push_image("team/app", "v1", "a").await;
    cast.push_image("other", "v1", "b").await;
    for path in [
        "",
        "/tags",
        "/manifests",
        "/manifests/v1",
        "/tags/v1/history",
    ] {
        let hidden = format!("/repositories/other{path}");
        cast.get("dev", &hidden).await.problem(404, "not-found");
        cast.get("", &hidden).await.problem(401, "unauthorized");
        let seen = format!("/repositories/team%2Fapp{path}");
        cast.get("guest", &seen).await.expect(200);
    }
    let app = "/repositories/team%2Fapp";
    let delete = format!("DELETE {app}");
    cast.ask("out", &delete, &Value::Null)
        .await
        .problem(404, "not-found");
    let set = format!("PUT {app}/tags/x");
    let setting = json!({"digest": digest});
    cast.ask("out", &set, &setting)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn what_may_not_be_done_is_forbidden() {
    let cast = Cast::start().await;
    let digest = cast.push_image("team/app", "v1", "a").await;
    let (null, setting) = (Value::Null, json!({"digest": digest}));
    let public = json!({"public": true});
    let quota = json!({"quota_bytes": 1});
    for (who, request, body, status) in [
        ("guest", "PUT /tags/x", &setting, 403),
        ("dev", "PUT /tags/x", &setting, 201),
        ("dev", "DELETE /tags/x", &null, 403),
        ("dev", "DELETE /manifests/v1", &null, 403),
        ("dev", "PATCH ", &public, 403),
        ("dev", "DELETE ", &null, 403),
        ("boss", "PATCH ", &quota, 403),
        ("", "GET ", &null, 401),
        ("boss", "PATCH ", &public, 200),
        ("", "GET ", &null, 200),
    ] {
        let request = request.replacen(' ', " /repositories/team%2Fapp", 1);
        let answer = cast.ask(who, &request, body).await;
        assert_eq!(answer.status, status, "{who} {request}: {answer:?}");
    }
}

#[tokio::test]
async fn repositories_are_made_by_who_may_push_and_the_store_is_for_administrators() {
    let cast = Cast::start().await;
    for (request, body, status) in [
        ("POST /repositories", json!({"name": "other/x"}), 403),
        ("POST /repositories", json!({"name": "team/new"}), 201),
        (
            "POST /repositories",
            json!({"name": "team/y", "public": true}),
            403,
        ),
        ("POST /undelete", json!({"repository": "team/new"}), 403),
        ("GET /uploads", Value::Null, 403),
        ("GET /audit", Value::Null, 403),
        ("GET /usage", Value::Null, 403),
    ] {
        let answer = cast.ask("dev", request, &body).await;
        assert_eq!(answer.status, status, "{request}: {answer:?}");
    }
    let refused = cast.0.engine.repository(&"team/y".parse().unwrap());
    assert!(!refused.exists().await.unwrap());
}

#[tokio::test]
async fn a_repository_tells_what_it_holds_and_how_it_behaves() {
    let cast = Cast::start().await;
    cast.push_image("team/app", "v1", "a").await;
    cast.push_image("team/web", "v1", "a").await;
    let rule = json!({"quota_bytes": 1_000_000});
    cast.ask("admin", "PUT /rules/team%2F**", &rule)
        .await
        .expect(201);
    let patch = json!({"public": true, "immutable_tags": ["v*"]});
    let changed = cast
        .ask("boss", "PATCH /repositories/team%2Fapp", &patch)
        .await
        .expect(200);
    let shown = cast
        .get("dev", "/repositories/team%2Fapp")
        .await
        .expect(200);
    assert_eq!(shown.header("etag"), changed.header("etag"));
    let mut shown = shown.json();
    assert!(shown["last_push"].as_u64().unwrap() > 1_600_000_000_000);
    shown["last_push"].take();
    let content = ("config a".len() + "layer a".len()) as u64;
    // Who else holds a blob is for administrators to know.
    let told = cast.get("admin", "/repositories/team%2Fapp").await;
    let told = told.expect(200).json();
    assert_eq!(
        (&told["own_bytes"], &told["shared_bytes"]),
        (&json!(0), &json!(content))
    );
    assert_eq!(
        shown,
        json!({
            "name": "team/app",
            "public": true,
            "manifests": 1,
            "tags": 1,
            "own_bytes": content,
            "shared_bytes": null,
            "last_push": null,
            "last_pull": null,
            "quota_bytes": null,
            "immutable_tags": ["v*"],
            "rules": ["team/**", "team/app"],
            "permissions": ["pull", "push"],
        })
    );
}

#[tokio::test]
async fn settings_change_only_from_the_version_that_was_seen() {
    let cast = Cast::start().await;
    cast.ask("admin", "POST /repositories", &json!({"name": "team/app"}))
        .await
        .expect(201);
    let path = "/repositories/team%2Fapp";
    let seen = cast
        .get("boss", path)
        .await
        .expect(200)
        .header("etag")
        .to_owned();
    let request = format!("PATCH {path}");
    let patch = json!({"public": true});
    let if_match = [("if-match", &*seen)];
    let changed = cast
        .ask_if("boss", &request, &patch, &if_match)
        .await
        .expect(200);
    assert_ne!(changed.header("etag"), seen);
    let patch = json!({"public": false});
    let refused = cast.ask_if("boss", &request, &patch, &if_match).await;
    refused.problem(412, "precondition");
    let delete = format!("DELETE {path}");
    let refused = cast.ask_if("boss", &delete, &Value::Null, &if_match).await;
    refused.problem(412, "precondition");
    let if_match = [("if-match", changed.header("etag"))];
    cast.ask_if("boss", &delete, &Value::Null, &if_match)
        .await
        .expect(204);
    cast.get("boss", path).await.problem(404, "not-found");
    cast.ask("boss", "POST /undelete", &json!({"repository": "team/app"}))
        .await
        .expect(200);
    let back = cast.get("boss", path).await.expect(200).json();
    assert_eq!(back["public"], true, "its settings outlive it");
}

#[tokio::test]
async fn tags_are_listed_set_and_deleted_and_remember_what_they_named() {
    let cast = Cast::start().await;
    let one = cast.push_image("team/app", "v1", "one").await;
    let two = cast.push_image("team/app", "latest", "two").await;
    let tags = "/repositories/team%2Fapp/tags";
    let listed = cast
        .get("guest", &format!("{tags}?filter=v"))
        .await
        .expect(200)
        .json();
    let tag = &listed["items"][0];
    assert_eq!((&tag["name"], &tag["digest"]), (&json!("v1"), &json!(one)));
    assert_eq!(tag["media_type"], OCI_MANIFEST);
    assert_eq!(tag["size_bytes"], image("one").to_string().len());
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    let request = format!("PUT {tags}/latest");
    let setting = json!({"digest": one});
    let quoted = format!("\"{one}\"");
    let stale = [("if-match", &*quoted)];
    let refused = cast.ask_if("dev", &request, &setting, &stale).await;
    refused.problem(412, "precondition");
    let moved = cast.ask("dev", &request, &setting).await.expect(200);
    assert_eq!(moved.header("etag"), quoted);
    assert_eq!(
        moved.json(),
        json!({"name": "latest", "digest": one, "previous": two})
    );
    let unknown = json!({"digest": format!("sha256:{}", "0".repeat(64))});
    cast.ask("dev", &request, &unknown)
        .await
        .problem(404, "not-found");

    let delete = format!("DELETE {tags}/latest");
    let other = format!("\"{two}\"");
    let stale = [("if-match", &*other)];
    let refused = cast.ask_if("boss", &delete, &Value::Null, &stale).await;
    refused.problem(412, "precondition");
    cast.ask("boss", &delete, &Value::Null).await.expect(204);
    let history = cast
        .get("guest", &format!("{tags}/latest/history"))
        .await
        .expect(200)
        .json();
    let events = history["items"].as_array().unwrap().iter();
    let events: Vec<_> = events
        .map(|one| (one["event"].as_str().unwrap(), &one["digest"]))
        .collect();
    assert_eq!(
        events,
        [
            ("deleted", &json!(one)),
            ("moved", &json!(one)),
            ("set", &json!(two))
        ]
    );
}

#[tokio::test]
async fn immutable_tags_neither_move_nor_go() {
    let cast = Cast::start().await;
    let one = cast.push_image("team/app", "v1", "one").await;
    let two = cast.push_image("team/app", "latest", "two").await;
    let rule = json!({"immutable_tags": ["v*"]});
    cast.ask("admin", "PUT /rules/team%2F*", &rule)
        .await
        .expect(201);
    let app = "/repositories/team%2Fapp";
    let null = Value::Null;
    for (request, body) in [
        (format!("PUT {app}/tags/v1"), json!({"digest": two})),
        (format!("DELETE {app}/tags/v1"), null.clone()),
        (format!("DELETE {app}/manifests/v1"), null.clone()),
        (format!("DELETE {app}/manifests/{one}"), null.clone()),
    ] {
        let refused = cast.ask("admin", &request, &body).await;
        refused.problem(409, "immutable");
    }
    let same = json!({"digest": one});
    cast.ask("admin", &format!("PUT {app}/tags/v1"), &same)
        .await
        .expect(200);
    cast.ask("admin", &format!("DELETE {app}/manifests/{two}"), &null)
        .await
        .expect(204);
}

#[tokio::test]
async fn a_repository_with_immutable_tags_is_deleted_by_administrators_of_the_server_alone() {
    let cast = Cast::start().await;
    cast.push_image("team/app", "v1", "one").await;
    let (app, null) = ("DELETE /repositories/team%2Fapp", Value::Null);
    let rule = json!({"immutable_tags": ["v*"]});
    let set = cast.ask("admin", "PUT /rules/team%2F**", &rule).await;
    set.expect(201);
    let refused = cast.ask("boss", app, &null).await;
    let refused = refused.problem(403, "forbidden");
    assert_eq!(
        refused.json()["detail"],
        "rules give team/app immutable tags: only an administrator of the server deletes it"
    );
    cast.get("boss", "/repositories/team%2Fapp/tags/v1/history")
        .await
        .expect(200);
    cast.ask("admin", app, &null).await.expect(204);
    cast.push_image("team/app", "v1", "one").await;
    cast.ask("admin", "DELETE /rules/team%2F**", &null)
        .await
        .expect(204);
    cast.ask("boss", app, &null).await.expect(204);
}

#[tokio::test]
async fn a_manifest_is_shown_with_what_it_says_and_links_and_what_is_about_it() {
    let cast = Cast::start().await;
    let config = json!({"os": "linux", "architecture": "arm64", "config": {"Env": ["A=b"]}});
    let text = config.to_string();
    for blob in [&*text, "layer", "{}"] {
        cast.push_blob("team/app", blob).await;
    }
    cast.push_blob("other", "layer").await;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, &text),
        "layers": [descriptor(LAYER, "layer"), descriptor(LAYER, &text)],
        "annotations": {"org.opencontainers.image.title": "app"},
    });
    let digest = cast.push("team/app", "v1", &manifest).await;
    let signature = artifact("application/vnd.signature", &describe(&manifest), "x");
    let signature = cast.push("team/app", "signature", &signature).await;
    let answer = cast
        .get("guest", "/repositories/team%2Fapp/manifests/v1")
        .await
        .expect(200);
    assert_eq!(answer.header("etag"), format!("\"{digest}\""));
    let shown = answer.json();
    assert_eq!(shown["raw"], manifest.to_string());
    assert_eq!(shown["tags"], json!(["v1"]));
    assert_eq!(shown["annotations"], manifest["annotations"]);
    assert_eq!(shown["config"]["content"], config);
    for layer in 0..2 {
        assert_eq!(shown["layers"][layer]["shared"], Value::Null);
    }
    let known = cast
        .get("admin", "/repositories/team%2Fapp/manifests/v1")
        .await;
    let known = known.expect(200).json();
    assert_eq!(known["layers"][0]["shared"], true);
    assert_eq!(known["layers"][1]["shared"], false);
    assert_eq!(shown["referrers"][0]["digest"], signature);
    assert_eq!(
        shown["referrers"][0]["artifact_type"],
        "application/vnd.signature"
    );

    let mut child = describe(&manifest);
    child["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
    let index = cast.push("team/app", "all", &index).await;
    let path = format!("/repositories/team%2Fapp/manifests/{index}");
    let shown = cast.get("guest", &path).await.expect(200).json();
    assert_eq!(shown["platforms"][0]["platform"], "linux/arm64/v8");
    assert_eq!(shown["platforms"][0]["digest"], digest);
    assert_eq!(shown["config"], Value::Null);

    let listed = cast
        .get("guest", "/repositories/team%2Fapp/manifests?n=1")
        .await
        .expect(200)
        .json();
    let next = listed["next"].as_str().unwrap();
    let path = format!("/repositories/team%2Fapp/manifests?last={next}");
    let rest = cast.get("guest", &path).await.expect(200).json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    assert!(rest["next"].is_null());
}
