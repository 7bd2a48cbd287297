//! Manifest reads as cheap as `wrk` makes them: one thread, answers recognized and not parsed.
//!
//! 1. It stands in for `wrk` where that cannot measure: it waits for the body that an answer to HEAD announces
//!    and never sends (<https://github.com/wg/wrk/issues/198>). GET is there to compare the two.
//! 2. An answer that is no 200, is longer than its head says, or does not fit [`LONGEST`] is an error.
//! 3. As in `wrk`, connecting is within the clock. Unlike there, the sockets are not paced, see `socket.rs`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};

use crate::load::manifest_read::{TAG, Verb};
use crate::load::{Outcome, Tally, Target, measure};
use crate::login;
use crate::registry::MANIFEST;
use crate::socket;

/// Bytes of the longest answer, head and body.
pub const LONGEST: usize = 16 * 1024;

/// How to read a manifest.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    /// How many connections read at once.
    pub clients: u64,
    /// For how long.
    pub time: Duration,
    /// The request.
    pub verb: Verb,
}

// === impl Raw ===

impl Raw {
    /// Measures one round of reading the manifest that
    /// [`prepare`](crate::load::manifest_read::prepare) has pushed.
    ///
    /// # Errors
    /// When a connection is not accepted or an answer is not as expected.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the thread to its end, which the time bounds.
    pub async fn run(&self, target: &Target) -> Result<Outcome> {
        let (load, address) = (*self, target.endpoint.authority().to_owned());
        let request = Bytes::from(load.request(target)?);
        let limit = target.limit.min(load.time * 2 + Duration::from_secs(5));
        let thread = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start a runtime")?;
            runtime.block_on(async {
                let all = tokio::time::timeout(limit, load.all(&address, &request)).await;
                all.with_context(|| format!("not answered within {limit:?}"))?
            })
        };
        let job = async {
            spawn_blocking(thread)
                .await
                .context("the thread panicked")?
        };
        measure(target, vec![job]).await
    }

    fn request(self, target: &Target) -> Result<String> {
        let verb = match self.verb {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
        };
        let (address, repository) = (target.endpoint.authority(), &target.repository);
        let authorization = login::line(target.authorization.as_ref())?;
        Ok(format!(
            "{verb} /v2/{repository}/manifests/{TAG} HTTP/1.1\r\nHost: {address}\r\n\
             Accept: {MANIFEST}\r\n{authorization}\r\n"
        ))
    }

    async fn all(self, address: &str, request: &Bytes) -> Result<Tally> {
        let end = Instant::now() + self.time;
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            clients.spawn(self.client(address.to_owned(), request.clone(), end));
        }
        let mut tally = Tally::default();
        while let Some(client) = clients.join_next().await {
            tally.add(&client.context("a client panicked")??);
        }
        Ok(tally)
    }

    async fn client(self, address: String, request: Bytes, end: Instant) -> Result<Tally> {
        let mut socket = socket::connect(&address).await.context(address)?;
        let mut tally = Tally::default();
        let mut buffer = vec![0; LONGEST];
        let mut begin = Instant::now();
        while begin < end {
            socket.write_all(&request).await.context("cannot ask")?;
            let moved = self.answer(&mut socket, &mut buffer).await?;
            tally.count(moved, begin);
            begin = Instant::now();
        }
        Ok(tally)
    }

    /// Reads one answer and returns the length of its body.
    async fn answer(self, socket: &mut TcpStream, buffer: &mut [u8]) -> Result<u64> {
        let mut filled = 0;
        loop {
            let (read, free) = buffer.split_at_mut(filled);
            if let Some(length) = body_length(read, self.verb)? {
                return Ok(length);
            }
            ensure!(
                !free.is_empty(),
                "the answer is longer than {LONGEST} bytes"
            );
            match socket.read(free).await.context("no answer")? {
                0 => bail!("connection was closed"),
                more => filled += more,
            }
        }
    }
}

/// The length of the body when `answer` is complete; `None` when more has to come.
fn body_length(answer: &[u8], verb: Verb) -> Result<Option<u64>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = answer.split_at(end + 4);
    expect_ok(head)?;
    let expected = match verb {
        Verb::Head => 0,
        Verb::Get => announced(head).context("answer announces no length")?,
    };
    ensure!(
        body.len() <= expected,
        "body has {} bytes, not {expected}",
        body.len()
    );
    Ok((body.len() == expected).then_some(expected as u64))
}

/// Refuses an answer that is no 200.
pub(super) fn expect_ok(head: &[u8]) -> Result<()> {
    if head.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    let first = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    bail!("answer is {}", String::from_utf8_lossy(first));
}

/// The length of the body that a head announces.
pub(super) fn announced(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    length.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nETag: x\r\nContent-length: 3\r\n\r\n";

    #[test]
    fn an_answer_is_complete_with_its_body_or_without_when_none_was_asked_for() {
        for (more, verb, expected) in [
            ("", Verb::Head, Some(0)),
            ("", Verb::Get, None),
            ("ab", Verb::Get, None),
            ("abc", Verb::Get, Some(3)),
        ] {
            let answer = [HEAD, more].concat();
            assert_eq!(
                body_length(answer.as_bytes(), verb).unwrap(),
                expected,
                "{more}"
            );
        }
        assert_eq!(
            body_length(b"HTTP/1.1 200 OK\r\n", Verb::Get).unwrap(),
            None
        );
    }

    #[test]
    fn a_request_says_who_asks_when_somebody_is_logged_in() {
        let load = Raw {
            clients: 1,
            time: Duration::ZERO,
            verb: Verb::Head,
        };
        let request = |authorization| load.request(&Target::of("h:80", authorization)).unwrap();
        let common = "HEAD /v2/a/b/manifests/bench HTTP/1.1\r\nHost: h:80\r\n\
                      Accept: application/vnd.oci.image.manifest.v1+json\r\n";
        assert_eq!(request(None), format!("{common}\r\n"));
        assert_eq!(
            request(Some(HeaderValue::from_static("Bearer x"))),
            format!("{common}authorization: Bearer x\r\n\r\n")
        );
    }

    #[test]
    fn an_answer_that_is_not_as_expected_is_refused() {
        let more = [HEAD, "abcd"].concat();
        assert!(body_length(more.as_bytes(), Verb::Get).is_err());
        assert!(body_length(more.as_bytes(), Verb::Head).is_err());
        for status in ["404 Not Found", "401 Unauthorized"] {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let error = body_length(answer.as_bytes(), Verb::Get).unwrap_err();
            assert_eq!(error.to_string(), format!("answer is HTTP/1.1 {status}"));
        }
        assert!(body_length(b"HTTP/1.1 200 OK\r\n\r\n", Verb::Get).is_err());
    }
}
