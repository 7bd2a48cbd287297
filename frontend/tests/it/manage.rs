//! The management API on the registry's own listeners: who is let in, and what the pipeline gives its
//! requests.

use crate::access_log::Log;
use crate::registry::TestRegistry;
use crate::support::TestServer;
use floundr_frontend::manage::MAX_BODY;

#[tokio::test]
async fn what_the_socket_answers_is_answered_under_api_v1_as_well() {
    let test = TestRegistry::start().await;
    for path in [
        "/api/v1",
        "/api/v1/",
        "/api/v1/gc",
        "/api/v1/gc/",
        "/api/v1/usage?n=1",
    ] {
        let answer = test.get(path).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(!answer.header("x-request-id").is_empty());
        let answer = answer.has("docker-distribution-api-version", None);
        let length = answer.body.len().to_string();
        let head = test.head(path).await.expect(200);
        assert_eq!(head.header("content-length"), length, "{path}");
        assert!(head.body.is_empty());
    }
    let body = r#"{"name":"team/app"}"#;
    test.call("POST /api/v1/repositories", &[], body)
        .await
        .expect(201);
    test.call("POST /api/v1/repositories", &[], body)
        .await
        .expect(200);
}

/// Whoever reaches a registry that is open may do everything with its content, and nothing with the
/// server: not its files, not its collector.
#[tokio::test]
async fn an_open_registry_is_administered_by_nobody_who_only_reaches_it() {
    let test = TestRegistry::start_open().await;
    test.push_image("team/app", "v1", "x").await;
    test.get("/api/v1/repositories").await.expect(200);
    test.get("/api/v1/repositories/team%2Fapp/tags")
        .await
        .expect(200);
    test.get("/api/v1/status").await.expect(200);
    test.delete("/api/v1/repositories/team%2Fapp/tags/v1")
        .await
        .expect(204);
    test.get("/metrics").await.expect(200);
    for (request, body) in [
        ("GET /api/v1/gc", ""),
        ("POST /api/v1/backup", r#"{"directory":"/tmp/x"}"#),
        ("GET /api/v1/audit", ""),
        ("POST /api/v1/users", r#"{"name":"jo"}"#),
        ("DELETE /api/v1/repositories/team%2Fapp", ""),
    ] {
        let refused = test.call(request, &[], body).await;
        refused.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn without_saying_who_asks_nothing_is_answered_and_nothing_done() {
    let test = TestRegistry::start_with_accounts().await;
    for request in [
        "GET /api/v1",
        "GET /api/v1/gc",
        "POST /api/v1/gc",
        "POST /api/v1/backup",
        "POST /api/v1/undelete",
        "POST /api/v1/repositories",
    ] {
        let answer = test.call(request, &[], r#"{"name":"a"}"#).await;
        let answer = answer.problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
    assert!(
        !test
            .engine
            .repository(&"a".parse().unwrap())
            .exists()
            .await
            .unwrap()
    );
    test.get("/api/v1/nothing")
        .await
        .problem(404, "no-endpoint");
    test.call("PUT /api/v1/gc", &[], "")
        .await
        .problem(405, "method");
}

#[tokio::test]
async fn refusals_under_api_v1_are_problems() {
    let test = TestRegistry::start().await;
    test.get("/api/v1/no/such")
        .await
        .problem(404, "no-endpoint");
    test.get("/api/v1/digests/x")
        .await
        .problem(400, "digest-invalid");
    test.get("/api/v1/gc?x=1")
        .await
        .problem(400, "parameter-invalid");
    let refused = test.delete("/api/v1/gc").await.problem(405, "method");
    assert_eq!(refused.header("allow"), "POST, GET, HEAD");
    for body in ["[", r#"{"nonsense":1}"#] {
        let answer = test.call("POST /api/v1/gc", &[], body).await;
        answer.problem(400, "body-invalid");
    }
    let head = test.head("/api/v1/no/such").await.expect(404);
    assert!(head.body.is_empty());
    test.get("/api/v1x").await.refused(404, "UNSUPPORTED");
    let broken = vec![Ok("{".into()), Err("gone")];
    let broken = test.stream("POST /api/v1/gc", &[], broken).await;
    broken.problem(400, "body-invalid");
}

#[tokio::test]
async fn a_body_has_a_limit_however_it_comes() {
    let test = TestRegistry::start().await;
    let fits = format!("{{{}}}", " ".repeat(MAX_BODY - 2));
    let too_large = format!("{fits} ");
    test.call("POST /api/v1/gc", &[], fits).await.expect(200);
    let answer = test.call("POST /api/v1/gc", &[], too_large).await;
    answer.problem(413, "too-large");
    let pieces = vec![Ok(" ".repeat(MAX_BODY).into()), Ok(" ".into())];
    let answer = test.stream("POST /api/v1/gc", &[], pieces).await;
    answer.problem(413, "too-large");
}

#[tokio::test]
async fn requests_are_logged_and_counted_by_endpoint() {
    let (log, _guard) = Log::capture();
    let test = TestRegistry::start().await;
    test.get("/api/v1/digests/x?secret").await;
    test.get("/api/v1/gc/plan?n=1").await;
    let lines = log.access_lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("path=/api/v1/digests/x status=400"),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains("path=/api/v1/gc/plan status=200"),
        "{}",
        lines[1]
    );
    let text = test.get("/metrics").await;
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    for labels in [
        r#"route="api_unknown",method="GET",status="4xx"} 1"#,
        r#"route="api_gc_plan",method="GET",status="2xx"} 1"#,
    ] {
        assert!(text.contains(labels), "{labels} is not in\n{text}");
    }
}

#[tokio::test]
async fn what_the_connection_refuses_is_a_problem_too() {
    let server = TestServer::start(|_| {}).await;
    let close = "connection: close\r\n\r\n";
    for (path, form) in [
        ("/api/v1/gc", "application/problem+json"),
        ("/v2/", "application/json"),
    ] {
        let answer = server
            .talk(&format!("GET {path} HTTP/1.1\r\n{close}"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains(&format!("content-type: {form}\r\n")),
            "{answer}"
        );
    }
}
