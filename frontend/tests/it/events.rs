//! Streams of events over real connections: they are quiet for as long as nothing happens, and end
//! with the server.

use crate::access_log::Log;
use crate::support::{TestServer, eventually, http2_client, read_to_close, request, soon};
use bytes::Bytes;
use floundr_frontend::events::{Event, EventKind};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Of everything a client may let pass.
const SHORT: Duration = Duration::from_millis(50);

async fn start() -> TestServer {
    TestServer::start(|config| {
        config.timeouts.idle = SHORT;
        config.timeouts.write = SHORT;
        config.timeouts.headers = SHORT;
    })
    .await
}

/// A client of HTTP/1.1 that gets events.
async fn listen(server: &TestServer) -> TcpStream {
    let mut socket = server.connect().await;
    let head = request("events", "");
    socket.write_all(head.as_bytes()).await.unwrap();
    let permit = soon(server.obedient.waiting.acquire()).await;
    permit.unwrap().forget();
    socket
}

fn happen(server: &TestServer, data: Value) {
    server.obedient.events.publish(Event {
        kind: EventKind::Gc,
        repository: None,
        data,
    });
}

#[tokio::test]
async fn a_stream_of_http1_outlives_every_limit_while_nothing_happens() {
    let server = start().await;
    let mut socket = listen(&server).await;
    tokio::time::sleep(SHORT * 6).await;
    happen(&server, json!({}));
    let mut read = Vec::new();
    while !read.ends_with(b"id: 1\nevent: gc\ndata: {}\n\n\r\n") {
        let more = soon(socket.read_buf(&mut read)).await.unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&read));
    }
}

/// A client of HTTP/2 that gets events.
async fn listen_http2(server: &TestServer) -> Incoming {
    let mut client = http2_client(server.connect().await).await;
    let request = Request::get(format!("http://{}/v2/", server.address))
        .header("x-do", "events")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    response.into_body()
}

#[tokio::test]
async fn a_stream_of_http2_outlives_every_limit_while_nothing_happens() {
    let server = start().await;
    let mut body = listen_http2(&server).await;
    tokio::time::sleep(SHORT * 6).await;
    for number in 1..=2 {
        happen(&server, json!({}));
        let frame = soon(body.frame()).await.unwrap().unwrap();
        let text = format!("id: {number}\nevent: gc\ndata: {{}}\n\n");
        assert_eq!(frame.into_data().unwrap(), text);
    }
}

#[tokio::test]
async fn a_client_of_http2_that_does_not_take_its_events_is_cut() {
    let server = start().await;
    let unread = listen_http2(&server).await;
    // More than the windows of both sides hold.
    for _ in 0..1000 {
        happen(&server, json!("x".repeat(16 * 1024)));
    }
    eventually(|| server.metrics.encode().contains("floundr_connections 0\n")).await;
    let read = soon(unread.collect()).await;
    assert!(read.is_err(), "all of it was sent");
}

#[tokio::test]
async fn a_stream_that_was_ended_is_whole_and_does_not_hold_up_the_server() {
    let (log, _guard) = Log::capture();
    let server = start().await;
    let mut socket = listen(&server).await;
    happen(&server, json!({}));
    let events = Arc::clone(&server.obedient.events);
    let run = server.stop();
    events.end();
    let read = read_to_close(&mut socket).await;
    assert!(read.contains("transfer-encoding: chunked"), "{read}");
    assert!(read.ends_with("\r\n0\r\n\r\n"), "{read}");
    assert!(soon(run).await.unwrap(), "all requests finished");
    let lines = log.access_lines();
    assert!(lines[0].contains("complete=true"), "{lines:?}");
}
