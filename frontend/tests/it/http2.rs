//! Many requests of one HTTP/2 connection, which share its task.

use crate::support::{BIG, TestServer, eventually, http2_client, soon};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use std::time::Duration;

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
