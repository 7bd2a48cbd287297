//! What a client speaks, told from its first bytes.
//!
//! The plain port takes HTTP/1.1 and HTTP/2 with prior knowledge, whose clients begin with a fixed
//! preface (RFC 9113, section 3.4). A client that begins a TLS handshake there gets an answer in
//! plain HTTP: Go's clients recognise it and say what is wrong, docker then tries plain HTTP.

use crate::config::Timeouts;
use bytes::Bytes;
use std::io;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first byte of a TLS handshake record. No HTTP method begins with it.
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client is told that begins a TLS handshake on the plain port.
pub(super) const TLS_ON_PLAIN: &str =
    "this port speaks plain HTTP, and the client began a TLS handshake; use http:// for it";

/// What a client is told that begins with anything but a TLS handshake on the TLS port.
pub(super) const PLAIN_ON_TLS: &str =
    "this port speaks TLS, and the client sent plain text; use https:// for it";

/// How a conversation on the plain port begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Http1,
    Http2,
    TlsHello,
}

/// Reads as much as it takes to tell, and gives what was read.
///
/// # Errors
/// The connection's; `TimedOut` when the client is silent or slow; `UnexpectedEof` when it sends
/// nothing at all.
pub(super) async fn read_opening(
    socket: &mut TcpStream,
    timeouts: &Timeouts,
) -> io::Result<(Opening, Bytes)> {
    let mut read = Vec::with_capacity(PREFACE.len());
    timeout(timeouts.first_byte, read_some(socket, &mut read)).await??;
    let rest = async {
        loop {
            if let Some(opening) = opening(&read) {
                return io::Result::Ok(opening);
            }
            read_some(socket, &mut read).await?;
        }
    };
    let opening = timeout(timeouts.headers, rest).await??;
    Ok((opening, read.into()))
}

/// At least one byte, and never more than a preface has.
async fn read_some(socket: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<()> {
    let room = (PREFACE.len() - read.len()) as u64;
    match socket.take(room).read_buf(read).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// `None` while `read` is the beginning of a preface and may become one.
fn opening(read: &[u8]) -> Option<Opening> {
    match read.first()? {
        &TLS_HANDSHAKE => Some(Opening::TlsHello),
        _ if read == PREFACE => Some(Opening::Http2),
        _ if PREFACE.starts_with(read) => None,
        _ => Some(Opening::Http1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_apart_as_early_as_possible() {
        for (read, expected) in [
            (&b""[..], None),
            (b"P", None),
            (b"PU", Some(Opening::Http1)),
            (b"PRI * HTTP/2", None),
            (b"PRI * HTTP/1.1\r\n", Some(Opening::Http1)),
            (PREFACE, Some(Opening::Http2)),
            (b"GET", Some(Opening::Http1)),
            (b"\x16", Some(Opening::TlsHello)),
        ] {
            assert_eq!(opening(read), expected, "{read:?}");
        }
    }
}
