//! HTTP over a connection that is kept, and the life of a server as its clients see it.
//!
//! Invariant: a connection that breaks before the server was told to end is a fault.

use crate::fault::{Fault, Kind, Stop};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// One process of the server.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) number: usize,
    address: SocketAddr,
    /// How long earlier processes lived together.
    before: Duration,
    began: Instant,
    ends: AtomicBool,
    /// Clients that have compared what they find with their ledgers.
    pub(crate) verified: AtomicUsize,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Wire<'l> {
    pub(crate) life: &'l Life,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer, and when by [`Life::now`] it was asked for and came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asked: Duration,
    pub(crate) came: Duration,
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

// === impl Life ===

impl Life {
    /// `began` is before the process was.
    pub(crate) fn new(
        number: usize,
        address: SocketAddr,
        before: Duration,
        began: Instant,
    ) -> Self {
        Self {
            number,
            address,
            before,
            began,
            ends: AtomicBool::new(false),
            verified: AtomicUsize::new(0),
        }
    }

    /// How long servers have lived, all together. The engine's time is not ahead of it: it runs
    /// inside of these lives and falls back at a kill.
    pub(crate) fn now(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    /// Comes before the server is told to end.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }
}

// === impl Wire ===

impl<'l> Wire<'l> {
    pub(crate) fn new(life: &'l Life) -> Self {
        Self { life, stream: None }
    }

    /// A whole request and its answer. `headers` end with a line break each.
    pub(crate) fn call(
        &mut self,
        (method, target): (&str, &str),
        headers: &str,
        body: &[u8],
    ) -> Result<Answer, Stop> {
        let asked = self.life.now();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let answered = self.exchange(&head, body, method == "HEAD");
        let (status, head, body) = answered.map_err(|error| {
            if self.life.is_over() {
                return Stop::Gone;
            }
            let text = format!("{method} {target}: {error} while the server ran");
            Stop::Fault(Fault::new(Kind::Refused, text))
        })?;
        let came = self.life.now();
        if status >= 500 {
            let said = String::from_utf8_lossy(&body);
            let text = format!("{method} {target}: {status} {said}");
            return Err(Fault::new(Kind::Refused, text).into());
        }
        Ok(Answer {
            asked,
            came,
            status,
            head,
            body,
        })
    }

    fn exchange(
        &mut self,
        head: &str,
        body: &[u8],
        is_head: bool,
    ) -> io::Result<(u16, String, Vec<u8>)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.life.address)?,
        };
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(body)?;
        let mut answer = String::new();
        while !answer.ends_with("\r\n\r\n") {
            if stream.read_line(&mut answer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let length = value(&answer, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; if is_head { 0 } else { length.unwrap_or(0) }];
        stream.read_exact(&mut body)?;
        if value(&answer, "connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok((status, answer, body))
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn value<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

// === impl Answer ===

impl Answer {
    /// A header's value; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        value(&self.head, name).unwrap_or_default()
    }

    /// An answer that nothing about the store explains.
    pub(crate) fn unexpected(&self, what: &str) -> Stop {
        let said = String::from_utf8_lossy(&self.body);
        let text = format!("{what}: {} {said}", self.status);
        Fault::new(Kind::Refused, text).into()
    }
}
