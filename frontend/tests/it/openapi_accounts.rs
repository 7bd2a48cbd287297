//! The management API's accounts over HTTP: that answers are as the document says, and that a caller
//! is who their credentials say.

use crate::openapi::Documented;
use crate::registry::{ADMIN_PASSWORD, TestRegistry};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use std::collections::BTreeSet;

fn basic(user: &str, password: &str) -> String {
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {credentials}")
}

/// The operations on accounts, each asked once at least and compared with the document.
pub(crate) async fn asked() -> BTreeSet<&'static str> {
    let test = TestRegistry::start_with_accounts().await;
    let admin: &'static str = basic("admin", ADMIN_PASSWORD).leak();
    let mut it = Documented::over(test, vec![("authorization", admin)]).await;
    users(&mut it).await;
    keys(&mut it).await;
    rest(&mut it).await;
    let body = json!({"old": ADMIN_PASSWORD, "new": "another password"});
    it.ask("PUT /api/v1/whoami/password", &body.to_string(), 204)
        .await;
    it.asked
}

async fn users(it: &mut Documented) {
    it.ask("GET /api/v1/whoami", "", 200).await;
    for (request, body, status) in [
        ("POST /api/v1/users", r#"{"name":"jo"}"#, 201),
        ("POST /api/v1/users", r#"{"name":"jo"}"#, 409),
        (
            "POST /api/v1/users",
            r#"{"name":"sam","password":"a long one","groups":["team"],"must_change":true}"#,
            201,
        ),
        ("GET /api/v1/users?n=1&filter=a", "", 200),
        ("GET /api/v1/users/jo", "", 200),
        ("GET /api/v1/users/none", "", 404),
        (
            "PATCH /api/v1/users/jo",
            r#"{"disabled":false,"groups":["ops"]}"#,
            200,
        ),
        ("PATCH /api/v1/users/admin", r#"{"disabled":true}"#, 409),
        ("GET /api/v1/roles", "", 200),
        (
            "POST /api/v1/roles",
            r#"{"name":"r","permissions":["pull"]}"#,
            201,
        ),
        ("GET /api/v1/roles/r", "", 200),
        ("PUT /api/v1/roles/r", r#"{"permissions":["push"]}"#, 200),
        (
            "PUT /api/v1/roles/reader",
            r#"{"permissions":["push"]}"#,
            409,
        ),
        (
            "POST /api/v1/grants",
            r#"{"group":"ops","role":"r","on":"team/**"}"#,
            201,
        ),
        (
            "POST /api/v1/grants",
            r#"{"group":"ops","role":"r","on":"team/**"}"#,
            200,
        ),
        (
            "POST /api/v1/grants",
            r#"{"user":"none","role":"r","on":"a"}"#,
            404,
        ),
        ("DELETE /api/v1/roles/r", "", 409),
        ("GET /api/v1/grants?group=ops", "", 200),
        (
            "GET /api/v1/explain?user=jo&action=push&repository=team/a",
            "",
            200,
        ),
    ] {
        it.ask(request, body, status).await;
    }
    let grants = it.ask("GET /api/v1/grants?group=ops", "", 200).await.json();
    let path = format!("/api/v1/grants/{}", grants["items"][0]["id"]);
    it.ask(&format!("GET {path}"), "", 200).await;
    it.ask(&format!("DELETE {path}"), "", 204).await;
    it.ask("DELETE /api/v1/roles/r", "", 204).await;
    it.ask("DELETE /api/v1/users/jo", "", 204).await;
}

async fn keys(it: &mut Documented) {
    let scopes = r#"[{"on":"team/**","permissions":["pull"]}]"#;
    let body = format!(r#"{{"name":"ci","owner":null,"scopes":{scopes},"expires_in_ms":60000}}"#);
    let key = it.ask("POST /api/v1/keys", &body, 201).await.json();
    it.ask("POST /api/v1/keys", r#"{"name":"mine"}"#, 201).await;
    it.ask("POST /api/v1/keys", r#"{"name":"mine"}"#, 409).await;
    it.ask("GET /api/v1/keys", "", 200).await;
    let path = format!("/api/v1/keys/{}", key["id"].as_str().unwrap());
    it.ask(&format!("GET {path}"), "", 200).await;
    let body = format!(r#"{{"name":"cd","expires":null,"scopes":{scopes}}}"#);
    it.ask(&format!("PATCH {path}"), &body, 200).await;
    it.ask(&format!("DELETE {path}"), "", 204).await;
    it.ask(&format!("DELETE {path}"), "", 404).await;
}

async fn rest(it: &mut Documented) {
    let path = "/api/v1/rules/team%2F%2A%2A";
    let put = format!("PUT {path}");
    let body = r#"{"public":true,"quota_bytes":1000,"immutable_tags":["v*"]}"#;
    it.ask(&put, body, 201).await;
    it.ask(&put, body, 200).await;
    it.ask("GET /api/v1/rules", "", 200).await;
    it.ask(&format!("GET {path}"), "", 200).await;
    it.ask(&format!("DELETE {path}"), "", 204).await;
    it.ask(&format!("DELETE {path}"), "", 404).await;
    it.ask(&put, "{}", 204).await;
    it.ask("POST /api/v1/token-keys/rotate", "", 200).await;
}

#[tokio::test]
async fn a_caller_is_who_their_credentials_say() {
    let test = TestRegistry::start_with_accounts().await;
    let admin = basic("admin", ADMIN_PASSWORD);
    let admin = [("authorization", admin.as_str())];
    let user = test
        .call("POST /api/v1/users", &admin, r#"{"name":"jo"}"#)
        .await;
    let user = user.expect(201).json();
    let jo = basic("jo", user["password"].as_str().unwrap());
    let jo = [("authorization", jo.as_str())];
    let key = test
        .call("POST /api/v1/keys", &jo, r#"{"name":"ci","scopes":[]}"#)
        .await;
    let key = key.expect(201).json();
    let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let by_key = basic("jo", secret);
    let bearer = format!("Bearer {secret}");
    let whoami = async |headers: &[(&str, &str)]| {
        let answer = test
            .call("GET /api/v1/whoami", headers, "")
            .await
            .expect(200)
            .json();
        json!([
            answer["kind"],
            answer["name"],
            answer["key"],
            answer["administrator"]
        ])
    };
    assert_eq!(whoami(&[]).await, json!(["anonymous", null, null, false]));
    assert_eq!(whoami(&admin).await, json!(["user", "admin", null, true]));
    assert_eq!(whoami(&jo).await, json!(["user", "jo", null, false]));
    for header in [&by_key, &bearer] {
        let told = whoami(&[("authorization", header)]).await;
        assert_eq!(told, json!(["user", "jo", id, false]));
    }
    test.call("GET /api/v1/users", &jo, "")
        .await
        .problem(403, "forbidden");
    let wrong = basic("jo", "not the password");
    let wrong = [("authorization", wrong.as_str())];
    test.call("GET /api/v1/whoami", &wrong, "")
        .await
        .problem(401, "unauthorized");
    test.call(&format!("DELETE /api/v1/keys/{id}"), &jo, "")
        .await
        .expect(204);
    let by_key = [("authorization", by_key.as_str())];
    test.call("GET /api/v1/whoami", &by_key, "")
        .await
        .problem(401, "unauthorized");
}

#[tokio::test]
async fn a_token_is_not_taken_where_accounts_are_changed() {
    let test = TestRegistry::start_with_accounts().await;
    let admin = basic("admin", ADMIN_PASSWORD);
    let admin = [("authorization", admin.as_str())];
    let token = test.call("GET /token?service=floundr", &admin, "").await;
    let token = token.expect(200).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = format!("Bearer {token}");
    for (request, body) in [
        ("GET /api/v1/users", ""),
        ("POST /api/v1/keys", r#"{"name":"x"}"#),
        ("PUT /api/v1/whoami/password", "{}"),
    ] {
        let answer = test.call(request, &[("authorization", &token)], body).await;
        answer.problem(401, "unauthorized");
    }
}
