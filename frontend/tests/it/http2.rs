//! Many requests of one HTTP/2 connection, which share its task.

use crate::support::{BIG, TestServer, eventually, http2_client, soon};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

type Client = SendRequest<Full<Bytes>>;

/// Asks for something without a body, or with one of a few bytes.
fn order(server: &TestServer, order: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = if body.is_empty() {
        Request::get(format!("http://{}/v2/", server.address))
    } else {
        Request::post(format!("http://{}/v2/a/blobs/uploads/", server.address))
    };
    let request = request.header("x-do", order);
    request.body(Full::new(Bytes::from(body))).unwrap()
}

async fn told(client: &mut Client, request: Request<Full<Bytes>>) -> Bytes {
    let response = soon(client.send_request(request)).await.unwrap();
    let body = soon(response.into_body().collect()).await.unwrap();
    body.to_bytes()
}

#[tokio::test]
async fn a_request_waits_for_no_other_of_its_connection() {
    let server = TestServer::start(|_| {}).await;
    let mut client = http2_client(server.connect().await).await;
    let mut late = Vec::new();
    for body in ["", "content"] {
        let request = order(&server, "wait", body);
        late.push(tokio::spawn(client.send_request(request)));
        let waiting = server.obedient.waiting.acquire();
        soon(waiting).await.unwrap().forget();
    }
    // An answer that nobody reads, as far as the windows let it come.
    let big = client.send_request(order(&server, "big", ""));
    let big = soon(big).await.unwrap();
    for body in ["", "content"].repeat(10) {
        assert_eq!(told(&mut client, order(&server, "", body)).await, "ok");
    }
    server.obedient.release.add_permits(late.len());
    for response in late {
        let body = soon(response).await.unwrap().unwrap().into_body();
        assert_eq!(soon(body.collect()).await.unwrap().to_bytes(), "late");
    }
    let all = soon(big.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(all.len(), BIG);
}

#[tokio::test]
async fn what_a_client_gives_up_is_given_up_and_its_connection_goes_on() {
    let server = TestServer::start(|_| {}).await;
    let mut client = http2_client(server.connect().await).await;
    for body in ["", "content"] {
        let response = tokio::spawn(client.send_request(order(&server, "wait", body)));
        let waiting = server.obedient.waiting.acquire();
        soon(waiting).await.unwrap().forget();
        let none = || {
            server
                .metrics
                .encode()
                .contains("floundr_requests_in_flight 0\n")
        };
        assert!(!none());
        response.abort();
        eventually(none).await;
        assert_eq!(told(&mut client, order(&server, "", body)).await, "ok");
    }
}

#[tokio::test]
async fn a_panic_in_one_request_is_its_own() {
    let server = TestServer::start(|_| {}).await;
    let mut client = http2_client(server.connect().await).await;
    for body in ["", "content"] {
        let response = soon(client.send_request(order(&server, "panic", body)));
        assert_eq!(response.await.unwrap().status(), 500);
        assert_eq!(told(&mut client, order(&server, "", body)).await, "ok");
    }
}

#[tokio::test]
async fn when_the_connection_is_cut_so_are_its_requests() {
    let server =
        TestServer::start(|config| config.timeouts.drain = Duration::from_millis(50)).await;
    let obedient = server.obedient.clone();
    let mut client = http2_client(server.connect().await).await;
    let mut late = Vec::new();
    for body in ["", "content"] {
        let request = order(&server, "wait", body);
        late.push(tokio::spawn(client.send_request(request)));
        soon(obedient.waiting.acquire()).await.unwrap().forget();
    }
    let metrics = std::sync::Arc::clone(&server.metrics);
    assert!(!soon(server.stop()).await.unwrap(), "not all finished");
    eventually(|| metrics.encode().contains("floundr_requests_in_flight 0\n")).await;
    for response in late {
        assert!(soon(response).await.unwrap().is_err());
    }
}

/// The next frame: its type and payload (RFC 9113, section 4.1).
async fn frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    soon(socket.read_exact(&mut head)).await.unwrap();
    assert_eq!(head[..2], [0, 0], "a short frame: {head:?}");
    let mut payload = vec![0; usize::from(head[2])];
    soon(socket.read_exact(&mut payload)).await.unwrap();
    (head[3], payload)
}

/// What the server says a client may send, of one body and of all, before it was used.
async fn windows(server: &TestServer) -> (TcpStream, [u32; 2]) {
    const SETTINGS: u8 = 4;
    const WINDOW_UPDATE: u8 = 8;
    let mut socket = server.connect().await;
    let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    opening.extend([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
    soon(socket.write_all(&opening)).await.unwrap();
    let (kind, settings) = frame(&mut socket).await;
    assert_eq!(kind, SETTINGS, "the first frame");
    // Section 6.5.2: SETTINGS_INITIAL_WINDOW_SIZE is 4.
    let mut settings = settings.chunks_exact(6);
    let stream = settings.find(|setting| setting[..2] == [0, 4]).unwrap();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    // Section 6.9.2: the connection's window begins with 65,535.
    let mut next = frame(&mut socket).await;
    while next.0 != WINDOW_UPDATE {
        next = frame(&mut socket).await;
    }
    let windows = [number(&stream[2..]), 65_535 + number(&next.1)];
    (socket, windows)
}

#[tokio::test]
async fn who_comes_when_many_are_connected_gets_shorter_windows() {
    const KIB: u32 = 1024;
    let server = TestServer::start(|_| {}).await;
    let (_first, alone) = windows(&server).await;
    assert_eq!(alone, [1024 * KIB, 8192 * KIB]);
    let mut others = Vec::new();
    for _ in 0..31 {
        others.push(windows(&server).await);
    }
    let last = others.last().unwrap().1;
    assert_eq!(last, [512 * KIB, 4096 * KIB], "of 32");
}
