//! Journeys through keys alone against a real server: what an administrator does from a first repository
//! to its collection, and what a reader may and may not. What every step did is asked of the server beside
//! the screen.

use super::real::{PASSWORD, Real, TestServer, ask};
use crate::tui::message::{Effect, Request};
use crate::tui::text::encoded;
use floundr_engine::digest::{Algorithm, Digest};
use serde_json::{Value, json};

/// The password of those who are made here.
const THEIRS: &str = "a staple of correct horses";

/// Somebody at the keys, and the server they ask.
struct Journey {
    server: TestServer,
    real: Real,
}

/// An image that was pushed.
struct Image {
    digest: String,
    layers: Vec<String>,
}

fn digest(of: &str) -> String {
    Digest::of(Algorithm::Sha256, of.as_bytes()).to_string()
}

fn items(body: &Value) -> Vec<Value> {
    body["items"].as_array().cloned().unwrap_or_default()
}

/// Pushes an image of two layers with a name and a password or an API key.
async fn push(server: &TestServer, who: (&str, &str), repository: &str, tag: &str) -> Image {
    let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/app"] }, "rootfs": { "type": "layers", "diff_ids": [] },
        "history": [{ "created_by": "ADD rootfs.tar /" }, { "created_by": "COPY app /app" }] });
    let layers = ["a first layer".repeat(100), "a second layer".repeat(500)];
    let config = config.to_string();
    for blob in layers.iter().chain([&config]) {
        let path = format!(
            "/v2/{repository}/blobs/uploads/?digest={}",
            encoded(&digest(blob))
        );
        let answer = server.talk_as(who, "POST", &path, blob).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let link = |kind: &str, blob: &String| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest(blob), "size": blob.len() });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": link("config.v1+json", &config),
        "layers": layers.iter().map(|layer| link("layer.v1.tar", layer)).collect::<Vec<_>>(),
    });
    let manifest = manifest.to_string();
    let path = format!("/v2/{repository}/manifests/{tag}");
    let answer = server.talk_as(who, "PUT", &path, &manifest).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    Image {
        digest: digest(&manifest),
        layers: layers.iter().map(|layer| digest(layer)).collect(),
    }
}

// === impl Journey ===

#[expect(
    clippy::future_not_send,
    reason = "the application stays where it is, as in its loop"
)]
impl Journey {
    async fn begin(server: TestServer, user: &str, password: &str) -> Self {
        let mut real = Real::start(Some(server.known(user, password)));
        real.until(user).await;
        Self { server, real }
    }

    /// What the server says of something.
    async fn get(&self, path: &str) -> Value {
        self.server.ask(Request::get(path)).await
    }

    /// What the tag `v1` of `team/app` names; none: there is no such tag.
    async fn named(&self) -> Option<String> {
        let tags = self.get("/repositories/team%2Fapp/tags").await;
        let items = items(&tags);
        let tag = items.iter().find(|tag| tag["name"] == "v1")?;
        tag["digest"].as_str().map(str::to_owned)
    }

    async fn creates_a_repository(&mut self) {
        self.real.keys("gr");
        self.real.until("Repositories 0").await;
        self.real.keys("iteam/app<c-s>");
        self.real.until_no("New repository").await;
        self.real.until("Repositories 1").await;
        let repository = self.get("/repositories/team%2Fapp").await;
        assert_eq!(repository["public"], false);
    }

    async fn creates_a_user_with_a_grant(&mut self) {
        self.real.keys("gu");
        self.real.until("Users 1").await;
        self.real.keys("i");
        self.real.until("New user").await;
        let fields =
            format!("robin<enter>{THEIRS}<enter>{THEIRS}<enter><enter><enter>h<enter>team/old");
        self.real.keys(&format!("{fields}<enter>"));
        self.real
            .until("robin was made, and is writer on team/old")
            .await;
        self.real.until("Users 2").await;
        let grants = items(&self.get("/grants?user=robin").await);
        assert_eq!(grants.len(), 1);
        assert_eq!(
            (&grants[0]["role"], &grants[0]["on"]),
            (&json!("writer"), &json!("team/old"))
        );
    }

