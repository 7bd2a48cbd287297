//! Large pulls over plain HTTP/1.1, as cheap as a client can make them: a thread for each that blocks in `recv`.
//!
//! 1. A client that is told of arriving bytes by `epoll` and then reads them does two or three system calls where
//!    this one does one, and on the cores it shares with the server measures itself: with it, servers that differ
//!    by half look alike.
//! 2. Only an answer with status 200 and a length is taken; redirects are not followed, they are errors.
//! 3. Connecting and the buffer are prepared before the clock starts.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::load::raw::{LONGEST, announced, expect_ok};
use crate::load::{Tally, Target};
use crate::login;
use crate::socket;

/// Bytes read at once.
const READ: usize = 512 * 1024;

/// A connection that is about to pull a blob.
#[derive(Debug)]
pub(super) struct PlainPull {
    socket: TcpStream,
    request: String,
    buffer: Vec<u8>,
    length: u64,
}

// === impl PlainPull ===

impl PlainPull {
    /// Connects to `target` for the blob `digest` of `length` bytes; it may stand still for the limit. Blocks.
    pub(super) fn connect(target: &Target, digest: &str, length: u64) -> Result<Self> {
        let (address, repository) = (target.endpoint.authority(), &target.repository);
        let authorization = login::line(target.authorization.as_ref())?;
        let socket = socket::connect_blocking(address).with_context(|| address.to_owned())?;
        socket
            .set_read_timeout(Some(target.limit))
            .context("cannot set a time limit")?;
        Ok(Self {
            socket,
            request: format!(
                "GET /v2/{repository}/blobs/{digest} HTTP/1.1\r\nHost: {address}\r\n\
                 {authorization}\r\n"
            ),
            buffer: vec![0; READ],
            length,
        })
    }

    /// Pulls it. Blocks.
    pub(super) fn run(mut self) -> Result<Tally> {
        let begin = Instant::now();
        let sent = self.socket.write_all(self.request.as_bytes());
        sent.context("cannot ask")?;
        let mut got = self.head()?;
        while got < self.length {
            got += self.read(0)? as u64;
        }
        ensure!(
            got == self.length,
            "blob has at least {got} bytes, not {}",
            self.length
        );
        let mut tally = Tally::default();
        tally.count(got, begin);
        Ok(tally)
    }

    /// Reads up to the end of the head and returns how many bytes of the body came with it.
    fn head(&mut self) -> Result<u64> {
        let mut filled = 0;
        loop {
            filled += self.read(filled)?;
            let read = &self.buffer[..filled];
            let end = read.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end else {
                ensure!(filled < LONGEST, "the head is longer than {LONGEST} bytes");
                continue;
            };
            let (head, body) = read.split_at(end + 4);
            expect_ok(head)?;
            let length = announced(head).context("answer announces no length")? as u64;
            ensure!(
                length == self.length,
                "blob has {length} bytes, not {}",
                self.length
            );
            return Ok(body.len() as u64);
        }
    }

    fn read(&mut self, from: usize) -> Result<usize> {
        match self
            .socket
            .read(&mut self.buffer[from..])
            .context("no answer")?
        {
            0 => bail!("connection was closed"),
            more => Ok(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::net::TcpListener;
    use std::thread;

    /// What pulling a blob of three bytes makes of an answer.
    fn pulled(answer: &'static str) -> Result<Tally> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = socket.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            assert!(request.starts_with("GET /v2/a/b/blobs/sha256:x HTTP/1.1\r\nHost: 127.0.0.1:"));
            assert!(request.ends_with("\r\nauthorization: Bearer x\r\n\r\n"));
            for piece in answer.as_bytes().chunks(7) {
                socket.write_all(piece).unwrap();
            }
        });
        let target = Target::of(&address, Some(HeaderValue::from_static("Bearer x")));
        let outcome = PlainPull::connect(&target, "sha256:x", 3).unwrap().run();
        server.join().unwrap();
        outcome
    }

    #[test]
    fn every_byte_is_counted_and_no_other_answer_is_taken() {
        let tally = pulled("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").unwrap();
        assert_eq!((tally.bytes, tally.operations), (3, 1));
        for (answer, expected) in [
            (
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\n\r\n",
                "answer is HTTP/1.1 307 Temporary Redirect",
            ),
            (
                "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nabc",
                "answer is HTTP/1.1 401 Unauthorized",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd",
                "blob has 4 bytes, not 3",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
                "connection was closed",
            ),
        ] {
            assert_eq!(pulled(answer).unwrap_err().to_string(), expected);
        }
    }
}
