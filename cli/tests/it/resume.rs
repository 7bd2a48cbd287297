//! A server killed in the middle of a chunked upload: the next one tells an offset, and the upload
//! continues there and becomes the right blob.

use crate::support::{Home, Server};
use floundr_engine::digest::{Algorithm, Digest};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Bytes of the whole blob: many writes and several checksum blocks.
const WHOLE: usize = 6_000_000;

/// Bytes of the chunk that was acknowledged before the kill.
const FIRST: usize = 2_500_000;

/// Bytes of the second chunk that were sent when the server died.
const SENT: usize = 1_500_000;

fn content() -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..WHOLE).map(next).collect()
}

/// Sends the head of a request, and as much of its body as there is.
fn open(server: &Server, line: &str, headers: &[String], body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let headers = headers.concat();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream
}

/// A whole request; the head and the body of the answer.
fn call(server: &Server, line: &str, headers: &[String], body: &[u8]) -> (String, Vec<u8>) {
    let length = format!("Content-Length: {}\r\n", body.len());
    let headers = [headers, &[length]].concat();
    let mut answer = Vec::new();
    open(server, line, &headers, body)
        .read_to_end(&mut answer)
        .unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

fn header(head: &str, name: &str) -> String {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
        .to_owned()
}

fn content_range(start: usize, end: usize) -> String {
    format!("Content-Range: {start}-{}\r\n", end - 1)
}

#[test]
fn a_chunked_upload_continues_where_a_killed_server_says() {
    let home = Home::new();
    let content = content();
    let digest = Digest::of(Algorithm::Sha256, &content);
    let server = home.serve(&[]);
    let (head, _) = call(&server, "POST /v2/killed/blobs/uploads/", &[], b"");
    let location = header(&head, "location");
    let patch = format!("PATCH {location}");
    let (head, _) = call(
        &server,
        &patch,
        &[content_range(0, FIRST)],
        &content[..FIRST],
    );
    assert!(head.starts_with("http/1.1 202"), "{head}");
    let length = format!("Content-Length: {}\r\n", WHOLE - FIRST);
    let headers = [content_range(FIRST, WHOLE), length];
    let cut_off = open(&server, &patch, &headers, &content[FIRST..FIRST + SENT]);
    server.signal(Signal::KILL);
    assert_eq!(server.ended().0.code(), None);
    drop(cut_off);

    let server = home.serve(&[]);
    let (head, _) = call(&server, &format!("GET {location}"), &[], b"");
    assert!(head.starts_with("http/1.1 204"), "{head}");
    let range = header(&head, "range");
    let last: usize = range.strip_prefix("0-").unwrap().parse().unwrap();
    let offset = last + 1;
    assert!((FIRST..=FIRST + SENT).contains(&offset), "{range}");
    let (head, _) = call(
        &server,
        &patch,
        &[content_range(offset, WHOLE)],
        &content[offset..],
    );
    assert!(head.starts_with("http/1.1 202"), "{head}");
    let (head, _) = call(
        &server,
        &format!("PUT {location}?digest={digest}"),
        &[],
        b"",
    );
    assert!(head.starts_with("http/1.1 201"), "{head}");
    let (head, body) = call(&server, &format!("GET /v2/killed/blobs/{digest}"), &[], b"");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(body == content);
}
