//! How a connection ends when its client may still be sending.
//!
//! Closing a socket that has unread bytes sends a reset, and a reset makes the client's system
//! throw away the answer it has received but not read yet: the client reports "broken pipe"
//! instead of our message. So the socket is closed for writing first, and what still comes is read
//! for a bounded time and number of bytes.

use crate::config::Config;
use crate::log::Answer;
use http::Response;
use http_body_util::BodyExt as _;
use std::io;
use std::time::SystemTime;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Sends `answer` as HTTP/1.1 and ends the connection.
///
/// This is for what hyper took no request from. The answer must have a length, and must not be
/// sent while bytes of another one are on their way.
pub(super) async fn refuse<S>(
    mut socket: S,
    answer: Response<Answer>,
    config: &Config,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let bytes = written(answer).await?;
    let send = async {
        socket.write_all(&bytes).await?;
        // TLS may have taken the bytes and hold them.
        socket.flush().await
    };
    timeout(config.timeouts.write, send).await??;
    linger(socket, config).await
}

/// Says that nothing more is sent, and reads until the client says the same or a limit is reached.
pub(super) async fn linger<S>(mut socket: S, config: &Config) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let discard = async {
        socket.shutdown().await?;
        let mut left = config.limits.discard_bytes;
        let mut waste = Vec::with_capacity(16 * 1024);
        while left > 0 {
            waste.clear();
            match socket.read_buf(&mut waste).await? {
                0 => break,
                read => left = left.saturating_sub(read as u64),
            }
        }
        Ok(())
    };
    // Running into the limit is one of the ways it ends.
    timeout(config.timeouts.discard, discard)
        .await
        .unwrap_or(Ok(()))
}

/// The bytes of `answer`: status line, headers, body.
async fn written(answer: Response<Answer>) -> io::Result<Vec<u8>> {
    let (head, body) = answer.into_parts();
    let status = head.status;
    let reason = status.canonical_reason().unwrap_or_default();
    let line = format!(
        "HTTP/1.1 {} {reason}\r\ndate: {}\r\n",
        status.as_str(),
        date()
    );
    let mut bytes = line.into_bytes();
    for (name, value) in &head.headers {
        let parts = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        bytes.extend(parts.concat());
    }
    bytes.extend(b"\r\n");
    let body = body.collect().await.map_err(io::Error::other)?;
    bytes.extend(body.to_bytes());
    Ok(bytes)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the header is the wall clock's time by definition"
)]
fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}
