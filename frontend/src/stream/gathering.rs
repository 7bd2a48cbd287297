//! [`Gathering`]: some frames of HTTP/2 over TLS, sent together.

use super::Socket;
use super::pieces::Pieces;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Bytes that were encrypted and not sent yet.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// All of them.
    pub(super) bytes: usize,
    /// Those that came since the last flush.
    fresh: usize,
}

// === impl Gathering ===

impl Gathering {
    /// What was flushed with fewer bytes than these is sent at once: an answer's head, or its end.
    const LONG: usize = 8 * 1024;

    /// With so many they are sent: rustls holds 64 KiB, and the next frame should fit.
    const MOST: usize = 48 * 1024;

    /// Encrypts what there is room for.
    pub(super) fn poll_take(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Socket::Tls(stream) = socket else {
            return Pin::new(socket).poll_write_vectored(cx, bufs);
        };
        let pieces = Pieces::of(bufs);
        loop {
            let taken = stream.get_mut().1.writer().write_vectored(pieces.get())?;
            if taken > 0 || pieces.get().is_empty() {
                self.bytes += taken;
                self.fresh += taken;
                return Poll::Ready(Ok(taken));
            }
            ready!(Pin::new(&mut *stream).poll_flush(cx))?;
            self.bytes = 0;
        }
    }

    /// At a flush: whether more is likely to come before all is sent.
    pub(super) fn waits_for_more(&mut self) -> bool {
        let fresh = std::mem::take(&mut self.fresh);
        let waits = fresh >= Self::LONG && self.bytes < Self::MOST;
        if !waits {
            self.bytes = 0;
        }
        waits
    }
}
