//! HTTP/1.1 and HTTP/2 over one stream: how hyper is set up, and what drives it.
//!
//! Invariants:
//! 1. HTTP/1.1 queues an answer's slices and hands them to one `writev` (`writev(true)`): it never
//!    flattens, which would copy and would touch mapped bytes (see `body::file`).
//! 2. Memory is bounded: a read buffer for HTTP/1.1; windows and stream counts for HTTP/2, of which the
//!    windows are shorter the more connections there are.
//! 3. Limits of time are `activity`'s alone; hyper's own timer for heads is off, because it counts
//!    the time between two requests as well.
//! 4. What hyper refuses of HTTP/1.1 by itself is answered as every other refusal, see [`gate`].
//!    HTTP/2 has frames for that (`RST_STREAM`, `GOAWAY`, a bare 431), which are hyper's.

mod executor;
mod gate;
mod host;
mod refusal;

#[cfg(any(test, feature = "test-util"))]
pub use refusal::fuzz as fuzz_head;

use super::end;
use crate::activity::{Activity, Expired, InFlight};
use crate::body::{BodyError, Transport};
use crate::config::Config;
use crate::error::ApiError;
use crate::log::Answer;
use crate::server::{Stop, wait};
use crate::service::{Handler, Peer, Registry};
use crate::stream::Stream;
use bytes::Bytes;
use executor::{Executor, Requests};
use gate::Gate;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use refusal::Refusal;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// HTTP/2 frames up to this length are taken. 64 KiB: four times the default saves work on large
/// bodies, and a whole frame must be in memory before any of it can be used.
const MAX_FRAME: u32 = 64 * 1024;

/// Bytes of one HTTP/2 answer that wait for the client's window. 512 KiB: two frames of a blob.
const SEND_BUFFER: usize = 512 * 1024;

/// So many connections have whole windows; of more, each new one has its part of these.
const WHOLE_WINDOWS: u64 = 16;

/// However many connections there are, a request body has room for some frames, and for 10 MB/s over 20 ms.
const LEAST_WINDOW: u32 = 256 * 1024;

/// How often a silent HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// hyper parses up to this many header lines without an allocation.
const HEADERS_ON_STACK: usize = 100;

/// One connection whose protocol is known.
pub(super) struct Conversation<H> {
    pub(super) registry: Arc<Registry<H>>,
    pub(super) activity: Arc<Activity>,
    pub(super) peer: SocketAddr,
    pub(super) is_plain: bool,
}

/// An answer that keeps its request in flight until it was sent.
#[derive(Debug)]
struct Tracked {
    answer: Answer,
    in_flight: InFlight,
}

/// How driving a connection ended.
enum Ended {
    Done(hyper::Result<()>),
    Expired(Expired),
}

/// An HTTP/2 connection with its requests.
struct Multiplexed<C> {
    connection: C,
    requests: Requests,
}

/// What hyper's two kinds of connections have in common.
trait Graceful: Future<Output = hyper::Result<()>> + Unpin + Send {
    /// Takes no further request and ends when those in flight are answered.
    fn finish(self: Pin<&mut Self>);
}

// === impl Conversation ===

impl<H: Handler> Conversation<H> {
    pub(super) async fn http1(self, stream: Stream, mut stop: Stop) {
        let config = Arc::clone(self.registry.config());
        let (activity, peer) = (Arc::clone(&self.activity), self.peer);
        let transport = if self.is_plain {
            Transport::PlainHttp1
        } else {
            Transport::Other
        };
        let registry = Arc::clone(&self.registry);
        let service = service_fn(move |request: Request<Incoming>| {
            let verdict = host::check(request.version(), request.headers());
            self.answer(request, transport, verdict)
        });
        let gate = Gate::new(stream, Arc::clone(&activity));
        let mut connection = http1_builder(&config).serve_connection(TokioIo::new(gate), service);
        let ended = drive(&mut connection, &activity, &mut stop).await;
        report(&ended, peer);
        let parts = connection.into_parts();
        let (stream, status) = parts.io.into_inner().open();
        let refusal = match &ended {
            // In the middle of another answer nothing can be said.
            _ if activity.owes_answer() => None,
            Ended::Done(Err(error)) => Refusal::of(error, status, &parts.read_buf, &config),
            Ended::Expired(Expired::Headers) => Some(Refusal::late(&parts.read_buf, &config)),
            Ended::Done(Ok(())) | Ended::Expired(Expired::Idle | Expired::Write) => None,
        };
        let ending = match (refusal, ended) {
            (Some(Refusal { error, line }), _) => {
                let answer = registry.refuse(&error, line, peer);
                end::refuse(stream, answer, &config).await
            }
            (None, Ended::Done(_)) if !stream.is_at_end() => end::linger(stream, &config).await,
            (None, _) => Ok(()),
        };
        if let Err(error) = ending {
            tracing::debug!(%error, %peer, "a connection was not closed cleanly");
        }
    }

