//! What the commands about repositories, tags, manifests and uploads ask of a server, and what they
//! print of its answers.

use crate::accounts::{Case, body, check, run};
use crate::support::{Home, sha256};
use serde_json::{Value, json};

const REPOSITORY: &str = r#"{"name":"team/app","public":true,"quota_bytes":null,"immutable_tags":["v*"],"rules":["team/**"],"permissions":["pull"],"manifests":3,"tags":2,"own_bytes":2048,"shared_bytes":0,"last_push":0,"last_pull":null}"#;

#[test]
fn repositories_are_listed_shown_changed_and_deleted() {
    let list = r#"{"items":[{"name":"team/app","public":false,"manifests":3,"tags":2,"own_bytes":2048,"shared_bytes":0,"last_push":0,"last_pull":null}],"next":null}"#;
    check(&[
        Case {
            args: &["repo", "list", "--filter", "app"],
            answers: &[(200, list)],
            request: "GET /api/v1/repositories?filter=app&n=500",
            body: Value::Null,
            prints: "REPOSITORY  PUBLIC  TAGS  MANIFESTS  OWN      SHARED  LAST PUSH            LAST PULL\n\
                     team/app    no      2     3          2.0 KiB  0 B     1970-01-01 00:00:00  -\n",
        },
        Case {
            args: &["repo", "create", "team/app", "--public"],
            answers: &[(201, r#"{"name":"team/app","created":true}"#)],
            request: "POST /api/v1/repositories",
            body: json!({ "name": "team/app", "public": true }),
            prints: "created repository team/app\nanyone may pull from it\n",
        },
        Case {
            args: &[
                "repo",
                "set",
                "team/app",
                "--public",
                "--no-quota",
                "--no-immutable-tags",
            ],
            answers: &[(200, REPOSITORY)],
            request: "PATCH /api/v1/repositories/team%2Fapp",
            body: json!({ "public": true, "quota_bytes": null, "immutable_tags": [] }),
            prints: "repository team/app: public, no quota, immutable tags v*\n",
        },
        Case {
            args: &["repo", "delete", "team/app", "--yes"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/repositories/team%2Fapp",
            body: Value::Null,
            prints: "deleted repository team/app; floundr undelete team/app restores it\n",
        },
    ]);
    let (ran, asked) = run(
        &Home::new(),
        &["repo", "show", "team/app"],
        "",
        &[(200, REPOSITORY)],
    );
    assert!(
        asked[0].starts_with("GET /api/v1/repositories/team%2Fapp HTTP"),
        "{}",
        asked[0]
    );
    assert!(
        ran.stdout
            .contains("  rules that match it         team/**\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(Home::new().run(&["repo", "set", "team/app"]).code, Some(2));
}

#[test]
fn tags_are_listed_set_and_deleted() {
    let digest = sha256(b"");
    let list = r#"{"items":[{"name":"latest","digest":"sha256:0","media_type":"application/x","size_bytes":5,"updated":0,"last_pull":null}],"next":null}"#;
    let history =
        r#"{"items":[{"at":0,"event":"set","digest":"sha256:0","media_type":"application/x"}]}"#;
    check(&[
        Case {
            args: &["tag", "list", "team/app"],
            answers: &[(200, list)],
            request: "GET /api/v1/repositories/team%2Fapp/tags?n=500",
            body: Value::Null,
            prints: "TAG     DIGEST    SIZE  TYPE           UPDATED              LAST PULL\n\
                     latest  sha256:0  5 B   application/x  1970-01-01 00:00:00  -\n",
        },
        Case {
            args: &["tag", "set", "team/app:v1", &digest],
            answers: &[(200, "{}")],
            request: "PUT /api/v1/repositories/team%2Fapp/tags/v1",
            body: json!({ "digest": digest }),
            prints: &format!("team/app:v1 names {digest}\n"),
        },
        Case {
            args: &["tag", "delete", "team/app:v1", "--yes"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/repositories/team%2Fapp/tags/v1",
            body: Value::Null,
            prints: "deleted tag team/app:v1; floundr undelete team/app:v1 restores it\n",
        },
        Case {
            args: &["tag", "history", "team/app:v1"],
            answers: &[(200, history)],
            request: "GET /api/v1/repositories/team%2Fapp/tags/v1/history",
            body: Value::Null,
            prints: "AT                   EVENT  DIGEST\n\
                     1970-01-01 00:00:00  set    sha256:0\n",
        },
    ]);
    for bad in ["team/app", &format!("team/app@{digest}"), "Team:v1"] {
        let ran = Home::new().run(&["tag", "history", bad]);
        assert_eq!(ran.code, Some(2), "{bad}");
    }
}

#[test]
fn manifests_are_listed_shown_and_deleted() {
    let digest = sha256(b"");
    let named = format!("team/app@{digest}");
    let path = format!(
        "/api/v1/repositories/team%2Fapp/manifests/{}",
        digest.replace(':', "%3A")
    );
    let manifest = r#"{"digest":"sha256:0","media_type":"application/x","size_bytes":7,"pushed":0,"tags":["a","b"],"artifact_type":null,"annotations":{"org.example":"x"},"subject":null,"platforms":[],"config":{"digest":"sha256:1","size_bytes":2},"layers":[{"digest":"sha256:2","media_type":"application/y","size_bytes":2048,"shared":true}],"referrers":[{"digest":"sha256:3","artifact_type":"application/sig"}],"raw":"{}"}"#;
    check(&[
        Case {
            args: &["manifest", "show", &named],
            answers: &[(200, manifest)],
            request: &format!("GET {path}"),
            body: Value::Null,
            prints: "sha256:0\n  type    application/x\n  size    7 B\n  pushed  1970-01-01 00:00:00\n  \
                     tags    a, b\n  config  sha256:1 (2 B)\n  layers\n    sha256:2  2.0 KiB, shared  \
                     application/y\n  referrers\n    sha256:3  application/sig\n  org.example: x\n",
        },
        Case {
            args: &["manifest", "delete", &named, "--yes"],
            answers: &[(204, "")],
            request: &format!("DELETE {path}"),
            body: Value::Null,
            prints: &format!("deleted {named}; floundr undelete {named} restores it\n"),
        },
    ]);
    let ran = Home::new().run(&["manifest", "delete", "team/app:latest", "--yes"]);
    assert_eq!(ran.code, Some(2), "a tag is deleted as a tag");
}

#[test]
fn uploads_are_listed_and_cancelled() {
    let list = r#"{"items":[{"id":"u-1","repository":"a","offset_bytes":1024,"started":0,"updated":0,"expires_in_ms":60000,"active":false}],"next":null}"#;
    check(&[
        Case {
            args: &["upload", "list"],
            answers: &[(200, list)],
            request: "GET /api/v1/uploads?n=500",
            body: Value::Null,
            prints: "UPLOAD  REPOSITORY  RECEIVED  STARTED              LAST WRITTEN         EXPIRES IN\n\
                     u-1     a           1.0 KiB   1970-01-01 00:00:00  1970-01-01 00:00:00  1m\n",
        },
        Case {
            args: &["upload", "cancel", "u-1", "--yes"],
            answers: &[(204, "")],
            request: "DELETE /api/v1/uploads/u-1",
            body: Value::Null,
            prints: "cancelled upload u-1\n",
        },
    ]);
}

#[test]
fn a_list_that_is_none_is_said_to_be() {
    let home = Home::new();
    let (_, asked) = run(
        &home,
        &["repo", "create", "a"],
        "",
        &[(201, r#"{"created":true}"#)],
    );
    assert_eq!(body(&asked[0]), json!({ "name": "a" }));
    let server = crate::elsewhere::Elsewhere::new(&[(200, "{}")]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let ran = home.run(&["upload", "list", "--url", &url]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no list of items"), "{}", ran.stderr);
    server.asked();
}
