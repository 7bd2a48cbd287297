//! The management API over HTTP: that a caller is who their credentials say.

use crate::registry::{ADMIN_PASSWORD, TestRegistry};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

fn basic(user: &str, password: &str) -> String {
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {credentials}")
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
    let token = test
        .call("GET /auth/token?service=floundr", &admin, "")
        .await;
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
