//! What the server does with clients that are slow, silent, loud, or speak another protocol.

use crate::support::{
    BIG, TestServer, eventually, http2_client, read_answer, read_to_close, request, soon, upload,
};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn http1_requests_share_a_connection() {
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    for _ in 0..3 {
        socket.write_all(request("", "").as_bytes()).await.unwrap();
        let answer = read_answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_shares_the_plain_port() {
    let server = TestServer::start(|_| {}).await;
    let mut client = http2_client(server.connect().await).await;
    let body = Full::new(Bytes::from(vec![7; 3 * 1024 * 1024]));
    let request = Request::post(format!("http://{}/v2/a/blobs/uploads/", server.address))
        .header("x-do", "read")
        .body(body)
        .unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, (3 * 1024 * 1024).to_string());
}

#[tokio::test]
async fn an_early_answer_over_http2_arrives() {
    let server = TestServer::start(|_| {}).await;
    let mut client = http2_client(server.connect().await).await;
    let request = Request::post(format!("http://{}/v2/a/blobs/uploads/", server.address))
        .header("x-do", "refuse")
        .body(Full::new(Bytes::from(vec![7; BIG])))
        .unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_tls_hello_on_the_plain_port_is_told_so() {
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    let mut hello = vec![0x16, 3, 1, 2, 0];
    hello.extend([0; 512]);
    socket.write_all(&hello).await.unwrap();
    let answer = read_to_close(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("speaks plain HTTP"), "{answer}");
}

#[tokio::test]
async fn a_silent_client_is_cut() {
    let server = TestServer::start(|config| config.timeouts.first_byte = SHORT).await;
    assert_eq!(read_to_close(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn a_client_that_stops_within_the_preface_is_cut() {
    let server = TestServer::start(|config| config.timeouts.headers = SHORT).await;
    assert_eq!(server.talk("PRI * HTTP").await, "");
}

#[tokio::test]
async fn a_head_that_drips_is_answered_with_408() {
    let server = TestServer::start(|config| config.timeouts.headers = SHORT).await;
    let mut socket = server.connect().await;
    socket.write_all(b"GET /v2/ HTTP/1.1\r\n").await.unwrap();
    let (mut read, mut write) = socket.split();
    let drip = async {
        // Each line comes well within the limit; together they do not.
        while write.write_all(b"a: b\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    let mut answer = vec![0; 28];
    tokio::select! {
        () = drip => panic!("the server took the head for ever"),
        read = soon(read.read_exact(&mut answer)) => read.unwrap(),
    };
    assert_eq!(answer, b"HTTP/1.1 408 Request Timeout");
}

#[tokio::test]
async fn an_idle_connection_is_closed_later_than_a_slow_head() {
    let server = TestServer::start(|config| {
        config.timeouts.headers = Duration::from_mins(10);
        config.timeouts.idle = SHORT;
    })
    .await;
    let mut socket = server.connect().await;
    socket.write_all(request("", "").as_bytes()).await.unwrap();
    let answer = read_to_close(&mut socket).await;
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let server = TestServer::start(|config| config.timeouts.idle = SHORT).await;
    let client = http2_client(server.connect().await).await;
    eventually(|| client.is_closed()).await;
}

#[tokio::test]
async fn a_flood_of_header_bytes_is_answered_with_431() {
    let server = TestServer::start(|config| config.limits.header_bytes = 8192).await;
    let flood = format!("flood: {}\r\n", "x".repeat(100_000));
    let answer = server.talk(&request("", &flood)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_flood_of_header_lines_is_answered_with_431() {
    let server = TestServer::start(|config| config.limits.header_count = 50).await;
    let flood = "a: b\r\n".repeat(60);
    let answer = server.talk(&request("", &flood)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // Up to the limit they are fine; `host`, `x-do` and `connection` count as well.
    let few = format!("{}connection: close\r\n", "a: b\r\n".repeat(45));
    let answer = server.talk(&request("", &few)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_flood_of_header_bytes_over_http2_is_answered_with_431() {
    let server = TestServer::start(|config| config.limits.header_bytes = 8192).await;
    let mut client = http2_client(server.connect().await).await;
    let request = Request::get(format!("http://{}/v2/", server.address))
        .header("flood", "x".repeat(12_000))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 431);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut() {
    let server = TestServer::start(|config| config.timeouts.write = SHORT).await;
    let mut socket = server.connect().await;
    socket
        .write_all(request("big", "").as_bytes())
        .await
        .unwrap();
    eventually(|| {
        server
            .metrics
            .encode()
            .contains("floundr_sent_bytes_total 6")
    })
    .await;
    eventually(|| server.metrics.encode().contains("floundr_connections 0\n")).await;
    let mut read = Vec::new();
    let end = soon(socket.read_to_end(&mut read)).await;
    assert!(end.is_err() || read.len() < BIG, "all of it was sent");
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let server = TestServer::start(|config| config.timeouts.write = SHORT * 5).await;
    let mut socket = server.connect().await;
    let close = "connection: close\r\n";
    socket
        .write_all(request("big", close).as_bytes())
        .await
        .unwrap();
    let (mut total, mut piece) = (0, vec![0; BIG / 16]);
    loop {
        let read = soon(socket.read(&mut piece)).await.unwrap();
        total += read;
        if read == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(total > BIG, "{total} bytes");
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    let head = upload("refuse", &format!("content-length: {BIG}\r\n"));
    socket.write_all(head.as_bytes()).await.unwrap();
    // A simple client: it writes before it reads, and does not mind that nobody listens.
    let sent = soon(socket.write_all(&vec![0; 4 * 1024 * 1024])).await;
    sent.expect("the server takes what is announced, up to its limit");
    let answer = read_to_close(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("refused as told"), "{answer}");
}

#[tokio::test]
async fn a_small_body_that_nobody_reads_leaves_the_connection_usable() {
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    for _ in 0..2 {
        let length = 300_000;
        let head = upload("refuse", &format!("content-length: {length}\r\n"));
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![0; length]).await.unwrap();
        let answer = read_answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body_is_read() {
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    let headers = "expect: 100-continue\r\ncontent-length: 4\r\n";
    socket
        .write_all(upload("read", headers).as_bytes())
        .await
        .unwrap();
    let interim = read_answer(&mut socket).await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"body").await.unwrap();
    let answer = read_answer(&mut socket).await;
    assert!(answer.ends_with("\r\n\r\n4"), "{answer}");
}

#[tokio::test]
async fn a_refused_body_is_not_asked_for() {
    let server = TestServer::start(|_| {}).await;
    let mut socket = server.connect().await;
    let headers = "expect: 100-continue\r\ncontent-length: 4\r\n";
    socket
        .write_all(upload("refuse", headers).as_bytes())
        .await
        .unwrap();
    let answer = read_answer(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_their_turn() {
    let server = TestServer::start(|config| config.limits.connections = 1).await;
    let mut first = server.connect().await;
    first.write_all(request("", "").as_bytes()).await.unwrap();
    read_answer(&mut first).await;
    let mut second = server.connect().await;
    second.write_all(request("", "").as_bytes()).await.unwrap();
    assert!(server.metrics.encode().contains("floundr_connections 1\n"));
    drop(first);
    assert!(read_answer(&mut second).await.ends_with("ok"));
}
