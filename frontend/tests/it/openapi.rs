//! The OpenAPI document: it names every endpoint and no other, and what is answered is as it says.

use crate::registry::{
    ADMIN_PASSWORD, Answer, CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, TestRegistry, artifact, basic,
    describe, descriptor, sha256,
};
use crate::schema::faults;
use floundr_frontend::manage::{Endpoint, ManageRoute};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A registry with something in it, and its document.
struct Documented {
    test: TestRegistry,
    document: Value,
    /// The operations that were asked for.
    asked: BTreeSet<&'static str>,
    /// Where answers were not as it says.
    found: Vec<String>,
}

// === impl Documented ===

impl Documented {
    async fn start() -> Self {
        let test = TestRegistry::start_with_accounts().await;
        let document = test.get("/api/v1/openapi.json").await.expect(200).json();
        Self {
            test,
            document,
            asked: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    /// Every operation with its method, its path and itself.
    fn operations(&self) -> Vec<(String, String, &Value)> {
        let paths = self.document["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, item)| {
            let item = item.as_object().unwrap().iter();
            item.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        });
        operations.collect()
    }

    fn operation(&self, endpoint: &Endpoint) -> &Value {
        let method = endpoint.method.to_lowercase();
        let operation = &self.document["paths"][endpoint.path][method];
        assert!(operation.is_object(), "{endpoint:?} is not documented");
        operation
    }

    /// Asks, and compares request and answer with the document.
    async fn ask(&mut self, request: &str, body: &str, status: u16) -> Answer {
        let admin = basic("admin", ADMIN_PASSWORD);
        let headers = [("authorization", admin.as_str())];
        let answer = self.test.call(request, &headers, body.to_owned()).await;
        let answer = answer.expect(status);
        let (method, target) = request.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        let method: Method = method.parse().unwrap();
        let endpoint = ManageRoute::parse(&method, path).unwrap().endpoint();
        self.asked.insert(endpoint.operation);
        let operation = self.operation(&endpoint);
        let mut found = Vec::new();
        if status < 400 && !body.is_empty() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = serde_json::from_str(body).unwrap();
            found.extend(faults(&self.document, schema, &body, request));
        }
        let response = &operation["responses"][status.to_string()];
        found.extend(self.faults_of_answer(response, &answer, request));
        self.found.extend(found);
        answer
    }

    fn faults_of_answer(&self, response: &Value, answer: &Answer, at: &str) -> Vec<String> {
        if !response.is_object() {
            return vec![format!("{at}: {} is not documented", answer.status)];
        }
        let Some(content) = response["content"].as_object() else {
            let is_fault = !answer.body.is_empty();
            return is_fault
                .then(|| format!("{at}: no body is documented"))
                .into_iter()
                .collect();
        };
        let content_type = answer.header("content-type");
        let Some(content) = content.get(content_type) else {
            return vec![format!("{at}: {content_type} is not documented")];
        };
        if content_type == "text/event-stream" {
            return Vec::new();
        }
        faults(&self.document, &content["schema"], &answer.json(), at)
    }
}

#[tokio::test]
async fn the_document_names_every_endpoint_and_no_other() {
    let it = Documented::start().await;
    let documented: BTreeSet<_> = it
        .operations()
        .into_iter()
        .map(|(method, path, operation)| {
            let name = operation["operationId"].as_str().unwrap();
            format!("{name}: {method} {path}")
        })
        .collect();
    let there_are: BTreeSet<_> = ManageRoute::all()
        .map(|one| format!("{}: {} {}", one.operation, one.method, one.path))
        .collect();
    assert_eq!(documented, there_are);
}

