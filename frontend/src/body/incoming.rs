//! [`RequestBody`]: what a request carries, with a limit on how long it may stand still.
//!
//! Invariants:
//! 1. Waiting for the next piece longer than the limit ends the body with
//!    [`RequestBodyError::Idle`]; the transfer as a whole may take for ever.
//! 2. A body that is dropped before its end goes back to the pipeline (see [`Leftover`]), which
//!    reads the rest or closes the connection, so that the client gets to read the answer.
//! 3. Nobody who does not read asks for bytes: `Expect: 100-continue` is answered by the first poll.

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::error::Error;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// An error of any kind.
pub type BoxError = Box<dyn Error + Send + Sync>;

type Inner = Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send + Unpin>;

/// The body of a request, as handlers read it.
pub struct RequestBody {
    /// `None` once it has ended or failed.
    inner: Option<Inner>,
    limit: Duration,
    /// Since when a piece is waited for.
    waiting_since: Option<Instant>,
    /// Rings no later than the limit after that; made for the first wait, kept for later ones.
    alarm: Option<Pin<Box<Sleep>>>,
    received: Arc<AtomicU64>,
    state: Progress,
    give_back: Option<oneshot::Sender<Unread>>,
}

/// Why a request's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client sent nothing for this long.
    #[error("no byte of the request body came for {} ms", .0.as_millis())]
    Idle(Duration),
    /// The connection broke, or what came is not a body.
    #[error("the request body ended early: {0}")]
    Broken(BoxError),
}

/// What remains of a request's body when its handler has answered.
pub(crate) struct Leftover {
    /// None when the request had no body.
    unread: Option<oneshot::Receiver<Unread>>,
    received: Arc<AtomicU64>,
    limit: Duration,
}

struct Unread {
    body: Inner,
    state: Progress,
}

/// How far a body was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nobody asked for it.
    NotAsked,
    Asked,
    /// The client stopped sending.
    StoodStill,
}

/// Prepares `body` for a handler. `limit` is how long it may stand still.
pub(crate) fn receive<B>(body: B, limit: Duration) -> (RequestBody, Leftover)
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let received = Arc::new(AtomicU64::new(0));
    let (mut inner, mut give_back, mut unread): (Option<Inner>, _, _) = (None, None, None);
    if !body.is_end_stream() {
        inner = Some(Box::new(body.map_err(Into::into)));
        let (sender, receiver) = oneshot::channel();
        (give_back, unread) = (Some(sender), Some(receiver));
    }
    let body = RequestBody {
        inner,
        limit,
        waiting_since: None,
        alarm: None,
        received: Arc::clone(&received),
        state: Progress::NotAsked,
        give_back,
    };
    (
        body,
        Leftover {
            unread,
            received,
            limit,
        },
    )
}

// === impl RequestBody ===

impl RequestBody {
    /// A body that was not received from anywhere: for requests made in this process.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        receive(body, Duration::from_mins(1)).0
    }

    /// Ready when a piece was waited for as long as is allowed.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let due = since + self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        while alarm.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        this.state = Progress::Asked;
        let outcome = match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting_since = None;
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.received.fetch_add(length, Ordering::Relaxed);
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => Some(Err(RequestBodyError::Broken(error))),
            Poll::Ready(None) => None,
            Poll::Pending if this.poll_idle(cx).is_pending() => return Poll::Pending,
            Poll::Pending => {
                // It goes back unread; one that ended or broke is over.
                this.state = Progress::StoodStill;
                return Poll::Ready(Some(Err(RequestBodyError::Idle(this.limit))));
            }
        };
        this.inner = None;
        Poll::Ready(outcome)
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.inner.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        let state = self.state;
        if let Some(give_back) = self.give_back.take() {
            // Nobody waits for it when the connection is gone: then it is dropped here.
            drop(give_back.send(Unread { body, state }));
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

// === impl Leftover ===

impl Leftover {
    /// Counts the bytes the handler receives.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Reads what the handler left, if that is announced to be at most `bytes` and comes within
    /// `limit`. Whether the connection can carry another request afterwards.
    ///
    /// A body that was never asked for while its client waits for `100 Continue` is left alone:
    /// the client will not send it.
    pub(crate) async fn discard(&mut self, bytes: u64, limit: Duration, expects: bool) -> bool {
        let unread = self.unread.as_mut();
        let Some(Ok(Unread { mut body, state })) = unread.map(oneshot::Receiver::try_recv) else {
            return true;
        };
        let fits = body.size_hint().lower() <= bytes;
        let comes = match state {
            Progress::NotAsked => !expects,
            Progress::Asked => true,
            Progress::StoodStill => false,
        };
        if !fits || !comes {
            return false;
        }
        let limit = limit.min(self.limit);
        timeout(limit, read_to_end(&mut body, bytes))
            .await
            .unwrap_or(false)
    }
}

/// Reads and throws away; whether the end came within `bytes`.
async fn read_to_end(body: &mut Inner, bytes: u64) -> bool {
    let mut left = bytes;
    loop {
        match body.frame().await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(rest) = left.checked_sub(length) else {
                    return false;
                };
                left = rest;
            }
        }
    }
}
