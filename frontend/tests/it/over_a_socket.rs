//! Answers whose body and `Content-Length` differ by rule (HEAD, 204, 206, 304), as bytes of HTTP/1.1
//! on one connection: a wrong length would shift every answer after it.

use crate::registry::TestRegistry;
use crate::support::soon;
use floundr_frontend::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

#[tokio::test]
async fn answers_without_a_body_keep_their_length_and_the_connection() {
    let registry = TestRegistry::start_with(|config| {
        config.listen.plain = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let digest = registry.push_blob("a", "0123456789").await;
    let location = registry.start_upload("a").await;
    let server = Server::bind(registry.registry.clone()).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = tokio::spawn(server.run(async {
        stopped.await.ok();
    }));
    let blob = format!("/v2/a/blobs/{digest}");
    let none = "x-none: x";
    let requests = [
        format!("HEAD {blob} HTTP/1.1\r\nhost: x\r\n{none}\r\n\r\n"),
        format!("GET {blob} HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\n\r\n"),
        format!("GET {location} HTTP/1.1\r\nhost: x\r\n{none}\r\n\r\n"),
        format!("GET {blob} HTTP/1.1\r\nhost: x\r\nrange: bytes=3-4\r\n\r\n"),
        format!("HEAD {blob}0 HTTP/1.1\r\nhost: x\r\n{none}\r\n\r\n"),
        format!("GET {blob} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
    ];
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket
        .write_all(requests.concat().as_bytes())
        .await
        .unwrap();
    let mut read = String::new();
    soon(socket.read_to_string(&mut read)).await.unwrap();
    let answers: Vec<&str> = read.split("HTTP/1.1 ").skip(1).collect();
    let expected = [
        ("200 OK", Some("10"), ""),
        ("304 Not Modified", None, ""),
        ("204 No Content", None, ""),
        ("206 Partial Content", Some("2"), "34"),
        ("400 Bad Request", Some(""), ""),
        ("200 OK", Some("10"), "0123456789"),
    ];
    assert_eq!(answers.len(), expected.len(), "{read}");
    for (answer, (status, length, body)) in answers.iter().zip(expected) {
        let (head, found) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(status) && found == body, "{answer}");
        let told = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(told.is_some(), length.is_some(), "{answer}");
        assert!(
            length.is_none_or(|length| told.unwrap().starts_with(length)),
            "{answer}"
        );
    }
    stop.send(()).unwrap();
    soon(run).await.unwrap();
}