#[tokio::test]
async fn every_operation_tells_its_parameters_its_refusals_and_who_may_ask() {
    let it = Documented::start().await;
    let anonymous = TestRegistry::start_with_accounts().await;
    for (method, path, operation) in it.operations() {
        let at = format!("{method} {path}");
        let values = path.split('/').filter(|segment| segment.starts_with('{'));
        let parameters = operation["parameters"].as_array();
        let told = parameters.into_iter().flatten();
        let told = told.filter(|parameter| parameter["in"] == "path");
        let told: Vec<_> = told
            .map(|one| format!("{{{}}}", one["name"].as_str().unwrap()))
            .collect();
        assert_eq!(told, values.collect::<Vec<_>>(), "{at}");
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{at}"
        );
        let tag = &operation["tags"][0];
        let tags = it.document["tags"].as_array().unwrap();
        assert!(tags.iter().any(|one| one["name"] == *tag), "{at}: {tag}");
        for status in ["400", "429", "500", "503"] {
            let response = &operation["responses"][status];
            let schema = &response["content"]["application/problem+json"]["schema"];
            assert_eq!(
                schema["$ref"], "#/components/schemas/Problem",
                "{at} {status}"
            );
        }
        let is_open = operation["security"] == serde_json::json!([{}]);
        assert_eq!(operation["responses"]["401"].is_null(), is_open, "{at}");
        let digest = format!("sha256:{}", "0".repeat(64));
        let request = at
            .replace("{digest}", &digest)
            .replace("{grant}", "1")
            .replace("{key}", "0123456789abcdef")
            .replace("{id}", "3fa85f64-5717-4562-b3fc-2c963f66afa6");
        let request = request.replace(['{', '}'], "");
        let answer = anonymous.call(&request, &[], "").await;
        // Who may change a password is asked when it is known whose.
        let is_guarded = !is_open || at.starts_with("PUT /api/v1/whoami/password");
        assert_eq!(answer.status == 401, is_guarded, "{at}: {answer:?}");
    }
    let schemes = &it.document["components"]["securitySchemes"];
    assert_eq!(schemes["basic"]["scheme"], "basic");
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    assert_eq!(it.document["openapi"], "3.1.0");
}

#[tokio::test]
async fn answers_and_refusals_are_as_the_document_says() {
    let mut it = Documented::start().await;
    let index = it.fill().await;
    store(&mut it).await;
    server(&mut it).await;
    repositories(&mut it).await;
    content(&mut it, &index).await;
    users_and_roles(&mut it).await;
    grants_keys_and_rules(&mut it).await;
    // The last, because nothing is told afterwards.
    it.test.services.events.end();
    it.ask("GET /api/v1/events", "", 200).await;
    let all: BTreeSet<_> = ManageRoute::all()
        .map(|endpoint| endpoint.operation)
        .collect();
    assert_eq!(it.asked, all, "every endpoint is asked once at least");
    assert!(it.found.is_empty(), "{:#?}", it.found);
}

impl Documented {
    /// Puts images, an index of one of them, and a signature into `team/app`; the index's digest.
    async fn fill(&self) -> String {
        let admin = basic("admin", ADMIN_PASSWORD);
        let push = async |request: &str, media_type: &str, body: String| {
            let headers = [("authorization", &*admin), ("content-type", media_type)];
            self.test.call(request, &headers, body).await.expect(201);
        };
        let config = json!({"os": "linux", "architecture": "arm64"}).to_string();
        for blob in [config.clone(), "layer".to_owned(), "{}".to_owned()] {
            let digest = sha256(blob.as_bytes());
            let request = format!("POST /v2/team/app/blobs/uploads/?digest={digest}");
            push(&request, "application/octet-stream", blob).await;
        }
        let image = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, "layer")],
            "annotations": {"a": "b"},
        });
        let mut child = describe(&image);
        child["platform"] = json!({"os": "linux", "architecture": "arm64"});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
        let signature = artifact("application/vnd.x", &describe(&image), "signed");
        for (reference, manifest) in [("v1", &image), ("all", &index), ("signature", &signature)] {
            let request = format!("PUT /v2/team/app/manifests/{reference}");
            let media_type = manifest["mediaType"].as_str().unwrap();
            push(&request, media_type, manifest.to_string()).await;
        }
        let started = "POST /v2/team/app/blobs/uploads/";
        let headers = [("authorization", admin.as_str())];
        let started = self.test.call(started, &headers, "").await.expect(202);
        let request = format!("PATCH {}", started.header("location"));
        self.test
            .call(&request, &headers, "a part")
            .await
            .expect(202);
        sha256(index.to_string().as_bytes()).to_string()
    }
}

async fn server(it: &mut Documented) {
    it.ask("GET /api/v1", "", 200).await;
    it.ask("GET /api/v1?x=1", "", 400).await;
    it.ask("GET /api/v1/openapi.json", "", 200).await;
    it.ask("GET /api/v1/whoami", "", 200).await;
    it.ask("GET /api/v1/status", "", 200).await;
    it.ask("GET /api/v1/audit?n=2&actor=admin", "", 200).await;
    it.ask("GET /api/v1/audit?action=nonsense", "", 400).await;
    it.ask("POST /api/v1/audit/verify", "", 200).await;
}

