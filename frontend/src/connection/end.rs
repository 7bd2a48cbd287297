//! How a connection ends when its client may still be sending.
//!
//! Closing a socket that has unread bytes sends a reset, and a reset makes the client's system
//! throw away the answer it has received but not read yet: the client reports "broken pipe"
//! instead of our message. So the socket is closed for writing first, and what still comes is read
//! for a bounded time and number of bytes.

use crate::config::Config;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Answers `text` and ends the connection.
pub(super) async fn refuse<S>(mut socket: S, text: &str, config: &Config) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    timeout(config.timeouts.write, socket.write_all(text.as_bytes())).await??;
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
