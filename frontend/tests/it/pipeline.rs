//! What the pipeline adds to every request: an id, a log line, a count, and an answer even when its
//! handler fails.

use crate::access_log::Log;
use crate::support::{TestServer, eventually, read_answer, request, soon, upload};
use socket2::SockRef;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

const CLOSE: &str = "connection: close\r\n";

#[tokio::test]
async fn a_given_request_id_is_echoed_and_a_missing_one_made() {
    let server = TestServer::start(|_| {}).await;
    let given = format!("x-request-id: trace-7\r\n{CLOSE}");
    let answer = server.talk(&request("", &given)).await;
    assert!(answer.contains("x-request-id: trace-7\r\n"), "{answer}");
    let answer = server.talk(&request("refuse", CLOSE)).await;
    assert!(answer.contains("x-request-id: "), "{answer}");
}

#[tokio::test]
async fn a_request_makes_one_access_line_without_its_query() {
    let (log, _guard) = Log::capture();
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    let request = "POST /v2/a/blobs/uploads/?token=secret HTTP/1.1\r\nhost: x\r\nx-do: read\r\n\
        user-agent: evil\tagent\"\r\nx-request-id: r1\r\nauthorization: Bearer secret\r\n\
        content-length: 5\r\n\r\n12345";
    socket.write_all(request.as_bytes()).await.unwrap();
    read_answer(&mut socket).await;
    eventually(|| !log.access_lines().is_empty()).await;
    let lines = log.access_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "method=POST",
        "path=/v2/a/blobs/uploads/ ",
        "status=200",
        "bytes_in=5",
        "bytes_out=1",
        "complete=true",
        "duration_ms=",
        "request_id=\"r1\"",
        "remote=\"127.0.0.1:",
        r#"user_agent=evil\tagent\""#,
    ] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
    assert!(!lines[0].contains("secret"), "{}", lines[0]);
}

#[tokio::test]
async fn a_request_that_was_given_up_has_a_line_too() {
    let (log, _guard) = Log::capture();
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    socket
        .write_all(request("wait", "").as_bytes())
        .await
        .unwrap();
    soon(server.obedient.waiting.acquire())
        .await
        .unwrap()
        .forget();
    // Closing with a reset, as the system does for a process that was killed.
    SockRef::from(&socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(socket);
    eventually(|| !log.access_lines().is_empty()).await;
    let line = &log.access_lines()[0];
    assert!(line.contains("status=0 "), "{line}");
    assert!(line.contains("complete=false"), "{line}");
}

#[tokio::test]
async fn requests_are_counted_by_method_and_class_of_status() {
    let server = TestServer::start(|_| {}).await;
    server.talk(&request("", CLOSE)).await;
    server.talk(&request("refuse", CLOSE)).await;
    server
        .talk(&upload(
            "read",
            &format!("{CLOSE}content-length: 3\r\n\r\nabc"),
        ))
        .await;
    let text = server.metrics.encode();
    for (method, status) in [("GET", "2xx"), ("GET", "4xx"), ("POST", "2xx")] {
        let labels = format!("method=\"{method}\",status=\"{status}\"}} 1");
        assert!(text.contains(&labels), "{labels} is not in\n{text}");
    }
    assert!(text.contains("floundr_received_bytes_total 3"), "{text}");
    eventually(|| {
        server
            .metrics
            .encode()
            .contains("floundr_requests_in_flight 0")
    })
    .await;
}

#[tokio::test]
async fn a_panic_is_answered_with_500_in_the_form_of_the_specification() {
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    for order in ["panic", "panic before the future is made", ""] {
        socket
            .write_all(request(order, "").as_bytes())
            .await
            .unwrap();
        let answer = read_answer(&mut socket).await;
        if order.starts_with("panic") {
            assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
            assert!(answer.contains("{\"errors\":[{"), "{answer}");
            assert!(!answer.contains("as it was told"), "{answer}");
        } else {
            assert!(answer.ends_with("ok"), "the connection goes on: {answer}");
        }
    }
}

#[tokio::test]
async fn a_body_that_stands_still_is_answered_with_408() {
    let server = TestServer::start(|config| {
        config.timeouts.body = Duration::from_millis(50);
    })
    .await;
    let mut socket = server.connect().await;
    let head = upload("read", "content-length: 100\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(b"the beginning").await.unwrap();
    let answer = read_answer(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.contains("no byte of the request body came for 50 ms"),
        "{answer}"
    );
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_is_read_to_its_end() {
    let limit = Duration::from_millis(200);
    let server = TestServer::start(|config| config.timeouts.body = limit).await;
    let mut socket = server.connect().await;
    let head = upload("read", "content-length: 10\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(limit / 5).await;
        socket.write_all(b"x").await.unwrap();
    }
    assert!(read_answer(&mut socket).await.ends_with("\r\n\r\n10"));
}