    async fn edits_the_grant(&mut self) {
        self.real.keys(":user robin<enter>");
        self.real.until("Grants 1").await;
        self.real.keys("e");
        self.real.until("Change what").await;
        self.real.keys("<enter><c-u>team/*<enter>");
        self.real.until("no longer writer on team/old").await;
        let grants = items(&self.get("/grants?user=robin").await);
        assert_eq!(grants.len(), 1);
        assert_eq!(grants[0]["on"], "team/*");
    }

    /// The key.
    async fn creates_a_key(&mut self) -> String {
        self.real.keys("gk");
        self.real.until("API keys 0").await;
        self.real.keys("ici<tab>robin");
        self.real.until("< robin >").await;
        self.real.keys("<tab><c-o>team/app<tab><tab><space><c-s>");
        self.real.until("It is shown this once").await;
        self.real.keys("y<enter>");
        self.real.until("API keys 1").await;
        self.real.until("in 90 d").await;
        let keys = items(&self.get("/keys").await);
        assert_eq!(keys[0]["owner"], "robin");
        assert_eq!(
            keys[0]["scopes"],
            json!([{ "on": "team/app", "permissions": ["pull", "push"] }])
        );
        match self.real.effects.last() {
            Some(Effect::Copy(secret)) => secret.clone(),
            other => panic!("{other:?}"),
        }
    }

