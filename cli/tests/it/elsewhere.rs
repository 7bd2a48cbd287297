//! A server elsewhere that is none: it answers what it is told to, and remembers what it was asked.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A status and a body.
pub(crate) type Canned = (u16, &'static str);

/// A server elsewhere.
pub(crate) struct Elsewhere {
    pub(crate) port: u16,
    asked: JoinHandle<Vec<String>>,
}

// === impl Elsewhere ===

impl Elsewhere {
    /// One that answers so many requests, each with the next of `answers`.
    pub(crate) fn new(answers: &[Canned]) -> Self {
        Self::with(None, answers)
    }

    pub(crate) fn with(tls: Option<Arc<ServerConfig>>, answers: &[Canned]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = answers.to_vec();
        let port = listener.local_addr().unwrap().port();
        let asked = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let tls = tls.clone().map(|tls| ServerConnection::new(tls).unwrap());
                asked.push(match tls {
                    None => converse(stream, answer),
                    Some(tls) => converse(StreamOwned::new(tls, stream), answer),
                });
            }
            asked
        });
        Self { port, asked }
    }

    /// What it was asked, once it has answered everything.
    pub(crate) fn asked(self) -> Vec<String> {
        self.asked.join().unwrap()
    }
}

/// Reads a request and answers it; nothing when the other side goes away first.
fn converse(mut stream: impl Read + Write, (status, body): (u16, &str)) -> String {
    let mut asked = Vec::new();
    let mut part = [0; 4096];
    while !is_whole(&asked) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(read) => asked.extend_from_slice(&part[..read]),
        }
    }
    let length = body.len();
    // A client that refused the certificate has gone.
    drop(write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ));
    drop(stream.flush());
    String::from_utf8(asked).unwrap()
}

fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}
