//! Stopping while connections are open.

use crate::support::{TestServer, http2_client, read_answer, read_to_close, request, soon};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_request_in_flight_finishes_and_idle_connections_close() {
    let server = TestServer::start(|_| {}).await;
    let (obedient, address) = (server.obedient.clone(), server.address);
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(request("", "").as_bytes()).await.unwrap();
    read_answer(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(request("wait", "").as_bytes())
        .await
        .unwrap();
    soon(obedient.waiting.acquire()).await.unwrap().forget();

    let run = server.stop();
    assert_eq!(read_to_close(&mut silent).await, "");
    assert_eq!(read_to_close(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    obedient.release.add_permits(1);
    let answer = read_to_close(&mut busy).await;
    assert!(answer.ends_with("\r\n\r\nlate"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(soon(run).await.unwrap(), "all requests finished");
}

#[tokio::test]
async fn an_http2_request_in_flight_finishes() {
    let server = TestServer::start(|_| {}).await;
    let obedient = server.obedient.clone();
    let mut client = http2_client(server.connect().await).await;
    let request = Request::get(format!("http://{}/v2/", server.address))
        .header("x-do", "wait")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = tokio::spawn(client.send_request(request));
    soon(obedient.waiting.acquire()).await.unwrap().forget();
    let run = server.stop();
    obedient.release.add_permits(1);
    let response = soon(response).await.unwrap().unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "late");
    assert!(soon(run).await.unwrap(), "all requests finished");
}

#[tokio::test]
async fn a_request_that_takes_longer_than_the_drain_time_is_cut() {
    let server = TestServer::start(|config| {
        config.timeouts.drain = Duration::from_millis(50);
    })
    .await;
    let obedient = server.obedient.clone();
    let mut busy = server.connect().await;
    busy.write_all(request("wait", "").as_bytes())
        .await
        .unwrap();
    soon(obedient.waiting.acquire()).await.unwrap().forget();
    let run = server.stop();
    assert!(!soon(run).await.unwrap(), "one request did not finish");
    assert_eq!(read_to_close(&mut busy).await, "");
}