async fn store(it: &mut Documented) {
    it.ask("GET /api/v1/gc", "", 200).await;
    it.ask("POST /api/v1/gc/pause", "{}", 200).await;
    it.ask("POST /api/v1/gc", "{}", 409).await;
    it.ask("POST /api/v1/gc/resume", "", 200).await;
    it.ask(
        "DELETE /api/v1/repositories/team%2Fapp/tags/signature",
        "",
        204,
    )
    .await;
    let gone = r#"{"repository":"team/app","reference":"signature"}"#;
    it.ask("POST /api/v1/undelete", gone, 200).await;
    let path = "/api/v1/repositories/team%2Fapp/manifests/signature";
    let signature = it.ask(&format!("GET {path}"), "", 200).await.json();
    let signature = signature["digest"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/repositories/team%2Fapp/manifests/{signature}");
    it.ask(&format!("DELETE {path}"), "", 204).await;
    it.ask("GET /api/v1/gc/plan?grace_ms=0", "", 200).await;
    it.ask("GET /api/v1/deleted", "", 200).await;
    it.ask("GET /api/v1/deleted?repository=team/app", "", 200)
        .await;
    it.ask(&format!("GET /api/v1/digests/{signature}"), "", 200)
        .await;
    let gone = format!(r#"{{"repository":"team/app","reference":"{signature}"}}"#);
    it.ask("POST /api/v1/undelete", &gone, 200).await;
    it.ask("POST /api/v1/undelete", &gone, 404).await;
    it.ask("POST /api/v1/undelete", r#"{"repository":"A"}"#, 400)
        .await;
    let body = r#"{"grace_ms":0,"empty_trash":true,"dry_run":true}"#;
    it.ask("POST /api/v1/gc", body, 200).await;
    it.ask("POST /api/v1/gc", r#"{"x":1}"#, 400).await;
    let unknown = format!("sha256:{}", "0".repeat(64));
    it.ask(&format!("GET /api/v1/digests/{unknown}"), "", 404)
        .await;
    let layer = sha256(b"layer");
    it.ask(&format!("GET /api/v1/digests/{layer}"), "", 200)
        .await;
    it.ask("GET /api/v1/usage?n=1", "", 200).await;
    it.ask("POST /api/v1/check", r#"{"repair":true}"#, 200)
        .await;
    it.ask("GET /api/v1/check", "", 200).await;
    it.ask("POST /api/v1/backup", r#"{"directory":"here"}"#, 400)
        .await;
    // The store's disk is in memory; the accounts' file is written beside the backup, where that is real.
    let beside = tempfile::tempdir().unwrap();
    let backup = json!({ "directory": beside.path() }).to_string();
    it.ask("POST /api/v1/backup", &backup, 200).await;
    it.ask("GET /api/v1/backup", "", 200).await;
    let uploads = it.ask("GET /api/v1/uploads", "", 200).await.json();
    let id = uploads["items"][0]["id"].as_str().unwrap().to_owned();
    it.ask(&format!("DELETE /api/v1/uploads/{id}"), "", 204)
        .await;
    it.ask(&format!("DELETE /api/v1/uploads/{id}"), "", 404)
        .await;
}

async fn repositories(it: &mut Documented) {
    it.ask(
        "POST /api/v1/repositories",
        r#"{"name":"new","public":true}"#,
        201,
    )
    .await;
    it.ask("POST /api/v1/repositories", r#"{"name":"new"}"#, 200)
        .await;
    it.ask("POST /api/v1/repositories", r#"{"name":"NEW"}"#, 400)
        .await;
    it.ask("GET /api/v1/repositories?filter=app&sort=name", "", 200)
        .await;
    it.ask("GET /api/v1/repositories?sort=size", "", 400).await;
    it.ask("GET /api/v1/repositories/none", "", 404).await;
    let patch = r#"{"public":true,"quota_bytes":5,"immutable_tags":["v*"]}"#;
    it.ask("PATCH /api/v1/repositories/new", patch, 200).await;
    it.ask(
        "PATCH /api/v1/repositories/new",
        r#"{"quota_bytes":null}"#,
        200,
    )
    .await;
    it.ask("GET /api/v1/repositories/new", "", 200).await;
    it.ask("DELETE /api/v1/repositories/new", "", 204).await;
    it.ask("DELETE /api/v1/repositories/new", "", 404).await;
}

async fn content(it: &mut Documented, index: &str) {
    let path = "/api/v1/repositories/team%2Fapp";
    it.ask(&format!("GET {path}/tags?filter=v"), "", 200).await;
    let setting = format!(r#"{{"digest":"{index}"}}"#);
    it.ask(&format!("PUT {path}/tags/new"), &setting, 201).await;
    it.ask(&format!("PUT {path}/tags/new"), &setting, 200).await;
    it.ask(&format!("PUT {path}/tags/new"), r#"{"digest":"x"}"#, 400)
        .await;
    let immutable = r#"{"immutable_tags":["new"]}"#;
    it.ask(&format!("PATCH {path}"), immutable, 200).await;
    it.ask(&format!("DELETE {path}/tags/new"), "", 409).await;
    it.ask(&format!("GET {path}/tags/new/history"), "", 200)
        .await;
    it.ask(&format!("GET {path}/tags/none/history"), "", 404)
        .await;
    it.ask(&format!("GET {path}/manifests"), "", 200).await;
    it.ask(&format!("GET {path}/manifests/v1"), "", 200).await;
    it.ask(&format!("GET {path}/manifests/{index}"), "", 200)
        .await;
    it.ask(&format!("GET {path}/manifests/none"), "", 404).await;
    it.ask(&format!("DELETE {path}/manifests/all"), "", 204)
        .await;
}

async fn users_and_roles(it: &mut Documented) {
    let jo = r#"{"name":"jo","groups":["dev"]}"#;
    it.ask("POST /api/v1/users", jo, 201).await;
    it.ask("POST /api/v1/users", jo, 409).await;
    it.ask("GET /api/v1/users?n=1", "", 200).await;
    it.ask("GET /api/v1/users/jo", "", 200).await;
    it.ask("PATCH /api/v1/users/jo", r#"{"disabled":true}"#, 200)
        .await;
    it.ask("DELETE /api/v1/users/admin", "", 409).await;
    it.ask("DELETE /api/v1/users/jo", "", 204).await;
    it.ask("GET /api/v1/users/jo", "", 404).await;
    let wrong = r#"{"old":"not this one","new":"another password"}"#;
    it.ask("PUT /api/v1/whoami/password", wrong, 403).await;
    it.ask("GET /api/v1/roles", "", 200).await;
    let role = r#"{"name":"pusher","permissions":["push"]}"#;
    it.ask("POST /api/v1/roles", role, 201).await;
    it.ask("GET /api/v1/roles/pusher", "", 200).await;
    it.ask(
        "PUT /api/v1/roles/pusher",
        r#"{"permissions":["pull"]}"#,
        200,
    )
    .await;
    it.ask("DELETE /api/v1/roles/pusher", "", 204).await;
    let explain = "/api/v1/explain?user=admin&action=pull&repository=a";
    it.ask(&format!("GET {explain}"), "", 200).await;
}

async fn grants_keys_and_rules(it: &mut Documented) {
    let grant = r#"{"group":"dev","role":"reader","on":"team/**"}"#;
    let made = it.ask("POST /api/v1/grants", grant, 201).await.json();
    let id = made["id"].as_u64().unwrap();
    it.ask("GET /api/v1/grants", "", 200).await;
    it.ask(&format!("GET /api/v1/grants/{id}"), "", 200).await;
    it.ask(&format!("DELETE /api/v1/grants/{id}"), "", 204)
        .await;
    let key = r#"{"name":"ci","expires_in_ms":60000}"#;
    let made = it.ask("POST /api/v1/keys", key, 201).await.json();
    let id = made["id"].as_str().unwrap().to_owned();
    it.ask("GET /api/v1/keys", "", 200).await;
    it.ask(&format!("GET /api/v1/keys/{id}"), "", 200).await;
    it.ask(&format!("PATCH /api/v1/keys/{id}"), r#"{"name":"cd"}"#, 200)
        .await;
    it.ask(&format!("DELETE /api/v1/keys/{id}"), "", 204).await;
    let rule = r#"{"public":true,"quota_bytes":1000000}"#;
    it.ask("PUT /api/v1/rules/team%2F**", rule, 201).await;
    it.ask("GET /api/v1/rules", "", 200).await;
    it.ask("GET /api/v1/rules/team%2F**", "", 200).await;
    it.ask("DELETE /api/v1/rules/team%2F**", "", 204).await;
    it.ask("POST /api/v1/token-keys/rotate", "", 200).await;
}