    async fn logs_in_and_pushes(&mut self, secret: &str) -> Image {
        let who = ("robin", secret);
        for (who, status) in [(who, 200), (("robin", "flr_wrong"), 401)] {
            let answer = self.server.talk_as(who, "GET", "/v2/", "").await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
        let path = "/v2/team/other/blobs/uploads/";
        let beyond = self.server.talk_as(who, "POST", path, "").await;
        assert!(beyond.starts_with("HTTP/1.1 403"), "{beyond}");
        push(&self.server, who, "team/app", "v1").await
    }

    async fn sees_tag_and_layers(&mut self, image: &Image) {
        self.real.keys("gr<enter>");
        self.real.until("Tags 1").await;
        self.real.keys("<enter>");
        self.real.until("Layers 2").await;
        self.real.keys("<tab>");
        for layer in &image.layers {
            let short = layer.get(7..19).unwrap();
            self.real.until(short).await;
        }
        let manifest = self.get("/repositories/team%2Fapp/manifests/v1").await;
        assert_eq!(manifest["digest"], image.digest.as_str());
        assert_eq!(manifest["layers"][1]["digest"], image.layers[1].as_str());
    }

    async fn deletes_the_tag_and_undoes_it(&mut self, image: &Image) {
        self.real.keys("<esc>");
        self.real.until("Tags 1").await;
        self.real.keys("dy");
        self.real.until("v1 is deleted").await;
        self.real.until("Tags 0").await;
        assert_eq!(self.named().await, None);
        self.real.keys("u");
        self.real.until("v1 is back").await;
        self.real.until("Tags 1").await;
        assert_eq!(self.named().await.as_ref(), Some(&image.digest));
    }

    async fn deletes_the_manifest(&mut self) {
        self.real.keys("D");
        self.real.until("Delete the manifest").await;
        self.real.keys("y");
        self.real.until("Tags 0").await;
        assert_eq!(self.named().await, None);
        let gone = items(&self.get("/deleted?repository=team%2Fapp").await);
        assert_eq!(gone.len(), 1);
    }

    async fn restores_it_from_the_trash(&mut self, image: &Image) {
        self.real.keys("t");
        self.real.until("Deleted manifests 1").await;
        self.real.keys("u");
        self.real.until("is restored").await;
        self.real.until("Deleted manifests 0").await;
        assert_eq!(self.named().await.as_ref(), Some(&image.digest));
        self.real.keys("<esc>");
        self.real.until("Tags 1").await;
    }

    async fn collects(&mut self) {
        self.real.keys("gsC");
        let plan = items(&self.get("/gc/plan").await);
        let title = format!("A collection would take {}:", plan.len());
        self.real.until(&title).await;
        self.real.keys("<esc>");
        self.real.until("Collector").await;
        self.real.keys("c0<enter><space><enter>");
        self.real.until("Nobody can undo that").await;
        self.real.keys("empty<enter>");
        self.real.until("deletions made final: 1").await;
        let gone = self.get("/deleted?repository=team%2Fapp").await;
        assert_eq!(items(&gone), Vec::<Value>::new());
        let status = self.get("/gc").await;
        assert_eq!(status["phase"], "idle");
    }

    async fn sees_all_of_it_in_the_audit_log(&mut self) {
        let done = [
            ("repository_create", "team/app"),
            ("user_create", "robin"),
            ("grant_create", "team/old"),
            ("grant_create", "team/*"),
            ("grant_delete", ""),
            ("key_create", "ci"),
            ("push", "team/app:v1"),
            ("delete", "team/app:v1"),
            ("undelete", "team/app:v1"),
            ("gc", ""),
        ];
        let records = items(&self.get("/audit?n=1000").await);
        self.real.keys("ga");
        self.real.until("Audit").await;
        for (action, object) in done {
            let is_there = records.iter().any(|record| {
                let told = record["object"].as_str().unwrap_or_default();
                record["action"] == action && told.contains(object)
            });
            assert!(is_there, "{action} {object}: {records:?}");
            let what = format!("{action} {object} is not to be seen");
            let is_seen = |screen: &str| {
                let mut lines = screen.lines();
                lines.any(|line| line.contains(action) && line.contains(object))
            };
            self.real.until_it(&what, is_seen).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_goes_from_its_first_key_to_its_collection_and_the_log_has_all_of_it() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let mut journey = Journey::begin(server, "floundr_admin", PASSWORD).await;
    journey.creates_a_repository().await;
    journey.creates_a_user_with_a_grant().await;
    journey.edits_the_grant().await;
    let secret = journey.creates_a_key().await;
    let image = journey.logs_in_and_pushes(&secret).await;
    journey.sees_tag_and_layers(&image).await;
    journey.deletes_the_tag_and_undoes_it(&image).await;
    journey.deletes_the_manifest().await;
    journey.restores_it_from_the_trash(&image).await;
    journey.deletes_the_manifest().await;
    journey.collects().await;
    journey.sees_all_of_it_in_the_audit_log().await;
    journey.server.stop().await;
}

/// A server with two repositories, of which a reader may read one.
async fn with_a_reader(root: &std::path::Path) -> TestServer {
    let server = TestServer::start(root).await;
    let user = json!({ "name": "reader", "password": THEIRS });
    server.ask(Request::post("/users", user)).await;
    let grant = json!({ "user": "reader", "role": "reader", "on": "team/*" });
    server.ask(Request::post("/grants", grant)).await;
    for repository in ["team/app", "other/app"] {
        push(&server, ("floundr_admin", PASSWORD), repository, "v1").await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_what_they_may_and_hears_the_servers_words_for_the_rest() {
    let root = tempfile::tempdir().unwrap();
    let server = with_a_reader(root.path()).await;
    let mut journey = Journey::begin(server, "reader", THEIRS).await;
    let before = journey.named().await;
    assert!(before.is_some());
    journey.real.keys("gr");
    journey.real.until("team/app").await;
    journey.real.until("Repositories 1").await;
    assert!(!journey.real.screen().contains("other/app"));
    journey.real.keys("<enter>");
    journey.real.until("Tags 1").await;
    journey.real.keys("dy");
    journey.real.until("reader may not delete team/app").await;
    journey.real.keys("<esc>iv2<enter>");
    journey.real.until("reader may not push").await;
    // What was typed is still there.
    journey.real.until("New tag").await;
    journey.real.keys("<esc>");
    let tags = journey.get("/repositories/team%2Fapp/tags").await;
    assert_eq!(items(&tags).len(), 1);
    assert_eq!(journey.named().await, before);
    for (keys, path) in [
        ("ga", "/audit"),
        ("gs", "/usage"),
        ("gp", "/uploads"),
        ("gu", "/users"),
    ] {
        let as_reader = journey.server.known("reader", THEIRS);
        let words = ask(as_reader, Request::get(path)).await.unwrap_err();
        journey.real.keys(keys);
        journey.real.until(&words).await;
    }
    journey.real.keys(":open other/app<enter>");
    let as_reader = journey.server.known("reader", THEIRS);
    let hidden = Request::get("/repositories/other%2Fapp/tags");
    let words = ask(as_reader, hidden).await.unwrap_err();
    journey.real.until(&words).await;
    journey.server.stop().await;
}
