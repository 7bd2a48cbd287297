//! [`Body`]: what an answer carries, as hyper sends it.
//!
//! Invariants:
//! 1. The length is known beforehand, so every answer has a `Content-Length`; but of a stream of
//!    events, which has no end of its own.
//! 2. A body either gives exactly its announced bytes or ends with an error, which makes hyper
//!    abort the connection (HTTP/1.1) or the stream (HTTP/2): never a short success.
//! 3. The bytes of a blob are passed on and never looked at, see [`file`].
//!
//! What a request carries is in [`incoming`].

mod file;
mod incoming;

use crate::events::EventStream;
use bytes::Bytes;
use floundr_engine::blob::BlobReader;
use floundr_engine::fault::StorageError;
use http_body::{Frame, SizeHint};
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pub(crate) use incoming::receive;
pub use incoming::{BoxError, RequestBody, RequestBodyError};

/// The body of an answer.
pub struct Body {
    /// `None`: nobody knows.
    remaining: Option<u64>,
    content: Content,
}

/// How the bytes of an answer reach the client. The server puts it into a request's extensions;
/// where it is missing, it is `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// HTTP/1.1 on a plain socket: hyper hands a body's slices to `writev` untouched.
    PlainHttp1,
    /// HTTP/2, which sends every frame by itself.
    Http2,
    /// HTTP/1.1 over TLS, which copies and encrypts: the bytes are touched by this process.
    #[default]
    Other,
}

/// Why an answer could not be sent whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The store cannot give the bytes.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The store gave another number of bytes than it was asked for.
    #[error("stored content gave {got} bytes at offset {offset}, not {expected}")]
    Short {
        /// Where it was read.
        offset: u64,
        /// Bytes asked for.
        expected: u64,
        /// Bytes given.
        got: u64,
    },
}

enum Content {
    Memory(Bytes),
    Frames(Box<dyn file::Frames>),
    Events(EventStream),
}

// === impl Body ===

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// These bytes.
    pub fn full(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            remaining: Some(content.len() as u64),
            content: Content::Memory(content),
        }
    }

    /// The bytes of `range` of a blob, read while they are sent. Memory: up to 512 KiB, and on
    /// [`Transport::PlainHttp1`] none beside the page cache.
    pub fn blob(blob: BlobReader, range: Range<u64>, transport: Transport) -> Self {
        Self {
            remaining: Some(range.end.saturating_sub(range.start)),
            content: Content::Frames(file::frames(blob, range, transport)),
        }
    }

    /// Events as they happen.
    pub fn events(events: EventStream) -> Self {
        Self {
            remaining: None,
            content: Content::Events(events),
        }
    }

    /// Bytes still to be sent, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.remaining == Some(0) {
            return Poll::Ready(None);
        }
        let frame = match &mut this.content {
            Content::Memory(content) => Ok(std::mem::take(content)),
            Content::Frames(frames) => ready!(frames.poll_next(cx)),
            Content::Events(events) => {
                let frame = ready!(Pin::new(events).poll_frame(cx));
                if frame.is_none() {
                    this.remaining = Some(0);
                }
                return Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})));
            }
        };
        if let (Ok(frame), Some(remaining)) = (&frame, &mut this.remaining) {
            *remaining -= frame.len() as u64;
        }
        Poll::Ready(Some(frame.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Events;
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_stream_of_events_has_no_length_and_is_whole_when_it_has_ended() {
        let events = Events::default();
        let mut body = Body::events(events.subscribe(|_| true));
        assert_eq!((body.remaining(), body.size_hint().exact()), (None, None));
        assert!(!body.is_end_stream());
        events.end();
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());
    }
}