    pub(super) async fn http2(self, stream: Stream, mut stop: Stop) {
        let config = Arc::clone(self.registry.config());
        let (activity, peer) = (Arc::clone(&self.activity), self.peer);
        let executor = Executor::default();
        let (_, connections) = self.registry.metrics().load();
        let builder = http2_builder(executor.clone(), &config, connections);
        let service = service_fn(move |request: Request<Incoming>| {
            let has_body = !request.body().is_end_stream();
            let answer = self.answer(request, Transport::Http2, Ok(()));
            executor::run(answer, has_body)
        });
        let stream = TokioIo::new(stream.for_http2());
        let mut connection = Multiplexed {
            connection: builder.serve_connection(stream, service),
            requests: Requests::of(executor),
        };
        let mut ended = drive(&mut connection, &activity, &mut stop).await;
        if matches!(ended, Ended::Expired(Expired::Idle)) {
            // Tell the client that no request of its was lost, and wait a moment until it knows.
            Pin::new(&mut connection).finish();
            let goodbye = tokio::time::timeout(config.timeouts.discard, &mut connection);
            ended = Ended::Done(goodbye.await.unwrap_or(Ok(())));
        }
        report(&ended, peer);
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
        transport: Transport,
        verdict: Result<(), ApiError>,
    ) -> impl Future<Output = Result<Response<Tracked>, Infallible>> + Send + use<H> {
        let in_flight = self.activity.begin();
        request.extensions_mut().insert(transport);
        request.extensions_mut().insert(Peer {
            address: self.peer,
            is_tls: !self.is_plain,
        });
        let registry = Arc::clone(&self.registry);
        async move {
            let response = registry.respond(request, verdict).await;
            let in_flight = in_flight.answering();
            Ok(response.map(|answer| Tracked { answer, in_flight }))
        }
    }
}

fn http1_builder(config: &Config) -> http1::Builder {
    let limits = &config.limits;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.read_buffer.max(limits.header_bytes))
        .pipeline_flush(false)
        .writev(true)
        // A client that closes its side in the middle of a request has gone: give the request up.
        .half_close(false);
    if limits.header_count != HEADERS_ON_STACK {
        builder.max_headers(limits.header_count);
    }
    builder
}

/// `connections` are open, this one among them.
fn http2_builder(
    executor: Executor,
    config: &Config,
    connections: usize,
) -> http2::Builder<Executor> {
    let limits = &config.limits;
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .adaptive_window(false)
        .initial_stream_window_size(window(limits.stream_window, connections))
        .initial_connection_window_size(window(limits.connection_window, connections))
        .max_concurrent_streams(limits.concurrent_streams)
        .max_frame_size(MAX_FRAME)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(header_bytes)
        .keep_alive_interval(PING);
    builder
}

/// What a client may send before it was used lies in memory: `whole` at most, and less when there are many
/// `connections` whose clients might do so.
fn window(whole: u32, connections: usize) -> u32 {
    let part = u64::from(whole) * WHOLE_WINDOWS / (connections as u64).max(WHOLE_WINDOWS);
    let least = LEAST_WINDOW.min(whole);
    u32::try_from(part).unwrap_or(whole).max(least)
}

/// Drives a connection to its end, or to the first limit it runs into. After the stop signal it
/// takes no further request.
async fn drive<C: Graceful>(connection: &mut C, activity: &Activity, stop: &mut Stop) -> Ended {
    let mut stopping = pin!(wait(stop));
    let mut is_stopping = false;
    let mut alarm = pin!(sleep_until(Instant::now() + Duration::from_hours(1)));
    poll_fn(|cx| {
        let mut ended = Pin::new(&mut *connection).poll(cx);
        // Only now: a request that has come already is still answered.
        if !is_stopping && ended.is_pending() && stopping.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            Pin::new(&mut *connection).finish();
            ended = Pin::new(&mut *connection).poll(cx);
        }
        if let Poll::Ready(result) = ended {
            return Poll::Ready(Ended::Done(result));
        }
        activity
            .poll_expired(alarm.as_mut(), cx)
            .map(Ended::Expired)
    })
    .await
}

fn report(ended: &Ended, peer: SocketAddr) {
    match ended {
        Ended::Done(Ok(())) => {}
        Ended::Done(Err(error)) => tracing::debug!(%error, %peer, "a connection broke"),
        Ended::Expired(why) => tracing::debug!(%why, %peer, "a client was disconnected"),
    }
}

// === impl Graceful ===

impl<S> Graceful for http1::Connection<TokioIo<Gate>, S>
where
    S: HttpService<Incoming, ResBody = Tracked, Error = Infallible> + Unpin + Send,
    S::Future: Send,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Graceful for http2::Connection<TokioIo<Stream>, S, Executor>
where
    S: HttpService<Incoming, ResBody = Tracked, Error = Infallible> + Unpin + Send,
    S::Future: Send + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

// === impl Multiplexed ===

impl<C: Graceful> Future for Multiplexed<C> {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // What they have to say goes out with what the connection sends now.
        this.requests.go_on(cx);
        loop {
            let ended = Pin::new(&mut this.connection).poll(cx);
            if ended.is_ready() || !this.requests.has_new() {
                return ended;
            }
            this.requests.go_on(cx);
        }
    }
}

impl<C: Graceful> Graceful for Multiplexed<C> {
    fn finish(self: Pin<&mut Self>) {
        Pin::new(&mut self.get_mut().connection).finish();
    }
}

// === impl Tracked ===

impl Body for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.answer).poll_frame(cx);
        this.in_flight.progressed(frame.is_ready());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

#[cfg(test)]
mod tests;
