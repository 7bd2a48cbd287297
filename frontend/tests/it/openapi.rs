//! The OpenAPI document: it names every endpoint and no other, and what is answered is as it says.

use crate::registry::{Answer, TestRegistry};
use crate::schema::faults;
use floundr_frontend::manage::{Endpoint, ManageRoute};
use http::Method;
use serde_json::Value;
use std::collections::BTreeSet;

/// A registry with something in it, and its document.
pub(crate) struct Documented {
    test: TestRegistry,
    document: Value,
    /// The operations that were asked for.
    pub(crate) asked: BTreeSet<&'static str>,
    /// Sent with each request.
    headers: Vec<(&'static str, &'static str)>,
}

// === impl Documented ===

impl Documented {
    async fn start() -> Self {
        Self::over(TestRegistry::start().await, Vec::new()).await
    }

    /// A registry that sends these headers with each request.
    pub(crate) async fn over(
        test: TestRegistry,
        headers: Vec<(&'static str, &'static str)>,
    ) -> Self {
        let document = test.get("/api/v1/openapi.json").await.expect(200).json();
        Self {
            test,
            document,
            asked: BTreeSet::new(),
            headers,
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
    pub(crate) async fn ask(&mut self, request: &str, body: &str, status: u16) -> Answer {
        let answer = self
            .test
            .call(request, &self.headers, body.to_owned())
            .await;
        let answer = answer.expect(status);
        let (method, target) = request.split_once(' ').unwrap();
        let path = target.split('?').next().unwrap();
        let method: Method = method.parse().unwrap();
        let endpoint = ManageRoute::parse(&method, path).unwrap().endpoint();
        self.asked.insert(endpoint.operation);
        let operation = self.operation(&endpoint);
        if status < 400 && !body.is_empty() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.assert_fits(schema, &serde_json::from_str(body).unwrap(), request);
        }
        let response = &operation["responses"][status.to_string()];
        assert!(
            response.is_object(),
            "{request}: {status} is not documented"
        );
        self.assert_answer(response, &answer, request);
        answer
    }

    #[track_caller]
    fn assert_answer(&self, response: &Value, answer: &Answer, at: &str) {
        let Some(content) = response["content"].as_object() else {
            assert!(answer.body.is_empty(), "{at}: no body is documented");
            return;
        };
        let content_type = answer.header("content-type");
        let content = content.get(content_type);
        let content = content.unwrap_or_else(|| panic!("{at}: {content_type} is not documented"));
        self.assert_fits(&content["schema"], &answer.json(), at);
    }

    #[track_caller]
    fn assert_fits(&self, schema: &Value, value: &Value, at: &str) {
        let found = faults(&self.document, schema, value, at);
        assert!(found.is_empty(), "{found:#?}\nin {value:#}");
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
            .replace("{repository}", "a")
            .replace("{tag}", "v1")
            .replace("{user}", "jo")
            .replace("{role}", "reader")
            .replace("{grant}", "1")
            .replace("{key}", "0123456789abcdef")
            .replace("{pattern}", "a")
            .replace("{reference}", "v1");
        let answer = anonymous.call(&request, &[], "").await;
        assert_eq!(answer.status == 401, !is_open, "{at}: {answer:?}");
    }
    let schemes = &it.document["components"]["securitySchemes"];
    assert_eq!(schemes["basic"]["scheme"], "basic");
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    assert_eq!(it.document["openapi"], "3.1.0");
}

#[tokio::test]
async fn answers_and_refusals_are_as_the_document_says() {
    let mut it = Documented::start().await;
    let digest = it.test.push_image("team/app", "v1", "one").await;
    it.test.push_image("team/app", "v2", "two").await;
    it.test
        .delete(&format!("/v2/team/app/manifests/{digest}"))
        .await
        .expect(202);
    store(&mut it, &digest.to_string()).await;
    server(&mut it).await;
    repositories(&mut it).await;
    it.asked.extend(crate::openapi_accounts::asked().await);
    let all: BTreeSet<_> = ManageRoute::all()
        .map(|endpoint| endpoint.operation)
        .collect();
    assert_eq!(it.asked, all, "every endpoint is asked once at least");
}

async fn server(it: &mut Documented) {
    it.ask("GET /api/v1", "", 200).await;
    it.ask("GET /api/v1?x=1", "", 400).await;
    it.ask("GET /api/v1/openapi.json", "", 200).await;
}

async fn store(it: &mut Documented, deleted: &str) {
    it.ask("GET /api/v1/gc", "", 200).await;
    it.ask("GET /api/v1/gc/plan?grace_ms=0", "", 200).await;
    it.ask("POST /api/v1/gc/pause", "{}", 200).await;
    it.ask("POST /api/v1/gc", "{}", 409).await;
    it.ask("POST /api/v1/gc/resume", "", 200).await;
    it.ask("GET /api/v1/deleted", "", 200).await;
    it.ask("GET /api/v1/deleted?repository=team/app", "", 200)
        .await;
    it.ask(&format!("GET /api/v1/digests/{deleted}"), "", 200)
        .await;
    let restored = format!(r#"{{"repository":"team/app","reference":"{deleted}"}}"#);
    it.ask("POST /api/v1/undelete", &restored, 200).await;
    it.ask("POST /api/v1/undelete", &restored, 404).await;
    it.ask("POST /api/v1/undelete", r#"{"repository":"A"}"#, 400)
        .await;
    let body = r#"{"grace_ms":0,"empty_trash":true,"dry_run":true}"#;
    it.ask("POST /api/v1/gc", body, 200).await;
    it.ask("POST /api/v1/gc", r#"{"x":1}"#, 400).await;
    let unknown = format!("sha256:{}", "0".repeat(64));
    it.ask(&format!("GET /api/v1/digests/{unknown}"), "", 404)
        .await;
    let layer = crate::registry::sha256(b"layer two");
    it.ask(&format!("GET /api/v1/digests/{layer}"), "", 200)
        .await;
    it.ask("GET /api/v1/usage?n=1", "", 200).await;
    it.ask("POST /api/v1/check", r#"{"repair":true}"#, 200)
        .await;
    it.ask("GET /api/v1/check", "", 200).await;
    it.ask("POST /api/v1/backup", r#"{"directory":"here"}"#, 400)
        .await;
    it.ask("POST /api/v1/backup", r#"{"directory":"/backup"}"#, 200)
        .await;
    it.ask("GET /api/v1/backup", "", 200).await;
}

async fn repositories(it: &mut Documented) {
    it.ask("POST /api/v1/repositories", r#"{"name":"new"}"#, 201)
        .await;
    it.ask("POST /api/v1/repositories", r#"{"name":"new"}"#, 200)
        .await;
    it.ask("POST /api/v1/repositories", r#"{"name":"NEW"}"#, 400)
        .await;
}
